"""
Title: Several kinds of data at once
Author: The keras_bfn authors
Date created: 2026/11/27
Last modified: 2026/11/27
Description: Classes, levels and numbers in one model, and any of them given any others.
Accelerator: None
"""

"""
## Introduction

What species a flower is of, how wide its petals are, and how long: three kinds of data that belong
together. One model of all of them draws whole flowers, says what they cost, and is a classifier, a
regression and a generator of what is asked for besides, according to which of them it is given.
This guide trains such a model of Fisher's irises.

It needs `scikit-learn` and `matplotlib`, and takes a minute or two on a processor.

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
## A dict of data, and of flows

Data are a dict. Its *parts* have an axis of examples, and shapes of their own: `()` for a single
variable, `(2,)` for two. The species is a class, one of three. The width of petals was measured in
millimetres, whole ones: levels, 0 to 25. The lengths, of sepals and petals in centimetres, are
taken for real numbers.

For each part there is a *flow*, which says how data of its type are sent, as noisy messages.
`beta_1` and `sigma_1` say how accurately a part is known when all messages have come, and thereby
how early in time: each part has a schedule of its own. Numbers stay in their own units;
`fit_scaling` finds their range.
"""

iris = load_iris()
order = np.random.default_rng(0).permutation(150)
data = {
    "species": iris.target[order].astype("int32"),
    "width": (10 * iris.data[order, 3]).round().astype("int32"),
    "lengths": iris.data[order][:, [0, 2]].astype("float32"),
}
# Each flower 20 times: with other noise, and at other times, in one epoch.
train = {name: part[:110].repeat(20, axis=0) for name, part in data.items()}
test = {name: part[110:] for name, part in data.items()}
shapes = {"species": (), "width": (), "lengths": (2,)}

numbers = flows.ContinuousFlow(sigma_1=0.05, prediction="residual")
flow = {
    "species": flows.DiscreteFlow(num_classes=3, beta_1=5.0),
    "width": flows.DiscretizedFlow(num_bins=26, sigma_1=0.02),
    "lengths": flows.fit_scaling(numbers, data["lengths"], per="variable"),
}
print({name: (part.shape, part.dtype.name) for name, part in train.items()})

"""
## A network for a dict

All that a network is shown and returns is such a dict, too. `MultiPart` takes any number of parts.
With `mixer="mlp"`, all variables are the input of dense blocks; with `"transformer"`, the default,
they are tokens that attend to each other, those of an image in patches.

`times="variables"` gives each variable a time of its own. In training, half of the examples are at
one time, as usual. In the others some variables, or whole parts, are known for sure, and cost
nothing. So the network learns what the rest is like given these.

## What the parts weigh

The loss is the cost of an example, the sum of its parts' nats. `loss_weights` says what a nat of a
part counts in training, 1 by default. A part that matters more than its nats can be learnt first,
to the cost of the others: of a species there are log(3), 1.1 nats, to be learnt at most, and of the
rest there are more. All that `evaluate` and `code_length` tell are nats without weights, but for
the `loss`.

First, two models are trained for a short time, one of which takes a nat of the species for ten.
Then one is trained for longer, without weights. How many test flowers are of the species that is
drawn for them, given all else, and what does each part cost? (`num_repeats=50` lets `evaluate`, not
`fit`, score each flower 50 times; `"sde2"` is a [sampler](sampling.py) that needs few steps.)
"""


def train_model(epochs, loss_weights=None):
    keras.utils.set_random_seed(0)
    network = networks.MultiPart(
        flow, shapes, width=64, num_blocks=2, mixer="mlp", times="variables"
    )
    model = keras_bfn.BayesianFlowNetwork(flow, network, times="variables", seed=0)
    optimizer = keras.optimizers.AdamW(5e-3, use_ema=True, ema_momentum=0.98)
    model.compile(optimizer, loss_weights=loss_weights, num_repeats=50)
    model.fit(train, epochs=epochs, batch_size=220, verbose=0)
    return model


options = {"num_steps": 20, "sampler": "sde2", "seed": 0, "verbose": 0}
for epochs, weights in ((5, None), (5, {"species": 10.0}), (60, None)):
    model = train_model(epochs, weights)
    logs = model.evaluate(test, batch_size=40, return_dict=True, verbose=0)
    given = {name: part.repeat(25, axis=0) for name, part in test.items() if name != "species"}
    drawn = model.generate(1000, given=given, batch_size=1000, **options)["species"]
    right = (drawn == test["species"].repeat(25)).mean()
    costs = ", ".join(f"{name} {logs[f'{name}_nats_per_example']:.2f}" for name in flow)
    print(f"{epochs} epochs, weights {weights}: {right:.0%} right; nats: {costs}")

"""
## Some parts given others

With `given=`, `generate` takes parts as known, and draws the rest: a species for what was measured,
as above, or flowers of a species. Given nothing, it draws all parts, and they go together.
"""

