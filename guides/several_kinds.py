"""
Title: Several kinds of data at once
Author: The keras_bfn authors
Date created: 2026/11/27
Last modified: 2026/11/27
Description: Pictures, labels and numbers in one model, and any of them given any others.
Accelerator: None
"""

"""
## Introduction

A picture, what it shows, and how much ink it took: three kinds of data that belong together. One
model of all of them draws them together, says what they cost together, and is a classifier, a
conditional generator and a regression besides, according to which of them it is given. This guide
trains such a model of 8x8 digits.

It needs `scikit-learn` and `matplotlib`, and takes two minutes on a processor.

## Setup
"""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
import numpy as np
from matplotlib.figure import Figure
from sklearn.datasets import load_digits

import keras_bfn
from keras_bfn import flows, networks

"""
## A dict of data, and of flows

Data are a dict. Its *parts* have an axis of examples, and shapes of their own: `()` for a single
variable. Here the pictures are black and white, and the ink is a sum of grey levels, which they do
not quite determine.

For each part there is a flow, which says how data of its type are sent. `beta_1` and `sigma_1` say
how accurately a part is known when all messages have come, and thereby how early in time: each part
has a schedule of its own. The ink stays in its own unit, and `fit_scaling` finds its range.
"""

levels, labels = load_digits(return_X_y=True)
data = {
    "image": (levels.reshape(-1, 8, 8, 1) > 7).astype("int32"),
    "label": labels.astype("int32"),
    "ink": levels.sum(axis=1).astype("float32"),
}
train = {name: part[:1500] for name, part in data.items()}
test = {name: part[1500:] for name, part in data.items()}

flow = {
    "image": flows.DiscreteFlow(num_classes=2, beta_1=4.0),
    "label": flows.DiscreteFlow(num_classes=10, beta_1=3.0),
    "ink": flows.fit_scaling(flows.ContinuousFlow(0.05, prediction="data"), data["ink"]),
}
shapes = {"image": (8, 8, 1), "label": (), "ink": ()}
print({name: (part.shape, part.dtype.name) for name, part in train.items()})

"""
## A network for a dict

All that a network is shown and returns is such a dict, too. `MultiPart` takes any number of parts.
With `mixer="mlp"`, all variables are the input of dense blocks; with `"transformer"`, the default,
they are tokens that attend to each other, those of an image in patches.

`times="parts"` gives each part a time of its own. In training, the times of half of the examples
differ from part to part, and some parts are at t = 1: all is known of them but what no message
tells, and they cost nothing. So the network learns what the others are like given these.
"""


def train_model(loss_weights):
    keras.utils.set_random_seed(0)
    network = networks.MultiPart(
        flow, shapes, width=96, num_blocks=2, mixer="mlp", dropout=0.1, times="parts"
    )
    model = keras_bfn.BayesianFlowNetwork(flow, network, times="parts", seed=0)
    optimizer = keras.optimizers.AdamW(3e-3, use_ema=True, ema_momentum=0.98)
    model.compile(optimizer, loss_weights=loss_weights)
    model.fit(train, epochs=30, batch_size=125, verbose=0)
    return model


"""
## What the parts weigh

The loss is the cost of an example, the sum of its parts' nats. A picture is 64 variables, and a
label one, which costs log(10), 2.3 nats, at most. So a network that has little time learns pictures
first. `loss_weights` says what a nat of a part counts in training. What `evaluate` and
`code_length` tell are nats without weights, but for the `loss`.

Two models: all alike, and labels and ink ten times as heavy. How often is the label right that is
drawn for a picture that it is given?
"""


def draw_labels(model):
    given = {"image": test["image"]}
    drawn = model.generate(297, 20, given=given, batch_size=297, seed=0, verbose=0)
    return drawn["label"], drawn["ink"]


for weights in (None, {"label": 10.0, "ink": 10.0}):
    model = train_model(weights)
    drawn, ink = draw_labels(model)
    logs = model.evaluate(test, batch_size=297, return_dict=True, verbose=0)
    error = np.sqrt(np.mean((ink - test["ink"]) ** 2))
    print(f"loss_weights={weights}")
    print("  ", {name: round(value, 2) for name, value in logs.items() if "example" in name})
    print(f"   labels right {(drawn == test['label']).mean():.0%}, ink to within {error:.0f}")

