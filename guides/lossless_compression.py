"""
Title: Lossless compression
Author: The keras_bfn authors
Date created: 2026/11/25
Last modified: 2026/11/28
Description: Compress data losslessly to files about as long as their code length.
Accelerator: None
"""

"""
## Introduction

In this guide we compress 50 digits of 8x8 pixels, decompress them without loss, and
compare the size of the file with the size under `gzip` and with the *code length*, the
cost that the model computes for the data.

A Bayesian Flow Network is trained to minimise the cost of sending data as messages.
`keras_bfn.codec` actually sends them, and so turns a trained model into a compressor.
We use a model that comes with the package. The guide needs `scikit-learn`, and the
codec needs `constriction`: `pip install "keras-bfn[io]"`.

## Setup
"""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")

import gzip
import math

import numpy as np
from sklearn.datasets import load_digits

import keras_bfn

model = keras_bfn.BayesianFlowNetwork.from_preset("bfn_digits")

"""
The model was trained on 1,500 of the 1,797 digits. We compress some of the others.
"""

order = np.random.default_rng(0).permutation(1797)
digits = load_digits().images[order[1500:], :, :, None].astype("uint8")[:50]

"""
## Compress and decompress

A `Codec` takes a model and `num_steps`, the number of messages. More messages make
smaller files and take longer: the codec calls the network `num_steps + 1` times for
each batch.
"""

codec = keras_bfn.codec.Codec(model, num_steps=20)
data, report = codec.compress(digits, return_report=True, verbose=0)
gzipped = gzip.compress(digits.tobytes(), 9)
print(f"{digits.size} bytes of levels, {len(gzipped)} by gzip, {len(data)} by the BFN")
assert np.array_equal(codec.decompress(data, verbose=0), digits)

"""
## What the file contains

The report lists the parts of the file:

- The *examples* need as many bits as `code_length` predicts for the same number of
  messages.
- The *initial bits* are the one-time cost of *bits-back coding*. The file is a stack of
  bits: the encoder pushes examples onto it, and the decoder reads the last example
  first. The *evidence* after each message, the weighted sum of the messages so far, is
  random. The encoder samples it with bits that are already on the stack, and the
  decoder recovers these bits when it has decoded the example. But before the first
  example, the stack is empty. So the codec codes the first examples without messages,
  by the output distribution before any message, until the stack holds enough bits. The
  initial bits are the additional cost of these first examples. They do not grow with
  the number of examples.
- The *header* records the settings of the codec and a checksum.
"""

for name in ("bits_per_example", "initial_bits", "header_bits", "total_bits"):
    print(f"{name:<18}{report[name]:10.1f}")

nats = model.code_length(digits, num_steps=20, num_repeats=5, seed=0, verbose=0)
expected = (nats["transmission"] + nats["reconstruction"]).mean() / math.log(2)
print(f"{'code length':<18}{expected:10.1f}")

"""
## Lanes

The network is faster on batches, above all on a GPU. But each example of a batch,
called a *lane*, needs its own bits from the stack. So the codec starts with one lane,
and continues with two, four and so on as soon as the stack holds enough bits, up to
`batch_size` lanes (64 by default). This maximum does not change what each example
costs.
"""

for most in (1, 8):
    codec = keras_bfn.codec.Codec(model, num_steps=5, batch_size=most)
    print(f"{most:>3} lanes at most: {len(codec.compress(digits, verbose=0))} bytes")

"""
## What decoding needs

Encoder and decoder must compute network outputs that are identical to the bit. On a
CPU, they do so with the same model, backend, package versions and kind of machine. On a
GPU, the operations of the network must also be deterministic. So decode a file where it
was written, or on a similar machine.

A file holds two fingerprints, one of the weights and one of the outputs for fixed
evidence. `decompress` checks both fingerprints first, and refuses at once what it
cannot decode. At the end it compares the decoded data with a checksum. It either
returns the data or raises an error; it never returns wrong data.
"""

damaged = bytearray(data)
damaged[len(data) // 2] ^= 1
other_model = keras_bfn.BayesianFlowNetwork(
    model.flow, keras_bfn.networks.MLP(model.flow, (8, 8, 1), width=16)
)
for file, decoder in ((damaged, model), (data[:-10], model), (data, other_model)):
    try:
        keras_bfn.codec.Codec(decoder).decompress(file)
    except keras_bfn.codec.CodecError as error:
        print(error)

"""
Class-conditional models compress better if they know the class. The file does not
contain the classes: pass the same `condition` to `compress` and to `decompress`.

## Orders

An `AnyOrderNetwork` can also code variables in another `order` (see [In any
order](in_any_order.py)). Each group of variables is coded given the groups before it:
by messages, with bits-back coding, or directly with the output distribution. An order
may have groups of both kinds. The file is as long as `code_length` predicts for that
order and `num_steps`. If all groups are coded directly, there are no initial bits.

## On the command line

```shell
python -m keras_bfn.codec compress digits.npy digits.bfn --model bfn_digits --report
python -m keras_bfn.codec decompress digits.bfn digits.npy --model bfn_digits
```

`--model` also takes the folder of a preset or a `.keras` file of your own model. The
array in `digits.npy` has the shape `(number, *event_shape)`, as in `fit`.

`examples/compress.py` trains a model and compares its files with those of common
compressors.
"""
