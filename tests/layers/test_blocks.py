"""Blocks recompute their activations, and drop, alike: convolutions and transformers."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_bfn.layers import ConvBlock, TransformerBlock
from tests.backends import everywhere
from tests.layers.cases import IMAGES, SEQUENCES, TIME, randomize

REMAT = {
    "ConvBlock": (lambda **kwargs: ConvBlock(6, 0.5, **kwargs), (IMAGES, TIME)),
    "TransformerBlock": (lambda **kwargs: TransformerBlock(2, 0.5, **kwargs), (SEQUENCES,)),
}


class TwoBlocks(keras.Model):
    """Two blocks, each with a dropout of its own."""

    def __init__(self, make_block, seed):
        super().__init__()
        keras.utils.set_random_seed(seed)
        self.blocks = [make_block(), make_block()]

    def call(self, inputs, training=False):
        x, *others = inputs
        for block in self.blocks:
            x = block(x, *others, training=training)
        return x


# In `tests/networks/test_network.py`, a network of the other blocks trains alike.
@pytest.mark.once
@pytest.mark.parametrize("name", REMAT)
def test_rematerialised_blocks_train_alike_with_the_same_dropout(name):
    make_block, inputs = REMAT[name]
    weights = []
    for remat in (False, True):
        model = TwoBlocks(lambda remat=remat: make_block(remat=remat), seed=1)
        model(inputs)
        randomize(model)
        model.compile(keras.optimizers.SGD(0.01), "mse")
        for _ in range(3):  # a mask that is not the same forward and backward would show
            model.train_on_batch(inputs, inputs[0])
        weights.append(model.get_weights())
    start = TwoBlocks(make_block, seed=1)
    start(inputs)
    randomize(start)
    for plain, rematerialised, before in zip(*weights, start.get_weights(), strict=True):
        np.testing.assert_allclose(plain, rematerialised, rtol=1e-4, atol=1e-5)
        if plain.dtype == "float32":
            assert np.abs(plain - before).max() > 1e-4


@pytest.mark.parametrize("name", everywhere(list(REMAT), "ConvBlock"))
def test_rematerialised_blocks_are_computed_again(name, monkeypatch):
    make_block, inputs = REMAT[name]
    num = {"ConvBlock": 2, "TransformerBlock": 4}[name]  # of both blocks; here, two branches each
    calls = []
    monkeypatch.setattr(keras, "remat", lambda function: calls.append(name) or function)
    for remat, expected in ((True, num), (False, 0)):
        model = TwoBlocks(lambda remat=remat: make_block(remat=remat), seed=1)
        model(inputs)  # builds
        calls.clear()
        model(inputs)
        assert len(calls) == expected


@pytest.mark.slow_to_compile
@pytest.mark.parametrize("name", everywhere(list(REMAT), "TransformerBlock"))
@pytest.mark.parametrize("remat", [False, True])
def test_blocks_drop_in_training_alone(name, remat):
    make_block, inputs = REMAT[name]
    model = TwoBlocks(lambda: make_block(remat=remat), seed=1)
    model(inputs)
    randomize(model)
    first, second, training = (
        ops.convert_to_numpy(model(inputs, training=training)) for training in (False, False, True)
    )
    np.testing.assert_array_equal(first, second)
    assert np.abs(first - training).max() > 1e-3
