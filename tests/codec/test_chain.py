"""With the exact posterior in the place of a network, the bits of a chain are known."""

import itertools

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import special

from keras_bfn.codec.chain import Chain
from keras_bfn.flows import DiscreteFlow, DiscretizedFlow
from keras_bfn.schedules import Schedule
from tests import exact
from tests.codec.crafting import coded
from tests.models.exact_models import JOINT_PRIOR

pytest.importorskip("constriction")

pytestmark = pytest.mark.once("jax")

RESOLUTION = 0.25


def draw(prior, shape):
    return np.random.default_rng(1).choice(len(prior), size=shape, p=prior)


def exact_expectation(flow, chain, prior):
    """One variable by itself: p(k | s) is proportional to prior_k N(s; c beta e_k, c beta)."""
    log_prior = np.log(prior)
    if isinstance(flow, DiscretizedFlow):
        points = (2 * np.arange(flow.num_bins) + 1) / flow.num_bins - 1
    else:
        points = np.array([-1, 1]) / 2**0.5  # of two classes; the distance of one-hot vectors

    def expect(s, i):
        if chain.channel.size > 1:
            return special.log_softmax(log_prior + s, axis=-1)
        logits = log_prior + s * points - 0.5 * chain.precision[i] * points**2
        return special.log_softmax(logits, axis=-1)

    return expect


ZIPF = (p := 1 / np.arange(1, 28)) / p.sum()
HILL = (p := np.exp(-0.5 * ((np.arange(17) - 4) / 2) ** 2)) / p.sum()
VARIABLES = {
    "2-uneven": (DiscreteFlow(2, beta_1=2.0), [0.8, 0.2]),
    "2-rare": (DiscreteFlow(2, beta_1=9.0), [0.05, 0.95]),
    "3-uneven": (DiscreteFlow(3, beta_1=1.0), [0.6, 0.3, 0.1]),
    "3-absent": (DiscreteFlow(3, beta_1=2.0), [0.5, 0.5, 1e-12]),
    "27-zipf": (DiscreteFlow(27, beta_1=0.2), ZIPF),
    "2-bins": (DiscretizedFlow(2, sigma_1=0.5), [0.7, 0.3]),
    "3-bins": (DiscretizedFlow(3, sigma_1=0.3), [0.5, 0.2, 0.3]),
    "16-bins": (DiscretizedFlow(16, sigma_1=0.01), np.full(16, 1 / 16)),
    "17-bins": (DiscretizedFlow(17, sigma_1=0.05), HILL),
}
every_variable = pytest.mark.parametrize(("flow", "prior"), VARIABLES.values(), ids=VARIABLES)


@pytest.mark.slow_to_compile
@pytest.mark.parametrize("num_steps", [1, 5, 100])
@every_variable
def test_the_bits_of_an_exact_posterior_are_the_entropy(flow, prior, num_steps):
    """Of each single example, whatever evidence is drawn: it costs -log2 of its probability."""
    chain = Chain(flow, num_steps, RESOLUTION)
    x = draw(prior, (100 if num_steps == 100 else 1000, 2))
    bits = coded(chain, x, exact_expectation(flow, chain, prior))
    assert_allclose(bits, -np.log2(prior)[x].sum(), rtol=0.005, atol=1)


@every_variable
def test_a_wrong_prior_costs_the_cross_entropy(flow, prior):
    wrong = 0.7 * np.asarray(prior)
    wrong[np.argmin(prior)] += 0.3
    chain = Chain(flow, 5, RESOLUTION)
    x = draw(prior, (1000, 2))
    bits = coded(chain, x, exact_expectation(flow, chain, wrong))
    assert_allclose(bits, -np.log2(wrong)[x].sum(), rtol=0.005, atol=1)
    assert bits > -1.01 * np.log2(prior)[x].sum()


