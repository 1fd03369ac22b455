"""Sequences of any length, window by window: text continuation and forecasts of series."""

import inspect

import numpy as np

from keras_bfn._parts import check_has_event_shape, check_names, list_parts, map_parts, of_any_part
from keras_bfn._random import seed_of
from keras_bfn._validation import check_int, refusal, to_numpy
from keras_bfn.inference.generation import refuse_details
from keras_bfn.inputs.arrays import check_data, standardize


def check_options(options, verb, function):
    """Checks further arguments, which are those of `function`, without details.

    Raises:
        TypeError: if one is not an argument of `function`.
        ValueError: if details are requested beside the sequences.
    """
    taken = {"x", "mask", "num_samples", "num_steps"}  # by the caller itself
    accepted = [name for name in inspect.signature(function).parameters if name not in taken]
    for name in options:
        if name not in accepted:
            accepted.remove("return_details")
            raise TypeError(
                f"`{verb}` passes further arguments to `{function.__name__}`, which must be some "
                f"of {accepted}. Received: {name}={options[name]!r}"
            )
    refuse_details(options, function)


def check_length(length, window, options):
    """Returns the number of tokens of texts, by default those of a window.

    Raises:
        ValueError: if it is not an int of at least 1, or if texts of several windows are to end
            within one.
    """
    length = window if length is None else check_int("length", length, 1)
    if length > window and options.get("lengths") is not None:
        expected = f"must be None for a `length` above {window}, the tokens of a window"
        raise refusal("lengths", expected, options["lengths"])
    return length


def check_stride(stride, window, most):
    """Returns the number of new steps in each window after the first, by default half a window.

    Raises:
        ValueError: if it is not an int from 1 to `most`.
    """
    return max(1, window // 2) if stride is None else check_int("stride", stride, 1, most)


def check_past(model, past):
    """Returns the tuple of past series, `(num, steps, ...)`, their steps, and those of a window.

    Raises:
        ValueError: if the model's data are not series, or `past` is not such data.
    """
    check_has_event_shape(model)
    event_shape = model.event_shape
    windows = {(*shape, 0)[0] for (shape,) in list_parts(event_shape)}
    if len(windows) > 1 or min(windows) < 2:
        raise ValueError(
            "The model's `event_shape` must be (length, ...) for a forecast, with the same length, "
            f"at least 2, for all parts. Received: event_shape={event_shape}"
        )
    check_names(model.flow, past, "past")
    first = to_numpy(of_any_part(past), "past")
    if first.ndim < 2 or not first.shape[1]:
        raise refusal("past", "must have shape (num, steps, ...), with at least one step", past)
    steps = first.shape[1]
    shape = map_parts(lambda shape: (steps, *shape[1:]), event_shape)
    past = standardize(check_data(model.flow, shape, past, "past", allow_missing=True))
    return past, steps, windows.pop()


def go_on(complete, starts, window, length, stride, seed):
    """Extends sequences: each window starts with the end of the sequence so far, and is completed.

    Args:
        complete: function that takes data of whole windows, `(num, window, ...)`, or a dict of the
            parts', with -1 or NaN for unknown values, and a seed; it returns the completed data.
        starts: the start of each sequence, a list of arrays `(steps, ...)`, or a dict of the
            parts'.
        window: int. The number of steps of the model's data.
        length: int. The number of steps of the resulting sequences.
        stride: int. The number of new steps in each window but the first.
        seed: int or None.

    Returns:
        An array, `(num, length, ...)`, or a dict of the parts'.
    """
    found, number = map_parts(list, starts), 0
    while min(map(len, of_any_part(found))) < length:
        # A sequence that fits into a window is given whole, of a longer one the end.
        ends = map_parts(
            lambda part: [x if len(x) < window else x[len(x) - window + stride :] for x in part],
            found,
        )
        own = seed_of(seed, f"window {number}") if number else seed
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
