"""The presets: the paper's six models, and small ones whose weights are in this package."""

import functools
import math
import pathlib

from keras_bfn import datasets, flows, networks
from keras_bfn.presets.preset import Preset, Recipe

_HERE = pathlib.Path(__file__).parent
_AUTHORS = "hf://rupspace/pretrained-BFNs"
_SIGMA_16 = math.sqrt(1e-3)  # of 16 bins


def _cifar10(name, what, num_params, make_flow):
    """A preset of CIFAR-10: the name of its weights, and what it sends."""
    return Preset(
        f"CIFAR-10 in {what}, as the paper has it.",
        num_params=num_params,
        weights=f"{_AUTHORS}/cifar10_{name}_ema.pt",
        make_flow=make_flow,
        make_network=functools.partial(
            networks.VDMUNet,
            image_shape=(32, 32, 3),
            width=128,
            num_blocks=32,
            num_heads=1,
            dropout=0.1,
            shortcut=False,
        ),
        recipe=Recipe(batch_size=32, num_steps=1_000_000, learning_rate=2e-4, beta_2=0.99),
    )


def _continuous(levels, sigma_1, **options):
    flow = functools.partial(flows.ContinuousFlow, sigma_1, num_bins=levels, **options)
    return _cifar10(f"{levels}c", f"{levels} bins, sent as numbers", 30_722_188, flow)


def _discretized(levels, sigma_1):
    flow = functools.partial(flows.DiscretizedFlow, num_bins=levels, sigma_1=sigma_1)
    return _cifar10(f"{levels}d", f"{levels} bins, discretised", 30_722_584, flow)


PRESETS = {
    "bfn_digits": Preset(
        "8x8 digits with 17 levels, discretised: a small U-Net trained by examples/digits.py.",
        num_params=168_434,
        weights=str(_HERE / "bfn_digits"),
    ),
    "bfn_digits_classes": Preset(
        "The same, told which digit it is: conditions 0 to 9, or 10 for none.",
        num_params=169_138,
        weights=str(_HERE / "bfn_digits_classes"),
    ),
    "bfn_mnist": Preset(
        "MNIST, binarised, told which digit it is or not: patches, trained by examples/mnist.py.",
        num_params=1_058_419,
        weights=str(_HERE / "bfn_mnist"),
    ),
    "bfn_text": Preset(
        "256 of 27 letters, from a novel: a Transformer without attention, by examples/text8.py.",
        num_params=1_000_731,
        weights=str(_HERE / "bfn_text"),
    ),
    "bfn_mnist_binary": Preset(
        "MNIST, binarised, as the paper has it.",
        num_params=24_808_961,
        weights=f"{_AUTHORS}/mnist_ema.pt",
        make_flow=functools.partial(flows.DiscreteFlow, num_classes=2, beta_1=9.0),
        make_network=functools.partial(
            networks.UNet,
            image_shape=(28, 28, 1),
            width=128,
            width_multipliers=(1, 2, 2),
            num_blocks=2,
            num_heads=4,
            dropout=0.5,
            shortcut=False,
        ),
        recipe=Recipe(batch_size=512, num_steps=1_000_000, learning_rate=1e-4, beta_2=0.98),
    ),
    # The paper's code reconstructs 16 bins with a normal narrower than sigma_1.
    "bfn_cifar10_continuous_16": _continuous(16, _SIGMA_16, reconstruction_std=0.7 * _SIGMA_16),
    "bfn_cifar10_continuous_256": _continuous(256, 1e-3),
    "bfn_cifar10_discretized_16": _discretized(16, _SIGMA_16),
    "bfn_cifar10_discretized_256": _discretized(256, 1e-3),
    "bfn_text8": Preset(
        "text8, 256 of 27 letters, as the paper has it.",
        num_params=170_175_003,
        weights=f"{_AUTHORS}/text8_ema.pt",
        make_flow=functools.partial(flows.DiscreteFlow, num_classes=27, beta_1=0.75**2),
        make_network=functools.partial(
            networks.Transformer,
            event_shape=256,
            width=768,
            num_layers=24,
            num_heads=12,
            kernel_size=1,
            expansion=4,
            positions="sinusoidal",
            features="plain",
            shortcut=False,
        ),
        recipe=Recipe(
            batch_size=416 * 8,
            num_steps=10_000_000,
            learning_rate=1e-4,
            beta_2=0.98,
            excluded_from_weight_decay=("bias", "gamma", "beta"),
        ),
        tokenizer=datasets.Letters(),
    ),
}
"""All presets: a dict from their names, which `from_preset` takes, to a `Preset` each."""
