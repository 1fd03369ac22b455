"""The package's own random numbers are those of the distributions that they are named by."""

import keras
import numpy as np
import pytest
from keras import ops
from scipy import stats

from keras_bfn._random import make_seed_generator, normal, start_from
from tests.checks import MIN_P_VALUE, assert_draws_are_normal
from tests.tensors import to_numpy


def test_normal_numbers_follow_the_normal_distribution_into_its_tails(seed):
    draws = to_numpy(normal((1000, 1000), seed)).astype("float64")
    assert_draws_are_normal(0.0, 1.0, draws)
    for limit in (2.0, 3.0, 4.0, 4.5):
        for tail in (np.sum(draws > limit), np.sum(draws < -limit)):
            assert stats.binomtest(int(tail), draws.size, stats.norm.sf(limit)).pvalue > MIN_P_VALUE
    assert np.isfinite(draws).all()


def test_normal_numbers_know_nothing_of_their_neighbours_and_of_other_draws():
    def draw(generator):
        return to_numpy(normal((500, 501), generator)).astype("float64")

    generator, other = make_seed_generator(0), make_seed_generator(1)
    first, second, other = draw(generator), draw(generator), draw(other)
    pairs = [(first[1:], first[:-1]), (first[:, 1:], first[:, :-1])]
    pairs += [(first, second), (second, other), (first, other), (first**2, second**2)]
    for a, b in pairs:
        assert stats.pearsonr(a.ravel(), b.ravel()).pvalue > MIN_P_VALUE
    np.testing.assert_array_equal(draw(make_seed_generator(0)), first)


def test_a_generator_starts_from_a_seed_as_one_that_is_made_from_it():
    generator = make_seed_generator(0)
    normal((3,), generator)
    start_from(generator, 7)
    expected = make_seed_generator(7)
    for _ in range(2):
        drawn = to_numpy(normal((3,), generator))
        np.testing.assert_array_equal(drawn, to_numpy(normal((3,), expected)))


class Drawing(keras.Model):
    """A model that returns `size` normal numbers for each example."""

    def __init__(self, size):
        super().__init__()
        self.size = size
        self.generator = make_seed_generator(0)

    def call(self, x):
        return normal((ops.shape(x)[0], self.size), self.generator)


@pytest.mark.parametrize(("size", "by_xla"), [(100, False), (100_000, False), (100_000, True)])
def test_draws_in_a_compiled_step_are_those_outside_of_it(size, by_xla):
    """Also where it is not known how many there will be."""
    model = Drawing(size)
    step = model.predict_on_batch
    if by_xla:
        if keras.backend.backend() != "tensorflow":
            pytest.skip("`predict` has it already, or never")
        import tensorflow as tf

        # Not by `compile`: tests are deterministic, where Keras takes no XLA.
        step = tf.function(model, jit_compile=True)
    expected = make_seed_generator(0)
    for num in (2, 3, 2):
        drawn = to_numpy(step(np.zeros((num, 1), "float32")))
        np.testing.assert_allclose(drawn, to_numpy(normal((num, size), expected)), atol=1e-6)
