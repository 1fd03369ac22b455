"""Operations with a backend-specific fastest implementation."""

import keras
from keras import ops

from keras_bfn._backend.devices import is_on_cpu


@keras.saving.register_keras_serializable("keras_bfn")
class GroupNormalization(keras.layers.GroupNormalization):
    """Group normalisation; on PyTorch with channels first, PyTorch's own.

    That takes one pass, where Keras 3.15 writes the results of a dozen operations to memory: with
    these, a training step of a `VDMUNet` takes 1.28 times as long.
    """

    def call(self, x):
        if keras.backend.backend() != "torch" or self.axis != 1:
            return super().call(x)
        import torch

        gamma, beta = (ops.convert_to_tensor(weight, x.dtype) for weight in (self.gamma, self.beta))
        if gamma.requires_grad and torch.is_grad_enabled() and not x.requires_grad:
            # After frozen layers. With channels last in memory, PyTorch 2.13 on CPUs would write
            # the gradient of x, which was not requested, to an invalid address and crash.
            x = x.contiguous()
        return torch.nn.functional.group_norm(x, self.groups, gamma, beta, self.epsilon)


def attend(query, key, value, mask=None):
    """Computes `ops.dot_product_attention` of tensors `(batch, positions, heads, channels)`."""
    if keras.backend.backend() == "torch" or not is_on_cpu():
        return ops.dot_product_attention(query, key, value, mask=mask)
    # Matrix products, whose rows are divided by their sums at the end. With Keras's function on
    # JAX, a training step of a transformer takes 1.02 (64 positions), 1.11 (256) and 1.15 (512)
    # times as long.
    query, key, value = (ops.transpose(x, (0, 2, 1, 3)) for x in (query, key, value))
    scores = ops.matmul(query * query.shape[-1] ** -0.5, ops.transpose(key, (0, 1, 3, 2)))
    scores = ops.cast(scores, "float32")
    if mask is not None:
        scores = ops.where(mask, scores, -1e30)
    weights = ops.exp(scores - ops.max(ops.stop_gradient(scores), axis=-1, keepdims=True))
    sums = ops.sum(weights, axis=-1, keepdims=True)
    attended = ops.matmul(ops.cast(weights, value.dtype), value) / ops.cast(sums, value.dtype)
    return ops.transpose(attended, (0, 2, 1, 3))


def find_largest(x):
    """Returns the number of the largest along the last axis, the first of equal ones, as int32.

    On TensorFlow, `ops.argmax` of floats needs operations that LiteRT and OpenVINO lack.
    """
    if keras.backend.backend() != "tensorflow":
        return ops.cast(ops.argmax(x, axis=-1), "int32")
    import tensorflow as tf

    return tf.argmax(x, axis=-1, output_type="int32")


def write_step(whole, i, step):
    """Returns `whole`, of shape `(batch, steps, ...)`, with `step` at place i of its second axis.

    On PyTorch, `whole` itself is changed, of which Keras 3.15 would make a copy at every step.
    """
    if keras.backend.backend() == "torch":
        whole[:, i] = step
        return whole
    return ops.slice_update(whole, (0, i) + (0,) * (len(step.shape) - 1), step[:, None])


def one_by_one(function):
    """Extends `function`, which calls LAPACK on a matrix, to batches of matrices.

    On CPUs, JAX processes one matrix at a time: jaxlib 0.10 splits a large batch among the threads
    that run the program, and two concurrent calls on two cores wait for each other forever.

    Args:
        function: takes matrices, with or without a batch axis, and returns a matrix likewise.

    Returns:
        A function of tensors `(batch, rows, columns)`.
    """
    if keras.backend.backend() != "jax" or not is_on_cpu():
        return function
    import jax

    return lambda *batches: jax.lax.map(lambda matrices: function(*matrices), batches)


def unfuse(function):
    """Returns `function` of a tensor, recomputed for its gradient on JAX on CPUs.

    There, XLA fuses a layer normalisation or a gelu with its gradient and with products of
    matrices, which then run on one core: a step takes up to 1.7 times as long on two. It drops the
    barrier by which `jax.checkpoint` delays recomputation. Adding zero times the output's gradient
    to all tensors, weights among them, delays it instead.
    """
    if keras.backend.backend() != "jax" or not is_on_cpu():
        return function
    import jax

    def call(x):
        # A new function: for an old one, JAX has cached the tracers of another trace.
        converted, closed_over = jax.closure_convert(lambda x: function(x), x)
        recomputed = jax.custom_vjp(converted)

        def backward(tensors, gradient):
            zero = 0.0 * gradient[(0,) * gradient.ndim]
            return jax.vjp(converted, *(x + zero.astype(x.dtype) for x in tensors))[1](gradient)

        recomputed.defvjp(lambda *tensors: (converted(*tensors), tensors), backward)
        return recomputed(x, *closed_over)

    return call
