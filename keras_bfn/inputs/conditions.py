"""Conditions: validation, dropout and null conditions.

A condition is an array with one row per example, or a dict of such arrays. A null condition, which
means "no condition", is one such row, or a dict of rows for the conditions that have one.

Each condition of a model has one dtype, whatever dtype it is given in: that of the network's own
input; for a network that does not declare its inputs, that of the null condition, int32 or float32;
without a null condition, int32 for integers and bools, and float32 for floats.
"""

import keras
import numpy as np
from keras import ops

from keras_bfn._parts import describe, map_parts, names_of, part_names
from keras_bfn._validation import (
    check_fits,
    check_int,
    check_rate,
    mismatch,
    refusal,
    standard_dtype,
    to_numpy,
)
from keras_bfn.flows.flow import expand
from keras_bfn.networks import Network


def check_condition(model, condition, num_examples, name="condition"):
    """Returns the condition as numpy arrays of its dtype.

    Raises:
        ValueError: if its names or shapes differ from those that the network takes, its dtype
            cannot hold the values, or they are not classes of the network.
    """
    taken = model.signature.condition
    if taken is not None and names_of(taken) != names_of(condition):
        takes = f"a dict with the keys {list(taken)}" if isinstance(taken, dict) else "one array"
        expected = f"must match the conditions of the network: {takes}"
        raise mismatch(name, expected, describe(condition))
    classes = model.network.conditions if isinstance(model.network, Network) else None

    def check(condition, name, classes, taken, null):
        shape = None if taken is None else tuple(taken.shape[1:])
        condition = to_numpy(condition, name)
        if condition.dtype.kind not in "iufb":
            advice = "`names, labels = np.unique(labels, return_inverse=True)`, and keep the names"
            came = f"an array of dtype {condition.dtype}. To number labels, use {advice}"
            raise mismatch(name, "must have numerical conditions", came)
        came = f"conditions of shape {condition.shape}"
        if condition.shape[:1] != (num_examples,):
            expected = f"must have one condition for each of {num_examples} examples"
            raise mismatch(name, expected, came)
        if isinstance(classes, int):
            _check_classes(condition, classes, name)
        elif shape is not None and not _fits(condition.shape[1:], shape):
            expected = f"must have conditions of shape (batch, *{shape}), for the network"
            raise mismatch(name, expected, came)
        if not np.isfinite(condition).all():
            raise refusal(name, "must have finite conditions", "an array with NaN or infinity")
        if _shape_of(taken) is not None:
            condition = condition.reshape(num_examples, *shape)
        return _convert(condition, _dtype_of(condition, taken, null), name)

    names = part_names(condition, name)
    return _map_conditions(check, condition, names, classes, taken, model.null_condition)


def condition_dtypes(model, condition):
    """Returns the dtype of a condition, or a dict of the conditions' dtypes."""
    return _map_conditions(_dtype_of, condition, model.signature.condition, model.null_condition)


def cast_conditions(model, condition):
    """Returns conditions as tensors of their dtype, without checking values.

    Raises:
        ValueError: if they are floats where the network takes integers.
    """

    def cast(condition, name, taken, null):
        condition = ops.convert_to_tensor(condition)
        dtype = _dtype_of(condition, taken, null)
        _check_kind(keras.backend.standardize_dtype(condition.dtype), dtype, name)
        shape = _shape_of(taken)
        if shape is not None and _fits(condition.shape[1:], shape):
            condition = ops.reshape(condition, (-1, *shape))
        return ops.cast(condition, dtype)

    known = part_names(condition, "condition"), model.signature.condition, model.null_condition
    return _map_conditions(cast, condition, *known)


def _dtype_of(condition, taken, null):
    """Returns a condition's dtype, given the network's symbolic input and the null condition."""
    if taken is not None:
        dtype = keras.backend.standardize_dtype(taken.dtype)
        return "float32" if "float" in dtype else dtype
    known = condition if null is None else np.asarray(null)
    return standard_dtype(keras.backend.standardize_dtype(known.dtype))


