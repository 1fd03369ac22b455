"""Functions to export: one step of a sampler, or the network alone."""

import functools

import keras
import numpy as np
from keras import ops

from keras_bfn._parts import check_has_event_shape, map_parts
from keras_bfn._random import Noise
from keras_bfn._validation import refusal, to_numpy
from keras_bfn.inputs.conditions import condition_inputs
from keras_bfn.models.classifier_free import ClassifierFreeGuidance, warn_if_unlearnt
from keras_bfn.models.programs import SamplingProgram, find_times

EXAMPLE_ROWS = 2  # rows of example inputs; PyTorch would export a batch size of 1 as a constant


def make_function(model, sampler, condition, guided):
    """Returns the tuple of a function of a dict of tensors, and an example of that dict.

    Args:
        model, sampler, condition, guided: as in `BayesianFlowNetwork.export`.

    Raises:
        ValueError: if an argument is invalid.
    """
    check_has_event_shape(model)
    inputs = _example_conditions(model, condition)
    rule = ClassifierFreeGuidance() if guided is True else guided or None
    if rule is not None:
        has_null = sampler is not None and inputs and model.null_condition is not None
        if not has_null or not isinstance(rule, ClassifierFreeGuidance):
            expected = "must be False without a sampler, and for a model without a null condition"
            expected = f"{expected}; otherwise also True, or a `ClassifierFreeGuidance`"
            raise refusal("guided", expected, guided)
        warn_if_unlearnt(model, "guided")
        inputs["guidance_scale"] = ops.ones(EXAMPLE_ROWS, "float32")
    shapes = map_parts(lambda shape: (EXAMPLE_ROWS, *shape), model.event_shape)
    model.build_for(shapes, inputs.get("condition"))
    if sampler is None:
        inputs |= keras.tree.map_structure(_zeros, model.symbolic_inputs())
        return functools.partial(call, model), inputs
    sampler = model.get_sampler(sampler)
    program = SamplingProgram(model, sampler, rule)
    if model.allow_missing:
        inputs["observed"] = map_parts(ops.ones, shapes)
    first = float(find_times(model, sampler, 1)[0])  # while nothing is traced
    return functools.partial(step, program, first), inputs | _example_step(program, first, inputs)


def call(model, inputs):
    """Returns the output of a model's network."""
    return {"params": model.call_network(inputs)}


def step(program, first, inputs, noise=None):
    """Returns a prediction, the sampler's state after a step, and data from the prediction.

    Args:
        program: a `SamplingProgram`.
        first: float, the time at which the sampler starts.
        inputs: dict with `"state"`, the sampler's state, or a dict of the parts' states; `"t"` and
            `"t_next"`, scalars; the noise, by the names that a `Noise` gives it; for conditional
            models `"condition"`, of shape `(batch, ...)`, and `"guidance_scale"`, of shape
            `(batch,)`; and for models that allow missing variables `"observed"`.
        noise: a `Noise`, by default that of the inputs.
    """
    noise = Noise(inputs) if noise is None else noise
    t, t_next, state = inputs["t"], inputs["t_next"], inputs["state"]
    ones = ops.ones(ops.shape(keras.tree.flatten(state)[0])[:1], "float32")
    is_first = t <= first
    start = program.start(ops.shape(ones)[0], noise)
    state = keras.tree.map_structure(lambda *either: ops.where(is_first, *either), start, state)
    inputs = inputs | {"ones": ones}
    sampler, flow = program.sampler, program.model.flow
    s = map_parts(sampler.evidence, flow, state, t)
    predictions = program.predict_params(s, t, t_next, inputs, inputs.get("guidance_scale"))
    outputs = map_parts(program.output, flow, predictions)
    return {
        "next_state": map_parts(sampler.step, flow, state, outputs, t, t_next, noise),
        "params": map_parts(lambda one: one.params, predictions),
        "x": program.end(outputs, noise, inputs),
    }


def _example_conditions(model, condition):
    """Returns example inputs for the condition, if any, with names, shapes and dtypes."""
    taken = model.signature.condition
    if condition is None and taken is not None:
        condition = map_parts(_zeros, taken)
    if condition is not None:
        condition = map_parts(lambda x: np.repeat(to_numpy(x)[:1], EXAMPLE_ROWS, axis=0), condition)
    return keras.tree.map_structure(
        lambda x: ops.convert_to_tensor(x, "float32" if x.dtype.kind == "f" else "int32"),
        condition_inputs(model, condition, EXAMPLE_ROWS),
    )


def _zeros(x):
    """Returns zeros in the place of a symbolic input."""
    return ops.zeros((EXAMPLE_ROWS, *x.shape[1:]), x.dtype)


def _example_step(program, first, conditions):
    """Returns example values of a step's other inputs, with their names and shapes."""
    inputs, noise = {"t": ops.zeros((), "float32"), "t_next": ops.ones((), "float32")}, Noise()
    try:
        inputs["state"] = program.start(EXAMPLE_ROWS, Noise())
        step(program, first, conditions | inputs, noise)
    except ValueError as error:
        if "`seed`" not in str(error):
            raise
        # Keras does not accept a `Noise` as a seed.
        expected = "must draw noise only in `flow.observe` and `distribution.sample`, for export"
        raise refusal("sampler", expected, program.sampler) from error
    return inputs | {name: ops.zeros(shape, "float32") for name, shape in noise.shapes.items()}
