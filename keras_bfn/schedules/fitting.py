"""Fits the final accuracy of a schedule to data."""

import math
from collections.abc import Callable
from typing import Any, Protocol

from keras_bfn._parts import check_names, map_parts
from keras_bfn._typing import ArrayLike, Parts
from keras_bfn._validation import check_positive, mismatch, refusal
from keras_bfn.schedules.schedule import Schedule

MIN_BETA, MAX_BETA, TOLERANCE = 1e-6, 1e12, 1e-3  # of the search


class HasCost(Protocol):
    """What `fit` asks of a flow."""

    schedule: Any

    def remaining_cost(self, x: ArrayLike, num_draws: int, seed: int) -> Callable[[Any], Any]: ...


def fit(
    flow: Parts[HasCost],
    x: Parts[ArrayLike],
    reconstruction: float = 0.01,
    num_draws: int = 10_000,
    seed: int = 0,
) -> Any:
    """Returns the schedule whose last message leaves `reconstruction` nats per variable to pay.

    With more accuracy, the last part of the time would be spent on data that are known already.
    `fit` finds, by bisection, the least accuracy at which `flow.remaining_cost` is at most
    `reconstruction`.

    Args:
        flow: a `keras_bfn.flows.Flow`, or a dict of flows; a `ContinuousFlow` needs `num_bins`.
            Only the type of the flow's schedule matters.
        x: numpy array of data, of any shape; for a dict of flows, a dict of arrays. Missing values,
            -1 or NaN, are left out.
        reconstruction: positive float, nats per variable. Below `10 / num_draws`, the result
            depends on few samples.
        num_draws: int. The number of samples. With 10,000, `beta_1` varies by 1 or 2% between
            seeds. With 1,000 samples of 50,000 classes, it varies by 5%, and takes minutes.
        seed: int.

    Returns:
        A schedule of the type of the flow's, for its argument `schedule`; for a dict of flows, a
        dict of schedules.

    Raises:
        ValueError: if an argument is out of its range, if the flow's schedule has no `ending_at`,
            if a `ContinuousFlow` has no bins, or if no accuracy leaves `reconstruction` nats.

    Example:

    >>> flow = keras_bfn.flows.DiscreteFlow(num_classes=2, beta_1=1.0)
    >>> schedule = keras_bfn.schedules.fit(flow, images)
    >>> round(schedule.beta_1)
    7
    >>> flow = keras_bfn.flows.DiscreteFlow(num_classes=2, schedule=schedule)

    Reference: "Accuracy schedule" in section 6 of
    [Graves et al., 2023](https://arxiv.org/abs/2308.07037), where beta_1 is found by trial.
    """
    check_positive("reconstruction", reconstruction)
    check_names(flow, x)
    return map_parts(lambda flow, x: _fit_part(flow, x, reconstruction, num_draws, seed), flow, x)


def _fit_part(flow, x, reconstruction, num_draws, seed):
    schedule = getattr(flow, "schedule", None)
    if not isinstance(schedule, Schedule) or type(schedule).ending_at is Schedule.ending_at:
        known = "must be a flow with an exponential or a quadratic schedule"
        raise refusal("flow", f"{known}, or another one that defines `ending_at`", flow)
    cost = flow.remaining_cost(x, num_draws, seed)
    low, high = MIN_BETA, MAX_BETA
    if not cost(high) <= reconstruction < cost(low):
        least = f"at least {cost(high):.3f} nats per variable (with most evidence)"
        expected = f"must be {least} and less than {cost(low):.3f} (without evidence)"
        raise refusal("reconstruction", expected, reconstruction)
    while high > (1.0 + TOLERANCE) * low:
        middle = math.sqrt(low * high)
        low, high = (low, middle) if cost(middle) <= reconstruction else (middle, high)
    found = schedule.ending_at(high)
    reached = float(found.beta(1.0)) if type(found) is type(schedule) else 0.0
    if not math.isclose(reached, high, rel_tol=1e-3):
        expected = f"must be of the same type, with beta(1) = {high:g}"
        raise mismatch("schedule.ending_at(beta)", expected, repr(found))
    return found
