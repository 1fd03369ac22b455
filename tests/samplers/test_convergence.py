"""With the exact posterior in the place of a network, samplers sample the data's distribution."""

import itertools

import numpy as np
import pytest
from keras import ops
from numpy.testing import assert_allclose

from keras_bfn.flows import ContinuousFlow, DiscretizedFlow
from keras_bfn.samplers import AncestralSampler, ODE2Sampler
from keras_bfn.samplers.samplers import SAMPLERS
from tests import exact
from tests.checks import (
    MIN_P_VALUE,
    assert_draws_are_normal,
    assert_draws_follow,
    chi_squared_p_value,
)
from tests.samplers.growth import (
    PAIR_FLOW,
    PAIR_PRIOR,
    SIGMA_1,
    TAU,
    assert_evidence_is_that_of_data,
    convergence_order,
    grow,
    pair_network,
    prediction,
)
from tests.tensors import to_numpy
from tests.testing import faults

pytestmark = pytest.mark.once

NUM_DRAWS = 20_000

PRODUCT_OF_MARGINALS = np.outer(PAIR_PRIOR.sum(axis=1), PAIR_PRIOR.sum(axis=0))


def sample_pairs(sampler, num_steps, seed):
    s = grow(sampler, PAIR_FLOW, pair_network, (NUM_DRAWS, 2), num_steps, seed)
    distribution = prediction(PAIR_FLOW, pair_network, s, 1.0)
    return distribution.sample(seed), distribution.mode()


def pairs(draws):
    return to_numpy(draws).astype("int64") @ [3, 1]


# The steps after which 20,000 draws cannot be told from the data, and those after which they can.
@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "enough", "too_few"),
    [("ancestral", 100, 10), ("sde1", 60, 5), ("sde2", 20, 3), ("ode1", 150, 10), ("ode2", 40, 5)],
)
def test_samples_of_dependent_variables_converge_as_steps_grow(name, enough, too_few, seed):
    for draws in sample_pairs(SAMPLERS[name](), enough, seed):
        assert_draws_follow(PAIR_PRIOR, pairs(draws))
    draws, _ = sample_pairs(SAMPLERS[name](), too_few, seed)
    assert chi_squared_p_value(pairs(draws), PAIR_PRIOR) < MIN_P_VALUE**2


def total_variation(draws):
    frequencies = np.bincount(pairs(draws), minlength=9) / NUM_DRAWS
    return 0.5 * np.abs(frequencies - PAIR_PRIOR.ravel()).sum()


def test_the_second_order_needs_fewer_steps(seed):
    errors = {name: total_variation(sample_pairs(C(), 10, seed)[0]) for name, C in SAMPLERS.items()}
    assert errors["sde2"] < 0.5 * errors["sde1"] < 0.25 * errors["ancestral"]
    assert errors["ode2"] < 0.6 * errors["ode1"]


BINS_FLOW = DiscretizedFlow(3, sigma_1=0.1, prediction="data")
BINS_PRIOR = np.array([0.5, 0.2, 0.3])


@pytest.mark.slow
@pytest.mark.parametrize(("name", "enough"), [("ancestral", 150), ("sde2", 60), ("ode2", 60)])
def test_samples_of_bins_converge(name, enough, seed):
    def network(s, t):
        return exact.normal_over_bins(BINS_FLOW, s, t, BINS_PRIOR)

    # Time 0 is far from time 1 / n in the logarithm of the accuracy.
    sampler = SAMPLERS[name](start=0.01)
    s = grow(sampler, BINS_FLOW, network, (NUM_DRAWS, 1), enough, seed)
    draws = to_numpy(prediction(BINS_FLOW, network, s, 1.0).mode())
    assert_draws_follow(BINS_PRIOR, draws)


@pytest.mark.parametrize("start", [0.0, 0.3])
@pytest.mark.parametrize("name", SAMPLERS)
def test_the_start_is_the_evidence_about_data_of_zero(name, start, seed):
    sampler = SAMPLERS[name](start=start)
    state = sampler.init(PAIR_FLOW, (NUM_DRAWS, 2, 3), seed)
    s = to_numpy(sampler.evidence(PAIR_FLOW, state, start))
    variance = 3 * 12.0 * start**2
    if start == 0:
        assert_allclose(s, 0.0)
    else:
        assert_draws_are_normal(0, variance**0.5, s)


def test_the_first_look_gives_the_product_of_the_marginals(seed):
    draws = prediction(PAIR_FLOW, pair_network, ops.zeros((NUM_DRAWS, 2, 3)), 0.0).sample(seed)
    assert_draws_follow(PRODUCT_OF_MARGINALS, pairs(draws))