def _check_kind(given, dtype, name):
    if "float" in given and "float" not in dtype:
        expected = "must have integer conditions, like the network or its null condition"
        raise mismatch(name, expected, f"an array of dtype {given}")


def _convert(condition, dtype, name):
    """Returns a numpy array in `dtype`; raises a `ValueError` if it cannot hold the values."""
    _check_kind(condition.dtype.name, dtype, name)
    check_fits(condition, dtype, name)
    return condition.astype(dtype, copy=False)


def _shape_of(taken):
    """Returns the shape of a condition that the network declares, or None if it is not known."""
    shape = None if taken is None else tuple(taken.shape[1:])
    return None if shape is None or None in shape else shape


def _fits(shape, taken):
    """Whether Keras passes arrays of this shape to a network: it adds and drops axes of size 1."""
    size = [n for n in shape if n != 1], [n for n in taken if n != 1]
    return len(size[0]) == len(size[1]) and all(
        there is None or here == there for here, there in zip(*size, strict=True)
    )


def _check_classes(condition, none, name):
    are_integers, possible = condition.dtype.kind in "iub", range(none + 1)
    if not are_integers or condition.ndim != 1 or not np.isin(condition, possible).all():
        expected = f"must have integer conditions of shape (batch,) in 0..{none}, where {none} "
        came = f"conditions of shape {condition.shape}, dtype {condition.dtype}"
        if condition.ndim > 1:
            came += ". Write `.argmax(axis=-1)` after one-hot classes, `[:, 0]` after a column"
        elif not are_integers:
            came += ". Write `.astype('int32')` after them"
        elif condition.size:
            came += f", between {condition.min()} and {condition.max()}"
        raise mismatch(name, f"{expected}means no condition", came)


def check_training_classes(model, condition, name):
    """Raises a `ValueError` if classes are numbered from 1: the last would mean "none"."""

    def check(last, condition, name):
        if isinstance(last, int) and last > 1 and condition.min() == 1 and condition.max() == last:
            expected = f"must have classes in 0..{last - 1}; {last} means no condition"
            came = f"classes from 1 to {last}, without 0. Subtract 1 from each class"
            raise mismatch(name, expected, came)

    if isinstance(model.network, Network):
        map_parts(check, model.network.conditions, condition, part_names(condition, name))


def condition_inputs(model, condition, num_examples):
    """Returns the input `"condition"` of a `SamplingProgram`, if the model takes one.

    Raises:
        ValueError: if the condition does not suit the model.
    """
    null = model.null_condition
    if condition is None:
        taken = names_of(model.signature.condition)
        condition = null if taken in (None, names_of(null)) else None  # or only some of them
    elif isinstance(condition, dict) and isinstance(null, dict):
        condition = null | condition  # conditions that are left out are null
    model.signature.check_conditional(condition is not None, "condition")
    if condition is None:
        return {}

    def for_all(condition, null, taken):
        """Repeats a single condition for each example."""
        condition = to_numpy(condition, "condition")
        shapes = [] if null is None else [np.shape(null)]
        shapes += [] if taken is None else [tuple(taken.shape[1:])]
        if condition.shape in shapes:
            return np.broadcast_to(condition, (num_examples, *condition.shape))
        return condition

    condition = _map_conditions(for_all, condition, null, model.signature.condition)
    return {"condition": check_condition(model, condition, num_examples)}


def _map_conditions(function, condition, *known):
    """Returns `map_parts(function, condition, *known)`, with None for each value not known."""

    def of_each(values):
        named = values if isinstance(values, dict) else {}
        if isinstance(condition, dict):
            return {name: named.get(name) for name in condition}
        return None if isinstance(values, dict) else values

    return map_parts(function, condition, *map(of_each, known))


