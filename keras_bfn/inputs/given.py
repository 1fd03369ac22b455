"""What is known from the start: parts by name, or variables by masks."""

import numpy as np

from keras_bfn._parts import for_each_part, map_parts, names_of, part_names
from keras_bfn._validation import refusal, to_numpy
from keras_bfn.inputs.missing import is_missing


def check_given(model, given, x, name="given"):
    """Which variables are known from the start, a bool array shaped as `x`, or a dict of those.

    Args:
        model: the `BayesianFlowNetwork`.
        given: names of parts; or a bool array that broadcasts to the data; or a dict of those, of
            some parts. None or nothing means none.
        x: the data, numpy arrays; missing variables are never known.
        name: the argument's name, for messages.

    Returns:
        None if nothing is given.

    Raises:
        ValueError: if it is none of these, or the model's variables have no times of their own.
    """
    if given is None or (isinstance(given, (str, list, tuple, set, dict)) and not len(given)):
        return None
    if model.times != "variables":
        raise ValueError(
            f'Argument `{name}` needs a model with times="variables", whose network has learnt to '
            "take variables as known. Others take what is known as messages, in `inpaint`. "
            f"Received: times={model.times!r}"
        )
    masks = _masks_of_parts(model.flow, given, name)

    def check(mask, x, name):
        found = to_numpy(mask, name)
        try:
            known = np.broadcast_to(found, x.shape)
        except ValueError:
            known = None
        if found.dtype != bool or known is None:
            raise ValueError(
                f"Argument `{name}` must be of booleans, true for what is known, and broadcast to "
                f"{x.shape}. Received: shape {found.shape}, dtype {found.dtype}"
            )
        return known & ~is_missing(x)

    return map_parts(check, masks, x, part_names(model.flow, name))


def _masks_of_parts(flow, given, name):
    if names_of(flow) is None:
        if isinstance(given, (str, dict, set)):
            raise refusal(name, "must be a mask for data of one kind", given)
        return given
    is_mask = isinstance(given, np.ndarray) and given.dtype == bool
    if isinstance(given, (str, list, tuple, set)):
        given = dict.fromkeys([given] if isinstance(given, str) else given, True)
    if is_mask or not isinstance(given, dict) or not set(given) <= set(flow):
        raise refusal(name, f"must name some of {list(flow)}, or be a dict of masks of some", given)
    return for_each_part(flow, False) | given
