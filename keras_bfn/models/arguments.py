"""Checks of the arguments of `compile`, `fit` and similar methods, before Keras receives them."""

import contextlib
import inspect
from collections.abc import Iterator

import keras

from keras_bfn._keras import prefer_less
from keras_bfn._validation import (
    LARGEST,
    check_bool,
    check_int,
    check_rate,
    check_verbose,
    is_number,
    mismatch,
    refusal,
)
from keras_bfn.inputs.arrays import check_tensors, check_training_data, is_arrays

# The least values of arguments whose range `fit` and `evaluate` of Keras do not check.
LEAST = {
    "batch_size": 1,
    "validation_batch_size": 1,
    "steps": 1,
    "steps_per_epoch": 1,
    "validation_steps": 1,
    "validation_freq": 1,
    "epochs": 0,
    "initial_epoch": 0,
}


def check_compilation(optimizer, arguments):
    """Returns the optimizer, or raises a `ValueError` if an argument of `compile` is wrong."""
    for name, value in arguments.items():
        if name not in inspect.signature(keras.Model.compile).parameters:
            raise refusal(name, "is not an argument of `compile`", value)
        if name in ("metrics", "weighted_metrics") and value is not None:
            expected = "must be None, because there are no targets. The model reports its own"
            raise refusal(name, f"{expected} metrics, such as `loss` and `reconstruction`", value)
        if name in ("run_eagerly", "auto_scale_loss"):
            check_bool(name, value)
        is_known = isinstance(value, (bool, type(None))) or value == "auto"
        if name == "jit_compile" and not is_known:
            raise refusal(name, "must be 'auto', True or False", value)
    check_int("steps_per_execution", arguments.get("steps_per_execution", 1), 1)
    try:
        return keras.optimizers.get(optimizer)
    except (TypeError, ValueError) as error:
        expected = "must be a Keras optimizer, or the name of one"
        raise refusal("optimizer", expected, optimizer) from error


def check_loss_weights(loss_weights, flow):
    """Returns the weights of the parts' nats, by name; None if none are given.

    Raises:
        ValueError: if they are not finite numbers of at least 0, or not of parts.
    """
    if loss_weights is None:
        return None
    if not isinstance(flow, dict):
        raise refusal("loss_weights", "must be None unless the flow is a dict", loss_weights)
    if not isinstance(loss_weights, dict) or not set(loss_weights) <= set(flow):
        expected = f"must be a dict from some of {list(flow)} to weights"
        raise refusal("loss_weights", expected, loss_weights)
    for name, weight in loss_weights.items():
        if not is_number(weight) or not 0 <= weight <= LARGEST:
            expected = "must contain finite numbers of at least 0"
            raise mismatch("loss_weights", expected, f"loss_weights[{name!r}]={weight!r}")
    return {name: float(weight) for name, weight in loss_weights.items()}


def _bind(model, method, *args, **kwargs):
    """Returns the arguments of a Keras method by name, and checks those that Keras does not."""
    if not model.compiled:
        how = "such as `model.compile('adamw')`"
        raise ValueError(f"You must call `compile()` before `{method.__name__}()`, {how}")
    arguments = inspect.signature(method).bind(*args, **kwargs).arguments
    arguments.update(arguments.pop("kwargs", {}))
    for name in LEAST.keys() & arguments.keys():
        if arguments[name] is not None or name in ("epochs", "initial_epoch"):
            check_int(name, arguments[name], LEAST[name])
    if arguments.get("validation_split") is not None:
        check_rate("validation_split", arguments["validation_split"])
    check_verbose(arguments.get("verbose", "auto"))
    for name in {"shuffle", "return_dict"} & arguments.keys():
        check_bool(name, arguments[name])
    if not isinstance(callbacks := arguments.get("callbacks"), keras.callbacks.CallbackList):
        for callback in keras.tree.flatten(callbacks):
            if not isinstance(callback, (keras.callbacks.Callback, type(None))):
                raise refusal("callbacks", "must be a list of Keras callbacks", callback)
    if arguments.get("class_weight") is not None:
        expected = "must be None, because there are no targets: use `sample_weight`"
        raise refusal("class_weight", expected, arguments["class_weight"])
    return arguments


