"""The log of the standard normal's mass in an interval, in float32."""

import math

from keras import ops

# If width times 1 + |centre| is below this, the difference of two tails loses more digits than the
# midpoint rule with its second-order correction.
_NARROW = 0.1

# Chebyshev fit of erfc(x) = t exp(-x^2 + p(t)), t = 2 / (2 + x), whose relative error is below
# 1.2e-7 for all x >= 0 (Press et al., Numerical Recipes, section 6.2), highest power first.
_ERFC_COEFFICIENTS = (
    0.17087277,
    -0.82215223,
    1.48851587,
    -1.13520398,
    0.27886807,
    -0.18628806,
    0.09678418,
    0.37409196,
    1.00002368,
    -1.26551223,
)


def log_normal_interval(low, high, width=None):
    """Returns log(Phi(high) - Phi(low)) for low < high, stable in tails and narrow intervals.

    Args:
        low, high: finite float32 tensors of one shape.
        width: `high - low`, of that shape, if it is known to more digits than their difference has.

    Returns:
        A tensor of the same shape, finite wherever the true value fits into float32.
    """
    # Mirror intervals on the right to the left, where log Phi is precise.
    mirror = low + high > 0
    low, high = ops.where(mirror, -high, low), ops.where(mirror, -low, high)
    width, centre = high - low if width is None else width, 0.5 * (low + high)

    narrow = width * (1.0 + ops.abs(centre)) < _NARROW
    width = ops.where(narrow, ops.maximum(width, 1e-30), _NARROW)
    midpoint = _log_midpoint_rule(width, ops.where(narrow, centre, 0.0))
    tails = _log_tail_difference(ops.where(narrow, -1.0, low), ops.where(narrow, 1.0, high))
    return ops.where(narrow, midpoint, tails)


def _log_midpoint_rule(width, centre):
    log_density = -0.5 * ops.square(centre) - 0.5 * math.log(2 * math.pi)
    correction = ops.square(width) * (ops.square(centre) - 1.0) / 24.0
    return ops.log(width) + log_density + correction


def _log_tail_difference(low, high):
    """Returns log Phi(high) + log(1 - Phi(low) / Phi(high)), for low <= -|high|."""
    # Not `minimum` and `maximum`, whose gradients backends halve at ties.
    left = ops.where(high > 0, 0.0, high)
    right = ops.where(high > 0, high, 0.0)
    log_scaled_left = _log_scaled_tail(left)
    log_right = ops.log1p(-ops.exp(_log_scaled_tail(-right) - 0.5 * ops.square(right)))
    log_high = ops.where(high > 0, log_right, log_scaled_left - 0.5 * ops.square(left))
    log_scaled_low = _log_scaled_tail(low)
    across = log_scaled_low - 0.5 * ops.square(low) - log_high
    # Factored, so that squares are not rounded before subtraction: they dominate in the tails.
    within = log_scaled_low - log_scaled_left + 0.5 * (left - low) * (left + low)
    log_ratio = ops.where(high > 0, across, within)
    return log_high + ops.log1p(-ops.exp(ops.minimum(log_ratio, -1e-7)))


def _log_scaled_tail(z):
    """Returns log Phi(z) + z^2 / 2, for z <= 0."""
    t = 2.0 / (2.0 - z / math.sqrt(2.0))
    polynomial = 0.0
    for coefficient in _ERFC_COEFFICIENTS:
        polynomial = coefficient + t * polynomial
    return ops.log(0.5 * t) + polynomial