def test_one_step_gives_messages_about_the_product_of_the_marginals(seed):
    s = to_numpy(grow(AncestralSampler(), PAIR_FLOW, pair_network, (NUM_DRAWS, 2), 1, seed))
    # At this accuracy a message leaves no doubt which class it was sent about.
    sent = s.argmax(axis=-1)
    assert_draws_follow(PRODUCT_OF_MARGINALS, sent @ [3, 1])
    precision = 3 * 12.0
    noise = (s - precision * np.eye(3)[sent]) / np.sqrt(precision)
    for column in noise.reshape(NUM_DRAWS, -1).T:
        assert_draws_are_normal(0, 1, column)
    correlation = np.corrcoef(noise.reshape(NUM_DRAWS, -1), rowvar=False)
    assert_allclose(correlation, np.eye(6), atol=6 * NUM_DRAWS**-0.5)


def evidence_variances(num_steps):
    """Of normal data, by ancestral steps: each multiplies s by 1 + alpha / (beta + 1 / tau^2)."""
    beta = SIGMA_1 ** (-2 * np.arange(num_steps + 1) / num_steps) - 1
    variance = 0.0
    for now, then in itertools.pairwise(beta):
        variance = variance * (1 + (then - now) / (now + TAU**-2)) ** 2 + (then - now)
    return variance


@pytest.mark.parametrize("prediction", ["noise", "data"])
@pytest.mark.parametrize("num_steps", [1, 3, 20])
def test_evidence_about_normal_data_has_the_variance_of_the_recursion(num_steps, prediction, seed):
    flow = ContinuousFlow(SIGMA_1, prediction)

    def network(s, t):
        mean = exact.normal_mean(flow, s, t, TAU)
        # At t = 0 there is no noise to predict, and the output is ignored.
        return mean if prediction == "data" or t[0] == 0 else exact.as_noise(flow, mean, s, t)

    s = to_numpy(grow(AncestralSampler(), flow, network, (NUM_DRAWS, 1), num_steps, seed))
    assert_draws_are_normal(0, evidence_variances(num_steps) ** 0.5, s)


def test_the_recursion_tends_to_the_evidence_of_the_data():
    beta_1 = SIGMA_1**-2 - 1
    assert_allclose(evidence_variances(100_000), beta_1 + beta_1**2 * TAU**2, rtol=1e-3)


ORDERS = {"sde1": 1, "sde2": 2, "ode1": 1, "ode2": 2}


def test_orders_are_of_all_samplers_but_the_one_that_draws_from_the_output():
    assert ORDERS.keys() == SAMPLERS.keys() - {"ancestral"}


@pytest.mark.parametrize("name", ORDERS)
def test_the_order_of_convergence(name):
    assert convergence_order(SAMPLERS[name](start=0.05)) == pytest.approx(ORDERS[name], abs=0.25)


def test_a_step_that_does_not_extrapolate_is_of_first_order():
    assert convergence_order(faults.OfFirstOrder(start=0.05)) == pytest.approx(1, abs=0.25)


@pytest.mark.slow
@pytest.mark.parametrize("name", SAMPLERS)
def test_evidence_is_that_of_data_on_the_way(name, seed):
    assert_evidence_is_that_of_data(SAMPLERS[name](), 60 if name[-1] == "2" else 200, seed)


@pytest.mark.parametrize(
    ("sampler", "message"),
    [
        (faults.ForgetsTheGain(), "Discrete.* times that of data"),
        (faults.StartsWithoutEvidence(start=0.3), "times that of data"),
        (faults.IsOfClasses(), "Continuous.* times that of data"),
        (faults.MovesExamples(), "forgets"),
    ],
    ids=lambda each: type(each).__name__,
)
def test_evidence_that_is_not_that_of_data_is_found(sampler, message, seed):
    with pytest.raises(AssertionError, match=message):
        assert_evidence_is_that_of_data(sampler, 60, seed)


def test_a_step_back_undoes_a_step(seed):
    # A small step: the expected embedding is that of the other end, up to its square.
    sampler = ODE2Sampler(start=0.2)
    flow = PAIR_FLOW
    start = sampler.init(flow, (8, 2, 3), seed)

    def step(state, t, t_next):
        distribution = prediction(flow, pair_network, sampler.evidence(flow, state, t), t)
        return sampler.latents(sampler.step(flow, state, distribution, t, t_next))

    there = step(start, 0.3, 0.301)
    back = step(sampler.init_from(there), 0.301, 0.3)
    moved = np.abs(to_numpy(there - start[0])).max()
    assert moved > 1e-4
    assert_allclose(to_numpy(back), to_numpy(start[0]), atol=1e-2 * moved)
