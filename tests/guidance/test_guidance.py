"""With exact posteriors and h, samples follow the data's distribution times the likelihood."""

import itertools

import keras
import numpy as np
import pytest
from keras import ops
from scipy import stats

from keras_bfn import BayesianFlowNetwork, guidance
from keras_bfn.distributions import Categorical
from keras_bfn.flows import ContinuousFlow, DiscretizedFlow
from keras_bfn.flows.flow import expand
from keras_bfn.guidance import Guidance
from tests.checks import MIN_P_VALUE, assert_draws_are_normal, assert_draws_follow
from tests.exact import NormalPosterior
from tests.guidance.cases import Exact, generate, of_marginals, total_variation
from tests.models.exact_models import make_pair_model
from tests.models.exact_parts import CENTRE, LABELS, STD, make_mixture_model
from tests.tensors import to_tensor, value_and_gradient


@pytest.mark.slow_to_compile
def test_pairs_of_classes_follow_the_tilted_distribution():
    x = generate(make_pair_model(), 12_000, 100, guidance=Exact())
    assert total_variation(x) < 0.02


@pytest.mark.once
def test_which_those_that_nothing_guides_are_far_from():
    assert total_variation(generate(make_pair_model(), 12_000, 100)) > 0.55


@pytest.mark.once
@pytest.mark.parametrize(
    ("sampler", "num_steps"),
    [
        pytest.param("ancestral", 100, marks=pytest.mark.slow),
        ("sde2", 30),
        pytest.param("ode1", 80, marks=pytest.mark.slow),
        ("ode2", 30),
    ],
)
def test_by_every_sampler(sampler, num_steps):
    x = generate(make_pair_model(), 6000, num_steps, sampler=sampler, guidance=Exact())
    assert total_variation(x) < 0.03


BINS_PRIOR, BINS_LIKELIHOOD = np.array([0.5, 0.2, 0.3]), np.array([0.1, 1.0, 0.6])


class ExactBins(DiscretizedFlow):
    """Its output distribution is the exact posterior of a single variable."""

    def output_distribution(self, params, s, t):
        centres = self.embed(np.arange(3))[:, 0]
        precision = expand(self.schedule.beta(t), s)
        logits = s * centres - 0.5 * precision * centres**2
        return Categorical(logits + to_tensor(np.log(BINS_PRIOR)))


class Silent(keras.layers.Layer):
    """A network that says nothing."""

    def call(self, inputs):
        return ops.zeros((*ops.shape(inputs["theta"])[:-1], 2))


def mean_over_bins(expected):
    return ops.logsumexp(
        expected.outputs.log_probs()[:, 0] + to_tensor(np.log(BINS_LIKELIHOOD)), axis=-1
    )


class ExactOfBins(Guidance):
    def log_h(self, expected):
        return mean_over_bins(expected)


@pytest.mark.once
@pytest.mark.parametrize("through_network", [True, False])
def test_bins_follow_the_tilted_distribution(through_network):
    """A single variable's own evidence is all: what the network would add is nothing."""
    model = BayesianFlowNetwork(ExactBins(3, sigma_1=0.1), Silent(), event_shape=(1,), seed=0)
    guidance = ExactOfBins(through_network=through_network)
    x = generate(model, 8000, 150, guidance=guidance)
    tilted = BINS_PRIOR * BINS_LIKELIHOOD
    assert_draws_follow(tilted / tilted.sum(), x)


SIGMA_1, TAU, Y, NOISE = 0.02, 0.2, 0.3, 0.1


class ExactOfNumber(Guidance):
    """log N(y; m, v + noise^2), where N(m, v) is the posterior given the evidence."""

    def log_h(self, expected):
        variance = 1.0 / (expected.flow.schedule.beta(expected.predictions.t) + TAU**-2)
        error = Y - expected.data()[:, 0]
        return -0.5 * ops.square(error) / (variance + NOISE**2)


