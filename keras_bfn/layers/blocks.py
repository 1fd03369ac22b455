"""Residual blocks. Each starts as the identity, up to a change of channels."""

import keras
from keras import ops
from keras.layers import Conv2D, Dense, Dropout, GroupNormalization, LayerNormalization


@keras.saving.register_keras_serializable("keras_bfn")
class DenseBlock(keras.layers.Layer):
    """A residual block for vectors.

    Args:
        hidden_size: int. The width of the block's inside.
        dropout: float in [0, 1).

    Call arguments:
        x: tensor of shape `(batch, size)`.
        time: tensor of shape `(batch, time_size)`, an embedding of the time.

    Returns:
        A tensor of the shape of `x`.

    Example:

    >>> keras_bfn.layers.DenseBlock(64)(np.zeros((2, 32)), np.zeros((2, 16))).shape
    (2, 32)
    """

    def __init__(self, hidden_size, dropout=0.0, **kwargs):
        super().__init__(**kwargs)
        self.hidden_size = hidden_size
        self.dropout = dropout

    def build(self, x_shape, time_shape):
        policy = {"dtype": self.dtype_policy}
        self.norm = LayerNormalization(**policy)
        self.norm.build(x_shape)
        self.widen = Dense(self.hidden_size, **policy)
        self.widen.build(x_shape)
        self.add_time = Dense(self.hidden_size, use_bias=False, **policy)
        self.add_time.build(time_shape)
        self.drop = Dropout(self.dropout, **policy)
        self.project = Dense(x_shape[-1], kernel_initializer="zeros", **policy)
        self.project.build((*x_shape[:-1], self.hidden_size))

    def call(self, x, time):
        hidden = ops.silu(self.widen(self.norm(x)) + self.add_time(time))
        return x + self.project(self.drop(hidden))

    def compute_output_shape(self, x_shape, time_shape):
        return x_shape

    def get_config(self):
        return {**super().get_config(), "hidden_size": self.hidden_size, "dropout": self.dropout}


@keras.saving.register_keras_serializable("keras_bfn")
class ConvBlock(keras.layers.Layer):
    """A residual block of two 3x3 convolutions for images.

    Args:
        filters: int. The number of channels that come out.
        dropout: float in [0, 1).
        groups: int. The number of groups of the group normalisation, at most: the largest number
            is taken that divides the channels into groups of four or more.
        data_format: `"channels_last"`, `"channels_first"`, or None for Keras's default.

    Call arguments:
        x: tensor of shape `(batch, height, width, channels)`, or channels first.
        time: tensor of shape `(batch, time_size)`, an embedding of the time.

    Returns:
        A tensor of shape `(batch, height, width, filters)`, or channels first.

    Example:

    >>> block = keras_bfn.layers.ConvBlock(64, data_format="channels_last")
    >>> block(np.zeros((2, 8, 8, 32)), np.zeros((2, 16))).shape
    (2, 8, 8, 64)
    """

    def __init__(self, filters, dropout=0.0, groups=32, data_format=None, **kwargs):
        super().__init__(**kwargs)
        self.filters = filters
        self.dropout = dropout
        self.groups = groups
        self.data_format = keras.config.image_data_format() if data_format is None else data_format

    @property
    def _channel_axis(self):
        return -1 if self.data_format == "channels_last" else 1

    def build(self, x_shape, time_shape):
        policy = {"dtype": self.dtype_policy}
        conv = {"padding": "same", "data_format": self.data_format, **policy}
        channels = x_shape[self._channel_axis]
        out_shape = self.compute_output_shape(x_shape, time_shape)

        self.norm_in = group_norm(channels, self.groups, self._channel_axis, **policy)
        self.norm_in.build(x_shape)
        self.conv_in = Conv2D(self.filters, 3, **conv)
        self.conv_in.build(x_shape)
        self.add_time = Dense(self.filters, **policy)
        self.add_time.build(time_shape)
        self.norm_out = group_norm(self.filters, self.groups, self._channel_axis, **policy)
        self.norm_out.build(out_shape)
        self.drop = Dropout(self.dropout, **policy)
        self.conv_out = Conv2D(self.filters, 3, kernel_initializer="zeros", **conv)
        self.conv_out.build(out_shape)
        self.shortcut = None
        if channels != self.filters:
            self.shortcut = Conv2D(self.filters, 1, **conv)
            self.shortcut.build(x_shape)

    def call(self, x, time):
        time = self.add_time(ops.silu(time))
        spatial = (1, 1)
        if self.data_format == "channels_last":
            time = ops.reshape(time, (-1, *spatial, self.filters))
        else:
            time = ops.reshape(time, (-1, self.filters, *spatial))
        hidden = self.conv_in(ops.silu(self.norm_in(x))) + time
        hidden = self.conv_out(self.drop(ops.silu(self.norm_out(hidden))))
        return hidden + (x if self.shortcut is None else self.shortcut(x))

    def compute_output_shape(self, x_shape, time_shape):
        shape = list(x_shape)
        shape[self._channel_axis] = self.filters
        return tuple(shape)

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "dropout": self.dropout,
            "groups": self.groups,
            "data_format": self.data_format,
        }


