"""Draws in loops and in what is computed again, and from a seed for a while."""

import contextlib

import keras
from keras import ops

from keras_bfn._backend import recompute
from keras_bfn._random import start_from


@contextlib.contextmanager
def seeded(generator, seed):
    """Lets `generator` draw from `seed` within, if one is given, and go on as before after it."""
    if seed is None:
        yield
        return
    before = ops.copy(generator.state)
    try:
        start_from(generator, seed)
        yield
    finally:
        generator.state.assign(before)


def loop(seed, num_steps, draw, predict, act, state):
    """Runs `state = act(i, state, *predict(i, state, draw()))` for i in 0..num_steps - 1, compiled.

    `draw` and `act` may draw from the generator `seed`; `predict` may call networks. In Keras 3.15
    on JAX, a draw from a generator inside of `ops.fori_loop` leaks its tracer, as in `ops.cond`
    (#20724): the loop carries the seed's state.
    """

    def step(i, carry):
        state, seed_state = carry
        drawn, seed_state = drawing(seed_state, draw)
        seen = predict(i, state, drawn)
        return drawing(seed_state, lambda: act(i, state, *seen))

    def drawing(seed_state, function):
        # In this scope no other variable can be seen, so networks are asked outside it.
        with keras.StatelessScope(state_mapping=[(seed.state, seed_state)]) as scope:
            result = function()
        return result, scope.get_current_value(seed.state)

    carry = (state, ops.convert_to_tensor(seed.state))
    state, seed_state = ops.fori_loop(0, num_steps, step, carry)
    seed.state.assign(seed_state)
    return state


def call_block(function, dropouts, training, remat, *tensors):
    """Calls `function(drops, *tensors)`, where each of `drops` applies one of the dropouts.

    With `remat`, what is inside is not kept, but computed again when gradients are taken. With
    dropout, `keras.remat` of Keras 3.15 fails on JAX, and on TensorFlow and PyTorch draws other
    masks for the gradients than for the values. Here both start from the same states of the seed
    generators.

    Args:
        function: takes a list of functions and tensors, and returns a tensor. It calls each
            function once, and draws no other random numbers.
        dropouts: list of `keras.layers.Dropout`.
        training, remat: bool.
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

    return recompute(repeatable)(*tensors)


def _drop(dropout, training, scope=None):
    def drop(x):
        with scope or contextlib.nullcontext():
            return dropout(x, training=training)

    return drop
