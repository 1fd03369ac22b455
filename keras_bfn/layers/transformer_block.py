"""A residual block for sequences."""

import keras
from keras.layers import Dense, Dropout, LayerNormalization

from keras_bfn._keras import call_block
from keras_bfn._validation import check_int, check_rate
from keras_bfn.layers.attention import check_num_heads, self_attention
from keras_bfn.layers.layer import Layer


@keras.saving.register_keras_serializable("keras_bfn")
class TransformerBlock(Layer):
    """Attention of all positions to each other, then two dense layers at each position.

    Both are residual, and normalise their input.

    Args:
        num_heads: int. Divides the size of the embeddings.
        dropout: float in [0, 1), of what is added to the residual stream.
        remat: bool. Whether activations are computed again in the backward pass, to save memory.
        kernel_initializer: of all kernels but the two last.
        residual_initializer: of the kernels whose output is added to the residual stream.

    Call arguments:
        x: tensor of shape `(batch, positions, size)`.

    Returns:
        A tensor of the shape of `x`.

    Example:

    >>> keras_bfn.layers.TransformerBlock(num_heads=4)(np.zeros((2, 6, 32))).shape
    (2, 6, 32)
    """

    def __init__(
        self,
        num_heads,
        dropout=0.0,
        remat=False,
        kernel_initializer="glorot_uniform",
        residual_initializer="zeros",
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.num_heads = check_int("num_heads", num_heads, 1)
        self.dropout = check_rate("dropout", dropout)
        self.remat = remat
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.residual_initializer = keras.initializers.get(residual_initializer)

    def build(self, x_shape):
        size = x_shape[-1]
        check_num_heads(self.num_heads, size)
        policy = {"dtype": self.dtype_policy}
        inner = {"kernel_initializer": self.kernel_initializer, **policy}
        outer = {"kernel_initializer": self.residual_initializer, **policy}

        self.attention_norm = LayerNormalization(epsilon=1e-5, **policy)
        self.query_key_value = Dense(3 * size, **inner)
        self.attention_project = Dense(size, **outer)
        self.dense_norm = LayerNormalization(epsilon=1e-5, **policy)
        self.dense_widen = Dense(4 * size, **inner)
        self.dense_project = Dense(size, **outer)
        self.attention_drop = Dropout(self.dropout, **policy)
        self.dense_drop = Dropout(self.dropout, **policy)
        for layer in (
            self.attention_norm,
            self.query_key_value,
            self.attention_project,
            self.dense_norm,
            self.dense_widen,
        ):
            layer.build(x_shape)
        self.dense_project.build((*x_shape[:-1], 4 * size))

    def call(self, x, training=False):
        drops = [self.attention_drop, self.dense_drop]
        return call_block(self._call, drops, training, self.remat, x)

    def _call(self, drops, x):
        drop_attended, drop_hidden = drops
        attended = self_attention(self.query_key_value(self.attention_norm(x)), self.num_heads)
        x = x + drop_attended(self.attention_project(attended))
        hidden = keras.activations.gelu(self.dense_widen(self.dense_norm(x)), approximate=True)
        return x + drop_hidden(self.dense_project(hidden))

    def compute_output_shape(self, x_shape):
        return x_shape
