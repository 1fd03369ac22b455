"""A transformer for sequences, of letters or of a signal's values."""

import math
from typing import Any, Literal

import keras
from keras import layers, ops

from keras_bfn._typing import Shape
from keras_bfn._validation import check_choice, check_int, check_rate, check_shape, refusal
from keras_bfn.flows.flow import Flow
from keras_bfn.layers import PositionEmbedding, ShiftRight, TransformerBlock
from keras_bfn.layers.embeddings import check_multiple, sinusoids
from keras_bfn.networks.network import Network, check_one_kind, scale_features


def add_blocks(x, num_layers, seen=None, depth=None, name="block", **options):
    """Stacks blocks; `depth` is the number of blocks in the network, by default that of the stack.

    The initial standard deviation is 0.02 at the width of the paper's network, 768.
    """
    stddev = 0.02 * math.sqrt(768 / x.shape[-1])
    normal = keras.initializers.RandomNormal
    for i in range(num_layers):
        x = TransformerBlock(
            kernel_initializer=normal(stddev=stddev),
            residual_initializer=normal(stddev=stddev / math.sqrt(2 * (depth or num_layers))),
            name=f"{name}_{i}",
            **options,
        )(x, **(seen or {}))
    return x


def normalize(x, name, dtype):
    """Normalises the output of a stack of blocks."""
    return layers.LayerNormalization(epsilon=1e-5, dtype=dtype, name=name)(x)


def check_sight(num_heads, kernel_size):
    """Returns both as ints; raises a `ValueError` if blocks could see no other position."""
    sizes = check_int("num_heads", num_heads, 0), check_int("kernel_size", kernel_size, 1)
    if sizes == (0, 1):
        raise refusal("kernel_size", "must be above 1 without attention (`num_heads=0`)", 1)
    return sizes


def _embed_time(inputs, conditions, width, normal, initializer):
    """Embeds what is the same at all positions: the time, conditions, and the causal flag.

    In float32, because the time matters to the third digit and beyond.
    """
    options = {"kernel_initializer": normal, "dtype": "float32"}
    time = layers.Reshape((1,), dtype="float32")(inputs["t"])
    time = layers.Rescaling(2.0, -1.0, dtype="float32")(time)
    time = layers.Dense(width, name="time_projection", **options)(time)
    time = conditions.add_to(time, "float32")
    if "causal" in inputs:
        options |= {"kernel_initializer": initializer, "use_bias": False}
        causal = ops.cast(inputs["causal"], "float32")[:, None]
        causal = layers.Dense(width, name="causal_projection", **options)(causal)
        time = layers.Add(dtype="float32")([time, causal])
    return layers.Reshape((1, width), dtype="float32")(time)


def _check_event_shape(event_shape):
    if isinstance(event_shape, (tuple, list)) and len(event_shape) in (1, 2):
        return check_shape("event_shape", event_shape)
    if isinstance(event_shape, (tuple, list)):
        raise refusal("event_shape", "must be a length, or (length, channels)", event_shape)
    return (check_int("event_shape", event_shape, 1),)


