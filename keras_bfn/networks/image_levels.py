"""The trunk that the networks for images share."""

from keras import layers

from keras_bfn.layers import ConvBlock, SpatialAttention
from keras_bfn.layers.conv_block import group_norm
from keras_bfn.networks.network import scale_theta


def image_levels(
    x,
    time,
    *,
    width,
    width_multipliers=(1,),
    num_blocks,
    num_heads,
    dropout,
    time_bias=True,
    remat,
    data_format,
    dtype,
):
    """Blocks at falling, then rising resolution, joined block by block.

    Args:
        x: symbolic tensor of shape `(batch, height, width, channels)`: channels last, whatever the
            format inside.
        time: symbolic tensor of shape `(batch, size)`, an embedding of the time.
        width, width_multipliers, num_blocks, num_heads, dropout: as in `UNet`.
        time_bias, remat, data_format: as in `keras_bfn.layers.ConvBlock`.
        dtype: the policy of the layers.

    Returns:
        A symbolic tensor of shape `(batch, height, width, width)`.
    """
    conv = {"data_format": data_format, "dtype": dtype}
    channel_axis = -1 if data_format == "channels_last" else 1
    time = layers.Activation("silu", dtype=dtype)(time)

    def block(x, filters, name):
        return ConvBlock(filters, dropout, time_bias=time_bias, remat=remat, name=name, **conv)(
            x, time
        )

    # Also where nothing moves: layers, and with them weights, come in one order for both formats.
    there, back = ((1, 2, 3),) * 2
    if data_format == "channels_first":
        there, back = (3, 1, 2), (2, 3, 1)
    x = layers.Permute(there, dtype=dtype)(x)
    x = layers.Conv2D(width, 3, padding="same", name="conv_in", **conv)(x)
    skips = [x]
    for level, multiplier in enumerate(width_multipliers):
        if level > 0:
            # Padding on all sides, where "same" would pad the far sides alone.
            x = layers.ZeroPadding2D(1, **conv)(x)
            filters = x.shape[channel_axis]
            x = layers.Conv2D(filters, 3, strides=2, name=f"downsample_{level}", **conv)(x)
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
            x = layers.UpSampling2D(2, **conv)(x)
            filters = x.shape[channel_axis]
            x = layers.Conv2D(filters, 3, padding="same", name=f"upsample_{level}", **conv)(x)

    x = group_norm(x.shape[channel_axis], 32, channel_axis, dtype=dtype, name="norm_out")(x)
    x = layers.Activation("silu", dtype=dtype)(x)
    x = layers.Conv2D(width, 3, padding="same", name="conv_out", **conv)(x)
    return layers.Permute(back, dtype=dtype)(x)


def theta_channels(flow, theta):
    """theta of an image in [-1, 1], all numbers of a position on one axis: channels last."""
    height, width, channels = theta.shape[1:-1]
    theta = scale_theta(flow, theta)
    return layers.Reshape((height, width, channels * flow.theta_size), dtype="float32")(theta)


def check_image_shape(image_shape, num_levels):
    """Returns the tuple `image_shape`, or raises a `ValueError` if it cannot be halved so often."""
    divisor = 2 ** (num_levels - 1)
    is_shape = isinstance(image_shape, (tuple, list)) and len(image_shape) == 3
    if not is_shape or any(
        not isinstance(size, int) or size < 1 or size % step
        for size, step in zip(image_shape, (divisor, divisor, 1), strict=True)
    ):
        raise ValueError(
            "Argument `image_shape` must be (height, width, channels), with height and width "
            f"divisible by {divisor}. Received: image_shape={image_shape}, {num_levels} levels"
        )
    return tuple(image_shape)
