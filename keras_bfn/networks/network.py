"""The base class of networks, and the layers that networks begin and end with."""

import math
from collections.abc import Callable
from typing import Any, Literal, Self

import keras
from keras import layers, ops

from keras_bfn._config import argument_names, own_config
from keras_bfn._keras import (
    change_layers,
    changed_layers,
    layer_policies,
    layers_with_kernels,
    symbolic,
)
from keras_bfn._parts import map_parts
from keras_bfn._typing import DType, Nest, Parts, Shape
from keras_bfn._validation import check_bool, check_choice, check_int, mismatch, refusal
from keras_bfn.flows import Flow
from keras_bfn.layers import EvidenceFeatures, EvidenceShortcut
from keras_bfn.layers.dense import positionwise
from keras_bfn.networks.conditions import Conditions, check_conditions, null_conditions

TIMES = ("shared", "variables")


class Network(keras.Model):
    """Base class of functional networks: each is built by its constructor for one flow and shape.

    A subclass passes its options on, keeps its own arguments as attributes of the same names, and
    defines how the symbolic inputs become the output:

    ```python
    class Small(keras_bfn.networks.Network):
        def __init__(self, flow, event_shape, width=32, **kwargs):
            def connect(inputs, conditions, policy):
                x = conditions.join_to(inputs["theta"])
                x = keras.layers.Dense(width, "relu", dtype=policy)(x)
                return [inputs["theta"], x]  # joined and projected to the output

            super().__init__(flow, event_shape, connect, **kwargs)
            self.event_shape, self.width = tuple(event_shape), width

    network = Small(keras_bfn.flows.DiscreteFlow(3, beta_1=1.0), (8,), conditions=(8, 2))
    ```

    Args:
        flow: the data type, a `keras_bfn.flows.Flow`.
        event_shape: the shape of one example.
        connect: function of three arguments: the dict of symbolic inputs, the conditions, and the
            dtype policy. The conditions have two methods, which have no effect where there are
            none: `add_to` adds their embeddings to a symbolic tensor `(batch, size)`, or to each of
            a dict; `join_to` concatenates those with a value for each position to a tensor
            `(batch, *positions, channels)`, with positions `(length,)` or `(height, width)`: an
            image's channels are no position. `connect` returns a list of symbolic tensors,
            `(batch, ..., channels)`, which are concatenated and projected to the output; for a dict
            of flows, it returns a dict of such lists, or of finished outputs. With
            `times="variables"`, the input `"t"` is the mean time, or a dict of each part's, and
            `"each_t"` is the time of each variable, which `join_to` concatenates, too. The output
            must depend on every condition.
        takes_mask: bool. Whether there is an input `"mask"`, bool, of the shape of the data.
        takes_causal: bool. Whether there is an input `"causal"`, bool, `(batch,)`, true for
            examples in which each position sees only those before it, not even itself.
        times: `"shared"` or `"variables"`, as in `keras_bfn.BayesianFlowNetwork`. With
            `"variables"`, the input `"t"` has the shape of the data, or is a dict of such tensors
            for the parts. Networks embed its mean, and also see the time of each variable if theta
            alone does not hold all that the evidence says.
        shortcut: bool. Whether each variable's own evidence is added to the output
            (`keras_bfn.layers.EvidenceShortcut`). The paper's networks do without.
        jumps: bool. Whether there is an input `"t_next"`, `(batch,)`, the time at which a jump
            arrives (`keras_bfn.distillation`). At first, the output does not depend on it.
        conditions: what the network also takes as `"condition"`, or None. An int K: classes in
            0..K, of shape `(batch,)`, where K is the network's `null_condition`, and means "none".
            A shape, such as `(32,)`: numbers, of shape `(batch, 32)`, without a value that means
            "none". The network sees conditions with a value for each position of a sequence or
            an image, `(length, channels)` or `(height, width, channels)`, at these positions. A
            dict of these, by name: `"condition"` is then a dict, too.
        dtype: the dtype policy; by default Keras's global one.
        name: string.
        **unknown: refused by a `TypeError` that names the arguments of the subclass.

    Raises:
        ValueError: if an argument is out of range.
        TypeError: if there is no such argument.
    """

    flow: Nest

    def __init__(
        self,
        flow: Parts[Flow],
        event_shape: Parts[Shape],
        connect: Callable[..., Any],
        takes_mask: bool = False,
        takes_causal: bool = False,
        /,
        *,
        times: Literal["shared", "variables"] = "shared",
        shortcut: bool = True,
        jumps: bool = False,
        conditions: Parts[int | Shape] | None = None,
        dtype: DType = None,
        name: str | None = None,
        **unknown: Any,
    ) -> None:
        if unknown:
            wrong = f"{type(self).__name__}: unexpected keyword argument {next(iter(unknown))!r}"
            raise TypeError(f"{wrong}. The arguments are {', '.join(argument_names(type(self)))}")
        policy = keras.config.dtype_policy() if dtype is None else check_policy(dtype)
        self.times = check_choice("times", times, TIMES)
        self.shortcut = check_bool("shortcut", shortcut)
        flags = check_bool("masked", takes_mask), check_bool("causal", takes_causal)
        self.jumps = check_bool("jumps", jumps)
        time_shape = event_shape if times == "variables" else None
        optional = zip(("mask", "causal", "t_next"), (*flags, jumps), strict=True)
        taken = [name for name, is_taken in optional if is_taken]
        inputs = make_symbolic_inputs(flow, event_shape, time_shape, taken)
        conditions = check_conditions(conditions)
        shape = None if isinstance(flow, dict) else event_shape
        joined = Conditions(conditions, shape, policy, inputs.get("t_next"))
        if conditions is not None:
            inputs["condition"] = joined.inputs

        seen = inputs
        if times == "variables":
            mean = map_parts(lambda t: mean_time(t, inputs.get("mask")), inputs["t"])
            seen = inputs | {"t": mean, "each_t": inputs["t"]}
            if shape is not None and not flow.theta_tells_all:  # type: ignore[union-attr]
                joined.beside.append((shape, scale_time(inputs["t"])))
        found = connect(seen, joined, policy)
        # The reader of the authors' checkpoints looks it up. With several parts, each has its own.
        layer_name = None if isinstance(flow, dict) else "output_projection"
        options = shortcut, layer_name, inputs.get("causal")
        outputs = map_parts(finish_output, flow, inputs["theta"], found, *options)
        for condition in keras.tree.flatten(inputs.get("condition", [])):
            if not depends_on(condition, inputs, outputs):
                expected = f"must return an output that depends on each of {conditions!r}"
                raise refusal("connect", expected, connect)
        super().__init__(inputs=inputs, outputs=outputs, name=name)
        self.flow = flow
        self.conditions = conditions
        self.policy = policy
        self.made_policies = layer_policies(self)

    @property
    def null_condition(self) -> int | dict[str, int] | None:
        """The condition that means "none", or a dict of those for the conditions that have one."""
        return null_conditions(self.conditions)

    def enable_lora(self, rank: int) -> None:
        """Freezes the kernels, and adds to each a product of two matrices of low rank (LoRA).

        Only these matrices and the biases of the same layers remain trainable. Compile the model
        afterwards. When the model is saved, the products are added to the kernels: a loaded model
        has the network's original size. To train everything again, set `layer.trainable = True` for
        each of `network.layers`.

        Args:
            rank: int, at least 1. An m by n kernel gets `(m + n) * rank` new weights.

        Raises:
            ValueError: if a layer has such matrices already, or `rank` is out of range.

        Example:

        >>> model = keras_bfn.BayesianFlowNetwork.from_preset("bfn_digits")
        >>> model.network.enable_lora(4)
        >>> model.compile("adamw")

        Reference: [Hu et al., 2021](https://arxiv.org/abs/2106.09685).
        """
        check_int("rank", rank, 1)
        for layer in self.layers:
            layer.trainable = False
        for layer in layers_with_kernels(self):
            layer.trainable = True
            layer.enable_lora(rank)

    def get_config(self) -> dict[str, Any]:
        # Keras's config of a functional model lists layers; ours holds the constructor's arguments.
        dtype = keras.saving.serialize_keras_object(self.policy)
        config = {**own_config(self, type(self)), "dtype": dtype}
        changes = changed_layers(self, self.made_policies)
        return {**config, "changed_layers": changes} if changes else config

    @classmethod
    def from_config(
        cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None
    ) -> Self:
        config = dict(config)
        changes = config.pop("changed_layers", {})
        config = keras.saving.deserialize_keras_object(config, custom_objects)
        network = cls(**config)  # type: ignore[call-arg]
        change_layers(network, changes)
        return network


