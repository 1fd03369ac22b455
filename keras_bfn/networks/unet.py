"""A network for images and signals, at several resolutions."""

from collections.abc import Sequence

import keras
from keras import layers

from keras_bfn._typing import DataFormat, Shape
from keras_bfn._validation import check_int, check_rate, check_shape, refusal
from keras_bfn.flows.flow import Flow
from keras_bfn.layers import TimeChannel, TimeEmbedding
from keras_bfn.layers.embeddings import check_multiple
from keras_bfn.networks.image_levels import check_image_shape, image_levels, theta_channels
from keras_bfn.networks.network import Network, check_one_kind, embed_time


@keras.saving.register_keras_serializable("keras_bfn")
class UNet(Network):
    """A U-Net: convolutional blocks at falling, then rising resolution, with skip connections.

    In the middle, all positions attend to each other. The time is a channel of the input, and the
    input, projected to `width` channels, joins the output before the last projection.

    Args:
        flow: the data type, a `keras_bfn.flows.Flow`.
        image_shape: `(height, width, channels)`, where grey images have 1 channel; or, for
            signals, such as series and sounds, `(length, channels)` or `(length,)`, with
            convolutions along the length. Height, width and length must be divisible by 2 once for
            each level after the first.
        width: even int. The number of channels at the first level.
        width_multipliers: tuple of ints. The channels of each level, in multiples of `width`.
        num_blocks: int. The number of blocks at each level on the way down; there is one more on
            the way up.
        num_heads: int. The number of attention heads.
        dropout: float in [0, 1).
        remat: bool. Whether to recompute the blocks' activations in the backward pass: training
            takes less memory, and one more forward pass.
        data_format: the layout of the convolutions, `"channels_last"` or `"channels_first"`; None
            is the faster one, which is channels first on PyTorch's CPU. Inputs and outputs are
            channels last in either case, and weights are the same. On CPUs, TensorFlow supports
            only channels last, and JAX is very slow to generate with channels first.
        **kwargs: `times`, `shortcut`, `jumps`, `conditions`, `dtype` and `name`, as in
            `keras_bfn.networks.Network`.

    Call arguments:
        inputs: dict of `"theta"`, `(batch, *image_shape, flow.theta_size)`, and `"t"`, `(batch,)`.

    Returns:
        A float32 tensor of shape `(batch, *image_shape, flow.output_size)`.

    Raises:
        ValueError: if the positions cannot be halved at each level, or an argument is out of range.

    Example:

    >>> flow = keras_bfn.flows.DiscreteFlow(num_classes=2, beta_1=9.0)
    >>> network = keras_bfn.networks.UNet(flow, image_shape=(8, 8, 1), width=16)
    >>> network({"theta": np.zeros((4, 8, 8, 1, 1)), "t": np.zeros((4,))}).shape
    (4, 8, 8, 1, 1)
    >>> flow = keras_bfn.flows.ContinuousFlow(sigma_1=0.05)
    >>> network = keras_bfn.networks.UNet(flow, image_shape=(24, 2), width=16)
    >>> network({"theta": np.zeros((4, 24, 2, 1)), "t": np.zeros((4,))}).shape
    (4, 24, 2, 1)

    Reference: the network of the MNIST experiment in section 7 of
    [Graves et al., 2023](https://arxiv.org/abs/2308.07037), which follows
    [Nichol and Dhariwal, 2021](https://arxiv.org/abs/2102.09672): `width=128`,
    `width_multipliers=(1, 2, 2)`, `dropout=0.5`, `shortcut=False`.
    """

    def __init__(
        self,
        flow: Flow,
        image_shape: Shape,
        width: int = 64,
        width_multipliers: Sequence[int] = (1, 2),
        num_blocks: int = 2,
        num_heads: int = 4,
        dropout: float = 0.0,
        remat: bool = False,
        data_format: DataFormat = None,
        **kwargs,
    ) -> None:
        check_one_kind(flow)
        self.width = check_multiple("width", width, 2)
        self.width_multipliers = check_shape("width_multipliers", width_multipliers)
        if not width_multipliers:
            raise refusal("width_multipliers", "must have at least one level", width_multipliers)
        self.image_shape = check_image_shape(image_shape, len(width_multipliers))
        self.num_blocks = check_int("num_blocks", num_blocks, 1)
        self.num_heads = check_int("num_heads", num_heads, 1)
        self.dropout = check_rate("dropout", dropout)
        self.remat = remat
        self.data_format = data_format

        def connect(inputs, conditions, policy):
            x = conditions.join_to(theta_channels(flow, inputs["theta"]))
            x = TimeChannel()(x, inputs["t"])
            # In float32, because means matter to the third digit and beyond.
            projected = layers.Dense(width, dtype="float32", name="input_projection")(x)
            time = embed_time(inputs["t"], TimeEmbedding(width), 4 * width, policy)
            time = conditions.add_to(time)
            sizes = width, width_multipliers, num_blocks, num_heads
            options = {"dropout": dropout, "remat": remat}
            x = image_levels(projected, time, *sizes, data_format, policy, **options)
            return [projected, x]

        super().__init__(flow, self.image_shape, connect, **kwargs)
