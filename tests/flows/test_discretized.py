"""Discretised data: bins, and the cost of a message against numerical integration."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import special, stats

from keras_bfn.flows import DiscretizedFlow
from tests.checks import assert_mean_is
from tests.tensors import to_numpy, to_tensor

NUM_DRAWS = 40_000
MEAN, STD = 0.2, 0.4


def bin_probs(k):
    edges = 2 * np.arange(k + 1) / k - 1
    edges[[0, -1]] = -np.inf, np.inf
    return np.diff(stats.norm(MEAN, STD).cdf(edges))


def kl(k, x, alpha):
    """KL(N(e(x), 1 / alpha) || sum_k p_k N(e(k), 1 / alpha)) by the trapezoidal rule."""
    centres, std = (2 * np.arange(k) + 1) / k - 1, alpha**-0.5
    y = centres[x] + std * np.linspace(-12, 12, 10_001)
    log_sender = stats.norm(centres[x], std).logpdf(y)
    log_components = stats.norm(centres[:, None], std).logpdf(y)
    log_receiver = special.logsumexp(log_components, axis=0, b=bin_probs(k)[:, None])
    return np.trapezoid(np.exp(log_sender) * (log_sender - log_receiver), y)


@pytest.mark.once
@pytest.mark.parametrize(("k", "xs"), [(2, (0, 1)), (17, (0, 6, 16))])
@pytest.mark.parametrize("alpha", [0.1, 10.0, 1000.0])
def test_message_costs_the_divergence_of_sender_and_receiver(k, xs, alpha, seed):
    flow = DiscretizedFlow(k, prediction="data")
    params = to_tensor(np.tile([MEAN, np.log(STD)], (NUM_DRAWS, 1, 1)))
    distribution = flow.output_distribution(params, None, None)
    for x in xs:
        draws = flow.sender_receiver_kl(
            np.full((NUM_DRAWS, 1), x), distribution, np.full(NUM_DRAWS, alpha, "float32"), seed
        )
        assert_mean_is(kl(k, x, alpha), to_numpy(draws), precision=0.03)


def test_a_predicted_normal_is_integrated_over_the_bins():
    flow = DiscretizedFlow(17, prediction="data")
    params = to_tensor([[[MEAN, np.log(STD)]]])
    probs = to_numpy(flow.output_distribution(params, None, None).probs())
    assert_allclose(probs[0, 0], bin_probs(17), rtol=1e-5)


def test_reconstruction_costs_the_bins_log_probability():
    flow = DiscretizedFlow(17, prediction="data")
    params = to_tensor(np.tile([MEAN, np.log(STD)], (1, 17, 1)))
    loss = flow.reconstruction_loss(np.arange(17)[None], params, None, None)
    assert_allclose(to_numpy(loss)[0], -np.log(bin_probs(17)), rtol=1e-5)


@pytest.mark.parametrize(("k", "narrowest"), [(2, 1e-3), (256, 1e-3), (1024, 2.5e-4)])
def test_deviations_stay_between_a_fraction_of_a_bin_and_10(k, narrowest):
    flow = DiscretizedFlow(k, prediction="data")
    params = to_tensor([[[0, -1e4], [0, np.log(0.5)], [0, 1e4]]])
    std = to_numpy(flow.output_distribution(params, None, None).std)
    assert_allclose(std, [[narrowest, 0.5, 10]], rtol=1e-5)
