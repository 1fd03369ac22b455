"""A convolutional block: what it adds, what it sees, its data formats, and its normalisation."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_bfn.layers import ConvBlock
from keras_bfn.layers.conv_block import group_norm
from tests.layers.cases import IMAGES, SEQUENCES, TIME, randomize


def made(x, **options):
    """A block of random weights; channels are the last axis of `x`."""
    block = ConvBlock(6, data_format="channels_last", **options)
    block(x, TIME)
    randomize(block)
    return block


@pytest.mark.once
@pytest.mark.parametrize("x", [IMAGES, SEQUENCES], ids=["images", "signals"])
def test_both_data_formats_compute_the_same(x):
    if keras.backend.backend() == "tensorflow":
        pytest.skip("TensorFlow has no channels-first convolutions on the CPU")
    last, first = made(x, groups=2), ConvBlock(6, groups=2, data_format="channels_first")
    moved = np.moveaxis(x, -1, 1)
    first(moved, TIME)
    first.set_weights(last.get_weights())
    found = np.moveaxis(ops.convert_to_numpy(first(moved, TIME)), 1, -1)
    np.testing.assert_allclose(found, ops.convert_to_numpy(last(x, TIME)), rtol=1e-4, atol=1e-4)


@pytest.mark.once
def test_the_time_matters_and_has_a_bias_only_if_it_is_asked_for():
    for time_bias in (True, False):
        block = made(IMAGES, time_bias=time_bias)
        assert block.add_time.use_bias is time_bias
        outputs = [ops.convert_to_numpy(block(IMAGES, time)) for time in (TIME, TIME + 1.0)]
        assert (np.abs(outputs[0] - outputs[1]).max(axis=(1, 2, 3)) > 1e-3).all()


@pytest.mark.once
def test_a_convolution_sees_its_neighbours_and_no_further():
    """But for the normalisation, which sees all, and is left out here."""
    block = made(IMAGES)
    for norm in (block.norm_in, block.norm_out):
        norm.call = lambda x: x
    x = np.zeros((1, 9, 9, 6), "float32")
    moved = x.copy()
    moved[0, 4, 4] = 1.0
    change = ops.convert_to_numpy(block(moved, TIME[:1]) - block(x, TIME[:1]))[0]
    seen = np.abs(change).max(axis=-1) > 1e-6
    rows, columns = np.nonzero(seen)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (2, 6, 2, 6)


@pytest.mark.skipif(keras.backend.backend() != "torch", reason="Only on torch")
def test_normalisation_after_frozen_layers_learns_whatever_lies_where_in_memory(seed):
    import torch

    x = keras.random.normal((4, 8, 4, 4), seed=seed)
    norm = group_norm(8, groups=2, axis=1)
    norm.build(x.shape)
    found = []
    for layout in (torch.contiguous_format, torch.channels_last):
        torch.sum(norm(x.contiguous(memory_format=layout)) ** 3).backward()
        found.append(norm.gamma.value.grad.numpy().copy())
        norm.gamma.value.grad = None
    np.testing.assert_allclose(*found, rtol=1e-5)


@pytest.mark.once
@pytest.mark.parametrize(("channels", "most", "groups"), [(3, 32, 1), (24, 32, 6), (10, 8, 2)])
def test_groups_are_equal_and_of_at_least_four_channels(channels, most, groups):
    assert group_norm(channels, most, axis=-1).groups == groups


@pytest.mark.once
@pytest.mark.parametrize("axis", [1, -1])
def test_each_group_of_channels_has_no_mean_and_a_variance_of_one(axis, seed):
    x = 3.0 + 2.0 * keras.random.normal((2, 8, 8, 8), seed=seed)
    found = keras.ops.convert_to_numpy(group_norm(8, groups=2, axis=axis)(x))
    groups = np.moveaxis(found, axis, -1).reshape(2, 64, 2, 4).astype("float64")
    np.testing.assert_allclose(groups.mean(axis=(1, 3)), 0.0, atol=1e-5)
    np.testing.assert_allclose(groups.var(axis=(1, 3)), 1.0, atol=1e-3)
