"""
Title: Guidance by any function
Author: The keras_bfn authors
Date created: 2026/11/26
Last modified: 2026/12/01
Description: Guide samples by a classifier, a blurred image, required letters, or a given sum.
Accelerator: None
"""

"""
## Introduction

In this guide we sample from trained models under conditions that they were not trained
on: digits of a class (with a separate classifier), digits with a given amount of ink,
texts without a letter, and rows with a given sum. We also restore digits:
`enlarged.png` shows digits of 8x8 pixels and samples of 28x28 pixels given each;
`deblurred.png` and `inpainted.png` show each measurement, the original, and several
samples.

Messages are about the *embedding* of the data, a vector of real numbers for each
variable. The *evidence* s is the sum of the messages so far, weighted by their
accuracy. Any differentiable likelihood L(x) of the data can guide samples. Let h(s) be
the mean of L over the posterior of the data given s. At each step, the gradient of log
h(s) is added to the embedding that the message is about. This works for all types of
data, because s always consists of real numbers.

The guide needs `scikit-learn` and `matplotlib`, and takes a few minutes on a CPU.

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

`bfn_digits` was trained without classes. We train a classifier as usual, on grey levels
without noise. At each step, guidance applies the classifier to the expected data, the
means of the output distribution. `target` holds the requested class of each sample. Of
data that are classes, the expected data are probabilities, with one more axis: a
classifier of binary images needs `preprocess=lambda p: p[..., 1]`, the probabilities
that pixels are 1.
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
    guidance=guidance.ClassifierGuidance(classifier, target=classes, from_logits=True),
    seed=0,
    verbose=0,
)
read = classifier.predict(by_classifier.astype("float32"), verbose=0).argmax(axis=-1)
print(f"Classified as the requested class: {(read == classes).mean():.0%}")

"""
`bfn_digits_classes` was trained with the classes and needs no classifier: samples are
guided by the difference between its predictions with and without the class
(*classifier-free guidance*). `by_classifier.png` and `by_condition.png` show four
samples of each digit.
"""

conditional = keras_bfn.BayesianFlowNetwork.from_preset("bfn_digits_classes")
by_condition = conditional.generate(
    40,
    num_steps=40,
    sampler="sde2",
    condition=classes,
    guidance_scale=1.25,
    seed=0,
    verbose=0,
)
for name, samples in (("by_classifier", by_classifier), ("by_condition", by_condition)):
    columns = samples.reshape(10, 4, 8, 8, 1).swapaxes(0, 1)  # one column per digit
    visualization.plot_samples(columns.reshape(-1, 8, 8, 1), f"{name}.png", columns=10)

"""
`guidance_scale` can change with time. If it is limited to an interval of time, samples
stay more varied:

```python
guidance_scale = guidance.ClassifierFreeGuidance(lambda t: 1 + t, interval=(0.2, 0.8))
```

For another rule, write a subclass with a method `combine`. At each step, it is given
the network's output with the class, that without it, and the scale at this time. This
one limits the difference:
"""


class Limited(guidance.ClassifierFreeGuidance):
    def combine(self, params, without, scale):
        change = ops.clip(params - without, -0.5, 0.5)
        return without + keras_bfn.flows.expand(scale, params) * change


by_rule = conditional.generate(
    40, 40, "sde2", condition=classes, guidance_scale=Limited(1.5), seed=0, verbose=0
)
read = classifier.predict(by_rule.astype("float32"), verbose=0).argmax(axis=-1)
print(f"By a rule of our own, classified as the class: {(read == classes).mean():.0%}")

"""
All other guidance is passed as `guidance=`: a plain function, or an object with its own
`scale` and `interval`, such as `ClassifierGuidance`. It can be combined with
classifier-free guidance.

## Particles

We cannot compute h exactly. By default we approximate it by the likelihood of the
expected data. `num_particles` corrects the error: each sample has several weighted
candidates, and one of them is drawn by weight. As their number grows, the density of
samples becomes proportional to L times the density without guidance, if the
approximation of h is nowhere 0 where h is positive. The weights need each step's
probability density, which only `"ancestral"` and `"sde1"` provide.

