"""
Title: A network of your own
Author: The keras_bfn authors
Date created: 2026/11/27
Last modified: 2026/11/27
Description: Functional, subclassed, or on a backbone: what is asked of a network, and mistakes.
Accelerator: None
"""

"""
## Introduction

A Bayesian Flow Network asks its network one thing: given what is known of each variable by itself,
what are the variables like, given all of it? Any Keras model or layer may say so. This guide makes
three of one task, a functional model, a subclassed one, and one on top of a backbone that was made
for something else, then gives one conditions, and another data of two kinds. In the end it makes
mistakes, to see what tells of them.

It needs `matplotlib`, and takes two minutes on a processor.

## Setup
"""

import math
import os

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
import numpy as np
from keras import layers, ops
from matplotlib.figure import Figure

import keras_bfn
from keras_bfn import flows
from keras_bfn.layers import EvidenceShortcut, TimeEmbedding

"""
## The task

Words of six letters from a to d in which each letter comes twice in a row, such as `ccaabb`. There
are 64, all equally likely, so that the entropy is the logarithm of 64, 4.16 nats: no network sends
a word in less. Letter by letter, words would cost twice as much. The letters are classes, 0 to 3,
and the event shape, that of one example, is `(6,)`. The *flow* says how they are sent, as noisy
messages.
"""

LETTERS, LENGTH = "abcd", 6
data = np.indices((4, 4, 4)).reshape(3, -1).T.repeat(2, axis=1).astype("int32")
train = np.tile(data, (40, 1))
flow = flows.DiscreteFlow(num_classes=len(LETTERS), beta_1=3.0)


def to_texts(rows):
    return ["".join(LETTERS[k] for k in row) for row in rows]


"""
## The contract

A network is called with a dict, and returns a tensor:

| | shape | what it is |
|---|---|---|
| `"theta"` | `(batch, *event_shape, flow.theta_size)` | what is known of each variable by itself |
| `"t"` | `(batch,)` | the time, from 0, nothing is known, to 1 |
| `"condition"` | `(batch, ...)` | what the example is conditioned on, if anything |
| `"mask"` | `(batch, *event_shape)`, bool | which variables there are, if some may be missing |
| returned | `(batch, *event_shape, flow.output_size)` | parameters of the output distribution |

The last two inputs are there only where the model has such data. Here theta are the probabilities
of 4 classes for each of 6 letters, and what is returned are 4 logits for each. What the numbers
mean for other types of data is said by the flow: `keras_bfn.flows.DiscretizedFlow`, for example,
takes a mean and the logarithm of a standard deviation.

`training=True` is passed to networks whose `call` takes it. How inputs are scaled and put to use is
the network's own affair.
"""

print("theta_size", flow.theta_size, "output_size", flow.output_size)

"""
## A functional model

The names of the inputs are those of the contract; the model reads the event shape off them. Two
layers of the package are of help, and none is needed. `TimeEmbedding` makes a vector of the time.
`EvidenceShortcut` adds what a variable's own messages tell of it to the output, so that the network
has to learn only what the others tell; it starts from zero then, and is no worse than no network.
"""


def make_functional():
    theta = keras.Input((LENGTH, flow.theta_size), name="theta")
    t = keras.Input((), name="t")
    time = layers.Dense(128)(TimeEmbedding(32)(t))
    x = layers.Dense(128)(layers.Flatten()(theta))
    for _ in range(2):
        x = layers.Activation("silu")(layers.Add()([x, time]))
        x = layers.Dense(128)(x)
    x = layers.Dense(LENGTH * flow.output_size, kernel_initializer="zeros")(layers.ReLU()(x))
    x = layers.Reshape((LENGTH, flow.output_size))(x)
    return keras.Model({"theta": theta, "t": t}, EvidenceShortcut(flow)(x, theta))


"""
## A subclassed model

Here each letter is a vector, and two kinds of layers take turns: one mixes the numbers of a vector,
the other each number over the six letters. Layers are made in the constructor, and Keras builds
them when they are first called. To be saved, the class is registered, and `get_config` returns what
the constructor takes.
"""


@keras.saving.register_keras_serializable("my_package")
class Mixer(keras.Model):
    def __init__(self, units, width=48, num_blocks=2):
        super().__init__()
        self.units, self.width, self.num_blocks = units, width, num_blocks
        self.letters = layers.Dense(width)
        self.time = keras.Sequential([TimeEmbedding(32), layers.Dense(width)])
        self.mixers = [
            keras.Sequential(
                [layers.LayerNormalization(), layers.Dense(64, "silu"), layers.Dense(n)]
            )
            for n in (width, LENGTH) * num_blocks
        ]
        self.head = layers.Dense(units)

    def embed(self, inputs):
        return self.letters(inputs["theta"]) + self.time(inputs["t"])[:, None]

    def call(self, inputs):
        x = self.embed(inputs)
        for mixer in self.mixers:
            x = ops.transpose(x + mixer(x), (0, 2, 1))
        return self.head(x)

    def get_config(self):
        return {"units": self.units, "width": self.width, "num_blocks": self.num_blocks}


