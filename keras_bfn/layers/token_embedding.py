"""An embedding of an example's variables as tokens."""

import keras
from keras import ops

from keras_bfn._typing import Tensor, TensorShape
from keras_bfn._validation import check_axes, check_int
from keras_bfn.layers.dense import Dense
from keras_bfn.layers.layer import Layer, built


@keras.saving.register_keras_serializable("keras_bfn")
class TokenEmbedding(Layer):
    """Projects tokens to embeddings, with a learned gain and bias for each position.

    The columns of a table differ: the gain and the bias give each one weights of its own.

    Args:
        size: int. The size of the embeddings.
        **kwargs: `dtype` and `name`, as for every Keras layer.

    Call arguments:
        x: tensor of shape `(batch, tokens, channels)`.

    Returns:
        A tensor of shape `(batch, tokens, size)`.

    Raises:
        ValueError: if an argument is out of range.

    Example:

    >>> keras_bfn.layers.TokenEmbedding(32)(np.zeros((2, 6, 3))).shape
    (2, 6, 32)
    """

    def __init__(self, size: int, **kwargs) -> None:
        super().__init__(**kwargs)
        self.size = check_int("size", size, 1)

    def build(self, x_shape: TensorShape) -> None:
        check_axes("x", x_shape, 3)
        _, tokens, channels = x_shape
        self.project = built(Dense(self.size, dtype=self.dtype_policy), (None, None, channels))
        self.gain = self.add_weight(shape=(tokens, self.size), initializer="ones", name="gain")
        normal = keras.initializers.RandomNormal(stddev=0.5)
        self.bias = self.add_weight(shape=(tokens, self.size), initializer=normal, name="bias")

    def call(self, x: Tensor) -> Tensor:
        gain, bias = (ops.cast(weight, self.compute_dtype) for weight in (self.gain, self.bias))
        return self.project(x) * gain + bias

    def compute_output_shape(self, x_shape: TensorShape) -> TensorShape:
        return (*x_shape[:-1], self.size)
