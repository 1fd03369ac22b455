"""Keras's dense layer, the same of the same name in files, and faster."""

import keras
from keras import ops

from keras_bfn._backend import add_product


@keras.saving.register_keras_serializable("keras_bfn")
class Dense(keras.layers.Dense):
    """A dense layer of `(batch, ..., channels)`, as the product of two matrices.

    Of more axes, XLA on CPUs takes three times as long for the gradients. On PyTorch, product and
    bias are one operation, where Keras 3.15 writes both to memory.
    """

    def call(self, x):
        flat = ops.reshape(x, (-1, x.shape[-1]))
        if self.use_bias:
            tensors = map(ops.convert_to_tensor, (self.bias, flat, self.kernel))
            flat = self.activation(add_product(*tensors))
        else:
            flat = super().call(flat)
        return ops.reshape(flat, (-1, *x.shape[1:-1], self.units))
