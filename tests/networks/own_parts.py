"""Networks for a dict of flows that this package did not make, of every kind that Keras has."""

import math

import keras
from keras import layers, ops

from tests.models.parts import EVENT_SHAPES, FLOWS, NUM_CLASSES, PartsLayer
from tests.networks.own import built

# Not the order of `FLOWS`, nor that of the alphabet.
ORDER = ("label", "size", "image")


def functional(times="shared", conditional=False, order=ORDER):
    """A functional model, whose dicts have an order of their own."""
    inputs = {"t": keras.Input((), name="t"), "theta": {}}
    if times == "variables":
        inputs["t"] = {name: keras.Input(EVENT_SHAPES[name]) for name in order}
    flat = [layers.Reshape((math.prod(t.shape[1:]),))(t) for t in keras.tree.flatten(inputs["t"])]
    for name in order:
        theta = keras.Input((*EVENT_SHAPES[name], FLOWS[name].theta_size))
        inputs["theta"][name] = theta
        flat.append(layers.Flatten()(theta))
    x = layers.Dense(8, "tanh")(layers.Concatenate()(flat))
    if conditional:
        inputs["condition"] = keras.Input((), dtype="int32", name="condition")
        x = layers.Add()([x, layers.Embedding(NUM_CLASSES, 8)(inputs["condition"])])
    outputs = {}
    for name in reversed(order):
        shape = (*EVENT_SHAPES[name], FLOWS[name].output_size)
        outputs[name] = layers.Reshape(shape)(layers.Dense(math.prod(shape))(x))
    return keras.Model(inputs, outputs)


@keras.saving.register_keras_serializable("keras_bfn_tests")
class SubclassedParts(keras.Model):
    """A subclassed model, whose layers Keras builds when they are first called."""

    def __init__(self, conditional=False, **kwargs):
        super().__init__(**kwargs)
        self.conditional = conditional
        self.hidden = layers.Dense(8, "tanh")
        self.dropout = layers.Dropout(0.1)
        self.heads = {
            name: layers.Dense(math.prod(EVENT_SHAPES[name]) * flow.output_size)
            for name, flow in FLOWS.items()
        }
        if conditional:
            self.embedding = layers.Embedding(NUM_CLASSES, 8)

    def call(self, inputs, training=False):
        t = inputs["t"]
        sizes = {name: math.prod(shape) for name, shape in EVENT_SHAPES.items()}
        flat = [
            ops.reshape(inputs["theta"][name], (-1, sizes[name] * flow.theta_size))
            for name, flow in FLOWS.items()
        ]
        if isinstance(t, dict):  # one for each variable
            flat += [ops.reshape(t[name], (-1, sizes[name])) for name in FLOWS]
        else:
            flat.append(t[:, None])
        x = self.hidden(ops.concatenate(flat, axis=-1))
        if self.conditional:
            x = x + self.embedding(ops.cast(inputs["condition"], "int32"))
        x = self.dropout(x, training=training)
        return {
            name: ops.reshape(head(x), (-1, *EVENT_SHAPES[name], FLOWS[name].output_size))
            for name, head in self.heads.items()
        }

    def get_config(self):
        return {"conditional": self.conditional}


def subclassed(times="shared", conditional=False):
    return SubclassedParts(conditional)


def plain_layer(times="shared", conditional=False):
    return PartsLayer(conditions=NUM_CLASSES if conditional else None)


def zeros(times="shared", conditional=False):
    t = {name: ops.zeros((2, *shape)) for name, shape in EVENT_SHAPES.items()}
    condition = {"condition": ops.zeros((2,), dtype="int32")} if conditional else {}
    return {
        "theta": {
            name: ops.zeros((2, *EVENT_SHAPES[name], flow.theta_size))
            for name, flow in FLOWS.items()
        },
        "t": t if times == "variables" else ops.zeros((2,)),
        **condition,
    }


NETWORKS = {
    "functional": functional,
    "subclassed": subclassed,
    "subclassed-built": built(subclassed, zeros),
    "plain_layer": plain_layer,
    "plain_layer-built": built(plain_layer, zeros),
}
