"""Embeddings of times, numbers and positions are the sinusoids that their docstrings claim."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_bfn.layers import (
    FourierFeatures,
    PositionEmbedding,
    TimeChannel,
    TimeEmbedding,
    TokenEmbedding,
)
from tests.layers.cases import SEQUENCES, TIMES, randomize


def test_times_are_told_apart_near_one_under_half_precision():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        embedding = ops.convert_to_numpy(TimeEmbedding(64)(np.array([0.999, 1.0], "float32")))
    finally:
        keras.config.set_dtype_policy("float32")
    assert embedding.dtype == "float32"
    assert np.abs(embedding[0] - embedding[1]).max() > 0.5


def test_time_embedding_is_sines_and_cosines():
    embedding = ops.convert_to_numpy(TimeEmbedding(4, scale=10.0)(np.array([0.3], "float32")))
    angles = 0.3 * np.array([10.0, 10.0 / np.sqrt(1e4)])
    np.testing.assert_allclose(embedding[0], [*np.cos(angles), *np.sin(angles)], rtol=1e-5)


def test_the_slowest_frequency_is_the_endpoint_if_asked_for():
    t = np.array([0.3], "float32")
    embedding = ops.convert_to_numpy(TimeEmbedding(6, 10.0, offset=0.2, endpoint=True)(t))
    angles = 0.5 * np.array([10.0, 0.1, 0.001])
    np.testing.assert_allclose(embedding[0], [*np.cos(angles), *np.sin(angles)], rtol=1e-5)


def test_fourier_features_are_sines_and_cosines_of_the_channels():
    x = np.array([[0.1, -0.3]])
    features = ops.convert_to_numpy(FourierFeatures((0, 2))(x.astype("float32")))[0]
    angles = 2 * np.pi * np.array([0.1, -0.3, 0.4, -1.2])
    np.testing.assert_allclose(features, [*x[0], *np.sin(angles), *np.cos(angles)], atol=1e-5)


def test_positions_are_sinusoids_of_base_1000():
    embedding = ops.convert_to_numpy(PositionEmbedding()(np.zeros((1, 3, 4), "float32")))[0]
    angles = np.arange(3)[:, None] / 1000 ** (np.arange(4) / 4)
    expected = np.where(np.arange(4) % 2, np.cos(angles), np.sin(angles))
    np.testing.assert_allclose(embedding, expected, atol=1e-6)


def test_the_time_is_a_channel():
    output = ops.convert_to_numpy(TimeChannel()(SEQUENCES, TIMES))
    np.testing.assert_array_equal(output[..., :-1], SEQUENCES)
    np.testing.assert_allclose(output[..., -1], np.array([[-1.0] * 5, [0.0] * 5]))


@pytest.mark.once
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


@pytest.mark.once
def test_equal_tokens_are_told_apart_from_the_start():
    layer = TokenEmbedding(4)
    embedded = ops.convert_to_numpy(layer(np.ones((1, 5, 6), "float32")))[0]
    distances = np.abs(embedded[:, None] - embedded).max(axis=-1)
    assert (distances[~np.eye(5, dtype=bool)] > 1e-3).all()
