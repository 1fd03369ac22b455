"""What works around Keras, each piece with the version that needs it.

For each there is a test in `tests/test_workarounds.py` that fails when Keras no longer needs it.
"""

import contextlib

import keras
import numpy as np
from keras import ops

from keras_bfn._validation import check_int


def make_seed_generator(seed):
    """A generator whose stream is unrelated to that of any other seed.

    Keras 3.15 on PyTorch adds the two words of a generator's state: the second draw from seed 1 is
    the first from seed 2. Hashed seeds are far apart.
    """
    if seed is None:
        return keras.random.SeedGenerator()
    word = np.random.SeedSequence(check_int("seed", seed, 0)).generate_state(1)[0]
    return keras.random.SeedGenerator(int(word) >> 1)


@contextlib.contextmanager
def seeded(generator, seed):
    """Lets `generator` draw from `seed` within, if one is given, and go on as before after it."""
    if seed is None:
        yield
        return
    before = ops.copy(generator.state)
    generator.state.assign(make_seed_generator(seed).state)
    try:
        yield
    finally:
        generator.state.assign(before)


def loop(seed, num_steps, look, act, state):
    """Runs `state = act(i, state, *look(i, state))` for i in 0..num_steps - 1, compiled.

    `act` may draw from the generator `seed`; `look` may call networks. In Keras 3.15 on JAX, a draw
    from a generator inside of `ops.fori_loop` leaks its tracer: the loop carries the seed's state.
    """

    def step(i, carry):
        state, seed_state = carry
        seen = look(i, state)
        # In this scope no other variable can be seen, so networks are asked outside it.
        with keras.StatelessScope(state_mapping=[(seed.state, seed_state)]) as scope:
            state = act(i, state, *seen)
        return state, scope.get_current_value(seed.state)

    carry = (state, ops.convert_to_tensor(seed.state))
    state, seed_state = ops.fori_loop(0, num_steps, step, carry)
    seed.state.assign(seed_state)
    return state


def per_example(value, ones):
    """A scalar for each example of a batch.

    Not a constant: in Keras 3.15, TensorFlow folds one into the network's first product, and gets
    the shapes wrong.
    """
    return value * ones


def build_network(network, inputs):
    """Calls a network on symbolic inputs, which creates its weights; its symbolic output.

    Without numbers, a `Sequential` of Keras 3.15 hands `training` to layers that do not take it. It
    is called on zeros.
    """
    if isinstance(network, keras.Sequential):
        inputs = keras.tree.map_structure(
            lambda x: ops.zeros((1, *x.shape[1:]), dtype=x.dtype), inputs
        )
    return network(inputs)


def call_network(network, inputs, training):
    """The network's output in float32.

    `training` is said outright: in Keras 3.15 on JAX, the trainer does not hand it down to layers
    within, and dropout is off in training.
    """
    outputs = network(inputs, training=training)
    return keras.tree.map_structure(lambda output: ops.cast(output, "float32"), outputs)


def stand_in_for_targets(arguments):
    """Puts weights in the place of targets, too, in arguments of `fit` or `evaluate`.

    Keras 3.15 drops the sample weights of data without targets.
    """
    if arguments.get("sample_weight") is not None and arguments.get("y") is None:
        arguments["y"] = arguments["sample_weight"]


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


def unshare_buffers(weights):
    """Gives each weight a buffer of its own.

    When Keras 3.15 puts averages in the place of weights on JAX, the weights and the averages share
    one. The next compiled step donates it: to save, or to train on, would find it deleted.
    """
    for weight in weights:
        weight.assign(ops.copy(weight))


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
