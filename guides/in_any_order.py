"""
Title: In any order
Author: The keras_bfn authors
Date created: 2026/11/28
Last modified: 2026/11/28
Description: One network that sends its variables together, one by one, or given any others.
Accelerator: None
"""

"""
## Introduction

A Bayesian Flow Network sends all variables of an example together: at each time, all are known to
the same accuracy. Nothing in the theory asks for that. Let each variable i have a time of its own,
and let the times rise from 0 to 1 along any path. Each part of the path then costs

$$\\sum_i \\tfrac{c}{2}\\, \\beta'(t_i)\\, |e(x_i) - \\hat e_i|^2\\, dt_i,$$

and, if the network is the exact posterior, the whole path costs the joint entropy of the variables,
whichever path it is. That is the chain rule: what is said first need not be said again. A variable
may also be *told*: coded at once, by the network's output distribution, at -log p(x). It is known
from then on.

So one network can be

- a Bayesian flow, if all variables are sent together;
- an autoregressive model, if each is told after those before it;
- a masked diffusion model, if they are told in random order;
- an imputer, if some are given and the rest is sent.

In practice networks are not exact, and what they learn differs by order. This guide trains a model
of text and one of digits with their labels, and compares. It needs `scikit-learn`, `matplotlib`
and `constriction`, and takes a few minutes on a processor.

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

`times="variables"` gives each letter a time of its own. In training, each window is in one of
several kinds of states; `orders` are their shares:

- `"together"`: all letters at one time, as in the paper;
- `"given"`: some letters known, the rest at one time;
- `"random"`: some letters known, at a random share, and the rest told;
- `"left_to_right"`: all told, each after those before it.

The last takes a network with a causal form: `causal=True` lets each position see those before it
alone, wherever the model asks for that, with the same weights. So one network call predicts all
letters of a window from left to right, as in autoregressive models.
"""

LENGTH, BATCH_SIZE, STEPS = 64, 64, 400
letters = datasets.Letters()
train, _, test = datasets.embedded_text(
    batch_size=BATCH_SIZE, seq_length=LENGTH, steps_per_epoch=STEPS
)
held_out = np.concatenate(list(test))[:256]

keras.utils.set_random_seed(0)
flow = flows.fit_prior(flows.DiscreteFlow(27, beta_1=0.75), train.tokens[None])
network = networks.Transformer(
    flow, LENGTH, width=96, num_layers=3, num_heads=0, times="variables", causal=True
)
model = keras_bfn.BayesianFlowNetwork(
    flow,
    network,
    times="variables",
    orders={"together": 0.25, "random": 0.25, "left_to_right": 0.5},
    tokenizer=letters,
    seed=0,
)
rate = keras.optimizers.schedules.CosineDecay(0.0, STEPS - 40, warmup_target=0.007, warmup_steps=40)
model.compile(keras.optimizers.Muon(rate, exclude_layers=["projection"]))
model.fit(train, verbose=2)

"""
## What each order costs

`code_length` takes an `order`: a name, one of `keras_bfn.orders`, or an array of one's own with the
number of each variable's group. By default one step of each example's order is scored, a random
one, which is right on average; `num_repeats` scores more of them.
"""


def bits(order, num_repeats=8):
    nats = model.code_length(held_out, num_repeats=num_repeats, order=order, seed=0, verbose=0)
    total = nats["transmission"] + nats["reconstruction"]
    return total.mean() / LENGTH / math.log(2)


inside_out = np.abs(2 * np.arange(LENGTH) + 1 - LENGTH) // 2
for order in ("together", "random", orders.Random(8), "left_to_right", inside_out):
    name = "inside out" if order is inside_out else order
    print(f"{name!s:<24} {bits(order):.2f} bits per letter")

"""
From left to right, the network has learnt most: what comes next is easiest to say. Random order is
cheaper than messages. `Random(8)` tells eight letters at once, each regardless of the others, which
costs more, but takes eight network calls in place of 64. Inside out, an order that it never saw,
it pays about as much as in random order.

## Writing, and filling in

`generate` takes the same orders. Told from left to right, what the network has computed of one
position is kept for those that follow, so all letters cost about as much as one or two calls on
whole windows.
"""

for order in ("together", "random", "left_to_right"):
    text = model.generate_text(2, num_steps=50, sampler="sde2", order=order, seed=1, verbose=0)
    print(f"{order:<14}", *text, sep="\n  ")

