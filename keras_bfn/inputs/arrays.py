"""Validation of data before any work starts."""

import itertools
import math
from collections.abc import Iterator

import keras
import numpy as np

from keras_bfn._backend.traits import is_data_loader
from keras_bfn._keras import yield_tuples
from keras_bfn._parts import check_names, count_examples, map_parts
from keras_bfn._validation import check_fits, mismatch, refusal, standard_dtype, to_numpy
from keras_bfn.inputs.conditions import check_condition, check_training_classes
from keras_bfn.inputs.missing import arrange_weight, check_sample_weight, fill_missing, is_missing


def check_training_data(model, x, y, sample_weight=None, name="x", function="train"):
    """Checks arrays in full, and pipelines by their first batch; builds the model for the data.

    Args:
        model: the `BayesianFlowNetwork` to train.
        x: arrays `data` or `(data, condition)`, as numpy arrays, lists, tensors or frames; or a
            `tf.data.Dataset`, `keras.utils.PyDataset` or torch `DataLoader` of them.
        y: must be None.
        sample_weight: None, or the weights of the examples.
        name: the argument's name, for the message.
        function: "train", "test" or "validation", what the data are for.

    Returns:
        The tuple of data, targets and weights, as Keras takes them. The data are `x` as arrays; a
        generator is replaced by one that yields all of its batches. Keras 3.15 drops the weights of
        data without targets, so weights, if any, are also returned as targets.

    Raises:
        ValueError: if the data do not suit the model.
    """
    if y is not None:
        check_no_targets(y, name)
    is_whole, data, weight = x is None or is_arrays(x), x, sample_weight
    if not is_whole:
        if sample_weight is not None:
            expected = f"must be None if `{name}` yields batches: yield the weights with the data"
            raise refusal("sample_weight", expected, sample_weight)
        batch, x = _first_batch(x, name)
        data, y, weight = _unpack(batch, name)
        if weight is None:
            check_no_targets(y, name)
    data, condition = split_condition(data)
    data, condition = check_arrays(model, data, condition, name)
    if is_whole and condition is not None:
        check_training_classes(model, condition, name)
    if weight is not None:
        given, weight = weight, check_sample_weight(model, weight, data)
        model.programs.expect_weights(function, weight if is_whole else given)
    if not model.built:
        model.build_for(map_parts(np.shape, data), condition)
    if not is_whole:
        return x, None, None
    return data if condition is None else (data, condition), weight, weight


def check_tensors(model, x, y, sample_weight):
    """Returns the weights of a batch of tensors, of which only the form is checked.

    Values stay on their device. The model is built for these data.
    """
    check_no_targets(y)
    data, condition = split_condition(x)
    check_form(model.flow, model.event_shape, data)
    model.signature.check_conditional(condition is not None)
    model.build_for(map_parts(np.shape, data), condition)
    if sample_weight is None:
        return None
    on_device = all(map(keras.ops.is_tensor, keras.tree.flatten(sample_weight)))
    if on_device:
        return arrange_weight(sample_weight, data)
    return check_sample_weight(model, sample_weight, data)


def check_no_targets(y, name="x"):
    """Raises a `ValueError` if there are targets."""
    if y is not None:
        raise ValueError(
            "A Bayesian flow network learns the distribution of the data, without targets `y`. "
            f"Received: `{name}` with targets. Pass only the data or, for conditional models, "
            f"`{name}=(data, condition)`. A pipeline then yields `((data, condition),)`"
        )


def check_arrays(model, x, condition, name="x"):
    """Checks data and a condition, which may be None, including their values.

    Returns:
        The tuple `(data, condition)` of numpy arrays; for a dict of flows, the data are a dict of
        arrays.

    Raises:
        ValueError: if the data do not suit the model.
    """
    x = check_data(model.flow, model.event_shape, x, name, model.allow_missing)
    model.signature.check_conditional(condition is not None, name)
    if condition is not None:
        condition = check_condition(model, condition, count_examples(x), name)
    return x, condition


def check_data(flow, event_shape, x, name="x", allow_missing=False):
    """Returns data, read from a pipeline if need be, as numpy arrays with valid values."""
    if not isinstance(x, dict) and not hasattr(x, "shape"):
        x = read_all(x, name)
    if x is None:
        raise refusal(name, "must contain data", None)
    names = check_names(flow, x, name)
    x = map_parts(_check_part, flow, event_shape, x, names, allow_missing)
    if isinstance(x, dict) and len(set(map(len, x.values()))) > 1:
        counts = str(map_parts(len, x))
        raise mismatch(name, "must have equally many examples of each part", counts)
    return x


