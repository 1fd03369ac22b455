"""
Title: Reproducing the paper
Author: The keras_bfn authors
Date created: 2026/11/27
Last modified: 2026/11/27
Description: The recipes of three experiments, one of them as a toy, and what is done otherwise.
Accelerator: None
"""

"""
## Introduction

[The paper](https://arxiv.org/abs/2308.07037) has three experiments: MNIST in black and white,
CIFAR-10 in 16 or 256 levels of colour, and the letters of text8. Each trained for a million steps
or more. This guide prints their recipes, runs the first at toy size, in a minute, tells the
commands of the full runs, and lists what this package does otherwise than the code of the paper's
authors. It needs `scikit-learn` and `matplotlib`.

## Setup
"""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
import numpy as np
from sklearn.datasets import load_digits

import keras_bfn
from keras_bfn import BayesianFlowNetwork, flows, networks

"""
## The recipes

Each model of the paper is a preset. `Preset.make_flow` makes its flow, the data type with its
accuracy schedule, and `Preset.recipe` has what it was trained by. Common to all: AdamW at a
constant rate with `beta_1=0.9` (of AdamW, not of the flow) and a weight decay of 0.01, gradients
clipped at a norm of 5, and weights averaged with a momentum of 0.9999.
"""

for name, preset in BayesianFlowNetwork.presets.items():
    if preset.recipe is not None:
        flow, recipe = preset.make_flow(), preset.recipe
        print(f"{name}: {preset.num_params / 1e6:.2f}M weights\n    {flow}")
        print(
            f"    {recipe.num_steps:,} steps of {recipe.batch_size}, "
            f"rate {recipe.learning_rate}, beta_2 {recipe.beta_2}"
        )

"""
What belongs to the paper, and what is a choice of this package? The paper's are the schedules, with
their `beta_1` and `sigma_1`, the networks and their sizes, all of the recipe, the ancestral
sampler, and a flat prior. `shortcut=True`, priors by `fit_prior`, schedules by `schedules.fit`,
other samplers, and the defaults of `Transformer` (windows, rotary positions, scaled evidence) are
this package's. The presets leave them off.

## The first one, as a toy

A smaller network of the same kind, with the same options, learns black and white digits of 8x8
pixels. The rate is higher, and the momentum of the averages lower, than in the paper, as suits two
hundred steps.

With `shortcut=True`, the default, what the messages about a variable tell is added to the
network's output. Without it, a network has first of all to learn to repeat that: before, it costs
more than pixels that are guessed one by one.
"""

keras.utils.set_random_seed(0)
images = np.random.default_rng(0).permutation(load_digits().images)[..., None]
images = (images > 7).astype("int32")
train, test = images[:1500], images[1500:]

flow = flows.DiscreteFlow(num_classes=2, beta_1=9.0)
options = {"width": 16, "width_multipliers": (1, 2), "num_blocks": 1, "num_heads": 2}
network = networks.UNet(flow, (8, 8, 1), **options, dropout=0.1, shortcut=False)
model = BayesianFlowNetwork(flow, network, seed=0)
optimizer = keras.optimizers.AdamW(
    2e-3, beta_2=0.98, weight_decay=0.01, global_clipnorm=5.0, use_ema=True, ema_momentum=0.97
)
model.compile(optimizer)

"""
As in the paper, a model is scored by what an example costs in n messages, and in continuous time,
where there are infinitely many: here in nats per image. (CIFAR-10 is told in bits per dimension,
text8 in bits per character.)
"""


def print_costs(when):
    row = f"{when:<10}"
    for num_steps in (10, 25, 50, 100, None):
        nats = model.code_length(test, num_steps, num_repeats=5, batch_size=99, seed=0, verbose=0)
        row += f"{(nats['transmission'] + nats['reconstruction']).mean():>10.2f}"
    print(row)


print(f"{'n':<10}{10:>10}{25:>10}{50:>10}{100:>10}{'infinite':>10}")
print_costs("untrained")
model.fit(train, batch_size=50, epochs=7, verbose=0)
print_costs("trained")

white = train.mean(axis=0).clip(1e-3, 1 - 1e-3)
alone = -np.log(np.where(test == 1, white, 1 - white)).sum(axis=(1, 2, 3)).mean()
print(f"Pixels that are guessed one by one: {alone:.2f} nats")

"""
At full size, after a million steps, the paper has 95.21, 84.40, 81.06, 79.46 and 77.87 nats for an
image of MNIST. Samples by its sampler:
"""

samples = model.generate(30, num_steps=50, sampler="ancestral", seed=0, verbose=0)
keras_bfn.visualization.plot_samples(samples, "toy.png", columns=10)

"""
The other two as toys, from a clone:

```shell
KERAS_BACKEND=jax python examples/cifar10.py --preset tiny --data embedded
KERAS_BACKEND=jax python examples/text8.py --preset tiny --data embedded
```

## The full runs

From a clone, on a machine with GPUs:

```shell
pip install -e ".[jax,examples,datasets,tensorflow]"   # TensorFlow Datasets reads with TensorFlow
KERAS_BACKEND=jax python examples/mnist.py
KERAS_BACKEND=jax python examples/cifar10.py --data-type discretized --num-bins 256
KERAS_BACKEND=jax python examples/text8.py
```

Each goes on where it was killed when it is given again, and ends with a table of code lengths
beside the paper's. `--preset small` is a recipe for a processor, which is this package's own. What
has been run so far, and how far it got, is in [the results](../docs/results.md): the full runs are
not among it.

## The authors' weights

The presets load the checkpoints that the authors published, on every backend; `pip install torch
huggingface_hub` is needed to read them.

```python
model = keras_bfn.BayesianFlowNetwork.from_preset("bfn_mnist_binary")
nats = model.code_length(x, num_steps=25, num_repeats=25)  # x: 0 or 1, (number, 28, 28, 1)
```

What `keras_bfn.checkpoints.load_official` does on the way:

- kernels are turned from PyTorch's axes to Keras's. Images are channels last here, as in Keras; a
  network with `data_format="channels_first"` computes the other way round inside, by the same
  weights;
- their network for black and white is shown `2 P(0) - 1`, ours `2 P(1) - 1`: what touches the input
  changes its sign;
- sines and cosines of the time, and queries, keys and values of the heads, are put into the order
  that they have here.

Every weight of the file is used exactly once, or the file is refused. With the same random weights,
the outputs are theirs to 1.2e-5 of the largest; the tests compare them.

## What is done otherwise

| the authors' code | here |
|---|---|
| the n-step loss of classes adds up divergences of K numbers | that of the whole message: less |
| probabilities times the exponential of a message | sums of logarithms: no overflow |
| the first messages' variance is a difference of like numbers | `expm1`: no cancellation |
| differences of cumulative distributions become 0 | their logarithms, by a stable form |
| validation leaves out the reconstruction | it is told, and part of `bits_per_dim` |
| times are drawn independently | they are stratified over a batch: less noise in the loss |
| validation draws new noise each time | it has a seed of its own: the same weights cost the same |
| a run that is killed begins anew | `callbacks.Resume` |

For 16 bins sent as numbers, their code reconstructs with a normal of 0.7 times the last messages'
deviation: the preset does so, too (`reconstruction_std`). How much the first, sixth and seventh
rows matter is measured in [correctness](../benchmarks/results/correctness.md).
"""
