"""The models that several benchmarks measure, each with a batch of data."""

from typing import Any, NamedTuple

import keras
import numpy as np

from keras_bfn import flows, networks


class Case(NamedTuple):
    """A flow or a dict of flows, a network for it, and a batch of data."""

    flow: Any
    network: Any
    x: Any


def integers(high, shape):
    return np.random.default_rng(0).integers(0, high, shape, dtype="int32")


def unet(width=64, num_blocks=2, side=28, batch_size=16, data_format=None):
    """The paper's network for binary MNIST, with the paper's size at width 128."""
    flow = flows.DiscreteFlow(2, beta_1=9.0)
    network = networks.UNet(
        flow,
        (side, side, 1),
        width,
        (1, 2, 2),
        num_blocks,
        data_format=data_format,
        shortcut=False,
    )
    return Case(flow, network, integers(2, (batch_size, side, side, 1)))


def vdm(width=32, num_blocks=8, side=32, batch_size=8, data_format=None):
    """The paper's network for CIFAR-10, with the paper's size at width 128 and 32 blocks."""
    flow = flows.DiscretizedFlow(256)
    network = networks.VDMUNet(
        flow, (side, side, 3), width, num_blocks, data_format=data_format, shortcut=False
    )
    return Case(flow, network, integers(256, (batch_size, side, side, 3)))


def patches(side=64, width=128, batch_size=16):
    """Colour pictures, by the network of `examples/image_folder.py`."""
    flow = flows.DiscretizedFlow(256, sigma_1=1e-3)
    network = networks.PatchTransformer(
        flow,
        (side, side, 3),
        patch_size=2,
        width=width,
        num_coarse_layers=3,
        coarse_width=3 * width // 2,
    )
    return Case(flow, network, integers(256, (batch_size, side, side, 3)))


def transformer(num_classes=27, length=256, width=256, num_layers=6, num_heads=4, batch_size=16):
    """A smaller version of the paper's network for text8."""
    flow = flows.DiscreteFlow(num_classes, beta_1=0.75**2)
    network = networks.Transformer(
        flow,
        length,
        width,
        num_layers,
        num_heads,
        kernel_size=1,
        expansion=4,
        positions="sinusoidal",
        features="plain",
        shortcut=False,
    )
    return Case(flow, network, integers(num_classes, (batch_size, length)))


def classes(num_classes=5000, length=64, num_layers=2, **sizes):
    """A network for text with one token per word."""
    return transformer(num_classes, length, num_layers=num_layers, **sizes)


def large_classes(**sizes):
    """A network for as many tokens, as wide as the paper's for text8 and half as deep."""
    large = {"width": 768, "num_layers": 12, "num_heads": 12, "batch_size": 4}
    return classes(**{**large, **sizes})


def mlp(num_variables=64, width=128, batch_size=200):
    """The smallest network, whose step is mostly overhead."""
    flow = flows.DiscreteFlow(2, beta_1=3.0)
    network = networks.MLP(flow, (num_variables,), width)
    return Case(flow, network, integers(2, (batch_size, num_variables)))


def parts(side=28, width=128, num_blocks=3, batch_size=32):
    """Images with labels."""
    flow = {"image": flows.DiscretizedFlow(256), "label": flows.DiscreteFlow(10, beta_1=3.0)}
    network = networks.MultiPart(flow, {"image": (side, side, 1), "label": ()}, width, num_blocks)
    x = {"image": integers(256, (batch_size, side, side, 1)), "label": integers(10, (batch_size,))}
    return Case(flow, network, x)


def large_parts(**sizes):
    return parts(**{"width": 512, "num_blocks": 6, "batch_size": 8, **sizes})


CONVOLUTIONAL = ("unet", "vdm")
CASES = {
    case.__name__: case
    for case in (unet, vdm, patches, transformer, classes, large_classes, mlp, parts, large_parts)
}
TOYS = {
    "unet": {"width": 8, "num_blocks": 1, "side": 8, "batch_size": 2},
    "vdm": {"width": 8, "num_blocks": 1, "side": 8, "batch_size": 2},
    "patches": {"side": 8, "width": 16, "batch_size": 2},
    "transformer": {"length": 8, "width": 16, "num_layers": 1, "num_heads": 2, "batch_size": 2},
    "classes": {"num_classes": 50, "length": 8, "width": 16, "num_layers": 1, "batch_size": 2},
    "mlp": {"num_variables": 4, "width": 16, "batch_size": 2},
    "parts": {"side": 4, "width": 16, "num_blocks": 1, "batch_size": 2},
}
TOYS |= {f"large_{name}": TOYS[name] for name in ("classes", "parts")}


def make_case(name, toy=False, **sizes):
    """Returns a new case, with the same weights each time; `toy` selects a size for tests."""
    keras.utils.set_random_seed(0)
    return CASES[name](**{**(TOYS[name] if toy else {}), **sizes})


def count_rows(x):
    return len(keras.tree.flatten(x)[0])


def network_inputs(network, batch_size):
    """Returns random tensors with the shapes of the network's inputs and outputs."""
    rng = np.random.default_rng(0)

    def draw(tensor):
        values = rng.uniform(0.1, 0.9, (batch_size, *tensor.shape[1:]))
        return keras.ops.convert_to_tensor(values, "float32")

    return keras.tree.map_structure(draw, (network.input, network.output))
