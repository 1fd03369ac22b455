"""
Title: Getting started with Bayesian Flow Networks
Author: The keras_bfn authors
Date created: 2026/11/24
Last modified: 2026/11/27
Description: Train a Bayesian Flow Network with `model.fit`, score data, and generate.
Accelerator: None
"""

"""
## Introduction

Alice wants to send an image to Bob. Instead of sending pixel after pixel, she sends a little
information about *all* pixels at once: each message is the image plus noise, and each message
is more accurate in total than the one before. Bob keeps what he knows about each pixel as a simple
distribution, the *input distribution*, and updates it by Bayes' rule with every message. A
network looks at all these distributions together, and predicts the image: the *output
distribution*. The better it predicts, the fewer nats (of 1.44 bits each) each message costs. That
cost is the loss of a [Bayesian Flow Network](https://arxiv.org/abs/2308.07037), and it is all that
is trained.

To generate, Bob plays both parts: he draws an image from the network's prediction, sends himself
a message about it, updates, and asks again.

This guide trains on the 8x8 digits that come with scikit-learn, and takes less than a minute.

## Setup

What is needed is installed from a clone by `pip install -e ".[jax,examples]"`, or with `tensorflow`
or `torch` in the place of `jax`: then write its name in the place of "jax" below, too. Keras reads
from the environment, when it is imported, which backend to run on:
"""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
import numpy as np
from sklearn.datasets import load_digits

import keras_bfn

keras.utils.set_random_seed(0)

"""
## Data

The pixels have levels 0 to 16. Made black and white, they are integers: 0 or 1. The event shape is
`(8, 8, 1)`, one channel of 8 by 8 variables.
"""

levels = load_digits().images[..., None]
images = (levels > 7).astype("int32")
train, test = images[:1500], images[1500:]
print(train.shape, train.dtype)

"""
## The flow says what is sent

A *flow* describes the data type. `DiscreteFlow` is for classes without an order, such as binary
pixels or letters; `DiscretizedFlow` for levels in order; `ContinuousFlow` for real numbers. Data of
several kinds are a dict, and so is their flow.

Real numbers are sent in [-1, 1], and stay in their own units: `fit_scaling` finds the range of
degrees or kilograms that this stands for, and samples are degrees or kilograms again.

```python
flow = keras_bfn.flows.fit_scaling(keras_bfn.flows.ContinuousFlow(sigma_1=0.02), degrees)
```

`beta_1` is the accuracy of all messages together: how sure Bob may get before the rest is paid, the
cost of telling the data exactly. For numbers and levels it is set by `sigma_1`, the standard
deviation that Bob is left with in the end, in units of [-1, 1]. (`keras_bfn.schedules.fit` finds
either for other data: see [long runs](long_runs.py).)
"""

flow = keras_bfn.flows.DiscreteFlow(num_classes=2, beta_1=4.0)

"""
## The network says what Bob makes of it

A network is any Keras model or layer that takes a dict with `"theta"`, the parameters of the input
distribution (here, the probability of white for each pixel), and `"t"`, the time. It returns the
parameters of the output distribution (here, the log odds of white).
"""

network = keras_bfn.networks.MLP(flow, event_shape=(8, 8, 1), width=128, num_blocks=2, dropout=0.1)
model = keras_bfn.BayesianFlowNetwork(flow, network, seed=0)

"""
## Train with `fit`

Everything that Keras's `fit` can do works as ever: callbacks, validation, learning rate schedules,
averaged weights, gradient accumulation. Training reports the loss in nats per variable. Validation
reports more: `reconstruction`, the cost of reconstruction, and `bits_per_dim`, the whole
cost in bits per variable.
"""

model.compile(optimizer=keras.optimizers.AdamW(2e-3, use_ema=True, ema_momentum=0.99))
model.fit(train, validation_data=test, epochs=60, batch_size=100, verbose=2)

"""
## Score

`code_length` says what it costs to send each image, in nats. Sent as independent coin tosses, one
for each pixel, they would cost more:
"""

nats = model.code_length(test, num_repeats=50, verbose=0)
total = nats["transmission"] + nats["reconstruction"]

white = train.mean(axis=0)[None].clip(1e-3, 1 - 1e-3)
independent = -np.log(np.where(test == 1, white, 1 - white)).sum(axis=(1, 2, 3))
print(f"The model: {total.mean():.1f} nats per image.")
print(f"Independent pixels: {independent.mean():.1f} nats per image.")

"""
With a finite number of messages the cost is higher. It falls towards the figure above as the steps
grow:
"""

for num_steps in (5, 20, 100):
    nats = model.code_length(test, num_steps=num_steps, num_repeats=50, verbose=0)
    print(num_steps, "steps:", (nats["transmission"] + nats["reconstruction"]).mean())

"""
## Generate

`generate` returns integers, as the data are. The same seed gives the same samples. With
`return_details`, the result also has a `trajectory`: what Bob knew at each step.
"""

result = model.generate(6, num_steps=20, seed=0, return_details=True, verbose=0)
samples, trajectory = result.samples, result.trajectory
for row in range(8):
    print("   ".join("".join(" #"[pixel] for pixel in image[row, :, 0]) for image in samples))

print("What is known of the first image's middle row, from the prior to the sample:")
for step in (0, 5, 10, 20):
    print(np.round(trajectory.theta[step, 0, 4, :, 0, 0], 2))

"""
The same as pictures: what is known of each pixel, from the prior on the left to the sample.
"""

keras_bfn.visualization.plot_trajectory(flow, trajectory, "trajectory.png")

"""
## Save and load

A `.keras` file holds the flow, the network, the weights, and the optimizer. It loads on every
backend.
"""

model.save("digits.keras")
model = keras.saving.load_model("digits.keras")
print(model.generate(1, num_steps=20, seed=0, verbose=0).shape)

"""
## Where to go from here

- Data of your own: [a table](tables_from_a_dataframe.py), [a text](text.py), [several kinds at
  once](several_kinds.py). Of a folder of pictures, `examples/image_folder.py` makes all of the
  above in one command, and `keras_bfn.datasets.image_folder` reads one.
- [What it means to send data](sending_data.py) shows the messages, and what they cost.
- [Switching backends](switching_backends.py) runs one model on TensorFlow, JAX and PyTorch.
- [Sampling](sampling.py) in few steps, of a class, or around given parts.
- `examples/digits.py` trains longer, on all data types, and draws pictures.
"""
