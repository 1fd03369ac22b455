"""Discrete data: the Bayesian update, and the cost of a message against numerical integration."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import special, stats

from keras_bfn.flows import DiscreteFlow
from tests.checks import assert_mean_is
from tests.tensors import to_numpy, to_tensor

NUM_DRAWS = 40_000
PROBS = {2: np.array([0.7, 0.3]), 3: np.array([0.2, 0.5, 0.3])}


def message_costs(probs, x, alpha, seed):
    """Draws of the KL of one message about `x` when the output distribution is `probs`."""
    flow = DiscreteFlow(len(probs), beta_1=1.0)
    logits = np.log(probs[1:] / probs[0]) if len(probs) == 2 else np.log(probs)
    params = np.tile(logits, (NUM_DRAWS, 1, 1))
    distribution = flow.output_distribution(to_tensor(params), None, None)
    x = np.full((NUM_DRAWS, 1), x)
    return to_numpy(
        flow.sender_receiver_kl(x, distribution, np.full(NUM_DRAWS, alpha, "float32"), seed)
    )


def joint_kl(probs, x, alpha):
    """KL(N(e(x), I / c alpha) || sum_k p_k N(e(k), I / c alpha)) by Gauss-Hermite quadrature."""
    k = len(probs)
    precision = k * alpha
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    noise = np.stack([axis.ravel() for axis in np.meshgrid(*[nodes] * k)], axis=-1)
    weight = np.prod([axis.ravel() for axis in np.meshgrid(*[weights] * k)], axis=0)
    y = np.eye(k)[x] + noise / np.sqrt(precision)
    log_densities = -0.5 * precision * np.sum((y[:, None] - np.eye(k)) ** 2, axis=-1)
    log_ratio = log_densities[:, x] - special.logsumexp(log_densities + np.log(probs), axis=-1)
    return weight @ log_ratio / weight.sum()


def sum_of_marginal_kls(probs, x, alpha):
    """The official code's figure: every number of the message compared on its own."""
    std = (len(probs) * alpha) ** -0.5
    total = 0
    for k, p in enumerate(probs):
        y = float(k == x) + std * np.linspace(-12, 12, 10_001)
        log_sender = stats.norm(float(k == x), std).logpdf(y)
        components = [stats.norm(1, std).logpdf(y), stats.norm(0, std).logpdf(y)]
        log_receiver = special.logsumexp(components, axis=0, b=[[p], [1 - p]])
        total += np.trapezoid(np.exp(log_sender) * (log_sender - log_receiver), y)
    return total


@pytest.mark.slow_to_compile
@pytest.mark.parametrize("k", [2, 3])
@pytest.mark.parametrize("alpha", [0.01, 0.5, 4.0])
def test_message_costs_the_divergence_of_the_whole_message(k, alpha, seed):
    for x in range(k):
        draws = message_costs(PROBS[k], x, alpha, seed)
        assert_mean_is(joint_kl(PROBS[k], x, alpha), draws, precision=0.03)


def test_the_sum_of_marginal_divergences_is_too_large_at_few_steps(seed):
    excess = {}
    for alpha in (9.0, 0.9, 1e-3):
        joint, marginal = (
            sum(p * kl(PROBS[2], x, alpha) for x, p in enumerate(PROBS[2]))
            for kl in (joint_kl, sum_of_marginal_kls)
        )
        excess[alpha] = marginal / joint - 1
    assert excess[9.0] > 0.5
    assert excess[0.9] > 0.1
    assert abs(excess[1e-3]) < 0.01
    draws = np.concatenate([message_costs(PROBS[2], x, 0.9, seed) for x in (0, 1)], axis=1)
    costs = draws @ PROBS[2]
    marginal = sum(p * sum_of_marginal_kls(PROBS[2], x, 0.9) for x, p in enumerate(PROBS[2]))
    assert costs.mean() + 4 * costs.std() / NUM_DRAWS**0.5 < marginal


@pytest.mark.parametrize("k", [2, 3, 27])
def test_input_distribution_is_the_papers_bayesian_update(k):
    """Section 6: theta' is proportional to theta exp(y), y ~ N(alpha (K e(x) - 1), alpha K)."""
    flow, rng = DiscreteFlow(k, beta_1=1.0), np.random.default_rng(0)
    theta, s = np.full((4, 5, k), 1 / k), np.zeros((4, 5, k))
    for alpha in (0.1, 0.5, 1.0):
        y = alpha * (k * np.eye(k)[0] - 1) + np.sqrt(alpha * k) * rng.standard_normal(s.shape)
        theta = theta * np.exp(y) / np.sum(theta * np.exp(y), axis=-1, keepdims=True)
        # The evidence in y, whose mean has no -alpha.
        s += y + alpha
    expected = theta[..., 1:] if k == 2 else theta
    result = flow.input_params(to_tensor(s), to_tensor(np.full(4, 1.6)))
    assert_allclose(to_numpy(result), expected, rtol=1e-4)


def test_two_classes_are_told_by_the_log_odds_of_class_1():
    flow = DiscreteFlow(2, beta_1=1.0)
    distribution = flow.output_distribution(to_tensor([[[2.0]]]), None, None)
    expected = [[[special.expit(-2.0), special.expit(2.0)]]]
    assert_allclose(to_numpy(distribution.probs()), expected, rtol=1e-5)
    theta = flow.input_params(to_tensor([[[0.0, 2.0]]]), to_tensor([1.0]))
    assert_allclose(to_numpy(theta), [[[special.expit(2.0)]]], rtol=1e-5)


@pytest.mark.parametrize("dtype", ["int8", "int64", "bool"])
def test_a_class_is_a_one_among_zeros(dtype):
    x = np.array([[0, 1], [1, 0]], dtype)
    embedded = to_numpy(DiscreteFlow(3, beta_1=1.0).embed(x))
    assert_allclose(embedded, np.eye(3)[x.astype(int)])


def test_what_is_no_class_is_all_zeros():
    x = np.array([-1, 2, 3, 1000])
    assert_allclose(
        to_numpy(DiscreteFlow(3, beta_1=1.0).embed(x)), [[0, 0, 0], [0, 0, 1], [0, 0, 0], [0, 0, 0]]
    )
