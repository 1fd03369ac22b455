"""
Title: Fine-tuning, smaller files, and export
Author: The keras_bfn authors
Date created: 2026/11/27
Last modified: 2026/11/27
Description: A trained model learns other data, shrinks to a quarter, and runs without Python.
Accelerator: None
"""

"""
## Introduction

Who has little data, or little time, starts from a model that has learnt something similar. Here a
model of digits learns letters: with all of its weights, with some of them frozen, and by LoRA,
with small matrices beside frozen weights. Then the weights of a model of text are rounded to
eight bits. Last, a model leaves Python: a step of its sampler becomes a file that other programs
run.

What is printed is the *code length*: how many nats (1 nat is 1.44 bits) it costs to send an example
by the model. The less, the better the model.

This guide takes a few minutes on a processor. It needs `matplotlib` and `scikit-learn`, and
for the last part on PyTorch `pip install "keras-bfn[export]"`, on JAX `tensorflow`.

## Setup
"""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")

import pathlib

import keras
import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont
from sklearn.datasets import load_digits

import keras_bfn
from keras_bfn import BayesianFlowNetwork, visualization

"""
## Other data

The model `bfn_digits`, which comes with the package, has learnt 1,500 digits of 8x8 pixels and 17
grey levels. The other data must have the same form. They are the letters A to J, in fonts that
come with matplotlib, turned a little: 1,000 pictures, of which 100 are held out.
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


letters = np.stack([draw(letter, font) for letter in "ABCDEFGHIJ" for font in fonts * 5])
letters = (letters[..., None] / 255 * 16).round().astype("int32")
order = rng.permutation(len(letters))
train, test = letters[order[100:]], letters[order[:100]]
visualization.plot_samples(test[:30], "letters.png", columns=10)

seen = np.random.default_rng(0).permutation(1797)[:1500]  # the digits that the model has learnt
digits = np.delete(load_digits().images, seen, axis=0)[:100, :, :, None].astype("int32")


def nats(model, x):
    cost = model.code_length(x, num_repeats=5, batch_size=100, seed=0, verbose=0)
    return (cost["transmission"] + cost["reconstruction"]).mean()


model = BayesianFlowNetwork.from_preset("bfn_digits")
print(f"A digit costs {nats(model, digits):.1f} nats, a letter {nats(model, test):.1f}.")

"""
## Three ways to go on

*All weights* are trained further, at a lower rate than from nothing, so that what was learnt is not
lost in the first steps.

*Some weights*: a layer with `trainable = False` stays as it is, as always in Keras. Here these are
the first half of the network's layers. (`model.network.summary()` tells their names, and
`model.network.get_layer(name)` finds one.)

*LoRA* (low-rank adaptation) freezes all kernels, the large matrices of the layers. Beside each
m by n kernel W come two small matrices, A of m by r and B of r by n, and the layer uses W + A B. A
is random at first and B is zero, so that nothing changes until training begins. Only A, B and the
biases are trained. `enable_lora(r)` does so for all layers of a network of this package; single
layers of Keras have a method of the same name.

Whatever was frozen or thawed, `compile` comes after it.
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
    model.compile(keras.optimizers.AdamW(rate, clipnorm=1.0, use_ema=True, ema_momentum=0.95))
    model.fit(train, batch_size=50, epochs=6, verbose=0)
    print(f"{name:<15}{num_weights:>7,}{nats(model, test):>10.1f}{nats(model, digits):>9.1f}")
    samples = model.generate(30, 20, "sde2", seed=0, verbose=0)
    visualization.plot_samples(samples, f"{name.replace(' ', '_')}.png", columns=10)
    models[name] = model

"""
The last column is what was forgotten: after all of it, digits are as strange to the model as
letters were before.

What LoRA saves is memory: an optimizer keeps two or three numbers for each weight that is
trained. A step takes about as long as before. `examples/fine_tune.py` goes on from larger presets,
with a text or a folder of pictures of one's own.

## What is in a file

`save` and `save_to_preset` write which layers are frozen. Of LoRA, they write the sum W + A B: the
file is as large as that of any other such model, and needs no LoRA to be used. To train a model
from it further, set `trainable = True` for each of `network.layers`, or `enable_lora` again.
"""

models["LoRA of rank 4"].save_to_preset("letters")
loaded = BayesianFlowNetwork.from_preset("letters")
print(f"{loaded.count_params():,} weights; a letter costs {nats(loaded, test):.1f} nats.")

"""
## Eight bits for a weight

`quantize("int8")` rounds kernels of dense layers, and of the windows by which the blocks of a
`Transformer` and a `PatchTransformer` see what is near, to 255 steps, each column of a kernel by
its own scale. Inputs of these layers are rounded as well, in the moment. Convolutions of the
`UNet` and the `VDMUNet` stay as they are, so this is for the others, such as the model of text that
comes with the package. What does it cost? The text is the prose of Python's own help.

A model that is quantised is for use, not for training.
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
(With the same seed, both are shown the same messages: the difference is that of the weights.)
What is saved is memory, not time: on a processor, a step takes longer than before. For time, there
is `from_preset(..., dtype="mixed_bfloat16")`, which computes in 16 bits.

## Out of Python

`export` writes a step of a sampler as a file that needs neither Keras nor Python: ONNX, by
PyTorch, for onnxruntime, which is there for browsers, telephones and most languages; or a
SavedModel, by TensorFlow or JAX, for TensorFlow's runtimes. Such a file draws no random numbers,
for runtimes do so each in its own way. Its noise is an input.
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
The loop around it is short, in whatever language. `state_0` and so on are what the sampler carries
from step to step, `t` and `t_next` are the times, and all that is called `normal` is standard
normal noise. The first number of a shape is that of the samples, and any.
"""

num_samples, num_steps = 30, 20
shapes = {name: [num_samples, *shape[1:]] if shape else [] for name, shape in shapes.items()}
feed = {name: np.zeros(shape, "float32") for name, shape in shapes.items()}
rng = np.random.default_rng(0)
times = np.linspace(0, 1, num_steps + 1, dtype="float32")
for t, t_next in zip(times, [*times[1:], times[-1]], strict=True):
    for name in feed:
        if name.startswith("normal"):
            feed[name] = rng.standard_normal(shapes[name], "float32")
    feed["t"], feed["t_next"] = np.array(t), np.array(t_next)
    outputs = step(feed)
    feed |= {n.removeprefix("next_"): x for n, x in outputs.items() if n.startswith("next_")}
visualization.plot_samples(outputs["x"].astype("int32"), "exported.png", columns=10)

"""
Every flow, network and sampler of this package can be exported, with conditions, guidance by them
(`guided=True`), and missing variables; with `what="network"`, the network alone. What cannot:

- a format that the backend does not write. The error says which backend does: `save` the model,
  and load and export it there;
- the loops around a step, and so `inpaint`, particles, guidance by functions, and the codec;
- samplers of one's own that draw noise otherwise than by `flow.observe` and `distribution.sample`.
"""
