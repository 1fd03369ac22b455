"""Conditions: which ones suit a model, and how they guide its samples."""

import math

import keras
import numpy as np

from keras_bfn._validation import check_between
from keras_bfn.networks import Network


def check_condition(model, condition, num_examples, name="condition"):
    """Returns the condition as a numpy array, or None if there is none and must be none.

    Raises:
        ValueError: if there should be a condition and is none, the reverse, a wrong number, or
            one that is not a class of the network.
    """
    check_is_conditional(model, condition is not None, name)
    if condition is None:
        return None
    condition = to_numpy(condition)
    if condition.shape[:1] != (num_examples,):
        raise ValueError(
            f"Argument `{name}` must have one condition for each of {num_examples} examples. "
            f"Received: conditions of shape {condition.shape}"
        )
    if isinstance(model.network, Network) and model.network.num_conditions is not None:
        _check_classes(condition, model.network.num_conditions, name)
    return condition


def _check_classes(condition, num_conditions, name):
    integers = np.issubdtype(condition.dtype, np.integer)
    possible = range(num_conditions + 1)
    if not integers or condition.ndim != 1 or not np.isin(condition, possible).all():
        raise ValueError(
            f"Argument `{name}` must have conditions of shape (batch,), integers in "
            f"0..{num_conditions}, where {num_conditions} means no condition. Received: conditions "
            f"of shape {condition.shape}, dtype {condition.dtype}"
            + (f", between {condition.min()} and {condition.max()}" if integers else "")
        )


def check_is_conditional(model, conditional, name="x"):
    """Raises a `ValueError` if the network takes a condition and there is none, or the reverse."""
    if model.conditional is not None and model.conditional != conditional:
        takes, came = ("no condition", "one") if conditional else ("a condition", "none")
        raise ValueError(f"The network takes {takes}. Received: `{name}` with {came}")


def condition_inputs(model, condition, guidance_scale, num_examples):
    """The inputs `"condition"` and `"guidance_scale"` of a `SamplingProgram`, where needed.

    Raises:
        ValueError: if the condition does not suit the model, or there is nothing to guide.
    """
    check_between("guidance_scale", guidance_scale, -math.inf, math.inf)
    if guidance_scale != 1 and (condition is None or model.null_condition is None):
        missing = "condition=None" if condition is None else "a network without `null_condition`"
        raise ValueError(
            "Argument `guidance_scale` must be 1 unless there is a condition, and a null condition "
            f"to guide away from. Received: guidance_scale={guidance_scale} with {missing}"
        )
    if condition is None and model.null_condition is not None:
        condition = np.full(num_examples, model.null_condition, "int32")
    condition = check_condition(model, condition, num_examples)
    inputs = {} if condition is None else {"condition": condition}
    if guidance_scale != 1:
        inputs["guidance_scale"] = np.full(num_examples, guidance_scale, "float32")
    return inputs


def to_numpy(x):
    """An array or a tensor as a numpy array."""
    return keras.ops.convert_to_numpy(x) if keras.ops.is_tensor(x) else np.asarray(x)
