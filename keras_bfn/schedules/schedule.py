"""Accuracy schedules: beta(t), the accuracy of all messages up to time t."""

import math
from typing import Self

import keras
import numpy as np
from keras import ops

from keras_bfn._config import Immutable
from keras_bfn._typing import Tensor
from keras_bfn._validation import LARGEST, check_between, check_positive, lacks, refusal

BISECTIONS = 30  # to the precision of float32


class Schedule(Immutable):
    """Base class of accuracy schedules.

    A schedule is a function `beta(t)` that grows from `beta(0) = 0` over t in [0, 1]. It holds
    plain floats, the arguments of its constructor under their own names. Its methods take floats or
    tensors of any shape and return float32 tensors.

    A new schedule defines `beta` and `derivative`; `inverse`, if it has a closed form;
    and `ending_at`, for `keras_bfn.schedules.fit`. `keras_bfn.testing.check_schedule` tests it.
    Every flow rejects a schedule that does not start at 0, rise and stay finite, or whose
    `derivative` and `alpha` are not those of `beta`.

    Example:

    >>> class LinearSchedule(keras_bfn.schedules.Schedule):
    ...     def __init__(self, slope):
    ...         self.slope = slope
    ...
    ...     def beta(self, t):
    ...         return self.slope * keras.ops.cast(t, "float32")
    ...
    ...     def derivative(self, t):
    ...         return self.slope * keras.ops.ones_like(keras.ops.cast(t, "float32"))
    ...
    ...     def inverse(self, beta):
    ...         return keras.ops.cast(beta, "float32") / self.slope
    >>> flow = keras_bfn.flows.ContinuousFlow(schedule=LinearSchedule(50.0))
    """

    def beta(self, t: Tensor) -> Tensor:
        """Returns the accuracy reached at time `t`."""
        raise lacks(self, "beta")

    def derivative(self, t: Tensor) -> Tensor:
        """Returns d beta / dt, the accuracy rate (the paper's alpha(t))."""
        raise lacks(self, "derivative")

    def inverse(self, beta: Tensor) -> Tensor:
        """Returns the time at which the accuracy is `beta`; by default it is found by bisection."""
        beta = ops.cast(beta, "float32")
        low, high = ops.zeros_like(beta), ops.ones_like(beta)
        for _ in range(BISECTIONS):
            middle = 0.5 * (low + high)
            is_above = self.beta(middle) > beta
            low, high = ops.where(is_above, low, middle), ops.where(is_above, middle, high)
        return high

    def ending_at(self, beta: float) -> "Schedule":
        """Returns a schedule of the same type whose accuracy at t = 1 is `beta`, a float."""
        raise lacks(self, "ending_at")

    def alpha(self, step: Tensor, num_steps: int) -> Tensor:
        """Returns the accuracy of message `step` in 1..num_steps: beta(i/n) - beta((i-1)/n).

        In compiled programs, `num_steps` is a scalar tensor.
        """
        step = ops.cast(step, "float32")
        gained = self.beta(step / num_steps) - self.beta((step - 1) / num_steps)
        return ops.maximum(gained, 0.0)  # rounding may make it negative


@keras.saving.register_keras_serializable("keras_bfn")
class ExponentialSchedule(Schedule):
    """beta(t) = sigma_1^(-2t) - 1, the schedule of continuous and discretised data.

    The entropy of the input distribution falls linearly in time.

    Args:
        sigma_1: float in (0, 1). The standard deviation of the input distribution at t = 1.
            `keras_bfn.schedules.fit` fits it to data.

    Raises:
        ValueError: if an argument is out of its range.

    Example:

    >>> schedule = keras_bfn.schedules.ExponentialSchedule(sigma_1=0.1)
    >>> float(schedule.beta(1.0))  # 99.0 up to rounding

    Reference: "Accuracy schedule" in section 4 of
    [Graves et al., 2023](https://arxiv.org/abs/2308.07037).
    """

    def __init__(self, sigma_1: float) -> None:
        self.sigma_1 = check_between("sigma_1", sigma_1, 0, 1)
        if self.sigma_1 < LARGEST**-0.5:
            raise refusal("sigma_1", f"must be at least {LARGEST**-0.5:g}", sigma_1)

    @property
    def _rate(self):
        return -2.0 * math.log(self.sigma_1)

    def beta(self, t: Tensor) -> Tensor:
        return ops.expm1(self._rate * ops.cast(t, "float32"))

    def derivative(self, t: Tensor) -> Tensor:
        return self._rate * ops.exp(self._rate * ops.cast(t, "float32"))

    def alpha(self, step: Tensor, num_steps: int) -> Tensor:
        # Without subtracting two large numbers.
        pace = ops.cast(self._rate / num_steps, "float32")
        return ops.exp(pace * (ops.cast(step, "float32") - 1.0)) * ops.expm1(pace)

    def inverse(self, beta: Tensor) -> Tensor:
        return ops.log1p(ops.cast(beta, "float32")) / self._rate

    def ending_at(self, beta: float) -> Self:
        return self.from_config({**self.get_config(), "sigma_1": (1.0 + beta) ** -0.5})


