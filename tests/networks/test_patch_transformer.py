"""Patches are squares of the image, in reading order, which are put together again."""

import numpy as np
import pytest

from keras_bfn import networks
from keras_bfn.networks.patch_transformer import cut_squares, join_squares
from tests.models.small import FLOWS
from tests.networks.cases import randomize
from tests.tensors import run, to_numpy, to_tensor


@pytest.mark.once
@pytest.mark.parametrize("size", [1, 2])
def test_squares_are_joined_in_reading_order_and_cut_again(size):
    x = np.arange(2 * 4 * 6 * 3.0).reshape(2, 4, 6, 3)
    joined = to_numpy(join_squares(to_tensor(x), size, "float32"))
    squares = [
        x[:, i : i + size, j : j + size].reshape(2, -1)
        for i in range(0, 4, size)
        for j in range(0, 6, size)
    ]
    np.testing.assert_array_equal(joined, np.stack(squares, axis=1))
    cut = to_numpy(cut_squares(to_tensor(joined), 4, 6, size, "float32"))
    np.testing.assert_array_equal(cut, x)


def changed(network, pixel):
    """Which pixels of the output change with one of theta."""
    theta = np.full((1, *network.image_shape, 1), 0.3, "float32")
    moved = theta.copy()
    moved[0, *pixel] = 0.6
    outputs = [run(network, {"theta": x, "t": np.full(1, 0.5, "float32")}) for x in (theta, moved)]
    return np.abs(outputs[0] - outputs[1])[0, :, :, 0, 0] > 1e-6


def make_network(patch_size, image_shape=(8, 12, 1), **options):
    network = networks.PatchTransformer(FLOWS["binary"](), image_shape, patch_size, 8, **options)
    randomize(network)
    return network


@pytest.mark.once
@pytest.mark.parametrize(("patch_size", "columns"), [(2, slice(3, 9)), (4, slice(0, 9))])
def test_a_block_sees_its_patch_and_neighbours_and_the_last_layer_one_pixel_more(
    patch_size, columns
):
    """A kernel of two sees the patch itself, and those on the right and below."""
    expected = np.zeros((8, 12), bool)
    expected[:5, columns] = True
    network = make_network(patch_size, num_layers=1, kernel_size=2)
    np.testing.assert_array_equal(changed(network, (2, 6)), expected)


@pytest.mark.once
@pytest.mark.parametrize(
    "options", [{"num_heads": 2, "kernel_size": 1}, {"num_coarse_layers": 1, "num_layers": 2}]
)
def test_attention_and_coarse_blocks_see_all_patches_of_a_small_image(options):
    network = make_network(2, (8, 8, 1), **{"num_layers": 1, **options})
    seen = changed(network, (0, 0)).reshape(4, 2, 4, 2).any(axis=(1, 3))
    assert seen.all()
