"""A model's folder on disk."""

import contextlib
import hashlib
import json
import os
import pathlib

import keras

from keras_bfn._validation import refusal
from keras_bfn.saving.files import WeightsFile, whole

CONFIG, WEIGHTS, METADATA = "config.json", "model.weights.h5", "metadata.json"
NEW = "new."  # before the name of a file that is to take the place of another


def save_folder(model, folder):
    """Writes a model to a folder; the files get their names when all of them are complete.

    Whenever that ends, the folder holds the old model or the new one: see `find_files`.
    """
    config, (weights, num_params) = keras.saving.serialize_keras_object(model), save_weights(model)
    files = {CONFIG: _to_json(config), WEIGHTS: weights.getvalue()}
    metadata = {
        "keras_version": keras.__version__,
        "num_params": num_params,
        "sha256": {name: hashlib.sha256(content).hexdigest() for name, content in files.items()},
    }
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
    """The tuple of a `WeightsFile` with the weights of a model alone, and their number.

    `save_weights` of Keras 3.15 writes the state of the optimizer, too (tensorflow#91498). A copy
    that was never compiled has none. It reads a file, where LoRA is part of the kernels already.
    """
    copy = make_uncompiled(keras.saving.serialize_keras_object(model))
    everything, weights = WeightsFile(), WeightsFile()
    model.save_weights(everything)
    copy.load_weights(everything)
    copy.save_weights(weights)
    return weights, copy.network.count_params()


def make_uncompiled(config):
    """The model that a config describes, whatever it says of compiling. The config is used up."""
    return keras.saving.deserialize_keras_object({**config, "compile_config": None})


def files_of(load_weights=True):
    """The names of the files that a preset has, or of those that are needed without weights."""
    return (CONFIG, METADATA, WEIGHTS) if load_weights else (CONFIG, METADATA)


def load_folder(cls, folder, preset, load_weights, dtype=None):
    """The model, of class `cls`, that `save_folder` wrote to a folder.

    In messages the folder is called `preset`: where it came from.
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
            expected = "must be None for a network that is none of `keras_bfn.networks`"
            raise refusal("dtype", expected, dtype.name)
    with _reading(preset, CONFIG):
        model = make_uncompiled(config)
    if not isinstance(model, cls):
        raise _refusal(preset, f"of a `{cls.__name__}`", f"there is a `{type(model).__name__}`")
    if load_weights:
        with _reading(preset, WEIGHTS):
            model.load_weights(paths[WEIGHTS])
    if compile_config:
        # Only now: averaged weights start from what was loaded.
        with _reading(preset, CONFIG):
            model.compile_from_config(compile_config)
    return model


def find_files(folder, preset, load_weights=True):
    """The paths of a preset's files, which belong together, by name.

    If `save_folder` was killed while it gave files their names, these are the new ones, whether
    they have got them or not. Before that, they are the old ones. Metadata without `"sha256"` tell
    of any files: who edits a config by hand takes it out.

    Raises:
        ValueError: if one is not there, or neither belong together.
    """
    folder, names = pathlib.Path(folder), files_of(load_weights)
    for name in names:
        if not (folder / name).is_file():
            raise _refusal(preset, "written by `save_to_preset`", f"there is no {name}")
    for prefix in ("", NEW):
        paths = {name: folder / f"{prefix}{name}" for name in names}
        paths = {n: path if path.is_file() else folder / n for n, path in paths.items()}
        known = _read_json(paths[METADATA]).get("sha256", {})
        known = known if isinstance(known, dict) else dict.fromkeys(names)
        if all(known[name] == _digest(paths[name]) for name in names if name in known):
            return paths
    others = f"{CONFIG} or {WEIGHTS}" if load_weights else CONFIG
    came = f"{METADATA} tells of other files than {others}"
    raise _refusal(preset, "whose files belong together", came)


def _refusal(preset, expected, came):
    return ValueError(
        f"Argument `preset` must be a folder {expected}. Received: preset='{preset}', where {came}"
    )


@contextlib.contextmanager
def _reading(preset, name):
    """Says of what Keras makes nothing of which file it is."""
    try:
        yield
    except (ImportError, MemoryError):  # a package is missing
        raise
    except Exception as error:  # of many kinds: a file that was edited may say anything
        reason = str(error).rpartition("Exception encountered: ")[2]
        expected = f"with a {name} that Keras makes a model of, as `save_to_preset` writes it"
        came = f"it makes none ({type(error).__name__}: {reason[:1000]})"
        raise _refusal(preset, expected, came) from error


def _to_json(value):
    return (json.dumps(value, indent=2) + "\n").encode()


def _read_json(path):
    try:
        return dict(json.loads(path.read_text()))
    except (ValueError, TypeError) as error:
        raise ValueError(f"The preset's file '{path}' must hold a JSON object") from error


def _digest(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
