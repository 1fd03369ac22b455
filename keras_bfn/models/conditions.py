"""Conditions: which ones suit a model, and how they guide its samples."""

import math
import warnings

import keras
import numpy as np

from keras_bfn._validation import check_between, refusal
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


def check_training_classes(model, condition, name):
    """Raises a `ValueError` if the classes are numbered from 1: the last would mean "none"."""
    last = getattr(model.network, "num_conditions", None)
    if last is not None and last > 1 and condition.min() == 1 and condition.max() == last:
        raise ValueError(
            f"Argument `{name}` must have classes in 0..{last - 1}; {last} means no condition. "
            f"Received: classes between 1 and {last}, and none is 0: subtract 1 from each"
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
    if guidance_scale != 1 and not model.condition_dropout:
        warnings.warn(
            "The argument `guidance_scale` guides away from the null condition, which a model with "
            "condition_dropout=0 has not learnt, unless it was among the training data's own.",
            stacklevel=3,
        )
    condition = model.null_condition if condition is None else to_numpy(condition)
    if condition is not None and np.shape(condition) == np.shape(model.null_condition):
        condition = np.broadcast_to(condition, (num_examples, *np.shape(condition)))
    condition = check_condition(model, condition, num_examples)
    inputs = {} if condition is None else {"condition": condition}
    if guidance_scale != 1:
        inputs["guidance_scale"] = np.full(num_examples, guidance_scale, "float32")
    return inputs


def check_null_condition(null_condition, network):
    """Returns a model's null condition: as given, or the network's own, or None.

    Raises:
        ValueError: if it is no integer and no array of numbers.
    """
    if null_condition is None:
        return getattr(network, "null_condition", None)
    found = np.asarray(null_condition)
    if found.dtype.kind not in "iuf" or (found.ndim == 0 and found.dtype.kind == "f"):
        expected = "must be an integer, for classes, or an array of numbers, for vectors"
        raise refusal("null_condition", expected, null_condition)
    if not found.ndim:
        return int(found)
    return found.astype("float32" if found.dtype.kind == "f" else "int32")


def to_numpy(x):
    """An array, a tensor, a list or a frame as a numpy array that every backend takes."""
    x = keras.ops.convert_to_numpy(x) if keras.ops.is_tensor(x) else np.asarray(x)
    dtype = x.dtype.newbyteorder("=")
    # PyTorch has no unsigned integers of 64 bits.
    return x.astype("int64" if dtype == "uint64" else dtype, copy=False)
