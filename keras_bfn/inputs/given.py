"""Variables that are known from the start."""

import numpy as np

from keras_bfn._parts import check_has_event_shape, check_names, map_parts, names_of, part_names
from keras_bfn._validation import mismatch, refusal
from keras_bfn.inputs.arrays import check_data, read_all, standardize
from keras_bfn.inputs.missing import all_missing, check_mask, fill_missing, fill_unknown, is_missing


def check_given(model, given, x):
    """Returns which variables are known from the start: a bool array shaped as `x`, or a dict.

    Args:
        model: the `BayesianFlowNetwork`.
        given: names of parts; a bool array that broadcasts to the data; or a dict of such arrays
            for some parts. None or an empty value means none.
        x: the data, numpy arrays; missing variables are never known.

    Returns:
        The mask or dict of masks; None if nothing is given.

    Raises:
        ValueError: if `given` is invalid, or the model does not have `times="variables"`.
    """
    if given is None or (isinstance(given, (str, list, tuple, set, dict)) and not len(given)):
        return None
    _check_has_own_times(model)
    masks = _masks_of_parts(model.flow, given)

    def check(mask, x, name):
        return check_mask(name, mask, x.shape) & ~is_missing(x)

    return map_parts(check, masks, x, part_names(model.flow, "given"))


def _masks_of_parts(flow, given):
    if not isinstance(flow, dict):
        if isinstance(given, (str, dict, set)):
            raise refusal("given", "must be a mask unless the flow is a dict", given)
        return given
    named = [given] if isinstance(given, str) else given
    if not isinstance(named, (list, tuple, set, dict)) or not all(
        isinstance(part, str) and part in flow for part in named
    ):
        expected = f"must name some of {list(flow)}, or be a dict of their masks"
        raise refusal("given", expected, given)
    masks = named if isinstance(named, dict) else dict.fromkeys(named, True)
    return dict.fromkeys(flow, False) | masks


def given_inputs(model, given, num):
    """Returns a program's inputs `"given"` and `"known"`: data, and a mask of known variables.

    Args:
        model: the `BayesianFlowNetwork`.
        given: data with -1 or NaN for unknown values; for a dict of flows, a dict of some parts.
        num: int. The required number of examples.

    Raises:
        ValueError: if `given` is not such data, or the model does not have `times="variables"`.
    """
    if isinstance(given, dict) and not given:
        return {}
    _check_has_own_times(model)
    names = check_names(model.flow, given, "given", some=True)
    if isinstance(given, dict):
        given = map_parts(all_missing, model.flow, model.event_shape, num) | given

    def check(flow, shape, x, name):
        x = standardize(check_data(flow, shape, x, name, allow_missing=True))
        if len(x) != num:
            raise mismatch(name, f"must contain {num} examples", f"{len(x)} examples")
        return x

    return known_inputs(model.flow, map_parts(check, model.flow, model.event_shape, given, names))


def known_inputs(flow, x):
    """Returns the inputs `"given"` and `"known"` for data in which unknown values are missing."""
    known = map_parts(lambda x: ~is_missing(x), x)
    return {"given": map_parts(fill_missing, flow, x), "known": known}


def _check_has_own_times(model):
    """Raises a `ValueError` unless a model's network was trained to take variables as known."""
    if model.times != "variables":
        expected = 'requires a model with times="variables", which is trained with known variables'
        advice = "With other models, use `inpaint`"
        raise mismatch("given", f"{expected}. {advice}", f"times={model.times!r}")


def check_partly_known(model, x, mask):
    """Returns data of which only parts are known, and the float32 mask of the known variables.

    Args:
        model: the `BayesianFlowNetwork`.
        x, mask: as in its `inpaint`.

    Raises:
        ValueError: if the data or the mask do not suit the model.
    """
    if isinstance(model.flow, dict):
        x, mask = _fill_in_parts(model, x, mask)
    if names_of(x) == names_of(model.flow):
        x = map_parts(fill_unknown, model.flow, read_all(x, "x"), mask)
    x = standardize(check_data(model.flow, model.event_shape, x, allow_missing=True))
    return x, map_parts(_check_known, part_names(model.flow, "mask"), mask, x)


def _fill_in_parts(model, x, mask):
    """Returns data and masks of all parts: parts left out are missing, and unknown."""
    check_has_event_shape(model)
    mask = dict.fromkeys(x) if mask is None and isinstance(x, dict) else mask
    check_names(model.flow, x, "x", some=True)
    check_names(model.flow, mask, "mask", some=True)
    if not mask or not set(mask) <= set(x):
        expected = "must contain the parts that `mask` names, at least one"
        raise mismatch("x", expected, f"x with {list(x)}, mask with {list(mask)}")
    # Anything but an array of examples is refused later.
    num = next((np.shape(part)[0] for part in x.values() if np.ndim(part)), 1)
    filled = map_parts(all_missing, model.flow, model.event_shape, num)
    return filled | x, dict.fromkeys(model.flow, False) | mask


def _check_known(name, mask, x):
    missing = is_missing(x)
    known = check_mask(name, ~missing if mask is None else mask, x.shape)
    if (known & missing).any():
        expected = "must be false where `x` is missing (NaN or, for integers, -1)"
        raise mismatch(name, expected, f"true for {(known & missing).sum()} missing values")
    return known.astype("float32")
