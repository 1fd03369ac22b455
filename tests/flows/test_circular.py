"""Angles: the evidence is von Mises, messages cost what quadrature says, and both ends are one."""

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import special

import keras_bfn
from keras_bfn import testing
from keras_bfn.distributions import VonMises
from keras_bfn.flows import CircularFlow, DiscreteFlow
from keras_bfn.losses import ContinuousTimeLoss, stratified_uniform
from tests.tensors import gradient, to_numpy, to_tensor

FLOW = CircularFlow(sigma_1=0.1)
KAPPAS = np.array([0, 1e-3, 0.1, 1, 2, 5, 30, 1e3, 1e4, 1e5])


def point(angle):
    return np.stack([np.cos(angle), np.sin(angle)], axis=-1)


def test_theta_is_nearly_the_mean_of_the_input_distribution():
    """And is in the unit disc, where the network would hardly see large numbers."""
    s = np.float32(KAPPAS[None, :, None] * point(0.7))
    theta = to_numpy(FLOW.input_params(s, np.ones(1)))[0]
    below = special.i1e(KAPPAS) / special.i0e(KAPPAS) - np.linalg.norm(theta, axis=-1)
    assert below.min() > -1e-6
    assert 0.03 < below.max() < 0.034
    assert_allclose(theta[1:] @ [-np.sin(0.7), np.cos(0.7)], 0, atol=1e-7)


def test_the_shortcut_gives_back_the_evidence():
    s = np.float32(KAPPAS[None, :, None] * point(-2.0))
    theta = FLOW.input_params(s, np.ones(1))
    # Theta is rounded by 6e-8, and the share left to 1 is about 1 / kappa.
    found = to_numpy(FLOW.evidence_params(theta))
    error = np.linalg.norm(found - s, axis=-1)[0]
    assert np.all(error <= KAPPAS * (1e-6 + 2e-7 * KAPPAS))


def test_whatever_theta_is_the_shortcut_is_finite():
    theta = np.float32([[[1, 0], [0.8, 0.6], [1, 1], [0, 0]]])
    assert np.isfinite(to_numpy(FLOW.evidence_params(to_tensor(theta)))).all()
    assert np.isfinite(gradient(FLOW.evidence_params, theta)).all()


def test_evidence_is_the_exact_posterior_of_a_flat_prior():
    """By Bayes' rule on a grid, of three messages of different accuracies."""
    rng, x, grid = np.random.default_rng(0), 2.0, np.linspace(-np.pi, np.pi, 1001)[:-1]
    s, log_posterior = np.zeros(2), np.zeros(1000)
    for alpha in (0.3, 2.0, 10.0):
        y = point(x) + rng.standard_normal(2) / np.sqrt(alpha)
        s += alpha * y
        log_posterior -= 0.5 * alpha * np.square(y - point(grid)).sum(axis=-1)
    posterior = special.softmax(log_posterior) / (2 * np.pi / 1000)
    output = FLOW.output_distribution(to_tensor([[s]]), to_tensor([[s]]), np.ones(1))
    assert_allclose(np.exp(to_numpy(output.log_prob(grid[None])))[0], posterior, atol=1e-5)


@pytest.mark.parametrize("alpha", [0.01, 1.0, 100.0])
def test_messages_cost_what_the_receivers_density_says(alpha):
    """Its integral over the circle, in float64: data expected, unexpected, and all alike."""
    kappas, x = np.array([0, 0.5, 4, 50, 300]), np.float32([-3.1, 0.2, 1.5])
    kappa, x = (v.ravel() for v in np.meshgrid(kappas, x, indexing="ij"))
    natural = np.float32(kappa[:, None] * point(0.3))
    noise = np.random.default_rng(0).standard_normal((len(x), 2))
    ratio = FLOW.log_receiver_ratio(
        x[None], VonMises(to_tensor(natural[None])), np.float32([alpha]), to_tensor(noise[None])
    )

    y = point(x.astype("float64")) + noise / np.sqrt(alpha)
    grid = np.linspace(-np.pi, np.pi, 4001)[:-1]

    def log_density(about):
        return -0.5 * alpha * np.square(y[:, None] - about).sum(axis=-1)

    kappa = np.linalg.norm(natural.astype("float64"), axis=-1)
    log_prob = natural.astype("float64") @ point(grid).T
    log_prob -= (kappa + np.log(2 * np.pi * special.i0e(kappa)))[:, None]
    received = special.logsumexp(log_prob + log_density(point(grid)), axis=1)
    received += np.log(2 * np.pi / 4000)
    sent = log_density(point(x.astype("float64"))[:, None])[:, 0]
    error = np.abs(to_numpy(ratio)[0] - (received - sent))
    # It is a difference of two log densities, each rounded: of -600, to 1e-4.
    rounding = 5e-7 * kappa * np.abs(np.sin((x - 0.3) / 2))
    assert np.all(error <= 1e-5 + 1e-5 * np.abs(received - sent) + rounding)


@pytest.mark.once
def test_by_default_an_angle_costs_nearly_as_much_at_each_time(seed):
    flow = CircularFlow()
    assert flow == CircularFlow(sigma_1=0.01)
    num = 2**16
    t = stratified_uniform(num, seed)
    x = np.random.default_rng(0).uniform(-np.pi, np.pi, num).astype("float32")
    s = flow.sample_evidence(x, t, seed)
    nats = to_numpy(ContinuousTimeLoss()(flow, x, keras_bfn.Prediction(t, s, None, s), seed))
    nats = [nats[to_numpy(t * 10).astype(int) == i].mean() for i in range(10)]
    assert max(nats) < 1.5 * min(nats)


def test_both_ends_are_data_and_are_one():
    ends = np.array([[-math.pi, math.pi]])
    FLOW.check_data(ends)
    FLOW.check_data(ends.astype("float32"))
    embedding = to_numpy(FLOW.embed(ends))
    assert_allclose(embedding[:, 0], embedding[:, 1], atol=1e-6)
    loss = to_numpy(FLOW.reconstruction_loss(ends, to_tensor([[[3.0, 1.0]] * 2]), None, None))
    assert_allclose(loss[:, 0], loss[:, 1], atol=1e-6)


def test_reconstruction_costs_the_density_per_radian():
    params = to_tensor([[[0.0, 100.0]]])
    loss = FLOW.reconstruction_loss(np.float32([[0.5]]), params, None, None)
    kappa, apart = 100, 0.5 - np.pi / 2
    expected = np.log(2 * np.pi * special.i0e(kappa)) + kappa * (1 - np.cos(apart))
    assert_allclose(to_numpy(loss), expected, rtol=1e-5)


@pytest.mark.once
@pytest.mark.parametrize("name", ["MLP", "Transformer", "MultiPart"])
def test_networks_take_angles(name):
    flow, shape, make = FLOW, (6,), getattr(keras_bfn.networks, name)
    if name == "MLP":
        network = make(flow, shape, width=8, num_blocks=1)
    elif name == "Transformer":
        network = make(flow, 6, width=8, num_layers=1, num_heads=2)
    else:
        flow, shape = {"angle": FLOW, "side": DiscreteFlow(2, 9.0)}, {"angle": (6,), "side": ()}
        network = make(flow, shape, width=8)
    testing.check_network(network, flow, shape)
