"""A network for data of several kinds."""

import math
from collections.abc import Mapping, Sequence
from typing import Literal

import keras
from keras import layers

from keras_bfn._parts import check_event_shape, map_parts
from keras_bfn._typing import Parts, Shape
from keras_bfn._validation import check_choice, check_int, check_rate, mismatch, refusal
from keras_bfn.flows.flow import Flow, check_flow
from keras_bfn.layers import DenseBlock, TimeEmbedding, TokenEmbedding, TransformerBlock
from keras_bfn.layers.embeddings import check_multiple
from keras_bfn.networks.network import (
    Network,
    check_same_flow,
    embed_time,
    scale_features,
    scale_time,
)
from keras_bfn.networks.patch_transformer import cut_squares, join_squares
from keras_bfn.networks.transformer import add_blocks, normalize

KERNEL_SIZE = 5  # of `mixer="sequence"`: the number of steps that a block sees without attention
MOST_PATCHES = 64  # per image, by default
WIDE = 256  # features of a part
EMBEDDING = 16  # of more classes, the mixer sees the mean of embeddings of this size


@keras.saving.register_keras_serializable("keras_bfn")
class MultiPart(Network):
    """A network for a dict of flows, in which the variables of all parts see each other.

    With `mixer="transformer"`, each variable is a token, except in images, parts of shape
    `(height, width, channels)`, whose tokens are square patches. Tokens of all parts attend to each
    other. With `mixer="mlp"`, residual dense blocks see all variables at once, which suits tables
    of some tens of columns. With `mixer="sequence"`, some parts have one or more values for each
    step of a sequence. Each step is then a token, to which the other parts are added. In any case,
    each part has its own head, which also sees the part's theta. Of more than 16 classes, mixer and
    head see the mean of embeddings, so that such a part leaves the others as they are.

    An image may have its own network, such as a `UNet`, instead of a head. That network sees the
    image's theta and time, and its condition is a vector that summarises all parts.

    Args:
        flow: dict from names of parts to flows.
        event_shape: dict of the parts' shapes: `()` for one variable, `(13,)` for 13 columns.
        width: even int. The size of the tokens, or of the residual stream.
        num_blocks: int. The number of blocks of the mixer.
        mixer: `"transformer"`, `"mlp"` or `"sequence"`.
        num_heads: int. The number of the transformer's attention heads; must divide `width`.
        dropout: float in [0, 1).
        steps: for `mixer="sequence"`, the names of the parts of shape `(num_steps, ...)`.
        patch_size: int, or a dict of ints for some of the images: the side of their patches. By
            default, the smallest that makes at most 64 patches.
        networks: None, or a dict from names of some parts to their own networks. Each takes
            `"theta"` and `"t"` of its part and a `"condition"` of shape `(batch, width)`, as this
            package's networks do with `conditions=(width,)`.
        **kwargs: `times`, `shortcut`, `jumps`, `conditions`, `dtype` and `name`, as in
            `keras_bfn.networks.Network`.

    Call arguments:
        inputs: dict of `"theta"`, a dict of tensors `(batch, *event_shape, theta_size)`, and `"t"`,
            `(batch,)`; with `times="variables"`, `"t"` is a dict of tensors shaped as the parts'
            data.

    Returns:
        A dict of float32 tensors of shape `(batch, *event_shape, output_size)`.

    Raises:
        ValueError: if an argument is out of range.

    Example:

    >>> flow = {
    ...     "image": keras_bfn.flows.DiscretizedFlow(num_bins=17, sigma_1=0.02),
    ...     "label": keras_bfn.flows.DiscreteFlow(num_classes=10, beta_1=3.0),
    ... }
    >>> network = keras_bfn.networks.MultiPart(flow, {"image": (8, 8, 1), "label": ()}, width=32)
    >>> theta = {"image": np.zeros((4, 8, 8, 1, 1)), "label": np.full((4, 10), 0.1)}
    >>> params = network({"theta": theta, "t": np.zeros((4,))})
    >>> params["label"].shape
    (4, 10)
    """

    def __init__(
        self,
        flow: Mapping[str, Flow],
        event_shape: Mapping[str, Shape],
        width: int = 128,
        num_blocks: int = 3,
        mixer: Literal["transformer", "mlp", "sequence"] = "transformer",
        num_heads: int = 4,
        dropout: float = 0.0,
        steps: Sequence[str] = (),
        patch_size: Parts[int] | None = None,
        networks: Mapping[str, keras.Layer] | None = None,
        **kwargs,
    ) -> None:
        check_flow(flow)
        if not isinstance(flow, dict):
            raise refusal("flow", "must be a dict of flows", flow)
        self.event_shape = event_shape = check_event_shape(flow, event_shape)
        self.width = check_multiple("width", width, 2)
        self.num_blocks = check_int("num_blocks", num_blocks, 1)
        self.mixer = check_choice("mixer", mixer, ("transformer", "mlp", "sequence"))
        self.num_heads = check_int("num_heads", num_heads, 1)
        self.dropout = check_rate("dropout", dropout)
        self.steps = _check_steps(steps, event_shape, mixer)
        patch_sizes = _check_patch_sizes(patch_size, event_shape)
        networks = _check_networks(networks, flow, event_shape, width)

        def connect(inputs, conditions, policy):
            theta = map_parts(_see, flow, inputs["theta"], mixer)
            times = inputs.get("each_t", {})
            for name in times:
                if not flow[name].theta_tells_all:
                    join = layers.Concatenate(dtype="float32")
                    theta[name] = join([theta[name], scale_time(times[name])])
            time = conditions.add_to(embed_time(inputs["t"], TimeEmbedding(width), width, policy))
            if mixer != "transformer" and isinstance(time, dict):
                # Concatenated: a sum would mix up the parts' times.
                time = layers.Concatenate(dtype=policy)(list(time.values()))
            options = width, num_blocks, dropout, policy
            if mixer == "mlp":
                parts, context = _mix_variables(theta, time, *options)
            elif mixer == "sequence":
                parts, context = _mix_steps(theta, time, *options, num_heads, steps)
            else:
                parts, context = _mix_tokens(theta, time, *options, num_heads, patch_sizes)
            for name, network in networks.items():
                own_times = getattr(network, "times", "shared") == "variables"
                t = times[name] if own_times else inputs["t"]
                t = t[name] if isinstance(t, dict) else t
                own = {"theta": inputs["theta"][name], "t": t, "condition": context}
                parts[name] = network(own)
            return parts

        super().__init__(flow, event_shape, connect, **kwargs)
        self.patch_size = patch_size
        self.networks = networks


