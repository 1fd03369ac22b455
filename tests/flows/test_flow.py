"""What every flow has by default: the cost that is left after evidence, against integrals."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import integrate, special, stats

from keras_bfn.flows import CircularFlow, DiscreteFlow, DiscretizedFlow
from tests import exact
from tests.flows.remaining import FLOWS, centres, data, every_flow
from tests.tensors import to_numpy


def binary_cost(prior, mean):
    """H(x | s), where evidence moves the log odds of the true class by N(mean, 2 mean)."""

    def integrand(z, sign):
        log_odds = special.logit(prior[1]) + sign * (mean + np.sqrt(2 * mean) * z)
        entropy = special.entr(special.expit([log_odds, -log_odds])).sum()
        return stats.norm.pdf(z) * entropy

    costs = [integrate.quad(integrand, -10, 10, args=(sign,))[0] for sign in (-1, 1)]
    return np.dot(prior, costs)


@pytest.mark.once
@pytest.mark.parametrize("prior", [[0.5, 0.5], [0.9, 0.1]])
@pytest.mark.parametrize("beta", [0.0, 0.5, 2.0, 4.0])
@pytest.mark.parametrize(
    ("flow", "mean"),
    [(DiscreteFlow(2, beta_1=1.0), 2.0), (DiscretizedFlow(2), 0.5)],
    ids=["discrete", "discretized"],
)
def test_remaining_cost_of_two_values_is_the_integral(flow, mean, beta, prior):
    cost = flow.remaining_cost(data(prior), num_draws=100_000)(beta)
    # The relative standard error is about 1% where the cost is least.
    assert_allclose(cost, binary_cost(prior, mean * beta), rtol=0.04)


@pytest.mark.once
@pytest.mark.parametrize("beta", [1.0, 100.0, 1000.0])
def test_remaining_cost_of_bins_is_the_integral(beta):
    """The mean entropy given mu = s / beta, a mixture of normals of the variance 1 / beta."""
    prior = np.arange(1.0, 18) / np.arange(1.0, 18).sum()
    grid, step = np.linspace(-6, 6, 20_001, retstep=True)
    joint = prior * stats.norm.pdf(grid[:, None], centres(np.arange(17), 17), beta**-0.5)
    posterior = joint / np.maximum(joint.sum(axis=1, keepdims=True), 1e-300)
    expected = step * np.sum(joint.sum(axis=1) * special.entr(posterior).sum(axis=1))
    cost = DiscretizedFlow(17).remaining_cost(data(prior), num_draws=50_000)(beta)
    assert_allclose(cost, expected, rtol=0.02)


@pytest.mark.parametrize(("flow", "x"), [FLOWS["discrete-27"], FLOWS["discretized-17"]])
def test_remaining_cost_starts_at_the_entropy(flow, x):
    entropy = exact.entropy(np.bincount(x) / len(x))
    assert_allclose(flow.remaining_cost(x)(0.0), entropy, rtol=1e-6)


@pytest.mark.slow_to_compile
@every_flow
def test_remaining_cost_falls_to_nothing_in_the_shape_of_the_accuracies(flow, x):
    beta = np.geomspace(0.1, 1e5, 30).reshape(2, 15)
    cost = flow.remaining_cost(x, num_draws=2000)(beta)
    assert cost.shape == beta.shape
    assert cost.dtype == "float64"
    assert np.all(np.diff(np.ravel(cost)) <= 0)
    assert cost[1, -1] < 1e-6


@pytest.mark.parametrize(
    ("kind", "argument"), [(DiscreteFlow, {"num_classes": 3, "beta_1": 1.0}), (CircularFlow, {})]
)
def test_sure_data_follow_the_embedding_of_a_subclass(kind, argument):
    class Turned(kind):
        def embed(self, x):
            return -super().embed(x)

    x = np.array([0, 1, 2])
    expected = -to_numpy(kind(**argument).embed(x))
    assert_allclose(to_numpy(Turned(**argument).sure_data(x)), expected)