"""
What is known from the start is given, wherever it is: -1 stands for what is to be drawn. And
`continue_text` goes on for as long as one likes, window by window.
"""

given = np.full((2, LENGTH), -1)
for start, word in ((0, "the value of the "), (30, " argument "), (58, " list ")):
    given[:, start : start + len(word)] = letters.encode(word)
for order in ("together", "random"):
    filled = model.generate(2, 50, "sde2", given=given, order=order, seed=1, verbose=0)
    print(f"{order:<14}", *letters.decode(filled), sep="\n  ")
print(
    *model.continue_text("the value of ", 1, length=150, order="left_to_right", seed=2, verbose=0)
)

"""
## Digits and their labels

Data of several kinds are sent in any order, too: first the label, then the picture; or the other
way round. Here pixels are classes, one of five levels of grey, so that they can be told.
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
    flow, {"image": (8, 8, 1), "label": ()}, width=128, mixer="mlp", times="variables", dropout=0.1
)
digit_model = keras_bfn.BayesianFlowNetwork(flow, network, times="variables", seed=0)
STEPS = 60 * 1500 // 50
rate = keras.optimizers.schedules.CosineDecay(0.0, STEPS - 90, warmup_target=2e-3, warmup_steps=90)
digit_model.compile(
    keras.optimizers.AdamW(rate, weight_decay=0.05), loss_weights={"label": 3.0, "image": 1.0}
)
digit_model.fit(known_digits, batch_size=50, epochs=60, verbose=0)


def nats_of_digits(order, given=None):
    nats = digit_model.code_length(
        new_digits, num_repeats=8, order=order, given=given, seed=0, verbose=0
    )
    return (nats["transmission"] + nats["reconstruction"]).mean()


image_first = orders.Groups({"image": 0, "label": 1}, told=[False, True])
label_first = orders.Groups({"label": 0, "image": 1}, told=[True, False])
for name, order in {
    "together": "together",
    "told, in random order": "random",
    "label told, then image": label_first,
    "image, then label told": image_first,
}.items():
    print(f"{name:<24} {nats_of_digits(order):6.2f} nats")
print(f"{'label, given the image':<24} {nats_of_digits('together', given=['image']):6.2f} nats")

"""
The codec makes files of these costs, in any of these orders, and needs `constriction`.
"""

codec = keras_bfn.codec.Codec(digit_model, num_steps=20, order=image_first)
data, report = codec.compress(new_digits, return_report=True, verbose=0)
print(f"{report['bits_per_example'] * math.log(2):.2f} nats in a file of {len(data)} bytes")
back = codec.decompress(data, verbose=0)
assert all(np.array_equal(back[name], new_digits[name]) for name in back)

"""
## Completions

Given the upper half of a digit, the network draws the lower. No particles are needed: it has learnt
what follows from known variables. Given pictures, the labels that it draws read them.
"""

upper = np.where(np.arange(8)[:, None, None] < 4, new_digits["image"][:8], -1)
completed = {
    "told in random order": "random",
    "by messages": "together",
}
rows = {"given": np.maximum(upper, 0)}
for name, order in completed.items():
    rows[name] = digit_model.generate(
        8, 50, "sde2", given={"image": upper}, order=order, seed=0, verbose=0
    )["image"]
rows["real"] = new_digits["image"][:8]

figure = Figure(figsize=(8, 4.4), layout="constrained")
for axes, (name, images) in zip(figure.subplots(len(rows), 1), rows.items(), strict=True):
    axes.imshow(np.concatenate(images[..., 0], axis=1), cmap="gray", vmin=0, vmax=4)
    axes.set_title(name, fontsize=9)
    axes.set_axis_off()
figure.savefig("digits_in_any_order.png", dpi=100)

read = digit_model.generate(
    297, order="random", given={"image": new_digits["image"]}, seed=0, verbose=0
)
print(f"{100 * np.mean(read['label'] == new_digits['label']):.1f}% of labels drawn are right")

"""
## To sum up

- `times="variables"` in the model and in the network: each variable has a time of its own.
- `order=` in `code_length`, `generate`, `inpaint` and `keras_bfn.codec.Codec`; `given=` for what is
  known.
- Which order is best is to be measured: text is cheapest from left to right, pictures often
  together.
- Numbers of a `ContinuousFlow` can be given, and sent by messages in any order, but not told: no
  output distribution says how likely a real number is.
"""
