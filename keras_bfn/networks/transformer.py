"""A network for sequences."""

import math

import keras
from keras import layers

from keras_bfn._validation import check_int
from keras_bfn.layers import PositionEmbedding, TransformerBlock
from keras_bfn.networks.network import (
    Network,
    add_class,
    check_sizes,
    network_inputs,
    project_output,
    resolve_policy,
    scale_theta,
)


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
        shortcut, num_classes, remat, dtype, name: as in `keras_bfn.networks.UNet`.

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
        shortcut=True,
        num_classes=None,
        remat=False,
        dtype=None,
        name=None,
    ):
        policy = resolve_policy(dtype)
        check_sizes(width, dropout, num_classes, num_layers=num_layers, num_heads=num_heads)
        sequence_length = check_int("sequence_length", sequence_length, 1)
        normal = keras.initializers.RandomNormal

        inputs = network_inputs(flow, (sequence_length,), num_classes)
        # In float32, for theta and the time are known to the third digit and beyond.
        embed = {"kernel_initializer": normal(stddev=0.02), "dtype": "float32"}
        time = layers.Rescaling(2.0, -1.0, dtype="float32")(
            layers.Reshape((1,), dtype="float32")(inputs["t"])
        )
        time = layers.Dense(width, name="time_projection", **embed)(time)
        time = add_class(inputs, time, num_classes, "float32")
        theta = scale_theta(flow, inputs["theta"])
        if flow.theta_size > 1:
            embed["kernel_initializer"] = CentredNormal(stddev=0.2)
        embedded = layers.Dense(width, name="input_projection", **embed)(theta)
        embedded = layers.Add(dtype="float32")(
            [embedded, layers.Reshape((1, width), dtype="float32")(time)]
        )
        embedded = PositionEmbedding()(embedded)

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
        outputs = project_output(flow, inputs["theta"], [x, embedded], shortcut)

        super().__init__(inputs, outputs, flow, num_classes, policy, name)
        self.sequence_length = sequence_length
        self.width = width
        self.num_layers = num_layers
        self.num_heads = num_heads
        self.dropout = dropout
        self.shortcut = shortcut
        self.remat = remat

    def get_config(self):
        return {
            **super().get_config(),
            "sequence_length": self.sequence_length,
            "width": self.width,
            "num_layers": self.num_layers,
            "num_heads": self.num_heads,
            "dropout": self.dropout,
            "shortcut": self.shortcut,
            "remat": self.remat,
        }
