"""Continuous data: noise prediction, and costs against closed forms."""

import numpy as np
import pytest
from keras import ops
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats

from keras_bfn._backend.gradients import value_and_gradient
from keras_bfn.distributions import Delta
from keras_bfn.flows import ContinuousFlow, DiscretizedFlow
from tests.flows.cases import FLOWS, random_data
from tests.tensors import to_numpy, to_tensor

NOISE_FLOWS = {
    name: flow for name, flow in FLOWS.items() if getattr(flow, "prediction", None) == "noise"
}


def prediction(flow, x, t):
    """The evidence about `x`, and the noise in it, computed in float64."""
    noise = np.random.default_rng(2).standard_normal((*x.shape, 1))
    beta = to_numpy(flow.schedule.beta(t)).reshape(-1, *(1,) * x.ndim)
    return beta * to_numpy(flow.embed(x)) + np.sqrt(beta) * noise, noise, beta


def ask(flow, noise, log_std, s, t):
    params = noise
    if flow.output_size == 2:
        params = np.concatenate([noise, np.full_like(noise, log_std)], axis=-1)
    return flow.output_distribution(to_tensor(params), to_tensor(s), t)


@pytest.mark.slow_to_compile
@pytest.mark.parametrize("flow", NOISE_FLOWS.values(), ids=NOISE_FLOWS)
def test_the_true_noise_gives_back_the_data(flow):
    t = np.float32([1e-6, 1e-5, 1e-3, 0.1, 0.5, 1])
    x = random_data(flow, (6, 50))
    s, noise, beta = prediction(flow, x, t)
    distribution = ask(flow, noise, 0, s, t)
    value = flow.expected_embedding(distribution)[..., 0]
    value = distribution.location if flow.discrete else value
    error = np.abs(to_numpy(value) - to_numpy(flow.embed(x))[..., 0])
    # A rounding error of the noise, which is at most about 4, counts 1 / sqrt(beta) times.
    assert np.all(error <= 1e-6 * (1 + 4 / np.sqrt(beta[..., 0])))


@pytest.mark.parametrize("flow", NOISE_FLOWS.values(), ids=NOISE_FLOWS)
def test_before_t_min_the_output_does_not_depend_on_the_network(flow):
    t = np.float32([0, 1e-8, 9e-7])
    s, _, _ = prediction(flow, random_data(flow, (3, 50)), t)
    for noise in (-1e4, 0, 7):
        distribution = ask(flow, np.full((3, 50, 1), noise), 3, s, t)
        if flow.discrete:
            assert_array_equal(to_numpy(distribution.location), 0)
            assert_array_equal(to_numpy(distribution.std), 1)
        else:
            assert_array_equal(to_numpy(distribution.mean()), flow.center)


def test_a_predicted_deviation_is_one_of_the_noise():
    flow, t = DiscretizedFlow(256, sigma_1=0.02), np.float32([0.2, 0.9])
    s, noise, beta = prediction(flow, random_data(flow, (2, 5)), t)
    std = to_numpy(ask(flow, noise, np.log(0.3), s, t).std)
    assert_allclose(std, np.broadcast_to(0.3 / np.sqrt(beta[..., 0]), std.shape), rtol=1e-5)


def test_the_output_is_clipped_to_the_range_of_data():
    flow = ContinuousFlow(prediction="data")
    params = to_tensor([[[-3.0], [-1.0], [0.5], [1.2]]])
    distribution = flow.output_distribution(params, params, np.ones(1))
    assert_array_equal(to_numpy(distribution.mean()), [[-1, -1, 0.5, 1]])


def test_input_mean_is_the_papers_bayesian_update():
    """Section 4.2, message by message: mu' = (mu rho + y alpha) / (rho + alpha)."""
    flow, rng = ContinuousFlow(), np.random.default_rng(0)
    mu, rho, s = np.zeros((2, 5, 1)), 1.0, np.zeros((2, 5, 1))
    for alpha in (0.5, 2.0, 30.0):
        y = rng.standard_normal(mu.shape)
        mu, rho, s = (mu * rho + y * alpha) / (rho + alpha), rho + alpha, s + alpha * y
    assert_allclose(
        to_numpy(flow.input_params(to_tensor(s), to_tensor([rho - 1] * 2))), mu, rtol=1e-5
    )


def test_message_costs_the_divergence_of_two_normals():
    x, x_hat, alpha = np.float32([[-0.3, 0.9]]), np.float32([[0.5, 0.8]]), np.float32([7])
    kl = ContinuousFlow().sender_receiver_kl(x, Delta(to_tensor(x_hat)), alpha)
    assert_allclose(to_numpy(kl), 0.5 * 7 * (x - x_hat) ** 2, rtol=1e-5)


@pytest.mark.parametrize("prediction", ["data", "noise"])
def test_reconstruction_costs_the_density_at_the_final_deviation(prediction):
    flow = ContinuousFlow(sigma_1=0.1, prediction=prediction)
    x, x_hat = np.float32([[-0.3, 0.9]]), np.array([[-0.25, 0.7]])
    s = np.array([[[-20.0], [80.0]]])
    params = x_hat[..., None]
    if prediction == "noise":
        params = (s - 99 * x_hat[..., None]) / 99**0.5
    loss = flow.reconstruction_loss(x, to_tensor(params), to_tensor(s), np.ones(1, "float32"))
    assert_allclose(to_numpy(loss), -stats.norm(x_hat, 0.1).logpdf(x), rtol=1e-4)


def test_reconstruction_costs_the_mass_of_the_bin_if_there_are_bins():
    flow = ContinuousFlow(sigma_1=0.1, prediction="data", num_bins=16)
    x, x_hat = np.float32([[-0.99, -0.3, 0.99]]), np.array([[-0.8, -0.25, 0.7]])
    edges = np.array([[-np.inf, -0.875], [-0.375, -0.25], [0.875, np.inf]])
    mass = np.diff(stats.norm(x_hat[0][:, None], 0.1).cdf(edges), axis=-1)[:, 0]
    loss = flow.reconstruction_loss(x, to_tensor(x_hat[..., None]), None, None)
    assert_allclose(to_numpy(loss)[0], -np.log(mass), rtol=1e-4)


@pytest.mark.parametrize("prior", [None, (0.3, 0.5)], ids=["flat", "prior"])
def test_predicted_noise_changes_by_evidence_at_t_0_as_the_mean_does(prior):
    """By this gradient a guidance acts on the first step."""
    flow = ContinuousFlow(0.1, prior=prior)
    s, t = ops.zeros((2, 3, 1)), ops.zeros((2,))
    noise = ops.ones((2, 3, 1))
    (x_hat, _), slope = value_and_gradient(
        lambda s: (flow.output_distribution(noise, s, t).mean(), ()), s
    )
    mean, std = prior or (0.0, 1.0)
    np.testing.assert_allclose(to_numpy(x_hat), mean, rtol=1e-6)
    np.testing.assert_allclose(to_numpy(slope), std**2, rtol=1e-6)
