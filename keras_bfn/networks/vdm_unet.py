"""A network for images and signals, at one resolution."""

import keras

from keras_bfn._typing import DataFormat, Shape
from keras_bfn._validation import check_int, check_rate
from keras_bfn.flows.flow import Flow
from keras_bfn.layers import FourierFeatures, TimeEmbedding
from keras_bfn.layers.embeddings import check_multiple
from keras_bfn.networks.image_levels import check_image_shape, image_levels, theta_channels
from keras_bfn.networks.network import Network, check_one_kind, embed_time


@keras.saving.register_keras_serializable("keras_bfn")
class VDMUNet(Network):
    """A deep stack of convolutional blocks at full resolution, with skip connections.

    It is the network of variational diffusion models: there is no pooling, Fourier features of the
    input resolve fine differences, and all positions attend to each other in the middle. The input
    joins the output before the last projection.

    Args:
        flow: the data type, a `keras_bfn.flows.Flow`.
        image_shape: as in `keras_bfn.networks.UNet`, but any size will do.
        width: even int. The number of channels.
        num_blocks: int. The number of blocks on the way in; there is one more on the way out.
        num_heads: int. The number of attention heads.
        dropout: float in [0, 1).
        remat, data_format: as in `keras_bfn.networks.UNet`.
        **kwargs: `times`, `shortcut`, `jumps`, `conditions`, `dtype` and `name`, as in
            `keras_bfn.networks.Network`.

    Call arguments:
        inputs: dict of `"theta"`, `(batch, *image_shape, flow.theta_size)`, and `"t"`, `(batch,)`.

    Returns:
        A float32 tensor of shape `(batch, *image_shape, flow.output_size)`.

    Raises:
        ValueError: if an argument is out of range.

    Example:

    >>> flow = keras_bfn.flows.DiscretizedFlow(num_bins=256)
    >>> network = keras_bfn.networks.VDMUNet(flow, image_shape=(8, 8, 3), width=16, num_blocks=2)
    >>> network({"theta": np.zeros((4, 8, 8, 3, 1)), "t": np.zeros((4,))}).shape
    (4, 8, 8, 3, 2)

    Reference: the network of the CIFAR-10 experiments in section 7 of
    [Graves et al., 2023](https://arxiv.org/abs/2308.07037), which follows
    [Kingma et al., 2021](https://arxiv.org/abs/2107.00630): the defaults, with `dropout=0.1` and
    `shortcut=False`.
    """

    def __init__(
        self,
        flow: Flow,
        image_shape: Shape,
        width: int = 128,
        num_blocks: int = 32,
        num_heads: int = 1,
        dropout: float = 0.0,
        remat: bool = False,
        data_format: DataFormat = None,
        **kwargs,
    ) -> None:
        check_one_kind(flow)
        self.image_shape = check_image_shape(image_shape, num_levels=1)
        self.width = check_multiple("width", width, 2)
        self.num_blocks = check_int("num_blocks", num_blocks, 1)
        self.num_heads = check_int("num_heads", num_heads, 1)
        self.dropout = check_rate("dropout", dropout)
        self.remat = remat
        self.data_format = data_format

        def connect(inputs, conditions, policy):
            theta = theta_channels(flow, inputs["theta"])
            x = conditions.join_to(FourierFeatures()(theta))
            time = TimeEmbedding(width, scale=1000.0, offset=0.001, endpoint=True)
            time = conditions.add_to(embed_time(inputs["t"], time, 4 * width, policy))
            sizes = width, (1,), num_blocks, num_heads
            options = {"dropout": dropout, "time_bias": False, "remat": remat}
            x = image_levels(x, time, *sizes, data_format, policy, **options)
            return [theta, x]

        super().__init__(flow, self.image_shape, connect, **kwargs)
