"""The networks for one data type, by name, and what they are asked."""

import functools

import numpy as np

import keras_bfn
from tests.models.small import FLOWS

NETWORKS = {
    "MLP": lambda flow, **kwargs: keras_bfn.networks.MLP(
        flow, (4, 4, 3), width=8, num_blocks=2, **kwargs
    ),
    "UNet": lambda flow, **kwargs: keras_bfn.networks.UNet(
        flow, (4, 4, 3), width=8, num_blocks=1, num_heads=2, **kwargs
    ),
    "UNet, signals": lambda flow, **kwargs: keras_bfn.networks.UNet(
        flow, (8, 3), width=8, num_blocks=1, num_heads=2, **kwargs
    ),
    "VDMUNet": lambda flow, **kwargs: keras_bfn.networks.VDMUNet(
        flow, (4, 4, 3), width=8, num_blocks=1, num_heads=2, **kwargs
    ),
    "PatchTransformer": lambda flow, **kwargs: keras_bfn.networks.PatchTransformer(
        flow, (4, 4, 3), patch_size=2, width=8, num_layers=2, **kwargs
    ),
    "PatchTransformer, coarse": lambda flow, **kwargs: keras_bfn.networks.PatchTransformer(
        flow, (4, 4, 3), patch_size=1, width=8, num_layers=2, num_coarse_layers=1, **kwargs
    ),
    "Transformer": lambda flow, **kwargs: keras_bfn.networks.Transformer(
        flow, 12, width=8, num_layers=2, num_heads=2, **kwargs
    ),
}


# Signals differ from images by the convolutions alone, which tests that ask a network are about.
def event_shape(name):
    return {"Transformer": (12,), "UNet, signals": (8, 3)}.get(name, (4, 4, 3))


def make_inputs(name, flow, seed=0):
    rng = np.random.default_rng(seed)
    theta = rng.uniform(size=(2, *event_shape(name), flow.theta_size)).astype("float32")
    return {"theta": theta, "t": np.array([0.1, 0.9], "float32")}


def randomize(network, seed=0):
    """Gives every weight a value of its own: zero initialisers hide what lies before them."""
    rng = np.random.default_rng(seed)
    network.set_weights([0.3 * rng.standard_normal(w.shape) for w in network.get_weights()])


@functools.cache
def random_network(name):
    """One network for all tests that only ask it."""
    network = NETWORKS[name](FLOWS["binary"]())
    randomize(network)
    return network