@pytest.mark.parametrize(("resolution", "waste"), [(0.02, 0.001), (0.1, 0.001), (0.4, 0.005)])
@pytest.mark.parametrize("name", ["2-uneven", "17-bins"])
def test_the_spacing_of_the_lattice_cancels(name, resolution, waste):
    flow, prior = VARIABLES[name]
    chain = Chain(flow, 10, resolution)
    x = draw(prior, (1000, 2))
    bits = coded(chain, x, exact_expectation(flow, chain, prior))
    assert_allclose(bits, -np.log2(prior)[x].sum(), rtol=waste, atol=1)


def expect_pair(s, i):
    """Two dependent variables: the marginals of p(k, l) exp(s_1k + s_2l)."""
    log_joint = np.log(JOINT_PRIOR) + s[:, 0, :, None] + s[:, 1, None, :]
    marginals = [special.logsumexp(log_joint, axis=axis) for axis in (2, 1)]
    return special.log_softmax(np.stack(marginals, axis=1), axis=-1)


def draw_pairs(num):
    return np.stack(np.unravel_index(draw(JOINT_PRIOR.ravel(), num), (3, 3)), axis=1)


def information(x):
    """Of each pair, in bits."""
    return -np.log2(JOINT_PRIOR)[x[:, 0], x[:, 1]]


def draw_evidence(chain, x):
    """What Alice's messages add up to: s_0, ..., s_n."""
    rng, s = np.random.default_rng(0), [np.zeros((*x.shape, 3))]
    for gained in chain.gained[1:]:
        noise = rng.standard_normal((*x.shape, 3))
        s.append(s[-1] + gained * np.eye(3)[x] + np.sqrt(gained) * noise)
    return s


def bits_given_evidence(s, x):
    """log2 of what Alice sends by over what Bob expects it by, at each step and in the end.

    The mean over evidence is the n-step loss, and the reconstruction loss.
    """

    def at_x(values):
        return np.take_along_axis(values, x[..., None], axis=-1)

    nats = -at_x(expect_pair(s[-1], None))[..., 0]
    for before, after in itertools.pairwise(s):
        message = after - before
        ratios = message - at_x(message)  # of the densities about k, and about x
        nats -= special.logsumexp(expect_pair(before, None) + ratios, axis=-1)
    return nats.sum(axis=1) / np.log(2)


@pytest.mark.parametrize("num_steps", [1, 5, 10])
def test_the_bits_of_a_dependent_pair_are_the_n_step_loss_and_reconstruction(num_steps):
    """On the codec's own evidence there is no sampling error, and on average over all evidence it
    is that of the average over the pairs: four standard errors, each below 1%, are allowed for."""
    chain = Chain(DiscreteFlow(3, beta_1=3.0), num_steps, RESOLUTION)
    x = draw_pairs(10_000)
    seen = {}

    def expect(s, i):
        seen[i] = s
        return expect_pair(s, i)

    bits = coded(chain, x, expect)
    own = bits_given_evidence([seen[i] for i in range(num_steps + 1)], x)
    assert_allclose(bits, own.sum(), rtol=0.005)
    losses = bits_given_evidence(draw_evidence(chain, x), x)
    # The pairs are the same, and with them what is known of their costs.
    deviations = [(costs - information(x)).std() for costs in (own, losses)]
    standard_error = np.sqrt(len(x)) * np.hypot(*deviations)
    assert standard_error < 0.01 * losses.sum()
    assert abs(bits - losses.sum()) < 4 * standard_error
    if num_steps <= 5:  # the test can tell the loss from the entropy
        assert bits > 1.04 * information(x).sum()


def test_more_steps_come_closer_to_the_joint_entropy():
    x = draw_pairs(3000)
    flow = DiscreteFlow(3, beta_1=3.0)
    costs = [coded(Chain(flow, n, RESOLUTION), x, expect_pair) for n in (1, 3, 30)]
    independent = exact.entropy(JOINT_PRIOR.sum(0)) + exact.entropy(JOINT_PRIOR.sum(1))
    assert independent / np.log(2) * len(x) > 0.98 * costs[0]
    assert costs[0] > 1.02 * costs[1]
    assert costs[1] > 1.02 * costs[2]
    assert costs[2] > 0.99 * information(x).sum()


