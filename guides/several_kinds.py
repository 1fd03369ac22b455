"""
Title: Several kinds of data at once
Author: The keras_bfn authors
Date created: 2026/11/27
Last modified: 2026/11/28
Description: Classes, levels and numbers in one model, and any of them given any others.
Accelerator: None
"""

"""
## Introduction

In this guide we train one model on Fisher's irises: the species, the width of the
petals, and the lengths of sepals and petals. We then sample whole flowers, sample any
part given the others, and compute the cost of each part in nats. `flowers.png` shows
samples beside the data, and `pace.png` shows when each part becomes certain.

The same model serves as a classifier, a regression model or a conditional generator,
depending on which parts are given. The guide needs `scikit-learn` and `matplotlib`, and
takes a minute or two on a CPU.

## Setup
"""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
import numpy as np
from matplotlib.figure import Figure
from sklearn.datasets import load_iris

import keras_bfn
from keras_bfn import flows, networks

"""
## A dict of data, and a dict of flows

The data are a dict of *parts*. Each part is an array. Its first axis counts the
examples; the other axes are the shape of the part: `()` for a single variable, `(2,)`
for two. The species is one of three classes. The width of the petals was measured in
whole millimetres, so we treat it as levels, 0 to 25. The lengths of sepals and petals,
in centimetres, are real numbers.

Each part has a *flow*, which defines how data of its type are sent as noisy messages.
`beta_1` and `sigma_1` set the total accuracy of the messages about a part. All parts
are sent at the same time, and a part with a higher accuracy becomes known earlier.
Numbers stay in their own units: `fit_scaling` finds their range.
"""

iris = load_iris()
order = np.random.default_rng(0).permutation(150)
data = {
    "species": iris.target[order].astype("int32"),
    "width": (10 * iris.data[order, 3]).round().astype("int32"),
    "lengths": iris.data[order][:, [0, 2]].astype("float32"),
}
# Each flower occurs 20 times in an epoch, each time with new noise and at a new time.
train = {name: part[:110].repeat(20, axis=0) for name, part in data.items()}
test = {name: part[110:] for name, part in data.items()}
shapes = {"species": (), "width": (), "lengths": (2,)}

# "residual": the network predicts how far the data are from the mean of the input
# distribution.
numbers = flows.ContinuousFlow(sigma_1=0.05, prediction="residual")
flow = {
    "species": flows.DiscreteFlow(num_classes=3, beta_1=5.0),
    "width": flows.DiscretizedFlow(num_bins=26, sigma_1=0.02),
    "lengths": flows.fit_scaling(numbers, data["lengths"], per="variable"),
}
print({name: (part.shape, part.dtype.name) for name, part in train.items()})

"""
## A network for a dict

The inputs and outputs of the network are dicts with the same names, too. `MultiPart`
takes any number of parts. With `mixer="mlp"`, dense blocks take all variables together
as their input. With `"transformer"`, the default, each variable is a token that attends
to the others; images are cut into patches.

`AnyOrderNetwork`, with a network that takes `times="variables"`, gives each variable
its own time. In training, half of the examples have one time for all variables, as in
the paper. In the other half, some variables or whole parts are given: they are known
exactly and cost nothing. From these, the network learns to predict the rest.

## Weights of the parts

The training loss is the sum of the costs of the parts. `loss_weights` multiplies the
cost of each part by a weight, 1 by default. With a higher weight, the model learns a
part earlier, at the expense of the others. Here the species has the smallest share of
the loss: it costs at most about log(3), or 1.1 nats, and the other parts cost more. The
weights only affect `loss`: all other figures of `evaluate` and `code_length` are
unweighted nats.

We first train two models for a short time, one of them with a weight of 10 for the
species. Then we train a third for longer, without weights. With each model we sample
the species of test flowers given all other parts. We print the fraction of correct
samples, and the cost of each part. (With `num_repeats=50`, `evaluate` averages over 50
values of t for each flower, for less noise. Training is unchanged. `"sde2"` is a
[sampler](sampling.py) that needs few steps.)
"""


def train_model(epochs, loss_weights=None):
    keras.utils.set_random_seed(0)
    network = networks.MultiPart(
        flow, shapes, width=64, num_blocks=2, mixer="mlp", times="variables"
    )
    model = keras_bfn.AnyOrderNetwork(flow, network, seed=0)
    optimizer = keras.optimizers.AdamW(5e-3, use_ema=True, ema_momentum=0.98)
    model.compile(optimizer, loss_weights=loss_weights, num_repeats=50)
    model.fit(train, epochs=epochs, batch_size=220, verbose=0)
    return model


options = {"num_steps": 20, "sampler": "sde2", "seed": 0, "verbose": 0}
for epochs, weights in ((5, None), (5, {"species": 10.0}), (60, None)):
    model = train_model(epochs, weights)
    logs = model.evaluate(test, batch_size=40, return_dict=True, verbose=0)
    given = {
        name: part.repeat(25, axis=0)
        for name, part in test.items()
        if name != "species"
    }
    drawn = model.generate(1000, given=given, batch_size=1000, **options)["species"]
    right = (drawn == test["species"].repeat(25)).mean()
    costs = ", ".join(f"{name} {logs[f'{name}_nats_per_example']:.2f}" for name in flow)
    print(f"{epochs} epochs, weights {weights}: {right:.0%} right; nats: {costs}")

