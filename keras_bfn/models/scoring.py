"""Scoring: what it costs to send each example."""

import keras
import numpy as np
from keras import ops

from keras_bfn import losses
from keras_bfn._devices import round_up, scope_of
from keras_bfn._keras import seeded
from keras_bfn._parts import leave_out, map_parts, order_parts, sum_parts
from keras_bfn._validation import check_int, check_verbose, to_numpy
from keras_bfn.models.data_checks import check_arrays, count_examples
from keras_bfn.models.missing import (
    check_sample_weight,
    count_variables,
    split_missing,
    sum_variables,
)
from keras_bfn.models.part_times import check_given
from keras_bfn.models.program import Program, check_batch_size


def nats_per_example(loss, flow, x, looks, seed, counts=None):
    """What a loss says that examples cost: `(batch,)`, or a dict of that for each part.

    `counts`, shaped as `x`, is how much each variable counts; by default 1.
    """
    costs = map_parts(lambda flow, x, look: loss(flow, x, look, seed), flow, x, looks)
    if counts is not None:
        costs = map_parts(lambda costs, counts: costs * counts, costs, counts)
    return sum_variables(costs)


class CodeLengthProgram(Program):
    """Scores data by a transmission loss and the reconstruction loss, in nats per example.

    Call arguments:
        inputs: dict with `"x"`, data or a dict of the parts' data; `"low"` and `"high"`, of shape
            `(batch,)`, the part of [0, 1] that times are drawn from; for conditional models
            `"condition"`, of shape `(batch, ...)`; and, where variables do not count alike,
            `"sample_weight"`.
    """

    def __init__(self, model, transmission_loss, given=()):
        super().__init__(model)
        self.losses_by_name = {
            "transmission": transmission_loss,
            "reconstruction": losses.ReconstructionLoss(),
        }
        self.given = given

    def call(self, inputs):
        model, seed = self.model, self.model.seed_generator
        low, high = inputs["low"], inputs["high"]
        x, mask = split_missing(model, inputs["x"])
        counts, of_examples = count_variables(x, mask, inputs.get("sample_weight"))
        nats = {}
        for name, loss in self.losses_by_name.items():
            uniform = losses.stratified_uniform(ops.shape(low)[0], seed)
            t = loss.times(low + (high - low) * uniform)
            if self.given:
                known = ops.ones_like(t)
                t = {part: known if part in self.given else t for part in model.flow}
            looks = model.look_at(inputs["x"], t, inputs.get("condition"))
            costs = nats_per_example(loss, model.flow, x, looks, seed, counts)
            if of_examples is not None:
                costs = map_parts(lambda costs: costs * of_examples, costs)
            nats[name] = leave_out(self.given, costs)
        return nats


