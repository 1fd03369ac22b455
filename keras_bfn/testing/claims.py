"""What every check claims: values, draws, and objects that can be saved."""

import json

import keras
import numpy as np

NUM_ERRORS = 5.0  # standard errors by which a mean may be off: by chance once in two million


def require(condition, sentence):
    """Raises an `AssertionError` with this sentence, unless the condition holds."""
    if not condition:
        raise AssertionError(sentence)


def require_mean(draws, expected, sentence, tolerance=0.0):
    """Claims that draws along the first axis have this mean, up to chance and a tolerance."""
    draws = np.asarray(draws, "float64")
    mean, error = draws.mean(axis=0), draws.std(axis=0) / np.sqrt(len(draws))
    off = np.abs(mean - expected) - NUM_ERRORS * error - tolerance
    place = np.unravel_index(np.argmax(off), off.shape)
    require(
        np.isfinite(mean).all() and off[place] <= 0,
        f"{sentence}: the mean of {len(draws)} draws is {mean[place]:.6g} +- {error[place]:.2g}, "
        f"expected {np.broadcast_to(expected, mean.shape)[place]:.6g}",
    )


def require_float32(tensor, name):
    """Claims that a tensor is float32."""
    dtype = keras.backend.standardize_dtype(tensor.dtype)
    require(dtype == "float32", f"{name} must be float32, whatever the input. It is {dtype}")


def require_shape(tensor, shape, name):
    """Claims that a tensor has this shape."""
    came = getattr(tensor, "shape", None)
    require(
        came is not None and tuple(came) == tuple(shape),
        f"{name} must have shape {tuple(shape)}. It has "
        + (
            f"shape {tuple(came)}" if came is not None else f"none: it is a {type(tensor).__name__}"
        ),
    )


def require_config(made):
    """Claims that an object comes back from its config as it was, and cannot be changed."""
    name = type(made).__name__
    try:
        config = made.get_config()
    except AttributeError as error:  # of an argument that was not kept
        raise AssertionError(str(error)) from error
    _require_copy(made, type(made).from_config(config), "from_config(get_config())")
    for argument in config:
        try:
            setattr(made, argument, None)
        except AttributeError:
            continue
        require(False, f"{name} must be immutable, but its `{argument}` can be set")


def require_saving(made):
    """The same, and that it is saved with a model: that Keras finds its class."""
    require_config(made)
    saved = json.dumps(keras.saving.serialize_keras_object(made))
    try:
        copy = keras.saving.deserialize_keras_object(json.loads(saved))
    except TypeError as error:
        raise AssertionError(
            f"{type(made).__name__} must be known to Keras, to be saved with a model: decorate the "
            "class with `@keras.saving.register_keras_serializable()`"
        ) from error
    _require_copy(made, copy, "Keras's serialisation")


def _require_copy(made, copy, way):
    name = type(made).__name__
    require(
        type(copy) is type(made) and copy.get_config() == made.get_config(),
        f"{name} must come back from {way} as it was. {made!r} came back as {copy!r}",
    )
