"""Dense layers compute what Keras's do, and a block what its docstring says."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_bfn.layers import DenseBlock
from keras_bfn.layers.dense import Dense
from tests.layers.cases import SEQUENCES, TIME, VECTORS, randomize


@pytest.mark.once
@pytest.mark.parametrize("use_bias", [True, False])
@pytest.mark.parametrize("x", [VECTORS, SEQUENCES], ids=["vectors", "sequences"])
def test_a_dense_layer_is_keras_own_with_the_same_weights(x, use_bias):
    own, kerases = (
        kind(3, "tanh", use_bias=use_bias, name="dense") for kind in (Dense, keras.layers.Dense)
    )
    for layer in (own, kerases):
        layer.build(x.shape)
    randomize(own)
    assert [w.path for w in own.weights] == [w.path for w in kerases.weights]
    kerases.set_weights(own.get_weights())
    outputs = [ops.convert_to_numpy(layer(x)) for layer in (own, kerases)]
    assert outputs[0].shape == (*x.shape[:-1], 3)
    np.testing.assert_allclose(*outputs, rtol=1e-5, atol=1e-6)
    for layer in (own, kerases):
        layer.quantize("int8")
    quantized = [ops.convert_to_numpy(layer(x)) for layer in (own, kerases)]
    np.testing.assert_allclose(*quantized, rtol=1e-5, atol=1e-6)
    assert 0 < np.abs(quantized[0] - outputs[0]).max() < 0.1


@pytest.mark.once
def test_a_block_adds_a_hidden_layer_that_is_told_the_time():
    block = DenseBlock(12)
    block(VECTORS, TIME)
    randomize(block)
    norm, widen, (add_time,), project = (
        [ops.convert_to_numpy(weight) for weight in layer.weights]
        for layer in (block.norm, block.widen, block.add_time, block.project)
    )
    seen = VECTORS - VECTORS.mean(-1, keepdims=True)
    seen = seen / np.sqrt(VECTORS.var(-1, keepdims=True) + block.norm.epsilon)
    hidden = (seen * norm[0] + norm[1]) @ widen[0] + widen[1] + TIME @ add_time
    hidden = hidden / (1.0 + np.exp(-hidden))
    expected = VECTORS + hidden @ project[0] + project[1]
    np.testing.assert_allclose(
        ops.convert_to_numpy(block(VECTORS, TIME)), expected, rtol=1e-4, atol=1e-4
    )
