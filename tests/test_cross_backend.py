"""With its noise injected, the package computes what float64 computes, on every backend.

The reference follows the formulas of the paper, in numpy alone; as every backend is held to it, the
backends agree with each other.
"""

import keras
import numpy as np
import pytest
from keras import ops
from numpy.testing import assert_allclose, assert_array_equal
from scipy import special, stats

from keras_bfn import Prediction, _random
from keras_bfn.flows import ContinuousFlow, DiscreteFlow, DiscretizedFlow
from keras_bfn.losses import (
    ContinuousTimeLoss,
    DiscreteTimeLoss,
    ReconstructionLoss,
    stratified_uniform,
)
from keras_bfn.samplers import AncestralSampler
from tests.tensors import to_numpy, to_tensor

BATCH, EVENT_SHAPE, NUM_STEPS = 64, (2, 2, 3), 5
SIGMA_1 = 0.1


class Noise:
    """A stream of float32 noise that is the same whoever draws from it."""

    def __init__(self):
        self.rng = np.random.default_rng(3)

    def normal(self, shape):
        return self.rng.standard_normal(tuple(map(int, shape)), dtype="float32")

    def uniform(self, shape):
        return self.rng.random(tuple(map(int, shape)), dtype="float32")


@pytest.fixture(autouse=True)
def shared_noise(monkeypatch):
    """Gives the package the stream that a new `Noise()` gives the reference."""
    noise = Noise()

    def normal(shape, seed=None):
        return ops.convert_to_tensor(noise.normal(shape), dtype="float32")

    def uniform(shape, minval=0.0, maxval=1.0, dtype=None, seed=None):
        values = minval + (maxval - minval) * noise.uniform(shape)
        return ops.convert_to_tensor(values, dtype="float32")

    monkeypatch.setattr(_random, "draw_normal", normal)
    monkeypatch.setattr(keras.random, "uniform", uniform)


def per_variable(values, event):
    return values.reshape(-1, *(1,) * (event.ndim - 1))


class Reference:
    """The paper's table in float64: a data type is its embeddings and its output distribution."""

    gain = 1.0

    def beta(self, t):
        return np.expm1(-2 * np.log(SIGMA_1) * t)

    def derivative(self, t):
        return -2 * np.log(SIGMA_1) * np.exp(-2 * np.log(SIGMA_1) * t)

    def noise_to_data(self, noise, s, t):
        """The mean and the scale that the noise stands for; 0 and 1 before t = 1e-6."""
        known = per_variable(t, s) >= 1e-6
        beta = per_variable(self.beta(np.maximum(t, 1e-6)), s)
        gamma = beta / (1 + beta)
        scale = np.sqrt((1 - gamma) / gamma)
        mu = s / (1 + beta)
        return np.where(known, mu / gamma - scale * noise, 0), np.where(known, scale, 1), known

    def observe(self, embedding, alpha, noise):
        precision = self.gain * np.reshape(alpha, (-1, *(1,) * (embedding.ndim - 1)))
        return precision * embedding + np.sqrt(precision) * noise.normal(embedding.shape)

    def embed(self, x):
        return self.embeddings[x]

    def expected_embedding(self, params, s, t):
        return self.probs(params, s, t) @ self.embeddings

    def continuous_time(self, x, params, s, t, noise):
        error = self.embed(x) - self.expected_embedding(params, s, t)
        squared = np.sum(error**2, axis=-1)
        return 0.5 * self.gain * per_variable(self.derivative(t), squared) * squared

    def n_steps(self, x, params, s, t, noise):
        alpha = self.beta(t + 1 / NUM_STEPS) - self.beta(t)
        return NUM_STEPS * self.message(x, params, s, t, alpha, noise)

    def message(self, x, params, s, t, alpha, noise):
        """-log of receiver over sender, averaged over a message and its mirror image."""
        e_x = self.embed(x)
        precision = self.gain * per_variable(alpha, e_x)
        offset = noise.normal(e_x.shape) / np.sqrt(precision)
        nats = []
        for y in (e_x + offset, e_x - offset):
            log_ratios = (
                -0.5
                * precision
                * (
                    np.sum((y[..., None, :] - self.embeddings) ** 2, axis=-1)
                    - np.sum((y - e_x) ** 2, axis=-1, keepdims=True)
                )
            )
            nats.append(-special.logsumexp(log_ratios, axis=-1, b=self.probs(params, s, t)))
        return np.mean(nats, axis=0)

    def reconstruction(self, x, params, s, t, noise):
        probs = self.probs(params, s, t)
        return -np.log(np.take_along_axis(probs, x[..., None], axis=-1)[..., 0])


