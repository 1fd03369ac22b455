"""Tokens share a projection, and have a gain and a bias each."""

import numpy as np
import pytest
from keras import ops

from keras_bfn.layers import TokenEmbedding
from tests.layers.cases import SEQUENCES, randomize

pytestmark = pytest.mark.once


def test_tokens_are_projected_alike_and_each_has_a_gain_and_a_bias():
    layer = TokenEmbedding(4)
    layer(SEQUENCES)
    randomize(layer)
    kernel, offset, gain, bias = (
        ops.convert_to_numpy(weight)
        for weight in (layer.project.kernel, layer.project.bias, layer.gain, layer.bias)
    )
    assert (kernel.shape, gain.shape, bias.shape) == ((6, 4), (5, 4), (5, 4))
    expected = (SEQUENCES @ kernel + offset) * gain + bias
    found = ops.convert_to_numpy(layer(SEQUENCES))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    assert layer.compute_output_shape(SEQUENCES.shape) == found.shape


def test_equal_tokens_are_told_apart_from_the_start():
    layer = TokenEmbedding(4)
    embedded = ops.convert_to_numpy(layer(np.ones((1, 5, 6), "float32")))[0]
    distances = np.abs(embedded[:, None] - embedded).max(axis=-1)
    assert (distances[~np.eye(5, dtype=bool)] > 1e-3).all()