As an example, we measure the ink of a digit, the sum of its grey levels. We sample
first without guidance, then given a measured ink of 250, with normal noise of standard
deviation 5.
"""

samples = model.generate(64, num_steps=40, sampler="sde1", seed=0, verbose=0)
ink = samples.sum(axis=(1, 2, 3))
print(f"Without guidance: ink {ink.mean():.0f} +- {ink.std():.0f}")

given_ink = guidance.LinearInverse(A=np.ones((1, 64)), y=[250.0], noise=5.0)
for num_particles in (1, 4, 16):
    samples = model.generate(
        16,
        num_steps=40,
        sampler="sde1",
        guidance=given_ink,
        num_particles=num_particles,
        seed=0,
        verbose=0,
    )
    ink = samples.sum(axis=(1, 2, 3))
    print(f"{num_particles:>2} particles: ink {ink.mean():.0f} +- {ink.std():.0f}")

"""
With particles and `return_details=True`, `log_likelihood` in the result is the
logarithm of an unbiased estimate of E[L(x)] over samples without guidance.

## From a coarse or a blurred image

For a measurement `y = A x + noise` with normal noise, L is a normal density.
`LinearInverse` approximates h by a normal density whose variance also includes the
uncertainty about x.

The digits of scikit-learn were scanned at 32x32 pixels, and published as the means of
blocks. `bfn_mnist`, a model of 28x28 pixels in black and white, was trained on other
digits, those of MNIST. Given a digit of 8x8 pixels, it samples sharp ones of which the
digit is a coarse image. We assume that the digit covers the middle 20x20 pixels. Each
measurement is then the mean of a square of 2.5x2.5 pixels. The data are two classes, so
expected data are the probabilities of black and of white, and A has a column for each
of these numbers. Each row of the picture shows the measurement and five samples.
Where the coarse image leaves a choice, they differ.
"""

mnist = keras_bfn.BayesianFlowNetwork.from_preset("bfn_mnist")
edges = np.clip(np.arange(29), 4, 24)  # of pixels, within the middle 20
cells = np.linspace(4, 24, 9)
first = np.maximum.outer(cells[:-1], edges[:-1])
last = np.minimum.outer(cells[1:], edges[1:])
overlap = (last - first).clip(0)  # (8, 28): of 8 cells with 28 pixels
means = overlap / 2.5
A = np.kron(np.kron(means, means), [[0.0, 1.0]])  # 0 for black, 1 for white

num_copies = 5
coarse = np.stack([digits[labels == k][3] for k in (2, 3, 4, 5, 8)]) / 16
samples = mnist.generate(
    len(coarse) * num_copies,
    num_steps=40,
    sampler="sde2",
    guidance=guidance.LinearInverse(
        A, np.repeat(coarse.reshape(-1, 64), num_copies, axis=0), noise=0.1
    ),
    seed=0,
    verbose=0,
).reshape(-1, num_copies, 28, 28, 1)
shown = overlap.T @ coarse[..., 0] @ overlap  # the measurement, in 28x28 pixels
rows = np.concatenate([shown[:, None, :, :, None], samples], axis=1)
visualization.plot_samples(
    rows.reshape(-1, 28, 28, 1), "enlarged.png", columns=1 + num_copies
)

"""
In the next picture, digits of 8x8 pixels are blurred: each measured pixel is the mean
of its neighbours, and noise is added. Each row shows the measurement, the original, and
samples: plausible digits, all different. Without particles, `scale=2.0` brings the
residuals `A x - y` nearer to the noise.
"""

neighbours = sum(np.eye(8, k=k) for k in (-1, 0, 1)) / 3
A = np.kron(neighbours, neighbours)
noise, num_copies, truth = 0.5, 6, digits[:6]
y = truth.reshape(-1, 64) @ A.T
y = y + noise * np.random.default_rng(0).standard_normal(y.shape)
samples = model.generate(
    len(truth) * num_copies,
    num_steps=40,
    sampler="sde2",
    guidance=guidance.LinearInverse(
        A, np.repeat(y, num_copies, axis=0), noise, scale=2.0
    ),
    seed=0,
    verbose=0,
)
residual = samples.reshape(-1, 64) @ A.T - np.repeat(y, num_copies, axis=0)
print(f"Deblurred: residual {residual.std():.2f}, noise {noise}")
measured = y.reshape(-1, 8, 8, 1).clip(0, 16).round().astype("int32")
samples = samples.reshape(-1, num_copies, 8, 8, 1)
rows = np.concatenate([measured[:, None], truth[:, None], samples], axis=1)
visualization.plot_samples(
    rows.reshape(-1, 8, 8, 1), "deblurred.png", columns=2 + num_copies
)

"""
Inpainting is guidance, too: L is 1 if the known variables have their known values,
otherwise 0. Messages about the known variables are sampled given these values, and h is
approximated by the probability of the values under the output distribution.
"""

known = np.zeros((8, 8, 1), bool)
known[:4] = True
completed = model.inpaint(
    np.repeat(truth, num_copies, axis=0),
    known,
    num_steps=40,
    num_particles=2,
    seed=0,
    verbose=0,
).reshape(-1, num_copies, 8, 8, 1)
rows = np.concatenate(
    [np.where(known, truth, 8)[:, None], truth[:, None], completed], axis=1
)
visualization.plot_samples(
    rows.reshape(-1, 8, 8, 1), "inpainted.png", columns=2 + num_copies
)

"""
## Texts

