"""Refuses wrong data before any work starts."""

import itertools
import types

import keras
import numpy as np

from keras_bfn.networks import Network


def check_training_data(model, x, y, name="x"):
    """Checks arrays whole, and pipelines by their first batch, and builds the model for them.

    Keras would build it on a batch that is then missing from the first epoch.

    Args:
        model: the `BayesianFlowNetwork` that the data are for.
        x: arrays `data` or `(data, condition)`, or a `tf.data.Dataset`, `keras.utils.PyDataset` or
            torch `DataLoader` of them.
        y: must be None.
        name: the argument's name, for the message.

    Returns:
        What to train on: `x`, or in the place of a generator one that yields all its batches.

    Raises:
        ValueError: if the data do not suit the model.
    """
    check_no_targets(y, name)
    data = x
    if x is not None and not _is_arrays(x):
        batch, x = _first_batch(x, name)
        data, y, sample_weight = keras.utils.unpack_x_y_sample_weight(batch)
        if sample_weight is None:
            check_no_targets(y, name)
    data, condition = check_arrays(model, data, name)
    model.build_for(data.shape, condition)
    return x


def check_no_targets(y, name="x"):
    """Raises a `ValueError` if there are targets."""
    if y is not None:
        raise ValueError(
            "A Bayesian flow network learns the data alone and has no use for targets `y`. "
            f"Received: `{name}` with targets. Give the data alone or, for conditional models, "
            f"`{name}=(data, condition)`; a pipeline then yields `((data, condition),)`"
        )


def check_arrays(model, x, name="x"):
    """Checks `data` or `(data, condition)`, values included.

    Returns:
        The tuple `(data, condition)` of numpy arrays; the condition may be None.

    Raises:
        ValueError: if the data do not suit the model.
    """
    if x is None:
        raise ValueError(f"Argument `{name}` must hold data. Received: {name}=None")
    x, condition = split_condition(x)
    x = _to_numpy(x)
    model.flow.check_data(x, name)
    check_shape(model, x.shape, name)
    return x, check_condition(model, condition, len(x), name)


def check_condition(model, condition, num_examples, name="condition"):
    """Returns the condition as a numpy array, or None if there is none and must be none.

    Raises:
        ValueError: if there should be a condition and is none, the reverse, a wrong number, or
            one that is not a class of the network.
    """
    check_is_conditional(model, condition is not None, name)
    if condition is None:
        return None
    condition = _to_numpy(condition)
    if condition.shape[:1] != (num_examples,):
        raise ValueError(
            f"Argument `{name}` must have one condition for each of {num_examples} examples. "
            f"Received: conditions of shape {condition.shape}"
        )
    if isinstance(model.network, Network) and model.network.num_classes is not None:
        _check_classes(condition, model.network.num_classes, name)
    return condition


def _check_classes(condition, num_classes, name):
    integers = np.issubdtype(condition.dtype, np.integer)
    if not integers or condition.ndim != 1 or not np.isin(condition, range(num_classes + 1)).all():
        raise ValueError(
            f"Argument `{name}` must have conditions of shape (batch,), integers in "
            f"0..{num_classes}, where {num_classes} means no class. Received: conditions of shape "
            f"{condition.shape}, dtype {condition.dtype}"
            + (f", between {condition.min()} and {condition.max()}" if integers else "")
        )


def check_is_conditional(model, conditional, name="x"):
    """Raises a `ValueError` if the network takes a condition and there is none, or the reverse."""
    inputs = model.network_inputs()
    if inputs and ("condition" in inputs) != conditional:
        takes, came = ("no condition", "one") if conditional else ("a condition", "none")
        raise ValueError(f"The network takes {takes}. Received: `{name}` with {came}")


def check_shape(model, shape, name="x"):
    """Raises a `ValueError` unless `shape` is `(batch, *event_shape)`."""
    if model.event_shape is not None and tuple(shape[1:]) != model.event_shape:
        raise ValueError(
            f"Argument `{name}` must have shape (batch, *event_shape) with event_shape="
            f"{model.event_shape}. Received: shape {tuple(shape)}"
        )


def split_condition(inputs):
    """Splits `data` or `(data, condition)`; the condition of the former is None."""
    if isinstance(inputs, (tuple, list)) and inputs and hasattr(inputs[0], "shape"):
        if len(inputs) > 2:
            raise ValueError(
                "Argument `x` must be data or the tuple (data, condition). "
                f"Received: {len(inputs)} parts"
            )
        return inputs if len(inputs) == 2 else (inputs[0], None)
    return inputs, None


def _is_arrays(x):
    parts = x if isinstance(x, (tuple, list)) else [x]
    return all(isinstance(part, (list, int, float)) or hasattr(part, "shape") for part in parts)


def _to_numpy(x):
    return keras.ops.convert_to_numpy(x) if keras.ops.is_tensor(x) else np.asarray(x)


def _first_batch(x, name):
    """The first batch of a pipeline, and the pipeline with all its batches."""
    if isinstance(x, keras.utils.PyDataset):
        batches = [x[0]] if x.num_batches != 0 else []
    else:
        batches = list(itertools.islice(iter(x), 1))
    if not batches:
        raise ValueError(f"Argument `{name}` must hold data. Received: an empty dataset")
    if isinstance(x, types.GeneratorType):
        x = _put_back(batches, x)
    return tuple(batches[0]) if isinstance(batches[0], list) else batches[0], x


def _put_back(batches, generator):
    yield from batches
    yield from generator