def make_symbolic_inputs(flow, event_shape, time_shape, optional=()):
    """Returns the symbolic inputs of a network, but for its condition.

    Args:
        flow, event_shape: the flow and the shape of an example, or dicts of the parts'.
        time_shape: the shape of an example's times, or a dict of the parts'; None for one time.
        optional: names of further inputs: `"mask"`, `"causal"`, `"t_next"`.
    """
    theta_shape = map_parts(lambda flow, shape: (*shape, flow.theta_size), flow, event_shape)
    inputs = {"theta": symbolic("theta", theta_shape), "t": symbolic("t", time_shape or ())}
    others = {"mask": (event_shape, "bool"), "causal": ((), "bool"), "t_next": ((), "float32")}
    return inputs | {name: symbolic(name, *others[name]) for name in others if name in optional}


def depends_on(x, inputs, outputs):
    """Whether symbolic outputs depend on the input `x`."""
    try:
        keras.Function([other for other in keras.tree.flatten(inputs) if other is not x], outputs)
    except ValueError:  # they cannot be computed from the others
        return True
    return False


def check_same_flow(name, network, flow):
    """Raises a `ValueError` if a network of this package was made for another flow."""
    # Compares configs: in a model that was saved and loaded, both flows are new, and so are their
    # functions and layers.
    if isinstance(network, Network) and _config_of(network.flow) != _config_of(flow):
        came = f"a `{type(network).__name__}` for {network.flow!r}"
        raise mismatch(name, f"must be made for the flow {flow!r}", came)


