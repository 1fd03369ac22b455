"""A network for sequences."""

import math

import keras
from keras import layers

from keras_bfn._validation import check_int
from keras_bfn.layers import PositionEmbedding, TransformerBlock
from keras_bfn.networks.network import Network, check_one_kind, check_sizes, scale_theta


@keras.saving.register_keras_serializable("keras_bfn")
class CentredNormal(keras.initializers.RandomNormal):
    """A normal distribution, less its mean over the inputs: what all have in common maps to zero.

    K probabilities without evidence are all 1 / K. With the usual initial weights, that they are is
    most of what their embedding says, and a small network of letters takes longer to learn more
    than how often each occurs.
    """

    def __call__(self, shape, dtype=None):
        values = super().__call__(shape, dtype)
        return values - keras.ops.mean(values, axis=0, keepdims=True)


@keras.saving.register_keras_serializable("keras_bfn")
class Transformer(Network):
    """A bidirectional transformer: at each position, what is known about all others is seen.

    The input's embeddings, position and time added, join the output before the last projection.

    Args:
        flow: the data type, a `keras_bfn.flows.Flow`.
        sequence_length: int. The number of variables of an example.
        width: even int. The size of the embeddings.
        num_layers: int.
        num_heads: int. Divides `width`.
        dropout: float in [0, 1), of the embeddings and of what each block adds to them.
        remat: as in `keras_bfn.networks.UNet`.
        **kwargs: `shortcut`, `num_conditions`, `dtype` and `name`, as in
            `keras_bfn.networks.Network`.

    Call arguments:
        inputs: dict of `"theta"`, `(batch, sequence_length, flow.theta_size)`, and `"t"`,
            `(batch,)`.

    Returns:
        A float32 tensor of shape `(batch, sequence_length, flow.output_size)`.

    Raises:
        ValueError: if an argument is out of its range.

    Example:

    >>> flow = keras_bfn.flows.DiscreteFlow(num_classes=27, beta_1=0.5625)
    >>> network = keras_bfn.networks.Transformer(flow, 16, width=32, num_layers=2, num_heads=2)
    >>> network({"theta": np.zeros((4, 16, 27)), "t": np.zeros((4,))}).shape
    (4, 16, 27)

    Reference: the network of the text8 experiment in section 7 of
    [Graves et al., 2023](https://arxiv.org/abs/2308.07037), a GPT-2 without its mask:
    `sequence_length=256`, `width=768`, `num_layers=24`, `num_heads=12`, `shortcut=False`.
    """

    def __init__(
        self,
        flow,
        sequence_length,
        width=256,
        num_layers=6,
        num_heads=4,
        dropout=0.0,
        remat=False,
        **kwargs,
    ):
        check_one_kind(flow)
        check_sizes(width, dropout, num_layers=num_layers, num_heads=num_heads)
        sequence_length = check_int("sequence_length", sequence_length, 1)
        normal = keras.initializers.RandomNormal

        def connect(inputs, add_condition, policy):
            # In float32, for theta and the time are known to the third digit and beyond.
            embed = {"kernel_initializer": normal(stddev=0.02), "dtype": "float32"}
            time = layers.Reshape((1,), dtype="float32")(inputs["t"])
            time = layers.Rescaling(2.0, -1.0, dtype="float32")(time)
            time = layers.Dense(width, name="time_projection", **embed)(time)
            time = add_condition(time, "float32")
            if flow.theta_size > 1:
                embed["kernel_initializer"] = CentredNormal(stddev=0.2)
            embedded = layers.Dense(width, name="input_projection", **embed)(
                scale_theta(flow, inputs["theta"])
            )
            time = layers.Reshape((1, width), dtype="float32")(time)
            embedded = PositionEmbedding()(layers.Add(dtype="float32")([embedded, time]))

            x = layers.Dropout(dropout, dtype=policy)(embedded)
            for i in range(num_layers):
                x = TransformerBlock(
                    num_heads,
                    dropout,
                    remat,
                    kernel_initializer=normal(stddev=0.02),
                    residual_initializer=normal(stddev=0.02 / math.sqrt(2 * num_layers)),
                    dtype=policy,
                    name=f"block_{i}",
                )(x)
            x = layers.LayerNormalization(epsilon=1e-5, dtype=policy, name="norm_out")(x)
            return [x, embedded]

        super().__init__(flow, (sequence_length,), connect, **kwargs)
        self.sequence_length = sequence_length
        self.width = width
        self.num_layers = num_layers
        self.num_heads = num_heads
        self.dropout = dropout
        self.remat = remat
