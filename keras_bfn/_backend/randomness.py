"""Random numbers, and the generators that they are drawn from."""

import keras

from keras_bfn._backend.devices import is_on_cpu


def torch_generators():
    """The generators that dropout without a seed draws from on PyTorch; none on other backends."""
    if keras.backend.backend() != "torch":
        return []
    import torch

    on_gpu = torch.cuda.is_initialized()
    gpu = [torch.cuda.default_generators[torch.cuda.current_device()]] if on_gpu else []
    return [torch.default_generator, *gpu]


def move_to_replica(state):
    """The state of a seed generator, another one on each replica of a strategy of TensorFlow."""
    if keras.backend.backend() != "tensorflow":
        return state
    import tensorflow as tf

    replica = tf.distribute.get_replica_context()
    if replica is None or replica.num_replicas_in_sync == 1:
        return state
    # 0 on the first: it draws as one device does. The golden ratio keeps seeds apart.
    moved = tf.cast(replica.replica_id_in_sync_group, state.dtype) * 0x1E3779B9
    return state + tf.stack([moved, tf.zeros_like(moved)])


def draw_normal(shape, seed=None):
    """`keras.random.normal` in float32; on JAX on CPUs, from bits that cost a seventh.

    They are of XLA's own Threefry, whose key is the state of the seed generator.
    """
    is_generator = isinstance(seed, keras.random.SeedGenerator)
    if not (is_generator and keras.backend.backend() == "jax" and is_on_cpu()):
        return keras.random.normal(shape, dtype="float32", seed=seed)
    import jax

    key = seed.next()
    state = jax.numpy.concatenate([key, jax.numpy.zeros_like(key)])
    threefry = jax.lax.RandomAlgorithm.RNG_THREE_FRY
    _, bits = jax.lax.rng_bit_generator(state, shape, algorithm=threefry)
    # The midpoints of 2^24 strides of (-1, 1): float32 holds each of them.
    odd = 2 * (bits >> 8).astype("int32") + (1 - 2**24)
    return 2.0**0.5 * jax.lax.erf_inv(odd.astype("float32") * 2.0**-24)