@keras.saving.register_keras_serializable("keras_bfn")
class QuadraticSchedule(Schedule):
    """beta(t) = beta_1 t^2, the schedule of discrete data.

    Args:
        beta_1: positive float. The accuracy at t = 1. More classes need less: the paper uses 9 for
            binary pixels and 0.75^2 for 27 letters. `keras_bfn.schedules.fit` fits it to data.

    Raises:
        ValueError: if an argument is out of its range.

    Example:

    >>> schedule = keras_bfn.schedules.QuadraticSchedule(beta_1=9.0)
    >>> float(schedule.beta(0.5))
    2.25

    Reference: "Accuracy schedule" in section 6 of
    [Graves et al., 2023](https://arxiv.org/abs/2308.07037).
    """

    def __init__(self, beta_1: float) -> None:
        self.beta_1 = check_positive("beta_1", beta_1)

    def beta(self, t: Tensor) -> Tensor:
        return self.beta_1 * ops.square(ops.cast(t, "float32"))

    def derivative(self, t: Tensor) -> Tensor:
        return 2.0 * self.beta_1 * ops.cast(t, "float32")

    def alpha(self, step: Tensor, num_steps: int) -> Tensor:
        # Without subtracting two large numbers.
        return (2.0 * ops.cast(step, "float32") - 1.0) * (self.beta_1 / num_steps**2)

    def inverse(self, beta: Tensor) -> Tensor:
        return ops.sqrt(ops.cast(beta, "float32") / self.beta_1)

    def ending_at(self, beta: float) -> Self:
        return self.from_config({**self.get_config(), "beta_1": beta})


def check(schedule):
    """Raises a `ValueError` unless beta(0) = 0, and beta rises, is finite and has this derivative.

    The derivative is checked over 64 steps of time. It may jump in a tenth of them. `alpha` is
    checked for as many messages.
    """
    t = np.linspace(0.0, 1.0, 129, dtype="float32")
    beta = ops.convert_to_numpy(schedule.beta(t)).astype("float64")
    slope = ops.convert_to_numpy(schedule.derivative(t)).astype("float64")
    wrong = None
    if not np.isfinite(beta).all() or not np.isfinite(slope).all():
        wrong = "be finite, with a finite derivative"
    elif abs(beta[0]) > 1e-6 * abs(beta[-1]):
        wrong = f"be 0 at t = 0; beta(0) = {beta[0]:g}"
    elif not (np.diff(beta) > 0).all():
        wrong = f"increase with t; beta(0) = {beta[0]:g}, beta(1) = {beta[-1]:g}"
    else:
        # Simpson's rule over each of 64 steps.
        gained = (slope[:-2:2] + 4.0 * slope[1::2] + slope[2::2]) / (6.0 * 64)
        alpha = schedule.alpha(np.arange(1, 65), ops.convert_to_tensor(64.0))
        alpha = ops.convert_to_numpy(alpha)
        rise = beta[2::2] - beta[:-2:2]
        if np.quantile(np.abs(gained / rise - 1.0), 0.9) > 0.01:
            wrong = "have a `derivative` that is the derivative of `beta`"
        elif np.quantile(np.abs(alpha / rise - 1.0), 0.9) > 0.01:
            wrong = "have an `alpha` that is the rise of `beta` from message to message"
    if wrong:
        raise refusal("schedule", f"must {wrong}", schedule)