class ContinuousReference(Reference):
    flow = ContinuousFlow(SIGMA_1)

    def embed(self, x):
        return x[..., None].astype("float64")

    def expected_embedding(self, params, s, t):
        return np.clip(self.noise_to_data(params, s, t)[0], -1, 1)

    def message(self, x, params, s, t, alpha, noise):
        error = self.embed(x) - self.expected_embedding(params, s, t)
        return 0.5 * per_variable(alpha, x) * error[..., 0] ** 2

    def reconstruction(self, x, params, s, t, noise):
        return -stats.norm(self.expected_embedding(params, s, t)[..., 0], SIGMA_1).logpdf(x)

    def sample(self, params, s, t, noise):
        return self.expected_embedding(params, s, t)[..., 0]


class DiscretizedReference(Reference):
    flow = DiscretizedFlow(16, SIGMA_1)
    embeddings = (2 * np.arange(16)[:, None] + 1) / 16 - 1

    def normal(self, params, s, t):
        mean, scale, known = self.noise_to_data(params[..., :1], s, t)
        std = np.where(known, scale * np.exp(params[..., 1:]), 1)
        return mean, np.clip(std, 1e-3, 10)

    def probs(self, params, s, t):
        mean, std = self.normal(params, s, t)
        edges = 2 * np.arange(17) / 16 - 1
        edges[[0, -1]] = -np.inf, np.inf
        z = (edges - mean) / std
        # Differences of the smaller tails, which do not cancel.
        return np.where(
            z[..., :-1] > 0,
            special.ndtr(-z[..., :-1]) - special.ndtr(-z[..., 1:]),
            special.ndtr(z[..., 1:]) - special.ndtr(z[..., :-1]),
        )

    def sample(self, params, s, t, noise):
        mean, std = self.normal(params, s, t)
        value = (mean + std * noise.normal(mean.shape[:-1])[..., None])[..., 0]
        return np.clip(np.floor(8 * (value + 1)), 0, 15).astype("int64")


class DiscreteReference(Reference):
    def __init__(self, num_classes):
        self.gain = num_classes
        self.flow = DiscreteFlow(num_classes, beta_1=2.0)
        self.embeddings = np.eye(num_classes)

    def beta(self, t):
        return 2 * t**2

    def derivative(self, t):
        return 4 * t

    def probs(self, params, s, t):
        if self.gain == 2:
            params = np.concatenate([0 * params, params], axis=-1)
        return special.softmax(params, axis=-1)

    def sample(self, params, s, t, noise):
        probs = self.probs(params, s, t)
        if self.gain == 2:
            return (noise.uniform(probs.shape[:-1]) < probs[..., 1]).astype("int64")
        uniform = noise.uniform(probs.shape[:-1]).astype("float64")
        return (np.cumsum(probs, axis=-1) <= uniform[..., None]).sum(axis=-1)


REFERENCES = {
    "continuous": ContinuousReference(),
    "discretized": DiscretizedReference(),
    "discrete-2": DiscreteReference(2),
    "discrete-5": DiscreteReference(5),
}
LOSSES = {
    "continuous_time": (ContinuousTimeLoss(), lambda uniform: uniform),
    "n_steps": (
        DiscreteTimeLoss(NUM_STEPS),
        lambda uniform: np.floor(uniform * NUM_STEPS) / NUM_STEPS,
    ),
    "reconstruction": (ReconstructionLoss(), np.ones_like),
}