def read_all(x, name):
    """Returns arrays unchanged, and a pipeline as the arrays of all its batches.

    Raises:
        ValueError: if there are no batches, or they hold more than data and conditions.
    """
    if is_arrays(x) or isinstance(x, str) or not hasattr(x, "__iter__"):
        return x
    if isinstance(x, keras.utils.PyDataset):
        if x.num_batches is None:
            raise refusal(name, "must be finite, such as a `PyDataset` with `num_batches`", x)
        batches = (x[i] for i in range(x.num_batches))
    else:
        batches = iter(yield_tuples(x) if is_data_loader(x) else x)
    parts = []
    for batch in batches:
        data, y, sample_weight = _unpack(batch, name)
        check_no_targets(y, name)
        if sample_weight is not None:
            raise refusal(name, "must not yield a `sample_weight` here", type(x).__name__)
        parts.append(keras.tree.map_structure(lambda x: to_numpy(x, name), data))
    if not parts:
        raise mismatch(name, "must contain data", "an empty dataset")
    try:
        return keras.tree.map_structure(lambda *rows: np.concatenate(rows), *parts)
    except (TypeError, ValueError) as error:  # not arrays, or with other shapes or names
        raise refusal(name, "must yield batches of the same structure", type(x).__name__) from error


def _in_tuple(batch):
    batch = tuple(batch) if isinstance(batch, list) else batch
    return batch if isinstance(batch, tuple) else (batch,)


def _alike(batch, first, name):
    """Returns a batch as a tuple; raises a `ValueError` if its structure differs from the first."""
    batch = _in_tuple(batch)
    if keras.tree.map_structure(np.ndim, batch) != keras.tree.map_structure(np.ndim, first):
        raise refusal(name, "must yield batches of the same structure", type(batch[0]).__name__)
    return batch


def _unpack(batch, name):
    try:
        return keras.utils.unpack_x_y_sample_weight(batch)
    except ValueError as error:
        expected = "must yield data, (data,), ((data, condition),) or (data, weights, weights)"
        raise refusal(name, expected, type(batch).__name__) from error


def _check_part(flow, event_shape, x, name, allow_missing):
    x = to_numpy(x, name)
    if x.ndim == 0:
        raise refusal(name, "must be an array of examples", x)
    try:
        flow.check_data(fill_missing(flow, x) if allow_missing else x, name)
    except ValueError as error:
        if allow_missing or not is_missing(x).any():
            raise
        advice = "If -1 or NaN mark missing values, create the model with allow_missing=True"
        raise ValueError(f"{error}. {advice}") from error
    check_fits(x, standard_dtype(x.dtype.name), name)
    if event_shape is not None and x.shape[1:] != event_shape:
        raise _other_shape(event_shape, x, name)
    return x


def check_form(flow, event_shape, x):
    """Raises a `ValueError` if the names, dtypes or shapes of tensors are not those of data."""

    def check(flow, event_shape, x, name):
        flow.check_dtype(keras.backend.standardize_dtype(x.dtype), name)
        if event_shape is not None and tuple(x.shape[1:]) != event_shape:
            raise _other_shape(event_shape, x, name)

    map_parts(check, flow, event_shape, x, check_names(flow, x))


def _other_shape(event_shape, x, name):
    expected = f"must have shape (batch, *event_shape) with event_shape={event_shape}"
    shape = tuple(x.shape)
    advice = {
        (*shape[1:], 1): f". Write `{name}[..., None]`, with an axis of channels",
        shape: f". Write `{name}[None]`, for one example",
        shape[2:] + shape[1:2]: f". Write `np.moveaxis({name}, 1, -1)`, with channels last",
    }
    if shape[1:] == (math.prod(event_shape),):
        advice.setdefault(event_shape, f". Write `np.reshape({name}, {(-1, *event_shape)})`")
    elif "int" in str(x.dtype):
        advice.setdefault(shape[1:-1], f". Write `np.argmax({name}, -1)` after one-hot classes")
    return mismatch(name, expected, f"shape {shape}{advice.get(event_shape, '')}")


def split_condition(inputs):
    """Splits `data` or `(data, condition)`; the condition of the former is None."""
    first = inputs[0] if isinstance(inputs, (tuple, list)) and inputs else None
    kinds = (dict, list) if isinstance(inputs, tuple) else dict  # inside a list, lists are rows
    if isinstance(first, kinds) or hasattr(first, "shape"):
        if len(inputs) > 2:
            expected = "must be data or the tuple (data, condition)"
            advice = ". Write `np.stack(x)` of a list of examples"
            raise mismatch("x", expected, f"{len(inputs)} elements{advice}")
        return inputs if len(inputs) == 2 else (inputs[0], None)
    return inputs, None


def is_arrays(x):
    """Whether `x` is an array, or a dict or tuple of arrays, and not a pipeline."""
    for part in x if isinstance(x, (tuple, list)) else [x]:
        if not isinstance(part, (dict, list, int, float, str)) and not hasattr(part, "shape"):
            return False
    return True


def _first_batch(x, name):
    """Returns the first batch of a pipeline, and the pipeline with all its batches."""
    if isinstance(x, keras.utils.PyDataset):
        batches = [x[0]] if x.num_batches != 0 else []
    else:
        if not hasattr(x, "__iter__"):
            raise refusal(name, "must be data, or a pipeline that yields them in batches", x)
        batches = list(itertools.islice(iter(x), 1))
    if not batches:
        raise mismatch(name, "must contain data", "an empty dataset")
    if isinstance(x, Iterator):
        # A generator of tuples, which Keras accepts on every backend.
        first = _in_tuple(batches[0])
        x = (_alike(batch, first, name) for batch in itertools.chain(batches, x))
    return batches[0], yield_tuples(x) if is_data_loader(x) else x
