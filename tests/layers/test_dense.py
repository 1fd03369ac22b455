"""Dense layers at each position, and a block, compute what their docstrings say."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_bfn.layers import DenseBlock
from keras_bfn.layers.dense import positionwise
from tests.layers.cases import SEQUENCES, TIME, VECTORS, randomize


@pytest.mark.once
@pytest.mark.parametrize("x", [VECTORS, SEQUENCES], ids=["vectors", "sequences"])
def test_at_each_position_a_dense_layer_computes_what_it_does_for_all(x):
    dense = keras.layers.Dense(3, "tanh")
    dense.build(x.shape)
    randomize(dense)
    outputs = [ops.convert_to_numpy(y) for y in (dense(x), positionwise(dense, x))]
    np.testing.assert_allclose(*outputs, rtol=1e-5, atol=1e-6)
    dense.quantize("int8")
    quantized = ops.convert_to_numpy(positionwise(dense, x))
    assert 0 < np.abs(quantized - outputs[0]).max() < 0.1


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
