"""Scoring: what it costs to send each example."""

import keras
import numpy as np
from keras import ops

from keras_bfn import losses
from keras_bfn._random import seeded
from keras_bfn._validation import check_int
from keras_bfn.models.data_checks import check_arrays
from keras_bfn.models.program import Program, divisible


class CodeLengthProgram(Program):
    """Scores data by a transmission loss and the reconstruction loss, in nats per example.

    Call arguments:
        inputs: dict with `"x"`, of shape `(batch, *event_shape)`; `"low"` and `"high"`, of shape
            `(batch,)`, the part of [0, 1] that times are drawn from; and for conditional models
            `"condition"`, of shape `(batch, ...)`.
    """

    def __init__(self, model, transmission_loss):
        super().__init__(model)
        self.losses_by_name = {
            "transmission": transmission_loss,
            "reconstruction": losses.ReconstructionLoss(),
        }

    def call(self, inputs):
        seed = self.model.seed_generator
        x, low, high = inputs["x"], inputs["low"], inputs["high"]
        batch_size = ops.shape(x)[0]
        nats = {}
        for name, loss in self.losses_by_name.items():
            uniform = low + (high - low) * losses.stratified_uniform(batch_size, seed)
            params, s, t = self.model.look(loss.times(uniform), x, inputs.get("condition"))
            per_variable = loss(self.model.flow, x, params, s, t, seed)
            nats[name] = ops.sum(ops.reshape(per_variable, (batch_size, -1)), axis=-1)
        return nats


class RepeatedBatches(keras.utils.PyDataset):
    """The inputs of `CodeLengthProgram`: all data, `num_repeats` times, in batches of one size.

    Repeat r of R looks at times in [r / R, (r + 1) / R), so that each example is seen at evenly
    spread times. The last batch is filled up with the first examples.
    """

    def __init__(self, x, condition, num_repeats, batch_size):
        super().__init__()
        self.x, self.condition = x, condition
        self.num_repeats, self.batch_size = num_repeats, batch_size
        self.batches_per_repeat = -(-len(x) // batch_size)

    @property
    def num_batches(self):
        return self.num_repeats * self.batches_per_repeat

    def __getitem__(self, index):
        repeat, batch = divmod(index, self.batches_per_repeat)
        rows = np.arange(batch * self.batch_size, (batch + 1) * self.batch_size) % len(self.x)
        inputs = {
            "x": self.x[rows],
            "low": np.full(self.batch_size, repeat / self.num_repeats, "float32"),
            "high": np.full(self.batch_size, (repeat + 1) / self.num_repeats, "float32"),
        }
        if self.condition is not None:
            inputs["condition"] = self.condition[rows]
        return (inputs,)

    def by_repeat(self, values):
        """What `predict` returned for each row of each batch, as `(num_repeats, num)`."""
        return values.reshape(self.num_repeats, -1)[:, : len(self.x)]


def code_length(model, x, num_steps, num_repeats, batch_size, seed, verbose):
    """See `BayesianFlowNetwork.code_length`."""
    nats = _nats(model, x, num_steps, num_repeats, batch_size, seed, verbose)
    return {name: values.mean(axis=0) for name, values in nats.items()}


def loss_by_time(model, x, num_bins, batch_size, seed, verbose):
    """See `BayesianFlowNetwork.loss_by_time`."""
    num_bins = check_int("num_bins", num_bins, 1)
    nats = _nats(model, x, None, num_bins, batch_size, seed, verbose)
    middles = (np.arange(num_bins, dtype="float32") + 0.5) / num_bins
    return {"t": middles, "loss": nats["transmission"].mean(axis=1)}


def _nats(model, x, num_steps, num_repeats, batch_size, seed, verbose):
    """The transmission and reconstruction losses, `(num_repeats, num)`, in nats per example."""
    x, condition = check_arrays(model, x)
    loss = losses.get(None) if num_steps is None else losses.DiscreteTimeLoss(num_steps)
    num_repeats = check_int("num_repeats", num_repeats, 1)
    batch_size = min(check_int("batch_size", batch_size, 1), len(x))
    model.build_for(x.shape, condition)

    batches = RepeatedBatches(x, condition, num_repeats, divisible(batch_size))
    program = model.programs.get(("code_length", num_steps), lambda: CodeLengthProgram(model, loss))
    with seeded(model.seed_generator, seed):
        nats = program.predict(batches, verbose=verbose)
    # JAX returns dicts in alphabetical order.
    return {name: batches.by_repeat(nats[name]) for name in program.losses_by_name}
