"""PyTorch weight files, and their conversion to the layouts of Keras layers."""

import pathlib

import numpy as np

from keras_bfn._imports import tell_to_install
from keras_bfn._validation import mismatch, refusal
from keras_bfn.saving.hubs import HUGGING_FACE, import_hub

# The axes of PyTorch's vectors, matrices and kernels of 2-D convolutions, in Keras's order.
AXES = {1: (0,), 2: (1, 0), 4: (2, 3, 1, 0)}


def read_state_dict(path):
    """Reads a file of PyTorch weights, without executing code, into a dict of PyTorch tensors.

    The file declares the tensors' sizes, which may exceed the size of the file: check shapes before
    copying.

    Args:
        path: path of a `.pt` file, or `hf://owner/repo/file`, which `huggingface_hub` downloads
            once and caches.

    Raises:
        ImportError: if `torch`, or for `hf://` `huggingface_hub`, is not installed.
        FileNotFoundError: if the file does not exist.
        ValueError: if the file does not hold a dict of dense tensors of numbers.
    """
    return check_tensors(load_file(path), path)


def load_file(path, name="path"):
    """Returns what a file saved with PyTorch holds; `name` is the argument's, for messages."""
    with tell_to_install(
        "Reading a `.pt` file needs PyTorch, whatever the backend: `pip install torch`"
    ):
        import torch
    path = local_path(path, name)
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, MemoryError):
        raise
    except Exception as error:  # invalid bytes make torch raise errors of any type
        expected = "must be a file of PyTorch weights, without any code"
        came = f"{name}='{path}', which PyTorch cannot load with weights_only=True"
        raise mismatch(name, expected, came) from error


def check_tensors(state, path, name="path"):
    """Returns a dict of tensors; raises a `ValueError` unless `state` is one, of dense numbers."""
    import torch

    def is_dense(tensor):
        is_number = torch.is_tensor(tensor) and not (tensor.is_quantized or tensor.is_complex())
        return is_number and tensor.layout == torch.strided

    is_dict = isinstance(state, dict) and all(isinstance(key, str) for key in state)
    if not is_dict or not all(map(is_dense, state.values())):
        expected = "must be the file of a state dict: names of dense tensors of real numbers"
        raise mismatch(name, expected, f"{name}='{path}', which contains something else")
    return state


def local_path(path, name="path"):
    """Returns the path of a local file; `hf://owner/repo/file` is downloaded."""
    path = str(path)
    if not path.startswith(HUGGING_FACE):
        if not pathlib.Path(path).is_file():
            raise FileNotFoundError(f"Argument `{name}` must be a file. Received: {name}='{path}'")
        return path
    parts = path.removeprefix(HUGGING_FACE).split("/", 2)
    if len(parts) != 3 or not all(parts):
        raise refusal(name, "must have the form hf://owner/repo/file", path)
    owner, repo, file = parts
    return import_hub(path).hf_hub_download(f"{owner}/{repo}", file)


class StateDictReader:
    """Converts the arrays of a state dict to Keras's layouts, each exactly once.

    Nothing is assigned until `finish` has checked that every array was taken.

    Args:
        state: dict from keys to PyTorch tensors.
        source: the name of the state dict in messages.
    """

    def __init__(self, state, source):
        self.state = dict(state)
        self.source = source
        self.assignments = []
        self.missing = []

    def take(self, key, shape=None):
        """Removes a tensor, and returns it as a float32 array of this shape.

        Returns None if it is missing, or if no shape is given, for a tensor that is not needed.

        Raises:
            ValueError: if it has another shape, or is not finite.
        """
        if key not in self.state:
            self.missing.append(key)
            return None
        tensor = self.state.pop(key)
        if shape is None:
            return None
        found = tuple(tensor.shape)
        if found != shape:
            raise ValueError(f"{self.source}: '{key}' has shape {found}, expected {shape}")
        array = tensor.detach().float().numpy()
        if not np.isfinite(array).all():
            raise ValueError(f"{self.source}: '{key}' has NaN or infinity, expected finite numbers")
        return array

    def weight(self, key, variable, change=None, size=()):
        """Schedules an array for a Keras variable, its axes transposed, and then changed.

        In the file, the array has further axes of size 1, given by `size`.
        """
        axes = AXES[len(variable.shape)]
        shape = tuple(variable.shape[axes.index(axis)] for axis in range(len(axes)))
        array = self.take(key, (*shape, *size))
        if array is not None:
            array = np.transpose(array.reshape(shape), axes)
            self.assignments.append((variable, array if change is None else change(array)))

    def layer(self, key, layer, change=None, change_bias=None, size=()):
        """Reads a dense layer, a 2-D convolution or a normalisation layer.

        A convolution of size 1 is a dense layer here: `size` is that of its kernel, `(1,)` for a
        `torch.nn.Conv1d`.
        """
        is_norm = hasattr(layer, "gamma")
        weight, bias = (layer.gamma, layer.beta) if is_norm else (layer.kernel, layer.bias)
        self.weight(f"{key}.weight", weight, change, size)
        if bias is not None:
            self.weight(f"{key}.bias", bias, change_bias)

    def finish(self):
        """Assigns all scheduled arrays.

        Raises:
            ValueError: if keys are missing or unexpected.
        """
        if self.missing or self.state:
            keys = _list_keys("missing", self.missing), _list_keys("unexpected", self.state)
            raise ValueError(f"{self.source} does not match the network: {'; '.join(keys)}")
        for variable, array in self.assignments:
            variable.assign(array)


def _list_keys(what, keys):
    keys = list(keys)
    names = ", ".join(f"'{key}'" for key in keys[:3]) + (", ..." if len(keys) > 3 else "")
    return f"{len(keys)} {what} keys" + (f" ({names})" if keys else "")
