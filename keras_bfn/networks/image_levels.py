"""The trunk of the networks for images and signals."""

from keras import layers, ops

from keras_bfn._backend.devices import fastest_data_format
from keras_bfn._validation import check_shape, mismatch
from keras_bfn.layers import ConvBlock, SpatialAttention
from keras_bfn.layers.conv_block import CONVOLUTIONS, check_data_format, group_norm
from keras_bfn.networks.network import scale_theta

PADDINGS = {1: layers.ZeroPadding1D, 2: layers.ZeroPadding2D}  # by the number of spatial axes


def image_levels(
    x, time, width, width_multipliers, num_blocks, num_heads, data_format, dtype, **options
):
    """Blocks at falling, then rising resolution, with skip connections.

    Args:
        x: symbolic tensor of shape `(batch, height, width, channels)` or
            `(batch, length, channels)`: channels last, whatever `data_format` is.
        time: symbolic tensor of shape `(batch, size)`, an embedding of the time.
        width, width_multipliers, num_blocks, num_heads, data_format: as in `UNet`.
        dtype: the dtype policy of the layers.
        **options: `dropout`, `time_bias` and `remat`, as in `keras_bfn.layers.ConvBlock`.

    Returns:
        A symbolic tensor of the shape of `x`, with `width` channels.
    """
    data_format = check_data_format(fastest_data_format() if data_format is None else data_format)
    conv = {"data_format": data_format, "dtype": dtype}
    channel_axis = -1 if data_format == "channels_last" else 1
    time = layers.Activation("silu", dtype=dtype)(time)

    def block(x, filters, name):
        return ConvBlock(filters, name=name, **options, **conv)(x, time)

    rank = len(x.shape) - 2  # 2 for an image, 1 for a signal
    convolution, pad = CONVOLUTIONS[rank], PADDINGS[rank]
    axes = tuple(range(1, rank + 2))
    channels_first = (axes[-1], *axes[:-1]), (*axes[1:], 1)
    # Permuted even if nothing moves, so that layers, and with them weights, come in one order for
    # both formats.
    there, back = (axes, axes) if channel_axis == -1 else channels_first
    x = layers.Permute(there, dtype=dtype)(x)
    x = convolution(width, 3, padding="same", name="conv_in", **conv)(x)
    skips = [x]
    for level, multiplier in enumerate(width_multipliers):
        if level > 0:
            # Pads all sides; "same" would pad the far sides only.
            x = pad(1, **conv)(x)
            filters = x.shape[channel_axis]
            x = convolution(filters, 3, strides=2, name=f"downsample_{level}", **conv)(x)
            skips.append(x)
        for i in range(num_blocks):
            x = block(x, multiplier * width, f"down_{level}_{i}")
            skips.append(x)

    x = block(x, x.shape[channel_axis], "middle_0")
    x = SpatialAttention(num_heads, name="middle_attention", **conv)(x)
    x = block(x, x.shape[channel_axis], "middle_1")

    for level, multiplier in reversed(list(enumerate(width_multipliers))):
        for i in range(num_blocks + 1):
            x = layers.Concatenate(axis=channel_axis, dtype=dtype)([x, skips.pop()])
            x = block(x, multiplier * width, f"up_{level}_{i}")
        if level > 0:
            for axis in range(1, rank + 1):  # not `UpSampling1D`: see the table in `_keras.py`
                x = ops.repeat(x, 2, axis=axis if channel_axis == -1 else axis + 1)
            filters = x.shape[channel_axis]
            x = convolution(filters, 3, padding="same", name=f"upsample_{level}", **conv)(x)

    x = group_norm(x.shape[channel_axis], 32, channel_axis, dtype=dtype, name="norm_out")(x)
    x = layers.Activation("silu", dtype=dtype)(x)
    x = convolution(width, 3, padding="same", name="conv_out", **conv)(x)
    return layers.Permute(back, dtype=dtype)(x)


def theta_channels(flow, theta):
    """Returns theta in [-1, 1], with all numbers of a position on the last axis."""
    _, *event_shape, _ = theta.shape
    positions = event_shape[:-1] or event_shape
    return layers.Reshape((*positions, -1), dtype="float32")(scale_theta(flow, theta))


def check_image_shape(image_shape, num_levels):
    """Returns the tuple `image_shape`; raises a `ValueError` unless each level can halve it."""
    image_shape, divisor = check_shape("image_shape", image_shape), 2 ** (num_levels - 1)
    positions = image_shape[:-1] or image_shape
    if len(image_shape) not in (1, 2, 3) or any(size % divisor for size in positions):
        expected = "must be (height, width, channels), or, for signals, (length, channels) or"
        expected = f"{expected} (length,), with height, width and length divisible by {divisor}"
        raise mismatch("image_shape", expected, f"image_shape={image_shape}, {num_levels} levels")
    return image_shape