def _see(flow, theta, mixer):
    """Returns what the mixer sees of a part: of many classes, the mean of their embeddings.

    Probabilities of hundreds of classes, one input each, would drown out all other parts.
    """
    if not flow.theta_is_probs or theta.shape[-1] <= EMBEDDING:
        return scale_features(flow, theta, "scaled" if mixer == "sequence" else "plain")
    if mixer != "mlp" or len(theta.shape) < 3:
        return layers.Dense(EMBEDDING, use_bias=False, dtype="float32")(theta)
    x = layers.Reshape((-1, theta.shape[-1]), dtype="float32")(theta)  # each variable has its own
    return layers.EinsumDense("bnk,nkd->bnd", (x.shape[1], EMBEDDING), dtype="float32")(x)


def _mix_variables(theta, time, width, num_blocks, dropout, policy):
    """Returns the inputs of each part's head, and a vector that summarises all parts."""
    flat = map_parts(lambda part: layers.Flatten("channels_last", dtype="float32")(part), theta)
    x = layers.Concatenate(dtype="float32")(list(flat.values()))
    x = layers.Dense(width, dtype=policy)(x)
    for _ in range(num_blocks):
        x = DenseBlock(2 * width, dropout, dtype=policy)(x, time)
    x = layers.LayerNormalization(dtype=policy)(x)
    x = layers.Activation("silu", dtype=policy)(x)
    # The head of a wide part sees its own theta by the shortcut alone: it would be too large.
    return {name: [x] if part.shape[-1] > WIDE else [part, x] for name, part in flat.items()}, x


