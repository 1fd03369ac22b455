"""Time of parts of the package, relative to the plain operations that they replace.

    KERAS_BACKEND=jax python -m benchmarks pieces

Each is compiled if the backend compiles, and runs forward and backward (`draw` only forward).
"""

import keras
import numpy as np
from keras import ops

from benchmarks.timing import ratio
from keras_bfn._backend.operations import GroupNormalization
from keras_bfn.distributions import Categorical
from keras_bfn.distributions.expected_bin import expected_bin
from keras_bfn.layers.attention import self_attention
from keras_bfn.layers.dense import positionwise


def normal(*shape):
    return np.random.default_rng(0).standard_normal(shape, dtype="float32")


def expected_bins(scale):
    """Expected bins, against the sum over the edges of all 256 bins."""

    def by_sum(mean, std):
        edges = 2.0 * ops.arange(1, 256, dtype="float32") / 256 - 1.0
        z = (edges - mean[..., None]) / std[..., None]
        return ops.sum(0.5 * ops.erfc(z * 0.5**0.5), axis=-1)

    shape = (8 * scale, 16, 16, 3)
    std = np.exp(np.random.default_rng(1).uniform(-6, 1, shape)).astype("float32")
    return by_sum, lambda mean, std: expected_bin(mean, std, 256), (0.5 * normal(*shape), std)


def dense(scale):
    """A dense layer at many positions, against Keras's own."""

    def call(by):  # with its weights as arguments, so that they have gradients, too
        layer = keras.layers.Dense(256 * scale)
        layer.build((None, 64 * scale))

        def function(x, kernel, bias):
            mapping = zip(layer.weights, (kernel, bias), strict=True)
            with keras.StatelessScope(state_mapping=list(mapping)):
                return by(layer, x)

        return function

    shapes = (4 * scale, 64 * scale, 64 * scale), (64 * scale, 256 * scale), (256 * scale,)
    arrays = [normal(*shape) for shape in shapes]
    return call(lambda layer, x: layer(x)), call(positionwise), arrays


def attention(scale):
    """Self-attention, against `ops.dot_product_attention`."""
    length = 64 * scale

    def by_keras(x):
        heads = ops.unstack(ops.reshape(x, (-1, length, 3, 4, 16 * scale)), axis=2)
        return ops.reshape(ops.dot_product_attention(*heads), (-1, length, 64 * scale))

    return (
        by_keras,
        lambda x: self_attention(x, 4),
        (normal(4 * scale, length, 3 * 64 * scale),),
    )


def group_normalization(scale):
    """Group normalization with channels first, against Keras's own."""
    layers = keras.layers.GroupNormalization(16, axis=1), GroupNormalization(16, axis=1)
    for layer in layers:
        layer.build((None, 64, 8 * scale, 8 * scale))
    return *layers, (normal(4 * scale, 64, 8 * scale, 8 * scale),)


def draw(scale):
    """Samples of 1,250 classes or more, against the Gumbel-max trick."""

    def by_gumbel(logits):
        uniform = keras.random.uniform(ops.shape(logits), seed=0)
        return ops.argmax(logits - ops.log(-ops.log(uniform)), axis=-1)

    logits = normal(4 * scale, 16 * scale, 1250 * scale)
    return by_gumbel, lambda logits: Categorical(logits).sample(seed=0), (logits,)


CASES = {
    piece.__name__: piece
    for piece in (
        expected_bins,
        dense,
        attention,
        group_normalization,
        draw,
    )
}


def compiled(function, arrays, with_gradient):
    """Returns a function without arguments that returns when all results are computed."""
    arrays = [ops.convert_to_tensor(array) for array in arrays]
    backend = keras.backend.backend()

    def total(*arrays):
        return ops.sum(ops.square(function(*arrays)))

    if backend == "jax":
        import jax

        which = tuple(range(len(arrays)))
        program = jax.jit(jax.grad(total, which) if with_gradient else function)
        return lambda: jax.block_until_ready(program(*arrays))
    if backend == "tensorflow":
        import tensorflow as tf

        @tf.function
        def program(*arrays):
            if not with_gradient:
                return function(*arrays)
            with tf.GradientTape() as tape:
                tape.watch(arrays)
                result = total(*arrays)
            return tape.gradient(result, arrays)

        return lambda: keras.tree.map_structure(ops.convert_to_numpy, program(*arrays))
    arrays = [array.detach().requires_grad_(with_gradient) for array in arrays]
    return lambda: total(*arrays).backward() if with_gradient else function(*arrays)


def measure(cases=None, rounds=9, toy=False):
    """Yields one row per part."""
    for name, piece in CASES.items():
        if cases is not None and name not in cases:
            continue
        plain, ours, arrays = piece(1 if toy else 4)
        runs = [compiled(function, arrays, name != "draw") for function in (plain, ours)]
        yield {"case": name, **ratio(*runs, rounds)}


if __name__ == "__main__":
    from benchmarks.report import main

    main("pieces")
