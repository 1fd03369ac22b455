"""Random numbers, and the generators that they are drawn from."""

import functools
import math

import keras

from keras_bfn._backend.devices import is_on_cpu

LARGE = 2**14  # numbers, those of one example if it is not known how many there are


def torch_generators():
    """The generators that dropout without a seed draws from on PyTorch; none on other backends."""
    if keras.backend.backend() != "torch":
        return []
    import torch

    on_gpu = torch.cuda.is_initialized()
    gpu = [torch.cuda.default_generators[torch.cuda.current_device()]] if on_gpu else []
    return [torch.default_generator, *gpu]


class ReplicaSeedGenerator(keras.random.SeedGenerator):
    """Keras's own, whose draws are others on each replica of a strategy of TensorFlow.

    From Keras's, all replicas draw the same (Keras 3.15).
    """

    def next(self, ordered=True):
        import tensorflow as tf

        state = super().next(ordered)
        replica = tf.distribute.get_replica_context()
        if replica is None or replica.num_replicas_in_sync == 1:
            return state
        # 0 on the first: it draws as one device does. The golden ratio keeps seeds apart.
        moved = tf.cast(replica.replica_id_in_sync_group, state.dtype) * 0x1E3779B9
        return state + tf.stack([moved, tf.zeros_like(moved)])


def _draw_normal_on_tensorflow(shape, seed=None):
    """`keras.random.normal` in float32; on CPUs, many numbers in a third of the time.

    They are compiled for each shape.
    """
    if not isinstance(seed, keras.random.SeedGenerator) or not is_on_cpu():
        return keras.random.normal(shape, dtype="float32", seed=seed)
    import tensorflow as tf

    key = seed.next()
    key = tf.cast(tf.math.floormod(key, tf.int32.max - 1), "int32")  # as Keras makes seeds of it
    sizes = [size for size in shape if isinstance(size, int)]  # that of a batch may be unknown
    if math.prod(sizes) < LARGE:
        # By default, XLA takes other bits here, and thirty times as long.
        return tf.random.stateless_normal(shape, key, alg="philox")
    drawn = _compiled_normal()(tf.stack(shape), key)
    return tf.ensure_shape(drawn, [size if isinstance(size, int) else None for size in shape])


@functools.cache
def _compiled_normal():
    import tensorflow as tf

    @tf.function(jit_compile=True, autograph=False)
    def draw(shape, key):
        bits = tf.random.stateless_uniform(shape, key, None, None, "uint32", alg="threefry")
        bits = tf.cast(tf.bitwise.right_shift(bits, tf.constant(8, "uint32")), "int32")
        # The midpoints of 2^24 intervals of (-1, 1): float32 holds each of them.
        midpoints = 2 * bits + (1 - 2**24)
        return 2.0**0.5 * tf.math.erfinv(tf.cast(midpoints, "float32") * 2.0**-24)

    return draw


IS_TENSORFLOW = keras.backend.backend() == "tensorflow"
SeedGenerator = ReplicaSeedGenerator if IS_TENSORFLOW else keras.random.SeedGenerator
draw_normal = (
    _draw_normal_on_tensorflow
    if IS_TENSORFLOW
    else functools.partial(keras.random.normal, dtype="float32")
)
