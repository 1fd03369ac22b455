"""Networks compute the same, whatever image data format is Keras's default."""

import keras
import numpy as np
import pytest

from keras_bfn import flows, metrics, networks
from tests.backends import everywhere
from tests.models.small import FLOWS
from tests.networks.cases import NETWORKS, randomize
from tests.tensors import run

PARTS = {"image": flows.DiscreteFlow(2, beta_1=3.0), "text": flows.DiscreteFlow(5, beta_1=1.0)}
SHAPES = {"image": (4, 4, 1), "text": (6,)}


def of_parts(mixer):
    steps = {"steps": ("text",)} if mixer == "sequence" else {}
    return networks.MultiPart(PARTS, SHAPES, width=8, num_blocks=2, mixer=mixer, **steps)


def of_part_networks():
    image, text = PARTS.values()
    told = {"width": 8, "num_layers": 1, "conditions": (8,)}
    own = {
        "image": networks.PatchTransformer(image, (4, 4, 1), patch_size=2, **told),
        "text": networks.Transformer(text, 6, num_heads=2, **told),
    }
    return networks.MultiPart(PARTS, SHAPES, width=8, num_blocks=2, networks=own)


def causal():
    options = {"width": 8, "num_layers": 2, "num_heads": 2, "times": "variables"}
    return networks.Transformer(PARTS["text"], 6, causal=True, kernel_size=3, **options)


CASES = {
    **{name: lambda make=make: make(FLOWS["continuous"]()) for name, make in NETWORKS.items()},
    "MLP, conditions": lambda: NETWORKS["MLP"](FLOWS["binary"](), conditions=(3, 4)),
    "Transformer, causal": causal,
    "MultiPart, mlp": lambda: of_parts("mlp"),
    "MultiPart, sequence": lambda: of_parts("sequence"),
    "MultiPart, transformer": lambda: of_parts("transformer"),
    "MultiPart, networks": of_part_networks,
}


@pytest.fixture
def channels_first():
    """Sets the default, and resets it after the test."""
    before = keras.config.image_data_format()
    yield lambda: keras.config.set_image_data_format("channels_first")
    keras.config.set_image_data_format(before)


def draw_inputs(network):
    """Random inputs of a functional network; all that is true or false is true."""
    rng = np.random.default_rng(0)

    def draw(symbolic):
        shape = (2, *symbolic.shape[1:])
        values = rng.uniform(size=shape) if "float" in symbolic.dtype else np.ones(shape)
        return values.astype(symbolic.dtype)

    return keras.tree.map_structure(draw, network.input)


@pytest.mark.slow_to_compile
@pytest.mark.parametrize("make", everywhere(CASES, "Transformer, causal", "MLP"))
def test_a_network_computes_the_same_by_either_default(make, channels_first):
    network = make()
    randomize(network)
    inputs = draw_inputs(network)
    expected = run(network, inputs)
    channels_first()
    same = make()
    same.set_weights(network.get_weights())
    loaded = type(network).from_config(network.get_config())
    loaded.set_weights(network.get_weights())
    for other in (network, same, loaded):
        found = run(other, inputs)
        for one, value in zip(keras.tree.flatten(found), keras.tree.flatten(expected), strict=True):
            np.testing.assert_allclose(one, value, rtol=1e-4, atol=1e-4)


@pytest.mark.once
def test_features_of_images_are_of_the_same_network_by_either_default(channels_first):
    rng = np.random.default_rng(0)
    images, labels = rng.uniform(size=(20, 8, 12, 1)), rng.integers(0, 2, 20)

    def shapes():
        quality = metrics.SampleQuality(images, labels, num_features=4, epochs=1, verbose=0)
        return [w.shape for w in quality._network.get_weights()]

    expected = shapes()
    channels_first()
    assert shapes() == expected
