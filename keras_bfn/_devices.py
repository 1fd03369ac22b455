"""Models on several devices."""

import contextlib

import keras


def strategy_of(model):
    """The strategy of TensorFlow that a model was made in; None on other backends."""
    return getattr(model, "distribute_strategy", None)


def scope_of(model):
    """The context in which what is made is shared among devices as the model is."""
    strategy = strategy_of(model)
    return contextlib.nullcontext() if strategy is None else strategy.scope()


def round_up(batch_size, model):
    """The batch size, or a little more: what all devices that the model is on can share.

    JAX refuses a batch that does not divide among them.
    """
    distribution, strategy = keras.distribution.distribution(), strategy_of(model)
    num_devices = 1 if strategy is None else strategy.num_replicas_in_sync
    if distribution is not None:
        num_devices = distribution.num_model_replicas
    return -(-batch_size // num_devices) * num_devices
