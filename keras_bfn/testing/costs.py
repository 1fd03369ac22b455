"""The losses of a data type: finite at the edges, and the entropy under an exact posterior."""

import numpy as np
from keras import ops

from keras_bfn._backend.gradients import value_and_gradient
from keras_bfn.distributions import Categorical
from keras_bfn.flows.flow import expand
from keras_bfn.losses import (
    ContinuousTimeLoss,
    DiscreteTimeLoss,
    ReconstructionLoss,
    stratified_uniform,
)
from keras_bfn.predictions import Prediction
from keras_bfn.testing.claims import Compiled, require, require_mean, requiring

EDGE_TIMES = (0.0, 1e-7, 1e-3, 0.5, 0.999, 1.0)
LOSSES = {
    "continuous-time loss": ContinuousTimeLoss(),
    "1-step loss": DiscreteTimeLoss(1),
    "5-step loss": DiscreteTimeLoss(5),
    "reconstruction loss": ReconstructionLoss(),
}
EDGE_OUTPUTS = (0.0, 1.0, -1.0, 1e4, -1e4)
MOST_EXAMPLES = 2**16
MOST_NUMBERS = 2**21  # in one tensor


def run_edges(flow, x, losses):
    """Requires finite losses and gradients at the edges of time, for any network output.

    Returns:
        The tuple of theta, a dict of the output distribution's mode, sample and mean, and each
        row's time.
    """
    name = type(flow).__name__
    outputs = [np.resize(np.roll(EDGE_OUTPUTS, i), flow.output_size) for i in range(5)]
    ends = np.array([x.min(), x.max()], x.dtype)
    rows = [(t, row, end) for t in EDGE_TIMES for row in outputs for end in ends]
    t, params, x = (np.array(column) for column in zip(*rows, strict=True))
    t, x, params = t.astype("float32"), x[:, None], params[:, None].astype("float32")

    def compute(inputs, seed):
        x, t, params = inputs["x"], inputs["t"], inputs["params"]
        s = {what: flow.sample_evidence(x, loss.times(t), seed) for what, loss in losses.items()}

        def score(params):
            nats = {}
            for what, loss in losses.items():
                time = loss.times(t)
                theta = flow.input_params(s[what], flow.schedule.beta(time))
                nats[what] = loss(flow, x, Prediction(time, s[what], theta, params), 0)
            return sum(map(ops.sum, nats.values())), nats

        (_, nats), gradient = value_and_gradient(score, params)
        s = flow.sample_evidence(x, t, seed)
        output = flow.output_distribution(params, s, t)
        said = {"mode": output.mode(), "sample": output.sample(seed), "mean": output.mean()}
        return nats, gradient, flow.input_params(s, flow.schedule.beta(t)), said

    inputs = {"x": x, "t": t, "params": params}
    nats, gradient, theta, said = Compiled(compute).predict_on_batch(inputs)
    for loss in losses:
        _require_finite(nats[loss], t, f"{name}: the {loss}")
    _require_finite(gradient, t, f"{name}: the gradient of the losses")
    return theta, said, t


def check_edges(flow, x):
    """Requires finite losses, gradients and samples, and samples that are valid data."""
    name = type(flow).__name__
    theta, said, t = run_edges(flow, x, LOSSES)
    _require_finite(theta, t, f"{name}.input_params(s, beta)")
    output = f"{name}.output_distribution(params, s, t)"
    for what in ("mode", "sample"):
        claim = f"{output}.{what}() must be valid data, at all times and for all finite params"
        with requiring(claim, ValueError):
            flow.check_data(said[what])
    _require_finite(said["mean"], t, f"{output}.mean()")


def _require_finite(values, t, name):
    finite = np.isfinite(values).reshape(len(t), -1).all(axis=1)
    times = sorted({f"{time:g}" for time in t[~finite]})
    require(finite.all(), f"{name} must be finite. It is not at t = {', '.join(times)}")


def measure_costs(flow, x, losses, seed):
    """Returns a dict of losses, in nats, if no variable is predicted from others."""

    def compute(x, seed):
        nats = {}
        for name, loss in losses.items():
            t = loss.times(stratified_uniform(ops.shape(x)[0], seed))
            s = flow.sample_evidence(x, t, seed)
            theta = flow.input_params(s, flow.schedule.beta(t))
            prediction = Prediction(t, s, theta, flow.evidence_params(theta))
            nats[name] = loss(flow, x, prediction, seed)
        return nats

    return Compiled(compute, seed).predict_on_batch(x)


class ExactFlow:
    """A flow of integers whose output distribution is the exact posterior of a single variable.

    Everything else is delegated to the given flow. The expected losses are then known in advance.

    Args:
        flow: a `keras_bfn.flows.Flow` of integers 0..K-1.
        prior: float array `(K,)`, the probability of each value.
    """

    def __init__(self, flow, prior):
        self.flow, self.prior = flow, prior

    def __getattr__(self, name):
        return getattr(self.flow, name)

    def output_distribution(self, params, s, t):
        """Returns p(k | s), proportional to `prior_k exp(s e(k) - c beta |e(k)|^2 / 2)`."""
        embeddings = self.embed(ops.arange(self.num_values, dtype="int32"))
        lengths = ops.sum(ops.square(embeddings), axis=-1)
        precision = self.gain * expand(self.schedule.beta(t), s)
        log_likelihoods = ops.matmul(s, ops.transpose(embeddings)) - 0.5 * precision * lengths
        return Categorical(log_likelihoods + ops.convert_to_tensor(np.log(self.prior), "float32"))

    def reconstruction_loss(self, x, params, s, t):
        return -self.output_distribution(params, s, t).log_prob(x)


def make_prior(num_values):
    """Returns the probabilities of values, from 2 / Z down to 1 / Z, and their entropy."""
    prior = np.linspace(2.0, 1.0, num_values)
    prior /= prior.sum()
    return prior, -np.sum(prior * np.log(prior))


def check_entropy(flow, rng):
    """Requires that the losses sum to the entropy under the exact posterior."""
    num_values = flow.num_values
    prior, entropy = make_prior(num_values)
    num = max(256, min(MOST_EXAMPLES, MOST_NUMBERS // num_values))
    # Each value as often as under the prior, up to one: the data add no sampling noise.
    x = np.searchsorted(np.cumsum(prior)[:-1], (np.arange(num) + 0.5) / num)
    seed = int(rng.integers(2**31))
    nats = measure_costs(ExactFlow(flow, prior), x[:, None].astype("int32"), LOSSES, seed)
    reconstruction = nats.pop("reconstruction loss").astype("float64")
    for name, transmission in nats.items():
        claim = f"the {name} plus the reconstruction loss must equal the entropy"
        claim = f"{type(flow).__name__}: with the exact posterior as the network, {claim}"
        require_mean((transmission + reconstruction)[:, 0], entropy, claim, 0.005 * entropy)
