"""
Title: Long runs, and the accuracy that data need
Author: The keras_bfn authors
Date created: 2026/11/25
Last modified: 2026/11/25
Description: Data sets, training that resumes, averaged weights, and a schedule fitted to the data.
Accelerator: None
"""

"""
## Introduction

The paper's models trained for a million steps and more. This guide shows what helps over such a
time, on a model so small that each step takes seconds: data sets in batches, training that goes on
where it was killed, samples and scores on the way, averaged weights, and how to choose the accuracy
of the messages before anything is trained. `examples/mnist.py`, `cifar10.py` and `text8.py` put the
same pieces together for the paper's experiments.

## Setup
"""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
import numpy as np
from matplotlib.figure import Figure
from sklearn.datasets import load_digits

import keras_bfn
from keras_bfn import callbacks, datasets, flows, networks, schedules

"""
## Data sets

The data sets of the package, and `text_file` and `image_folder` for data of your own, come as
`Splits`: batches to train on, to validate on, and to test on. Each part is a
`keras.utils.PyDataset`, which `fit` and `evaluate` take on every backend. `datasets.mnist()`
reads MNIST through TensorFlow Datasets; the digits of scikit-learn, enlarged to its size, stand in
for it here.
"""

train, validation, test = datasets.embedded_digits(batch_size=50, limit=500)
print(train.num_batches, validation.num_batches, test.num_batches, train[0].shape, train[0].dtype)

"""
Pixels have grey levels, and the model's are black or white. With `form="binary"`, the default for
digits, a pixel is white with its level as the probability, drawn anew each time: no two epochs show
the same images, and there is less to learn by heart. Validation and test images are drawn once.
All that is random in a batch follows from the seed, the epoch and the number of the batch.
"""

first = train[0]
train.epoch = 1
second = train[0]
train.epoch = 0
print("Pixels of a batch that differ between two epochs:", (first != second).mean().round(3))
print("The same epoch again:", (first == train[0]).all())
print("Validation:", (validation[0] == validation[0]).all())

"""
A data set of your own takes a function from rows of the examples, and a random generator, to a
batch. The digits in their own size, 8x8, with levels 0 to 16, train the model of this guide.
"""

levels = load_digits().images[..., None].astype("uint8")


def draw(rows, rng):
    return (rng.integers(0, 16, rows.shape) < rows).astype("int32")


def make_data():
    return datasets.Splits(
        datasets.Batches(levels[:1500], draw, batch_size=125),
        datasets.Batches(levels[1500:1650], draw, batch_size=150, training=False),
        datasets.Batches(levels[1650:], draw, batch_size=147, training=False),
    )


"""
## How accurate must messages be?

`beta_1`, or `sigma_1` of numbers and levels, says how much is known of a variable by the messages
about it alone when the last of them has come. With too little, reconstruction is dear: that is the
reconstruction loss. With too much, the last part of the time is spent on what is known already. The
paper found a value for each data set by trial. `schedules.fit` computes one before any network is
trained: the least accuracy after which a variable costs a hundredth of a nat.
"""

data = make_data()
images = np.concatenate(list(data.train))  # binary
grey = levels[:1500].astype("int32")
cases = {
    "K = 2 classes": (flows.DiscreteFlow(num_classes=2, beta_1=1.0), images),
    "K = 17 classes": (flows.DiscreteFlow(num_classes=17, beta_1=1.0), grey),
    "17 bins in order": (flows.DiscretizedFlow(num_bins=17, sigma_1=0.1), grey),
}
for name, (flow, x) in cases.items():
    print(f"{name}: {schedules.fit(flow, x).get_config()}")

"""
Seventeen classes get along with less than two do: a class is sent as a vector of K numbers, which
lie the further apart, the larger K. Levels in order are sent as one number in [-1, 1], and a small
`sigma_1` tells neighbours from each other, which are 2 / 17 apart.

`flow.remaining_cost(x)` is the curve behind these figures: what a variable costs after messages
of accuracy beta. On the left is what it costs without any, the entropy of a pixel's colour or level
in the data. Where the curve has come down to the line is the end that `fit` chose, marked by a dot.
A point to the left of it leaves more for reconstruction; further to the right there is little to
gain.
"""

figure = Figure((6, 4), dpi=120, layout="constrained")
axes = figure.subplots()
beta = np.logspace(-2, 4, 61)
for name, (flow, x) in cases.items():
    cost = flow.remaining_cost(x)
    (line,) = axes.plot(beta, cost(beta), label=name)
    end = float(schedules.fit(flow, x).beta(1.0))
    axes.plot(end, cost(end), "o", color=line.get_color())
axes.axhline(0.01, color="grey", linewidth=1, linestyle="--")
axes.set(xscale="log", yscale="log", ylim=(1e-3, 4))
axes.set(xlabel="accuracy beta", ylabel="remaining cost, nats per variable")
axes.legend()
figure.savefig("remaining_cost.png")

"""
A network knows the neighbours of a pixel too, so a model pays less than the curve says. The
schedule goes to the flow:
"""

schedule = schedules.fit(flows.DiscreteFlow(num_classes=2, beta_1=1.0), images)
flow = flows.DiscreteFlow(num_classes=2, schedule=schedule)

