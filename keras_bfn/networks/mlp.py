"""A network for vectors and other small data."""

import keras
from keras import layers

from keras_bfn._typing import Shape
from keras_bfn._validation import check_int, check_rate, check_shape
from keras_bfn.flows.flow import Flow
from keras_bfn.layers import DenseBlock, TimeEmbedding
from keras_bfn.layers.embeddings import check_multiple
from keras_bfn.networks.network import Network, check_one_kind, embed_time, scale_theta


@keras.saving.register_keras_serializable("keras_bfn")
class MLP(Network):
    """Residual dense blocks over all variables at once.

    Args:
        flow: the data type, a `keras_bfn.flows.Flow`.
        event_shape: the shape of one example, such as `(8,)` or `(8, 8, 1)`.
        width: even int. The size of the residual stream.
        num_blocks: int. The number of blocks.
        expansion: int. The width inside the blocks, in multiples of `width`.
        dropout: float in [0, 1).
        **kwargs: `times`, `shortcut`, `jumps`, `conditions`, `dtype` and `name`, as in
            `keras_bfn.networks.Network`.

    Call arguments:
        inputs: dict of `"theta"`, `(batch, *event_shape, flow.theta_size)`, and `"t"`, `(batch,)`.

    Returns:
        A float32 tensor of shape `(batch, *event_shape, flow.output_size)`.

    Raises:
        ValueError: if an argument is out of range.

    Example:

    >>> flow = keras_bfn.flows.ContinuousFlow()
    >>> network = keras_bfn.networks.MLP(flow, event_shape=(2,), width=64)
    >>> network({"theta": np.zeros((4, 2, 1)), "t": np.zeros((4,))}).shape
    (4, 2, 1)
    """

    def __init__(
        self,
        flow: Flow,
        event_shape: Shape,
        width: int = 256,
        num_blocks: int = 3,
        expansion: int = 2,
        dropout: float = 0.0,
        **kwargs,
    ) -> None:
        check_one_kind(flow)
        self.event_shape = check_shape("event_shape", event_shape)
        self.width = check_multiple("width", width, 2)
        self.num_blocks = check_int("num_blocks", num_blocks, 1)
        self.expansion = check_int("expansion", expansion, 1)
        self.dropout = check_rate("dropout", dropout)

        def connect(inputs, conditions, policy):
            theta = scale_theta(flow, inputs["theta"])
            theta = layers.Flatten("channels_last", dtype="float32")(theta)
            time = conditions.add_to(embed_time(inputs["t"], TimeEmbedding(width), width, policy))
            x = layers.Dense(width, dtype=policy)(conditions.join_to(theta))
            for _ in range(num_blocks):
                x = DenseBlock(expansion * width, dropout, dtype=policy)(x, time)
            x = layers.LayerNormalization(dtype=policy)(x)
            x = layers.Activation("silu", dtype=policy)(x)
            # The input joins the output, since late in time theta is nearly the output.
            return [theta, x]

        super().__init__(flow, self.event_shape, connect, **kwargs)
