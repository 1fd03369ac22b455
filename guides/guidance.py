"""
Title: Guidance by any function
Author: The keras_bfn authors
Date created: 2026/11/26
Last modified: 2026/11/27
Description: Samples by an own classifier, from blurred or coarse pictures, with words or sums told.
Accelerator: None
"""

"""
## Introduction

A model that was trained once can be asked for samples with properties that it was never told of:
whatever can be written as a likelihood L(x) of the data. To sample given an event of that
likelihood, the expected embedding of each step is shifted by the gradient of log h(s), where h(s)
is the likelihood to be expected given the evidence s so far. This holds for every type of data,
since evidence is a vector of numbers, whatever the data are.

This guide needs `scikit-learn` and `matplotlib`, and takes a few minutes on a processor.

## Setup
"""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
import numpy as np
from keras import layers, ops
from sklearn.datasets import load_digits, load_iris

import keras_bfn
from keras_bfn import guidance, visualization

model = keras_bfn.BayesianFlowNetwork.from_preset("bfn_digits")
digits, labels = load_digits(return_X_y=True)
digits = digits.reshape(-1, 8, 8, 1).astype("int32")

"""
## A classifier of your own

`bfn_digits` knows no classes. A classifier does, trained as any other, on grey levels without
noise. Guidance asks it about what the network expects of the data at each step, and `target` says
what it should read: one class for each sample.
"""

classifier = keras.Sequential(
    [
        keras.Input((8, 8, 1)),
        layers.Rescaling(1 / 16),
        layers.Conv2D(32, 3, padding="same", activation="gelu"),
        layers.Conv2D(64, 3, strides=2, activation="gelu"),
        layers.Flatten(),
        layers.Dropout(0.3),
        layers.Dense(64, activation="gelu"),
        layers.Dense(10),
    ]
)
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
classifier.compile("adam", loss, metrics=["accuracy"])
classifier.fit(digits.astype("float32"), labels, epochs=15, batch_size=64, verbose=0)

classes = np.repeat(np.arange(10), 4)
by_classifier = model.generate(
    40,
    num_steps=40,
    sampler="sde2",
    guidance=guidance.ClassifierGuidance(classifier, classes, from_logits=True),
    seed=0,
    verbose=0,
)
read = classifier.predict(by_classifier.astype("float32"), verbose=0).argmax(axis=-1)
print(f"Read as the class asked for: {(read == classes).mean():.0%}")

"""
`bfn_digits_classes` was trained with the classes, and guides itself, away from what it does
without one. Both pictures have a row of four for each digit.
"""

conditional = keras_bfn.BayesianFlowNetwork.from_preset("bfn_digits_classes")
by_condition = conditional.generate(
    40, num_steps=40, sampler="sde2", condition=classes, guidance_scale=1.25, seed=0, verbose=0
)
for name, samples in (("by_classifier", by_classifier), ("by_condition", by_condition)):
    columns = samples.reshape(10, 4, 8, 8, 1).swapaxes(0, 1)  # a digit for each column
    visualization.plot_samples(columns.reshape(-1, 8, 8, 1), f"{name}.png", columns=10)

"""
A condition's scale may change with time, and guide only for a while, which keeps samples more
varied: `guidance_scale=guidance.ClassifierFreeGuidance(lambda t: 1 + t, interval=(0.2, 0.8))`. A
`Guidance` has a `scale` and an `interval` of its own. Both kinds of guidance may be used together.

## Particles

Between a likelihood and its h lies an expectation over all that the data could still be. Here h is
the likelihood of the expected data, or something a little better, which is close, but not the same.
`num_particles` makes up for that: several samples grow side by side for each one that is asked for,
are weighed by what the guidance got wrong, and one is drawn by weight. As they grow, samples follow
the model's own distribution times the likelihood, whatever h was.

How much ink has a digit, in grey levels? With nothing to guide them, these tell. The others are
asked to have 250, give or take 5: a measurement of the sum, `y = A x + noise`.
"""

samples = model.generate(64, num_steps=40, sampler="sde1", seed=0, verbose=0)
ink = samples.sum(axis=(1, 2, 3))
print(f"As it comes: ink {ink.mean():.0f} +- {ink.std():.0f}")

sparse = guidance.LinearInverse(A=np.ones((1, 64)), y=[250.0], noise=5.0)
for num_particles in (1, 4, 16):
    samples = model.generate(
        16,
        num_steps=40,
        sampler="sde1",
        guidance=sparse,
        num_particles=num_particles,
        seed=0,
        verbose=0,
    )
    ink = samples.sum(axis=(1, 2, 3))
    print(f"{num_particles:>2} particles: ink {ink.mean():.0f} +- {ink.std():.0f}")

"""
With `return_details`, they also tell how probable the event is: `log_likelihood` of the result is
the logarithm of an unbiased estimate of the mean of L over all that the model draws.

## From a blurred or a coarse picture

Where data were measured, the likelihood is a normal distribution, and h is one, too, that is wider
by what is still open about x. The first column of each picture is what was
measured, the second what it was measured of, and the others are samples given the measurement:
plausible digits, all different. Without particles, a `scale` of 2 brings them as near to the
measurements as the noise is large, or nearly so.
"""

