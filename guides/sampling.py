"""
Title: Sampling in few steps, by class, and around known parts
Author: The keras_bfn authors
Date created: 2026/11/24
Last modified: 2026/12/01
Description: Samplers and their options, guidance, inpainting, forecasts, with pictures of each.
Accelerator: None
"""

"""
## Introduction

In this guide we sample 8x8 digits in ten network calls, sample digits of a given class,
interpolate between two digits, and complete digits of which the upper half is known. We
also forecast a series and write a sampler. Each section writes its samples as a
picture, such as `guided.png` or `completed.png`, and `generation.gif` shows digits as
they form.

The model comes with the package. It was trained on digits, with their class as a
condition. [Getting started](getting_started.py) defines the terms of this guide.

## Setup
"""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")

import numpy as np
from keras import ops
from sklearn.datasets import load_digits

import keras_bfn
from keras_bfn import samplers, visualization

model = keras_bfn.BayesianFlowNetwork.from_preset("bfn_digits_classes")
digits = load_digits().images[..., None].astype("int32")

"""
## Samplers

`generate` takes a sampler by name. `"ancestral"` is the paper's: at each step it
samples data from the output distribution, and then a message about these data. The
other samplers use the mean of the output distribution instead of a sample. `"sde1"` and
`"sde2"` add the noise of a message at each step. `"ode1"` and `"ode2"` add no noise, so
a sample is a function of its starting point, which is random. The 2 stands for second
order: these samplers extrapolate the mean from the last two predictions, and need fewer
steps.
"""

for name in ("ancestral", "sde2", "ode2"):
    samples = model.generate(24, num_steps=9, sampler=name, seed=0, verbose=0)
    visualization.plot_samples(samples, f"{name}.png")

"""
With `num_steps=9` the network is called ten times: once before each step, and once
after the last. By default, `generate` takes 20 steps of
`SDE2Sampler(spacing="log_beta")`; with particles, of `"ancestral"`, which is always the
sampler of `inpaint`; and with latents, of `ODE2Sampler(spacing="log_beta")`.

A sampler object has options:

- `temperature` below 1 favours likely values.
- `end` sets how the last prediction becomes a sample. `"mode"`, the default, takes the
  likeliest value of each pixel at t = 1. `"sample"` draws a value. `"last"` takes the
  likeliest value one step earlier, and saves a network call.
- `noise`, of `"sde1"` and `"sde2"`, sets how much is forgotten. Above 1, each step
  replaces a part of the evidence by new evidence about the prediction, which corrects
  errors of earlier steps. With `2` and steps even in time, these digits are [better
  from ten calls on](../benchmarks/results/sampling.md). With `16`, [68% of sampled
  molecules](../benchmarks/results/molecules.md) are valid, without it (at a
  `temperature` of 0.5) 33%. Higher values need more steps, and samples may vary less.
- `start` skips the earliest times, when messages carry almost no information. With
  `"log_beta"`, it is chosen by the flow if you leave it out.
- `spacing="log_beta"` spaces the steps evenly in the logarithm of the total accuracy,
  beta. With few steps, it gives the best samples of these digits and of binary MNIST,
  by [Fréchet distance](../docs/results.md#samples).
"""

sampler = samplers.SDE2Sampler(start=0.02, spacing="log_beta")
samples = model.generate(24, num_steps=9, sampler=sampler, seed=0, verbose=0)
visualization.plot_samples(samples, "sde2_log_beta.png")

likely = samplers.SDE2Sampler(temperature=0.5, end="last")
samples = model.generate(24, num_steps=10, sampler=likely, seed=0, verbose=0)

"""
## Guidance

The model was trained with `condition_dropout=0.1`: for a random tenth of the examples,
the class was replaced by the null condition, which means that the class is unknown. The
model can therefore compare its predictions with and without the class. `guidance_scale`
multiplies the difference between them: 0 ignores the class, 1 is the prediction as
trained, and 2 doubles the difference. Both predictions come from one network call on a
batch of twice the size.
"""

classes = np.repeat(np.arange(10), 6)
guided = model.generate(
    60,
    20,
    "sde2",
    condition=classes,
    guidance_scale=2.0,
    seed=0,
    batch_size=60,
    verbose=0,
)
visualization.plot_samples(guided, "guided.png", columns=6)

"""
To train such a model, give `conditions` to the network, `condition_dropout` to the
model, and pairs of data and classes to `fit`:

```python
network = keras_bfn.networks.UNet(flow, image_shape=(8, 8, 1), conditions=10)
model = keras_bfn.BayesianFlowNetwork(flow, network, condition_dropout=0.1)
model.compile(keras.optimizers.AdamW(1e-3))
model.fit((images, labels), epochs=100)
```

## Between two digits

`encode` runs a deterministic sampler (`"ode1"` or `"ode2"`) backwards, from data to
*latents*, the starting points of this sampler, which are normally distributed. The
backward run begins with noisy evidence about the data, so `encode` takes a seed.
`generate` turns the latents into the data again. We interpolate on the sphere between
the latents of two digits, and generate a digit from each point. (Without a class, the
model uses the null condition.)
"""

