"""The log mass of an interval under the standard normal against scipy in float64."""

import itertools

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.special import log_ndtr

from keras_bfn.distributions.normal_interval import log_normal_interval
from tests.checks import to_numpy
from tests.gradients import gradient

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


def test_the_grid_reaches_into_both_tails():
    assert LOW.size > 200
    assert LOW.min() < -9e5
    assert HIGH.max() > 9e5


def test_value_is_scipys():
    # One part in a million of the mass, or of its logarithm where that is large.
    assert_allclose(
        to_numpy(log_normal_interval(LOW, HIGH)), log_mass(LOW, HIGH), rtol=1e-6, atol=3e-6
    )


def test_a_mass_next_to_1_keeps_its_small_logarithm():
    low, high = np.float32([-3, -4, -5, -6]), np.float32([4, 5, 4, 5])
    assert_allclose(to_numpy(log_normal_interval(low, high)), log_mass(low, high), rtol=1e-5)


@pytest.mark.parametrize("end", ["low", "high"])
def test_gradients_are_the_densities_at_the_ends_over_the_mass(end):
    if end == "low":
        result = gradient(lambda low: log_normal_interval(low, HIGH), LOW)
        exact = -np.exp(log_density(LOW) - log_mass(LOW, HIGH))
    else:
        result = gradient(lambda high: log_normal_interval(LOW, high), HIGH)
        exact = np.exp(log_density(HIGH) - log_mass(LOW, HIGH))
    assert np.isfinite(result).all()
    assert_allclose(result, exact, rtol=1e-3, atol=1e-5)


def test_the_gradient_of_a_shift_keeps_its_precision_in_narrow_intervals():
    shift = np.zeros_like(LOW)
    result = gradient(lambda shift: log_normal_interval(LOW + shift, HIGH + shift), shift)
    low, high = log_density(LOW) - log_mass(LOW, HIGH), log_density(HIGH) - log_mass(LOW, HIGH)
    # The gradients at the two ends are about 1 / width; float32 loses that much.
    slack = 1e-6 / (HIGH - LOW)
    exact = np.exp(high) - np.exp(low)
    assert np.all(np.abs(result - exact) <= 1e-3 * np.abs(exact) + slack + 1e-5)


def test_value_and_gradient_stay_finite_for_ends_at_infinity():
    low = np.float32([-1e13, -1e13, 40, -1e13, 1e6, -3])
    high = np.float32([-1e6, -40, 1e13, 1e13, 1e13, 1e13])
    assert np.isfinite(to_numpy(log_normal_interval(low, high))).all()
    assert np.isfinite(gradient(lambda low: log_normal_interval(low, high), low)).all()
    assert np.isfinite(gradient(lambda high: log_normal_interval(low, high), high)).all()
