"""Packages that may be missing: the backend of Keras, and optional ones."""

import contextlib
import importlib.util

BACKENDS = ("tensorflow", "jax", "torch")

try:
    import keras as keras
except ImportError as error:
    missing = (error.name or "").partition(".")[0]
    if missing not in BACKENDS:
        raise
    others = [name for name in BACKENDS if name != missing and importlib.util.find_spec(name)]
    installed = f", such as {others[0]!r}, which is installed" if others else ""
    raise ImportError(
        f"The backend of Keras, {missing!r}, is not installed. Install it by "
        f'`pip install "keras-bfn[{missing}]"`, or set the environment variable KERAS_BACKEND '
        f"to another backend{installed}, before Keras is imported"
    ) from None


@contextlib.contextmanager
def tell_to_install(message):
    """Replaces the message of an import error in the block by one that says what to install."""
    try:
        yield
    except ImportError as error:
        raise ImportError(message) from error
