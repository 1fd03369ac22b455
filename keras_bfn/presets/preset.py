"""What a preset is, and its folder on disk."""

import dataclasses
import json
import os
import pathlib
from collections.abc import Callable

import keras

CONFIG, WEIGHTS, METADATA = "config.json", "model.weights.h5", "metadata.json"


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How the paper trained a model.

    Args:
        batch_size, num_steps: ints.
        learning_rate, beta_2: of AdamW. The rate is constant.
        excluded_from_weight_decay: tuple of strings. Weights with one of these in their name are
            not decayed.
    """

    batch_size: int
    num_steps: int
    learning_rate: float
    beta_2: float
    excluded_from_weight_decay: tuple = ()

    def optimizer(self):
        """A new `keras.optimizers.AdamW`, with averaged weights and gradients clipped at norm 5."""
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
        num_params: int. The network's number of weights.
        weights: where they are: a folder of this package, or `hf://owner/repo/file`, a checkpoint
            of the paper's authors.
        build: takes nothing and returns a flow and a network; None if the folder says.
        recipe: a `Recipe`, or None.
    """

    description: str
    num_params: int
    weights: str
    build: Callable | None = None
    recipe: Recipe | None = None


def save_folder(model, folder):
    """Writes a model to a folder, file by file, each complete before it gets its name."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    config = keras.saving.serialize_keras_object(model)
    metadata = {
        "keras_version": keras.__version__,
        "num_params": model.network.count_params(),
    }
    # A copy that was never compiled: Keras would write the optimizer's state, too.
    weights, _ = _without_compiling(config)
    weights.set_weights(model.get_weights())
    temporary = folder / f"new.{WEIGHTS}"
    weights.save_weights(temporary)
    os.replace(temporary, folder / WEIGHTS)
    for name, value in ((METADATA, metadata), (CONFIG, config)):
        temporary = folder / f"new.{name}"
        temporary.write_text(json.dumps(value, indent=2) + "\n")
        os.replace(temporary, folder / name)


def load_folder(folder, load_weights):
    """The model that `save_folder` wrote to a folder."""
    folder = pathlib.Path(folder)
    for name in (CONFIG, WEIGHTS) if load_weights else (CONFIG,):
        if not (folder / name).is_file():
            raise ValueError(
                "Argument `preset` must be a folder written by `save_to_preset`. "
                f"Received: preset='{folder}', where there is no {name}"
            )
    model, compile_config = _without_compiling(json.loads((folder / CONFIG).read_text()))
    if load_weights:
        model.load_weights(folder / WEIGHTS)
    if compile_config:
        # Only now: averaged weights start from what was loaded.
        model.compile_from_config(compile_config)
    return model


def _without_compiling(config):
    """The model that a config describes, and how it is to be compiled, or None."""
    compile_config = config.get("compile_config")
    model = keras.saving.deserialize_keras_object({**config, "compile_config": None})
    return model, compile_config
