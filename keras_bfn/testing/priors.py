"""The contract of priors: by the right one, data cost what they are worth, with no network."""

import math

import keras
import numpy as np
from keras import ops

from keras_bfn.losses import ContinuousTimeLoss, ReconstructionLoss, stratified_uniform
from keras_bfn.predictions import Prediction
from keras_bfn.testing.claims import require, require_float32, require_mean, require_shape

MOST_EVIDENCE = 1e6


class PriorCosts(keras.Model):
    """What data cost if the input distribution is taken for the output distribution."""

    def __init__(self, flow, seed):
        super().__init__(dtype="float32", autocast=False)
        self.flow = flow
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.built = True

    def call(self, x):
        flow, seed, nats = self.flow, self.seed_generator, 0.0
        for loss in (ContinuousTimeLoss(), ReconstructionLoss()):
            t = loss.times(stratified_uniform(ops.shape(x)[0], seed))
            s = flow.sample_evidence(x, t, seed)
            theta = flow.input_params(s, flow.schedule.beta(t))
            prediction = Prediction(t, s, theta, flow.evidence_params(theta))
            cost = loss(flow, x, prediction, seed)
            nats = nats + ops.sum(ops.reshape(cost, (ops.shape(x)[0], -1)), axis=-1)
        return nats


def check_prior(flow, event_shape, rng):
    """Proves that the input distribution starts at the prior, and is the posterior by it."""
    name = f"{type(flow).__name__}(prior=...)"
    try:
        flow.check_event_shape(event_shape)
    except ValueError as error:
        raise AssertionError(
            f"Argument `event_shape` must be a shape that the prior is for: {error}"
        ) from error
    low, high = flow.data_range
    unit = 1 if flow.discrete else np.mean(high - low)
    shape = (4, *event_shape)
    x = rng.integers(low, high + 1, shape) if flow.discrete else rng.uniform(low, high, shape)
    x = x.astype("int32" if flow.discrete else "float32")
    for t in (0.0, 1e-7, 0.5, 1.0):
        t = np.full(4, t, "float32")
        theta = flow.input_params(flow.sample_evidence(x, t, 0), flow.schedule.beta(t))
        require_shape(theta, (*shape, flow.theta_size), f"{name}.input_params(s, beta)")
        require_float32(theta, f"{name}.input_params(s, beta)")
        finite = np.isfinite(ops.convert_to_numpy(theta)).all()
        require(finite, f"{name}.input_params(s, beta) must be finite. It is not at t = {t[0]:g}")
    embedding = flow.embed(x)
    means = []
    for beta in (0.0, MOST_EVIDENCE):
        s = flow.gain * beta * embedding
        theta = flow.input_params(s, np.full(4, beta, "float32"))
        means.append(ops.convert_to_numpy(flow.input_mean(theta)))
    require(
        np.allclose(means[0], means[0][:1], rtol=1e-5),
        f"{name}: without evidence, the input distribution must be the same for all data",
    )
    require(
        np.allclose(means[1], x, atol=0.01 * unit),
        f"{name}: the input distribution must tend to the data as evidence grows",
    )
    if flow.theta_is_probs:
        _check_costs(flow, x[0], name, int(rng.integers(2**31)))


def _check_costs(flow, x, name, seed):
    num = 2**15
    nats = PriorCosts(flow, seed).predict(
        np.broadcast_to(x, (num, *x.shape)), batch_size=num, verbose=0
    )
    if flow.scans:  # the prior is a chain
        log_prob = flow.prior.log_prob(x[None])[0]
    else:
        prior = np.broadcast_to(flow.prior, (*x.shape, flow.num_classes))
        log_prob = np.log(np.take_along_axis(prior, x[..., None], axis=-1)).sum()
    claim = (
        f"{name}: with the input distribution for an output distribution, continuous-time and "
        "reconstruction loss must add up to -log of the prior's probability of the data"
    )
    require_mean(nats.astype("float64"), -log_prob, claim, 0.002 * math.prod(x.shape))