"""
## What is known before any message

The paper's prior is flat: each class is as likely as any other, and numbers are N(0, 1). A flow's
`prior` may know better. `flows.fit_prior` finds it in the data: how often each class occurs, or
mean and deviation of numbers, for all variables together or, with `per_variable=True`, for each.
Evidence, messages, losses, samplers and codec are as before; what changes is the input distribution
that the network sees, and, with it, how much there is left to learn.

For sequences of few classes, `order` makes the prior a `flows.MarkovChain`, in which each class
depends on so many before it. The evidence about one letter then says something of its neighbours,
and the input distribution is the exact posterior by that chain. A network that has learnt nothing
costs just what the chain does, here bits per character of held-out text:
"""

text = datasets.embedded_text(batch_size=16, seq_length=64)
held_out = text.test[0]
for order in (0, 1, 2):
    letters = flows.DiscreteFlow(num_classes=27, beta_1=0.75)
    letters = flows.fit_prior(letters, text.train.tokens[None], order=order)
    network = networks.Transformer(letters, 64, width=8, num_layers=1, num_heads=0)
    untrained = keras_bfn.BayesianFlowNetwork(letters, network, seed=0)
    nats = untrained.code_length(held_out, num_repeats=8, seed=0, verbose=0)
    total = (nats["transmission"] + nats["reconstruction"]).mean()
    print(f"order {order}: {total / 64 / np.log(2):.2f} bits per character")

"""
An order more takes `num_classes` times the memory and time. `examples/text8.py --preset small` has
an order of 3.

## Averaged weights

With `use_ema=True`, the optimizer averages the weights over the last steps. Late in a run, the
averages score and sample better than the weights themselves, which the last batches have pulled
here and there. When `fit` ends, the averages are what the model has. Before that,
`model.averaged_weights()` puts them in place for a while: `callbacks.SampleImages` does so, and so
does this callback, which scores both. (What `fit` logs of validation data is of the weights.)
"""

EPOCHS = 30
validation_images = data.validation[0]


class ScoreAverages(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        if (epoch + 1) % 10 == 0:
            weights = self.nats()
            with self.model.averaged_weights():
                averages = self.nats()
            print(f"epoch {epoch + 1}: weights {weights:.2f}, averages {averages:.2f} nats")

    def nats(self):
        nats = self.model.code_length(validation_images, 20, 10, batch_size=150, seed=0, verbose=0)
        return (nats["transmission"] + nats["reconstruction"]).mean()


def make_model(flow):
    keras.utils.set_random_seed(0)
    network = networks.MLP(flow, event_shape=(8, 8, 1), width=128, num_blocks=1, dropout=0.1)
    model = keras_bfn.BayesianFlowNetwork(flow, network, seed=0)
    model.compile(keras.optimizers.AdamW(5e-3, use_ema=True, ema_momentum=0.98))
    return model


"""
## A run that is interrupted, and goes on

`callbacks.Resume` keeps all that training changes, at the end of each epoch: weights, optimizer,
averages, and the states of random generators. `data=` names the batches, whose epoch it sets. Run
the same script again, after it was stopped or killed at any moment, and `fit` goes on with the
epoch that was not finished. `callbacks.SampleImages` writes a picture of samples every so many
epochs.
"""


def run(directory, flow, *more):
    model, (train, validation, _) = make_model(flow), make_data()
    samples = callbacks.SampleImages(f"{directory}/samples", num_samples=16, every=15)
    resume = callbacks.Resume(directory, data=train)
    model.fit(
        train,
        validation_data=validation,
        epochs=EPOCHS,
        callbacks=[*more, ScoreAverages(), samples, resume],
        verbose=0,
    )
    return model, resume.history


"""
Here a callback stops a run within its epoch 13. What follows is what the script would do when it is
started again: it makes model and data anew, and calls `fit` with the same arguments.
"""


class PowerCut(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if (self.epoch, batch) == (12, 5):
            raise InterruptedError


try:
    run("interrupted", flow, PowerCut())
except InterruptedError:
    print("Interrupted.")
model, history = run("interrupted", flow)
print("Epochs in the history:", len(history))

"""
A run that is left alone would have ended with the same weights, to the last bit: the tests of the
package kill runs at random moments, and compare. The directory also holds `metrics.csv`, what was
logged in each epoch, as in `history`.
"""

"""
## Where in time the cost is paid

Once the model is trained, `loss_by_time` shows whether the schedule was well chosen: what the
messages of each part of time cost. With the accuracy that was fitted, every part has something to
say. With eight times as much, nearly all of the cost falls before t = 0.5, and half of the times
that training draws teach next to nothing.
"""

test_images = data.test[0]
accurate = flows.DiscreteFlow(num_classes=2, beta_1=8 * schedule.beta_1)
figure = Figure((6, 4), dpi=120, layout="constrained")
axes = figure.subplots()
for name, trained in (("fitted", model), ("eight times as much", run("accurate", accurate)[0])):
    profile = trained.loss_by_time(test_images, batch_size=147, seed=0, verbose=0)
    beta_1 = trained.flow.schedule.beta_1
    axes.plot(profile["t"], profile["loss"], marker=".", label=f"beta_1 = {beta_1:.1f}, {name}")
    late = profile["loss"][profile["t"] > 0.5].sum() / profile["loss"].sum()
    nats = trained.code_length(test_images, num_repeats=20, batch_size=147, seed=0, verbose=0)
    total = nats["transmission"] + nats["reconstruction"]
    print(f"{name}: {late:.0%} of the cost after t = 0.5; {total.mean():.2f} nats per image")
axes.set(xlabel="t", ylabel="nats per image and unit of time", xlim=(0, 1), ylim=(0, None))
axes.legend()
figure.savefig("loss_by_time.png")
