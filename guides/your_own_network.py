"""
Title: A network of your own
Author: The keras_bfn authors
Date created: 2026/11/27
Last modified: 2026/11/28
Description: The contract of a network, three networks that satisfy it, and common mistakes.
Accelerator: None
"""

"""
## Introduction

In this guide we write three networks for one task: a functional model, a subclassed
model, and a model on a backbone that was made for something else. We check and train
each of them, compare their code lengths with the entropy of the data, and then make
mistakes to see the error messages.

A Bayesian Flow Network sends data as noisy messages. The *input distribution* of a
variable is what its own messages say about it. The network takes the parameters of all
of these, and predicts each variable from them. Any Keras model or layer can do this.
The guide takes minutes on a CPU.

## Setup
"""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
import numpy as np
from keras import layers, ops

import keras_bfn
from keras_bfn import flows
from keras_bfn.layers import EvidenceShortcut, TimeEmbedding

"""
## The task

The data are words of six letters from a to d, three pairs of equal letters, such as
`ccaabb`. There are 64 such words, all equally likely, so the entropy is log(64), or
4.16 nats. No network can send a word in less. Coding the letters independently costs
twice as much. The letters are classes 0 to 3; a `DiscreteFlow` defines how they are
sent. The shape of one example (*event shape*) is `(6,)`.
"""

LETTERS, LENGTH = "abcd", 6
data = np.indices((4, 4, 4)).reshape(3, -1).T.repeat(2, axis=1).astype("int32")
train = np.tile(data, (40, 1))
flow = flows.DiscreteFlow(num_classes=len(LETTERS), beta_1=3.0)

"""
## The contract

A network is called with a dict, and returns a tensor:

| | shape | meaning |
|---|---|---|
| `"theta"` | `(batch, *event_shape, flow.theta_size)` | parameters of the input distribution |
| `"t"` | `(batch,)` | the time, from 0 (before any message) to 1 (after the last) |
| `"condition"` | `(batch, ...)` | the condition of the example, if the model has one |
| `"mask"` | `(batch, *event_shape)`, bool | false for missing variables; optional |
| `"t_next"` | `(batch,)` | the time after the next message; optional |
| returned | `(batch, *event_shape, flow.output_size)` | parameters of the output distribution |

Here theta holds the probabilities of 4 classes for each of 6 letters, and the network
returns 4 logits for each. Each flow documents its own parameters: for a
`keras_bfn.flows.DiscretizedFlow`, theta is a mean, and the network returns the mean and
log standard deviation of the noise, or, with `prediction="data"`, of the data. For
[several kinds](several_kinds.py), the flow, theta and the output are dicts. In an
`AnyOrderNetwork` ([in any order](in_any_order.py)), `"t"` has the shape of the data. If
`call` has an argument `training`, it is true during `fit`. A subclassed network that
takes `"t_next"` says so by an attribute `jumps = True`.

## A functional model

The inputs have the names of the contract. (From a functional network,
`BayesianFlowNetwork` can infer the event shape.) Two optional layers of the package
help. `TimeEmbedding` turns the time into a vector. `EvidenceShortcut` adds to the
output what a letter's own messages say about it, so that the network has to learn only
what the other letters say. The other models do without this layer.
"""


def make_functional():
    theta = keras.Input((LENGTH, flow.theta_size), name="theta")
    t = keras.Input((), name="t")
    time = layers.Dense(128)(TimeEmbedding(32)(t))
    x = layers.Dense(128)(layers.Flatten()(theta))
    for _ in range(2):
        x = layers.Activation("silu")(layers.Add()([x, time]))
        x = layers.Dense(128)(x)
    x = layers.Dense(LENGTH * flow.output_size, kernel_initializer="zeros")(
        layers.ReLU()(x)
    )
    x = layers.Reshape((LENGTH, flow.output_size))(x)
    return keras.Model({"theta": theta, "t": t}, EvidenceShortcut(flow)(x, theta))


"""
## A subclassed model

Here each letter is a vector of features. Dense blocks alternate: one mixes the features
of each letter, the next mixes the letters. To save the model, register the class and
return the arguments of the constructor from `get_config`.
"""


@keras.saving.register_keras_serializable("my_package")
class Mixer(keras.Model):
    def __init__(self, units, width=48):
        super().__init__()
        self.units, self.width = units, width
        self.letters = layers.Dense(width)
        self.time = keras.Sequential([TimeEmbedding(32), layers.Dense(width)])
        self.mixers = [
            keras.Sequential(
                [layers.LayerNormalization(), layers.Dense(64, "silu"), layers.Dense(n)]
            )
            for n in (width, LENGTH, width, LENGTH)  # `call` transposes after each
        ]
        self.head = layers.Dense(units)

    def call(self, inputs):
        x = self.letters(inputs["theta"]) + self.time(inputs["t"])[:, None]
        for mixer in self.mixers:
            x = ops.transpose(x + mixer(x), (0, 2, 1))
        return self.head(x)

    def get_config(self):
        return {"units": self.units, "width": self.width}


