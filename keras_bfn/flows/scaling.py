"""The scaling of numbers: which range of the data is mapped to [-1, 1]."""

from typing import Literal

import keras
import numpy as np

from keras_bfn._parts import check_names, list_parts, map_parts
from keras_bfn._typing import ArrayLike, Parts
from keras_bfn._validation import (
    LARGEST,
    check_at_least_0,
    check_choice,
    mismatch,
    refusal,
    to_numpy,
)
from keras_bfn.flows.flow import FlowT

WAYS, SHARES = ("range", "deviation"), ("all", "channel", "variable")
DEVIATIONS = 4.0  # the least range on each side of the mean
FINEST = 1e-4  # the least scale relative to its center: float32 has seven digits
ROUNDING = 10.0  # relative to float precision: numbers that differ less are equal


def fit_scaling(
    flow: FlowT,
    x: Parts[ArrayLike],
    by: Literal["range", "deviation"] = "range",
    per: Literal["all", "channel", "variable"] = "all",
    margin: float = 0.1,
) -> FlowT:
    """Returns the flow with a `center` and a `scale` fitted to data.

    Values outside [center - scale, center + scale] raise an error and are never generated: pass all
    of the data, or a wider `margin`. In pipelines, only the first batch is checked: later values
    outside the range are sent as they are, at a high cost.

    A `prior` is in units of the range: fit it afterwards with `fit_prior`.

    Args:
        flow: a `keras_bfn.flows.ContinuousFlow`, or a dict of flows, whose other flows stay as they
            are.
        x: numpy array of floats, of shape `(num, *event_shape)`, in units of their own; or a dict
            of arrays. NaN marks missing values, which are left out.
        by: `"range"`: the center is halfway between the least and the greatest value; or
            `"deviation"`: the center is the mean, and the range extends at least four standard
            deviations to each side, which suits small data sets.
        per: `"all"`, one scaling for all variables; `"channel"`, one for each index of the last
            axis, such as the channels of a series or the columns of a table; or `"variable"`, one
            for each variable.
        margin: float, at least 0. How far the range extends beyond the values of `x`, as a fraction
            of the distance from the center to the farthest of them.

    Returns:
        A flow like `flow`, or a dict of flows. Values that are equal in all examples get scale 1,
        or 1e-4 of their size if that is more.

    Raises:
        ValueError: if an argument is out of its range, all values of a scaling are missing, they
            vary by less than 1e-4 of their size, or `flow` neither is nor contains a
            `ContinuousFlow`.

    Example:

    >>> celsius = np.array([[-3.0, 4.0], [17.0, 2.0]])
    >>> flow = keras_bfn.flows.ContinuousFlow(sigma_1=0.02)
    >>> flow = keras_bfn.flows.fit_scaling(flow, celsius, margin=0.5)
    >>> flow.center, flow.scale
    (7.0, 15.0)
    """
    check_choice("by", by, WAYS)
    check_choice("per", per, SHARES)
    check_at_least_0("margin", margin)
    check_names(flow, x)
    if not any(hasattr(part, "find_scaling") for (part,) in list_parts(flow)):
        raise refusal("flow", "must be or contain a `ContinuousFlow`", flow)

    def fit_part(flow, x):
        if not hasattr(flow, "find_scaling"):
            return flow
        if flow.prior is not None:
            raise refusal("flow", "must have no `prior` yet: fit the prior after the scaling", flow)
        x = to_numpy(x, "x")
        missing = x != x
        x = flow.check_values(np.where(missing, 0.0, x).astype(x.dtype))
        x = np.where(missing, np.nan, x).astype(x.dtype)
        found = dict(zip(("center", "scale"), flow.find_scaling(x, by, per, margin), strict=True))
        found = keras.saving.serialize_keras_object(found)
        return type(flow).from_config({**flow.get_config(), **found})

    return map_parts(fit_part, flow, x)


def check_scaling(center, scale):
    """Returns a flow's `center` and `scale`, as floats or as float64 arrays.

    Raises:
        ValueError: if they are not numbers, or are too small or too large for float32.
    """
    center, found = _check_finite("center", center), _check_finite("scale", scale)
    try:
        is_fine = found >= np.maximum(FINEST * np.abs(center), 1.0 / LARGEST)
    except ValueError:  # they do not broadcast
        is_fine = False
    if not np.all(is_fine):
        expected = f"must be positive, at least {FINEST} of `center`, and broadcast with it"
        raise refusal("scale", expected, scale)
    return center, found


def _check_finite(name, value):
    try:
        found = np.array(value, "float64")
    except (TypeError, ValueError, OverflowError):  # not numbers
        found = np.full((), np.nan)
    if not found.size or not (np.abs(found) < LARGEST).all():
        raise refusal(name, "must be a finite number, or an array of finite numbers", value)
    if not found.ndim:
        return float(found)
    found.setflags(write=False)
    return found


def check_scaling_shape(name, center, scale, event_shape):
    """Raises a `ValueError` unless a flow's `center` and `scale` broadcast to the event shape."""
    shape = np.broadcast_shapes(np.shape(center), np.shape(scale))
    try:
        fits = np.broadcast_shapes(shape, event_shape) == tuple(event_shape)
    except ValueError:
        fits = False
    if not fits:
        expected = f"must be such that the flow's `center` and `scale`, of shape {shape},"
        came = f"examples of shape {tuple(event_shape)}"
        raise mismatch(name, f"{expected} broadcast to an example", came)
