"""
Title: Fine-tuning, smaller files, and export
Author: The keras_bfn authors
Date created: 2026/11/27
Last modified: 2026/11/28
Description: Fine-tune a trained model, shrink it to a quarter, and run it without Python.
Accelerator: None
"""

"""
## Introduction

In this guide we fine-tune a model of digits on letters in three ways: with all weights,
with half of the layers frozen, and by LoRA. Then we teach a model that generates a
requested digit to generate a requested letter. We also quantise a text model to eight
bits, and export a sampler's step to a file that runs without Python. The guide draws
samples of each model (`all_weights.png`, `half_frozen.png`, `LoRA_of_rank_4.png`,
`digits_by_class.png`, `letters_by_class.png`, `exported.png`).

We compare models by their *code length*: the cost of an example in nats (1 nat is 1.44
bits). Lower is better.

The guide takes a few minutes on a CPU. It needs `matplotlib` and `scikit-learn`; the
last part needs `pip install "keras-bfn[export]"` on PyTorch, and `tensorflow` on JAX.

## Setup
"""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")

import pathlib
import time

import keras
import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont
from sklearn.datasets import load_digits

import keras_bfn
from keras_bfn import BayesianFlowNetwork, visualization

"""
## New data

`bfn_digits`, a model that comes with the package, was trained on 1,500 digits of 8x8
pixels and 17 grey levels. The new data must have the same shape and levels. We draw the
letters A to L in fonts that come with matplotlib, slightly rotated: 1,200 images, of
which 200 are held out (`letters.png`).
"""

rng = np.random.default_rng(0)
families = ("DejaVu", "STIXGeneral", "cmr", "cmss", "cmtt", "cmb")
fonts = sorted(pathlib.Path(matplotlib.get_data_path(), "fonts", "ttf").glob("*.ttf"))
fonts = [f for f in fonts if f.stem.startswith(families) and "Display" not in f.stem]


def draw(letter, font):
    large = Image.new("L", (96, 96))
    shape = ImageFont.truetype(str(font), 88)
    ImageDraw.Draw(large).text((48, 48), letter, 255, shape, anchor="mm")
    large = large.rotate(rng.uniform(-12, 12), Image.Resampling.BICUBIC)
    return np.asarray(large.resize((8, 8), Image.Resampling.BOX))


alphabet = "ABCDEFGHIJKL"
letters = np.stack([draw(letter, font) for letter in alphabet for font in fonts * 5])
letters = (letters[..., None] / 255 * 16).round().astype("int32")
labels = np.repeat(np.arange(len(alphabet)), len(fonts) * 5)  # 0 for A, 1 for B, ...
order = rng.permutation(len(letters))
train, test = letters[order[200:]], letters[order[:200]]
train_labels, test_labels = labels[order[200:]], labels[order[:200]]
visualization.plot_samples(test[:36], "letters.png", columns=12)

seen = np.random.default_rng(0).permutation(1797)[:1500]  # the model's training data
digits = np.delete(load_digits().images, seen, axis=0)[:100, :, :, None].astype("int32")


def nats(model, x):
    cost = model.code_length(x, num_repeats=5, batch_size=100, seed=0, verbose=0)
    return (cost["transmission"] + cost["reconstruction"]).mean()


model = BayesianFlowNetwork.from_preset("bfn_digits")
print(
    f"A digit costs {nats(model, digits):.1f} nats, a letter {nats(model, test):.1f}."
)

"""
## Three ways to fine-tune

*All weights*: train all of the model further, at a lower learning rate than from
scratch, so that the first steps do not destroy what it has learnt.

*Some weights*: a layer with `trainable = False` keeps its weights, as always in Keras.
Here we freeze the first half of the network's layers. (`model.network.summary()` lists
their names, and `model.network.get_layer(name)` returns one.)

*LoRA* (low-rank adaptation) freezes all kernels, the large matrices of the layers. For
each m by n kernel W, it adds two small matrices, A of m by r and B of r by n, and the
layer uses W + A B. At first A is random and B is zero, so the model starts unchanged.
Training updates only A, B and the biases. `enable_lora(r)` adds these matrices to all
layers of a network of this package; single Keras layers have a method of the same name.

In each case, call `compile` after you freeze or unfreeze layers.
"""


