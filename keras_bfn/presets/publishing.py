"""Uploads of presets to a hub."""

import pathlib
import tempfile

from keras_bfn._typing import Path
from keras_bfn._validation import check_bool, check_path, mismatch
from keras_bfn.presets.card import CARD, PICTURE, check_card, draw_images, write_card
from keras_bfn.presets.folder import files_of, find_files
from keras_bfn.saving.hubs import import_hub, parse_handle, upload
from keras_bfn.visualization import plot_samples


def upload_preset(uri: str, preset: Path, private: bool = False) -> None:
    """Uploads a folder to a hub as it is, like KerasHub's function of the same name.

    `BayesianFlowNetwork.upload_preset` also writes the folder and a model card.

    Args:
        uri: string. `hf://user/repo` or `kaggle://user/model/framework/variation`.
        preset: path of a folder written by `save_to_preset`. All files in it are uploaded.
        private: bool. Whether a new repository on Hugging Face is private. An existing one keeps
            its visibility; new models on Kaggle are private.

    Raises:
        ValueError: if `uri` is not such a handle, or the folder is incomplete, or its files are not
            from one save.
        ImportError: if `huggingface_hub` or `kagglehub` is not installed.

    Example:

    ```python
    model.save_to_preset("digits_preset")
    keras_bfn.presets.upload_preset("hf://user/digits", "digits_preset")
    ```
    """
    parse_handle("uri", uri, versioned=False)
    folder = check_path("preset", preset)
    find_files(folder, folder)
    upload("uri", uri, folder, private)


def publish(model, uri, data, license, figures, samples, folder, private):
    """Uploads a model with its card: see `BayesianFlowNetwork.upload_preset`."""
    parse_handle("uri", uri, versioned=False)
    figures = check_card(data, license, figures)
    check_bool("private", private)
    folder = None if folder is None else _check_folder(folder)
    import_hub(uri)
    with tempfile.TemporaryDirectory() as temporary:
        folder = folder or pathlib.Path(temporary)
        model.save_to_preset(folder)
        (folder / PICTURE).unlink(missing_ok=True)
        picture = draw_images(model) if samples is None else (samples, 8, "Samples")
        samples, columns, caption = picture or (None, None, None)
        if picture:
            plot_samples(samples, folder / PICTURE, columns=columns)
        write_card(model, folder, uri, data, license, figures, caption)
        upload("uri", uri, folder, private)


def _check_folder(folder):
    folder = check_path("folder", folder)
    names = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    others = names - {*files_of(), CARD, PICTURE}
    if others:
        expected = "must be a new folder, or contain only a preset: all its files are uploaded"
        came = f"folder={str(folder)!r}, which contains {sorted(others)}"
        raise mismatch("folder", expected, came)
    return folder
