"""
Title: Sampling in few steps, and with a say in the result
Author: The keras_bfn authors
Date created: 2026/11/24
Last modified: 2026/11/28
Description: Samplers and their options, guidance, inpainting, forecasts, and pictures of all.
Accelerator: None
"""

"""
## Introduction

A trained Bayesian Flow Network can be asked for samples in more than one way. This guide uses a
model of 8x8 digits that comes with the package and knows ten classes. It makes samples with few
network calls, of a class that is asked for, between two given digits, and around given parts.

## Setup
"""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
import numpy as np
from keras import ops
from sklearn.datasets import load_digits

import keras_bfn
from keras_bfn import samplers, visualization

model = keras_bfn.BayesianFlowNetwork.from_preset("bfn_digits_classes")
digits = load_digits().images[..., None].astype("int32")

"""
## Samplers

`generate` takes a sampler by name. `"ancestral"` is the paper's: at each step it draws data from
the output distribution, and a message about them. The others use the mean of the output
distribution in the place of a draw, and need fewer steps. `"sde1"` and `"sde2"` add the noise of
a message at each step; `"ode1"` and `"ode2"` add none, so that a sample is a function of where it
starts. The 2 stands for second order: from the last two predictions, they extrapolate how the mean
will move on.
"""

for name in ("ancestral", "sde2", "ode2"):
    samples = model.generate(24, num_steps=9, sampler=name, seed=0, verbose=0)
    visualization.plot_samples(samples, f"{name}.png")

"""
With `num_steps=9` the network is called ten times: once before each step, and once at the end.

A sampler is also an object with options. `temperature` below 1 prefers what is likely. `end` says
what becomes of the last prediction: its mode, a draw, or nothing (`"last"` saves one prediction).
`start` leaves out the first moments, in which a message says next to nothing.
`spacing="log_beta"` spaces the steps evenly in the logarithm of the accuracy; on these digits and
on binary MNIST, few steps are best spent like that.
"""

sampler = samplers.SDE2Sampler(start=0.02, spacing="log_beta")
samples = model.generate(24, num_steps=9, sampler=sampler, seed=0, verbose=0)
visualization.plot_samples(samples, "sde2_log_beta.png")

likely = samplers.SDE2Sampler(temperature=0.5, end="last")
samples = model.generate(24, num_steps=10, sampler=likely, seed=0, verbose=0)

"""
## Guidance

The model was trained with `condition_dropout=0.1`: for a tenth of the examples, drawn by chance,
the class was replaced by the null condition, which stands for one that is not told. So it knows
what changes when it is told a class, and `guidance_scale` sets how much of
that change to apply: 0 ignores the class, 1 is what was learnt, 2 is twice the change. Both outputs
of the network come from a single call on a batch of twice the size.
"""

classes = np.repeat(np.arange(10), 6)
guided = model.generate(
    60, 20, "sde2", condition=classes, guidance_scale=2.0, seed=0, batch_size=60, verbose=0
)
visualization.plot_samples(guided, "guided.png", columns=6)

"""
To train such a model of your own, give the network `conditions`, the model `condition_dropout`,
and `fit` pairs of data and classes:

```python
network = keras_bfn.networks.UNet(flow, image_shape=(8, 8, 1), conditions=10)
model = keras_bfn.BayesianFlowNetwork(flow, network, condition_dropout=0.1)
model.compile(keras.optimizers.AdamW(1e-3))
model.fit((images, labels), epochs=100)
```

## Between two digits

`encode` runs a deterministic sampler backwards: from data to the latents, normally distributed,
from which `generate` makes the data again. Between the latents of two digits, on the sphere, lie
the latents of others. (Told no class, the model goes by the null condition.)
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

`inpaint` completes examples of which parts are known. The known variables send their true
messages step by step, as in training; the rest is sampled, and guided by how well the network
expects what is known. That is nearly right by itself. With `num_particles`, several completions
grow side by side, are weighed by what the guidance got wrong, and one is drawn by weight.
[Guidance by any function](guidance.py) tells more of both.
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
# Each row: a digit whose lower half is hidden in grey, and its completions.
rows = result.samples.reshape(num_digits, num_completions, *x.shape[1:])
rows = np.concatenate([np.where(known, x, 8)[:, None], rows], axis=1)
visualization.plot_samples(rows.reshape(-1, *x.shape[1:]), "completed.png", columns=9)
print("Particles that counted, on average:", result.effective_sample_size.mean().round(1))

"""
A forecast is a completion, too: of a series whose past is known. `forecast` takes a past of any
length and goes on to any horizon, window by window: each begins with the end of what there is. Many
continuations of one series tell how likely what is, and `plot_forecast` draws them as bands. Here,
windows of sines of a random phase are continued for longer than the model has ever seen; with
`times="variables"` it has learnt to take what is known as known ([In any order](in_any_order.py)).
"""

rng = np.random.default_rng(0)
waves = 0.8 * np.sin(np.arange(24)[:, None] / 3 + rng.uniform(0, 2 * np.pi, (2000, 1, 1)))
flow = keras_bfn.flows.ContinuousFlow(sigma_1=0.05)
network = keras_bfn.networks.MLP(flow, (24, 1), width=128, times="variables")
series_model = keras_bfn.BayesianFlowNetwork(flow, network, times="variables", seed=0)
series_model.compile(keras.optimizers.AdamW(2e-3))
series_model.fit(waves, epochs=30, batch_size=50, verbose=0)

past = np.repeat(waves[:1, :16], 64, axis=0)
future = series_model.forecast(past, 60, num_steps=50, stride=12, seed=0, verbose=0)
continued = np.concatenate([past, future], axis=1)
visualization.plot_forecast(continued, "forecast.png", np.arange(76)[:, None] < 16)

"""
`examples/forecast.py` forecasts temperatures, and compares with what is exact.

## Seeing it

With `return_details`, `generate` returns a result whose `trajectory` holds every prediction: the
evidence, and the parameters of the input and output distribution. `plot_trajectory` shows the input
distribution, `animate_generation` both as a moving picture, and `plot_flow` the four distributions
of a single variable.
"""

result = model.generate(16, num_steps=20, seed=0, return_details=True, verbose=0)
trajectory = result.trajectory
visualization.plot_trajectory(model.flow, trajectory, "trajectory.png")
visualization.animate_generation(model.flow, trajectory, "generation.gif")
visualization.plot_flow(model.flow, trajectory, "flow.png", variable=(3, 3, 0))

"""
## A sampler of your own

A sampler is one small class: the state at the start, the evidence that the state stands for, and
a step. This one takes the mode of the output distribution in the place of a draw.
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
