"""Model hubs: Hugging Face and Kaggle, with the handles of KerasHub."""

import importlib
import re

from keras_bfn._imports import tell_to_install
from keras_bfn._validation import mismatch, refusal

HUGGING_FACE, KAGGLE = "hf://", "kaggle://"
_NOT_SHOWN = (401, 403, 404)  # the hubs do not distinguish private models from missing ones
_NAME = r"[A-Za-z0-9_][A-Za-z0-9_.-]*"
_HANDLES = (
    re.compile(rf"hf://({_NAME}/{_NAME})(?:@([^\s@]+))?"),
    re.compile(rf"kaggle://({_NAME}(?:/{_NAME}){{3}})(?:/([0-9]+))?"),
)


def is_handle(value):
    """Whether `value` starts like a hub's handle, valid or not, rather than as a folder."""
    return isinstance(value, str) and value.startswith((HUGGING_FACE, KAGGLE))


def parse_handle(name, handle, versioned=True):
    """Returns the model of a handle, and its revision or version; None for the newest.

    Args:
        name: the argument's name, for the message.
        handle: the argument's value.
        versioned: bool. Whether the handle may name a revision or version.

    Raises:
        ValueError: if it is not a handle.
    """
    for pattern in _HANDLES:
        match = pattern.fullmatch(handle) if isinstance(handle, str) else None
        if match and (versioned or match[2] is None):
            return match.groups()
    hf, kaggle = "hf://user/repo", "kaggle://user/model/framework/variation"
    end = "optionally with" if versioned else "without"
    form = f"must have the form {hf}, {end} @revision, or {kaggle}, {end} /version"
    raise refusal(name, form, handle)


def import_hub(handle):
    """Returns the client library of a handle's hub.

    Raises:
        ImportError: if it is not installed.
    """
    library = "huggingface_hub" if handle.startswith(HUGGING_FACE) else "kagglehub"
    with tell_to_install(
        f"The model hub needs {library}: `pip install \"keras-bfn[io]\"`. Received: '{handle}'"
    ):
        return importlib.import_module(library)


def download(name, handle, files):
    """Returns the path of a local folder with a hub's model, downloading what is not cached.

    Args:
        name: the argument's name, for messages.
        handle: the argument's value.
        files: the names of the files that are needed. Kaggle sends all files of the model.

    Raises:
        ValueError: if it is not a handle, or the model is missing or not visible to this account.
        ImportError: if the hub's library is not installed.
    """
    model, version = parse_handle(name, handle)
    hub = import_hub(handle)
    try:
        if handle.startswith(HUGGING_FACE):
            # All files from one revision, even if another one is uploaded meanwhile.
            return hub.snapshot_download(model, revision=version, allow_patterns=list(files))
        return hub.model_download(model if version is None else f"{model}/{version}")
    except OSError as error:  # the base class of both libraries' errors
        status = getattr(getattr(error, "response", None), "status_code", None)
        if status not in _NOT_SHOWN:
            raise
        expected = "must be a model that exists and is visible to this account"
        raise mismatch(name, expected, f"{name}={handle!r}. The hub says: {error}") from error


def upload(name, handle, folder, private=False):
    """Uploads the files of a folder to a hub, which creates the model if it does not exist.

    Args:
        name: the argument's name, for messages.
        handle: the argument's value.
        folder: path.
        private: bool. Whether a new model on Hugging Face is private. A new model on Kaggle is
            always private at first.

    Raises:
        ValueError: if it is not a handle.
        ImportError: if the hub's library is not installed.
    """
    model, _ = parse_handle(name, handle, versioned=False)
    hub = import_hub(handle)
    if handle.startswith(HUGGING_FACE):
        hub.create_repo(model, private=private, exist_ok=True)
        hub.upload_folder(repo_id=model, folder_path=str(folder))
    else:
        hub.model_upload(model, str(folder))
