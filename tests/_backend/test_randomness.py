"""Random numbers and their generators, on each backend."""

import keras
import numpy as np
import pytest

from keras_bfn._backend.randomness import LARGE, SeedGenerator, draw_normal
from tests.checks import assert_draws_are_normal
from tests.tensors import to_numpy

BACKEND = keras.backend.backend()


SIZES = pytest.mark.parametrize("size", [LARGE // 2, 2 * LARGE])


@SIZES
def test_draws_are_normal_float32_and_repeat_by_their_seed(size):
    """Few and many: on TensorFlow, these are drawn in two ways."""
    one, other = (draw_normal((20, size), seed=SeedGenerator(3)) for _ in range(2))
    assert keras.backend.standardize_dtype(one.dtype) == "float32"
    np.testing.assert_array_equal(to_numpy(one), to_numpy(other))
    assert_draws_are_normal(0.0, 1.0, to_numpy(one).ravel())


@pytest.mark.once("tensorflow")
@SIZES
def test_draws_do_not_depend_on_whether_the_batch_size_is_known(size):
    tf = pytest.importorskip("tensorflow")
    one, other = SeedGenerator(3), SeedGenerator(3)

    @tf.function(input_signature=[tf.TensorSpec((None, size))])
    def draw(x):
        return draw_normal(keras.ops.shape(x), seed=one)

    for num in (16, 5):
        expected = draw_normal((num, size), seed=other)
        np.testing.assert_allclose(draw(tf.zeros((num, size))), expected, atol=1e-6)


def test_a_generator_is_kerass_own_without_replicas():
    own, kerases = SeedGenerator(5), keras.random.SeedGenerator(5)
    for _ in range(3):
        np.testing.assert_array_equal(to_numpy(own.next()), to_numpy(kerases.next()))