def freeze_half(network):
    for layer in network.layers[: len(network.layers) // 2]:
        layer.trainable = False


def add_lora(network):
    network.enable_lora(4)


ways = {"all weights": None, "half frozen": freeze_half, "LoRA of rank 4": add_lora}
models = {}
print("trained        weights    letter    digit, in nats")
for name, change in ways.items():
    keras.utils.set_random_seed(0)
    model = BayesianFlowNetwork.from_preset("bfn_digits")
    if change is not None:
        change(model.network)
    num_weights = sum(np.prod(weight.shape) for weight in model.trainable_weights)
    rate = 1e-2 if change is add_lora else 1e-3
    model.compile(
        keras.optimizers.AdamW(rate, clipnorm=1.0, use_ema=True, ema_momentum=0.95)
    )
    model.fit(train, batch_size=50, epochs=6, verbose=0)
    print(
        f"{name:<15}{num_weights:>7,}{nats(model, test):>10.1f}{nats(model, digits):>9.1f}"
    )
    samples = model.generate(30, 20, "sde2", seed=0, verbose=0)
    visualization.plot_samples(samples, f"{name.replace(' ', '_')}.png", columns=10)
    models[name] = model

"""
The last column shows forgetting: after fine-tuning, a digit costs the model as much as
a letter did before fine-tuning.

LoRA saves memory, because an optimizer keeps two or three numbers for each trainable
weight. A step takes about as long as before. `examples/fine_tune.py` fine-tunes larger
presets on your own text or folder of images.

## Your own classes

`bfn_digits_classes` generates a requested digit: its conditions are ten classes. To
train it on other classes, make a copy by `presets.with_conditions`, with the number of
your classes. Only the embedding of the classes is new. All other weights are those of
the preset. It may be any model with a network of this package, also one without
conditions, such as `bfn_digits`.

`recipes.adamw` takes the number of steps, and sets the learning rate and the averaging
of weights accordingly. With a fixed `ema_momentum=0.999`, samples are drawn from an
average over about 1,000 steps: after 50 steps, they would still be digits.
"""


def plot_classes(model, num_classes, path):
    classes = np.tile(np.arange(num_classes), 5)  # one column for each class
    samples = model.generate(
        len(classes), condition=classes, guidance_scale=2.0, seed=0, verbose=0
    )
    visualization.plot_samples(samples, path, columns=num_classes)


preset = BayesianFlowNetwork.from_preset("bfn_digits_classes")
plot_classes(preset, 10, "digits_by_class.png")

epochs, batch_size = 15, 50
num_steps = epochs * len(train) // batch_size
model = keras_bfn.presets.with_conditions(preset, len(alphabet))
model.compile(keras_bfn.recipes.adamw(num_steps, peak_rate=3e-3))
start = time.process_time()
model.fit((train, train_labels), epochs=epochs, batch_size=batch_size, verbose=0)
seconds = time.process_time() - start
print(f"{num_steps} steps took {seconds:.0f} seconds of processor time.")
plot_classes(model, len(alphabet), "letters_by_class.png")

none = np.full(len(test), model.null_condition)
given, without = (nats(model, (test, c)) for c in (test_labels, none))
print(f"A letter costs {given:.1f} nats given its class, {without:.1f} without it.")

"""
The 300 steps took 25 s of processor time on PyTorch, and 47 s on JAX, with compilation.
Fifty steps are too few to learn the classes: the samples are then letters, but not the
requested ones.

For a folder with one sub-folder of pictures for each class, `bfn_mnist` takes pictures
of 28x28 pixels in black and white, and `image_folder` makes them:

```python
from keras_bfn import datasets, presets, recipes

names = datasets.image_classes("letters/")
data = datasets.image_folder(
    "letters/", (28, 28), color_mode="grayscale", form="binary", labels=True, batch_size=50
)
model = presets.with_conditions(BayesianFlowNetwork.from_preset("bfn_mnist"), len(names))
epochs = 20
model.compile(recipes.adamw(epochs * data.train.num_batches, peak_rate=3e-3))
model.fit(data.train, epochs=epochs)
```

On 336 pictures of the letters A to D, 100 such steps took 55 s of processor time on
PyTorch, and the samples were the requested letters.

## What a file contains

`save` and `save_to_preset` record which layers are frozen. After LoRA, they write the
sum W + A B in place of W. So the file has the usual size, and loading it needs no LoRA.
To train the loaded model further, set `trainable = True` for each layer of
`network.layers`, or call `enable_lora` again.
"""

models["LoRA of rank 4"].save_to_preset("letters")
loaded = BayesianFlowNetwork.from_preset("letters")
print(
    f"{loaded.count_params():,} weights; a letter costs {nats(loaded, test):.1f} nats."
)

"""
## Eight-bit weights

`quantize("int8")` rounds kernels to 255 levels: those of dense layers, and those of the
convolutions in the blocks of `Transformer` and `PatchTransformer`. Each column of a
kernel has its own scale. In each call, these layers also round their inputs. The
convolutions of `UNet` and `VDMUNet` are not quantised. We quantise the text model that
comes with the package, and measure its cost on the text of Python's built-in help.

`"int4"` rounds to 15 levels, and costs this model 0.6% more. A quantised model is for
inference, not for training.
"""


def bytes_of(folder):
    return sum(path.stat().st_size for path in pathlib.Path(folder).iterdir())


text = keras_bfn.datasets.embedded_text(batch_size=8, seq_length=256).test[0]
model = BayesianFlowNetwork.from_preset("bfn_text")
for name in ("float32", "int8"):
    if name == "int8":
        model.quantize("int8")
    model.save_to_preset(name)
    cost = model.code_length(text, num_repeats=2, seed=0, verbose=0)
    bits = (cost["transmission"] + cost["reconstruction"]).mean() / 256 / np.log(2)
    print(f"{name:<8}{bytes_of(name) / 1e6:>6.2f} MB{bits:>8.3f} bits per character")

"""
(Both models receive the same messages, because the seed is the same. So the difference
in cost is due to the weights.) Quantisation saves memory, not time: on a CPU, a step
takes longer than before. For speed, use `from_preset(..., dtype="mixed_bfloat16")`,
which computes in 16 bits.

## Export

`export` writes one step of a sampler to a file that needs neither Keras nor Python. On
PyTorch 2.11 or later it writes ONNX for onnxruntime, which supports browsers, phones
and most languages. On TensorFlow and JAX it writes a SavedModel for TensorFlow's
runtimes; on TensorFlow also LiteRT for phones, by `export("step.tflite", "litert",
sampler="sde2")`, which some models refuse (see the limits below); and on TensorFlow and
PyTorch OpenVINO (`format="openvino"`). Each runtime generates random numbers in its own
way, so the file generates none: the noise is an input.
"""

model = models["all weights"]
if keras.backend.backend() == "torch":
    import onnxruntime

    model.export("step.onnx", format="onnx", sampler="sde2")
    session = onnxruntime.InferenceSession("step.onnx")
    shapes = {x.name: x.shape for x in session.get_inputs()}
    names = [x.name for x in session.get_outputs()]

    def step(feed):
        return dict(zip(names, session.run(None, feed), strict=True))

else:
    import tensorflow as tf

    model.export("step", format="tf_saved_model", sampler="sde2")
    program = tf.saved_model.load("step")
    signature = program.signatures["serving_default"].structured_input_signature[1]
    shapes = {name: list(x.shape) for name, x in signature.items()}

    def step(feed):
        outputs = program.serve({name: tf.constant(x) for name, x in feed.items()})
        return {name: x.numpy() for name, x in outputs.items()}


print(shapes)

"""
The loop around the step is short in any language. `state_0` and so on are the state of
the sampler. `t` is the time of the step, and `t_next` is the time of the next one.
Every input named `normal` is standard normal noise. The first dimension of each shape
is the number of samples, and may have any value. A model with conditions also has an
input `condition` (int32 for classes, unlike all others here), and with `guided=True`
another, `guidance_scale`: a number for each sample. Times evenly spaced are those of
`"sde2"`; `sampler.times(model.flow, num_steps)` returns those of any sampler. A
deterministic sampler, such as `ODE2Sampler(spacing="log_beta")`, gives the samples of
`generate(latents=...)` if the noise of the first step is the latents, divided by
`sqrt(flow.gain)`.
"""

num_samples, num_steps = 30, 20
shapes = {
    name: [num_samples, *shape[1:]] if shape else [] for name, shape in shapes.items()
}
feed = {name: np.zeros(shape, "float32") for name, shape in shapes.items()}
rng = np.random.default_rng(0)
times = np.linspace(0, 1, num_steps + 1, dtype="float32")
for t, t_next in zip(times, [*times[1:], times[-1]], strict=True):
    for name in feed:
        if name.startswith("normal"):
            feed[name] = rng.standard_normal(shapes[name], "float32")
    feed["t"], feed["t_next"] = np.array(t), np.array(t_next)
    outputs = step(feed)
    feed |= {
        n.removeprefix("next_"): x for n, x in outputs.items() if n.startswith("next_")
    }
visualization.plot_samples(outputs["x"].astype("int32"), "exported.png", columns=10)

"""
Every flow, network and sampler of this package can be exported as ONNX, SavedModel or
`torch.export`, with conditions, classifier-free guidance (`guided=True`) and missing
variables. Without a `sampler`, `export` writes the network alone. These are the limits:

- A backend writes only some formats. The error for another format names the backend
  that writes it: `save` the model, then load and export it there.
- LiteRT and OpenVINO lack some operations. The error names them: on TensorFlow,
  `export("step.tflite", "litert", sampler="sde2")` writes `bfn_mnist`, and refuses
  `bfn_digits` and `bfn_text`. The networks alone of all three can be exported, with
  `export("network.tflite", "litert")` ([what was
  tried](../benchmarks/results/exports.md)).
- The loops around a step cannot be exported, and so neither can `inpaint`, particles,
  guidance by functions, and the codec.
- A custom sampler can be exported only if it draws all noise by `flow.observe` and
  `distribution.sample`.
"""
