"""Random numbers, and their generators."""

import functools
import math

import keras

from keras_bfn._backend.devices import is_on_cpu

LARGE = 2**9  # numbers of one example, for draws must not depend on whether the batch size is known


class ReplicaSeedGenerator(keras.random.SeedGenerator):
    """A seed generator with different random numbers on each replica of a TensorFlow strategy.

    From that of Keras 3.15, all replicas draw the same numbers.
    """

    def next(self, ordered=True):
        import tensorflow as tf

        state = super().next(ordered)
        replica = tf.distribute.get_replica_context()
        if replica is None or replica.num_replicas_in_sync == 1:
            return state
        # 0 on the first replica, as on a single device. The golden ratio keeps seeds apart.
        moved = tf.cast(replica.replica_id_in_sync_group, state.dtype) * 0x1E3779B9
        return state + tf.stack([moved, tf.zeros_like(moved)])


def _draw_normal_on_tensorflow(shape, seed=None):
    """`keras.random.normal` in float32, compiled per shape on CPUs if examples are large.

    That takes a third of the time.
    """
    if not isinstance(seed, keras.random.SeedGenerator) or not is_on_cpu():
        return keras.random.normal(shape, dtype="float32", seed=seed)
    import tensorflow as tf

    key = seed.next()
    key = tf.cast(tf.math.floormod(key, tf.int32.max - 1), "int32")  # as in Keras
    if math.prod(size for size in shape[1:] if isinstance(size, int)) < LARGE:
        # By default, XLA would use other bits here, and take thirty times as long.
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
        # The midpoints of 2^24 intervals of (-1, 1), all exact in float32.
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