"""
## On a backbone

A text backbone, such as those of KerasHub, looks up a vector for each token id and
computes features from these vectors. Our network gets no tokens, only probabilities. We
therefore replace the lookup by the expected vector, the product of theta and the
embedding table. This backbone is small and untrained. With a pretrained one, freeze it
(`trainable`) or use a small learning rate.
"""


def make_backbone():
    token_ids = keras.Input((LENGTH,), dtype="int32", name="token_ids")
    x = layers.Embedding(len(LETTERS), 48, name="token_embedding")(token_ids)
    for _ in range(2):
        x = layers.Conv1D(64, 3, padding="same", activation="gelu")(x)
    return keras.Model({"token_ids": token_ids}, x)


@keras.saving.register_keras_serializable("my_package")
class OnBackbone(keras.Model):
    def __init__(self, backbone):
        super().__init__()
        self.backbone = backbone
        self.table = backbone.get_layer("token_embedding")
        self.encoder = keras.Model(self.table.output, backbone.output)
        self.time = keras.Sequential(
            [TimeEmbedding(32), layers.Dense(self.table.output_dim)]
        )
        self.head = layers.Dense(self.table.input_dim)

    def call(self, inputs):
        x = ops.matmul(inputs["theta"], self.table.embeddings)
        return self.head(self.encoder(x + self.time(inputs["t"])[:, None]))

    def get_config(self):
        return {"backbone": keras.saving.serialize_keras_object(self.backbone)}

    @classmethod
    def from_config(cls, config):
        return cls(keras.saving.deserialize_keras_object(config["backbone"]))


"""
## Check and train

`check_network` calls a network and trains it for one step, so give it a new one. It
verifies the shape of the output, that it is finite at all times and depends on theta,
that examples of a batch do not affect each other, and that the network can be saved and
loaded.
"""


def cost(model):
    nats = model.code_length(data, num_repeats=10, batch_size=64, seed=0, verbose=0)
    return (nats["transmission"] + nats["reconstruction"]).mean()


for name, make in {
    "functional": make_functional,
    "subclassed": lambda: Mixer(flow.output_size),
    "on a backbone": lambda: OnBackbone(make_backbone()),
}.items():
    keras_bfn.testing.check_network(make(), flow, event_shape=(LENGTH,))
    keras.utils.set_random_seed(0)
    model = keras_bfn.BayesianFlowNetwork(flow, make(), event_shape=(LENGTH,), seed=0)
    model.compile(keras.optimizers.AdamW(4e-3, use_ema=True, ema_momentum=0.95))
    model.fit(train, epochs=10, batch_size=64, verbose=0)
    samples = model.generate(100, num_steps=30, batch_size=100, seed=0, verbose=0)
    right = (samples[:, ::2] == samples[:, 1::2]).all(axis=1).mean()
    texts = ["".join(LETTERS[k] for k in row) for row in samples[:5]]
    print(f"{name}: {cost(model):.2f} nats; {right:.0%} of samples right:", *texts)

"""
## Conditions

Pass conditions to `fit` beside the data, such as the first letter in `fit((train,
train[:, 0]))`. The network receives them as `"condition"`, an array or a dict of
arrays. To also generate without a condition, reserve a value that means "none", here 4,
because the letters are 0 to 3. In training, `BayesianFlowNetwork(..., null_condition=4,
condition_dropout=0.2)` replaces 20% of the conditions by 4. See [networks and
presets](networks_and_presets.py).

## Mistakes

Wrong inputs or outputs of a functional network raise an error when the model is
constructed, and those of other networks at the first batch. `check_network` finds such
mistakes, and others:
"""


class Mistaken(layers.Layer):
    def __init__(self, change):
        super().__init__()
        self.change, self.dense = change, layers.Dense(flow.output_size)

    def call(self, inputs):
        return self.change(self.dense(inputs["theta"]), inputs)


for change in (
    lambda x, inputs: x[..., 0],  # the wrong shape
    lambda x, inputs: x + ops.log(inputs["t"])[:, None, None],  # log(0) at t = 0
    lambda x, inputs: x - ops.mean(x, axis=0),  # a mean over the batch
    lambda x, inputs: ops.zeros_like(x) + inputs["t"][:, None, None],  # ignores theta
    lambda x, inputs: x,  # correct, but without `get_config`
):
    try:
        keras_bfn.testing.check_network(Mistaken(change), flow, (LENGTH,))
    except AssertionError as error:
        print(" ".join(str(error).split())[:100])

"""
No check can detect outputs of the right shape but with the wrong meaning. A
`DiscreteFlow` expects *logits*. If the network returns probabilities, no class ever
becomes more than e times as likely as another, and a word costs more than six
independent letters (8.3 nats):
"""


class Softmaxed(layers.Layer):
    def call(self, inputs):
        return ops.softmax(model.network(inputs))


wrong = keras_bfn.BayesianFlowNetwork(flow, Softmaxed(), event_shape=(LENGTH,), seed=0)
print(f"Logits: {cost(model):.2f} nats. Probabilities instead: {cost(wrong):.2f} nats")

"""
So compare the cost after the first epochs with that of independent, equally likely
classes: log(K) nats for each variable. If it stays higher, look for a mistake in what
the network returns.
"""
