"""The presets: the paper's six models, and two small ones whose weights are in this package."""

import math
import pathlib

from keras_bfn import flows, networks
from keras_bfn.presets.preset import Preset, Recipe

_AUTHORS = "hf://rupspace/pretrained-BFNs"


def _binary():
    return flows.DiscreteFlow(num_classes=2, beta_1=9.0)


def _letters():
    return flows.DiscreteFlow(num_classes=27, beta_1=0.75**2)


def _continuous_16():
    sigma_1 = math.sqrt(1e-3)
    # The paper's code reconstructs 16 bins with a normal narrower than sigma_1.
    return flows.ContinuousFlow(sigma_1, num_bins=16, reconstruction_std=0.7 * sigma_1)


def _continuous_256():
    return flows.ContinuousFlow(sigma_1=1e-3, num_bins=256)


def _discretized_16():
    return flows.DiscretizedFlow(num_bins=16, sigma_1=math.sqrt(1e-3))


def _discretized_256():
    return flows.DiscretizedFlow(num_bins=256, sigma_1=1e-3)


def _mnist(flow):
    return networks.UNet(
        flow,
        image_shape=(28, 28, 1),
        width=128,
        width_multipliers=(1, 2, 2),
        num_blocks=2,
        num_heads=4,
        dropout=0.5,
        shortcut=False,
    )


def _cifar10(flow):
    return networks.VDMUNet(
        flow,
        image_shape=(32, 32, 3),
        width=128,
        num_blocks=32,
        num_heads=1,
        dropout=0.1,
        shortcut=False,
    )


def _text8(flow):
    return networks.Transformer(
        flow, sequence_length=256, width=768, num_layers=24, num_heads=12, shortcut=False
    )


_CIFAR10_RECIPE = Recipe(batch_size=32, num_steps=1_000_000, learning_rate=2e-4, beta_2=0.99)

PRESETS = {
    "bfn_digits": Preset(
        "8x8 digits with 17 levels, discretised: a small U-Net trained by examples/digits.py.",
        num_params=168_434,
        weights=str(pathlib.Path(__file__).parent / "bfn_digits"),
    ),
    "bfn_digits_classes": Preset(
        "The same, told which digit it is: conditions 0 to 9, or 10 for none.",
        num_params=169_138,
        weights=str(pathlib.Path(__file__).parent / "bfn_digits_classes"),
    ),
    "bfn_mnist_binary": Preset(
        "MNIST, binarised, as the paper has it.",
        num_params=24_808_961,
        weights=f"{_AUTHORS}/mnist_ema.pt",
        make_flow=_binary,
        make_network=_mnist,
        recipe=Recipe(batch_size=512, num_steps=1_000_000, learning_rate=1e-4, beta_2=0.98),
    ),
    "bfn_cifar10_continuous_16": Preset(
        "CIFAR-10 in 16 bins, sent as numbers, as the paper has it.",
        num_params=30_722_188,
        weights=f"{_AUTHORS}/cifar10_16c_ema.pt",
        make_flow=_continuous_16,
        make_network=_cifar10,
        recipe=_CIFAR10_RECIPE,
    ),
    "bfn_cifar10_continuous_256": Preset(
        "CIFAR-10 in 256 bins, sent as numbers, as the paper has it.",
        num_params=30_722_188,
        weights=f"{_AUTHORS}/cifar10_256c_ema.pt",
        make_flow=_continuous_256,
        make_network=_cifar10,
        recipe=_CIFAR10_RECIPE,
    ),
    "bfn_cifar10_discretized_16": Preset(
        "CIFAR-10 in 16 bins, discretised, as the paper has it.",
        num_params=30_722_584,
        weights=f"{_AUTHORS}/cifar10_16d_ema.pt",
        make_flow=_discretized_16,
        make_network=_cifar10,
        recipe=_CIFAR10_RECIPE,
    ),
    "bfn_cifar10_discretized_256": Preset(
        "CIFAR-10 in 256 bins, discretised, as the paper has it.",
        num_params=30_722_584,
        weights=f"{_AUTHORS}/cifar10_256d_ema.pt",
        make_flow=_discretized_256,
        make_network=_cifar10,
        recipe=_CIFAR10_RECIPE,
    ),
    "bfn_text8": Preset(
        "text8, 256 of 27 letters, as the paper has it.",
        num_params=170_175_003,
        weights=f"{_AUTHORS}/text8_ema.pt",
        make_flow=_letters,
        make_network=_text8,
        recipe=Recipe(
            batch_size=416 * 8,
            num_steps=10_000_000,
            learning_rate=1e-4,
            beta_2=0.98,
            excluded_from_weight_decay=("bias", "gamma", "beta"),
        ),
    ),
}
