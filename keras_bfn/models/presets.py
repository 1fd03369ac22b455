"""Models by name, and from folders: KerasHub's verbs."""

import os
import pathlib
import tempfile

from keras_bfn._hubs import download, import_hub, is_handle, parse_handle, upload
from keras_bfn._validation import check_bool, check_path
from keras_bfn.checkpoints import load_official
from keras_bfn.networks.network import check_policy
from keras_bfn.presets import PRESETS
from keras_bfn.presets.card import CARD, PICTURE, check_card, draw_images, write_card
from keras_bfn.presets.preset import files_of, load_folder, save_folder
from keras_bfn.visualization import plot_samples


def from_preset(cls, preset, load_weights=True, dtype=None):
    """A model by name, from a hub, or from a folder.

    Args:
        preset: a key of `BayesianFlowNetwork.presets`; a handle, `hf://user/repo`, or that with
            `@revision`, of Hugging Face, or `kaggle://user/model/framework/variation`, or that with
            `/version`, of Kaggle; or the path of a folder written by `save_to_preset`. What a hub
            sends is kept by its library (`huggingface_hub`, `kagglehub`), and no code in it runs.
        load_weights: bool. Without, the weights are new: for the paper's models, ready to be
            trained by the paper's recipe. With, those of its authors are downloaded, which
            needs `huggingface_hub` and `torch`.
        dtype: the dtype policy of the network, in the place of that it was saved with; of a network
            of `keras_bfn.networks` alone. In `"mixed_bfloat16"` it generates in less time and
            memory.

    Returns:
        A `BayesianFlowNetwork`. The paper's presets are compiled with the paper's optimizer; a
        folder's model is compiled if the saved one was. Networks of the paper's presets follow
        Keras's global dtype policy. The recipe's batch size and number of steps are in
        `BayesianFlowNetwork.presets[preset].recipe`.

    Raises:
        ValueError: if there is no such preset, its files are not complete, or its network cannot
            be given a dtype.
        ImportError: if a package that the download needs is not installed.

    Example:

    >>> model = keras_bfn.BayesianFlowNetwork.from_preset("bfn_digits")
    >>> images = model.generate(16, num_steps=20, seed=0, verbose=0)

    ```python
    model = keras_bfn.BayesianFlowNetwork.from_preset("hf://user/repo@main")
    ```
    """
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


def upload_preset(self, uri, data, license, figures=None, samples=None, folder=None, private=False):
    """Publishes the model on a hub: its preset, a card README.md, and a picture of samples.

    The card has the data, the figures, the flow and the network, how to load the model, and the
    licence. To change it, give a `folder`, edit what is there, and upload that as it is by
    `keras_bfn.presets.upload_preset`.

    Args:
        uri: string. `hf://user/repo` or `kaggle://user/model/framework/variation`. A model of this
            name gets another revision or version. The hub's library knows who you are
            (`hf auth login`, `kagglehub.login()`).
        data: string. What the model was trained on, in words.
        license: string, as Hugging Face writes it: `"apache-2.0"`, `"cc-by-4.0"`, `"other"`. (On
            Kaggle it is in the card alone.)
        figures: dict from what was measured, and its unit, to a number; or what
            `evaluate(x, return_dict=True)` returned. None for no figures.
        samples: array of images to show, `(num, height, width, channels)`. By default, if the data
            are images, the model draws some in 50 steps, of each class if it knows classes.
        folder: path of a new folder, or of a preset, to write to. By default one that is removed
            when it is uploaded.
        private: bool. As in `keras_bfn.presets.upload_preset`.

    Raises:
        ValueError: if the model has no weights yet, an argument is not of the form above, or other
            files are in the folder: they would be published, too.
        ImportError: if `huggingface_hub` or `kagglehub` is not installed, or, for a picture,
            matplotlib.

    Example:

    ```python
    model.upload_preset(
        "hf://user/digits",
        data="1,500 of scikit-learn's 8x8 digits, 17 levels.",
        license="apache-2.0",
        figures=model.evaluate(test_images, return_dict=True),
    )
    model = keras_bfn.BayesianFlowNetwork.from_preset("hf://user/digits")
    ```
    """
    parse_handle("uri", uri, versioned=False)
    figures = check_card(data, license, figures)
    check_bool("private", private)
    folder = None if folder is None else _check_folder(folder)
    import_hub(uri)
    with tempfile.TemporaryDirectory() as temporary:
        folder = folder or pathlib.Path(temporary)
        self.save_to_preset(folder)
        (folder / PICTURE).unlink(missing_ok=True)
        caption = None
        picture = draw_images(self) if samples is None else (samples, 8, "Samples")
        if picture is not None:
            samples, columns, caption = picture
            plot_samples(samples, folder / PICTURE, columns=columns)
        write_card(self, folder, uri, data, license, figures, caption)
        upload("uri", uri, folder, private)


def _check_folder(folder):
    folder = check_path("folder", folder)
    names = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    others = names - {*files_of(load_weights=True), CARD, PICTURE}
    if others:
        raise ValueError(
            "Argument `folder` must be a new folder, or one with nothing but a preset: all in it "
            f"is uploaded. Received: folder='{folder}', where there are {sorted(others)}"
        )
    return folder
