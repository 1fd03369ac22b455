"""What all networks share: their inputs, their configs, and how they scale theta."""

import keras

from keras_bfn.layers import TimeEmbedding


class Network(keras.Model):
    """Base class of functional networks: each is built by its constructor for one flow and shape.

    A subclass builds its graph, calls `super().__init__`, sets its own arguments as attributes, and
    adds them to `get_config`.

    Args:
        inputs, outputs: symbolic, as of a functional model.
        flow: the data type that the network was built for.
        policy: the dtype policy of its layers.
        name: string.
    """

    def __init__(self, inputs, outputs, flow, policy, name=None):
        super().__init__(inputs=inputs, outputs=outputs, name=name)
        self.flow = flow
        self.policy = policy

    def get_config(self):
        # A functional model's own config lists layers; ours is the constructor's arguments.
        return {
            "flow": keras.saving.serialize_keras_object(self.flow),
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


def network_inputs(flow, event_shape):
    """The symbolic inputs `{"theta", "t"}` of a functional network."""
    return {
        "theta": keras.Input((*event_shape, flow.theta_size), dtype="float32", name="theta"),
        "t": keras.Input((), dtype="float32", name="t"),
    }


def scale_theta(flow, theta):
    """Maps theta to [-1, 1], where means already are."""
    low, high = flow.theta_range
    scale = 2.0 / (high - low)
    return keras.layers.Rescaling(scale, -1.0 - scale * low, dtype="float32")(theta)


def embed_time(t, size, dtype):
    """Sinusoids of the time, then two dense layers of width `size`."""
    hidden = TimeEmbedding(size)(t)
    hidden = keras.layers.Dense(size, activation="silu", dtype=dtype)(hidden)
    return keras.layers.Dense(size, dtype=dtype)(hidden)


def resolve_policy(dtype):
    """The dtype policy of a network's layers: `dtype`, or Keras's global policy."""
    return keras.config.dtype_policy() if dtype is None else keras.dtype_policies.get(dtype)