def number_after(flow, num_steps):
    """Mean and standard deviation of guided samples after so many steps: all is linear."""
    beta = np.array([float(flow.schedule.beta(i / num_steps)) for i in range(num_steps + 1)])
    mean = variance = 0.0
    for now, then in itertools.pairwise(beta):
        precision = now + TAU**-2
        pull = (then - now) / precision / (1.0 / precision + NOISE**2)
        mean = mean + (then - now) * mean / precision + pull * (Y - mean / precision)
        slope = 1.0 + (then - now) / precision - pull / precision
        variance = variance * slope**2 + (then - now)
    return mean / (beta[-1] + TAU**-2), variance**0.5 / (beta[-1] + TAU**-2)


@pytest.mark.once
def test_a_number_follows_the_tilted_normal():
    flow = ContinuousFlow(SIGMA_1, prediction="data")
    model = BayesianFlowNetwork(flow, NormalPosterior(flow, TAU), event_shape=(1,), seed=0)
    x = generate(model, 8000, 40, guidance=ExactOfNumber())
    assert_draws_are_normal(*number_after(flow, 40), x)
    precision = TAU**-2 + NOISE**-2
    tilted = Y * NOISE**-2 / precision, precision**-0.5
    np.testing.assert_allclose(number_after(flow, 10_000), tilted, rtol=0.02)
    np.testing.assert_allclose(number_after(flow, 40), tilted, rtol=0.1)


A, B = -6.0, 8.0


class ExactOfParts(Guidance):
    """The mean of exp(A label + B number), given the evidence about both."""

    def log_h(self, expected):
        predictions = expected.predictions
        label, number = predictions["label"].s, predictions["number"].s[:, 0]
        growth = 1.0 + STD**2 * expected.flow["number"].schedule.beta(predictions["number"].t)
        centres = to_tensor([-CENTRE, CENTRE])
        log_label = to_tensor(np.log(LABELS)) + label + (number / growth)[:, None] * centres
        mean = ((STD**2 * number)[:, None] + centres) / growth[:, None]
        log_mean = B * mean + 0.5 * B**2 * STD**2 / growth[:, None] + A * to_tensor([0.0, 1.0])
        return ops.logsumexp(ops.log_softmax(log_label) + log_mean, axis=-1)


@pytest.mark.once
def test_parts_of_two_kinds_follow_the_tilted_distribution():
    x = generate(make_mixture_model(), 8000, 150, guidance=ExactOfParts())
    centres = CENTRE * np.array([-1, 1])
    labels = LABELS * np.exp(A * np.arange(2) + B * centres)
    labels /= labels.sum()
    assert labels[1] < 0.15 < 0.6 < LABELS[1]
    assert_draws_follow(labels, x["label"])
    # What is drawn is the mean given the evidence, which varies a little less.
    growth = 1.0 + STD**2 * (0.02**-2 - 1.0)
    std = STD * np.sqrt(1.0 - 1.0 / growth)
    for label in (0, 1):
        numbers = x["number"][x["label"] == label]
        expected = stats.norm(centres[label] + B * STD**2, std)
        assert stats.kstest(numbers, expected.cdf).pvalue > MIN_P_VALUE


def test_the_gradient_of_a_sum_is_shared_where_both_are_alike():
    sum_of_two = Guidance(of_marginals) + Guidance(of_marginals)
    _, slope = value_and_gradient(lambda x: sum_of_two.total([x[0], x[1]]), [[0.3], [0.3]])
    np.testing.assert_allclose(slope, [[0.5], [0.5]], rtol=1e-6)


def test_get_takes_functions_and_guidances():
    one = Guidance(of_marginals)
    assert guidance.get(None) is None
    assert guidance.get(one) is one
    assert guidance.get(of_marginals).fn is one.fn


@pytest.mark.once
@pytest.mark.parametrize("dtype", ["uint8", "int8", "int64", "uint64", "float64", "float16"])
def test_values_have_a_dtype_that_does_not_wrap(dtype):
    made = guidance.Guidance(lambda x, label: x, values={"label": np.array([100, 3], dtype)})
    assert made.values["label"].dtype == ("float32" if "float" in dtype else "int32")