class RepeatedBatches(keras.utils.PyDataset):
    """The inputs of `CodeLengthProgram`: all data, `num_repeats` times, in batches of one size.

    Repeat r of R looks at times in [r / R, (r + 1) / R), so that each example is seen at evenly
    spread times. The last batch is filled up with the first examples.
    """

    def __init__(self, inputs, num_repeats, batch_size):
        super().__init__()
        self.inputs = {name: values for name, values in inputs.items() if values is not None}
        self.num = count_examples(inputs["x"])
        self.num_repeats, self.batch_size = num_repeats, batch_size
        self.batches_per_repeat = -(-self.num // batch_size)

    @property
    def num_batches(self):
        return self.num_repeats * self.batches_per_repeat

    def __getitem__(self, index):
        repeat, batch = divmod(index, self.batches_per_repeat)
        rows = np.arange(batch * self.batch_size, (batch + 1) * self.batch_size) % self.num
        inputs = keras.tree.map_structure(lambda values: values[rows], self.inputs)
        inputs["low"] = np.full(self.batch_size, repeat / self.num_repeats, "float32")
        inputs["high"] = np.full(self.batch_size, (repeat + 1) / self.num_repeats, "float32")
        return (inputs,)

    def by_repeat(self, values):
        """What `predict` returned for each row of each batch, as `(num_repeats, num)`."""
        return values.reshape(self.num_repeats, -1)[:, : self.num]


def code_length(
    self,
    x,
    num_steps=None,
    num_repeats=1,
    batch_size=128,
    given=(),
    sample_weight=None,
    seed=None,
    verbose="auto",
):
    """What it costs to send each example, estimated without bias.

    Args:
        x: data of shape `(num, *event_shape)`, or a dict of the parts' data; or the tuple
            `(data, condition)`.
        num_steps: int or None. The number of messages; None is the continuous-time limit.
        num_repeats: int. Each example is looked at this many times, evenly spread over [0, 1];
            with `num_repeats=num_steps`, once at each step.
        batch_size: int.
        given: list of names of parts that are known to sender and receiver: the cost is that of the
            other parts, given these. For models with `times="parts"`.
        sample_weight: how much each variable counts, an array shaped as the data, or a dict of the
            parts'; or each example, `(num,)`. By default 1.
        seed: int or None. The same seed gives the same result on the same backend.
        verbose: as in `keras.Model.predict`.

    Returns:
        A dict of `"transmission"` (the messages) and `"reconstruction"` (the data once all messages
        have come): numpy arrays of shape `(num,)`, in nats per example. The sum is the code length.
        For a dict of flows, there is also `"parts"`: for each part that is sent, the same two.

    Raises:
        ValueError: if the data do not suit the model or an argument is out of its range.

    Example:

    >>> nats = model.code_length(images, num_steps=100)
    >>> (nats["transmission"] + nats["reconstruction"]).mean()
    """
    given = check_given(self, given)
    nats = _nats(self, x, num_steps, num_repeats, given, batch_size, seed, verbose, sample_weight)
    nats = keras.tree.map_structure(lambda values: values.mean(axis=0), nats)
    totals = {name: sum_parts(costs) for name, costs in nats.items()}
    if isinstance(self.flow, dict):
        sent = nats["transmission"]
        totals["parts"] = {part: {name: nats[name][part] for name in nats} for part in sent}
    return totals


def loss_by_time(self, x, num_intervals=20, batch_size=128, seed=None, verbose="auto"):
    """Where in time the model pays: the continuous-time loss in each interval of time.

    Each example is looked at once in every interval. A schedule is well chosen if no part of time
    is wasted on messages that cost next to nothing.

    Args:
        x: as in `code_length`.
        num_intervals: int. [0, 1] is cut into so many.
        batch_size, seed, verbose: as in `code_length`.

    Returns:
        A dict of `"t"`, the intervals' middles, and `"loss"`, nats per example and unit of time,
        averaged over the examples: numpy arrays of shape `(num_intervals,)`. The mean of `"loss"`
        is an estimate of the transmission loss. For a dict of flows, there is also `"parts"`, a
        dict of each part's share of the loss.

    Raises:
        ValueError: if the data do not suit the model or an argument is out of its range.

    Example:

    >>> profile = model.loss_by_time(images, num_intervals=10)
    >>> profile["loss"].mean()  # about model.code_length(images)["transmission"].mean()
    """
    num_intervals = check_int("num_intervals", num_intervals, 1)
    nats = _nats(self, x, None, num_intervals, (), batch_size, seed, verbose)["transmission"]
    loss = keras.tree.map_structure(lambda values: values.mean(axis=1), nats)
    middles = (np.arange(num_intervals, dtype="float32") + 0.5) / num_intervals
    profile = {"t": middles, "loss": sum_parts(loss)}
    return profile | {"parts": loss} if isinstance(self.flow, dict) else profile


def _nats(model, x, num_steps, num_repeats, given, batch_size, seed, verbose, sample_weight=None):
    """The transmission and reconstruction losses, `(num_repeats, num)`, in nats per example."""
    check_verbose(verbose)
    x, condition = check_arrays(model, x)
    loss = losses.get(None) if num_steps is None else losses.DiscreteTimeLoss(num_steps)
    num_repeats = check_int("num_repeats", num_repeats, 1)
    batch_size = check_batch_size(batch_size, count_examples(x))
    model.build_for(map_parts(np.shape, x), condition)

    if sample_weight is not None:
        sample_weight = check_sample_weight(model, map_parts(to_numpy, sample_weight), x)
    inputs = {"x": x, "condition": condition, "sample_weight": sample_weight}
    batches = RepeatedBatches(inputs, num_repeats, round_up(batch_size, model))
    with scope_of(model):
        program = model.programs(CodeLengthProgram, loss, given)
    with seeded(model.seed_generator, seed):
        nats = program.predict(batches, verbose=verbose)
    nats = keras.tree.map_structure(batches.by_repeat, nats)
    return {name: order_parts(model.flow, nats[name]) for name in program.losses_by_name}
