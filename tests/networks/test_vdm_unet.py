"""The network of variational diffusion models: one resolution, and Fourier features of theta."""

import numpy as np
import pytest

from keras_bfn import networks, testing
from keras_bfn.layers import ConvBlock
from tests.models.small import FLOWS
from tests.networks.cases import make_inputs, randomize
from tests.tensors import run

FORMAT = {"data_format": "channels_last"}


@pytest.mark.once
@pytest.mark.parametrize("image_shape", [(5, 7, 1), (9,)])
def test_positions_of_any_number_keep_the_contract(image_shape):
    flow = FLOWS["discretized"]()
    testing.check_network(networks.VDMUNet(flow, image_shape, 8, num_blocks=1), flow)


@pytest.mark.once
def test_all_blocks_have_all_positions():
    network = networks.VDMUNet(FLOWS["binary"](), (5, 7, 1), 8, num_blocks=3, **FORMAT)
    blocks = [layer for layer in network.layers if isinstance(layer, ConvBlock)]
    assert [tuple(block.output.shape[1:]) for block in blocks] == [(5, 7, 8)] * (3 + 2 + 4)
    assert not any(block.add_time.use_bias for block in blocks)


@pytest.mark.once
def test_theta_itself_joins_the_output():
    """Without what the blocks say, the output is a projection of theta, in [-1, 1]."""
    network = networks.VDMUNet(FLOWS["binary"](), (4, 4, 3), 8, 1, shortcut=False, **FORMAT)
    randomize(network)
    last = network.get_layer("conv_out")
    last.set_weights([0.0 * weight for weight in last.get_weights()])
    kernel, bias = network.get_layer("output_projection").get_weights()
    inputs = make_inputs("VDMUNet", FLOWS["binary"]())
    expected = (2.0 * inputs["theta"][..., 0] - 1.0) @ kernel[:3] + bias
    np.testing.assert_allclose(run(network, inputs)[..., 0], expected, rtol=1e-4, atol=1e-4)


@pytest.mark.once
def test_fine_differences_of_theta_are_seen_by_fast_sinusoids():
    """Means that differ by 2^-8, one level of 256, differ as much to the first convolution."""
    network = networks.VDMUNet(FLOWS["discretized"](), (4, 4, 1), 8, num_blocks=1, **FORMAT)
    (features,) = (layer for layer in network.layers if layer.name.startswith("fourier"))
    near, far = (
        np.abs(run(features, np.full((1, 1), x)) - run(features, np.zeros((1, 1)))).max()
        for x in (2.0**-8, 1.0)
    )
    assert near > 0.5 * far
