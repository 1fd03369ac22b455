"""
Title: Reproducing the paper
Author: The keras_bfn authors
Date created: 2026/11/27
Last modified: 2026/11/28
Description: The recipes of three experiments, one of them at toy size, and our differences.
Accelerator: None
"""

"""
## Introduction

This guide has the recipes of the three experiments of [the
paper](https://arxiv.org/abs/2308.07037) and the commands that run them. It also trains
a toy version of the first experiment in a minute (samples in `toy.png`). The
experiments are binary MNIST, CIFAR-10 with 16 or 256 levels per colour channel, and the
letters of text8. In the paper, each model trained for a million steps or more.

At the end, the guide lists the differences from the code of the paper's authors. It
needs `scikit-learn` and `matplotlib`.

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

Each model of the paper is a preset. `Preset.make_flow` creates its flow (the data type
with its accuracy schedule), and `Preset.recipe` has the settings of its training. All
recipes use AdamW at a constant rate with `beta_1=0.9` (of AdamW, not of the flow) and a
weight decay of 0.01. They clip gradients at a norm of 5, and average weights with a
momentum of 0.9999.
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
The following come from the paper: the schedules with their `beta_1` and `sigma_1`, the
networks and their sizes, all settings of the recipe, the ancestral sampler, and the
prior (uniform, or a standard normal). The presets do not use these additions of this
package: `shortcut=True`, priors by `fit_prior`, schedules by `schedules.fit`, other
samplers, and the defaults of `Transformer` (convolutions, rotary positions, scaled
evidence).

## The first experiment at toy size

We train a smaller network of the same kind on black and white digits of 8x8 pixels.
Training takes only two hundred steps, so the learning rate is higher than in the paper,
and the momentum of the averages is lower.

As in the paper, the network has no shortcut. With `shortcut=True`, the default, the
evidence about each variable is added to the network's output for that variable. Without
it, a network must first learn to copy the evidence. Until then, an image costs more
than if each pixel were predicted from its frequency alone.
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
    2e-3,
    beta_2=0.98,
    weight_decay=0.01,
    global_clipnorm=5.0,
    use_ema=True,
    ema_momentum=0.97,
)
model.compile(optimizer)

"""
As in the paper, we score a model by the cost of an example, both in n messages and in
continuous time, the limit of infinitely many messages. Here the unit is nats per image.
(The paper reports CIFAR-10 in bits per dimension and text8 in bits per character.)
"""


def print_costs(when):
    row = f"{when:<10}"
    for num_steps in (10, 25, 50, 100, None):
        nats = model.code_length(
            test, num_steps, num_repeats=5, batch_size=99, seed=0, verbose=0
        )
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
For the full-size model after a million steps, the paper reports 95.21, 84.40, 81.06,
79.46 and 77.87 nats per image of MNIST, in the order of these columns. We sample with
the paper's sampler:
"""

samples = model.generate(30, num_steps=50, sampler="ancestral", seed=0, verbose=0)
keras_bfn.visualization.plot_samples(samples, "toy.png", columns=10)

"""
Run the other two experiments at toy size from a clone:

```shell
KERAS_BACKEND=jax python examples/cifar10.py --preset tiny --data embedded
KERAS_BACKEND=jax python examples/text8.py --preset tiny --data embedded
```

## The full runs

From a clone, on a machine with GPUs:

```shell
# "jax[cuda12]": plain JAX runs on the CPU. TensorFlow Datasets reads with TensorFlow.
pip install -e ".[jax,examples,datasets,tensorflow]" "jax[cuda12]"
KERAS_BACKEND=jax python examples/mnist.py
KERAS_BACKEND=jax python examples/cifar10.py --data-type discretized --num-bins 256
KERAS_BACKEND=jax python examples/text8.py
```

If a run is killed, run the same command again to resume it. Each run ends with a table
of code lengths beside the paper's. `--preset small` is a recipe of this package for a
CPU. [The results](../docs/results.md) list the runs so far and their figures. The full
runs are not among them.

## The authors' weights

The presets load the checkpoints that the authors published, on every backend. Reading
them needs `pip install torch huggingface_hub`.

```python
model = keras_bfn.BayesianFlowNetwork.from_preset("bfn_mnist_binary")
# x: 0 or 1, (number, 28, 28, 1)
nats = model.code_length(x, num_steps=25, num_repeats=25)
```

`keras_bfn.checkpoints.load_official` converts the weights as follows:

- It transposes kernels from PyTorch's axes to Keras's. Images are channels last here,
  as in Keras. A network with `data_format="channels_first"` uses the same weights and
  computes in the other layout.
- The authors' network for binary images takes `2 P(0) - 1` as its input, ours `2 P(1) -
  1`. So the function changes the sign of the weights that act on this input.
- It reorders the sines and cosines of the time embedding, and the queries, keys and
  values of the attention heads.

It uses every weight of the file exactly once, or refuses the file. With the same random
weights, our outputs differ from those of the authors' networks by at most 1.2e-5 of the
largest output. The tests compare the two.

## Differences from the authors' code

| the authors' code | here |
|---|---|
| n-step loss of classes: divergences of K numbers, summed | divergence of the whole message: less |
| probabilities times the exponential of a message | sums of logarithms, which cannot overflow |
| variance of the first messages: a difference of close numbers | `expm1`, without cancellation |
| differences of cumulative distributions, which can become 0 | their logarithms, in a stable form |
| no reconstruction loss in validation | reported, and part of `bits_per_dim` |
| independent times | times stratified over a batch: less noise in the loss |
| new noise in each validation | a fixed seed: the same weights have the same cost |
| a killed run starts again from the beginning | a killed run resumes: `callbacks.Resume` |

For 16 bins sent as numbers, the authors' code computes the reconstruction loss with a
normal whose standard deviation is 0.7 times `sigma_1`. The preset does the same
(`reconstruction_std`). [Correctness](../benchmarks/results/correctness.md) gives the
effect of rows 1, 6 and 7.
"""
