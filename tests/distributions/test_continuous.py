"""Distributions over real numbers against scipy."""

import numpy as np
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats

from keras_bfn.distributions import Delta, Normal
from tests.checks import assert_draws_are_normal
from tests.tensors import to_numpy, to_tensor

VALUE = np.array([[-0.5, 0.0, 1.0]], "float32")
STD = np.array([[0.001, 0.5, 20.0]], "float32")


def test_all_of_a_delta_lies_at_its_value(seed):
    delta = Delta(to_tensor(VALUE))
    for value in (delta.mean(), delta.mode(), delta.sample(seed)):
        assert_array_equal(to_numpy(value), VALUE)
    assert_array_equal(to_numpy(delta.log_prob(np.array([[-0.5, 0.1, 1.0]]))), [[0, -np.inf, 0]])


def test_normal_log_density_is_scipys():
    x = VALUE + STD * np.array([[-3.0], [0.1], [40.0]], "float32")
    # The distance of x from the mean in float32 is what limits the precision.
    assert_allclose(
        to_numpy(Normal(to_tensor(VALUE), to_tensor(STD)).log_prob(x)),
        stats.norm(VALUE.astype("float64"), STD.astype("float64")).logpdf(x),
        rtol=2e-5,
    )


def test_normal_mean_and_mode_are_its_centre():
    normal = Normal(to_tensor(VALUE), to_tensor(STD))
    assert_array_equal(to_numpy(normal.mean()), VALUE)
    assert_array_equal(to_numpy(normal.mode()), VALUE)


def test_normal_takes_one_standard_deviation_for_all():
    assert_allclose(
        to_numpy(Normal(to_tensor(VALUE), 0.5).log_prob(0.25)),
        stats.norm(VALUE, 0.5).logpdf(0.25),
        rtol=1e-6,
    )


def test_normal_samples_are_normal(seed):
    mean, std = (to_tensor(np.repeat(row, 20_000, axis=0)) for row in (VALUE, STD))
    draws = to_numpy(Normal(mean, std).sample(seed))
    for column in range(VALUE.size):
        assert_draws_are_normal(VALUE[0, column], STD[0, column], draws[:, column])


def test_a_normal_of_another_temperature_is_a_power_of_its_density():
    x = np.linspace(-2, 2, 5)
    normal = Normal(to_tensor(np.full(5, 0.3)), 0.5)
    tempered = to_numpy(normal.tempered(2.0).log_prob(to_tensor(x)))
    half = to_numpy(normal.log_prob(to_tensor(x))) / 2.0
    assert_allclose(np.diff(tempered), np.diff(half), rtol=1e-5)
    assert_allclose(to_numpy(normal.tempered(2.0).std), 0.5 * 2**0.5, rtol=1e-6)
