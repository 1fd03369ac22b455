"""The expected bin of a normal variable, at a cost that does not grow with the number of bins."""

import math

from keras import ops

# For a normal narrower than a bin, the sum has this many edges on each side of the mean; the rest
# contributes less than 1e-7.
_REACH = 5
# In standard deviations: beyond this the density is 0 in float32.
_MOST_DEVIATIONS = 9.0
# Up to this number of bins, the sum has all edges.
_FEW = 24
# The Euler-Maclaurin formula for midpoints: factors of the odd-order derivatives at the ends of an
# integral, which add up to the difference between sum and integral.
_ODD_DERIVATIVES = (1 / 24, -7 / 5760, 31 / 967680, -127 / 154828800)


def expected_bin(mean, std, num_bins):
    """Returns the expected number of the bin that holds a normal variable.

    [-1, 1] is cut into K equal bins, numbered from 0; the mass beyond belongs to the end bins. In
    units of the bins' centres, values and gradients are exact to 1e-6 for standard deviations up to
    10.

    Args:
        mean: float32 tensor of any shape.
        std: float32 tensor of that shape.
        num_bins: int, K.

    Returns:
        A float32 tensor of that shape.
    """
    shape = ops.shape(mean)
    mean, std = (ops.reshape(x, (-1,)) for x in (mean, std))
    # Beyond this distance the expected bin is constant; within it nothing overflows.
    farthest = 1.0 + 8.0 * ops.maximum(std, 2.0 / num_bins)
    mean = ops.minimum(ops.maximum(mean, -farthest), farthest)
    # By symmetry the mean is made positive, since upper tails keep their precision. The unit is a
    # bin and the origin is the middle of all bins, so that edges are exact in float32.
    sign = 1.0 - 2.0 * ops.cast(mean < 0.0, mean.dtype)
    mean, std = 0.5 * num_bins * sign * mean, 0.5 * num_bins * std
    narrowness = 0.5**0.5 / std
    if num_bins <= _FEW:
        first = 1.0 - 0.5 * num_bins - mean
        expected = _sum_over_edges(lambda i: (first + i) * narrowness, num_bins - 1)
    else:
        near = _sum_over_near_edges(mean, ops.maximum(narrowness, 0.5**0.5), num_bins)
        wide = _integral(mean, ops.maximum(std, 1.0), num_bins)
        expected = ops.where(std < 1.0, near, wide)
    return ops.reshape(sign * expected + 0.5 * (num_bins - 1), shape)


def _sum_over_edges(distance, num_edges):
    """Returns the sum of P(number > edge) - 1 / 2 over edges.

    Edge i is `distance(i)` above the mean, in units of sqrt(2) standard deviations.
    """
    edges = ops.arange(num_edges, dtype="float32")[:, None]
    return 0.5 * (ops.sum(ops.erfc(distance(edges)), axis=0) - num_edges)


def _sum_over_near_edges(mean, narrowness, num_bins):
    """Returns the sum over all edges, most of which are far above or far below the mean."""
    middle = 0.5 * num_bins
    nearest = ops.round(mean + middle) - middle

    def distance(i):
        edge = nearest + (i - _REACH)
        # Indices beyond the last edge add -1 / 2, like an edge at infinity.
        return ops.where(edge < middle, (edge - mean) * narrowness, _MOST_DEVIATIONS)

    return ops.minimum(nearest, middle + _REACH) + _sum_over_edges(distance, 2 * _REACH + 1)


def _integral(mean, std, num_bins):
    """Returns E[clip(number, -last, last)] and the correction at each end for the sum over edges.

    Between the ends, sum and integral differ by 3e-9 for a normal wider than a bin.
    """
    last = 0.5 * (num_bins - 1)
    return last + _end(mean - last, std) - _end(mean + last, std)


def _end(distance, std):
    """Returns the integral of the upper tail from `distance` on, plus its Euler-Maclaurin terms."""
    z = ops.minimum(ops.maximum(distance / std, -_MOST_DEVIATIONS), _MOST_DEVIATIONS)
    density = ops.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi)
    above = 0.5 * ops.erfc(0.5**0.5 * z)
    # The derivatives of the tail are Hermite polynomials times the density.
    square, narrowness = z * z, 1.0 / (std * std)
    hermite = (
        1.0,
        square - 1.0,
        (square - 6.0) * square + 3.0,
        ((square - 15.0) * square + 45.0) * square - 15.0,
    )
    total = 0.0
    for factor, polynomial in reversed(list(zip(_ODD_DERIVATIVES, hermite, strict=True))):
        total = factor * polynomial + narrowness * total
    return distance * above + density * (total / std - std)
