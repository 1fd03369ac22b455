"""The optimizer's averaged weights, as a replacement of the model's weights."""

import contextlib
import math

from keras import ops

from keras_bfn._keras import copy_values


def has_averages(model):
    """Whether the optimizer keeps averages and has made a step; before it, they are zeros."""
    optimizer = _inner_optimizer(model)
    if not getattr(optimizer, "use_ema", False) or not optimizer.built:
        return False
    return int(ops.convert_to_numpy(optimizer.iterations)) > 0


@contextlib.contextmanager
def assigned(model):
    """A context in which the averages replace the weights, which are restored on any exit.

    Raises:
        ValueError: if the optimizer keeps no averages, or averages of variables that the model no
            longer has, because layers were quantized.
    """
    optimizer = _inner_optimizer(model)
    if not has_averages(model):
        raise ValueError(
            "Averaged weights require training with an optimizer that has use_ema=True. "
            f"Received: a model with optimizer {optimizer!r}"
        )
    # Those that it was built for: others may be trainable now. Keras 3.15 has no public names.
    weights = optimizer._trainable_variables
    if not set(map(id, weights)) <= set(map(id, model.variables)):
        raise ValueError(
            "The optimizer has averages of weights that were quantized since. Within "
            "`averaged_weights`, save the model before it is quantized; then load and quantize it"
        )
    averages = copy_values(optimizer._model_variables_moving_average)
    raw = copy_values(weights)

    def assign(values):
        for weight, value in zip(weights, values, strict=True):
            weight.assign(value)

    try:
        assign(averages)
        yield
    finally:
        assign(raw)


@contextlib.contextmanager
def loading(model):
    """A context in which weights are loaded. Averages that are not loaded begin at the weights."""
    if not has_averages(model):
        yield
        return
    optimizer = _inner_optimizer(model)
    averages = optimizer._model_variables_moving_average
    values = copy_values(averages)
    for average in averages:
        average.assign(ops.full(average.shape, math.nan, average.dtype))
    try:
        yield
        values = copy_values(optimizer._trainable_variables)
    finally:
        for average, value in zip(averages, values, strict=True):
            if ops.convert_to_numpy(ops.any(ops.isnan(average))):
                average.assign(value)


def _inner_optimizer(model):
    optimizer = getattr(model, "optimizer", None)  # None if the model is not compiled
    return getattr(optimizer, "inner_optimizer", optimizer)
