"""Scoring: the cost of sending each example."""

import keras
import numpy as np
from keras import ops

from keras_bfn import losses
from keras_bfn._parts import count_examples, leave_out, map_parts, order_parts, sum_parts
from keras_bfn._validation import check_int, check_verbose, to_numpy
from keras_bfn.inference.program import Program
from keras_bfn.inputs.arrays import check_arrays, read_all, split_condition
from keras_bfn.inputs.given import check_given
from keras_bfn.inputs.missing import check_sample_weight, count_variables, fill_missing_variables
from keras_bfn.inputs.states import State, scored_state
from keras_bfn.orders.orders import check_order, is_in_one_pass, order_noise
from keras_bfn.predictions import nats_per_example, predict


class CodeLengthProgram(Program):
    """Scores data by a transmission loss and the reconstruction loss, in nats per example.

    Call arguments:
        inputs: dict with `"x"`, data or a dict of the parts' data; `"low"` and `"high"`, of shape
            `(batch,)`, the interval within [0, 1] from which times are drawn; for conditional
            models `"condition"`, of shape `(batch, ...)`; optionally `"sample_weight"`; `"known"`,
            a bool mask of the variables known from the start; and the `"noise"` of a random order.
    """

    def __init__(self, model, transmission_loss, order, in_one_pass=False):
        super().__init__(model)
        self.losses_by_name = {
            "transmission": transmission_loss,
            "reconstruction": losses.ReconstructionLoss(),
        }
        self.order, self.in_one_pass = order, in_one_pass

    def call(self, inputs):
        model, seed = self.model, self.model.seed_generator
        low, high = inputs["low"], inputs["high"]
        x, mask = fill_missing_variables(model.flow, inputs["x"], model.allow_missing)
        counts, of_examples = count_variables(x, mask, inputs.get("sample_weight"))
        nats = {"transmission": map_parts(lambda _: ops.zeros_like(low), model.flow)}
        for name, loss in self.losses_by_name.items():
            if name == "transmission" and np.all(self.order.told):
                continue  # there are no messages
            u = low + (high - low) * losses.stratified_uniform(ops.shape(low)[0], seed)
            state = State(loss.times(u))
            if model.times == "variables":
                how = model.event_shape, self.order, self.in_one_pass
                given = inputs.get("noise"), inputs.get("known")
                state = scored_state(*how, name, loss, u, x, mask, *given)
            scored = x, predict(model, state, x, inputs.get("condition"), mask=mask)
            weights = counts, state.messages, state.told
            costs = nats_per_example(loss, model.flow, *scored, seed, *weights)
            if of_examples is not None:
                costs = map_parts(lambda costs: costs * of_examples, costs)
            nats[name] = costs
        return nats


def score(
    model, x, loss, num_repeats, batch_size, seed, verbose, order=None, given=None, weight=None
):
    """Returns transmission and reconstruction losses in nats per example, `(num_repeats, num)`.

    Args:
        model: the `BayesianFlowNetwork`.
        x, num_repeats, batch_size, seed, verbose, order, given: as in its `code_length`.
        loss: the transmission loss.
        weight: the argument `sample_weight`.

    Returns:
        The tuple of a dict of both losses, each a dict of the parts' for a dict of flows, and of
        the names of the parts that are given as a whole, and hence not sent.
    """
    check_verbose(verbose)
    x, condition = check_arrays(model, *split_condition(read_all(x, "x")))
    num_repeats = check_int("num_repeats", num_repeats, 1)
    model.build_for(map_parts(np.shape, x), condition)

    order = check_order(model, order)
    known = check_given(model, given, x)
    noise = order_noise(model, order, count_examples(x), seed)
    inputs = {"x": x, "condition": condition, "known": known, "noise": noise}
    inputs = {name: values for name, values in inputs.items() if values is not None}
    if weight is not None:
        inputs["sample_weight"] = check_sample_weight(model, map_parts(to_numpy, weight), x)
    in_one_pass = is_in_one_pass(model, order, known)
    program = model.programs(CodeLengthProgram, loss, order, in_one_pass)
    nats = program.run(inputs, batch_size, seed, verbose, num_repeats)
    nats = keras.tree.map_structure(lambda costs: costs.reshape(num_repeats, -1), nats)
    nats = {name: order_parts(model.flow, nats[name]) for name in program.losses_by_name}
    given = {name for name, mask in known.items() if mask.all()} if isinstance(known, dict) else ()
    return nats, given


def add_up(nats, given):
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
