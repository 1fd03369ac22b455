"""The contract of accuracy schedules."""

import numpy as np
from keras import ops

from keras_bfn.schedules import Schedule
from keras_bfn.schedules.schedule import check
from keras_bfn.testing.claims import require, require_float32, require_saving, requiring


def check_schedule(schedule: Schedule) -> None:
    """Tests that a schedule satisfies its contract.

    It starts at 0, increases, is finite, and has the derivative that it declares. Its methods take
    floats and arrays of any shape, and return float32. The accuracies of n messages sum to beta(1).
    It can be saved, and is immutable. Where they are defined, `inverse` is the inverse of `beta`,
    and `ending_at` returns a schedule that ends at the given accuracy.

    Args:
        schedule: a `keras_bfn.schedules.Schedule`.

    Raises:
        AssertionError: if a check fails; the message says what is wrong.

    Example:

    >>> keras_bfn.testing.check_schedule(keras_bfn.schedules.QuadraticSchedule(beta_1=9.0))
    """
    require_saving(schedule, Schedule)
    name = type(schedule).__name__
    with requiring(f"{name} must be a schedule", ValueError):
        check(schedule)
    t = np.linspace(0.0, 1.0, 12).reshape(3, 4)
    results = {"beta": schedule.beta(t), "derivative": schedule.derivative(t)}
    if type(schedule).inverse is not Schedule.inverse:
        results["inverse"] = schedule.inverse(schedule.beta(t))
        back = ops.convert_to_numpy(results["inverse"])
        error = np.abs(back - t).max()
        claim = f"{name}.inverse must be the inverse of beta"
        require(error < 1e-4, f"{claim}. inverse(beta(t)) differs from t by {error:.2g}")
    for method, result in results.items():
        require_float32(result, t.shape, f"{name}.{method}(t) of t with shape {t.shape}")
    beta_1 = float(schedule.beta(1.0))
    for num_steps in (1, 7):
        steps = np.arange(1, num_steps + 1)
        total = float(ops.sum(schedule.alpha(steps, num_steps)))
        claim = f"The accuracies of {num_steps} messages of {name} must add up to beta(1)"
        is_sum = abs(total / beta_1 - 1.0) < 1e-4
        require(is_sum, f"{claim} = {beta_1:.6g}. They add up to {total:.6g}")
    if type(schedule).ending_at is not Schedule.ending_at:
        ending = schedule.ending_at(2.0)
        claim = f"{name}.ending_at must return a {name}"
        require(type(ending) is type(schedule), f"{claim}. It returns a {type(ending).__name__}")
        end = float(ending.beta(1.0))
        claim = f"{name}.ending_at(2.0) must end at 2.0"
        require(abs(end - 2.0) < 1e-3, f"{claim}. It ends at {end:.6g}")
