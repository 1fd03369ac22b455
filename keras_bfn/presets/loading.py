"""Models by name, from hubs, and from folders."""

import os
import pathlib

from keras_bfn._validation import check_bool
from keras_bfn.checkpoints import load_official
from keras_bfn.networks.network import check_policy
from keras_bfn.presets.folder import files_of, load_folder
from keras_bfn.presets.registry import PRESETS
from keras_bfn.saving.hubs import download, is_handle


def load_preset(cls, preset, load_weights=True, dtype=None):
    """A model of class `cls`: see `BayesianFlowNetwork.from_preset`."""
    check_bool("load_weights", load_weights)
    dtype = None if dtype is None else check_policy(dtype)
    if isinstance(preset, str) and preset in PRESETS:
        preset = PRESETS[preset]
        if preset.make_flow is None:
            return load_folder(cls, preset.weights, load_weights, dtype)
        flow = preset.make_flow()
        model = cls(flow, preset.make_network(flow, dtype=dtype), tokenizer=preset.tokenizer)
        model.compile(preset.recipe.optimizer())
        if load_weights:
            load_official(model.network, preset.weights)
        return model
    if is_handle(preset):
        folder = download("preset", preset, files_of(load_weights))
        return load_folder(cls, folder, load_weights, dtype, preset)
    if not isinstance(preset, (str, os.PathLike)) or not pathlib.Path(preset).is_dir():
        raise ValueError(
            f"Argument `preset` must be one of {list(PRESETS)}, hf://user/repo, "
            "kaggle://user/model/framework/variation, or a folder written by `save_to_preset`. "
            f"Received: preset={preset!r}"
        )
    return load_folder(cls, preset, load_weights, dtype)
