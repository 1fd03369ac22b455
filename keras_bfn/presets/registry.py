"""Presets by name: the paper's six, and small models whose weights are in this package."""

import dataclasses
import difflib
import functools
import math
import os
import pathlib
from collections.abc import Callable

import keras

from keras_bfn import datasets, flows, networks
from keras_bfn._validation import check_bool, refusal
from keras_bfn.checkpoints.official import load_official
from keras_bfn.networks.network import check_policy
from keras_bfn.presets.folder import files_of, load_folder
from keras_bfn.saving.hubs import download, is_handle

_HERE = pathlib.Path(__file__).parent
_AUTHORS = "hf://rupspace/pretrained-BFNs"
_SIGMA_16 = math.sqrt(1e-3)  # for 16 bins


@dataclasses.dataclass(frozen=True)
class Recipe:
    """The paper's training settings of a model.

    Args:
        batch_size, num_steps: ints.
        learning_rate, beta_2: settings of AdamW. The rate is constant.
        excluded_from_weight_decay: tuple of strings. Weights with one of these in their name are
            not decayed. Keras does not save this with an optimizer.

    Example:

    >>> recipe = keras_bfn.presets.PRESETS["bfn_mnist_binary"].recipe
    >>> [recipe.batch_size, recipe.learning_rate, recipe.optimizer().ema_momentum]
    [512, 0.0001, 0.9999]
    """

    batch_size: int
    num_steps: int
    learning_rate: float
    beta_2: float
    excluded_from_weight_decay: tuple = ()

    def optimizer(self) -> keras.optimizers.AdamW:
        """Returns an `AdamW` that averages weights and clips gradients at norm 5."""
        optimizer = keras.optimizers.AdamW(
            self.learning_rate,
            beta_2=self.beta_2,
            epsilon=1e-8,
            weight_decay=0.01,
            global_clipnorm=5.0,
            use_ema=True,
            ema_momentum=0.9999,
        )
        if self.excluded_from_weight_decay:
            optimizer.exclude_from_weight_decay(var_names=list(self.excluded_from_weight_decay))
        return optimizer


@dataclasses.dataclass(frozen=True)
class Preset:
    """A model by name.

    Args:
        description: one sentence.
        num_params: int. The number of the network's weights.
        weights: the location of the weights: a folder of this package, or `hf://owner/repo/file`, a
            checkpoint of the paper's authors.
        make_flow: function that returns the flow; None if the folder holds it.
        make_network: function that takes the flow and returns the network; None if the folder holds
            it.
        recipe: a `Recipe`, or None.
        tokenizer: the model's tokenizer, or None; a model loaded from a folder brings its own.

    Example:

    >>> keras_bfn.presets.PRESETS["bfn_digits"].num_params > 100_000
    True
    """

    description: str
    num_params: int
    weights: str
    make_flow: Callable | None = None
    make_network: Callable | None = None
    recipe: Recipe | None = None
    tokenizer: datasets.Tokenizer | None = None


def _cifar10(name, what, num_params, make_flow):
    """Returns a preset for CIFAR-10, given the name of its weights and what it sends."""
    return Preset(
        f"CIFAR-10 in {what}, as in the paper.",
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
    return _cifar10(f"{levels}c", f"{levels} bins, as continuous data", 30_722_188, flow)


def _discretized(levels, sigma_1):
    flow = functools.partial(flows.DiscretizedFlow, num_bins=levels, sigma_1=sigma_1)
    return _cifar10(f"{levels}d", f"{levels} bins, as discretised data", 30_722_584, flow)


PRESETS = {
    "bfn_digits": Preset(
        "8x8 digits with 17 levels, as discretised data: a small U-Net, by examples/digits.py.",
        num_params=168_434,
        weights=str(_HERE / "bfn_digits"),
    ),
    "bfn_digits_classes": Preset(
        "8x8 digits with 17 levels, conditioned on the digit: a U-Net, by examples/digits.py.",
        num_params=169_138,
        weights=str(_HERE / "bfn_digits_classes"),
    ),
    "bfn_digits_student": Preset(
        "A student of `bfn_digits_classes`, for one to four network calls, by examples/distil.py.",
        num_params=177_586,
        weights=str(_HERE / "bfn_digits_student"),
    ),
    "bfn_mnist": Preset(
        "Binarised MNIST, conditioned on the digit: a PatchTransformer, by examples/mnist.py.",
        num_params=1_058_419,
        weights=str(_HERE / "bfn_mnist"),
    ),
    "bfn_photographs": Preset(
        "16x16 pieces of five photographs, conditioned on the photograph: a PatchTransformer, by "
        "examples/photographs.py.",
        num_params=1_058_904,
        weights=str(_HERE / "bfn_photographs"),
    ),
    "bfn_text": Preset(
        "256 letters of a novel, in any order: a causal Transformer, by examples/text8.py.",
        num_params=1_000_859,
        weights=str(_HERE / "bfn_text"),
    ),
    "bfn_mnist_binary": Preset(
        "Binarised MNIST, as in the paper.",
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
    # For 16 bins, the paper's code reconstructs with a normal narrower than sigma_1.
    "bfn_cifar10_continuous_16": _continuous(16, _SIGMA_16, reconstruction_std=0.7 * _SIGMA_16),
    "bfn_cifar10_continuous_256": _continuous(256, 1e-3),
    "bfn_cifar10_discretized_16": _discretized(16, _SIGMA_16),
    "bfn_cifar10_discretized_256": _discretized(256, 1e-3),
    "bfn_text8": Preset(
        "text8, 256 letters, as in the paper.",
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
"""All presets: a dict from the names that `from_preset` takes to `Preset` objects."""


def load_preset(cls, preset, load_weights=True, dtype=None):
    """Loads a model of class `cls`: see `BayesianFlowNetwork.from_preset`."""
    check_bool("load_weights", load_weights)
    dtype = None if dtype is None else check_policy(dtype)
    known = PRESETS.get(preset) if isinstance(preset, str) else None
    if known is not None and known.make_flow is not None:
        flow = known.make_flow()
        model = cls(flow, known.make_network(flow, dtype=dtype), tokenizer=known.tokenizer)
        model.compile(known.recipe.optimizer())
        if load_weights:
            load_official(model.network, known.weights)
        return model
    folder = preset if known is None else known.weights
    if is_handle(preset):
        folder = download("preset", preset, files_of(load_weights))
    elif not isinstance(folder, (str, os.PathLike)) or not os.path.isdir(folder):
        handles = "hf://user/repo, kaggle://user/model/framework/variation"
        others = f"{handles}, or a folder written by `save_to_preset`"
        near = difflib.get_close_matches(str(preset), PRESETS, 1)
        others += f". Did you mean {near[0]!r}?" if near else ""
        raise refusal("preset", f"must be one of {list(PRESETS)}, {others}", preset)
    return load_folder(cls, folder, preset, load_weights, dtype)
