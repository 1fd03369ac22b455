"""Attention is the mean of values weighted by softmax, and sees positions as a set."""

import numpy as np
import pytest
from keras import ops
from scipy.special import softmax

from keras_bfn.layers import SpatialAttention
from keras_bfn.layers.attention import self_attention
from tests.layers.cases import IMAGES, randomize
from tests.tensors import gradient, to_tensor


def test_attention_sees_positions_as_a_set():
    layer = SpatialAttention(2, data_format="channels_last")
    layer.build(IMAGES.shape)
    randomize(layer)
    order = np.random.default_rng(0).permutation(16)

    def shuffle(images):
        return images.reshape(2, 16, 6)[:, order].reshape(2, 4, 4, 6)

    output = ops.convert_to_numpy(layer(IMAGES))
    assert np.abs(output - IMAGES).min() > 1e-6
    np.testing.assert_allclose(
        ops.convert_to_numpy(layer(shuffle(IMAGES))), shuffle(output), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("scale", [1.0, 100.0])
@pytest.mark.parametrize("masked", [False, True])
def test_attention_is_the_mean_of_values_weighted_by_softmax(masked, scale):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 5, 3 * 8)).astype("float32") * np.float32(scale)
    there = np.array([[1, 1, 0, 1, 0], [1, 1, 1, 1, 1]])
    query, key, value = np.split(
        x.reshape(2, 5, 6, 4).transpose(0, 2, 1, 3).astype("float64"), 3, 1
    )
    scores = query @ key.swapaxes(-1, -2) / 2.0
    if masked:
        seen = (there == 1)[:, None, None, :] | np.eye(5, dtype=bool)
        scores = np.where(seen, scores, -np.inf)
    expected = (softmax(scores, axis=-1) @ value).transpose(0, 2, 1, 3).reshape(2, 5, 8)
    found = self_attention(ops.convert_to_tensor(x), 2, mask=there if masked else None)
    np.testing.assert_allclose(ops.convert_to_numpy(found), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("masked", [False, True])
def test_gradients_of_attention_are_those_of_keras(masked):
    rng = np.random.default_rng(0)
    x = 3.0 * rng.standard_normal((2, 5, 3 * 8))
    factors = to_tensor(rng.standard_normal((2, 5, 8)))
    there = np.array([[1, 1, 0, 1, 0], [1, 1, 1, 1, 1]]) if masked else None
    seen = None
    if masked:
        seen = np.broadcast_to((there == 1)[:, None, None, :] | np.eye(5, dtype=bool), (2, 2, 5, 5))

    def by_keras(x):
        parts = ops.unstack(ops.reshape(x, (2, 5, 3, 2, 4)), axis=2)
        return factors * ops.reshape(ops.dot_product_attention(*parts, mask=seen), (2, 5, 8))

    own = gradient(lambda x: factors * self_attention(x, 2, False, there), x)
    expected = gradient(by_keras, x)
    assert np.abs(expected).max() > 1.0
    np.testing.assert_allclose(own, expected, rtol=1e-4, atol=1e-5)
