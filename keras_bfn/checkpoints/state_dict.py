"""Files of PyTorch weights, and their way into Keras layers."""

import pathlib

import numpy as np

from keras_bfn._hubs import HUGGING_FACE, import_hub
from keras_bfn._imports import tell_to_install


def read_state_dict(path):
    """Reads a file of PyTorch weights, nothing executable, into a dict of numpy arrays.

    Args:
        path: of a `.pt` file, or `hf://owner/repo/file`, which is downloaded once and kept by
            `huggingface_hub`.

    Raises:
        ImportError: if `torch`, or for `hf://` `huggingface_hub`, is not installed.
        FileNotFoundError: if there is no such file.
        ValueError: if the file does not hold a dict of tensors.
    """
    with tell_to_install(
        "Reading a `.pt` file needs PyTorch, whatever the backend: `pip install torch`"
    ):
        import torch
    path = local_path(path)
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, MemoryError):
        raise
    except Exception as error:  # torch raises whatever the bytes lead it to
        raise ValueError(
            "Argument `path` must be a file of PyTorch weights, without any code. "
            f"Received: path='{path}', which PyTorch does not read as such"
        ) from error
    if not isinstance(state, dict) or not all(map(torch.is_tensor, state.values())):
        raise ValueError(
            "Argument `path` must be a file of a state dict, names and tensors alone. "
            f"Received: path='{path}', which holds something else"
        )
    return {key: tensor.to(torch.float32).numpy() for key, tensor in state.items()}


def local_path(path):
    """The path of a file on this machine; that of the downloaded one for `hf://owner/repo/file`."""
    path = str(path)
    if not path.startswith(HUGGING_FACE):
        if not pathlib.Path(path).is_file():
            raise FileNotFoundError(f"Argument `path` must be a file. Received: path='{path}'")
        return path
    parts = path.removeprefix(HUGGING_FACE).split("/", 2)
    if len(parts) != 3 or not all(parts):
        raise ValueError(
            f"Argument `path` must have the form hf://owner/repo/file. Received: path='{path}'"
        )
    owner, repo, file = parts
    return import_hub(path).hf_hub_download(f"{owner}/{repo}", file)


class StateDictReader:
    """Hands out the arrays of a state dict, each exactly once, as Keras lays them out.

    Nothing is assigned until `finish` has found that every array was taken.

    Args:
        state: dict from key to numpy array.
        source: what to call it in messages.
    """

    def __init__(self, state, source):
        self.state = dict(state)
        self.source = source
        self.assignments = []
        self.missing = []

    def take(self, key, shape=None):
        """Removes and returns an array; None if it is missing.

        Raises:
            ValueError: if it does not have this shape.
        """
        if key not in self.state:
            self.missing.append(key)
            return None
        array = self.state.pop(key)
        if shape is not None and array.shape != tuple(shape):
            raise ValueError(
                f"{self.source}: '{key}' has shape {array.shape}, expected {tuple(shape)}"
            )
        return array

    def weight(self, key, variable, axes=None, change=None, size=()):
        """Plans to assign an array, its axes transposed, then changed, to a Keras variable.

        In the file it has further axes, whose size is 1, as `size` says.
        """
        axes = tuple(range(len(variable.shape))) if axes is None else axes
        shape = tuple(variable.shape[axes.index(axis)] for axis in range(len(axes)))
        array = self.take(key, (*shape, *size))
        if array is not None:
            array = np.transpose(array.reshape(shape), axes)
            self.assignments.append((variable, array if change is None else change(array)))

    def dense(self, key, layer, change=None, change_bias=None):
        """A `torch.nn.Linear` for a `keras.layers.Dense`."""
        self.weight(f"{key}.weight", layer.kernel, (1, 0), change)
        if layer.use_bias:
            self.weight(f"{key}.bias", layer.bias, change=change_bias)

    def conv(self, key, layer):
        """A `torch.nn.Conv2d` for a `keras.layers.Conv2D`."""
        self.weight(f"{key}.weight", layer.kernel, (2, 3, 1, 0))
        self.weight(f"{key}.bias", layer.bias)

    def pointwise(self, key, layer, num_spatial_axes, change=None, change_bias=None):
        """A `torch.nn.Conv1d` or `Conv2d` of size 1 for a `keras.layers.Dense`."""
        self.weight(f"{key}.weight", layer.kernel, (1, 0), change, (1,) * num_spatial_axes)
        self.weight(f"{key}.bias", layer.bias, change=change_bias)

    def norm(self, key, layer):
        """A normalisation."""
        self.weight(f"{key}.weight", layer.gamma)
        self.weight(f"{key}.bias", layer.beta)

    def finish(self):
        """Assigns all that was planned.

        Raises:
            ValueError: if keys are missing or left over.
        """
        if self.missing or self.state:
            raise ValueError(
                f"{self.source} does not fit: "
                f"{_list_keys('missing', self.missing)}; {_list_keys('left over', self.state)}"
            )
        for variable, array in self.assignments:
            variable.assign(array)


def _list_keys(what, keys):
    keys = list(keys)
    names = ", ".join(f"'{key}'" for key in keys[:3]) + (", ..." if len(keys) > 3 else "")
    return f"{len(keys)} keys {what}" + (f" ({names})" if keys else "")
