"""What a preset is, and its folder on disk."""

import contextlib
import dataclasses
import hashlib
import json
import os
import pathlib
from collections.abc import Callable

import keras

from keras_bfn._keras import make_uncompiled, save_weights
from keras_bfn._validation import refusal
from keras_bfn.datasets import Tokenizer

CONFIG, WEIGHTS, METADATA = "config.json", "model.weights.h5", "metadata.json"
NEW = "new."  # before the name of a file that is to take the place of another


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How the paper trained a model.

    Args:
        batch_size, num_steps: ints.
        learning_rate, beta_2: of AdamW. The rate is constant.
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
        make_flow: function that returns the flow; None if the folder says.
        make_network: function of the flow to the network; None if the folder says.
        recipe: a `Recipe`, or None.
        tokenizer: that of the model, or None; a folder's model has its own.

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
    tokenizer: Tokenizer | None = None


def save_folder(model, folder):
    """Writes a model to a folder; the files get their names when all of them are complete.

    Whenever that ends, the folder holds the old model or the new one: see `find_whole`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    new = {name: folder / f"{NEW}{name}" for name in (CONFIG, WEIGHTS, METADATA)}
    for path in new.values():
        path.unlink(missing_ok=True)  # perhaps a link to elsewhere
    config = keras.saving.serialize_keras_object(model)
    weights, saved = save_weights(model)
    try:
        _write(new[WEIGHTS], weights.getbuffer())
        _write(new[CONFIG], _to_json(config))
        metadata = {
            "keras_version": keras.__version__,
            "num_params": saved.network.count_params(),
            "sha256": {name: _digest(new[name]) for name in (CONFIG, WEIGHTS)},
        }
        _write(new[METADATA], _to_json(metadata))
    except BaseException:
        for path in new.values():
            path.unlink(missing_ok=True)
        raise
    for name, path in new.items():
        os.replace(path, folder / name)


def _to_json(value):
    return (json.dumps(value, indent=2) + "\n").encode()


def _write(path, content):
    with open(path, "xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _digest(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def find_whole(folder, preset, load_weights):
    """The paths of files that belong together, by name.

    If `save_folder` was killed while it gave files their names, these are the new ones, whether
    they have got them or not. Before that, they are the old ones. Metadata without `"sha256"` tell
    of any files: who edits a config by hand takes it out.

    Raises:
        ValueError: if neither belong together.
    """
    names = files_of(load_weights)
    for prefix in ("", NEW):
        paths = {name: folder / f"{prefix}{name}" for name in names}
        paths = {n: path if path.is_file() else folder / n for n, path in paths.items()}
        known = _read_json(paths[METADATA]).get("sha256", {})
        known = known if isinstance(known, dict) else dict.fromkeys(names)
        if all(known[name] == _digest(paths[name]) for name in names if name in known):
            return paths
    raise ValueError(
        "Argument `preset` must be a folder whose files belong together. Received: "
        f"preset='{preset}', where {METADATA} tells of other files than {names[0]}"
        + (f" or {WEIGHTS}" if load_weights else "")
    )


def files_of(load_weights):
    """The names of the files that a preset has, or of those that are needed without weights."""
    return (CONFIG, METADATA, WEIGHTS) if load_weights else (CONFIG, METADATA)


def check_files(folder, preset, load_weights=True):
    """Raises a `ValueError` unless the files of `preset` are in a folder."""
    for name in files_of(load_weights):
        if not (folder / name).is_file():
            raise ValueError(
                "Argument `preset` must be a folder written by `save_to_preset`. "
                f"Received: preset='{preset}', where there is no {name}"
            )


def load_folder(cls, folder, load_weights, dtype=None, preset=None):
    """The model, of class `cls`, that `save_folder` wrote to a folder.

    In messages the folder is called `preset`: where it came from.
    """
    folder = pathlib.Path(folder)
    preset = folder if preset is None else preset
    check_files(folder, preset, load_weights)
    paths = find_whole(folder, preset, load_weights)
    config, metadata = (_read_json(paths[name]) for name in (CONFIG, METADATA))
    compile_config = config.get("compile_config")
    if dtype is not None:
        _set_dtype(config, dtype)
    with _reading(preset, CONFIG):
        model = make_uncompiled(config)
    if not isinstance(model, cls):
        raise ValueError(
            f"Argument `preset` must be a folder of a `{cls.__name__}`. Received: "
            f"preset='{preset}', where there is a `{type(model).__name__}`"
        )
    if metadata.get("num_params") != model.network.count_params():
        raise ValueError(
            f"Argument `preset` must be a folder whose files belong together. Received: "
            f"preset='{preset}', where {METADATA} tells of {metadata.get('num_params')} weights, "
            f"and {CONFIG} of {model.network.count_params()}"
        )
    if load_weights:
        with _reading(preset, WEIGHTS):
            model.load_weights(paths[WEIGHTS])
    if compile_config:
        # Only now: averaged weights start from what was loaded.
        with _reading(preset, CONFIG):
            model.compile_from_config(compile_config)
    return model


@contextlib.contextmanager
def _reading(preset, name):
    """Says of what Keras makes nothing of which file it is."""
    try:
        yield
    except (ImportError, MemoryError):  # a package is missing
        raise
    except Exception as error:  # of many kinds: a file that was edited may say anything
        reason = str(error).rpartition("Exception encountered: ")[2]
        raise ValueError(
            f"Argument `preset` must be a folder with a {name} that Keras makes a model of, as "
            f"`save_to_preset` writes it. Received: preset='{preset}' "
            f"({type(error).__name__}: {reason[:1000]})"
        ) from error


def _set_dtype(config, dtype):
    """Puts a dtype policy into a model's config, in the place of that of its network."""
    network = config
    for key in ("config", "network"):
        network = network.get(key) if isinstance(network, dict) else None
    if not isinstance(network, dict) or not isinstance(network.get("config"), dict):
        return  # that it is none is said later
    if not str(network.get("registered_name")).startswith("keras_bfn>"):
        expected = "must be None for a network that is none of `keras_bfn.networks`"
        raise refusal("dtype", expected, dtype.name)
    network["config"]["dtype"] = keras.saving.serialize_keras_object(dtype)


def _read_json(path):
    try:
        return dict(json.loads(path.read_text()))
    except (ValueError, TypeError) as error:
        raise ValueError(f"The preset's file '{path}' must hold a JSON object") from error
