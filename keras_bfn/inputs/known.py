"""Data of which only some variables are known."""

import numpy as np

from keras_bfn._parts import check_has_event_shape, check_names, map_parts, names_of, part_names
from keras_bfn._validation import mismatch, standard_dtype, to_numpy
from keras_bfn.inputs.arrays import check_data, read_all
from keras_bfn.inputs.missing import is_missing, put_some_value


def check_partly_known(model, x, known):
    """Returns data of which only parts are known, and the float32 mask of the known variables.

    Args:
        model: the `BayesianFlowNetwork`.
        x, known: as in its `inpaint`.

    Raises:
        ValueError: if the data or `known` do not suit the model.
    """
    if isinstance(model.flow, dict):
        x, known = _fill_in_parts(model, x, known)
    if names_of(x) == names_of(model.flow):
        x = map_parts(_fill_unknown, model.flow, read_all(x, "x"), known)
    x = standardize(check_data(model.flow, model.event_shape, x, allow_missing=True))
    return x, map_parts(_check_known, part_names(model.flow, "known"), known, x)


def _fill_in_parts(model, x, known):
    """Returns data and masks of all parts: parts left out are missing, and unknown."""
    check_has_event_shape(model)
    known = dict.fromkeys(x) if known is None and isinstance(x, dict) else known
    check_names(model.flow, x, "x", some=True)
    check_names(model.flow, known, "known", some=True)
    if not known or not set(known) <= set(x):
        expected = "must contain the parts that `known` names, at least one"
        raise mismatch("x", expected, f"x with {list(x)}, known with {list(known)}")
    # Anything but an array of examples is refused later.
    num = next((np.shape(part)[0] for part in x.values() if np.ndim(part)), 1)
    filled = map_parts(all_missing, model.flow, model.event_shape, num)
    return filled | x, dict.fromkeys(model.flow, False) | known


def _check_known(name, known, x):
    missing = is_missing(x)
    known = check_mask(name, ~missing if known is None else known, x.shape)
    if (known & missing).any():
        expected = "must be false where `x` is missing (NaN or, for integers, -1)"
        raise mismatch(name, expected, f"true for {(known & missing).sum()} missing values")
    return known.astype("float32")


def check_mask(name, mask, shape):
    """Returns a mask of known variables as booleans of this shape, or raises a `ValueError`."""
    mask = to_numpy(mask, name)
    known = _spread(mask, shape)
    if known is None:
        expected = f"must be a boolean array, true for known variables, that broadcasts to {shape}"
        advice = f". Write `{name}.astype(bool)`" if mask.dtype.kind in "iuf" else ""
        if _spread(mask[..., None], shape) is not None:
            advice = f". Write `{name}[..., None]`"
        raise mismatch(name, expected, f"shape {mask.shape}, dtype {mask.dtype}{advice}")
    return known


def _spread(mask, shape):
    """Returns a numpy array of booleans broadcast to this shape, or None if that fails."""
    try:
        return np.broadcast_to(mask, shape) if mask.dtype == bool else None
    except ValueError:
        return None


def _fill_unknown(flow, x, known):
    """Returns data with unknown values replaced by valid ones; errors are left for later."""
    x = to_numpy(x)
    mask = _spread(to_numpy(known, "known"), x.shape)
    is_valid = mask is not None and x.dtype.kind in "iuf"
    return put_some_value(flow, x, ~mask) if is_valid else x


def all_missing(flow, event_shape, num):
    """Returns `num` examples in which all variables are missing."""
    nothing, dtype = (-1, "int32") if flow.discrete else (np.nan, "float32")
    return np.full((num, *event_shape), nothing, dtype)


def standardize(x):
    """Converts valid data to the dtypes that `generate` returns, int32 and float32."""
    return map_parts(lambda x: x.astype(standard_dtype(x.dtype.name), copy=False), x)
