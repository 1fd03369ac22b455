"""Attention, and where Keras's own is slow."""

import keras
from keras import ops

from keras_bfn._backend.devices import is_on_cpu


def attend(query, key, value, mask=None):
    """`ops.dot_product_attention` of tensors `(batch, positions, heads, channels)`."""
    if keras.backend.backend() == "torch" or not is_on_cpu():
        return ops.dot_product_attention(query, key, value, mask=mask)
    # XLA takes two thirds of the time of a training step by products of matrices, whose rows are
    # divided by their sums at the end; by a softmax it takes as long as by Keras's own.
    query, key, value = (ops.transpose(x, (0, 2, 1, 3)) for x in (query, key, value))
    scores = ops.matmul(query * query.shape[-1] ** -0.5, ops.transpose(key, (0, 1, 3, 2)))
    scores = ops.cast(scores, "float32")
    if mask is not None:
        scores = ops.where(mask, scores, -1e30)
    weights = ops.exp(scores - ops.max(ops.stop_gradient(scores), axis=-1, keepdims=True))
    sums = ops.sum(weights, axis=-1, keepdims=True)
    attended = ops.matmul(ops.cast(weights, value.dtype), value) / ops.cast(sums, value.dtype)
    return ops.transpose(attended, (0, 2, 1, 3))