EXTREMES = {
    "2-faint": DiscreteFlow(2, beta_1=1e-3),
    "2-loud": DiscreteFlow(2, beta_1=1e4),
    "5-faint": DiscreteFlow(5, beta_1=1e-3),
    "5-loud": DiscreteFlow(5, beta_1=1e4),
    "256-exact": DiscretizedFlow(256, sigma_1=1e-3),
    "256-blurred": DiscretizedFlow(256, sigma_1=0.9),
}


@pytest.mark.slow_to_compile
@pytest.mark.parametrize("num_steps", [1, 2, 100])
@pytest.mark.parametrize("flow", EXTREMES.values(), ids=EXTREMES)
def test_extreme_schedules_cost_the_entropy(flow, num_steps):
    num_values = flow.data_range[1] + 1
    prior = np.full(num_values, 1 / num_values)
    chain = Chain(flow, num_steps, RESOLUTION)
    x = draw(prior, (50, 2))
    bits = coded(chain, x, exact_expectation(flow, chain, prior))
    assert_allclose(bits, -np.log2(prior)[x].sum(), rtol=0.005, atol=1)


@pytest.mark.parametrize("num", [1, 3])
@pytest.mark.parametrize("num_steps", [1, 2, 100])
@pytest.mark.parametrize("flow", EXTREMES.values(), ids=EXTREMES)
def test_a_confidently_wrong_output_costs_bits_but_no_data(flow, num_steps, num):
    """All mass on one value that depends, wildly, on the last digit of the evidence."""
    num_values = flow.data_range[1] + 1

    def expect(s, i):
        favourite = np.floor(np.abs(1e6 * s.sum(axis=-1)) + i).astype("int64") % num_values
        with np.errstate(divide="ignore"):
            return np.log(np.eye(num_values)[favourite])

    x = np.random.default_rng(0).integers(0, num_values, (num, 4))
    coded(Chain(flow, num_steps, RESOLUTION), x, expect)


def test_booleans_are_two_classes():
    flow, prior = VARIABLES["2-uneven"]
    chain = Chain(flow, 5, RESOLUTION)
    x = draw(prior, (1000, 2)).astype("bool")
    bits = coded(chain, x, exact_expectation(flow, chain, prior))
    assert_allclose(bits, -np.log2(prior)[x.astype(int)].sum(), rtol=0.005, atol=1)


class Stairs(Schedule):
    """beta(t) that gains almost nothing in the second half."""

    def __init__(self, rise):
        self.rise = rise

    def beta(self, t):
        t = np.asarray(t, "float32")
        return np.where(t <= 0.5, 2 * t, 1 + self.rise * (t - 0.5)).astype("float32")

    def derivative(self, t):
        return np.where(np.asarray(t) <= 0.5, 2.0, self.rise).astype("float32")


def test_messages_without_accuracy_are_refused():
    with pytest.raises(ValueError, match="`num_steps` must be so small that each message has"):
        Chain(DiscreteFlow(2, schedule=Stairs(rise=1e-4)), 5000, RESOLUTION)


@pytest.mark.parametrize(("num_steps", "resolution"), [(4, 1e-5), (10**6, 0.002)])
def test_a_lattice_that_is_too_fine_is_refused(num_steps, resolution):
    with pytest.raises(ValueError, match="`num_steps` and `resolution` must be such"):
        Chain(DiscreteFlow(2, beta_1=4.0), num_steps, resolution)


def test_a_message_of_next_to_no_accuracy_among_others_costs_nothing():
    flow = DiscreteFlow(2, schedule=Stairs(rise=1e-4))
    prior = np.array([0.8, 0.2])
    chain = Chain(flow, 4, RESOLUTION)
    x = draw(prior, (1000, 2))
    bits = coded(chain, x, exact_expectation(flow, chain, prior))
    assert_allclose(bits, -np.log2(prior)[x].sum(), rtol=0.005, atol=1)


def test_a_million_steps_are_prepared_in_no_time():
    assert len(Chain(DiscreteFlow(2, beta_1=4.0), 2**20, RESOLUTION).times) == 2**20 + 1
