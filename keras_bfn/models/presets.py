"""Models by name, and from folders: KerasHub's verbs."""

import os
import pathlib

from keras_bfn._validation import check_path
from keras_bfn.checkpoints import load_official
from keras_bfn.presets import PRESETS
from keras_bfn.presets.preset import load_folder, save_folder


def from_preset(cls, preset, load_weights=True):
    """A model by name, or from a folder.

    Args:
        preset: a key of `BayesianFlowNetwork.presets`, or the path of a folder written by
            `save_to_preset`.
        load_weights: bool. Without, the weights are new: for the paper's models, ready to be
            trained by the paper's recipe. With, those of its authors are downloaded, which
            needs `huggingface_hub` and `torch`.

    Returns:
        A `BayesianFlowNetwork`. The paper's presets are compiled with the paper's optimizer; a
        folder's model is compiled if the saved one was. Networks of the paper's presets follow
        Keras's global dtype policy and image data format. The recipe's batch size and number of
        steps are in `BayesianFlowNetwork.presets[preset].recipe`.

    Raises:
        ValueError: if there is no such preset, or the folder is not complete.
        ImportError: if a package that the download needs is not installed.

    Example:

    >>> model = keras_bfn.BayesianFlowNetwork.from_preset("bfn_digits")
    >>> images = model.generate(16, num_steps=20, seed=0, verbose=0)
    """
    if isinstance(preset, str) and preset in PRESETS:
        preset = PRESETS[preset]
        if preset.make_flow is None:
            return load_folder(cls, preset.weights, load_weights)
        flow = preset.make_flow()
        model = cls(flow, preset.make_network(flow), tokenizer=preset.tokenizer)
        model.compile(preset.recipe.optimizer())
        if load_weights:
            load_official(model.network, preset.weights)
        return model
    if not isinstance(preset, (str, os.PathLike)) or not pathlib.Path(preset).is_dir():
        raise ValueError(
            f"Argument `preset` must be one of {list(PRESETS)}, or a folder written by "
            f"`save_to_preset`. Received: preset={preset!r}"
        )
    return load_folder(cls, preset, load_weights)


def save_to_preset(self, folder):
    """Writes the model to a folder, for `from_preset` on any backend.

    The folder gets `config.json`, `model.weights.h5` and `metadata.json`. The optimizer's state
    is not kept: `model.save` does that.

    Args:
        folder: path. Made if need be; files of the same names are replaced.

    Raises:
        ValueError: if the model has no weights yet.

    Example:

    >>> model.save_to_preset("digits_preset")
    >>> model = keras_bfn.BayesianFlowNetwork.from_preset("digits_preset")
    """
    if not self.built:
        raise ValueError(
            "The model has no weights yet: give its constructor an `event_shape`, or train "
            "first. Received: a model that is not built"
        )
    save_folder(self, check_path("folder", folder))
