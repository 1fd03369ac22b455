"""An MLP sees all variables at once, in any shape, and has theta itself before its output."""

import numpy as np
import pytest

from keras_bfn import networks, testing
from keras_bfn.layers import DenseBlock
from tests.models.small import FLOWS
from tests.networks.cases import make_inputs, randomize
from tests.tensors import run


@pytest.mark.once
@pytest.mark.parametrize("event_shape", [(), (5,), (2, 1, 3, 2)])
def test_data_of_any_shape_keep_the_contract(event_shape):
    flow = FLOWS["continuous"]()
    testing.check_network(networks.MLP(flow, event_shape, width=8, num_blocks=1), flow)


@pytest.mark.once
def test_blocks_have_the_number_and_the_width_that_they_are_given():
    network = networks.MLP(FLOWS["binary"](), (4,), width=8, num_blocks=3, expansion=5, dropout=0.5)
    blocks = [layer for layer in network.layers if isinstance(layer, DenseBlock)]
    assert [(block.hidden_size, block.dropout) for block in blocks] == [(40, 0.5)] * 3


@pytest.mark.once
def test_theta_joins_the_output_however_it_was_embedded():
    """Without what the blocks say, the output is a projection of theta, scaled to [-1, 1]."""
    flow = FLOWS["binary"]()
    network = networks.MLP(flow, (4, 4, 3), 8, num_blocks=1)
    randomize(network)
    (norm,) = (each for each in network.layers if each.name.startswith("layer_normalization"))
    norm.set_weights([0.0 * weight for weight in norm.get_weights()])
    kernel, bias = network.get_layer("output_projection").get_weights()
    inputs = make_inputs("MLP", flow)
    theta = 2.0 * inputs["theta"].reshape(2, 48) - 1.0
    own = np.log(inputs["theta"]) - np.log1p(-inputs["theta"])  # of the shortcut
    expected = (theta @ kernel[:48] + bias).reshape(2, 4, 4, 3, 1) + own
    np.testing.assert_allclose(run(network, inputs), expected, rtol=1e-4, atol=1e-4)
