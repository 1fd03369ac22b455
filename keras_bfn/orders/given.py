"""Variables that are known from the start."""

from keras_bfn._parts import check_names, map_parts, part_names
from keras_bfn._validation import mismatch, refusal
from keras_bfn.inputs.arrays import check_data
from keras_bfn.inputs.known import all_missing, check_mask, standardize
from keras_bfn.inputs.missing import fill_missing, is_missing


def check_known(model, known, x):
    """Returns which variables are known from the start: a bool array shaped as `x`, or a dict.

    Args:
        model: the `AnyOrderNetwork`.
        known: names of parts; a bool array that broadcasts to the data; or a dict of such arrays
            for some parts. None or an empty value means none.
        x: the data, numpy arrays; missing variables are never known.

    Returns:
        The mask or dict of masks; None if nothing is known.

    Raises:
        ValueError: if `known` is invalid.
    """
    if known is None or (isinstance(known, (str, list, tuple, set, dict)) and not len(known)):
        return None
    masks = _masks_of_parts(model.flow, known)

    def check(mask, x, name):
        return check_mask(name, mask, x.shape) & ~is_missing(x)

    return map_parts(check, masks, x, part_names(model.flow, "known"))


def _masks_of_parts(flow, known):
    if not isinstance(flow, dict):
        if isinstance(known, (str, dict, set)):
            raise refusal("known", "must be a mask unless the flow is a dict", known)
        return known
    named = [known] if isinstance(known, str) else known
    if not isinstance(named, (list, tuple, set, dict)) or not all(
        isinstance(part, str) and part in flow for part in named
    ):
        expected = f"must name some of {list(flow)}, or be a dict of their masks"
        raise refusal("known", expected, known)
    masks = named if isinstance(named, dict) else dict.fromkeys(named, True)
    return dict.fromkeys(flow, False) | masks


def given_inputs(model, given, num):
    """Returns a program's inputs `"given"` and `"known"`: data, and a mask of known variables.

    Args:
        model: the `AnyOrderNetwork`.
        given: data with -1 or NaN for unknown values; for a dict of flows, a dict of some parts.
        num: int. The required number of examples.

    Raises:
        ValueError: if `given` is not such data.
    """
    if given is None or (isinstance(given, dict) and not given):
        return {}
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