sampler = samplers.ODE2Sampler(start=0.01, spacing="log_beta")
ends = model.encode(digits[[3, 8]], 50, sampler, seed=0, verbose=0)
again = model.generate(2, 50, sampler, latents=ends, verbose=0)
print("Levels that changed on the way there and back:", (again != digits[[3, 8]]).sum())

angles = np.linspace(0, np.pi / 2, 8).reshape(-1, 1, 1, 1, 1)
between = np.cos(angles) * ends[0] + np.sin(angles) * ends[1]
samples = model.generate(8, 50, sampler, latents=between, verbose=0)
visualization.plot_samples(samples, "between.png")

"""
## Inpainting

`inpaint` completes examples of which some variables are known. At each step, messages
about the known variables come from their true values, as in training. The unknown
variables are sampled, guided towards values for which the network predicts the known
variables well. (This is not the guidance above, and needs no class.) With this guidance
alone, completions follow the conditional distribution only approximately. With
`num_particles`, several candidates run in parallel for each completion. Weights correct
the error of the guidance: one candidate is drawn in proportion to its weight. The
effective sample size says how many candidates have a substantial weight. [Guidance by
any function](guidance.py) explains guidance and particles.
"""

num_digits, num_completions = 4, 8
x = digits[10 : 10 + num_digits]
known = np.zeros(x.shape[1:], bool)
known[:4] = True  # the upper half
result = model.inpaint(
    np.repeat(x, num_completions, axis=0),
    known,
    num_steps=50,
    num_particles=4,
    seed=0,
    return_details=True,
    verbose=0,
)
# Each row: a digit with its lower half greyed out, then its completions.
rows = result.samples.reshape(num_digits, num_completions, *x.shape[1:])
rows = np.concatenate([np.where(known, x, 8)[:, None], rows], axis=1)
visualization.plot_samples(rows.reshape(-1, *x.shape[1:]), "completed.png", columns=9)
print(
    "Particles that counted, on average:", result.effective_sample_size.mean().round(1)
)

"""
## Forecasts

`keras_bfn.series` trains one model on windows of many series, whose past is the
condition. The model samples their future, in the units of each series, to any horizon:
beyond that of training, block by block. Many paths of one series are samples of its
future, and `plot_forecast` draws their quantiles as bands. Here the series are noisy
sines, and we extend one of them by two blocks.
"""

rng = np.random.default_rng(0)
waves = np.sin(np.arange(96) / 3 + rng.uniform(0, 2 * np.pi, (100, 1)))
waves += 0.1 * rng.normal(size=waves.shape)
series_model = keras_bfn.series.make_model(
    waves, horizon=24, season=19, width=64, seed=0
)
series_model.compile(keras_bfn.recipes.adamw(num_steps=600, peak_rate=2e-3))
series_model.fit(
    series_model.windows(waves, 4000, seed=0), epochs=15, batch_size=100, verbose=0
)

paths = series_model.sample_paths(waves[:1], num_paths=64, horizon=48, seed=0)[0]
continued = np.concatenate([np.repeat(waves[:1], 64, axis=0), paths], axis=1)
visualization.plot_forecast(continued, "forecast.png", np.arange(144) < 96)

"""
`examples/forecast.py` instead completes windows of temperatures by an `AnyOrderNetwork`
([in any order](in_any_order.py)), and compares the result with the exact forecast.

## Pictures of the process

With `return_details=True`, `generate` returns a result whose `trajectory` holds, for
every step, the time, the evidence, the parameters of the input distribution, and the
network's output. `plot_trajectory` draws the input distribution, and
`animate_generation` both the input and the output distribution. `plot_flow` draws four
distributions of a single variable. Two are of its value: the input and the output
distribution. Two are of the message until the next column, a black line: the sender
distribution, with the finished sample as the data (dashed below), and the receiver
distribution, the network's prediction.
"""

result = model.generate(16, num_steps=20, seed=0, return_details=True, verbose=0)
trajectory = result.trajectory
visualization.plot_trajectory(model.flow, trajectory, "trajectory.png")
visualization.animate_generation(model.flow, trajectory, "generation.gif")
visualization.plot_flow(model.flow, trajectory, "flow.png", variable=(3, 3, 0))

"""
## A sampler of your own

A sampler is a small class with three methods: `init` returns the initial state,
`evidence` converts a state to the evidence from which the network predicts (here the
state is the evidence), and `step` returns the next state. `flow.embed` turns data into
the vectors that messages are about. `flow.observe` draws a message of accuracy `alpha`
about such vectors, and returns its contribution to the evidence. This sampler is the
ancestral one with the mode of the output distribution in place of a sample.
"""


class GreedySampler(samplers.Sampler):
    def init(self, flow, shape, seed=None):
        return ops.zeros(shape)

    def evidence(self, flow, state, t):
        return state

    def step(self, flow, state, distribution, t, t_next, seed=None):
        alpha = flow.schedule.beta(t_next) - flow.schedule.beta(t)
        return state + flow.observe(flow.embed(distribution.mode()), alpha, seed)


samples = model.generate(24, num_steps=20, sampler=GreedySampler(), seed=0, verbose=0)
visualization.plot_samples(samples, "greedy.png")