"""
## Some parts given others

With `given=`, `generate` takes parts as known, and draws the rest. So the model is a classifier,
where it is given a picture, and a generator of what is asked for, where it is given a label. Given
nothing, it draws all parts, and they go together.

What is known need not be whole parts. `inpaint` takes a mask for each part, True for all of it, and
completes the rest: here the label and the upper half of a picture are known. It works with any
model, with `times="shared"`, the default, too: what is known then comes as messages, step by step,
and `num_particles` make up for what is made up before they have come.
"""

options = {"num_steps": 20, "seed": 0, "verbose": 0}
ten = {name: part[:10] for name, part in test.items()}
upper = np.arange(8).reshape(8, 1, 1) < 4
rows = {
    "drawn together": model.generate(10, **options),
    "given a label": model.generate(10, given={"label": np.arange(10)}, **options),
    "held out": ten,
    "label and upper half known": model.inpaint(
        ten, {"image": upper, "label": True}, num_particles=4, **options
    ),
}
figure = Figure((9, 5), dpi=100, layout="constrained")
for line, (title, parts) in zip(figure.subfigures(len(rows), 1), rows.items(), strict=True):
    line.suptitle(title, x=0.01, ha="left", fontsize=10)
    for axes, image, label, ink in zip(line.subplots(1, 10), *parts.values(), strict=True):
        axes.imshow(image[..., 0], cmap="gray", vmin=0, vmax=1)
        axes.set_title(f"{label}, {ink:.0f}", fontsize=9)
        axes.set_axis_off()
figure.savefig("digits.png")

"""
Above each picture are its label and its ink.

## What parts tell of each other

`code_length` says what each part costs, and with `given=` what the others cost when some are known.
The difference is what the parts tell of each other.
"""


def cost(*given):
    nats = model.code_length(test, num_repeats=20, given=given, batch_size=297, seed=0, verbose=0)[
        "parts"
    ]
    return {name: (sum(part.values())).mean() for name, part in nats.items()}


def show(given, costs):
    parts = ", ".join(f"{name} {nats:.2f}" for name, nats in costs.items())
    print(f"given {given}: {sum(costs.values()):.2f} nats ({parts})")


show("nothing", cost())
for given in (["label"], ["image"], ["image", "ink"], ["label", "ink"]):
    show(" and ".join(given), cost(*given))

"""
Ink is a real number, whose nats are those of a density: per grey level, for that is its unit. In
other units they would be others by a constant, and only differences tell something.

## Each part at its own pace

`return_trajectory` returns a dict, too, of what was known at each step. How sure is Bob, on
average, of each part by its own messages (the input distribution), and how sure does the network
make him (the output distribution)? Shown is the mean probability of the value that is drawn in the
end.
"""

samples, trajectory = model.generate(
    100, num_steps=40, batch_size=100, return_trajectory=True, seed=0, verbose=0
)


def sureness(name, params):
    look, found = trajectory[name], []
    for step, t in enumerate(look.t):
        times = np.full(100, t, "float32")
        output = flow[name].output_distribution(params[step], look.s[step], times)
        log_probs = keras.ops.convert_to_numpy(output.log_prob(samples[name]))
        found.append(np.exp(log_probs).mean())
    return found


figure = Figure((6, 3.5), dpi=100, layout="constrained")
axes = figure.subplots()
for name, color in (("image", "tab:blue"), ("label", "tab:orange")):
    look = trajectory[name]
    own = sureness(name, flow[name].evidence_params(look.theta))
    axes.plot(look.t, own, "--", color=color, label=f"{name}, by its own messages")
    axes.plot(look.t, sureness(name, look.params), color=color, label=f"{name}, by the network")
axes.set(xlabel="t", ylabel="probability of what is drawn", ylim=(0, 1))
axes.legend()
figure.savefig("pace.png")

"""
A part that is known long before the others guides them; the `beta_1` of a part moves its curve.

## A network of its own for a part

A part may have a network that suits it, such as a `UNet` for pictures, which is told by a vector,
as a condition, what all parts together say. `examples/image_and_label.py` trains this one, on 17
grey levels.

```python
unet = networks.UNet(flow["image"], (8, 8, 1), width=16, conditions=(96,))
network = networks.MultiPart(
    flow, shapes, width=96, mixer="mlp", networks={"image": unet}, times="parts"
)
```

Any Keras model that takes and returns dicts serves, as well: see [a network of your
own](your_own_network.py). Tables of many columns have all this done for them by `keras_bfn.tables`.
"""
