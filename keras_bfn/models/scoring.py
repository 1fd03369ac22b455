"""Scoring: the cost of sending each example."""

import keras
import numpy as np
from keras import ops

from keras_bfn import losses
from keras_bfn._parts import leave_out, map_parts, order_parts, sum_counted, sum_parts
from keras_bfn._validation import check_int, check_verbose, to_numpy
from keras_bfn.inputs.arrays import check_arrays, read_all, split_condition
from keras_bfn.inputs.missing import check_sample_weight, count_variables, fill_missing_variables
from keras_bfn.models.programs import Program


class ScoringProgram(Program):
    """Scores data by a transmission loss and the reconstruction loss, in nats per example.

    What the loss is `fed`, such as its number of messages, is a variable: one program serves all.

    Args:
        model: the `BayesianFlowNetwork`.
        loss: a `keras_bfn.losses.BFNLoss`, of transmission.

    Call arguments:
        inputs: dict with `"x"`, data or a dict of the parts' data; `"low"` and `"high"`, of shape
            `(batch,)`, the interval within [0, 1] from which times are drawn; for conditional
            models `"condition"`, of shape `(batch, ...)`; and optionally `"sample_weight"`.
    """

    def __init__(self, model, loss):
        super().__init__(model)
        unknown = {"initializer": "ones", "trainable": False}
        self.values = {name: self.add_weight((), name=name, **unknown) for name in loss.fed}
        self.loss = loss

    def set_loss(self, loss):
        """Sets the values that this loss feeds to the program."""
        for name, variable in self.values.items():
            variable.assign(getattr(loss, name))

    def losses_by_name(self):
        """Returns the losses to compute."""
        values = {name: ops.copy(variable) for name, variable in self.values.items()}
        reconstruction = losses.ReconstructionLoss()
        return {"transmission": self.loss.traced(**values), "reconstruction": reconstruction}

    def draw_state(self, name, loss, u, x, observed, inputs):
        """Returns the state in which a loss scores examples: see `BayesianFlowNetwork`."""
        return self.model.draw_state(name, loss, u, x, observed)

    def call(self, inputs):
        model, low, high = self.model, inputs["low"], inputs["high"]
        x, observed = fill_missing_variables(model.flow, inputs["x"], model.allow_missing)
        counts, of_examples = count_variables(x, observed, inputs.get("sample_weight"))
        nats = {"transmission": map_parts(lambda _: ops.zeros_like(low), model.flow)}
        for name, loss in self.losses_by_name().items():
            u = low + (high - low) * losses.stratified_uniform(
                ops.shape(low)[0], model.seed_generator
            )
            state = self.draw_state(name, loss, u, x, observed, inputs)
            predictions = model.predict_state(state, loss, x, inputs.get("condition"), observed)
            costs = model.costs(loss, x, predictions, state)
            nats[name] = map_parts(sum_counted, costs, counts)
            if of_examples is not None:
                nats[name] = map_parts(lambda costs: costs * of_examples, nats[name])
        return nats


def score(model, x, loss, num_repeats, batch_size, seed, verbose, weight=None):
    """Returns transmission and reconstruction losses in nats per example, `(num_repeats, num)`.

    They are a dict of both losses; each is a dict of the parts' for a dict of flows.

    Args:
        model: the `BayesianFlowNetwork`.
        x, num_repeats, batch_size, seed, verbose: as in its `code_length`.
        loss: the transmission loss.
        weight: the argument `sample_weight`.
    """
    inputs = check_inputs(model, x, num_repeats, verbose, weight)
    program = model.programs(ScoringProgram, loss)
    return run(model, program, inputs, loss, num_repeats, batch_size, seed, verbose)


def loss_of(num_steps):
    """Returns the loss of this number of messages; None stands for infinitely many."""
    return losses.ContinuousTimeLoss() if num_steps is None else losses.DiscreteTimeLoss(num_steps)


def check_inputs(model, x, num_repeats, verbose, weight):
    """Returns the inputs of a `ScoringProgram` for data, a condition and weights."""
    check_verbose(verbose)
    check_int("num_repeats", num_repeats, 1)
    x, condition = check_arrays(model, *split_condition(read_all(x, "x")))
    model.build_for(map_parts(np.shape, x), condition)
    inputs = {"x": x} if condition is None else {"x": x, "condition": condition}
    if weight is not None:
        inputs["sample_weight"] = check_sample_weight(model, map_parts(to_numpy, weight), x)
    return inputs


def run(model, program, inputs, loss, num_repeats, batch_size, seed, verbose):
    """Runs a `ScoringProgram`; see `score`."""
    program.set_loss(loss)
    nats = program.run(inputs, batch_size, seed, verbose, num_repeats)
    nats = keras.tree.map_structure(lambda costs: costs.reshape(num_repeats, -1), nats)
    names = "transmission", "reconstruction"
    return {name: order_parts(model.flow, nats[name]) for name in names}


def add_up(nats, given=()):
    """Returns the mean over repeats, summed over parts, and for several parts each one sent."""
    nats = keras.tree.map_structure(lambda values: values.mean(axis=0), nats)
    totals = {name: sum_parts(costs) for name, costs in nats.items()}
    if isinstance(nats["transmission"], dict):
        sent = leave_out(given, nats["transmission"])
        totals["parts"] = {part: {name: nats[name][part] for name in nats} for part in sent}
    return totals


def profile(nats, num_intervals):
    """Returns the mean over examples for each repeat, which is one interval of time."""
    loss = keras.tree.map_structure(lambda values: values.mean(axis=1), nats)
    middles = (np.arange(num_intervals, dtype="float32") + 0.5) / num_intervals
    found = {"t": middles, "loss": sum_parts(loss)}
    return found | {"parts": loss} if isinstance(loss, dict) else found
