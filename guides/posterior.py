"""
Title: Simulation-based inference
Author: The keras_bfn authors
Date created: 2026/11/28
Last modified: 2026/11/28
Description: Posteriors, predictions and their calibration, from one model of a simulator.
Accelerator: None
"""

"""
## Introduction

A simulator turns parameters into observations. Simulation-based inference solves the
inverse problem: which parameters explain an observation? The likelihood is unknown;
only simulations are available.

Here one model learns the joint distribution of parameters and observations, as two
parts of one example. Given an observation, it samples parameters: the posterior. Given
parameters, it samples observations: the likelihood. The same model handles missing
observations and discrete parameters. This guide trains such a model, checks its
calibration, and ports code from `sbi` and BayesFlow.

It needs `matplotlib`, and takes about 75 seconds of processor time.

## Setup
"""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
import numpy as np
from matplotlib.figure import Figure

from keras_bfn import recipes, simulation

"""
## A simulator

Two parameters are uniform in a box. The simulator samples a point on a small crescent,
and shifts it by the parameters. The shift depends on the absolute value of their sum,
so two regions of the box explain the same observation: the posterior is a pair of
crescents ("two moons").
"""

rng = np.random.default_rng(0)


def prior(num):
    return rng.uniform(-1, 1, (num, 2)).astype("float32")


def simulator(parameters):
    num = len(parameters)
    angle, radius = rng.uniform(-np.pi / 2, np.pi / 2, num), rng.normal(0.1, 0.01, num)
    crescent = np.stack([radius * np.cos(angle) + 0.25, radius * np.sin(angle)], axis=1)
    total, difference = parameters.sum(axis=1), parameters[:, 1] - parameters[:, 0]
    moved = crescent + np.stack([-np.abs(total), difference], axis=1) / np.sqrt(2)
    return moved.astype("float32")


def simulate(num):
    parameters = prior(num)
    return {"parameters": parameters, "observation": simulator(parameters)}


simulations, held_out = simulate(5000), simulate(300)

"""
## One model

`simulation.make_model` scales the numbers, and makes a flow for each part and one
network for all parts. With `bounds`, no sample lies outside the prior's box. In most
training examples, the part `observed` (by default `"observation"`) is given, so that
the posterior is learnt best. The rest is plain Keras: `compile` with any optimizer,
`fit` with callbacks, validation data and so on.
"""

