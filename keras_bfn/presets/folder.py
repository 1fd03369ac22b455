"""A preset's folder on disk."""

import contextlib
import hashlib
import json
import os
import pathlib

import h5py
import keras
import numpy as np

from keras_bfn._validation import check_bool, mismatch, refusal
from keras_bfn.saving.files import WeightsFile, whole

CONFIG, WEIGHTS, METADATA = "config.json", "model.weights.h5", "metadata.json"
NEW = "new."  # prefix of a file that will replace another


def save_folder(model, folder, half_precision=False):
    """Writes a model to a folder; files get their final names once all of them are complete.

    If this is interrupted at any point, the folder holds either the old or the new model: see
    `find_files`.
    """
    config, (weights, num_params) = keras.saving.serialize_keras_object(model), save_weights(model)
    if check_bool("half_precision", half_precision):
        weights = _halve(weights)
    files = {CONFIG: _to_json(config), WEIGHTS: weights.getvalue()}
    sums = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    metadata = {"keras_version": keras.__version__, "num_params": num_params, "sha256": sums}
    files[METADATA] = _to_json(metadata)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        for name, content in files.items():
            with whole(folder / f"{NEW}{name}") as path:
                path.write_bytes(content)
    except BaseException:
        for name in files:
            (folder / f"{NEW}{name}").unlink(missing_ok=True)
        raise
    for name in files:
        os.replace(folder / f"{NEW}{name}", folder / name)


def save_weights(model):
    """Returns a `WeightsFile` with the model's weights alone, and the number of parameters.

    In Keras 3.15, `save_weights` also writes the optimizer's state (tensorflow#91498). A copy that
    was never compiled has none. The copy is loaded from a file, in which LoRA is merged into the
    kernels.
    """
    copy = make_uncompiled(keras.saving.serialize_keras_object(model))
    everything, weights = WeightsFile(), WeightsFile()
    model.save_weights(everything)
    copy.load_weights(everything)
    copy.save_weights(weights)
    return weights, copy.network.count_params()


def _halve(weights):
    """Returns a `WeightsFile` with all weights of another, those of float32 in float16."""
    found = WeightsFile()
    with h5py.File(weights) as old, h5py.File(found, "w") as new:

        def copy(name, item):
            if isinstance(item, h5py.Group):
                made = new.create_group(name)
            else:
                x = item[()]
                if item.dtype == "float32":
                    if np.abs(x).max(initial=0.0) > np.finfo("float16").max:
                        expected = "must be false for weights beyond 65504, the largest of float16"
                        raise mismatch("half_precision", expected, f"{np.abs(x).max()} in {name}")
                    x = x.astype("float16")
                made = new.create_dataset(name, data=x)
            made.attrs.update(item.attrs)

        old.visititems(copy)
    return found


def make_uncompiled(config):
    """Returns the model that a config describes, not compiled. The config is used up."""
    return keras.saving.deserialize_keras_object({**config, "compile_config": None})


def files_of(load_weights=True):
    """Returns the names of a preset's files, or of those needed without weights."""
    return (CONFIG, METADATA, WEIGHTS) if load_weights else (CONFIG, METADATA)


def load_folder(cls, folder, preset, load_weights, dtype=None):
    """Loads the model, of class `cls`, that `save_folder` wrote to a folder.

    Error messages call the folder `preset`: where it came from.
    """
    paths = find_files(folder, preset, load_weights)
    config = _read_json(paths[CONFIG])
    compile_config = config.get("compile_config")
    if dtype is not None:
        with _reading(preset, CONFIG):
            network = config["config"]["network"]
            is_ours = str(network.get("registered_name")).startswith("keras_bfn>")
            network["config"]["dtype"] = keras.saving.serialize_keras_object(dtype)
        if not is_ours:
            expected = "must be None for a network that is not in `keras_bfn.networks`"
            raise refusal("dtype", expected, dtype.name)
    with _reading(preset, CONFIG):
        model = make_uncompiled(config)
    if not isinstance(model, cls):
        raise _refusal(preset, f"with a `{cls.__name__}`", f"contains a `{type(model).__name__}`")
    if load_weights:
        with _reading(preset, WEIGHTS):
            model.load_weights(paths[WEIGHTS])
    if compile_config:
        # Compile last: averaged weights start from the loaded ones.
        with _reading(preset, CONFIG):
            model.compile_from_config(compile_config)
    return model


def find_files(folder, preset, load_weights=True):
    """Returns the paths of a preset's files by name, all from one save.

    If `save_folder` was killed while it renamed files, these are the new files, under their
    temporary or final names; if it was killed earlier, they are the old ones. Metadata without
    `"sha256"` match any files: remove that entry to edit a config by hand.

    Raises:
        ValueError: if a file is missing, or the files are not from one save.
    """
    folder, names = pathlib.Path(folder), files_of(load_weights)
    for name in names:
        if not (folder / name).is_file():
            raise _refusal(preset, "written by `save_to_preset`", f"has no {name}")
    for prefix in ("", NEW):
        paths = {name: folder / f"{prefix}{name}" for name in names}
        paths = {n: path if path.is_file() else folder / n for n, path in paths.items()}
        known = _read_json(paths[METADATA]).get("sha256", {})
        known = known if isinstance(known, dict) else dict.fromkeys(names)
        if all(known[name] == _digest(paths[name]) for name in names if name in known):
            return paths
    others = f"{CONFIG} or {WEIGHTS}" if load_weights else CONFIG
    came = f"has a {METADATA} that does not match its {others}"
    raise _refusal(preset, "whose files are from one save", came)


def _refusal(preset, expected, came):
    return mismatch("preset", f"must be a folder {expected}", f"preset='{preset}', which {came}")


@contextlib.contextmanager
def _reading(preset, name):
    """Turns an error of Keras into one that names the file that Keras could not read."""
    try:
        yield
    except (ImportError, MemoryError):  # of a missing package
        raise
    except Exception as error:  # of many types: an edited file may hold anything
        reason = str(error).rpartition("Exception encountered: ")[2]
        expected = f"with a {name} that Keras can load, as written by `save_to_preset`"
        came = f"Keras cannot load ({type(error).__name__}: {reason[:1000]})"
        raise _refusal(preset, expected, came) from error


def _to_json(value):
    return (json.dumps(value, indent=2) + "\n").encode()


def _read_json(path):
    try:
        return dict(json.loads(path.read_text()))
    except (ValueError, TypeError) as error:
        raise ValueError(f"The preset's file '{path}' must contain a JSON object") from error


def _digest(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
