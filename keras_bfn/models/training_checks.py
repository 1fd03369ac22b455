"""What `compile`, `fit` and their like are told, looked at before Keras is."""

import inspect

import keras

from keras_bfn._keras import stand_in_for_targets
from keras_bfn._validation import (
    LARGEST,
    check_bool,
    check_int,
    check_rate,
    check_verbose,
    is_number,
    refusal,
)
from keras_bfn.models.data_checks import check_no_targets, check_training_data, is_arrays

# What `fit` and `evaluate` of Keras take for any number.
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


def check_compilation(
    optimizer,
    metrics=None,
    weighted_metrics=None,
    run_eagerly=False,
    steps_per_execution=1,
    jit_compile="auto",
    auto_scale_loss=True,
    **unknown,
):
    """The optimizer that is asked for, or a `ValueError` if an argument of `compile` is wrong."""
    for name, value in (("metrics", metrics), ("weighted_metrics", weighted_metrics)):
        if value is not None:
            raise ValueError(
                f"Argument `{name}` must be None: there are no targets, and `loss`, "
                f"`reconstruction` and more are reported. Received: {value!r}"
            )
    for name, value in unknown.items():
        raise refusal(name, "is none that `compile` takes", value)
    if not isinstance(jit_compile, (bool, type(None))) and jit_compile != "auto":
        raise refusal("jit_compile", "must be 'auto', True or False", jit_compile)
    check_bool("run_eagerly", run_eagerly)
    check_bool("auto_scale_loss", auto_scale_loss)
    check_int("steps_per_execution", steps_per_execution, 1)
    try:
        return keras.optimizers.get(optimizer)
    except (TypeError, ValueError) as error:
        expected = "must be an optimizer of Keras, or the name of one"
        raise refusal("optimizer", expected, optimizer) from error


def check_loss_weights(loss_weights, flow):
    """What nats of the parts count, by name; None for each as much, or a `ValueError`."""
    if loss_weights is None:
        return None
    if not isinstance(flow, dict):
        raise refusal("loss_weights", "must be None for data of one kind", loss_weights)
    if not isinstance(loss_weights, dict) or not set(loss_weights) <= set(flow):
        raise refusal("loss_weights", f"must be a dict from some of {list(flow)}", loss_weights)
    for name, weight in loss_weights.items():
        if not is_number(weight) or not 0 <= weight <= LARGEST:
            raise ValueError(
                "Argument `loss_weights` must hold finite numbers of at least 0. "
                f"Received: loss_weights[{name!r}]={weight!r}"
            )
    return {name: float(weight) for name, weight in loss_weights.items()}


def bind(method, *args, **kwargs):
    """The arguments of a method of Keras by name, its sizes checked, which Keras does not."""
    arguments = inspect.signature(method).bind(*args, **kwargs).arguments
    del arguments["self"]
    arguments.update(arguments.pop("kwargs", {}))
    for name in LEAST.keys() & arguments.keys():
        if arguments[name] is not None or name in ("epochs", "initial_epoch"):
            check_int(name, arguments[name], LEAST[name])
    if arguments.get("validation_split") is not None:
        check_rate("validation_split", arguments["validation_split"])
    check_verbose(arguments.get("verbose", "auto"))
    for name in ("shuffle", "return_dict"):
        check_bool(name, arguments.get(name, False))
    _check_callbacks(arguments.get("callbacks"))
    if arguments.get("class_weight") is not None:
        expected = "must be None, for there are no targets: use `sample_weight`"
        raise refusal("class_weight", expected, arguments["class_weight"])
    return arguments


def _check_callbacks(callbacks):
    if isinstance(callbacks, keras.callbacks.CallbackList):
        return
    for callback in keras.tree.flatten(callbacks):
        if callback is not None and not isinstance(callback, keras.callbacks.Callback):
            raise refusal("callbacks", "must be a list of callbacks of Keras", callback)


def check_batch(self, name, x, y, sample_weight, class_weight, return_dict):
    """The arguments of a method for one batch, by name, or a `ValueError` if one is wrong."""
    self._assert_compile_called(name)
    told = {"sample_weight": sample_weight, "return_dict": check_bool("return_dict", return_dict)}
    if class_weight is not None:
        told["class_weight"] = class_weight
    arguments = bind(getattr(keras.Model, name), self, x, y, **told)
    check_no_targets(y)
    if not is_arrays(x):
        raise refusal("x", "must be one batch, of arrays or tensors", x)
    x, weight = check_training_data(self, x, y, sample_weight=sample_weight)
    arguments |= {"x": x, "sample_weight": weight}
    stand_in_for_targets(arguments)
    return arguments