"""
## Some parts given others

With `given=`, `generate` takes some parts as known and samples the rest: above, the
species given the measurements; here, flowers of a given species. Without `given=`, it
samples all parts jointly.
"""

num = 150
drawn = {
    "data": data,
    "samples of all parts": model.generate(num, batch_size=num, **options),
    "samples given the species": model.generate(
        num, given={"species": data["species"]}, batch_size=num, **options
    ),
}
figure = Figure((10, 3.5), dpi=100, layout="constrained")
for axes, (title, parts) in zip(
    figure.subplots(1, 3, sharey=True), drawn.items(), strict=True
):
    for k, name in enumerate(iris.target_names):
        rows = parts["species"] == k
        axes.plot(parts["lengths"][rows, 1], parts["width"][rows], ".", label=name)
    axes.set(title=title, xlabel="length of petals, cm", ylabel="width of petals, mm")
axes.legend()
figure.savefig("flowers.png")

"""
A part need not be known entirely. In `given=`, NaN (or -1 in integers) marks unknown
variables. `inpaint` instead takes `known=`, a mask for each part, or True for a whole
part, and samples the rest. Here the species and the length of the sepals are known.

`inpaint` works with any model. In a `BayesianFlowNetwork`, known variables are sent
step by step, like the others. The first steps then have only noisy messages about them,
and the completions are approximate; a larger `num_particles` corrects this.
"""

known = {"species": True, "lengths": np.array([True, False])}
for k, name in enumerate(iris.target_names):
    asked = {
        "species": np.full(100, k, "int32"),
        "lengths": np.tile(
            np.array([[5.8, 1.0]], "float32"), (100, 1)
        ),  # 1.0 is ignored
    }
    found = model.inpaint(asked, known, 20, seed=0, verbose=0)
    length, width = found["lengths"][:, 1], found["width"]
    print(
        f"{name} with sepals of 5.8 cm: petals {length.mean():.1f} +- {length.std():.1f} cm long, "
        f"{width.mean():.0f} +- {width.std():.0f} mm wide"
    )

"""
## How much the parts say about each other

`code_length` returns the cost of each part. With `known=`, which names parts, it
returns the cost of the others. The difference from their cost without `known=` is the
information that the known parts give about them.
"""


def show_cost(*known):
    nats = model.code_length(
        test, num_repeats=50, known=known, batch_size=40, seed=0, verbose=0
    )
    costs = {name: sum(part.values()).mean() for name, part in nats["parts"].items()}
    parts = ", ".join(f"{name} {cost:.2f}" for name, cost in costs.items())
    print(f"given {list(known)}: {sum(costs.values()):.2f} nats ({parts})")


for known in ([], ["species"], ["lengths"], ["width", "lengths"], ["species", "width"]):
    show_cost(*known)

"""
The lengths are real numbers, so their cost is minus the logarithm of a density per
centimetre. In another unit it changes by a constant, so only differences between such
costs are meaningful.

## When each part becomes known

With `return_details=True`, `generate` also returns a `trajectory`: for each part, the
predictions at all steps. We plot the probability of the final sample under the output
distribution, which depends on the messages about all parts. For the species, we also
plot its probability under the input distribution, which depends only on the messages
about the species.
"""

result = model.generate(
    500, num_steps=40, batch_size=500, return_details=True, seed=0, verbose=0
)
samples, trajectory = result.samples, result.trajectory


def probability(name, params):
    prediction, found = trajectory[name], []
    for step, t in enumerate(prediction.t):  # t holds a time for each variable
        seen = params[step], prediction.s[step], t
        output = flow[name].output_distribution(*map(keras.ops.convert_to_tensor, seen))
        log_probs = keras.ops.convert_to_numpy(output.log_prob(samples[name]))
        found.append(np.exp(log_probs).mean())
    return found


figure = Figure((6, 3.5), dpi=100, layout="constrained")
axes = figure.subplots()
prediction, t = trajectory["species"], trajectory["species"].t[:, 0]
# What a network would return that sees only the messages about the species:
own = probability("species", flow["species"].evidence_params(prediction.theta))
axes.plot(t, own, "--", color="tab:blue", label="species, by its own messages")
axes.plot(
    t, probability("species", prediction.params), color="tab:blue", label="species"
)
of_width = probability("width", trajectory["width"].params)
axes.plot(t, of_width, color="tab:orange", label="width")
axes.set(xlabel="t", ylabel="probability of the final sample", ylim=(0, 1))
axes.legend()
figure.savefig("pace.png")

"""
The species is certain long before the width is known to the millimetre. It also becomes
certain earlier than from its own messages alone, because the other parts are
informative about it. A larger `beta_1` for the species moves its curve to the left.

## A separate network for a part

A part can have a network that suits it, such as a `UNet` for pictures. `MultiPart`
computes a vector from all parts and passes it to this network as a condition.
`examples/image_and_label.py` trains such a model:

```python
flow = {
    "image": flows.DiscretizedFlow(17, sigma_1=0.02),
    "label": flows.DiscreteFlow(10, 3.0),
}
unet = networks.UNet(
    flow["image"], (8, 8, 1), width=16, conditions=(64,), times="variables"
)
network = networks.MultiPart(
    flow,
    {"image": (8, 8, 1), "label": ()},
    width=64,
    networks={"image": unet},
    times="variables",
)
```

Any Keras model that takes and returns dicts works as well: see [a network of your
own](your_own_network.py). For tables with many columns, `keras_bfn.tables` does all of
this for you.
"""
