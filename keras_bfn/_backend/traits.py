"""In what the backends differ."""

import sys

import keras


def backend_version():
    """The backend and its version, in words."""
    backend = keras.backend.backend()
    return f"{backend} {sys.modules[backend].__version__}"


def steps_take_values():
    """Whether compiled steps destroy the values of the variables that they take."""
    return keras.backend.backend() == "jax"


def compiles_gradients_of_scans():
    """Whether programs are compiled that take gradients of `ops.scan`: not by TensorFlow's XLA."""
    return keras.backend.backend() != "tensorflow"


def is_data_loader(x):
    """Whether `x` is a `torch.utils.data.DataLoader`, which every backend takes."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(x, torch.utils.data.DataLoader)
