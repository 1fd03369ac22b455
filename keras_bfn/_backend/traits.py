"""Differences between the backends."""

import sys

import keras


def backend_version():
    """Returns the backend and its version, as a string."""
    backend = keras.backend.backend()
    return f"{backend} {sys.modules[backend].__version__}"


def compiles_gradients_of_scans():
    """Whether programs with gradients of `ops.scan` compile; they do not with TensorFlow's XLA."""
    return keras.backend.backend() != "tensorflow"


def is_data_loader(x):
    """Whether `x` is a `torch.utils.data.DataLoader`, which every backend accepts."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(x, torch.utils.data.DataLoader)