@keras.saving.register_keras_serializable("keras_bfn")
class Transformer(Network):
    """A bidirectional transformer: each position sees what is known about all others.

    By default, each block sees its neighbours by a convolution, attention depends on distances, and
    the evidence is scaled to unit size, so that a small network need not first learn where its
    neighbours are. The input's embeddings join the output before the last projection.

    Args:
        flow: the data type, a `keras_bfn.flows.Flow`.
        event_shape: int, the length of a sequence; or `(length, channels)`, for a signal with
            several values at each position.
        width: even int. The size of the embeddings.
        num_layers: int. The number of blocks.
        num_heads: int. The number of attention heads; must divide `width`. 0 leaves attention out:
            each block then sees no further than its `kernel_size`.
        kernel_size: int. The number of positions that the first dense layer of each block sees; 1
            is a standard transformer.
        expansion: int. The width inside the blocks, in multiples of `width`.
        positions: `"rotary"`, in the attention; or `"sinusoidal"`, added to the embeddings.
        features: `"scaled"` (`keras_bfn.layers.EvidenceFeatures`), or `"plain"`, theta in [-1, 1].
        dropout: float in [0, 1), applied to the embeddings and to what each block adds to them.
        remat: as in `keras_bfn.networks.UNet`.
        masked: bool. Whether the network also takes a `"mask"`, bool, `(batch, *event_shape)`, for
            sequences of different lengths: positions where it is false are treated as beyond the
            sequence's end. (`BayesianFlowNetwork` makes it from -1 or NaN.)
        causal: bool. Whether the network also takes `"causal"`, bool, `(batch,)`. Where it is true,
            each position sees only those before it, with the same weights, so that one call
            predicts all positions from left to right. (`BayesianFlowNetwork` makes it; see
            `orders`.)
        **kwargs: `times`, `shortcut`, `jumps`, `conditions`, `dtype` and `name`, as in
            `keras_bfn.networks.Network`.

    Call arguments:
        inputs: dict of `"theta"`, `(batch, *event_shape, flow.theta_size)`; `"t"`, `(batch,)`; and
            `"condition"`, `"mask"` and `"causal"` if the network is conditional, masked or causal.

    Returns:
        A float32 tensor of shape `(batch, *event_shape, flow.output_size)`.

    Raises:
        ValueError: if an argument is out of range.

    Example:

    >>> flow = keras_bfn.flows.DiscreteFlow(num_classes=27, beta_1=0.5625)
    >>> network = keras_bfn.networks.Transformer(flow, 16, width=32, num_layers=2, num_heads=2)
    >>> network({"theta": np.zeros((4, 16, 27)), "t": np.zeros((4,))}).shape
    (4, 16, 27)

    Reference: the network of the text8 experiment in section 7 of
    [Graves et al., 2023](https://arxiv.org/abs/2308.07037), a GPT-2 without its mask:
    `event_shape=256`, `width=768`, `num_layers=24`, `num_heads=12`, `kernel_size=1`,
    `expansion=4`, `positions="sinusoidal"`, `features="plain"`, `shortcut=False`.
    """

    def __init__(
        self,
        flow: Flow,
        event_shape: int | Shape,
        width: int = 256,
        num_layers: int = 6,
        num_heads: int = 4,
        kernel_size: int = 5,
        expansion: int = 2,
        positions: Literal["rotary", "sinusoidal"] = "rotary",
        features: Literal["scaled", "plain"] = "scaled",
        dropout: float = 0.0,
        remat: bool = False,
        masked: bool = False,
        causal: bool = False,
        **kwargs,
    ) -> None:
        check_one_kind(flow)
        event_shape = _check_event_shape(event_shape)
        self.event_shape = event_shape
        self.width = check_multiple("width", width, 2)
        self.num_layers = check_int("num_layers", num_layers, 1)
        self.num_heads, self.kernel_size = check_sight(num_heads, kernel_size)
        self.expansion = check_int("expansion", expansion, 1)
        self.positions = check_choice("positions", positions, ("rotary", "sinusoidal"))
        self.features = check_choice("features", features, ("scaled", "plain"))
        self.dropout = check_rate("dropout", dropout)
        self.remat = remat
        self.masked = masked
        self.causal = causal
        fixed: dict[str, Any] = {}

        def connect(inputs, conditions, policy):
            normal = keras.initializers.RandomNormal(stddev=0.02)
            initializer = "lecun_normal" if features == "scaled" else normal
            time = _embed_time(inputs, conditions, width, normal, initializer)
            seen, seen_as = scale_features(flow, inputs["theta"], features), {}
            if len(event_shape) == 2:
                seen = layers.Reshape((event_shape[0], -1), dtype="float32")(seen)
            if causal:
                seen_as["causal"] = inputs["causal"]
                seen = ShiftRight()(seen, inputs["causal"])
            num_seen = seen.shape[-1]
            seen = conditions.join_to(seen)
            embed = {"kernel_initializer": initializer, "dtype": "float32"}
            embedded = layers.Dense(width, name="input_projection", **embed)(seen)
            # What does not depend on the positions before.
            fixed.update(time=time, beside=seen[..., num_seen:])
            embedded = layers.Add(dtype="float32")([embedded, time])
            if positions == "sinusoidal":
                embedded = PositionEmbedding()(embedded)
            x = layers.Dropout(dropout, dtype=policy)(embedded)
            if masked:
                there = inputs["mask"]
                seen_as["there"] = keras.ops.any(there, -1) if len(event_shape) == 2 else there
            sizes = {"num_heads": num_heads, "kernel_size": kernel_size, "expansion": expansion}
            options = {"dropout": dropout, "remat": remat, "rotary": positions == "rotary"}
            x = add_blocks(x, num_layers, seen_as, **sizes, **options, dtype=policy)
            return [normalize(x, "norm_out", policy), embedded]

        super().__init__(flow, event_shape, connect, masked, causal, **kwargs)
        self._make_fixed = lambda: keras.Model(self.input, fixed)

    @property
    def goes_one_by_one(self) -> bool:
        """Whether `one_by_one` is available: the network has a causal form."""
        return self.causal

    def one_by_one(self) -> "Positions":
        """Returns a `Positions`, which predicts position by position, as the causal form does."""
        return Positions(self, self._make_fixed())


