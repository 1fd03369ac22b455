"""A residual block of dense layers, and dense layers at each position."""

import keras
from keras import ops
from keras.layers import Dense, Dropout, LayerNormalization

from keras_bfn._typing import Tensor, TensorShape
from keras_bfn._validation import check_int, check_rate
from keras_bfn.layers.layer import Layer, built


def positionwise(dense, x):
    """Applies a Keras `Dense` to `(batch, ..., channels)` as a product of two matrices.

    On more axes, a training step of a transformer takes 1.2 to 1.4 times as long on JAX on CPUs.
    """
    flat = dense(ops.reshape(x, (-1, x.shape[-1])))
    return ops.reshape(flat, (-1, *x.shape[1:-1], dense.units))


@keras.saving.register_keras_serializable("keras_bfn")
class DenseBlock(Layer):
    """A residual block for vectors.

    Args:
        hidden_size: int. The width of the hidden layer.
        dropout: float in [0, 1).
        **kwargs: `dtype` and `name`, as for every Keras layer.

    Call arguments:
        x: tensor of shape `(batch, size)`.
        time: tensor of shape `(batch, time_size)`, an embedding of the time.

    Returns:
        A tensor of the shape of `x`.

    Raises:
        ValueError: if an argument is out of range.

    Example:

    >>> keras_bfn.layers.DenseBlock(64)(np.zeros((2, 32)), np.zeros((2, 16))).shape
    (2, 32)
    """

    def __init__(self, hidden_size: int, dropout: float = 0.0, **kwargs) -> None:
        super().__init__(**kwargs)
        self.hidden_size = check_int("hidden_size", hidden_size, 1)
        self.dropout = check_rate("dropout", dropout)

    def build(self, x_shape: TensorShape, time_shape: TensorShape) -> None:
        policy = {"dtype": self.dtype_policy}
        self.norm = built(LayerNormalization(**policy), x_shape)
        self.widen = built(Dense(self.hidden_size, **policy), x_shape)
        self.add_time = built(Dense(self.hidden_size, use_bias=False, **policy), time_shape)
        self.drop = Dropout(self.dropout, **policy)
        self.project = Dense(x_shape[-1], kernel_initializer="zeros", **policy)
        self.project.build((None, self.hidden_size))

    def call(self, x: Tensor, time: Tensor) -> Tensor:
        hidden = ops.silu(self.widen(self.norm(x)) + self.add_time(time))
        return x + self.project(self.drop(hidden))
