"""What all networks share: their inputs, their configs, their first and their last layers."""

import math

import keras
from keras import layers

from keras_bfn._config import own_config
from keras_bfn._keras import change_layers, changed_layers
from keras_bfn._parts import map_parts
from keras_bfn._validation import check_int, check_rate, refusal
from keras_bfn.flows import Flow
from keras_bfn.layers import EvidenceShortcut


class Network(keras.Model):
    """Base class of functional networks: each is built by its constructor for one flow and shape.

    A subclass hands its options on, keeps its own arguments under their names, and says how the
    symbolic inputs become the output:

    ```python
    class Small(keras_bfn.networks.Network):
        def __init__(self, flow, event_shape, width=32, **kwargs):
            def connect(inputs, add_condition, policy):
                x = keras.layers.Dense(width, "relu", dtype=policy)(inputs["theta"])
                return [inputs["theta"], x]  # joined and projected to the output

            super().__init__(flow, event_shape, connect, **kwargs)
            self.event_shape, self.width = tuple(event_shape), width

    network = Small(keras_bfn.flows.DiscreteFlow(3, beta_1=1.0), (8,), num_conditions=10)
    ```

    Args:
        flow: the data type, a `keras_bfn.flows.Flow`.
        event_shape: the shape of one example.
        connect: function of three arguments: the dict of symbolic inputs; a function that adds an
            embedding of the condition, if there is one, to a symbolic tensor `(batch, size)`, or to
            those of a dict; and the dtype policy. It returns a list of symbolic tensors,
            `(batch, ..., channels)`, which are joined and projected; for a dict of flows a dict of
            such lists, or of outputs as they are.
        times: `"shared"`, or, for a dict of flows, `"parts"`: `"t"` then is a dict.
        shortcut: bool. Whether each variable's own evidence is added to the output
            (`keras_bfn.layers.EvidenceShortcut`). The paper's networks do without.
        num_conditions: int or None. With conditions, the network also takes `"condition"`, integers
            of shape `(batch,)` in 0..num_conditions; the last, `null_condition`, means "none".
        condition_size: int or None. In the place of `num_conditions`: the condition is a vector of
            so many numbers, `(batch, condition_size)`, and there is no null condition.
        dtype: the dtype policy; by default Keras's global one.
        name: string.

    Raises:
        ValueError: if an argument is out of its range.
    """

    def __init__(
        self,
        flow,
        event_shape,
        connect,
        times="shared",
        /,
        *,
        shortcut=True,
        num_conditions=None,
        condition_size=None,
        dtype=None,
        name=None,
    ):
        policy = keras.config.dtype_policy() if dtype is None else keras.dtype_policies.get(dtype)
        # In a flat dict of inputs, Keras 3.15 wants to find the names of the tensors.
        names = {} if isinstance(flow, dict) else {"name": "theta"}

        def make_theta(flow, shape):
            return keras.Input((*shape, flow.theta_size), dtype="float32", **names)

        inputs = {
            "theta": map_parts(make_theta, flow, event_shape),
            "t": keras.Input((), dtype="float32", name="t"),
        }
        if times == "parts":
            inputs["t"] = {name: keras.Input((), dtype="float32") for name in flow}
        if num_conditions is not None and condition_size is not None:
            raise ValueError(
                "Only one of the arguments `num_conditions` and `condition_size` can be given. "
                f"Received: num_conditions={num_conditions}, condition_size={condition_size}"
            )
        if num_conditions is not None:
            check_int("num_conditions", num_conditions, 1)
            inputs["condition"] = keras.Input((), dtype="int32", name="condition")
        if condition_size is not None:
            check_int("condition_size", condition_size, 1)
            inputs["condition"] = keras.Input((condition_size,), dtype="float32", name="condition")

        def add_condition(embeddings, dtype=policy):
            if "condition" not in inputs:
                return embeddings
            size = keras.tree.flatten(embeddings)[0].shape[-1]
            options = {"dtype": dtype, "name": "condition_embedding"}
            if num_conditions is None:
                embed = layers.Dense(size, **options)
            else:  # one more, which stands for "none"
                embed = layers.Embedding(num_conditions + 1, size, **options)
            embedded, add = embed(inputs["condition"]), layers.Add(dtype=dtype)
            return keras.tree.map_structure(lambda x: add([x, embedded]), embeddings)

        # The reader of the authors' checkpoints asks for it; of several parts, each has its own.
        layer_name = None if isinstance(flow, dict) else "output_projection"

        def finish(flow, theta, found):
            if isinstance(found, list):
                return project_output(flow, theta, found, shortcut, layer_name)
            return found

        found = connect(inputs, add_condition, policy)
        outputs = map_parts(finish, flow, inputs["theta"], found)
        super().__init__(inputs=inputs, outputs=outputs, name=name)
        self.flow = flow
        self.shortcut = shortcut
        self.num_conditions = num_conditions
        self.condition_size = condition_size
        self.policy = policy

    @property
    def null_condition(self):
        """The condition that stands for "none"; None for a network without conditions."""
        return self.num_conditions

    def get_config(self):
        # A functional model's own config lists layers; ours is the constructor's arguments.
        dtype = keras.saving.serialize_keras_object(self.policy)
        config = {**own_config(self, type(self)), "dtype": dtype}
        changes = changed_layers(self)
        return {**config, "changed_layers": changes} if changes else config

    @classmethod
    def from_config(cls, config, custom_objects=None):
        config = dict(config)
        changes = config.pop("changed_layers", {})
        network = cls(**keras.saving.deserialize_keras_object(config, custom_objects))
        change_layers(network, changes)
        return network


def check_one_kind(flow):
    """Raises a `ValueError` unless `flow` is a `Flow`."""
    if not isinstance(flow, Flow):
        hint = "; for a dict of flows there is `keras_bfn.networks.MultiPart`"
        hint = hint if isinstance(flow, dict) else ""
        raise refusal("flow", f"must be a `keras_bfn.flows.Flow`{hint}", flow)


def check_sizes(width, dropout, **counts):
    """Raises a `ValueError` unless these arguments of a network are in their ranges."""
    if check_int("width", width, 2) % 2:
        raise refusal("width", "must be even", width)
    check_rate("dropout", dropout)
    for name, value in counts.items():
        check_int(name, value, 1)


def scale_theta(flow, theta):
    """Maps theta to [-1, 1], where means already are."""
    low, high = flow.theta_range
    if (low, high) == (-1, 1):
        return theta
    scale = 2.0 / (high - low)
    return layers.Rescaling(scale, -1.0 - scale * low, dtype="float32")(theta)


def embed_time(t, embedding, size, dtype):
    """Two dense layers of width `size` over an embedding of the time, or of a dict of times."""
    first = layers.Dense(size, activation="silu", dtype=dtype, name="time_dense_0")
    second = layers.Dense(size, dtype=dtype, name="time_dense_1")
    return keras.tree.map_structure(lambda t: second(first(embedding(t))), t)


def project_output(flow, theta, parts, shortcut, name):
    """The output: the parts joined and projected, in float32 and from zero.

    With `shortcut`, each variable's own evidence is added.
    """
    event_shape = theta.shape[1:-1]
    positions = math.prod(parts[0].shape[1:-1])
    units = math.prod(event_shape) // positions * flow.output_size
    x = layers.Concatenate(dtype="float32")(parts) if len(parts) > 1 else parts[0]
    x = layers.Dense(units, kernel_initializer="zeros", dtype="float32", name=name)(x)
    x = layers.Reshape((*event_shape, flow.output_size), dtype="float32")(x)
    return EvidenceShortcut(flow)(x, theta) if shortcut else x
