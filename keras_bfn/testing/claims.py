"""Claims that all checks share: about values, samples, and serialisable objects."""

import contextlib
import json

import keras
import numpy as np

NUM_ERRORS = 5.0  # standard errors by which a mean may differ: by chance once in two million


def require(condition, sentence):
    """Raises an `AssertionError` with this sentence unless the condition holds."""
    if not condition:
        raise AssertionError(sentence)


@contextlib.contextmanager
def requiring(sentence, *errors):
    """Turns the given errors into an `AssertionError` with the sentence and the error."""
    try:
        yield
    except errors as error:
        raise AssertionError(f"{sentence}: {error}") from error


def is_refused(error, function, *arguments):
    """Whether a call raises this error."""
    try:
        function(*arguments)
    except error:
        return True
    return False


def draw_data(flow, shape, rng, most=None):
    """Draws data from a flow's whole range, or from its lowest part, of size `most`."""
    low, high = flow.data_range
    high = high if most is None else np.minimum(high, low + most)
    if flow.discrete:
        return rng.integers(low, high + 1, shape).astype("int32")
    return rng.uniform(low, high, shape).astype("float32")


def require_mean(draws, expected, sentence, tolerance=0.0):
    """Claims that samples along the first axis have this mean, up to chance and a tolerance."""
    draws = np.asarray(draws, "float64")
    mean, error = draws.mean(axis=0), draws.std(axis=0) / np.sqrt(len(draws))
    off = np.abs(mean - expected) - NUM_ERRORS * error - tolerance
    place = np.unravel_index(np.argmax(off), off.shape)
    is_right = np.isfinite(mean).all() and off[place] <= 0
    came = f"the mean of {len(draws)} draws is {mean[place]:.6g} +- {error[place]:.2g}"
    expected = np.broadcast_to(expected, mean.shape)[place]
    require(is_right, f"{sentence}: {came}, expected {expected:.6g}")


def require_shape(tensor, shape, name):
    """Claims that a tensor has this shape."""
    came = tuple(tensor.shape) if hasattr(tensor, "shape") else None
    require(came == tuple(shape), f"{name} must have shape {tuple(shape)}. It has shape {came}")


def require_float32(tensor, shape, name):
    """Claims that a tensor is float32 and has this shape."""
    require_shape(tensor, shape, name)
    dtype = keras.backend.standardize_dtype(tensor.dtype)
    require(dtype == "float32", f"{name} must be float32 for any input. It is {dtype}")


def require_config(made, cls):
    """Claims that an object is of this public class, is restored by its config, and immutable."""
    name, room = type(made).__name__, cls.__module__.split(".")[1]
    kind = f"A {cls.__name__.removeprefix('BFN').lower()}"
    expected = f"must be a `keras_bfn.{room}.{cls.__name__}`"
    require(isinstance(made, cls), f"{kind} {expected}. It is {made!r}")
    with requiring(f"{name} must be defined by its config", AttributeError):
        config = made.get_config()  # fails for an argument that was not kept
    _require_copy(made, type(made).from_config(config), "from_config(get_config())")
    for argument in config:
        claim = f"{name} must be immutable, but its `{argument}` can be set"
        require(is_refused(AttributeError, setattr, made, argument, None), claim)


def require_saving(made, cls):
    """Claims the same, and that the object is saved with a model: Keras finds its class."""
    require_config(made, cls)
    saved = json.dumps(keras.saving.serialize_keras_object(made))
    advice = "decorate the class with `@keras.saving.register_keras_serializable()`"
    known = f"{type(made).__name__} must be registered with Keras, to be saved with a model"
    with requiring(f"{known}; {advice}", TypeError):
        copy = keras.saving.deserialize_keras_object(json.loads(saved))
    _require_copy(made, copy, "Keras's serialisation")


def _require_copy(made, copy, way):
    is_same = type(copy) is type(made) and copy.get_config() == made.get_config()
    claim = f"{type(made).__name__} must be unchanged by {way}"
    require(is_same, f"{claim}. {made!r} became {copy!r}")


class Compiled(keras.Model):
    """A function as one compiled program, run by `predict_on_batch`.

    Args:
        function: takes the inputs and a seed generator, and returns a nest of tensors.
        seed: int.
    """

    def __init__(self, function, seed=0):
        super().__init__(dtype="float32", autocast=False)
        self.function = function
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.built = True

    def call(self, inputs):
        return self.function(inputs, self.seed_generator)
