"""What `compile`, `fit` and `evaluate` take, and the values that training leaves behind."""

import copy
import functools

import keras
from keras import ops


def stand_in_for_targets(arguments):
    """Puts weights in the place of targets, too, in arguments of `fit` or `evaluate`.

    Keras 3.15 drops the sample weights of data without targets.
    """
    if arguments.get("sample_weight") is not None and arguments.get("y") is None:
        arguments["y"] = arguments["sample_weight"]


def prefer_less(callbacks, metrics):
    """Tells callbacks that monitor one of these metrics, all of them costs, that less is better.

    Keras 3.15 looks for what a metric prefers among those that `compile` was given alone, and
    refuses `EarlyStopping(monitor="val_bits_per_dim")` without a `mode`.
    """
    for callback in keras.tree.flatten(getattr(callbacks, "callbacks", callbacks)):
        monitored = str(getattr(callback, "monitor", None)).removeprefix("val_")
        is_open = getattr(callback, "mode", None) == "auto"
        if is_open and monitored in {metric.name for metric in metrics}:
            callback.mode = "min"


def yield_tuples(loader):
    """A torch `DataLoader` of the same batches, in tuples.

    Of each batch, Keras 3.15 on JAX and TensorFlow makes a tuple: of a dict's names, of a tensor's
    rows. On TensorFlow it refuses the lists that torch makes of tuples within tuples.
    """
    loader = copy.copy(loader)
    # Not a closure: workers are sent it.
    loader.collate_fn = functools.partial(_collate_tuple, loader.collate_fn)
    loader._iterator = None  # workers that last are not shared
    return loader


def _collate_tuple(function, *args):
    batch = _lists_to_tuples(function(*args))
    return batch if isinstance(batch, tuple) else (batch,)


def _lists_to_tuples(batch):
    return tuple(map(_lists_to_tuples, batch)) if isinstance(batch, (list, tuple)) else batch


def of_no_backend(optimizer_config):
    """An optimizer's config that names the class of `keras.optimizers`.

    In Keras 3.15 a model compiled on PyTorch names torch's own class, which trains nowhere else.
    """
    config = dict(optimizer_config)
    if config["module"].startswith("keras.src.backend."):
        config |= {"module": "keras.optimizers", "registered_name": None}
    if "inner_optimizer" in config["config"]:
        inner = of_no_backend(config["config"]["inner_optimizer"])
        config["config"] = {**config["config"], "inner_optimizer": inner}
    return config


def scale_loss(model, network):
    """Scales the loss of a compiled model whose network computes in float16.

    Keras 3.15 goes by the policy of the model itself, which need not be that of its layers.
    """
    layers = [network, *getattr(network, "layers", ())]
    in_float16 = any(layer.dtype_policy.name == "mixed_float16" for layer in layers)
    if in_float16 and not isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer):
        model.optimizer = keras.optimizers.LossScaleOptimizer(model.optimizer)


def unshare_buffers(weights):
    """Gives each weight a buffer of its own.

    Where Keras 3.15 assigns one variable to another on JAX, as it puts averages in the place of
    weights, both share one. The next compiled step donates it: to save, or to train on, would find
    it deleted.
    """
    for weight in weights:
        weight.assign(ops.copy(weight))


def copy_values(variables):
    """The values of variables, in arrays that share no buffer with them: see `unshare_buffers`."""
    return [ops.convert_to_numpy(variable).copy() for variable in variables]
