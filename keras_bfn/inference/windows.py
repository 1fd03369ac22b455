"""Sequences of any length, window by window: texts that go on, and series that are forecast."""

import numpy as np

from keras_bfn._parts import check_has_event_shape, check_names, list_parts, map_parts, of_any_part
from keras_bfn._random import seed_of
from keras_bfn._validation import check_int, refusal, to_numpy
from keras_bfn.inputs.arrays import check_data, standardize


def refuse_details(options, verb):
    """Raises a `ValueError` if more than sequences is asked for."""
    if options.get("return_details"):
        expected = f"must be False here; use `{verb}`"
        raise refusal("return_details", expected, options["return_details"])


def check_stride(stride, window, most):
    """How many steps are new in each window after the first, by default half of it.

    Raises:
        ValueError: if it is no int from 1 to `most`.
    """
    return max(1, window // 2) if stride is None else check_int("stride", stride, 1, most)


def check_past(model, past):
    """The tuple of the past of series, arrays `(num, steps, ...)`, its steps and those of a window.

    Raises:
        ValueError: if the model is not of series, or they are not its data.
    """
    check_has_event_shape(model)
    event_shape = model.event_shape
    windows = {(*shape, 0)[0] for (shape,) in list_parts(event_shape)}
    if len(windows) > 1 or min(windows) < 2:
        raise ValueError(
            "The model's `event_shape` must be (length, ...) for a forecast, with one length of at "
            f"least 2 for all parts. Received: event_shape={event_shape}"
        )
    check_names(model.flow, past, "past")
    first = to_numpy(of_any_part(past), "past")
    if first.ndim < 2 or not first.shape[1]:
        raise refusal("past", "must have shape (num, steps, ...), with a step at least", past)
    steps = first.shape[1]
    shape = map_parts(lambda shape: (steps, *shape[1:]), event_shape)
    past = standardize(check_data(model.flow, shape, past, "past", allow_missing=True))
    return past, steps, windows.pop()


def go_on(complete, starts, window, length, stride, seed):
    """Sequences of any length: each window begins with the end of what there is, and is completed.

    Args:
        complete: function of data of whole windows, `(num, window, ...)`, with -1 or NaN for what
            is not known, or a dict of the parts', and a seed, to the same without these.
        starts: how each sequence begins, a list of arrays `(steps, ...)`, or a dict of the parts'.
        window: int. How many steps the model's data have.
        length: int. How many steps the sequences are to have.
        stride: int. So many are new in each window but the first.
        seed: int or None.

    Returns:
        An array, `(num, length, ...)`, or a dict of the parts'.
    """
    found, number = map_parts(list, starts), 0
    while min(map(len, of_any_part(found))) < length:
        # What fits is seen whole; of a longer sequence, its end.
        ends = map_parts(
            lambda part: [x if len(x) < window else x[len(x) - window + stride :] for x in part],
            found,
        )
        own = seed if number == 0 or seed is None else seed_of(seed, f"window {number}")
        completed = complete(map_parts(lambda part: _pad(part, window), ends), own)
        found = map_parts(_append, found, ends, completed)
        number += 1
    return map_parts(lambda part: np.stack([x[:length] for x in part]), found)


def _pad(ends, window):
    nothing = -1 if ends[0].dtype.kind == "i" else np.nan
    x = np.full((len(ends), window, *ends[0].shape[1:]), nothing, ends[0].dtype)
    for row, end in zip(x, ends, strict=True):
        row[: len(end)] = end
    return x


def _append(found, ends, completed):
    parts = zip(found, ends, completed, strict=True)
    return [np.concatenate([x, row[len(end) :]]) for x, end, row in parts]
