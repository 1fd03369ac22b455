"""Stratified times: each uniform, all together evenly spread."""

import keras
import numpy as np
import pytest
from keras import ops
from numpy.testing import assert_array_equal
from scipy import stats

from keras_bfn.losses import stratified_uniform
from tests.checks import MIN_P_VALUE
from tests.tensors import to_numpy

BATCH, REPEATS = 64, 1000


@pytest.fixture(scope="module")
def uniforms():
    seed = keras.random.SeedGenerator(1)
    return np.stack([to_numpy(stratified_uniform(BATCH, seed)) for _ in range(REPEATS)])


@pytest.mark.once
def test_there_is_one_number_in_every_stride(uniforms):
    assert uniforms.shape == (REPEATS, BATCH)
    strides = np.sort(np.floor(uniforms * BATCH), axis=1)
    assert_array_equal(strides, np.tile(np.arange(BATCH), (REPEATS, 1)))


@pytest.mark.slow_to_compile("tensorflow")
def test_numbers_lie_between_0_and_1(uniforms):
    assert uniforms.min() >= 0
    assert uniforms.max() < 1


@pytest.mark.parametrize("batch_size", [1, 3, 64, 1_000_000])
def test_the_last_stride_does_not_round_to_1(batch_size, monkeypatch):
    def largest(shape, **kwargs):
        return ops.full(shape, 1 - 2.0**-24, dtype="float32")

    monkeypatch.setattr(keras.random, "uniform", largest)
    assert to_numpy(stratified_uniform(batch_size)).max() < 1


@pytest.mark.slow_to_compile("tensorflow")
@pytest.mark.parametrize("position", [0, 1, BATCH - 1])
def test_each_number_alone_is_uniform(uniforms, position):
    assert stats.kstest(uniforms[:, position], "uniform").pvalue > MIN_P_VALUE


def test_neighbours_are_in_random_order(uniforms):
    correlation = np.corrcoef(uniforms[:, 0], uniforms[:, 1])[0, 1]
    # That of a random order is -1 / (BATCH - 1).
    assert abs(correlation) < 5 * REPEATS**-0.5


def test_a_mean_over_the_batch_is_unbiased_and_varies_much_less(uniforms):
    means = np.mean(uniforms**2, axis=1)
    independent_variance = (4 / 45) / BATCH
    assert means.var() < independent_variance / 50
    assert abs(means.mean() - 1 / 3) < 5 * means.std() * REPEATS**-0.5


@pytest.mark.slow_to_compile
def test_a_batch_of_one_is_uniform(seed):
    draws = [float(stratified_uniform(1, seed)[0]) for _ in range(500)]
    assert stats.kstest(draws, "uniform").pvalue > MIN_P_VALUE
