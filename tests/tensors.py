"""Between numpy and the backend that runs: tensors, networks, and gradients of functions."""

import keras
import numpy as np
from keras import ops


def to_numpy(x):
    return ops.convert_to_numpy(x).astype("float64")


def to_tensor(x):
    return ops.convert_to_tensor(np.asarray(x, "float32"))


def run(network, inputs):
    """A network's output as numpy arrays; on JAX in one program, not one for each operation."""
    if keras.backend.backend() == "jax":
        return network.predict_on_batch(inputs)
    return keras.tree.map_structure(ops.convert_to_numpy, network(inputs))


def gradient(function, x):
    """The gradient of `sum(function(x))` at `x`."""
    return value_and_gradient(function, x)[1]


def value_and_gradient(function, x):
    """`function(x)`, and the gradient of its sum."""
    value, slope = _BACKENDS[keras.backend.backend()](function, to_tensor(x))
    return to_numpy(value), to_numpy(slope)


def slope(function):
    """The derivative of `sum(function(x))`, a function that has derivatives itself."""
    backend = keras.backend.backend()

    def at(x):
        if backend == "jax":
            import jax

            return jax.grad(lambda x: ops.sum(function(x)))(x)
        if backend == "tensorflow":
            return _tensorflow(function, x)[1]
        import torch

        return torch.autograd.grad(ops.sum(function(x)), x, create_graph=True)[0]

    return at


def _jax(function, x):
    import jax

    def total(x):
        value = function(x)
        return ops.sum(value), value

    slope, value = jax.jit(jax.grad(total, has_aux=True))(x)
    return value, slope


def _tensorflow(function, x):
    import tensorflow as tf

    with tf.GradientTape() as tape:
        tape.watch(x)
        value = function(x)
        total = ops.sum(value)
    return value, tape.gradient(total, x)


def _torch(function, x):
    x = x.detach().clone().requires_grad_(True)
    value = function(x)
    ops.sum(value).backward()
    return value, x.grad


_BACKENDS = {"jax": _jax, "tensorflow": _tensorflow, "torch": _torch}