keras.utils.set_random_seed(0)
model = simulation.make_model(simulations, bounds={"parameters": (-1, 1)}, seed=0)
EPOCHS, BATCH_SIZE = 120, 200
model.compile(recipes.adamw(EPOCHS * 5000 // BATCH_SIZE, peak_rate=2e-3))
model.fit(simulations, batch_size=BATCH_SIZE, epochs=EPOCHS, verbose=0)

"""
A network memorises a thousand simulations in a few thousand steps. If you have so few,
hold some out, and keep the averaged weights of the epoch in which the held-out ones
cost least. The `order` below scores the parameters given the observation; `num_repeats`
makes the score less noisy:

```python
from keras_bfn import orders

order = orders.Groups({"observation": 0, "parameters": 1}, coded_directly=False)
model.compile(recipes.adamw(4000, peak_rate=2e-3), order=order, num_repeats=10)
stop = keras.callbacks.EarlyStopping(
    "val_parameters_nats_per_example", patience=40, restore_best_weights=True
)
averages = keras.callbacks.SwapEMAWeights(swap_on_epoch=True)
options = {"validation_data": held_out, "callbacks": [averages, stop]}
model.fit(simulations, batch_size=100, epochs=400, **options)
```

## The posterior

`sample` samples all parts, given some of them. Given one observation, as here, the
parameters have the shape `(2000, 2)`; given a batch of n observations, `(n, 2000, 2)`.
"""

observed = np.array([-0.2, 0.3], "float32")
posterior = model.sample(2000, given={"observation": observed}, seed=0)["parameters"]
print(posterior.shape, posterior.min(axis=0), posterior.max(axis=0))

"""
With parameters given, `sample` samples observations. For parameters from the posterior
these are posterior predictions: they should scatter around the observation (a cross in
`posterior.png`), as new simulations with the same parameters do.
"""

predicted = model.sample(1, given={"parameters": posterior}, seed=1)["observation"][
    :, 0
]
simulated = simulator(posterior)

figure = Figure((9, 3), layout="constrained")
panels = {"posterior": posterior, "predicted": predicted, "simulated again": simulated}
for axes, (title, points) in zip(figure.subplots(1, 3), panels.items(), strict=True):
    axes.plot(*points.T, ".", markersize=2)
    axes.set(title=title, aspect="equal")
    if title != "posterior":
        axes.plot(*observed, "k+")
figure.savefig("posterior.png", dpi=100)

"""
## Missing observations

NaN marks a number that was not observed. `sample` draws the parameters given the
observed numbers, then the missing numbers given the parameters. If only the second
number is known, the posterior is a band across the box (`missing.png`). In 25% of the
training examples, a random part of the observation is known.
"""

partly = model.sample(2000, given={"observation": [np.nan, 0.3]}, seed=0)

figure = Figure((6, 3), layout="constrained")
for axes, name in zip(figure.subplots(1, 2), partly, strict=True):
    axes.plot(*partly[name].T, ".", markersize=2)
    axes.set(title=name, aspect="equal")
figure.savefig("missing.png", dpi=100)

"""
Simulations may contain NaN, too, where a simulator failed. Missing values do not enter
the loss.

## Densities

`log_likelihood` estimates a lower bound of a log density, in nats. If the observations
are `known`, the density is that of the posterior at the true parameters. If the
parameters are, it is that of the likelihood at the observations. Densities depend on
the units of the data.
"""

for known in ("observation", "parameters"):
    nats = model.log_likelihood(held_out, known=[known], num_repeats=50, seed=0)
    print(f"given the {known}: {nats.mean():.2f} nats")

"""
## Calibration

The true parameters of new simulations are known. If the posteriors are right, the rank
of the true parameter among posterior samples is uniform (simulation-based calibration),
and the central 90% interval contains it 90% of the time. `calibration.png` shows how
often each rank occurs, in ten bars. If the ranks are uniform, a bar ends within the
grey band with 99% probability. Too many ranks in the middle mean that posteriors are
too wide; too many at the ends, that they are too narrow. If high ranks are more
frequent than low ones, samples are too low on average.
"""

DRAWS, BARS = 99, 10
given = {"observation": held_out["observation"]}
draws = model.sample(DRAWS, given, seed=0)["parameters"]
ranks = (draws < held_out["parameters"][:, None]).sum(axis=1)
within = np.mean((ranks >= 5) & (ranks < 95), axis=0)
print("coverage of the central 90% intervals:", within.round(3))

expected = len(ranks) / BARS
deviation = 2.58 * np.sqrt(expected * (1 - 1 / BARS))
figure = Figure((6, 2.5), layout="constrained")
for i, axes in enumerate(figure.subplots(1, 2)):
    axes.axhspan(expected - deviation, expected + deviation, color="0.9")
    axes.hist(ranks[:, i], BARS, range=(-0.5, DRAWS + 0.5))
    axes.set(title=f"parameter {i + 1}", xlabel="rank")
figure.savefig("calibration.png", dpi=100)

"""
## Discrete parameters

Integers are classes, 0 to K - 1. (Pass counts as floats, since their order matters.)
Here a class selects one of two simulators, and its posterior is a Bayesian model
comparison. Parts may have any names, and there may be more than two; `observed` names
the part that will usually be given, but `sample(given=...)` takes any parts. A missing
integer is -1.
"""


def simulate_mixed(num):
    kind, rate = rng.integers(0, 2, num), rng.uniform(0.5, 2, num)
    values = np.where(kind[:, None] == 0, rng.exponential(rate[:, None], (num, 4)), 0)
    values += np.where(kind[:, None] == 1, rng.normal(rate[:, None], 0.3, (num, 4)), 0)
    return {"kind": kind, "rate": rate, "measured": values}


mixed = simulate_mixed(5000)
mixed_model = simulation.make_model(
    mixed, bounds={"rate": (0.5, 2)}, observed="measured", seed=0
)
mixed_model.compile(recipes.adamw(30 * 25, peak_rate=3e-3))
mixed_model.fit(mixed, batch_size=200, epochs=30, verbose=0)
for measured in ([1.0, 1.2, 0.8, 1.1], [0.1, 2.5, 0.4, 1.0]):
    drawn = mixed_model.sample(500, given={"measured": measured}, seed=0)
    share, rate = drawn["kind"].mean(), drawn["rate"]
    print(
        f"{measured}: rate {rate.mean():.2f} +- {rate.std():.2f}, P(kind = 1) = {share:.2f}"
    )

"""
## From sbi, and from BayesFlow

In `sbi`, a prior has a method `sample`, and a simulator takes a batch of parameters.
Both return torch tensors, which `make_model`, `fit` and `sample` accept:

```python
parameters = prior.sample((10_000,))
simulations = {"parameters": parameters, "observation": simulator(parameters)}
base = prior.base_dist  # if the prior is a BoxUniform
model = simulation.make_model(simulations, bounds={"parameters": (base.low, base.high)})
model.compile(recipes.adamw(400 * 50, peak_rate=2e-3))
model.fit(simulations, batch_size=200, epochs=400)
samples = model.sample(1000, given={"observation": observed})["parameters"]
samples = torch.tensor(samples)
```

A simulator of BayesFlow returns a dict of arrays, which `make_model` and `fit` take. An
adapter is not needed: the flows scale the numbers.

```python
simulations = simulator.sample(10_000)  # a bayesflow.simulators.Simulator
model = simulation.make_model(simulations, observed="x")
model.compile(recipes.adamw(400 * 50, peak_rate=2e-3))
model.fit(simulations, batch_size=200, epochs=400)
# In BayesFlow: conditions={"x": observed}.
samples = model.sample(1000, given={"x": observed})
```

## To sum up

- `simulation.make_model(simulations, bounds)`, then `compile` and `fit`, as for any
  Keras model.
- `sample(num, given=...)`: posterior, likelihood, predictions, missing observations.
- `log_likelihood(x, known=...)`: a lower bound of a log density, in nats.
- Ranks of true parameters show whether posteriors are calibrated.

[The results](../benchmarks/results/inference.md) compare samples with reference
posteriors; `examples/posterior.py` reads simulations from a file.
"""
