"""What is expected of data, its variance and its tilt: against exact sums and integrals."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import special, stats

from keras_bfn.flows import (
    CircularFlow,
    ContinuousFlow,
    DiscreteFlow,
    DiscretizedFlow,
    JointNormal,
    MarkovChain,
)
from tests.backends import everywhere
from tests.tensors import to_numpy, to_tensor

T = np.array([0.3], "float32")
TILT = 2.5


def tilted_by(probs, exponents):
    weights = probs * np.exp(exponents)
    return weights / weights.sum(axis=-1, keepdims=True)


def variance_of(probs, values):
    mean = (probs * values).sum(axis=-1, keepdims=True)
    return (probs * (values - mean) ** 2).sum(axis=-1)


def bin_probs(num_bins, mean, std):
    """In float64, from the smaller tails."""
    edges = 2 * np.arange(num_bins + 1) / num_bins - 1
    edges[[0, -1]] = -np.inf, np.inf
    z = (edges - np.reshape(mean, (-1, 1))) / np.reshape(std, (-1, 1))
    right = z[:, :-1] > 0
    return np.where(
        right,
        special.ndtr(-z[:, :-1]) - special.ndtr(-z[:, 1:]),
        special.ndtr(z[:, 1:]) - special.ndtr(z[:, :-1]),
    )


@pytest.mark.parametrize("num_bins", everywhere({str(k): k for k in (2, 4, 17, 256)}, "17"))
def test_bins_have_the_variance_and_the_tilt_of_their_masses(num_bins):
    """Normals inside, on an edge, beside an end, beyond it, and narrower than a bin."""
    mean = np.array([0.0, 0.5, 0.95, -1.5, 0.1, 0.25])
    std = np.array([1.0, 0.3, 0.2, 1.0, 5.0, 0.002])
    flow = DiscretizedFlow(num_bins, prediction="data")
    output = flow.output_distribution(to_tensor(np.stack([mean, np.log(std)], -1)), None, None)
    probs, bins = bin_probs(num_bins, mean, std), np.arange(num_bins)
    found = to_numpy(flow.expected_variance(output, T))
    assert_allclose(found, variance_of(probs, bins), rtol=1e-4, atol=1e-4)
    exact = tilted_by(probs, TILT * ((2 * bins + 1) / num_bins - 1))
    tilted = flow.tilted(output, to_tensor(np.full((6, 1), TILT)), T)
    assert_allclose(to_numpy(tilted.probs()), exact, atol=1e-5)
    assert_allclose(to_numpy(tilted.mean()), exact @ bins, rtol=1e-4)


@pytest.mark.parametrize("prior", [None, "classes", "chain"])
@pytest.mark.parametrize("num_classes", [2, 3])
def test_classes_have_the_variance_and_the_tilt_of_their_probabilities(num_classes, prior):
    """Whatever prior the output distribution came from."""
    rng = np.random.default_rng(0)
    if prior == "classes":
        prior = np.arange(num_classes) + 1.0
    elif prior == "chain":
        x = rng.integers(0, num_classes, (20, 5))
        prior = MarkovChain.fit(x, num_classes, 1)
    flow = DiscreteFlow(num_classes, beta_1=2.0, prior=prior)
    output = flow.output_distribution(
        to_tensor(rng.standard_normal((4, 5, flow.output_size))), 0, 0
    )
    probs = np.exp(to_numpy(output.log_probs()).astype("float64"))
    assert_allclose(to_numpy(flow.expected_variance(output, T)), probs * (1 - probs), rtol=1e-5)
    evidence = rng.standard_normal((4, 5, num_classes))
    found = flow.tilted(output, to_tensor(evidence), T)
    assert_allclose(to_numpy(found.probs()), tilted_by(probs, evidence), rtol=1e-5)


@pytest.mark.parametrize("angle", [0.0, 0.7, -2.0])
@pytest.mark.parametrize("kappa", [0.0, 0.3, 3.0, 30.0, 1e3, 1.1e3, 1e4, 1e6])
def test_angles_have_the_variance_and_the_tilt_of_their_density(kappa, angle):
    """By the trapezoidal rule, as far as 12 standard deviations."""
    reach = min(np.pi, 12.0 / np.sqrt(max(kappa, 1e-9)))
    x = angle + np.linspace(-reach, reach, 20_001)[:-1]
    e = np.stack([np.cos(x), np.sin(x)])
    flow, natural = CircularFlow(), kappa * np.array([np.cos(angle), np.sin(angle)])
    output = flow.output_distribution(to_tensor(natural[None]), None, None)
    probs = tilted_by(np.ones_like(x), kappa * (np.cos(x - angle) - 1.0))
    found = to_numpy(flow.expected_variance(output, T))[0]
    # Below 1000, the variance along the mean direction is a difference of numbers near 1.
    assert_allclose(found, variance_of(probs, e), rtol=1e-4, atol=2e-7 if kappa <= 1e3 else 0)
    evidence = np.array([TILT, -TILT])
    tilted = to_numpy(flow.tilted(output, to_tensor(evidence[None]), T).mean_vector())[0]
    assert_allclose(tilted, e @ tilted_by(probs, evidence @ e), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("prior", [None, (0.1, 0.4), (-0.3, 0.05)])
def test_numbers_have_the_variance_and_the_tilt_of_their_posterior(prior):
    """By quadrature over prior times likelihood, in units of the data."""
    center, scale = 5.0, 2.0
    flow = ContinuousFlow(0.1, "residual", prior=prior, center=center, scale=scale)
    beta, s = float(flow.schedule.beta(T[0])), 1.3
    e = np.linspace(-8, 8, 400_001)
    posterior = tilted_by(stats.norm(*(prior or (0, 1))).pdf(e), s * e - beta * e**2 / 2)
    output = flow.output_distribution(to_tensor(np.zeros((1, 1, 1))), to_tensor([[[s]]]), T)
    assert_allclose(to_numpy(output.mean()), center + scale * posterior @ e, rtol=1e-5)
    found = to_numpy(flow.expected_variance(output, T))
    assert_allclose(found[0, 0], scale**2 * variance_of(posterior, e), rtol=1e-4)
    tilted = flow.tilted(output, to_tensor([[[TILT]]]), T)
    expected = center + scale * tilted_by(posterior, TILT * e) @ e
    assert_allclose(to_numpy(tilted.mean())[0, 0], expected, rtol=1e-5)


def test_joint_numbers_have_the_variances_of_the_posterior_given_all():
    mean, covariance = np.array([0.1, -0.2]), np.array([[0.09, 0.05], [0.05, 0.04]])
    flow = ContinuousFlow(0.1, "residual", prior=JointNormal(mean, covariance))
    beta, s = float(flow.schedule.beta(T[0])), np.array([1.3, 0.4])
    posterior = np.linalg.inv(np.linalg.inv(covariance) + beta * np.eye(2))
    at = posterior @ (np.linalg.inv(covariance) @ mean + s)
    output = flow.output_distribution(
        to_tensor(np.zeros((1, 2, 1))), to_tensor(s[None, :, None]), T
    )
    assert_allclose(to_numpy(output.mean())[0], at, rtol=1e-4)
    found = to_numpy(flow.expected_variance(output, T))[0]
    assert_allclose(found, np.diag(posterior), rtol=1e-4)
    tilted = flow.tilted(output, to_tensor(np.full((1, 2, 1), TILT)), T)
    assert_allclose(to_numpy(tilted.mean())[0], at + TILT * np.diag(posterior), rtol=1e-4)


PRIORS = {
    "one": (0.8, 0.05),
    "each": (np.array([0.5, -0.4]), np.array([0.1, 0.2])),
    "joint": JointNormal([0.5, -0.4], [[0.01, 0.015], [0.015, 0.04]]),
}
MOMENTS = {
    "one": ([0.8, 0.8], [0.05, 0.05]),
    "each": ([0.5, -0.4], [0.1, 0.2]),
    "joint": ([0.5, -0.4], [0.1, 0.2]),
}


@pytest.mark.slow_to_compile
@pytest.mark.parametrize("name", PRIORS)
@pytest.mark.parametrize("noise", [0.0, 3.0, 1e30])
def test_before_the_first_message_predicted_noise_leaves_the_prior(name, noise):
    mean, std = MOMENTS[name]
    for time in (0.0, 9e-7):
        t, s = np.full(1, time, "float32"), to_tensor(np.zeros((1, 2, 1)))
        params = to_tensor(np.full((1, 2, 2), noise))
        output = ContinuousFlow(prior=PRIORS[name]).output_distribution(params[..., :1], s, t)
        assert_allclose(to_numpy(output.mean())[0], mean, rtol=1e-6)
        output = DiscretizedFlow(256, prior=PRIORS[name]).output_distribution(params, s, t)
        assert_allclose(to_numpy(output.probs())[0], bin_probs(256, mean, std), atol=1e-6)


@pytest.mark.slow_to_compile
@pytest.mark.parametrize("name", PRIORS)
def test_after_the_first_message_predicted_noise_means_the_same_with_any_prior(name):
    """x = (s - sqrt(beta) noise) / beta, finite for all finite outputs."""
    rng, t = np.random.default_rng(0), np.array([1e-6, 0.01, 0.5, 1.0], "float32")
    flow = ContinuousFlow(0.02, prior=PRIORS[name])
    x, noise = rng.uniform(-0.9, 0.9, (4, 2, 1)), rng.standard_normal((4, 2, 1))
    beta = to_numpy(flow.schedule.beta(to_tensor(t))).astype("float64")[:, None, None]
    s = beta * x + np.sqrt(beta) * noise
    found = flow.output_distribution(to_tensor(noise), to_tensor(s), t)
    assert_allclose(to_numpy(found.mean()), x[..., 0], atol=1e-3)
    found = flow.output_distribution(to_tensor(np.full((4, 2, 1), 1e30)), to_tensor(s), t)
    assert np.isfinite(to_numpy(found.mean())).all()
