"""Models by name, from hubs, and from folders."""

import os

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
        raise ValueError(
            f"Argument `preset` must be one of {list(PRESETS)}, hf://user/repo, "
            "kaggle://user/model/framework/variation, or a folder written by `save_to_preset`. "
            f"Received: preset={preset!r}"
        )
    return load_folder(cls, folder, preset, load_weights, dtype)
