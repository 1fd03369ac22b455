"""
Title: Lossless compression
Author: The keras_bfn authors
Date created: 2026/11/25
Last modified: 2026/11/28
Description: Data to bytes and back, at the cost that the loss states.
Accelerator: None
"""

"""
## Introduction

A Bayesian Flow Network is trained to minimise what it costs to send data. `keras_bfn.codec` sends
them: a trained model becomes a compressor whose files are as long as the loss says. This guide
compresses 8x8 digits with a model that comes with the package. It needs `constriction`:
`pip install "keras-bfn[codec]"`.

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
The model was trained on 1,500 of the 1,797 digits. These are some of the others.
"""

order = np.random.default_rng(0).permutation(1797)
digits = load_digits().images[order[1500:], :, :, None].astype("uint8")[:50]

"""
## There and back

A `Codec` has a model and a number of messages, as in the paper. With more of them, the files are
smaller, and it takes longer: the network is called once more than there are messages.
"""

codec = keras_bfn.codec.Codec(model, num_steps=20)
data, report = codec.compress(digits, return_report=True, verbose=0)
gzipped = gzip.compress(digits.tobytes(), 9)
print(f"{digits.size} bytes of levels, {len(gzipped)} by gzip, {len(data)} by the BFN")
assert np.array_equal(codec.decompress(data, verbose=0), digits)

"""
## What the bytes are

The report says where the bits went.

- The *examples*: as many bits as `code_length` says for the same number of messages.
- *Initial bits*. The file is a stack of bits: examples are put on it, and the last is read first.
  Alice draws what Bob will know at the end, and all that comes before it, from bits that are on the
  stack already, and Bob puts them back when he knows the example (*bits-back coding*). Before the
  first example there are none. So the first examples are sent without messages, as Bob expects them
  when he knows nothing, until their bits are enough to draw from. The initial bits are what that
  costs more, once, however many examples follow.
- The *header*: how the file was made, and the checksum.
"""

for name in ("bits_per_example", "initial_bits", "header_bits", "total_bits"):
    print(f"{name:<18}{report[name]:10.1f}")

nats = model.code_length(digits, num_steps=20, num_repeats=5, seed=0, verbose=0)
expected = (nats["transmission"] + nats["reconstruction"]).mean() / math.log(2)
print(f"{'by the loss':<18}{expected:10.1f}")

"""
## Lanes

The network is faster on batches, above all on a GPU. But each example of a batch, each *lane*,
draws bits of its own. So there are one at first, then two, four and so on, as soon as the bits on
the stack suffice, and 64 at most (`batch_size`). How many there may be does not change what
examples cost.
"""

for most in (1, 8):
    codec = keras_bfn.codec.Codec(model, num_steps=5, batch_size=most)
    print(f"{most:>3} lanes at most: {len(codec.compress(digits, verbose=0))} bytes")

"""
## What decoding needs

Both directions must get outputs of the network that are identical to the bit. On a CPU they are
if model, backend, versions and kind of machine are the same; on a GPU, if its operations are
deterministic, too. So a file is made to be read where it was written, or on a machine like it. It
holds a fingerprint of the weights, and one of the outputs for fixed evidence: what cannot be
decoded is refused at once, and what was decoded is compared with a checksum of the data. There is
an error, or the data; never something else.
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
Models with classes compress better when they are told the class. The classes are not in the file:
give the same `condition` to `decompress`.

## Orders

A model with `times="variables"` also codes in any `order` that it is scored in (see
[In any order](in_any_order.py)). Each group of variables is coded given those before it: by
messages, with bits back, or told, by the arithmetic coder alone. Some groups may be told and others
sent by messages; a file is as long as `code_length` says for that order. If all are told, there are
no initial bits.

## On the command line

```shell
python -m keras_bfn.codec compress digits.npy digits.bfn --model bfn_digits --report
python -m keras_bfn.codec decompress digits.bfn digits.npy --model bfn_digits
```

`--model` also takes the folder of a preset, or the `.keras` file of a model of your own. The array
in `digits.npy` has the shape `(number, *event_shape)`, as for `fit`.

`examples/compress.py` trains a model, and compares its files with those of common compressors.
"""