def check_null_condition(null_condition, network, signature):
    """Returns a model's null condition: the given one, the network's own, or None.

    Raises:
        ValueError: if it is not a number, an array of numbers, or a dict of these; or if its names,
            shapes or dtypes differ from those that the network takes.
    """
    own = getattr(network, "null_condition", None)
    if isinstance(null_condition, dict) and isinstance(own, dict):
        null_condition = own | null_condition
    null_condition = own if null_condition is None else null_condition
    if null_condition is None:
        return None
    taken = signature.condition
    names, allowed = names_of(null_condition), names_of(taken)
    is_taken = names is allowed if None in (names, allowed) else names <= allowed
    if taken is not None and not is_taken:
        takes = "a single one" if allowed is None else f"a dict with some of {list(taken)}"
        expected = f"must match the conditions of the network: {takes}"
        raise refusal("null_condition", expected, null_condition)
    names = part_names(null_condition, "null_condition")
    classes = network.conditions if isinstance(network, Network) else None
    return _map_conditions(_check_null, null_condition, names, taken, classes)


def _check_null(null_condition, name, taken, classes):
    found = to_numpy(null_condition, name)
    dtype = _dtype_of(found, taken, None) if found.dtype.kind in "iuf" else "int32"
    if found.dtype.kind not in ("iuf" if "float" in dtype else "iu"):
        expected = "must be an integer for classes, or an array of numbers for vectors"
        raise refusal(name, expected, null_condition)
    if not np.isfinite(found).all():
        raise refusal(name, "must be finite", null_condition)
    if isinstance(classes, int):
        check_int(name, null_condition, 0, classes)
    if taken is not None and not _fits(found.shape, tuple(taken.shape[1:])):
        raise refusal(name, f"must have the shape {tuple(taken.shape[1:])}", null_condition)
    found = _convert(found, dtype, name)
    if _shape_of(taken) is not None:
        found = found.reshape(_shape_of(taken))
    return found.copy() if found.ndim else found.item()


def check_dropout(condition_dropout, null_condition):
    """Returns a model's `condition_dropout`, a float or a dict of floats.

    Raises:
        ValueError: if a rate is out of its range, or its condition has no null condition.
    """
    names = part_names(condition_dropout, "condition_dropout")
    rates = map_parts(lambda rate, name: check_rate(name, rate), condition_dropout, names)
    has_null = null_condition is not None or not rates
    if isinstance(rates, dict):
        has_null = set(rates) <= (names_of(null_condition) or set())
    if not has_null:
        expected = (
            "must be 0 without a `null_condition`, which replaces dropped conditions. It should be "
            "an unused class, or unused numbers, such as zeros with an additional number that is 1 "
            "for conditions and 0 for the null condition"
        )
        came = f"condition_dropout={condition_dropout} with null_condition={null_condition}"
        raise mismatch("condition_dropout", expected, came)
    return rates


def drop_conditions(condition, null, rates, seed):
    """Replaces conditions by null ones at random: jointly at one rate, or each at its own."""
    size = ops.shape(keras.tree.flatten(condition)[0])[:1]

    def draw():
        return keras.random.uniform(size, dtype="float32", seed=seed)

    together = draw()

    def drop(condition, null, own_rate):
        rate = own_rate if isinstance(rates, dict) else rates
        if null is None or not rate:
            return condition
        uniform = draw() if isinstance(rates, dict) else together
        dropped = expand(uniform, condition) < rate
        return ops.where(dropped, ops.cast(null, condition.dtype), condition)

    if isinstance(condition, dict):
        # JAX returns dicts sorted by name, so random numbers are drawn in this order.
        condition = dict(sorted(condition.items()))
    return _map_conditions(drop, condition, null, rates)


def null_conditions(condition, null, rates):
    """Returns the conditions of the unconditional prediction of classifier-free guidance.

    Conditions without a null condition stay, and those that training does not drop, if it drops
    others by their own `rates`.
    """
    if isinstance(rates, dict) and any(rates.values()):
        null = {name: null[name] for name, rate in rates.items() if rate}

    def replace(condition, null):
        if null is None:
            return condition
        return ops.broadcast_to(ops.cast(null, condition.dtype), ops.shape(condition))

    return _map_conditions(replace, condition, null)
