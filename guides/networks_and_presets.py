"""
Title: Networks, presets and the paper's checkpoints
Author: The keras_bfn authors
Date created: 2026/11/24
Last modified: 2026/12/01
Description: Use a trained model, pick a network, and load the weights of the paper's authors.
Accelerator: None
"""

"""
## Introduction

In this guide we load a trained model and write its samples to `preset_digits.png`, list
the networks of the package, and train a network that is conditioned on a class. At the
end we show how to load the six models of the [paper](https://arxiv.org/abs/2308.07037),
whose published weights work on every backend.

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

`from_preset` builds a model by name and loads its weights. The package contains
`"bfn_digits"` and `"bfn_digits_classes"` (8x8 digits with 17 levels), its student
`"bfn_digits_student"` (the same in one to four network calls), `"bfn_mnist"` (digits in
black and white), `"bfn_photographs"` (small pieces of photographs in colour) and
`"bfn_text"` (letters). [One table](../docs/presets.md) lists what each takes and costs.
The README.md of each also states the command that trained it.
"""

model = BayesianFlowNetwork.from_preset("bfn_digits")
digits = model.generate(16, num_steps=20, seed=0, verbose=0)
keras_bfn.visualization.plot_samples(digits, "preset_digits.png")
print(digits.shape, digits.min(), digits.max())

"""
This lists all presets:
"""

for name, preset in BayesianFlowNetwork.presets.items():
    print(f"{name:<28}{preset.num_params / 1e6:>8.2f}M  {preset.description}")

"""
You can save your own model as a preset, a folder that every backend reads:
"""

model.save_to_preset("my_digits")
copy = BayesianFlowNetwork.from_preset("my_digits")

"""
You can also publish it on a hub. The handles are those of KerasHub: `hf://` for Hugging
Face and `kaggle://` for Kaggle. `upload_preset` also writes a model card, which states
the data, the figures, the licence and how to load the model, and shows samples. Install
the hubs' libraries with `pip install "keras-bfn[io]"`:

```python
model.upload_preset(
    "hf://user/digits",
    data="1,500 of scikit-learn's 8x8 digits, 17 levels.",
    license="apache-2.0",
    figures={"nats per image, 297 held out, continuous time": 76.52},
)
model = BayesianFlowNetwork.from_preset("hf://user/digits")
```

## The networks

- `MLP`, for vectors and other small data.
- `UNet`, for images and signals: convolutions at several resolutions, with attention in
  the middle. It is the paper's network for MNIST.
- `VDMUNet`, for images and signals: many blocks at full resolution, with Fourier
  features of the input. It is the paper's network for CIFAR-10.
- `PatchTransformer`, for images cut into patches. Each patch sees its neighbours
  through a convolution; with `num_heads`, it also attends to all patches. With
  `num_coarse_layers`, additional blocks work on squares of two by two patches, to
  connect distant ones.
- `Transformer`, for sequences. By default each block includes a convolution, attention
  uses relative positions, and the input is scaled. The paper's network for text8 has
  `kernel_size=1, expansion=4, positions="sinusoidal", features="plain",
  shortcut=False`.

Each network takes the flow, the shape of the data, and some sizes:
"""

flow = keras_bfn.flows.DiscreteFlow(num_classes=27, beta_1=0.5625)
network = keras_bfn.networks.Transformer(flow, 32, width=64, num_layers=2, num_heads=4)
print(f"{network.count_params():,} weights")

"""
Two arguments matter for large networks. `dtype="mixed_bfloat16"` computes in half
precision, while the evidence, times, outputs and losses stay float32.
(`"mixed_float16"` also works, but on JAX only on a GPU.) `remat=True` recomputes
activations in the backward pass instead of storing them. To change the dtype of a
preset, use `from_preset("bfn_text", dtype="mixed_bfloat16")`.

## Conditions

With the argument `conditions`, a network takes a condition in addition to the data. If
the argument is an int, the condition is a class, and the int is the number of classes.
If it is a tuple, the condition is an array of numbers, and the tuple is its shape. Pass
the conditions as `fit((data, classes))` and `generate(..., condition=classes)`. A
condition of shape `(28, 28, 1)`, for example, has a value for each position of an
image, and the network uses each value at its position. The same holds for sequences. A
large image can thus be conditioned on a small one, scaled up.

For several conditions, use a dict: `conditions={"label": 10, "text": (32,)}`, and
`fit((data, {"label": labels, "text": embeddings}))`.

`network.null_condition` is one more class, which means "none". With
`condition_dropout`, training replaces some of the classes by it, so that the model can
also generate without a class. For a network of your own, or for conditions of numbers,
pass the null condition to the model: `BayesianFlowNetwork(..., null_condition=10)`, an
array for numbers, or a dict for several conditions. Several conditions are dropped
together, or independently if `condition_dropout` is a dict of rates.
"""

flow = keras_bfn.flows.DiscreteFlow(num_classes=2, beta_1=4.0)
network = keras_bfn.networks.MLP(flow, (8,), width=32, num_blocks=1, conditions=2)
conditional = BayesianFlowNetwork(flow, network, condition_dropout=0.1, seed=0)
conditional.compile(keras.optimizers.AdamW(3e-3))

rng = np.random.default_rng(0)
classes = rng.integers(0, 2, 2048)
data = np.where(
    rng.uniform(size=(2048, 8)) < 0.9, classes[:, None], 1 - classes[:, None]
)
conditional.fit((data, classes), epochs=5, verbose=0)
ones = conditional.generate(64, 20, condition=np.ones(64, "int32"), seed=0, verbose=0)
print(f"mean of samples of class 1: {ones.mean():.2f}")

"""
## Missing data, and sequences of different lengths

Missing variables are -1 in integers and NaN in numbers. A model with
`allow_missing=True` sends no messages about them, and they cost nothing. A network with
a `"mask"` input, such as `Transformer(..., masked=True)`, also knows which variables
are missing. To train on sequences of different lengths, fill the end of the shorter
ones with -1; `generate(..., lengths=...)` samples sequences of given lengths. `inpaint`
without `known` fills in the missing variables. A `sample_weight` with the shape of the
data weights each variable.

## The paper's models

The paper's six models are presets, too. With `load_weights=False`, a model has new
weights, is compiled with the paper's optimizer, and is ready for `fit`. (Weights start
from Keras's defaults, those of `Transformer` from small normal numbers, and those of
last projections from zeros.)
"""

mnist = BayesianFlowNetwork.from_preset("bfn_mnist_binary", load_weights=False)
print(f"{mnist.network.count_params():,} weights")
print(BayesianFlowNetwork.presets["bfn_mnist_binary"].recipe)

"""
By default, `from_preset` downloads the checkpoints of the paper's authors. This needs
two more packages on every backend, `pip install torch huggingface_hub`:

```python
mnist = BayesianFlowNetwork.from_preset("bfn_mnist_binary")
mnist.code_length(binary_images, num_steps=25, num_repeats=25)
```

`keras_bfn.checkpoints.load_official` reads a local `.pt` file into a network of the
same architecture and size. This may be another size than the paper's, trained with the
authors' code. For the paper's text8 model:

```python
model = keras_bfn.BayesianFlowNetwork.from_preset("bfn_text8", load_weights=False)
keras_bfn.checkpoints.load_official(model.network, "text8_ema.pt")
```

Every weight in the file must be used exactly once; otherwise the file is refused.
"""
