"""Group normalisation."""

import keras
import numpy as np
import pytest

from keras_bfn.layers.normalization import group_norm


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