num = 150
drawn = {
    "data": data,
    "drawn together": model.generate(num, batch_size=num, **options),
    "given the species": model.generate(
        num, given={"species": data["species"]}, batch_size=num, **options
    ),
}
figure = Figure((10, 3.5), dpi=100, layout="constrained")
for axes, (title, parts) in zip(figure.subplots(1, 3, sharey=True), drawn.items(), strict=True):
    for k, name in enumerate(iris.target_names):
        rows = parts["species"] == k
        axes.plot(parts["lengths"][rows, 1], parts["width"][rows], ".", label=name)
    axes.set(title=title, xlabel="length of petals, cm", ylabel="width of petals, mm")
axes.legend()
figure.savefig("flowers.png")

"""
What is known need not be whole parts. In what is given, NaN, or -1 in integers, stands for what is
not; and `inpaint` takes a mask for each part, True for all of it, and completes the rest. Here one
of the two lengths is known, that of the sepals, and the species. `inpaint` works with any model,
with `times="shared"`, the default, too: then what is known comes as messages, step by step, and
`num_particles` make up for what is drawn before they have come.
"""

mask = {"species": True, "lengths": np.array([True, False])}
for k, name in enumerate(iris.target_names):
    asked = {
        "species": np.full(100, k, "int32"),
        "lengths": np.tile(np.array([[5.8, 1.0]], "float32"), (100, 1)),  # the second is ignored
    }
    found = model.inpaint(asked, mask, 20, seed=0, verbose=0)
    length, width = found["lengths"][:, 1], found["width"]
    print(
        f"{name} with sepals of 5.8 cm: petals {length.mean():.1f} +- {length.std():.1f} cm long, "
        f"{width.mean():.0f} +- {width.std():.0f} mm wide"
    )

"""
## What parts tell of each other

`code_length` says what each part costs, and with `given=` what the others cost when some are known.
The difference is what the parts tell of each other.
"""


def show_cost(*given):
    nats = model.code_length(test, num_repeats=50, given=given, batch_size=40, seed=0, verbose=0)
    costs = {name: sum(part.values()).mean() for name, part in nats["parts"].items()}
    parts = ", ".join(f"{name} {cost:.2f}" for name, cost in costs.items())
    print(f"given {list(given)}: {sum(costs.values()):.2f} nats ({parts})")


for given in ([], ["species"], ["lengths"], ["width", "lengths"], ["species", "width"]):
    show_cost(*given)

"""
Lengths are real numbers, whose nats are those of a density per centimetre. In another unit they
would be others by a constant, and only their differences tell something.

## Each part at its own pace

With `return_details`, the `trajectory` is a dict, too, of what was known at each step. How probable
is, at each time, the value that is drawn in the end, by its own messages (the input distribution),
and by what the network makes of all of them (the output distribution)?
"""

result = model.generate(500, num_steps=40, batch_size=500, return_details=True, seed=0, verbose=0)
samples, trajectory = result.samples, result.trajectory


def probability(name, params):
    prediction, found = trajectory[name], []
    for step, t in enumerate(prediction.t):  # of each variable
        seen = params[step], prediction.s[step], t
        output = flow[name].output_distribution(*map(keras.ops.convert_to_tensor, seen))
        log_probs = keras.ops.convert_to_numpy(output.log_prob(samples[name]))
        found.append(np.exp(log_probs).mean())
    return found


figure = Figure((6, 3.5), dpi=100, layout="constrained")
axes = figure.subplots()
prediction, t = trajectory["species"], trajectory["species"].t[:, 0]
own = probability("species", flow["species"].evidence_params(prediction.theta))
axes.plot(t, own, "--", color="tab:blue", label="species, by its own messages")
axes.plot(t, probability("species", prediction.params), color="tab:blue", label="species")
of_width = probability("width", trajectory["width"].params)
axes.plot(t, of_width, color="tab:orange", label="width")
axes.set(xlabel="t", ylabel="probability of what is drawn", ylim=(0, 1))
axes.legend()
figure.savefig("pace.png")

"""
The species is known long before the width is known to the millimetre, and earlier than by its own
messages, since the rest tells of it. A larger `beta_1` moves its curve to the left.

## A network of its own for a part

A part may have a network that suits it, such as a `UNet` for pictures, which is told by a vector,
as a condition, what all parts together say. `examples/image_and_label.py` trains such a one:

```python
flow = {"image": flows.DiscretizedFlow(17, sigma_1=0.02), "label": flows.DiscreteFlow(10, 3.0)}
unet = networks.UNet(flow["image"], (8, 8, 1), width=16, conditions=(64,), times="variables")
network = networks.MultiPart(
    flow, {"image": (8, 8, 1), "label": ()}, width=64, networks={"image": unet}, times="variables"
)
```

Any Keras model that takes and returns dicts serves as well: see [a network of your
own](your_own_network.py). Tables of many columns have all this done for them by `keras_bfn.tables`.
"""