def _config_of(flow):
    return map_parts(lambda part: (type(part), part.get_config()), flow)


def check_one_kind(flow):
    """Raises a `ValueError` unless `flow` is a `Flow`."""
    if not isinstance(flow, Flow):
        hint = "for a dict of flows, use `keras_bfn.networks.MultiPart`"
        raise refusal("flow", f"must be a `keras_bfn.flows.Flow` ({hint})", flow)


def check_policy(dtype):
    """Returns the dtype policy; raises a `ValueError` if Keras does not know it."""
    try:
        return keras.dtype_policies.get(dtype)
    except (TypeError, ValueError) as error:
        expected = "must be a Keras dtype policy, such as 'float32' or 'mixed_bfloat16'"
        raise refusal("dtype", expected, dtype) from error


def scale_theta(flow, theta):
    """Maps theta to [-1, 1], where means already are."""
    low, high = flow.theta_range
    if (low, high) == (-1, 1):
        return theta
    scale = 2.0 / (high - low)
    return layers.Rescaling(scale, -1.0 - scale * low, dtype="float32")(theta)


def scale_features(flow, theta, features):
    """Returns what a network sees of theta: "scaled" evidence, or "plain" theta in [-1, 1]."""
    return EvidenceFeatures(flow)(theta) if features == "scaled" else scale_theta(flow, theta)


def mean_time(t, mask=None):
    """Returns the mean time of each example's observed variables, `(batch,)`."""
    axes = tuple(range(1, len(t.shape)))
    observed = ops.ones_like(t) if mask is None else ops.cast(mask, "float32")
    return ops.sum(t, axis=axes) / ops.maximum(ops.sum(observed, axis=axes), 1.0)


def scale_time(t):
    """Scales times of variables to [-1, 1], and adds an axis of one channel."""
    return layers.Reshape((*t.shape[1:], 1), dtype="float32")(2.0 * t - 1.0)


def embed_time(t, embedding, size, dtype):
    """Applies two dense layers of width `size` to the embedded time, or to each of a dict."""
    first = layers.Dense(size, activation="silu", dtype=dtype, name="time_dense_0")
    second = layers.Dense(size, dtype=dtype, name="time_dense_1")
    return keras.tree.map_structure(lambda t: second(first(embedding(t))), t)


def finish_output(flow, theta, parts, shortcut, name, causal):
    """Returns the output: the parts, concatenated and projected in float32, from zero weights.

    With `shortcut`, each variable's own evidence is added, if it may be seen. What is no list is
    the output of a part's own network, and finished.
    """
    if not isinstance(parts, list):
        return parts
    event_shape = theta.shape[1:-1]
    positions = math.prod(parts[0].shape[1:-1])
    units = math.prod(event_shape) // positions * flow.output_size
    x = layers.Concatenate(dtype="float32")(parts) if len(parts) > 1 else parts[0]
    readout = layers.Dense(units, kernel_initializer="zeros", dtype="float32", name=name)
    x = positionwise(readout, x)
    x = layers.Reshape((*event_shape, flow.output_size), dtype="float32")(x)
    if not shortcut:
        return x
    return EvidenceShortcut(flow)(x, theta, causal)
