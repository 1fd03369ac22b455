"""A network for vectors and other small data."""

import keras
from keras import layers

from keras_bfn.layers import DenseBlock, TimeEmbedding
from keras_bfn.networks.network import (
    Network,
    check_sizes,
    embed_time,
    network_inputs,
    project_output,
    resolve_policy,
    scale_theta,
)


@keras.saving.register_keras_serializable("keras_bfn")
class MLP(Network):
    """Residual dense blocks over all variables at once.

    Args:
        flow: the data type, a `keras_bfn.flows.Flow`.
        event_shape: the shape of one example, such as `(8,)` or `(8, 8, 1)`.
        width: even int. The size of the residual stream.
        num_blocks: int.
        expansion: int. The blocks are `expansion * width` wide inside.
        dropout: float in [0, 1).
        shortcut: bool. Whether each variable's own evidence is added to the answer
            (`keras_bfn.layers.EvidenceShortcut`). The paper's networks do without.
        num_classes: int or None. As in `keras_bfn.networks.UNet`.
        dtype: the dtype policy; by default Keras's global one.
        name: string.

    Call arguments:
        inputs: dict of `"theta"`, `(batch, *event_shape, flow.theta_size)`, and `"t"`, `(batch,)`.

    Returns:
        A float32 tensor of shape `(batch, *event_shape, flow.output_size)`.

    Example:

    >>> flow = keras_bfn.flows.ContinuousFlow()
    >>> network = keras_bfn.networks.MLP(flow, event_shape=(2,), width=64)
    >>> network({"theta": np.zeros((4, 2, 1)), "t": np.zeros((4,))}).shape
    (4, 2, 1)
    """

    def __init__(
        self,
        flow,
        event_shape,
        width=256,
        num_blocks=3,
        expansion=2,
        dropout=0.0,
        shortcut=True,
        num_classes=None,
        dtype=None,
        name=None,
    ):
        policy = resolve_policy(dtype)
        check_sizes(width, dropout, num_classes, num_blocks=num_blocks, expansion=expansion)
        event_shape = tuple(event_shape)
        inputs = network_inputs(flow, event_shape, num_classes)
        theta = layers.Flatten(dtype="float32")(scale_theta(flow, inputs["theta"]))
        time = embed_time(inputs, TimeEmbedding(width), width, num_classes, policy)

        x = layers.Dense(width, dtype=policy)(theta)
        for _ in range(num_blocks):
            x = DenseBlock(expansion * width, dropout, dtype=policy)(x, time)
        x = layers.Activation("silu", dtype=policy)(layers.LayerNormalization(dtype=policy)(x))
        # The input joins the output: late in time theta is nearly the answer.
        outputs = project_output(flow, inputs["theta"], [theta, x], shortcut)

        super().__init__(inputs, outputs, flow, num_classes, policy, name)
        self.event_shape = event_shape
        self.width = width
        self.num_blocks = num_blocks
        self.expansion = expansion
        self.dropout = dropout
        self.shortcut = shortcut

    def get_config(self):
        return {
            **super().get_config(),
            "event_shape": self.event_shape,
            "width": self.width,
            "num_blocks": self.num_blocks,
            "expansion": self.expansion,
            "dropout": self.dropout,
            "shortcut": self.shortcut,
        }
