"""Variables that are known from the start."""

from keras_bfn._parts import map_parts, names_of, part_names
from keras_bfn._validation import refusal, to_numpy
from keras_bfn.inputs.arrays import check_data, standardize
from keras_bfn.inputs.missing import all_missing, fill_missing, is_missing, spread


def check_given(model, given, x, name="given"):
    """Returns which variables are known from the start: a bool array shaped as `x`, or a dict.

    Args:
        model: the `BayesianFlowNetwork`.
        given: names of parts; a bool array that broadcasts to the data; or a dict of such arrays
            for some parts. None or an empty value means none.
        x: the data, numpy arrays; missing variables are never known.
        name: the argument's name, for messages.

    Returns:
        The mask or dict of masks; None if nothing is given.

    Raises:
        ValueError: if `given` is invalid, or the model does not have `times="variables"`.
    """
    if given is None or (isinstance(given, (str, list, tuple, set, dict)) and not len(given)):
        return None
    check_has_own_times(model, name)
    masks = _masks_of_parts(model.flow, given, name)

    def check(mask, x, name):
        found = to_numpy(mask, name)
        known = spread(found, x.shape)
        if known is None:
            raise ValueError(
                f"Argument `{name}` must be a boolean array, true for known variables, that "
                f"broadcasts to {x.shape}. Received: shape {found.shape}, dtype {found.dtype}"
            )
        return known & ~is_missing(x)

    return map_parts(check, masks, x, part_names(model.flow, name))


def _masks_of_parts(flow, given, name):
    if names_of(flow) is None:
        if isinstance(given, (str, dict, set)):
            raise refusal(name, "must be a mask unless the flow is a dict", given)
        return given
    named = [given] if isinstance(given, str) else given
    if not isinstance(named, (list, tuple, set, dict)) or not all(
        isinstance(part, str) and part in flow for part in named
    ):
        raise refusal(name, f"must name some of {list(flow)}, or be a dict of their masks", given)
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
    check_has_own_times(model, "given")
    if isinstance(model.flow, dict):
        if not isinstance(given, dict) or not set(given) <= set(model.flow):
            expected = f"must be a dict from some of the parts {list(model.flow)} to data"
            raise refusal("given", expected, given)
        given = map_parts(all_missing, model.flow, model.event_shape, num) | given

    def check(flow, shape, x, name):
        x = standardize(check_data(flow, shape, x, name, allow_missing=True))
        if len(x) != num:
            raise ValueError(
                f"Argument `{name}` must contain {num} examples. Received: {len(x)} examples"
            )
        return x

    x = map_parts(check, model.flow, model.event_shape, given, part_names(model.flow, "given"))
    known = map_parts(lambda x: ~is_missing(x), x)
    return {"given": map_parts(fill_missing, model.flow, x), "known": known}


def check_has_own_times(model, name):
    """Raises a `ValueError` unless a model's network was trained to take variables as known."""
    if model.times != "variables":
        raise ValueError(
            f'Argument `{name}` requires a model with times="variables", which is trained with '
            "known variables. With other models, use `inpaint`. "
            f"Received: times={model.times!r}"
        )