neighbours = sum(np.eye(8, k=k) for k in (-1, 0, 1)) / 3
halves = np.kron(np.eye(4), [[0.5, 0.5]])
noise, num_copies, truth = 0.5, 6, digits[:6]
rng = np.random.default_rng(0)
for name, one_side in (("deblurred", neighbours), ("enlarged", halves)):
    A = np.kron(one_side, one_side)
    y = truth.reshape(-1, 64) @ A.T
    y = y + noise * rng.standard_normal(y.shape)
    samples = model.generate(
        len(truth) * num_copies,
        num_steps=40,
        sampler="sde2",
        guidance=guidance.LinearInverse(A, np.repeat(y, num_copies, axis=0), noise, scale=2.0),
        seed=0,
        verbose=0,
    )
    residual = samples.reshape(-1, 64) @ A.T - np.repeat(y, num_copies, axis=0)
    print(f"{name}: residual {residual.std():.2f}, noise {noise}")
    side = len(one_side)
    measured = y.reshape(-1, side, side, 1).clip(0, 16).round().astype("int32")
    measured = measured.repeat(8 // side, axis=1).repeat(8 // side, axis=2)
    samples = samples.reshape(-1, num_copies, 8, 8, 1)
    rows = np.concatenate([measured[:, None], truth[:, None], samples], axis=1)
    visualization.plot_samples(rows.reshape(-1, 8, 8, 1), f"{name}.png", columns=2 + num_copies)

"""
Inpainting is the same thing where some variables are known: `inpaint` guides what is not known by
how well what is known is expected, and weighs particles by it.
"""

known = np.zeros((8, 8, 1), bool)
known[:4] = True
completed = model.inpaint(
    np.repeat(truth, num_copies, axis=0), known, num_steps=40, num_particles=2, seed=0, verbose=0
).reshape(-1, num_copies, 8, 8, 1)
rows = np.concatenate([np.where(known, truth, 8)[:, None], truth[:, None], completed], axis=1)
visualization.plot_samples(rows.reshape(-1, 8, 8, 1), "inpainted.png", columns=2 + num_copies)

"""
## Texts

A function of your own returns log L, one number for each sample, written in `keras.ops`. It is
given what is expected of the data: for classes, such as letters, their probabilities; for numbers
and levels, their means. `avoid_e` is such a function, of texts without the letter "e".
`Constraint(fn, target, std)` makes one of a number that `fn` finds in the data: here how many "z"
there are, which should be near five.
"""

texts = keras_bfn.BayesianFlowNetwork.from_preset("bfn_text")
e, z = texts.tokenizer.encode("ez")


def avoid_e(probs):
    return ops.sum(ops.log(1.0 - 0.999 * probs[:, :, e]), axis=1)


def count_z(probs):
    return ops.sum(probs[:, :, z], axis=1)


options = {"num_steps": 40, "sampler": "sde2", "seed": 0, "verbose": 0}
for letter, likelihood in (
    ("e", None),
    ("e", avoid_e),
    ("z", guidance.Constraint(count_z, 5, std=0.3)),
    ("z", guidance.Constraint(count_z, 5, std=0.3) * guidance.Guidance(avoid_e)),
):
    for text in texts.generate_text(2, guidance=likelihood, **options):
        print(f"{text.count(letter):>3} {letter}: {text[:100]}")

"""
## A row of a table

Iris flowers are four lengths each, in centimetres. A small model learns them in seconds, and then
makes flowers whose lengths add up to 15. (A `Constraint` of the sum would pull as hard at first,
when all is open, as in the end, and find sums of 15 that are no flowers.)
"""

iris = load_iris().data.astype("float32")
flow = keras_bfn.flows.fit_scaling(
    keras_bfn.flows.ContinuousFlow(0.02, prediction="data"), iris, per="variable"
)
network = keras_bfn.networks.MLP(flow, (4,), width=64)
flowers = keras_bfn.BayesianFlowNetwork(flow, network, seed=0)
flowers.compile(keras.optimizers.AdamW(3e-3, use_ema=True))
flowers.fit(iris, epochs=300, batch_size=50, verbose=0)


total = guidance.LinearInverse(np.ones((1, 4)), [15.0], noise=0.05)
rows = flowers.generate(5, num_steps=50, sampler="sde2", guidance=total, seed=0, verbose=0)
for row in rows:
    print(row.round(1), row.sum().round(2))

"""
## What h could be

`Guidance(fn, num_draws=4)` takes h as the mean of L over draws from the output distribution, for
functions that say nothing sensible of probabilities or means. With `through_network=False` a step
costs one pass through the network, and none back, but each variable is moved only by what the
likelihood says of it alone. `a * b` are both likelihoods, `a + b` either. A class of your own with
`log_h(expected)` may know better: `keras_bfn.guidance.Expected` has the evidence, the network's
output and its variances.
"""
