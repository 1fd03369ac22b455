"""What all networks share: their inputs, their configs, their first and their last layers."""

import math

import keras
from keras import layers

from keras_bfn._validation import check_int, check_rate
from keras_bfn.flows import Flow
from keras_bfn.layers import EvidenceShortcut


class Network(keras.Model):
    """Base class of functional networks: each is built by its constructor for one flow and shape.

    A subclass builds its graph, calls `super().__init__`, sets its own arguments as attributes, and
    adds them to `get_config`.

    Args:
        inputs, outputs: symbolic, as of a functional model.
        flow: the data type that the network was built for.
        num_classes: int or None. The number of classes of its condition.
        policy: the dtype policy of its layers.
        name: string.
    """

    def __init__(self, inputs, outputs, flow, num_classes, policy, name=None):
        super().__init__(inputs=inputs, outputs=outputs, name=name)
        self.flow = flow
        self.num_classes = num_classes
        self.policy = policy

    @property
    def null_class(self):
        """The condition that stands for "no class"; None for a network without classes."""
        return self.num_classes

    def get_config(self):
        # A functional model's own config lists layers; ours is the constructor's arguments.
        return {
            "flow": keras.saving.serialize_keras_object(self.flow),
            "num_classes": self.num_classes,
            "name": self.name,
            "dtype": keras.saving.serialize_keras_object(self.policy),
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        config = dict(config)
        for name in ("flow", "dtype"):
            if isinstance(config.get(name), dict):
                config[name] = keras.saving.deserialize_keras_object(config[name], custom_objects)
        return cls(**config)


def network_inputs(flow, event_shape, num_classes=None):
    """The symbolic inputs `{"theta", "t"}`, and `"condition"` where there are classes."""
    if not isinstance(flow, Flow):
        raise ValueError(
            f"Argument `flow` must be a `keras_bfn.flows.Flow`. Received: flow={flow!r}"
        )
    inputs = {
        "theta": keras.Input((*event_shape, flow.theta_size), dtype="float32", name="theta"),
        "t": keras.Input((), dtype="float32", name="t"),
    }
    if num_classes is not None:
        inputs["condition"] = keras.Input((), dtype="int32", name="condition")
    return inputs


def check_sizes(width, dropout, num_classes, **counts):
    """Raises a `ValueError` unless these arguments of a network are in their ranges."""
    if check_int("width", width, 2) % 2:
        raise ValueError(f"Argument `width` must be even. Received: width={width}")
    check_rate("dropout", dropout)
    if num_classes is not None:
        check_int("num_classes", num_classes, 1)
    for name, value in counts.items():
        check_int(name, value, 1)


def scale_theta(flow, theta):
    """Maps theta to [-1, 1], where means already are."""
    low, high = flow.theta_range
    if (low, high) == (-1, 1):
        return theta
    scale = 2.0 / (high - low)
    return layers.Rescaling(scale, -1.0 - scale * low, dtype="float32")(theta)


def embed_time(inputs, embedding, size, num_classes, dtype):
    """Two dense layers of width `size` over an embedding of the time, and the class added."""
    hidden = embedding(inputs["t"])
    hidden = layers.Dense(size, activation="silu", dtype=dtype, name="time_dense_0")(hidden)
    hidden = layers.Dense(size, dtype=dtype, name="time_dense_1")(hidden)
    return add_class(inputs, hidden, num_classes, dtype)


def add_class(inputs, embedding, num_classes, dtype):
    """Adds an embedding of the condition, if there is one, to one of the time.

    There is one class more, `num_classes`, which stands for "no class".
    """
    if num_classes is None:
        return embedding
    embed = layers.Embedding(
        num_classes + 1, embedding.shape[-1], dtype=dtype, name="class_embedding"
    )
    return layers.Add(dtype=dtype)([embedding, embed(inputs["condition"])])


def project_output(flow, theta, parts, shortcut):
    """The answer: the parts joined and projected, in float32 and from zero.

    With `shortcut`, each variable's own evidence is added.
    """
    event_shape = theta.shape[1:-1]
    positions = math.prod(parts[0].shape[1:-1])
    units = math.prod(event_shape) // positions * flow.output_size
    x = layers.Concatenate(dtype="float32")(parts)
    x = layers.Dense(units, kernel_initializer="zeros", dtype="float32", name="output_projection")(
        x
    )
    x = layers.Reshape((*event_shape, flow.output_size), dtype="float32")(x)
    return EvidenceShortcut(flow)(x, theta) if shortcut else x


def resolve_policy(dtype):
    """The dtype policy of a network's layers: `dtype`, or Keras's global policy."""
    return keras.config.dtype_policy() if dtype is None else keras.dtype_policies.get(dtype)
