"""Models on several devices."""

import contextlib

import keras
from keras import ops

from keras_bfn._backend import process_of


def strategy_of(model):
    """The strategy of TensorFlow that a model was made in; None on other backends."""
    return getattr(model, "distribute_strategy", None)


def scope_of(model):
    """The context in which what is made is shared among devices as the model is."""
    strategy = strategy_of(model)
    return contextlib.nullcontext() if strategy is None else strategy.scope()


def is_on_one_device(model):
    """Whether a batch need not be divided."""
    return keras.distribution.distribution() is None and round_up(1, model) == 1


def averaged(results, model):
    """What a step returns, as Keras averages it over the processes of a strategy of TensorFlow.

    In Keras 3.15 that is along the first axis, which a metric's result lacks.
    """
    strategy = strategy_of(model)
    if strategy is None or process_of(strategy)[1] == 1:
        return results
    return {name: ops.expand_dims(result, 0) for name, result in results.items()}


def round_up(batch_size, model):
    """The batch size, or a little more: what all devices that the model is on can share.

    JAX refuses a batch that does not divide among them.
    """
    distribution, strategy = keras.distribution.distribution(), strategy_of(model)
    num_devices = 1 if strategy is None else strategy.num_replicas_in_sync
    if distribution is not None:
        num_devices = distribution.num_model_replicas
    return -(-batch_size // num_devices) * num_devices
