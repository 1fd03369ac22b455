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
    return _num_shares(model) == 1 and keras.distribution.distribution() is None


def _num_shares(model):
    """How many devices share a batch."""
    distribution, strategy = keras.distribution.distribution(), strategy_of(model)
    if distribution is not None:
        return distribution.num_model_replicas
    return 1 if strategy is None else strategy.num_replicas_in_sync


def averaged(results, model):
    """What a step returns, as Keras averages it over the processes of a strategy of TensorFlow.

    In Keras 3.15 that is along the first axis, which a metric's result lacks.
    """
    if strategy_of(model) is None or process_of(strategy_of(model))[1] == 1:
        return results
    return {name: ops.expand_dims(result, 0) for name, result in results.items()}


def round_up(batch_size, model):
    """The batch size, or a little more: what all devices that the model is on can share.

    JAX refuses a batch that does not divide among them.
    """
    num_devices = _num_shares(model)
    return -(-batch_size // num_devices) * num_devices
