"""Presets on their way to a hub."""

from keras_bfn._hubs import parse_handle, upload
from keras_bfn._validation import check_path
from keras_bfn.presets.preset import check_files


def upload_preset(uri, preset, private=False):
    """Uploads a folder to a hub as it is, as KerasHub's function of that name does.

    `BayesianFlowNetwork.upload_preset` also writes the folder, and a model card.

    Args:
        uri: string. `hf://user/repo` or `kaggle://user/model/framework/variation`.
        preset: path of a folder written by `save_to_preset`. All files in it are uploaded.
        private: bool. Whether a repository that is made on Hugging Face is private. One that is
            there stays what it is; Kaggle makes models private.

    Raises:
        ValueError: if `uri` is no such handle, or the folder is not complete.
        ImportError: if `huggingface_hub` or `kagglehub` is not installed.

    Example:

    ```python
    model.save_to_preset("digits_preset")
    keras_bfn.presets.upload_preset("hf://user/digits", "digits_preset")
    ```
    """
    parse_handle("uri", uri, versioned=False)
    folder = check_path("preset", preset)
    check_files(folder, folder)
    upload("uri", uri, folder, private)
