"""The losses of a data type: finite at the edges, and the entropy for an exact posterior."""

import keras
import numpy as np
from keras import ops

from keras_bfn.losses import (
    ContinuousTimeLoss,
    DiscreteTimeLoss,
    ReconstructionLoss,
    stratified_uniform,
)
from keras_bfn.predictions import Prediction
from keras_bfn.testing.claims import require, require_mean
from keras_bfn.testing.posteriors import ExactFlow

EDGE_TIMES = (0.0, 1e-7, 1e-3, 0.5, 0.999, 1.0)
EDGE_LOSSES = {
    "continuous-time loss": ContinuousTimeLoss(),
    "20-step loss": DiscreteTimeLoss(20),
    "reconstruction loss": ReconstructionLoss(),
}
EDGE_OUTPUTS = (0.0, 1.0, -1.0, 1e4, -1e4)
MOST_EXAMPLES = 2**16
MOST_NUMBERS = 2**21  # of one tensor


class EdgeLosses(keras.Model):
    """Losses at the edges of time, whose parameters are all that the network could return."""

    def __init__(self, flow, params, losses):
        super().__init__(dtype="float32", autocast=False)
        self.flow, self.losses_by_name = flow, losses
        self.seed_generator = keras.random.SeedGenerator(0)
        self.params = self.add_weight(shape=params.shape, initializer="zeros", name="params")
        self.params.assign(params)
        self.built = True

    def call(self, inputs):
        """Losses of each row, and what the output distribution says."""
        flow, seed, x, t = self.flow, self.seed_generator, inputs["x"], inputs["t"]
        nats = {}
        for name, loss in self.losses_by_name.items():
            times = loss.times(t)
            prediction = Prediction(times, flow.sample_evidence(x, times, seed), None, self.params)
            nats[name] = loss(flow, x, prediction, seed)
        s = flow.sample_evidence(x, t, seed)
        output = flow.output_distribution(self.params, s, t)
        drawn = {"mode": output.mode(), "sample": output.sample(seed), "mean": output.mean()}
        return {"nats": nats, "theta": flow.input_params(s, flow.schedule.beta(t)), **drawn}

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        return sum(ops.sum(nats) for nats in y_pred["nats"].values())


def run_edges(flow, x, losses):
    """Requires finite losses and gradients at the edges of time, whatever the network returns.

    Returns:
        The tuple of what an `EdgeLosses` returns, and the time of each row.
    """
    name = type(flow).__name__
    outputs = [np.resize(np.roll(EDGE_OUTPUTS, i), flow.output_size) for i in range(5)]
    ends = np.array([x.min(), x.max()], x.dtype)
    rows = [(t, row, end) for t in EDGE_TIMES for row in outputs for end in ends]
    t, params, x = (np.array(column) for column in zip(*rows, strict=True))
    t, x, params = t.astype("float32"), x[:, None], params[:, None].astype("float32")

    model = EdgeLosses(flow, params, losses)
    inputs = {"x": x, "t": t}
    results = model.predict_on_batch(inputs)
    for loss in losses:
        _require_finite(results["nats"][loss], t, f"{name}: the {loss}")
    model.compile(keras.optimizers.SGD(1.0))
    model.train_on_batch(inputs)
    gradient = params - ops.convert_to_numpy(model.params)
    _require_finite(gradient, t, f"{name}: the gradient of the losses")
    return results, t


def check_edges(flow, x):
    """Losses, gradients and samples are finite, and samples are data, in all cases."""
    name = type(flow).__name__
    results, t = run_edges(flow, x, EDGE_LOSSES)
    _require_finite(results["theta"], t, f"{name}.input_params(s, beta)")
    for what in ("mode", "sample"):
        try:
            flow.check_data(results[what])
        except ValueError as error:
            raise AssertionError(
                f"{name}.output_distribution(params, s, t).{what}() must be data, at all times and "
                f"for all finite params: {error}"
            ) from error
    _require_finite(results["mean"], t, f"{name}.output_distribution(params, s, t).mean()")


def _require_finite(values, t, name):
    finite = np.isfinite(values).reshape(len(t), -1).all(axis=1)
    times = sorted({f"{time:g}" for time in t[~finite]})
    require(finite.all(), f"{name} must be finite. It is not at t = {', '.join(times)}")


class ExactCosts(keras.Model):
    """What data cost whose exact posterior is known, in one program."""

    def __init__(self, flow, losses, seed):
        super().__init__(dtype="float32", autocast=False)
        self.flow = flow
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.losses_by_name = {"reconstruction": ReconstructionLoss(), **losses}
        self.built = True

    def call(self, x):
        flow, seed, nats = self.flow, self.seed_generator, {}
        for name, loss in self.losses_by_name.items():
            t = loss.times(stratified_uniform(ops.shape(x)[0], seed))
            prediction = Prediction(t, flow.sample_evidence(x, t, seed), None, None)
            if name == "reconstruction":
                nats[name] = -flow.output_distribution(None, prediction.s, t).log_prob(x)
            else:
                nats[name] = loss(flow, x, prediction, seed)
        return nats


EXACT_LOSSES = {
    "continuous time": ContinuousTimeLoss(),
    "one message": DiscreteTimeLoss(1),
    "5 messages": DiscreteTimeLoss(5),
}


def check_entropy(flow, rng, losses=EXACT_LOSSES):
    """With an exact posterior, transmission and reconstruction add up to the entropy."""
    num_values = flow.num_values
    prior = np.linspace(2.0, 1.0, num_values)
    prior /= prior.sum()
    entropy = -np.sum(prior * np.log(prior))
    num = max(256, min(MOST_EXAMPLES, MOST_NUMBERS // num_values))
    # As often as the prior says, to within one: the data add no noise of their own.
    x = np.searchsorted(np.cumsum(prior)[:-1], (np.arange(num) + 0.5) / num)
    model = ExactCosts(ExactFlow(flow, prior), losses, int(rng.integers(2**31)))
    nats = model.predict(x[:, None].astype("int32"), batch_size=num, verbose=0)
    reconstruction = nats.pop("reconstruction").astype("float64")
    for name, transmission in nats.items():
        claim = (
            f"{type(flow).__name__}: with the exact posterior for a network, the loss in {name} "
            "and the reconstruction loss must add up to the entropy"
        )
        require_mean((transmission + reconstruction)[:, 0], entropy, claim, 0.005 * entropy)
