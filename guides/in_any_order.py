"""
Title: In any order
Author: The keras_bfn authors
Date created: 2026/11/28
Last modified: 2026/12/01
Description: One network transmits variables in any order, and conditions on any subset.
Accelerator: None
"""

"""
## Introduction

`keras_bfn.BayesianFlowNetwork` is the paper's model: it sends all variables of an
example together. Its subclass `keras_bfn.AnyOrderNetwork` gives each variable its own
time. Then variables can be sent in any order, and the model can condition on any subset
of them. It trains, evaluates, saves and exports in the same way.

In this guide we train one such model of text, and one of digits with their labels. We
compare the costs of several orders, continue text, fill in gaps, and compress and
complete digits (`digits_in_any_order.png`).

At each time, all messages of the paper's model have the same accuracy. The theory does
not require this. Let each variable i have its own time t_i, and let the times rise from
0 to 1 along any path. Each step of the path then costs

$$\\sum_i \\tfrac{c}{2}\\, \\beta'(t_i)\\, |e(x_i) - \\hat e_i|^2\\, dt_i,$$

where $\\beta(t)$ is the total accuracy of the messages at time t, c a constant of the
data type, $e(x_i)$ the embedding that messages are about, and $\\hat e_i$ its mean
under the output distribution. A variable is either sent by messages, or *coded
directly*: then it costs -log p(x) under the output distribution, and its time jumps
from 0 to 1. With exact posteriors, each path, with its reconstruction, costs the joint
entropy, by the chain rule. It costs more if variables that are still dependent are
coded in one step.

So one network can be

- a Bayesian flow, if all variables are sent together;
- an autoregressive model, if each variable is coded directly, given those before it;
- a masked diffusion model, if variables are coded directly in random order;
- an imputer, if some variables are given and the rest are sampled.

The guide needs `scikit-learn`, `matplotlib` and `constriction`, and takes minutes on a
CPU.

## Setup
"""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")

import math

import keras
import numpy as np
from matplotlib.figure import Figure
from sklearn.datasets import load_digits

import keras_bfn
from keras_bfn import datasets, flows, networks, orders

"""
## Text

With `times="variables"`, the network takes a time for each letter. In training, each
window of 64 letters is in one of several states; `states` sets the fraction of windows
in each (0 for states not in the dict):

- `"together"`: all letters have the same time t, as in the paper;
- `"given"`: some letters are known, and the others have the same time t;
- `"random"`: a random fraction of the letters is known, and the others are coded
  directly;
- `"left_to_right"`: each letter is coded directly, given those before it.

The last state needs a network with `causal=True`, which has a second mode with the same
weights: each position sees only those before it, so that one call predicts all letters
of a window.
"""

LENGTH, BATCH_SIZE, STEPS = 64, 64, 400
letters = datasets.Letters()
train, _, test = datasets.embedded_text(
    batch_size=BATCH_SIZE, seq_length=LENGTH, steps_per_epoch=STEPS
)
held_out = np.concatenate(list(test))[:256]

keras.utils.set_random_seed(0)
flow = flows.fit_prior(flows.DiscreteFlow(27, beta_1=0.75), train.tokens[None])
network = networks.Transformer(  # num_heads=0: only convolutions, no attention
    flow, LENGTH, width=96, num_layers=3, num_heads=0, times="variables", causal=True
)
model = keras_bfn.AnyOrderNetwork(
    flow,
    network,
    states={"together": 0.25, "random": 0.25, "left_to_right": 0.5},
    tokenizer=letters,
    seed=0,
)
rate = keras.optimizers.schedules.CosineDecay(
    0.0, STEPS - 40, warmup_target=0.007, warmup_steps=40
)
model.compile(keras.optimizers.Muon(rate, exclude_layers=["projection"]))
model.fit(train, verbose=2)

"""
## What each order costs

`code_length` takes an `order`: a name, an object of `keras_bfn.orders`, or an array
with the group number of each variable. From left to right, one call in causal mode
scores all letters. Otherwise, each of `num_repeats` calls scores a random step: a group
that is coded directly, or one time t of a group that is sent by messages. In random
order, each call draws another order.
"""


def bits(order, num_repeats=8):
    nats = model.code_length(
        held_out, num_repeats=num_repeats, order=order, seed=0, verbose=0
    )
    total = nats["transmission"] + nats["reconstruction"]
    return total.mean() / LENGTH / math.log(2)


inside_out = (
    np.abs(2 * np.arange(LENGTH) + 1 - LENGTH) // 2
)  # distances from the middle
for order in ("together", "random", orders.Random(8), "left_to_right", inside_out):
    name = "inside out" if order is inside_out else order
    print(f"{name!s:<24} {bits(order):.2f} bits per letter")

"""
The cost is lowest from left to right: half of the training windows are in this state,
and each trains all 64 predictions. Coding letters in random order costs less than
sending all together. `Random(8)` codes 8 groups of 8 letters, those of a group
independently of each other. This costs more, but generates in 8 network calls, not 64.
The order from the inside out costs about as much as random order, although training did
not include it.

## Generating and filling in

`generate` takes the same orders. `num_steps` is the number of messages about letters
that are sent by messages. From left to right, the network caches its computations for
earlier positions, so that all letters together take as long as one or two calls on
whole windows.
"""

for order in ("together", "random", "left_to_right"):
    text = model.generate_text(
        2, num_steps=50, sampler="sde2", order=order, seed=1, verbose=0
    )
    print(f"{order:<14}", *text, sep="\n  ")