"""
## On a backbone

A backbone of texts, such as those of KerasHub, takes token ids, looks up a vector for each, and
makes features of them. Bob has no tokens yet, only probabilities. The vector to expect is the mean
of all tokens' vectors by these probabilities: a product of theta and the table. So the backbone is
entered behind its lookup. This one is small, and untrained; of one that is trained, freezing it
keeps what it knows (`trainable`), and a small learning rate most of it.
"""


def make_backbone():
    token_ids = keras.Input((LENGTH,), dtype="int32", name="token_ids")
    x = layers.Embedding(len(LETTERS), 48, name="token_embedding")(token_ids)
    for _ in range(2):
        x = layers.Conv1D(64, 3, padding="same", activation="gelu")(x)
    return keras.Model({"token_ids": token_ids}, x)


@keras.saving.register_keras_serializable("my_package")
class OnBackbone(keras.Model):
    def __init__(self, backbone, units):
        super().__init__()
        self.backbone, self.units = backbone, units
        self.table = backbone.get_layer("token_embedding")
        self.encoder = keras.Model(self.table.output, backbone.output)
        self.time = keras.Sequential([TimeEmbedding(32), layers.Dense(self.table.output_dim)])
        self.head = layers.Dense(units)

    def call(self, inputs):
        x = ops.matmul(inputs["theta"], self.table.embeddings)
        return self.head(self.encoder(x + self.time(inputs["t"])[:, None]))

    def get_config(self):
        return {"backbone": keras.saving.serialize_keras_object(self.backbone), "units": self.units}

    @classmethod
    def from_config(cls, config):
        return cls(keras.saving.deserialize_keras_object(config["backbone"]), config["units"])


"""
## The proof, and the training

`check_network` calls a network as the model will: at all times, eagerly and in a training step. It
finds out whether it returns the right numbers, whether they are finite, whether what it says of one
example hangs on others of the batch, and whether it comes back from a file as it was. It makes a
step of training on data of its own, so that it is best called on a network made for that.
"""

NETWORKS = {
    "functional": make_functional,
    "subclassed": lambda: Mixer(flow.output_size),
    "on a backbone": lambda: OnBackbone(make_backbone(), flow.output_size),
}
for make in NETWORKS.values():
    keras_bfn.testing.check_network(make(), flow, event_shape=(LENGTH,))


def train_model(network, x=train, **kwargs):
    model = keras_bfn.BayesianFlowNetwork(flow, network, event_shape=(LENGTH,), seed=0, **kwargs)
    model.compile(keras.optimizers.AdamW(4e-3, use_ema=True, ema_momentum=0.95))
    history = model.fit(x, epochs=10, batch_size=64, verbose=0)
    return model, LENGTH * np.array(history.history["loss"])


def cost(model):
    nats = model.code_length(data, num_repeats=10, batch_size=64, seed=0, verbose=0)
    return (nats["transmission"] + nats["reconstruction"]).mean()


figure = Figure((6, 4), dpi=100, layout="constrained")
axes = figure.subplots()
for name, make in NETWORKS.items():
    keras.utils.set_random_seed(0)
    model, losses = train_model(make())
    texts = to_texts(model.generate(100, num_steps=30, batch_size=100, seed=0, verbose=0))
    right = np.mean([text[::2] == text[1::2] for text in texts])
    print(f"{name}: {cost(model):.2f} nats; {right:.0%} of samples right:", *texts[:5])
    axes.plot(np.arange(len(losses)) + 1, losses, label=name)
axes.axhline(math.log(len(data)), color="grey", linestyle="--", label="entropy")
axes.set(xlabel="epoch", ylabel="nats of a word's messages")
axes.legend()
figure.savefig("learning.png")

"""
The functional model starts where the letters' own messages lead it, by the shortcut. The others
have to learn that first.

## Conditions

What an example is conditioned on is given to `fit` beside the data, and to the network as
`"condition"`: an array, or a dict of them. This network is told the first letter and the one in the
middle.

The model cannot know which condition would mean "none" to a network that is not of this package.
Told one for each by `null_condition`, here a class more than there are, it puts these in the place
of the conditions now and then (`condition_dropout`, here each by itself), so that the network
learns to do without; `generate` without a condition takes them, too.
"""


