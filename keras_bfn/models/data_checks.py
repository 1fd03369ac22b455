"""Refuses wrong data before any work starts."""

import itertools

import keras
import numpy as np


def check_training_data(model, x, y, name="x"):
    """Checks arrays whole, and restartable pipelines by their first batch.

    One-shot generators cannot be looked at without losing a batch; their dtypes and shapes are
    checked when the training step is built.

    Args:
        model: the `BayesianFlowNetwork` that the data are for.
        x: arrays `data` or `(data, condition)`, or a `tf.data.Dataset`, `keras.utils.PyDataset` or
            torch `DataLoader` of them.
        y: must be None.
        name: the argument's name, for the message.

    Raises:
        ValueError: if the data do not suit the model.
    """
    if y is not None:
        raise _no_targets(name)
    if x is None:
        raise ValueError(f"Argument `{name}` must hold data. Received: {name}=None")
    if _is_arrays(x):
        check_arrays(model, x, name)
        return
    batch = _first_batch(x, name)
    if batch is None:
        return
    x, y, _ = keras.utils.unpack_x_y_sample_weight(batch)
    if y is not None:
        raise _no_targets(name)
    check_arrays(model, x, f"{name} (first batch)")


def check_arrays(model, x, name="x"):
    """Checks `data` or `(data, condition)` whole, values included; returns them as numpy arrays."""
    x, condition = model.split_condition(x, name)
    x = _to_numpy(x)
    model.flow.check_data(x, name)
    model.check_shape(x.shape, name)
    if condition is not None:
        condition = _to_numpy(condition)
        if len(condition) != len(x):
            raise ValueError(
                f"Argument `{name}` must hold as many conditions as data. "
                f"Received: {len(x)} data and {len(condition)} conditions"
            )
    return x, condition


def _no_targets(name):
    return ValueError(
        f"A Bayesian flow network learns the data alone, so targets `y` are of no use. Received: "
        f"`{name}` with targets. Give the data alone or, for conditional models, "
        "`x=(data, condition)`; a pipeline then yields `((data, condition),)`"
    )


def _is_arrays(x):
    parts = x if isinstance(x, (tuple, list)) else [x]
    return all(isinstance(p, (list, int, float)) or hasattr(p, "shape") for p in parts)


def _to_numpy(x):
    return keras.ops.convert_to_numpy(x) if keras.ops.is_tensor(x) else np.asarray(x)


def _first_batch(x, name):
    """The first batch of a pipeline that can start anew, else None."""
    if isinstance(x, keras.utils.PyDataset):
        if x.num_batches == 0:
            raise ValueError(f"Argument `{name}` must hold data. Received: an empty dataset")
        return x[0]
    if iter(x) is x:
        return None
    batches = list(itertools.islice(iter(x), 1))
    if not batches:
        raise ValueError(f"Argument `{name}` must hold data. Received: an empty dataset")
    batch = batches[0]
    return tuple(batch) if isinstance(batch, list) else batch