"""
Known letters can be anywhere: in `given=`, -1 marks the letters to sample. With
`"together"`, known letters stand beside letters with 0 < t < 1. Only the state
`"given"` trains such inputs. This model's `states` lack it, so the texts may be worse.
`continue_text` continues a text to any length.
"""

given = np.full((2, LENGTH), -1)
for start, word in ((0, "the value of the "), (30, " argument "), (58, " list ")):
    given[:, start : start + len(word)] = letters.encode(word)
for order in ("together", "random"):
    filled = model.generate(2, 50, "sde2", given=given, order=order, seed=1, verbose=0)
    print(f"{order:<14}", *letters.decode(filled), sep="\n  ")
print(
    *model.continue_text(
        "the value of ", 1, length=150, order="left_to_right", seed=2, verbose=0
    )
)

"""
## Digits and their labels

A dict of data can be transmitted in any order, too: first the label and then the image,
or the other way round. We treat the five grey levels as unordered classes, which can
always be coded directly. (Levels of a `DiscretizedFlow` can only with
`prediction="data"`.) Without `states`, half of the digits are `"together"` in training,
a quarter `"given"`, and a quarter `"random"`.
"""

digits = load_digits()
levels = (digits.images // 4).astype("int32")[..., None]
parts = {"image": levels, "label": digits.target.astype("int32")}
known_digits = {name: part[:1500] for name, part in parts.items()}
new_digits = {name: part[1500:] for name, part in parts.items()}

flow = {
    "image": flows.DiscreteFlow(num_classes=5, beta_1=3.0),
    "label": flows.DiscreteFlow(num_classes=10, beta_1=3.0),
}
keras.utils.set_random_seed(0)
network = networks.MultiPart(
    flow,
    {"image": (8, 8, 1), "label": ()},
    width=128,
    mixer="mlp",
    times="variables",
    dropout=0.1,
)
digit_model = keras_bfn.AnyOrderNetwork(flow, network, seed=0)
STEPS = 60 * 1500 // 50
rate = keras.optimizers.schedules.CosineDecay(
    0.0, STEPS - 90, warmup_target=2e-3, warmup_steps=90
)
digit_model.compile(
    keras.optimizers.AdamW(rate, weight_decay=0.05),
    loss_weights={"label": 3.0, "image": 1.0},
)
digit_model.fit(known_digits, batch_size=50, epochs=60, verbose=0)


def nats_of_digits(order, known=None):
    nats = digit_model.code_length(
        new_digits, num_repeats=8, order=order, known=known, seed=0, verbose=0
    )
    return (nats["transmission"] + nats["reconstruction"]).mean()


image_first = orders.Groups({"image": 0, "label": 1}, coded_directly=[False, True])
label_first = orders.Groups({"label": 0, "image": 1}, coded_directly=[True, False])
for name, order in {
    "together": "together",
    "coded in random order": "random",
    "label coded, image sent": label_first,
    "image sent, label coded": image_first,
}.items():
    print(f"{name:<24} {nats_of_digits(order):6.2f} nats")
print(
    f"{'label, given the image':<24} {nats_of_digits('together', known=['image']):6.2f} nats"
)

"""
In any order, the codec's file is about as large as the code length for its `num_steps`
(20).
"""

codec = keras_bfn.codec.Codec(digit_model, num_steps=20, order=image_first)
data, report = codec.compress(new_digits, return_report=True, verbose=0)
print(
    f"{report['bits_per_example'] * math.log(2):.2f} nats in a file of {len(data)} bytes"
)
back = codec.decompress(data, verbose=0)
assert all(np.array_equal(back[name], new_digits[name]) for name in back)

"""
## Completions

Given the upper half of a digit, the model samples the lower half. It was trained with
known variables, so it needs no [guidance](guidance.py). Given an image, it samples a
label.
"""

upper = np.where(np.arange(8)[:, None, None] < 4, new_digits["image"][:8], -1)
completed = {
    "coded in random order": "random",
    "by messages": "together",
}
rows = {"given": np.maximum(upper, 0)}
for name, order in completed.items():
    rows[name] = digit_model.generate(
        8, 50, "sde2", given={"image": upper}, order=order, seed=0, verbose=0
    )["image"]
rows["real"] = new_digits["image"][:8]

figure = Figure(figsize=(8, 4.4), layout="constrained")
for axes, (name, images) in zip(
    figure.subplots(len(rows), 1), rows.items(), strict=True
):
    axes.imshow(np.concatenate(images[..., 0], axis=1), cmap="gray", vmin=0, vmax=4)
    axes.set_title(name, fontsize=9)
    axes.set_axis_off()
figure.savefig("digits_in_any_order.png", dpi=100)

read = digit_model.generate(
    297, order="random", given={"image": new_digits["image"]}, seed=0, verbose=0
)
print(
    f"{100 * np.mean(read['label'] == new_digits['label']):.1f}% of the sampled labels are right"
)

"""
## Summary

- `AnyOrderNetwork` gives each variable its own time. Its network needs
  `times="variables"`.
- Pass `order=` to `code_length`, `generate`, `inpaint` and `codec.Codec`.
- Pass known data to `generate` as `given=`, and to `code_length` a mask, or the names
  of parts, as `known=`.
- Measure which order is best: the text above costs least from left to right.
- Numbers of a `ContinuousFlow` can be given, or sent in any order, but not coded
  directly: an exact real number would cost infinitely many nats.
"""