every_reference = pytest.mark.parametrize("reference", REFERENCES.values(), ids=REFERENCES)


def random_data(flow):
    rng, (low, high) = np.random.default_rng(0), flow.data_range
    if flow.discrete:
        return rng.integers(low, high + 1, (BATCH, *EVENT_SHAPE)).astype("int32")
    return rng.uniform(low, high, (BATCH, *EVENT_SHAPE)).astype("float32")


def random_params(flow):
    shape = (BATCH, *EVENT_SHAPE, flow.output_size)
    return np.random.default_rng(1).standard_normal(shape, dtype="float32")


def package_nats(loss, flow, x, params):
    t = loss.times(stratified_uniform(BATCH))
    s = flow.sample_evidence(x, t)
    return to_numpy(loss(flow, x, Prediction(t, s, None, to_tensor(params))))


def reference_nats(name, reference, x, params, noise):
    offset, order = noise.uniform((1,)), np.argsort(noise.uniform((BATCH,)))
    t = LOSSES[name][1]((order + offset.astype("float64")) / BATCH)
    s = reference.observe(reference.embed(x), reference.beta(t), noise)
    return getattr(reference, name)(x, params.astype("float64"), s, t, noise)


@every_reference
@pytest.mark.parametrize("name", LOSSES)
def test_losses_are_those_of_float64(name, reference):
    x, params = random_data(reference.flow), random_params(reference.flow)
    nats = package_nats(LOSSES[name][0], reference.flow, x, params)
    expected = reference_nats(name, reference, x, params, Noise())
    assert nats.shape == x.shape
    assert_allclose(nats.mean(), expected.mean(), rtol=1e-5)
    assert_allclose(nats, expected, rtol=1e-3, atol=1e-4 * np.abs(expected).mean())


@every_reference
@pytest.mark.parametrize("name", ["continuous_time", "n_steps"])
def test_code_lengths_are_those_of_float64(name, reference):
    x, params, noise = random_data(reference.flow), random_params(reference.flow), Noise()
    lengths, expected = 0, 0
    for part in (name, "reconstruction"):
        nats = package_nats(LOSSES[part][0], reference.flow, x, params)
        lengths += nats.reshape(BATCH, -1).sum(axis=1)
        expected += reference_nats(part, reference, x, params, noise).reshape(BATCH, -1).sum(axis=1)
    assert_allclose(lengths.mean(), expected.mean(), rtol=1e-5)


@every_reference
def test_a_sampler_step_is_that_of_float64(reference):
    flow, params, noise = reference.flow, random_params(reference.flow), Noise()
    start = np.random.default_rng(2).standard_normal((BATCH, *EVENT_SHAPE, flow.embedding_size))
    times = np.full(BATCH, 0.4, "float32")
    state = to_tensor(start)
    distribution = flow.output_distribution(to_tensor(params), state, times)
    end = AncestralSampler().step(flow, state, distribution, 0.4, 0.6)

    start, params, t = start.astype("float32"), params.astype("float64"), np.full(BATCH, 0.4)
    x = reference.sample(params, start.astype("float64"), t, noise)
    alpha = reference.beta(0.6) - reference.beta(0.4)
    expected = start + reference.observe(reference.embed(x), alpha, noise)
    assert_allclose(to_numpy(end), expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())


def test_stratified_times_are_those_of_float64():
    noise = Noise()
    offset, order = noise.uniform((1,)), np.argsort(noise.uniform((BATCH,)))
    times = to_numpy(stratified_uniform(BATCH))
    assert_array_equal(np.floor(times * BATCH), order)
    assert_allclose(times, (order + offset) / BATCH, rtol=1e-6)
