"""Rematerialisation: activations computed again in the backward pass, to save memory."""

import contextlib

import keras
from keras import ops


def call_block(function, dropouts, training, remat, *tensors):
    """Calls `function(drops, *tensors)`, where each of `drops` applies one of the dropouts.

    With `remat`, what is inside is not kept, but computed again when gradients are taken.
    `keras.remat` alone would draw new dropout masks for that, or, on JAX, fail: here both
    computations start from the same states of the seed generators.

    Args:
        function: takes a list of functions and tensors, and returns a tensor. It calls each
            function once, and draws no other random numbers.
        dropouts: list of `keras.layers.Dropout`.
        training: bool.
        remat: bool.
        *tensors: the arguments.
    """
    if not remat:
        return function([_drop(dropout, training) for dropout in dropouts], *tensors)

    random = [dropout for dropout in dropouts if training and dropout.rate]
    states = [dropout.seed_generator.state for dropout in random]
    # Copies: on torch, the generators' next step changes the states in place.
    starts = [ops.copy(ops.convert_to_tensor(state)) for state in states]
    for dropout in random:
        dropout.seed_generator.next()

    def repeatable(*tensors):
        scope = keras.StatelessScope(state_mapping=list(zip(states, starts, strict=True)))
        drops = [_drop(dropout, training, scope) for dropout in dropouts]
        return function(drops, *tensors)

    return keras.remat(repeatable)(*tensors)


def _drop(dropout, training, scope=None):
    def drop(x):
        with scope or contextlib.nullcontext():
            return dropout(x, training=training)

    return drop
