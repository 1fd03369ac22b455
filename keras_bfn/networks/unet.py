"""A network for images."""

import keras
from keras import layers

from keras_bfn.layers import ConvBlock, EvidenceShortcut, SpatialAttention
from keras_bfn.layers.blocks import group_norm
from keras_bfn.networks.network import (
    Network,
    embed_time,
    network_inputs,
    resolve_policy,
    scale_theta,
)


@keras.saving.register_keras_serializable("keras_bfn")
class UNet(Network):
    """A U-Net: convolutional blocks at falling, then rising resolution, joined level by level.

    In the middle, all positions attend to each other. The input joins the output before the last
    projection.

    Args:
        flow: the data type, a `keras_bfn.flows.Flow`.
        image_shape: the tuple `(height, width, channels)`. Height and width must be divisible by 2
            once for each level after the first.
        width: int. The number of channels at the first level.
        width_multipliers: tuple of ints. The channels at each level, in units of `width`.
        num_blocks: int. Blocks at each level on the way down; one more on the way up.
        num_heads: int. The number of attention heads.
        dropout: float in [0, 1).
        shortcut: bool. Whether each variable's own evidence is added to the answer
            (`keras_bfn.layers.EvidenceShortcut`). The paper's networks do without.
        data_format: `"channels_last"`, `"channels_first"`, or None for Keras's default: the layout
            of the convolutions. Inputs and outputs are channels last all the same.
        dtype: the dtype policy; by default Keras's global one.
        name: string.

    Call arguments:
        inputs: dict of `"theta"`, `(batch, *image_shape, flow.theta_size)`, and `"t"`, `(batch,)`.

    Returns:
        A float32 tensor of shape `(batch, *image_shape, flow.output_size)`.

    Raises:
        ValueError: if the image cannot be halved at each level.

    Example:

    >>> flow = keras_bfn.flows.DiscreteFlow(num_classes=2, beta_1=9.0)
    >>> network = keras_bfn.networks.UNet(flow, image_shape=(8, 8, 1), width=16)
    >>> network({"theta": np.zeros((4, 8, 8, 1, 1)), "t": np.zeros((4,))}).shape
    (4, 8, 8, 1, 1)

    Reference: the network of the MNIST experiment in section 7 of
    [Graves et al., 2023](https://arxiv.org/abs/2308.07037), which follows
    [Nichol and Dhariwal, 2021](https://arxiv.org/abs/2102.09672).
    """

    def __init__(
        self,
        flow,
        image_shape,
        width=64,
        width_multipliers=(1, 2),
        num_blocks=2,
        num_heads=4,
        dropout=0.0,
        shortcut=True,
        data_format=None,
        dtype=None,
        name=None,
    ):
        policy = resolve_policy(dtype)
        data_format = data_format or keras.config.image_data_format()
        image_shape = tuple(image_shape)
        _check_image_shape(image_shape, len(width_multipliers))
        height, image_width, channels = image_shape

        conv = {"padding": "same", "data_format": data_format, "dtype": policy}
        channel_axis = -1 if data_format == "channels_last" else 1

        def block(x, filters):
            return ConvBlock(filters, dropout, data_format=data_format, dtype=policy)(x, time)

        inputs = network_inputs(flow, image_shape)
        theta = scale_theta(flow, inputs["theta"])
        theta = layers.Reshape((height, image_width, channels * flow.theta_size))(theta)
        time = embed_time(inputs["t"], 4 * width, policy)

        x = theta
        if data_format == "channels_first":
            x = layers.Permute((3, 1, 2), dtype=policy)(x)
        x = layers.Conv2D(width, 3, **conv)(x)
        skips = [x]
        for level, multiplier in enumerate(width_multipliers):
            if level > 0:
                x = layers.Conv2D(x.shape[channel_axis], 3, strides=2, **conv)(x)
                skips.append(x)
            for _ in range(num_blocks):
                x = block(x, multiplier * width)
                skips.append(x)

        x = block(x, x.shape[channel_axis])
        x = SpatialAttention(num_heads, data_format=data_format, dtype=policy)(x)
        x = block(x, x.shape[channel_axis])

        for level, multiplier in reversed(list(enumerate(width_multipliers))):
            for _ in range(num_blocks + 1):
                x = layers.Concatenate(axis=channel_axis, dtype=policy)([x, skips.pop()])
                x = block(x, multiplier * width)
            if level > 0:
                x = layers.UpSampling2D(2, data_format=data_format, dtype=policy)(x)
                x = layers.Conv2D(x.shape[channel_axis], 3, **conv)(x)

        x = group_norm(x.shape[channel_axis], 32, channel_axis, dtype=policy)(x)
        x = layers.Conv2D(width, 3, **conv)(layers.Activation("silu", dtype=policy)(x))
        if data_format == "channels_first":
            x = layers.Permute((2, 3, 1), dtype=policy)(x)
        x = layers.Concatenate(dtype="float32")([theta, x])
        x = layers.Dense(channels * flow.output_size, kernel_initializer="zeros", dtype="float32")(
            x
        )
        x = layers.Reshape((*image_shape, flow.output_size), dtype="float32")(x)
        outputs = EvidenceShortcut(flow)(x, inputs["theta"]) if shortcut else x

        super().__init__(inputs, outputs, flow, policy, name)
        self.image_shape = image_shape
        self.width = width
        self.width_multipliers = tuple(width_multipliers)
        self.num_blocks = num_blocks
        self.num_heads = num_heads
        self.dropout = dropout
        self.shortcut = shortcut
        self.data_format = data_format

    def get_config(self):
        return {
            **super().get_config(),
            "image_shape": self.image_shape,
            "width": self.width,
            "width_multipliers": self.width_multipliers,
            "num_blocks": self.num_blocks,
            "num_heads": self.num_heads,
            "dropout": self.dropout,
            "shortcut": self.shortcut,
            "data_format": self.data_format,
        }


def _check_image_shape(image_shape, num_levels):
    divisor = 2 ** (num_levels - 1)
    if len(image_shape) != 3 or image_shape[0] % divisor or image_shape[1] % divisor:
        raise ValueError(
            "Argument `image_shape` must be (height, width, channels), with height and width "
            f"divisible by {divisor} for {num_levels} levels. Received: image_shape={image_shape}"
        )
