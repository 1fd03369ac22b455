"""
Title: Getting started with Bayesian Flow Networks
Author: The keras_bfn authors
Date created: 2026/11/24
Last modified: 2026/11/28
Description: Train a Bayesian Flow Network with `model.fit`, score data, and generate samples.
Accelerator: None
"""

"""
## Introduction

In this guide we train a [Bayesian Flow Network](https://arxiv.org/abs/2308.07037) on
8x8 digits, measure the code length of held-out images (the cost of sending them),
generate new ones, and save the model. At the end, `trajectory.png` shows how six
samples emerge step by step. The guide takes less than a minute on a CPU.

The model is a communication protocol between a sender and a receiver. The sender does
not transmit one pixel after another. Each message is a noisy observation of *all*
pixels, and each message is more accurate than the one before. Time runs from 0, before
the first message, to 1, after the last. For each pixel the receiver keeps a simple
distribution, the *input distribution*, and updates it by Bayes' rule after every
message. Before any message it is the *prior*. To compute the input distribution, the
receiver needs only the time and the *evidence*: the sum of the messages so far, each
weighted by its accuracy. A network sees all input distributions together and predicts
the image: the *output distribution*.

The better the prediction, the fewer nats each message costs (a nat is 1.44 bits). The
message about a pixel is drawn from the *sender distribution*, a normal distribution
around the pixel's true value. The receiver's prediction of this message is the
*receiver distribution*: the average of the sender distributions of all possible values,
weighted by the output distribution. The cost is the KL divergence between the two. It
is finite although a message consists of real numbers, because both distributions
contain the same noise. (To send an exact real number would cost infinitely many nats.)
All messages together cost the *transmission loss*, which is the training loss. The
*reconstruction loss* is the cost of sending the exact image after the last message. The
*code length* is the sum of both.

To generate, the receiver also plays the sender: it samples an image from the output
distribution, sends itself a message about that image, updates the input distribution,
and repeats. The [glossary](../docs/glossary.md) lists all terms.

## Setup

Install the requirements from a clone with `pip install -e ".[jax,examples]"`. To use
another backend, replace `jax` by `tensorflow` or `torch`, here and in the code below.
Keras reads the name of the backend from the environment when it is imported:
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

The pixels have levels 0 to 16. We replace levels above 7 by 1 (white) and the others by
0. Each image has the event shape `(8, 8, 1)`: 8 by 8 variables and one channel.
"""

levels = load_digits().images[..., None]
images = (levels > 7).astype("int32")
train, test = images[:1500], images[1500:]
print(train.shape, train.dtype)

"""
## The flow defines what is sent

A *flow* describes the data type. `DiscreteFlow` is for unordered classes, such as
binary pixels or letters, `DiscretizedFlow` for ordered levels, `ContinuousFlow` for
real numbers, and `CircularFlow` for angles. You can also [write your
own](custom_data_types.py). If an example has parts of several types, the data are a
dict, and so is the flow.

Real numbers are sent as values in [-1, 1], but you keep your own units: `fit_scaling`
finds which range of degrees or kilograms to map to [-1, 1], and samples come back in
degrees or kilograms.

```python
flow = keras_bfn.flows.ContinuousFlow(sigma_1=0.02)
flow = keras_bfn.flows.fit_scaling(flow, degrees)
```

`beta_1` is the total accuracy of the messages. It sets how certain the receiver is
after the last message. With a larger `beta_1`, messages cost more, and the
reconstruction costs less. For numbers, levels and angles we set `sigma_1` instead: the
standard deviation of the input distribution after the last message, for values in [-1,
1], or in radians. For classes and levels, `keras_bfn.schedules.fit` finds the value
from data: see [long runs](long_runs.py).
"""

flow = keras_bfn.flows.DiscreteFlow(num_classes=2, beta_1=4.0)

"""
## The network predicts the data

A network is any Keras model or layer that takes a dict with `"theta"`, the parameters
of the input distribution (here, the probability of white for each pixel), and `"t"`,
the time. It returns the parameters of the output distribution (here, the log odds of
white).
"""

