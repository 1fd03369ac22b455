"""
Title: Networks, presets and the paper's checkpoints
Author: The keras_bfn authors
Date created: 2026/11/24
Last modified: 2026/11/27
Description: Use a trained model, pick a network, and load the weights of the paper's authors.
Accelerator: None
"""

"""
## Introduction

A Bayesian Flow Network is a data type, the *flow*, and a network. This guide starts from a model
that is trained already, looks at the networks that come with the package, gives one of them
classes, and ends with the six models of the [paper](https://arxiv.org/abs/2308.07037), whose
published weights load on every backend.

## Setup
"""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
import numpy as np

import keras_bfn
from keras_bfn import BayesianFlowNetwork

"""
## A trained model

`from_preset` builds a model by name and loads its weights. In the package are `"bfn_digits"` and
`"bfn_digits_classes"`, 8x8 digits of 17 levels, `"bfn_mnist"`, digits in black and white, and
`"bfn_text"`, letters. A README.md beside each tells of the data, the figures and the command.
"""

model = BayesianFlowNetwork.from_preset("bfn_digits")
digits = model.generate(16, num_steps=20, seed=0, verbose=0)
keras_bfn.visualization.plot_samples(digits, "preset_digits.png")
print(digits.shape, digits.min(), digits.max())

"""
These are all presets:
"""

for name, preset in BayesianFlowNetwork.presets.items():
    print(f"{name:<28}{preset.num_params / 1e6:>8.2f}M  {preset.description}")

"""
A model of your own becomes a folder, which any backend reads:
"""

model.save_to_preset("my_digits")
copy = BayesianFlowNetwork.from_preset("my_digits")

"""
On a hub, others find it, with a card that tells the data, the figures, the licence and how to load
it, and shows samples. Handles are those of KerasHub, `hf://` for Hugging Face and `kaggle://` for
Kaggle; the hubs' libraries are installed by `pip install "keras-bfn[hub]"`:

```python
model.upload_preset(
    "hf://user/digits",
    data="1,500 of scikit-learn's 8x8 digits, 17 levels.",
    license="apache-2.0",
    figures={"nats per image, 297 held out, continuous time": 76.17},
)
model = BayesianFlowNetwork.from_preset("hf://user/digits")
```
"""

"""
## The networks

- `MLP`, for vectors and other small data.
- `UNet`, for images and signals: convolutions at several resolutions, attention in the middle. The
  paper's network for MNIST.
- `VDMUNet`, for both: a deep stack at full resolution, with Fourier features of the input. The
  paper's network for CIFAR-10.
- `PatchTransformer`, for images: patches that see those around them, or each other. With
  `num_coarse_layers`, some blocks see squares of patches as one, so that what is far apart meets.
- `Transformer`, for sequences. By default its blocks see their neighbours by a convolution, its
  attention knows distances, and its evidence is scaled. The paper's network for text8 is
  `kernel_size=1, expansion=4, positions="sinusoidal", features="plain"`.

All take the flow and the shape, and some size:
"""

flow = keras_bfn.flows.DiscreteFlow(num_classes=27, beta_1=0.5625)
network = keras_bfn.networks.Transformer(flow, 32, width=64, num_layers=2, num_heads=4)
print(f"{network.count_params():,} weights")

"""
Two arguments matter for large networks. `dtype="mixed_bfloat16"` computes in half precision; the
evidence, the times, the outputs and the losses stay float32. `remat=True` computes activations
again in the backward pass instead of keeping them. (`"mixed_float16"` works, too, but on JAX only
on a GPU.) A preset takes another policy than it was saved with: `from_preset("bfn_text",
dtype="mixed_bfloat16")`.

## Conditions

With `conditions`, a network takes a class beside the data: `fit((data, classes))`,
`generate(..., condition=classes)`. One condition more, `network.null_condition`, stands for "none";
with `condition_dropout`, the model trains with it in the place of some of the classes, and then
also generates without any. A network of your own has such a condition if the model is told:
`BayesianFlowNetwork(..., null_condition=10)`, or an array, where conditions are numbers.

A number stands for so many classes, a tuple for the shape of a condition of numbers. Several
conditions are a dict: `conditions={"label": 10, "text": (32,)}`, and
`fit((data, {"label": labels, "text": embeddings}))`. Each may have a null of its own, and be
dropped together with the others or, by a dict of rates, by itself. Numbers for each position of a
sequence or an image, such as a small picture, enlarged, that is to become a large one, are seen
where they are: `conditions=(28, 28, 1)`.
"""

flow = keras_bfn.flows.DiscreteFlow(num_classes=2, beta_1=4.0)
network = keras_bfn.networks.MLP(flow, (8,), width=32, num_blocks=1, conditions=2)
conditional = BayesianFlowNetwork(flow, network, condition_dropout=0.1, seed=0)
conditional.compile(keras.optimizers.AdamW(3e-3))

rng = np.random.default_rng(0)
classes = rng.integers(0, 2, 2048)
data = np.where(rng.uniform(size=(2048, 8)) < 0.9, classes[:, None], 1 - classes[:, None])
conditional.fit((data, classes), epochs=5, verbose=0)
ones = conditional.generate(64, 20, condition=np.ones(64, "int32"), seed=0, verbose=0)
print(f"mean of samples of class 1: {ones.mean():.2f}")

"""
## What is missing, and sequences of different lengths

Variables that are not there are -1 in integers and NaN in numbers. A model with
`allow_missing=True` hears nothing of them, and they cost nothing. A network that takes a `"mask"`,
such as `Transformer(..., masked=True)`, is told which are there: rows that end in -1 then are
shorter sequences, and `generate(..., lengths=...)` makes such. `inpaint` without a mask fills in
what is missing. `sample_weight` of the data's shape says how much each variable counts.

## The paper's models

The paper's six models are presets, too. Without weights, they come compiled with the optimizer that
the paper trained them with, and are ready for `fit`. (What weights start from is Keras's choice.)
"""

mnist = BayesianFlowNetwork.from_preset("bfn_mnist_binary", load_weights=False)
print(f"{mnist.network.count_params():,} weights")
print(BayesianFlowNetwork.presets["bfn_mnist_binary"].recipe)

"""
With weights, the checkpoints of the paper's authors are downloaded. That needs two more packages,
whatever the backend, `pip install torch huggingface_hub`:

```python
mnist = BayesianFlowNetwork.from_preset("bfn_mnist_binary")
mnist.code_length(binary_images, num_steps=25, num_repeats=25)
```

A `.pt` file that is there already, also of a network of another size that was trained with the
authors' code, loads by `keras_bfn.checkpoints.load_official`:

```python
model = keras_bfn.BayesianFlowNetwork.from_preset("bfn_text8", load_weights=False)
keras_bfn.checkpoints.load_official(model.network, "text8_ema.pt")
```

Every weight in the file is used exactly once, or the file is refused.
"""