@keras.saving.register_keras_serializable("keras_bfn")
class SpatialAttention(keras.layers.Layer):
    """A residual block in which all positions of an image attend to each other.

    Args:
        num_heads: int. Divides the number of channels.
        groups: int. As in `ConvBlock`.
        data_format: as in `ConvBlock`.

    Call arguments:
        x: tensor of shape `(batch, height, width, channels)`, or channels first.

    Returns:
        A tensor of the shape of `x`.

    Example:

    >>> attention = keras_bfn.layers.SpatialAttention(4, data_format="channels_last")
    >>> attention(np.zeros((2, 4, 4, 32))).shape
    (2, 4, 4, 32)
    """

    def __init__(self, num_heads=1, groups=32, data_format=None, **kwargs):
        super().__init__(**kwargs)
        self.num_heads = num_heads
        self.groups = groups
        self.data_format = keras.config.image_data_format() if data_format is None else data_format

    @property
    def _channel_axis(self):
        return -1 if self.data_format == "channels_last" else 1

    def build(self, x_shape):
        channels = x_shape[self._channel_axis]
        if channels % self.num_heads:
            raise ValueError(
                "Argument `num_heads` must divide the number of channels. "
                f"Received: num_heads={self.num_heads}, {channels} channels"
            )
        policy = {"dtype": self.dtype_policy}
        self.norm = group_norm(channels, self.groups, self._channel_axis, **policy)
        self.norm.build(x_shape)
        self.query_key_value = Dense(3 * channels, **policy)
        self.query_key_value.build((None, None, channels))
        self.project = Dense(channels, kernel_initializer="zeros", **policy)
        self.project.build((None, None, channels))

    def call(self, x):
        hidden = self.norm(x)
        if self.data_format == "channels_first":
            hidden = ops.transpose(hidden, (0, 2, 3, 1))
        _, height, width, channels = hidden.shape
        heads = (-1, height * width, 3, self.num_heads, channels // self.num_heads)
        query_key_value = self.query_key_value(ops.reshape(hidden, (-1, height * width, channels)))
        query, key, value = ops.unstack(ops.reshape(query_key_value, heads), axis=2)
        hidden = ops.dot_product_attention(query, key, value)
        hidden = self.project(ops.reshape(hidden, (-1, height * width, channels)))
        hidden = ops.reshape(hidden, (-1, height, width, channels))
        if self.data_format == "channels_first":
            hidden = ops.transpose(hidden, (0, 3, 1, 2))
        return x + hidden

    def compute_output_shape(self, x_shape):
        return x_shape

    def get_config(self):
        return {
            **super().get_config(),
            "num_heads": self.num_heads,
            "groups": self.groups,
            "data_format": self.data_format,
        }


def group_norm(channels, groups, axis, **kwargs):
    """Group normalisation in at most `groups` groups of equal size, at least four channels each.

    A group of one channel would take away what a block adds to all positions alike: the time.
    """
    most = max(1, min(groups, channels // 4))
    groups = max(g for g in range(1, most + 1) if channels % g == 0)
    return GroupNormalization(groups, axis=axis, epsilon=1e-5, **kwargs)