def _mix_tokens(theta, time, width, num_blocks, dropout, policy, num_heads, patch_sizes):
    """Returns the same as `_mix_variables`, by a transformer."""
    tokens = []
    for name, part in theta.items():
        if name in patch_sizes:
            x = join_squares(part, patch_sizes[name], "float32")
        else:
            x = layers.Reshape((-1, part.shape[-1]), dtype="float32")(part)
        own_time = time[name] if isinstance(time, dict) else time
        own_time = layers.Reshape((1, width), dtype=policy)(own_time)
        x = TokenEmbedding(width, dtype=policy)(x)
        tokens.append(layers.Add(dtype=policy)([x, own_time]))
    x = layers.Concatenate(axis=1, dtype=policy)(tokens)
    for _ in range(num_blocks):
        x = TransformerBlock(num_heads, dropout, dtype=policy)(x)
    x = layers.LayerNormalization(dtype=policy)(x)
    context = layers.GlobalAveragePooling1D("channels_last", dtype=policy)(x)

    parts, start = {}, 0
    for (name, part), own in zip(theta.items(), tokens, strict=True):
        features = x[:, start : start + own.shape[1]]
        start += own.shape[1]
        shape = part.shape[1:-1]
        if name in patch_sizes:
            depth = max(16, width // patch_sizes[name] ** 2)
            features = layers.Dense(depth * patch_sizes[name] ** 2, dtype=policy)(features)
            features = cut_squares(features, *shape[:2], patch_sizes[name], policy)
            part = layers.Reshape((*shape[:2], shape[2] * part.shape[-1]), dtype="float32")(part)
        else:
            features = layers.Reshape((*shape, width), dtype=policy)(features)
        parts[name] = [part, features]
    return parts, context


def _mix_steps(theta, time, width, num_blocks, dropout, policy, num_heads, steps):
    """Returns the same as `_mix_variables`, by a transformer whose tokens are steps."""
    flat = {}
    for name, part in theta.items():
        rows = part.shape[1:2] if name in steps else ()
        flat[name] = layers.Reshape((*rows, -1), dtype="float32")(part)
    still = [part for name, part in flat.items() if name not in steps]
    still = [layers.Dense(width, dtype=policy)(part) for part in [*still, time]]
    common = layers.Add(dtype=policy)(still)
    x = layers.Concatenate(dtype="float32")([flat[name] for name in steps])
    x = layers.Dense(width, dtype=policy)(x)
    x = layers.Add(dtype=policy)([x, layers.Reshape((1, width), dtype=policy)(common)])
    options = {"kernel_size": KERNEL_SIZE, "expansion": 2, "rotary": True, "dtype": policy}
    x = add_blocks(x, num_blocks, num_heads=num_heads, dropout=dropout, **options)
    x = normalize(x, "norm_out", policy)
    pooled = layers.GlobalAveragePooling1D("channels_last", dtype=policy)(x)
    context = layers.Concatenate(dtype=policy)([pooled, common])
    context = layers.Dense(width, activation="silu", dtype=policy)(context)
    parts = {name: [part, x if name in steps else context] for name, part in flat.items()}
    return parts, context


def _check_steps(steps, event_shape, mixer):
    if not isinstance(steps, (list, tuple)) or not all(name in event_shape for name in steps):
        raise refusal("steps", f"must be a list of names of the parts {list(event_shape)}", steps)
    if bool(steps) != (mixer == "sequence"):
        raise refusal("steps", 'must name parts for `mixer="sequence"`, and only then', steps)
    lengths = {name: event_shape[name][:1] for name in steps}
    if () in lengths.values() or len(set(lengths.values())) > 1:
        expected = "must name parts whose shapes start with the same number of steps"
        raise refusal("steps", expected, {name: event_shape[name] for name in steps})
    return tuple(steps)


def _check_patch_sizes(patch_size, event_shape):
    """Returns the side of the patches of each part that is an image."""
    images = {name: shape for name, shape in event_shape.items() if len(shape) == 3}
    given = patch_size if isinstance(patch_size, dict) else dict.fromkeys(images, patch_size)
    if not set(given) <= set(images):
        raise refusal("patch_size", f"must name parts that are images, {list(images)}", patch_size)
    sizes = {}
    for name, (height, width, _) in images.items():
        largest, size = math.gcd(height, width), given.get(name)
        if size is None:
            fitting = (s for s in range(1, largest + 1) if largest % s == 0)
            size = next((s for s in fitting if height * width <= MOST_PATCHES * s**2), largest)
        if largest % check_int("patch_size", size, 1):
            expected = f"must divide the sides of each image, {height} and {width} for {name!r}"
            raise refusal("patch_size", expected, patch_size)
        sizes[name] = size
    return sizes


def _check_networks(networks, flow, event_shape, width):
    networks = {} if networks is None else networks
    if not isinstance(networks, dict) or not all(
        name in flow and isinstance(network, keras.Layer) for name, network in networks.items()
    ):
        expected = f"must be a dict from some of the parts {list(flow)} to Keras models or layers"
        raise refusal("networks", expected, networks)
    for name, network in networks.items():
        if not isinstance(network, Network):  # Keras reports what does not fit
            continue
        check_same_flow(f"networks[{name!r}]", network, flow[name])
        shape = tuple(network.input["theta"].shape[1:-1])
        if shape != event_shape[name] or network.conditions != (width,):
            expected = f"must have event shape {event_shape[name]} and conditions=({width},)"
            came = f"a network with event shape {shape} and conditions={network.conditions!r}"
            raise mismatch(f"networks[{name!r}]", expected, came)
    return dict(networks)
