"""A U-Net: blocks at each level, the time as a channel, and the input before the output."""

import numpy as np
import pytest

from keras_bfn import networks
from keras_bfn.layers import ConvBlock
from tests.models.small import FLOWS
from tests.networks.cases import make_inputs, randomize
from tests.tensors import run

FORMAT = {"data_format": "channels_last"}


@pytest.mark.once
@pytest.mark.parametrize("image_shape", [(8, 12, 1), (8, 2)])
def test_each_level_has_half_the_positions_and_a_width_of_its_own(image_shape):
    multipliers, num_blocks = (1, 3, 2), 2
    network = networks.UNet(
        FLOWS["binary"](), image_shape, 8, multipliers, num_blocks, num_heads=1, **FORMAT
    )
    blocks = [layer for layer in network.layers if isinstance(layer, ConvBlock)]
    found = [tuple(block.output.shape[1:]) for block in blocks]
    positions = np.array(image_shape[:-1])
    levels = [(*(positions // 2**i), 8 * multiplier) for i, multiplier in enumerate(multipliers)]
    down = [level for level in levels for _ in range(num_blocks)]
    up = [level for level in reversed(levels) for _ in range(num_blocks + 1)]
    assert found == [*down, levels[-1], levels[-1], *up]


@pytest.mark.once
def test_the_input_with_the_time_joins_the_output():
    """Without what the levels say, the output is a projection of theta and time, in [-1, 1]."""
    network = networks.UNet(FLOWS["binary"](), (4, 4, 3), 8, (1,), 1, 1, shortcut=False, **FORMAT)
    randomize(network)
    last = network.get_layer("conv_out")
    last.set_weights([0.0 * weight for weight in last.get_weights()])
    first, second = (
        network.get_layer(f"{name}_projection").get_weights() for name in ("input", "output")
    )
    inputs = make_inputs("UNet", FLOWS["binary"]())
    time = np.broadcast_to(inputs["t"][:, None, None, None], (2, 4, 4, 1))
    x = 2.0 * np.concatenate([inputs["theta"][..., 0], time], axis=-1) - 1.0
    expected = (x @ first[0] + first[1]) @ second[0][:8] + second[1]
    np.testing.assert_allclose(run(network, inputs)[..., 0], expected, rtol=1e-4, atol=1e-4)