A function of your own returns log L, one number for each sample, and is written in
`keras.ops`. Its argument is the expected data: probabilities for classes, such as
letters, and means for numbers and levels. `avoid_e`, for example, requests texts
without the letter "e". `Constraint(fn, target, std)` requests that the value of `fn` is
near `target`: here, texts with about five letters "z".
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
A program with a plain function, such as `avoid_e`, `Guidance(avoid_e)` or
`Constraint(count_z, 5)`, is compiled anew in each call of `generate`, because what the
function reads may have changed. For many calls, write a subclass of `Guidance` with a
method `likelihood` instead. Its program is compiled once, and reused for guidances with
equal attributes, whatever their `scale`, `interval` and `values`:
"""


class Avoids(guidance.Guidance):
    def __init__(self, letter, **options):
        super().__init__(**options)
        self.letter = letter

    def likelihood(self, probs):
        return ops.sum(ops.log(1.0 - 0.999 * probs[:, :, self.letter]), axis=1)


for scale in (0.1, 0.5, 1.0):
    (text,) = texts.generate_text(1, guidance=Avoids(e, scale=scale), **options)
    print(f"scale {scale}: {text.count('e')} e in {text[:80]}")

"""
## A row of a table

An iris flower is a row of four lengths in centimetres. A small model learns them in
seconds, and samples flowers whose lengths add up to 15. `LinearInverse` guides weakly
while the lengths are uncertain. `Constraint` guides as strongly early as late, and its
rows do not resemble flowers.
"""

iris = load_iris().data.astype("float32")
flow = keras_bfn.flows.fit_scaling(
    keras_bfn.flows.ContinuousFlow(0.02, prediction="data"), iris, per="variable"
)
flowers = keras_bfn.BayesianFlowNetwork(
    flow, keras_bfn.networks.MLP(flow, (4,), 64), seed=0
)
flowers.compile(keras.optimizers.AdamW(3e-3, use_ema=True))
flowers.fit(iris, epochs=300, batch_size=50, verbose=0)

total = guidance.LinearInverse(np.ones((1, 4)), [15.0], noise=0.05)
rows = flowers.generate(
    5, num_steps=50, sampler="sde2", guidance=total, seed=0, verbose=0
)
print(rows.round(1), rows.sum(axis=1).round(2))

"""
## Other choices of h

- `Guidance(fn, num_draws=4)` estimates h as the mean of L over four samples of the
  output distribution. Use it if `fn` is not meaningful for probabilities or means.
- With `through_network=False`, a step needs no backward pass through the network. The
  gradient then ignores what the evidence for one variable implies about the others.
- `a * b` requires both events, `a + b` either of them.
- `Automaton(transitions, accept)` requires sequences of a regular language, such as
  matching brackets. Its h is the exact mean of L over the output distribution.
- To approximate h better, write a subclass of `Guidance` with a method
  `log_h(expected)`. Its argument, a `guidance.Expected`, has the prediction, and the
  data's means and variances under it.
"""
