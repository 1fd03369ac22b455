"""The log mass of an interval under the standard normal against scipy in float64."""

import itertools

import numpy as np
from numpy.testing import assert_allclose
from scipy.special import log_ndtr

from keras_bfn.distributions.normal_interval import log_normal_interval
from tests.tensors import gradient, to_numpy, to_tensor

CENTRES = [0, 1e-3, 0.3, 1, 2, 3, 5, 8, 12, 20, 50, 100, 300, 1e3, 1e4, 1e5, 1e6]
WIDTHS = [1e-4, 1e-3, 0.01, 0.03, 0.09, 0.11, 0.3, 1, 3, 10]


def _grid():
    """Intervals that float32 can tell from points, in both tails."""
    centre, width = np.array(list(itertools.product(CENTRES, WIDTHS))).T
    centre, width = np.concatenate([centre, -centre]), np.tile(width, 2)
    low, high = np.float32(centre - width / 2), np.float32(centre + width / 2)
    return low[low < high], high[low < high]


LOW, HIGH = _grid()


def log_mass(low, high):
    low, high = low.astype("float64"), high.astype("float64")
    mirror = low + high > 0
    low, high = np.where(mirror, -high, low), np.where(mirror, -low, high)
    return log_ndtr(high) + np.log(-np.expm1(log_ndtr(low) - log_ndtr(high)))


def log_density(z):
    return -0.5 * z.astype("float64") ** 2 - 0.5 * np.log(2 * np.pi)


def value(low, high):
    return to_numpy(log_normal_interval(to_tensor(low), to_tensor(high)))


def gradient_by_low(low, high):
    return gradient(lambda low: log_normal_interval(low, to_tensor(high)), low)


def gradient_by_high(low, high):
    return gradient(lambda high: log_normal_interval(to_tensor(low), high), high)


def exact_gradient_by_low(low, high):
    return -np.exp(log_density(low) - log_mass(low, high))


def exact_gradient_by_high(low, high):
    return np.exp(log_density(high) - log_mass(low, high))


def test_the_grid_reaches_into_both_tails():
    assert LOW.size > 200
    assert LOW.min() < -9e5
    assert HIGH.max() > 9e5


def test_value_is_scipys():
    # Two parts in a million of the mass, or of its logarithm where that is large.
    assert_allclose(value(LOW, HIGH), log_mass(LOW, HIGH), rtol=2e-6, atol=2e-6)


def test_a_mass_next_to_1_keeps_its_small_logarithm():
    low, high = np.float32([-3, -4, -5, -6]), np.float32([4, 5, 4, 5])
    assert_allclose(value(low, high), log_mass(low, high), rtol=1e-5)


def test_gradients_are_the_densities_at_the_ends_over_the_mass():
    # Far out, the oracle itself is good to 1e-4.
    by_low, by_high = exact_gradient_by_low(LOW, HIGH), exact_gradient_by_high(LOW, HIGH)
    assert_allclose(gradient_by_low(LOW, HIGH), by_low, rtol=2e-4, atol=1e-5)
    assert_allclose(gradient_by_high(LOW, HIGH), by_high, rtol=2e-4, atol=1e-5)


def test_gradients_are_whole_where_an_end_lies_at_0():
    low, high = np.float32([-3, -0.5, 0, 0]), np.float32([0, 0, 0.5, 3])
    by_low, by_high = exact_gradient_by_low(low, high), exact_gradient_by_high(low, high)
    assert_allclose(gradient_by_low(low, high), by_low, rtol=1e-4)
    assert_allclose(gradient_by_high(low, high), by_high, rtol=1e-4)


def test_the_gradient_of_a_shift_keeps_its_precision_in_narrow_intervals():
    low, high = to_tensor(LOW), to_tensor(HIGH)
    by_shift = gradient(lambda z: log_normal_interval(low + z, high + z), np.zeros_like(LOW))
    exact = exact_gradient_by_low(LOW, HIGH) + exact_gradient_by_high(LOW, HIGH)
    # It is the difference of the gradients at the two ends, which are as large as 1 / width.
    rounding = 2e-7 / (HIGH - LOW)
    assert np.all(np.abs(by_shift - exact) <= 2e-4 * np.abs(exact) + rounding + 1e-5)


def test_value_and_gradients_are_finite_for_ends_beyond_everything():
    low = np.float32([-1e13, -1e13, 40, -1e13, 1e6, -3])
    high = np.float32([-1e6, -40, 1e13, 1e13, 1e13, 1e13])
    for result in (value(low, high), gradient_by_low(low, high), gradient_by_high(low, high)):
        assert np.isfinite(result).all()