@keras.saving.register_keras_serializable("my_package")
class ConditionalMixer(Mixer):
    def __init__(self, units, width=48, num_blocks=2):
        super().__init__(units, width, num_blocks)
        self.firsts = layers.Embedding(len(LETTERS) + 1, width)
        self.middles = layers.Embedding(len(LETTERS) + 1, width)

    def embed(self, inputs):
        condition = inputs["condition"]
        told = self.firsts(condition["first"]) + self.middles(condition["middle"])
        return super().embed(inputs) + told[:, None]


conditional, _ = train_model(
    ConditionalMixer(flow.output_size),
    (train, {"first": train[:, 0], "middle": train[:, 2]}),
    null_condition={"first": 4, "middle": 4},
    condition_dropout={"first": 0.2, "middle": 0.2},
)
for name, told in (
    ("first d, middle a:", {"first": [3] * 6, "middle": [0] * 6}),
    ("middle a, any first:", {"first": [4] * 6, "middle": [0] * 6}),
    ("any:", None),
):
    words = conditional.generate(6, 30, condition=told, seed=0, verbose=0)
    print(name, *to_texts(words))

"""
Most words are what was asked for; the network has learnt for seconds.

## Data of two kinds

Where the flow is a dict, `"theta"` and what is returned are dicts of the same names. Here a label
says whether a word is right. It is a single variable, of event shape `()`, and of two classes, of
which one number says all. [Several kinds of data](several_kinds.py) has a network for dicts that
need not be written.
"""

parts = {"word": flow, "label": flows.DiscreteFlow(num_classes=2, beta_1=4.0)}
shapes = {"word": (LENGTH,), "label": ()}


@keras.saving.register_keras_serializable("my_package")
class TwoKinds(keras.Model):
    def __init__(self):
        super().__init__()
        self.hidden = layers.Dense(128, "silu")
        self.word = keras.Sequential(
            [layers.Dense(LENGTH * flow.output_size), layers.Reshape((LENGTH, flow.output_size))]
        )
        self.label = layers.Dense(1)

    def call(self, inputs):
        theta, t = inputs["theta"], inputs["t"]
        word = ops.reshape(theta["word"], (-1, LENGTH * flow.theta_size))
        x = self.hidden(ops.concatenate([word, theta["label"], t[:, None]], axis=-1))
        return {"word": self.word(x), "label": self.label(x)}

    def get_config(self):
        return {}


keras_bfn.testing.check_network(TwoKinds(), parts, shapes)

"""
## Mistakes

What a functional model takes and returns is seen when the model is made, before any data come:
"""

theta, t = keras.Input((LENGTH, 4), name="theta"), keras.Input((), name="t")
time = keras.Input((), name="time")
for network in (
    keras.Model([theta, t], theta),
    keras.Model({"theta": theta, "time": time}, theta),
    keras.Model({"theta": theta, "t": t}, layers.Dense(3)(theta)),
):
    try:
        keras_bfn.BayesianFlowNetwork(flow, network)
    except ValueError as error:
        print(error)

"""
Of others, it is seen with the first data; some things are found by `check_network` alone.
"""


class Mistaken(layers.Layer):
    """A network whose output, of one dense layer, is changed by a function."""

    def __init__(self, change):
        super().__init__()
        self.change, self.dense = change, layers.Dense(flow.output_size)

    def call(self, inputs):
        return self.change(self.dense(inputs["theta"]), inputs)


for change in (
    lambda x, inputs: x[..., 0],
    lambda x, inputs: x + ops.log(inputs["t"])[:, None, None],  # of t = 0
    lambda x, inputs: x - ops.mean(x, axis=0),  # over the batch
    lambda x, inputs: ops.zeros_like(x) + inputs["t"][:, None, None],
    lambda x, inputs: x,  # is right, but has no `get_config`
):
    try:
        keras_bfn.testing.check_network(Mistaken(change), flow, (LENGTH,))
    except AssertionError as error:
        print(" ".join(str(error).split())[:100])

"""
One mistake is found by nobody, as it is a network like others: to return what the output is not
meant to be. Classes are asked for as *logits*, of which the softmax is taken. If a network takes it
itself, no class is ever likelier than e times another, and data cost more than they would if
nothing had been said of them:
"""


class Softmaxed(layers.Layer):
    def call(self, inputs):
        return ops.softmax(model.network(inputs))


wrong = keras_bfn.BayesianFlowNetwork(flow, Softmaxed(), event_shape=(LENGTH,), seed=0)
print(f"Logits: {cost(model):.2f} nats. Probabilities in their place: {cost(wrong):.2f} nats")

"""
So hold the cost of the first epochs against what the data cost by themselves, such as the logarithm
of the number of classes for each variable, here 8.3 nats. If the cost stays above that,
longer training will not help: look for a mistake in what the network returns.
"""