network = keras_bfn.networks.MLP(
    flow, event_shape=(8, 8, 1), width=128, num_blocks=2, dropout=0.1
)
model = keras_bfn.BayesianFlowNetwork(flow, network, seed=0)

"""
## Train with `fit`

The usual features of Keras's `fit` work: callbacks, validation, learning rate
schedules, averaged weights, gradient accumulation. Training reports the transmission
loss in nats per variable. Validation also reports `reconstruction`, the reconstruction
loss in nats per variable, and the code length as `bits_per_dim`, in bits per variable.
"""

model.compile(optimizer=keras.optimizers.AdamW(2e-3, use_ema=True, ema_momentum=0.99))
model.fit(train, validation_data=test, epochs=60, batch_size=100, verbose=2)

"""
## Score

`code_length` returns the transmission loss and the reconstruction loss of each image,
in nats per image. By default, the transmission loss is that of infinitely many
messages. Both are estimates: `num_repeats=50` averages over 50 random draws for each
image. As a baseline, we code each pixel independently, by its frequency in the training
set:
"""

nats = model.code_length(test, num_repeats=50, verbose=0)
total = nats["transmission"] + nats["reconstruction"]

white = train.mean(axis=0)[None].clip(1e-3, 1 - 1e-3)
independent = -np.log(np.where(test == 1, white, 1 - white)).sum(axis=(1, 2, 3))
print(f"The model: {total.mean():.1f} nats per image.")
print(f"Independent pixels: {independent.mean():.1f} nats per image.")
bits = total[0] / (model.num_variables * np.log(2))
print(f"The first image: {bits:.2f} bits per dimension.")

"""
An image that costs much more than the others differs from the training data. But simple
images cost little, whether they belong to the data or not: a blank image may cost less
than most digits. So to find outliers, look at both ends:
"""

order = np.argsort(total)
print(f"The three cheapest images: {order[:3]}, of {total[order[:3]].round(1)} nats.")
print(f"The three dearest: {order[-3:]}, of {total[order[-3:]].round(1)} nats.")

"""
With `num_steps` messages, the code is longer. As `num_steps` grows, its length
approaches the one above:
"""

for num_steps in (5, 20, 100):
    nats = model.code_length(test, num_steps=num_steps, num_repeats=50, verbose=0)
    print(num_steps, "steps:", (nats["transmission"] + nats["reconstruction"]).mean())

"""
## Generate

`generate` returns integers, like the data. The same seed gives the same samples. With
`return_details=True`, the result also has a `trajectory`, which holds the parameters of
the input distribution at each step.
"""

result = model.generate(6, num_steps=20, seed=0, return_details=True, verbose=0)
samples, trajectory = result.samples, result.trajectory
for row in range(8):
    print(
        "   ".join(
            "".join(" #"[pixel] for pixel in image[row, :, 0]) for image in samples
        )
    )

print(
    "Input distribution of the first image's middle row, from the prior to the sample:"
)
for step in (0, 5, 10, 20):
    print(np.round(trajectory.theta[step, 0, 4, :, 0, 0], 2))

"""
`plot_trajectory` draws these input distributions as a picture, with one row for each
sample, from the prior on the left to the last step on the right.
"""

keras_bfn.visualization.plot_trajectory(flow, trajectory, "trajectory.png")

"""
## Save and load

A `.keras` file holds the flow, the network, the weights, and the optimizer. It loads on
every backend.
"""

model.save("digits.keras")
model = keras.saving.load_model("digits.keras")
print(model.generate(1, num_steps=20, seed=0, verbose=0).shape)

"""
## Where to go from here

- Use your own data: [a table](tables_from_a_dataframe.py), [a text](text.py), [several
  kinds at once](several_kinds.py). For a folder of pictures, `examples/image_folder.py`
  runs all of the steps above in one command, and `keras_bfn.datasets.image_folder`
  reads the pictures.
- [What it means to send data](sending_data.py) shows the messages and what they cost.
- [Switching backends](switching_backends.py) runs one model on TensorFlow, JAX and
  PyTorch.
- [Sampling](sampling.py) shows how to sample in few steps, sample a given class, and
  complete images of which some pixels are known.
- `examples/digits.py` trains longer, on a data type that you choose, and draws
  pictures.
"""
