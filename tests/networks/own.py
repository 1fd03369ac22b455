"""Networks that this package did not make, of every kind that Keras has."""

import keras
from keras import layers, ops

SHAPE, NUM_CONDITIONS = (4,), 3


def make_inputs(flow, conditional):
    inputs = {
        "theta": keras.Input((*SHAPE, flow.theta_size), name="theta"),
        "t": keras.Input((), name="t"),
    }
    if conditional:
        inputs["condition"] = keras.Input((), dtype="int32", name="condition")
    return inputs


def functional(flow, conditional):
    """A functional model; it is built by its constructor."""
    inputs = make_inputs(flow, conditional)
    x = layers.Dense(8, "relu")(layers.Flatten()(inputs["theta"]))
    time = layers.Dense(8)(layers.Reshape((1,))(inputs["t"]))
    x = layers.Add()([x, time])
    if conditional:
        x = layers.Add()([x, layers.Embedding(NUM_CONDITIONS, 8)(inputs["condition"])])
    x = layers.Dense(SHAPE[0] * flow.output_size)(x)
    return keras.Model(inputs, layers.Reshape((*SHAPE, flow.output_size))(x))


@keras.saving.register_keras_serializable("keras_bfn_tests")
class Join(layers.Layer):
    """The inputs of a network as one tensor, `(batch, 4, channels)`."""

    def call(self, inputs):
        theta = inputs["theta"]
        t = ops.broadcast_to(inputs["t"][:, None, None], (*ops.shape(theta)[:2], 1))
        if "condition" in inputs:
            condition = ops.one_hot(ops.cast(inputs["condition"], "int32"), NUM_CONDITIONS)
            condition = ops.broadcast_to(
                condition[:, None], (*ops.shape(theta)[:2], NUM_CONDITIONS)
            )
            return ops.concatenate([theta, t, condition], axis=-1)
        return ops.concatenate([theta, t], axis=-1)


def sequential(flow, conditional):
    """A Sequential model, whose first layer takes the dict."""
    return keras.Sequential([Join(), layers.Dense(8, "relu"), layers.Dense(flow.output_size)])


@keras.saving.register_keras_serializable("keras_bfn_tests")
class Subclassed(keras.Model):
    """A subclassed model, whose layers Keras builds when they are first called."""

    def __init__(self, units):
        super().__init__()
        self.units = units
        self.join = Join()
        self.hidden = layers.Dense(8, "relu")
        self.dropout = layers.Dropout(0.1)
        self.outputs_layer = layers.Dense(units)

    def call(self, inputs, training=False):
        x = self.dropout(self.hidden(self.join(inputs)), training=training)
        return self.outputs_layer(x)

    def get_config(self):
        return {"units": self.units}


def subclassed(flow, conditional):
    return Subclassed(flow.output_size)


@keras.saving.register_keras_serializable("keras_bfn_tests")
class PlainLayer(layers.Layer):
    """A layer with a `build` of its own."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.join = Join()
        self.dense = layers.Dense(units)

    def build(self, input_shape):
        channels = input_shape["theta"][-1] + 1
        channels += NUM_CONDITIONS if "condition" in input_shape else 0
        self.dense.build((None, *SHAPE, channels))

    def call(self, inputs):
        return self.dense(self.join(inputs))

    def get_config(self):
        return {**super().get_config(), "units": self.units}


def plain_layer(flow, conditional):
    return PlainLayer(flow.output_size)


def built(make, make_zeros):
    """The same network, called before the model is made, on what another function makes."""

    def make_built(*args, **kwargs):
        network = make(*args, **kwargs)
        network(make_zeros(*args, **kwargs))
        return network

    return make_built


def zeros(flow, conditional):
    condition = {"condition": ops.zeros((2,), dtype="int32")} if conditional else {}
    return {"theta": ops.zeros((2, *SHAPE, flow.theta_size)), "t": ops.zeros((2,)), **condition}


NETWORKS = {
    "functional": functional,
    "sequential": sequential,
    "sequential-built": built(sequential, zeros),
    "subclassed": subclassed,
    "subclassed-built": built(subclassed, zeros),
    "plain_layer": plain_layer,
    "plain_layer-built": built(plain_layer, zeros),
}
