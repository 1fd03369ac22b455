"""Gradients of functions of tensors, on whichever backend runs."""

import keras
import numpy as np
from keras import ops


def gradient(function, x):
    """The gradient of `sum(function(x))` at the array `x`, as a numpy array."""
    x = ops.convert_to_tensor(np.asarray(x, "float32"))
    return ops.convert_to_numpy(_GRADIENTS[keras.backend.backend()](function, x))


def _jax(function, x):
    import jax

    return jax.grad(lambda x: ops.sum(function(x)))(x)


def _tensorflow(function, x):
    import tensorflow as tf

    with tf.GradientTape() as tape:
        tape.watch(x)
        total = ops.sum(function(x))
    return tape.gradient(total, x)


def _torch(function, x):
    x = x.requires_grad_(True)
    ops.sum(function(x)).backward()
    return x.grad


_GRADIENTS = {"jax": _jax, "tensorflow": _tensorflow, "torch": _torch}
