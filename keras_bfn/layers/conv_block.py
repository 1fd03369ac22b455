"""A convolutional residual block for images and signals."""

import keras
from keras import ops
from keras.layers import Conv1D, Conv2D, Dense, Dropout

from keras_bfn._backend.operations import GroupNormalization
from keras_bfn._typing import DataFormat, Tensor, TensorShape
from keras_bfn._validation import check_axes, check_bool, check_choice, check_int, check_rate
from keras_bfn.layers.layer import Layer, built

CONVOLUTIONS = {1: Conv1D, 2: Conv2D}  # by the number of spatial axes


@keras.saving.register_keras_serializable("keras_bfn")
class ConvBlock(Layer):
    """A residual block of two convolutions: 3x3 for images, of length 3 for signals.

    It starts as the identity if the number of channels stays the same.

    Args:
        filters: int. The number of output channels.
        dropout: float in [0, 1).
        groups: int. The maximum number of groups of the group normalisation. The largest number up
            to this is used that divides the channels into groups of four or more.
        time_bias: bool. Whether the projection of the time embedding has a bias.
        remat: bool. Whether to recompute activations in the backward pass, to save memory.
        data_format: `"channels_last"`, `"channels_first"`, or None for Keras's default.
        **kwargs: `dtype` and `name`, as for every Keras layer.

    Call arguments:
        x: tensor of shape `(batch, height, width, channels)` or `(batch, length, channels)`, or the
            same with channels first.
        time: tensor of shape `(batch, time_size)`, an embedding of the time.

    Returns:
        A tensor of the shape of `x`, with `filters` channels.

    Raises:
        ValueError: if an argument is out of range.

    Example:

    >>> block = keras_bfn.layers.ConvBlock(64, data_format="channels_last")
    >>> block(np.zeros((2, 8, 8, 32)), np.zeros((2, 16))).shape
    (2, 8, 8, 64)
    """

    def __init__(
        self,
        filters: int,
        dropout: float = 0.0,
        groups: int = 32,
        time_bias: bool = True,
        remat: bool = False,
        data_format: DataFormat = None,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        self.filters = check_int("filters", filters, 1)
        self.dropout = check_rate("dropout", dropout)
        self.groups = check_int("groups", groups, 1)
        self.time_bias = check_bool("time_bias", time_bias)
        self.remat = check_bool("remat", remat)
        self.data_format = check_data_format(data_format)
        self._channel_axis = -1 if self.data_format == "channels_last" else 1

    def build(self, x_shape: TensorShape, time_shape: TensorShape) -> None:
        check_axes("x", x_shape, 3, 4)
        check_axes("time", time_shape, 2)
        policy = {"dtype": self.dtype_policy}
        conv = {"padding": "same", "data_format": self.data_format, **policy}
        convolution = CONVOLUTIONS[len(x_shape) - 2]
        axis, out_shape = self._channel_axis, self.compute_output_shape(x_shape, time_shape)
        channels = x_shape[axis]

        self.norm_in = built(group_norm(channels, self.groups, axis, **policy), x_shape)
        self.conv_in = built(convolution(self.filters, 3, **conv), x_shape)
        self.add_time = built(Dense(self.filters, use_bias=self.time_bias, **policy), time_shape)
        self.norm_out = built(group_norm(self.filters, self.groups, axis, **policy), out_shape)
        self.drop = Dropout(self.dropout, **policy)
        self.conv_out = convolution(self.filters, 3, kernel_initializer="zeros", **conv)
        self.conv_out.build(out_shape)
        self.shortcut = None
        if channels != self.filters:
            self.shortcut = built(convolution(self.filters, 1, **conv), x_shape)

    def call(self, x: Tensor, time: Tensor, training: bool = False) -> Tensor:
        shape = [-1] + [1] * (len(x.shape) - 1)
        shape[self._channel_axis] = self.filters

        def hide(x, time):
            hidden = self.conv_in(ops.silu(self.norm_in(x)))
            return ops.silu(self.norm_out(hidden + ops.reshape(self.add_time(time), shape)))

        hide = keras.remat(hide) if self.remat else hide
        hidden = self.conv_out(self.drop(hide(x, time), training=training))
        return hidden + (x if self.shortcut is None else self.shortcut(x))

    def compute_output_shape(self, x_shape: TensorShape, time_shape: TensorShape) -> TensorShape:
        shape = list(x_shape)
        shape[self._channel_axis] = self.filters
        return tuple(shape)


def check_data_format(data_format):
    """Returns the data format, or Keras's default for None.

    Raises:
        ValueError: if the data format is unknown.
    """
    if data_format is None:
        return keras.config.image_data_format()
    return check_choice("data_format", data_format, ("channels_last", "channels_first"))


def group_norm(channels, groups, axis, **kwargs):
    """Returns a group normalisation with at most `groups` equal groups of at least four channels.

    Groups of one channel would remove what a block adds equally to all positions: the time.
    """
    most = max(1, min(groups, channels // 4))
    groups = max(g for g in range(1, most + 1) if channels % g == 0)
    return GroupNormalization(groups, axis=axis, epsilon=1e-5, **kwargs)