def fit_arguments(model, method, *args, **kwargs):
    """Returns the checked arguments of Keras's `fit` by name, including the data.

    Args:
        model: the `BayesianFlowNetwork`.
        method: `fit` of Keras.
        *args, **kwargs: the arguments of the model's `fit`.

    Raises:
        ValueError: if an argument is wrong, or the model is not compiled.
    """
    arguments = _bind(model, method, *args, **kwargs)
    for name, steps in (("x", "steps_per_epoch"), ("validation_data", "validation_steps")):
        is_repeated = arguments.get(steps) is None and arguments.get("epochs", 1) > 1
        if is_repeated and isinstance(arguments.get(name), Iterator):
            # Keras 3.15 would repeat its first two batches only.
            expected = f"must not be an iterator, which ends, for several epochs without `{steps}`"
            raise refusal(name, expected, type(arguments[name]).__name__)
    _prepare(model, arguments, "train")
    validation_data = arguments.get("validation_data")
    if validation_data is not None:
        arguments["validation_data"] = _validation(model, validation_data)
    callbacks = arguments.get("callbacks")
    if callbacks is not None:
        check_swaps(callbacks)
        prefer_less(callbacks, model.metrics)
    if getattr(arguments["x"], "shuffles_itself", False):  # keras_bfn.datasets.Batches
        arguments["shuffle"] = False
    return arguments


def check_swaps(callbacks):
    """Refuses callbacks that would take swapped weights and averages for each other."""
    if isinstance(callbacks, keras.callbacks.CallbackList):
        callbacks = callbacks.callbacks
    are_swapped = False
    for callback in keras.tree.flatten(callbacks):
        are_swapped = are_swapped or getattr(callback, "swap_on_epoch", False)
        if are_swapped and getattr(callback, "needs_raw_weights", False):
            expected = "must contain `SwapEMAWeights(swap_on_epoch=True)` after this one"
            raise refusal("callbacks", expected, callback)


def evaluate_arguments(model, method, *args, **kwargs):
    """As `fit_arguments`, for `evaluate`."""
    arguments = _bind(model, method, *args, **kwargs)
    if not arguments.get("_use_cached_eval_dataset"):
        _prepare(model, arguments, "test")
    elif "validation" in (shapes := model.programs.shapes):  # `fit` has checked these data
        shapes["test"] = shapes["validation"]
    return arguments


def evaluation_of(x):
    """Returns a context in which `evaluate` leaves the epoch of `x` as it is, if it counts any."""
    return getattr(x, "evaluated", contextlib.nullcontext)()


def batch_arguments(model, method, x, y, sample_weight, return_dict, class_weight=None):
    """As `fit_arguments`, for `train_on_batch` and `test_on_batch`.

    The values of tensors are not checked: they stay on their device.
    """
    given = {"sample_weight": sample_weight, "return_dict": return_dict}
    given |= {} if class_weight is None else {"class_weight": class_weight}
    arguments = _bind(model, method, x, y, **given)
    if not is_arrays(x):
        raise refusal("x", "must be one batch of arrays or tensors", x)
    if any(map(keras.ops.is_tensor, keras.tree.flatten(x))):
        weight = check_tensors(model, x, y, sample_weight)
        arguments |= {"y": weight, "sample_weight": weight}
    else:
        _prepare(model, arguments, method.__name__.removesuffix("_on_batch"))
    return arguments


def _prepare(model, arguments, function):
    """Checks data and weights, and replaces them in the arguments by the form Keras takes."""
    names = "x", "y", "sample_weight"
    checked = check_training_data(model, *map(arguments.get, names), function=function)
    arguments |= dict(zip(names, checked, strict=True))


def _validation(model, validation_data):
    """Returns checked `validation_data`, in the form Keras takes."""
    is_pair = isinstance(validation_data, (tuple, list)) and len(validation_data) == 2
    if is_pair and validation_data[1] is not None:  # data and conditions, a form of `x`
        validation_data = (validation_data,)
    if isinstance(validation_data, (tuple, list)) and not 0 < len(validation_data) < 4:
        expected = "must be data, (data, condition), (data,) or (data, None, sample_weight)"
        raise refusal("validation_data", expected, validation_data)
    x, y, weight = keras.utils.unpack_x_y_sample_weight(validation_data)
    checked = check_training_data(model, x, y, weight, "validation_data", "validation")
    return checked[:1] if checked[-1] is None else checked
