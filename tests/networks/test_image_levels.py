"""The levels of images and signals: data formats, what can be halved, and what is convolved."""

import keras
import numpy as np
import pytest

import keras_bfn
from keras_bfn import testing
from keras_bfn.networks.image_levels import check_image_shape
from tests.backends import everywhere
from tests.models.small import FLOWS
from tests.networks.cases import NETWORKS, make_inputs, randomize
from tests.tensors import run


@pytest.mark.slow_to_compile
@pytest.mark.parametrize("name", everywhere(["UNet", "UNet, signals", "VDMUNet"], "UNet"))
def test_both_data_formats_compute_the_same(name):
    if keras.backend.backend() == "tensorflow":
        pytest.skip("TensorFlow has no channels-first convolutions on the CPU")
    flow = FLOWS["discrete"]()
    last = NETWORKS[name](flow, data_format="channels_last")
    first = NETWORKS[name](flow, data_format="channels_first")
    randomize(last)
    first.set_weights(last.get_weights())
    outputs = [run(n, make_inputs(name, flow)) for n in (last, first)]
    np.testing.assert_allclose(*outputs, rtol=1e-4, atol=1e-4)


@pytest.mark.once
@pytest.mark.parametrize(("network", "shape"), [("UNet", (8,)), ("VDMUNet", (7, 2))])
def test_signals_of_one_channel_and_of_several_keep_the_contract(network, shape):
    flow = FLOWS["continuous"]()
    network = getattr(keras_bfn.networks, network)(flow, shape, width=8, num_blocks=1, num_heads=1)
    testing.check_network(network, flow)


@pytest.mark.once
def test_a_signal_is_convolved_along_its_length_only():
    """What is later is predicted later, but for the ends."""
    flow = FLOWS["continuous"]()
    options = {"width": 8, "width_multipliers": (1,), "num_blocks": 1, "shortcut": False}
    network = keras_bfn.networks.UNet(flow, (32, 2), num_heads=1, **options)
    randomize(network)
    attention = network.get_layer("middle_attention")  # from everywhere to everywhere
    attention.set_weights([0.0 * w for w in attention.get_weights()])
    theta = np.zeros((1, 32, 2, 1), "float32")
    theta[0, 14, 1] = 0.5
    inputs = {"t": np.full(1, 0.5, "float32")}
    here, there = (
        run(network, {**inputs, "theta": np.roll(theta, shift, axis=1)}) for shift in (0, 3)
    )
    np.testing.assert_allclose(np.roll(here, 3, axis=1)[0, 12:-12], there[0, 12:-12], atol=1e-4)
    assert np.abs(here - there)[0, 12:-12].max() > 0.01


@pytest.mark.once
def test_sizes_may_be_integers_of_numpy():
    """As in all other networks."""
    assert check_image_shape(tuple(np.array([4, 8, 3])), 3) == (4, 8, 3)
