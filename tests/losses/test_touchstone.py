"""With the exact posterior in the place of a network, the losses are known in closed form."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from keras_bfn import Prediction
from keras_bfn.flows import ContinuousFlow, DiscreteFlow, DiscretizedFlow
from keras_bfn.losses import (
    ContinuousTimeLoss,
    DiscreteTimeLoss,
    ReconstructionLoss,
    stratified_uniform,
)
from tests import exact
from tests.checks import assert_mean_is
from tests.tensors import to_numpy

pytestmark = pytest.mark.once

NUM_DRAWS = 150_000
TRANSMISSION = {
    "continuous_time": ContinuousTimeLoss(),
    **{f"{n}_steps": DiscreteTimeLoss(n, num_samples=2) for n in (1, 5)},
}

every_loss = pytest.mark.parametrize("loss", TRANSMISSION.values(), ids=TRANSMISSION)


def nats(loss, flow, network, x, seed):
    """What the loss says that each example costs."""
    t = loss.times(stratified_uniform(len(x), seed))
    s = flow.sample_evidence(x, t, seed)
    return to_numpy(loss(flow, x, Prediction(t, s, None, network(s, t)), seed)).sum(axis=1)


def code_lengths(loss, flow, network, x, seed):
    reconstruction = nats(ReconstructionLoss(), flow, network, x, seed)
    return nats(loss, flow, network, x, seed) + reconstruction


def draw(probs, shape=(NUM_DRAWS, 1)):
    return np.random.default_rng(0).choice(len(probs), size=shape, p=probs).astype("int32")


PRIORS = {
    "2-uneven": (DiscreteFlow(2, beta_1=2.0), [0.8, 0.2]),
    "2-rare": (DiscreteFlow(2, beta_1=1.5), [0.1, 0.9]),
    "3-uneven": (DiscreteFlow(3, beta_1=1.0), [0.6, 0.3, 0.1]),
    "3-absent": (DiscreteFlow(3, beta_1=2.0), [0.5, 0.5, 1e-12]),
    "27-zipf": (DiscreteFlow(27, beta_1=0.2), (p := 1 / np.arange(1, 28)) / p.sum()),
}


@pytest.mark.parametrize(("flow", "prior"), PRIORS.values(), ids=PRIORS)
@every_loss
def test_loss_plus_reconstruction_is_the_entropy_of_discrete_data(loss, flow, prior, seed):
    def network(s, t):
        return exact.class_logits(s, prior)

    lengths = code_lengths(loss, flow, network, draw(prior), seed)
    assert_mean_is(exact.entropy(prior), lengths, precision=0.01)


JOINT_PRIORS = {
    "2x2": (DiscreteFlow(2, beta_1=3.0), np.array([[0.4, 0.1], [0.05, 0.45]])),
    "3x3": (
        DiscreteFlow(3, beta_1=3.0),
        np.array([[0.25, 0.02, 0.03], [0.05, 0.2, 0.05], [0.02, 0.08, 0.3]]),
    ),
}

every_pair = pytest.mark.parametrize(
    ("flow", "prior"), JOINT_PRIORS.values(), ids=JOINT_PRIORS.keys()
)


def pair_code_lengths(loss, flow, prior, seed):
    def network(s, t):
        return exact.pair_logits(s, prior)

    x = np.stack(np.unravel_index(draw(prior.ravel(), NUM_DRAWS), prior.shape), axis=1)
    return code_lengths(loss, flow, network, x.astype("int32"), seed)


@every_pair
def test_continuous_time_loss_plus_reconstruction_is_the_joint_entropy(flow, prior, seed):
    lengths = pair_code_lengths(ContinuousTimeLoss(), flow, prior, seed)
    assert_mean_is(exact.entropy(prior), lengths, precision=0.01)
    # The test can tell it from the entropy of two independent variables.
    independent = exact.entropy(prior.sum(axis=0)) + exact.entropy(prior.sum(axis=1))
    assert independent > 1.1 * exact.entropy(prior)


@every_pair
def test_few_steps_cost_more_than_the_joint_entropy(flow, prior, seed):
    """The output distribution is a product: one message cannot tell of the dependence."""
    independent = exact.entropy(prior.sum(axis=0)) + exact.entropy(prior.sum(axis=1))
    costs = [pair_code_lengths(DiscreteTimeLoss(n), flow, prior, seed).mean() for n in (1, 3, 30)]
    assert independent > costs[0] > costs[1] > costs[2] > 0.99 * exact.entropy(prior)


def bin_code_lengths(loss, flow, prior, seed):
    def network(s, t):
        params = exact.normal_over_bins(flow, s, t, prior)
        return params if flow.prediction == "data" else exact.as_noise_params(flow, params, s, t)

    return code_lengths(loss, flow, network, draw(prior), seed)


@pytest.mark.parametrize(
    ("sigma_1", "prior"), [(0.5, [0.7, 0.3]), (0.2, [0.2, 0.8]), (0.3, [0.5, 0.2, 0.3])]
)
@every_loss
def test_loss_plus_reconstruction_is_the_entropy_of_discretised_data(loss, sigma_1, prior, seed):
    flow = DiscretizedFlow(len(prior), sigma_1, prediction="data")
    lengths = bin_code_lengths(loss, flow, prior, seed)
    assert_mean_is(exact.entropy(prior), lengths, precision=0.01)


# At t = 0 noise prediction answers the standard normal, so that n steps need data distributed so.
THIRDS = np.diff(stats.norm.cdf([-np.inf, -1 / 3, 1 / 3, np.inf]))


@pytest.mark.slow
@pytest.mark.parametrize(("sigma_1", "prior"), [(0.5, [0.5, 0.5]), (0.3, THIRDS)])
@every_loss
def test_the_same_holds_for_noise_prediction(loss, sigma_1, prior, seed):
    flow = DiscretizedFlow(len(prior), sigma_1, prediction="noise")
    lengths = bin_code_lengths(loss, flow, prior, seed)
    assert_mean_is(exact.entropy(prior), lengths, precision=0.01)


def test_the_same_holds_for_noise_prediction_of_uneven_data_in_continuous_time(seed):
    flow = DiscretizedFlow(2, sigma_1=0.3, prediction="noise")
    lengths = bin_code_lengths(ContinuousTimeLoss(), flow, [0.2, 0.8], seed)
    assert_mean_is(exact.entropy([0.2, 0.8]), lengths, precision=0.01)


SIGMA_1, TAU = 0.05, 0.2
BETA_1 = SIGMA_1**-2 - 1
INFORMATION = 0.5 * np.log1p(TAU**2 * BETA_1)


def normal_network(flow):
    def network(s, t):
        mean = exact.normal_mean(flow, s, t, TAU)
        return mean if flow.prediction == "data" else exact.as_noise(flow, mean, s, t)

    return network


def normal_costs(num_steps):
    """The sum of (1/2) alpha_i times the posterior variance before message i."""
    beta = SIGMA_1 ** (-2 * np.arange(num_steps + 1) / num_steps) - 1
    return np.sum(0.5 * np.diff(beta) / (TAU**-2 + beta[:-1]))


@pytest.mark.parametrize("prediction", ["data", "noise"])
@pytest.mark.parametrize("num_steps", [None, 1, 5, 100])
def test_loss_of_normal_data_is_the_closed_form(num_steps, prediction, seed):
    flow = ContinuousFlow(SIGMA_1, prediction=prediction)
    x = TAU * np.random.default_rng(0).standard_normal((NUM_DRAWS, 1)).astype("float32")
    loss = ContinuousTimeLoss() if num_steps is None else DiscreteTimeLoss(num_steps)
    expected = INFORMATION if num_steps is None else normal_costs(num_steps)
    assert_mean_is(expected, nats(loss, flow, normal_network(flow), x, seed), precision=0.01)


def test_n_step_loss_falls_to_the_information_as_steps_grow():
    costs = [normal_costs(n) for n in (1, 2, 5, 20, 100, 1000, 10_000)]
    assert costs == sorted(costs, reverse=True)
    assert_allclose(costs[-1], INFORMATION, rtol=1e-3)


@pytest.mark.parametrize("prediction", ["data", "noise"])
def test_reconstruction_about_normal_data_is_the_closed_form(prediction, seed):
    flow = ContinuousFlow(SIGMA_1, prediction=prediction)
    x = TAU * np.random.default_rng(0).standard_normal((NUM_DRAWS, 1)).astype("float32")
    variance = 1 / (TAU**-2 + BETA_1)
    expected = stats.norm(0, SIGMA_1).entropy() + 0.5 * (variance / SIGMA_1**2 - 1)
    draws = nats(ReconstructionLoss(), flow, normal_network(flow), x, seed)
    assert_mean_is(expected, draws, precision=0.01)