class Positions:
    """A causal transformer that caches what it has computed for the positions before.

    Args:
        network: the `Transformer`.
        fixed: a model from the network's inputs to the embedded time and the conditions at each
            position.
    """

    def __init__(self, network, fixed):
        self.network, self.fixed = network, fixed
        self.blocks = [network.get_layer(f"block_{i}") for i in range(network.num_layers)]

    def start(self, batch_size, room):
        """Returns lists of the blocks' empty caches, for `room` positions, and of their pasts."""
        return map(
            list, zip(*(block.start(batch_size, room) for block in self.blocks), strict=True)
        )

    def put_by(self, kept, past):
        """Moves the blocks' caches to their pasts; returns lists of both."""
        each = zip(self.blocks, kept, past, strict=True)
        return map(list, zip(*(block.put_by(*its) for block, *its in each), strict=True))

    def next(self, theta, position, fixed, kept, past):
        """Returns the parameters of the output distribution at one position.

        Args:
            theta: theta of the position before, `(batch, *event_shape[1:], theta_size)`.
            position: int, a scalar tensor.
            fixed: the output of the model `fixed` for the network's inputs.
            kept, past: lists of the blocks' caches and pasts.

        Returns:
            A tuple: parameters of shape `(batch, *event_shape[1:], output_size)`, and the new
            caches.
        """
        network = self.network
        seen = scale_features(network.flow, theta, network.features)
        seen = ops.reshape(seen, (-1, 1, math.prod(seen.shape[1:])))
        seen = ops.where(position > 0, seen, 0.0)
        beside = ops.take(fixed["beside"], position, axis=1)[:, None]
        seen = ops.concatenate([seen, beside], axis=-1)
        embedded = network.get_layer("input_projection")(seen) + fixed["time"]
        if network.positions == "sinusoidal":
            table = sinusoids(network.event_shape[0], network.width)
            embedded = embedded + ops.take(ops.convert_to_tensor(table), position, axis=0)
        x, kept_now = embedded, []
        for block, *before in zip(self.blocks, kept, past, strict=True):
            x, kept_block = block.next(x, position, *before)
            kept_now.append(kept_block)
        x = ops.cast(network.get_layer("norm_out")(x), "float32")
        params = network.get_layer("output_projection")(ops.concatenate([x, embedded], axis=-1))
        shape = (-1, *network.event_shape[1:], network.flow.output_size)
        return ops.reshape(params, shape), kept_now
