"""Forecasts are rounded to the numbers that a series may have."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from keras_bfn import series

pytestmark = pytest.mark.once

PAST = np.array([[0.0, 4.0, 2.0, np.nan]])


@pytest.mark.parametrize("log", [True, False])
def test_numbers_are_the_nearest_of_their_domain(log):
    x = np.array([[0.4, 0.9, 1.1, 2.4, 2.6]])  # the smallest number seen is 2: below 1 is 0
    found = {}
    for domain in (["nonnegative", "integers", "zeros"], ["nonnegative", "zeros"], ["integers"]):
        form = series._Form(5, 4, 1, log, None, None, domain)
        found[len(domain)] = form.restore(np.log(x) if log else x, PAST)
    assert_array_equal(found[3], [[0, 0, 1, 2, 3]])
    np.testing.assert_allclose(found[2], [[0, 0, 1.1, 2.4, 2.6]])
    assert_array_equal(found[1], [[0, 1, 1, 2, 3]])


def test_a_negative_forecast_is_zero_where_no_number_is_negative():
    form = series._Form(2, 4, 1, False, None, None, ["nonnegative"])
    assert_array_equal(form.restore(np.array([[-1.5, 0.5]]), PAST), [[0.0, 0.5]])
