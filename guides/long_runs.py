"""
Title: Long runs, and the accuracy that data need
Author: The keras_bfn authors
Date created: 2026/11/25
Last modified: 2026/11/28
Description: Data sets, training that resumes, averaged weights, and a schedule fitted to the data.
Accelerator: None
"""

"""
## Introduction

In this guide we train a model on batches of a data set, interrupt the run, resume it,
and score the averaged weights. We also fit the accuracy of the messages to the data
before training (`remaining_cost.png`), and check it afterwards (`loss_by_time.png`).

The model is small. `examples/mnist.py`, `cifar10.py` and `text8.py` combine the same
pieces for the paper's experiments.

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

The data sets of the package are `Splits` into training, validation and test data. Each
of these three is a `keras.utils.PyDataset`, which `fit` and `evaluate` take on every
backend. `text_file` and `image_folder` make `Splits` from your own data. Here we use
the digits of scikit-learn, enlarged to the size of MNIST.
"""

train, validation, test = datasets.embedded_digits(batch_size=50, limit=500)
print(
    train.num_batches,
    validation.num_batches,
    test.num_batches,
    train[0].shape,
    train[0].dtype,
)

"""
Pixels have grey levels. With `form="binary"`, the default for digits, each pixel
becomes white with its level as the probability. Training images are sampled anew in
every epoch, validation and test images once. All randomness of a batch follows from the
seed, the epoch and the batch's number.
"""

first = train[0]
train.epoch = 1
second = train[0]
train.epoch = 0
print(
    "Pixels of a batch that differ between two epochs:",
    (first != second).mean().round(3),
)
print("The same epoch again:", (first == train[0]).all())

"""
For your own data, write a function that makes a batch from rows and a random generator,
as here:
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

`beta_1` (`sigma_1` for numbers and levels) sets the total accuracy of the messages. If
this accuracy is too low, the *reconstruction loss*, the cost of the exact data after
the messages, is high. If it is too high, the last messages add almost nothing. The
paper chose a value for each data set by trial. `schedules.fit` needs no training: it
finds the smallest total accuracy after which the exact value of a variable costs at
most 0.01 nats, given only the messages about that variable.
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
Seventeen classes need a lower `beta_1` than two: a class is sent as a vector of K
numbers, and the distance between these vectors, in standard deviations of the noise,
grows with K. Levels in order are sent as one number in [-1, 1], and only a small
`sigma_1` separates neighbouring levels, which are 2 / 17 apart.

`flow.remaining_cost(x)` is the function behind these values: the cost of a variable
after messages of total accuracy beta. At the left end of `remaining_cost.png`, almost
without messages, it is the entropy of a pixel. A dot marks the accuracy that `fit`
chose, where the cost is 0.01 nats.
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
A network also uses other pixels' messages, so its cost is lower. Pass the schedule to a
flow:
"""

schedule = schedules.fit(flows.DiscreteFlow(num_classes=2, beta_1=1.0), images)
flow = flows.DiscreteFlow(num_classes=2, schedule=schedule)

"""
## What is known before any message

The *prior* is the distribution of a variable before any message. In the paper, all
classes are equally likely, and numbers are N(0, 1). `flows.fit_prior` estimates a
flow's `prior` from the data: the frequency of each class, or the mean and standard
deviation of numbers, for all variables together or for each (`per_variable=True`). The
network has less to learn then. For sequences of few classes, `order` makes the prior a
`flows.MarkovChain`: see [Text of your own](text.py).

## Averaged weights

With `use_ema=True`, the optimizer averages the weights over the last steps. Late in a
run, the averages score and sample better than the raw weights, which vary from batch to
batch. `fit` assigns the averages to the model when it ends, but validates the raw
weights. If the last two callbacks are Keras's `SwapEMAWeights(swap_on_epoch=True)` and
`EarlyStopping(restore_best_weights=True)`, `fit` validates the averages, and keeps
those of the best epoch. To assign the averages for a moment, use
`model.averaged_weights()`, as `callbacks.SampleImages` and this callback do:
"""

EPOCHS = 30
validation_images = data.validation[0]


class ScoreAverages(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        if (epoch + 1) % 10 == 0:
            weights = self.nats()
            with self.model.averaged_weights():
                averages = self.nats()
            print(
                f"epoch {epoch + 1}: weights {weights:.2f}, averages {averages:.2f} nats"
            )

    def nats(self):
        options = {"num_steps": 20, "num_repeats": 10, "batch_size": 150, "seed": 0}
        nats = self.model.code_length(validation_images, **options, verbose=0)
        return (nats["transmission"] + nats["reconstruction"]).mean()


def make_model(flow):
    keras.utils.set_random_seed(0)
    network = networks.MLP(
        flow, event_shape=(8, 8, 1), width=128, num_blocks=1, dropout=0.1
    )
    model = keras_bfn.BayesianFlowNetwork(flow, network, seed=0)
    model.compile(keras.optimizers.AdamW(5e-3, use_ema=True, ema_momentum=0.98))
    return model


"""
## Interrupt and resume

At the end of each epoch, `callbacks.Resume` saves the whole state of training: weights,
optimizer, averages, and random generators. It also sets the `epoch` of the data set
given as `data=`. If a run is stopped or killed, run the same script again, and `fit`
continues with the unfinished epoch. Only what `EarlyStopping` and the like remember is
lost: they start anew. `callbacks.SampleImages` writes pictures of samples at a fixed
interval of epochs.
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
Here a callback stops a run in the 13th epoch. Then we do what the restarted script
would do: make the model and the data anew, and call `fit` with the same arguments.
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
The final weights are identical to those of an uninterrupted run, to the last bit. The
directory also holds `metrics.csv`, the logs of each epoch, as in `history`.

## Where in time the cost is paid

`loss_by_time` returns the cost of the messages in each interval of time. After
training, it shows whether the schedule was well chosen. With the fitted accuracy, every
interval contributes. With eight times that accuracy, nearly all of the cost falls
before t = 0.5. Half of the training is spent on later times, and teaches almost
nothing.
"""

test_images = data.test[0]
accurate = flows.DiscreteFlow(num_classes=2, beta_1=8 * schedule.beta_1)
figure = Figure((6, 4), dpi=120, layout="constrained")
axes = figure.subplots()
for name, trained in (
    ("fitted", model),
    ("eight times as much", run("accurate", accurate)[0]),
):
    profile = trained.loss_by_time(test_images, batch_size=147, seed=0, verbose=0)
    beta_1 = trained.flow.schedule.beta_1
    axes.plot(
        profile["t"],
        profile["loss"],
        marker=".",
        label=f"beta_1 = {beta_1:.1f}, {name}",
    )
    late = profile["loss"][profile["t"] > 0.5].sum() / profile["loss"].sum()
    nats = trained.code_length(
        test_images, num_repeats=20, batch_size=147, seed=0, verbose=0
    )
    total = nats["transmission"] + nats["reconstruction"]
    print(
        f"{name}: {late:.0%} of the cost after t = 0.5; {total.mean():.2f} nats per image"
    )
axes.set(
    xlabel="t", ylabel="nats per image and unit of time", xlim=(0, 1), ylim=(0, None)
)
axes.legend()
figure.savefig("loss_by_time.png")
