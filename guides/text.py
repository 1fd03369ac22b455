"""
Title: Text of your own
Author: The keras_bfn authors
Date created: 2026/11/27
Last modified: 2026/11/27
Description: Tokens, a prior that knows spelling, samples, prompts, and what compressors would need.
Accelerator: None
"""

"""
## Introduction

A Bayesian Flow Network writes all letters of a text at once: at first each letter is anything, and
with every step all of them get clearer together. So a text can be completed at its end, at its
beginning, or in its middle. This guide trains a small model on prose that comes with Python, says
in bits per character how well it knows the language, beside common compressors, and writes.

It takes two minutes on a processor, with a small network; what it writes is spelt a little like
English, no more. The model `bfn_text`, which comes with the package, was trained for 93 minutes on
a novel.

## Setup
"""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")

import bz2
import gzip
import math

import keras
import numpy as np

import keras_bfn
from keras_bfn import datasets, flows, metrics, networks, samplers

"""
## Tokens

A model sees integers, the *tokens*. A tokenizer turns text into tokens and back:

- `Letters` has one for each character of an alphabet, by default a space and a to z;
- `Bytes` has 256, the bytes of UTF-8, for any text at all;
- `Symbols` has those of a list, of one character or several: atoms and bonds of molecules
  (`Symbols.fit(smiles, datasets.SMILES)`), amino acids, notes;
- `Subwords` has the words and parts of words of a `tokenizers.Tokenizer`, of thousands
  (`pip install "keras-bfn[text]"`).

The fewer tokens, the less there is to learn for a small model. `clean_text` makes of any text what
the 27 letters can tell.
"""

sentence = "Naïve? No: well-tested."
alphabet = datasets.Letters(" abcdefghijklmnopqrstuvwxyz.,:?-")
for tokenizer, text in (
    (datasets.Letters(), datasets.clean_text(sentence)),
    (alphabet, sentence.lower().replace("ï", "i")),
    (datasets.Bytes(), sentence),
):
    tokens = tokenizer.encode(text)
    print(f"{tokenizer.num_classes:>4} tokens: {tokens[:8]} ... {tokenizer.decode(tokens)!r}")

"""
`text_file("novel.txt")` reads a text of one's own, `embedded_text` the prose of Python's help. The
last twentieth is the test part, the one before it the validation part. Each is cut into windows of
`seq_length` tokens; those of the training part start anywhere.
"""

LENGTH = 64
letters = datasets.Letters()
train, validation, test = datasets.embedded_text(
    batch_size=32, seq_length=LENGTH, steps_per_epoch=50
)
print(len(train.tokens), "characters to train on;", letters.decode(train[0][0]))

"""
## A prior that knows spelling

Before any message, each letter could be any of 27, all alike: that is the paper's prior. But some
are more frequent than others, and after "th" there is nearly always an "e". `fit_prior` counts such
things in the training part: with `order=2`, each letter depends on the two before it (a *Markov
chain*). Messages about one letter then tell of its neighbours by Bayes' rule, exactly, before any
network is asked, and the network has only to learn what is left. A higher order costs 27 times the
time and memory of one less, and wants more text.

`beta_1` is how accurate all messages together are. 0.75 suits 27 classes;
`keras_bfn.schedules.fit` finds it for others.

The blocks of `Transformer` see five neighbouring positions each (`kernel_size=5`). Attention, which
would see all, is left out here (`num_heads=0`): it pays when there is more time.
"""


def make_model(order):
    keras.utils.set_random_seed(0)
    flow = flows.DiscreteFlow(letters.num_classes, beta_1=0.75)
    flow = flows.fit_prior(flow, train.tokens[None], order=order)
    network = networks.Transformer(flow, LENGTH, width=48, num_layers=2, num_heads=0)
    return keras_bfn.BayesianFlowNetwork(flow, network, tokenizer=letters, seed=0)


held_out = np.concatenate(list(test))[:64]


def bits_per_character(model):
    nats = model.code_length(held_out, num_repeats=4, batch_size=64, seed=0, verbose=0)
    total = nats["transmission"] + nats["reconstruction"]
    return total.mean() / LENGTH / math.log(2)


for order in (0, 1, 2):
    model = make_model(order)
    before = bits_per_character(model)
    model.compile(keras.optimizers.AdamW(3e-3, clipnorm=1.0, use_ema=True, ema_momentum=0.98))
    model.fit(train, epochs=8, verbose=0)
    after = bits_per_character(model)
    print(f"order {order}: {before:.2f} bits, nothing learnt; after 400 steps {after:.2f}")

"""
Without a chain, the network gets in these steps to what the chain of order 1 knows before the
first. On top of that chain it learns a part of what the second letter before tells. On top of the
chain of order 2 it learns, in so few steps, nothing that shows: what the last model writes below is
the chain's. What longer training adds is in [the results](../docs/results.md#code-length).

## Beside compressors

A model that sends a text in few bits is a compressor (`keras_bfn.codec` makes the files; see
[lossless compression](lossless_compression.py)). What do others need for the same 4,096 characters?
Each is given the training part first, and what it needs for that is taken off. An n-gram model
knows, as the chain does, so many letters before each.

This is not quite fair to the model and the n-grams: they see windows of 64 characters, at whose
start they know nothing, while the compressors read on and on.
"""

before, after = (letters.decode(tokens).encode() for tokens in (train.tokens, held_out.ravel()))
for name, compress in (("gzip", gzip.compress), ("bzip2", bz2.compress)):
    num_bytes = len(compress(before + after, 9)) - len(compress(before, 9))
    alone = len(compress(after, 9))
    print(
        f"{name:<7}{8 * num_bytes / len(after):.2f} bits per character, "
        f"{8 * alone / len(after):.2f} without the training part"
    )
for order in (1, 2, 3):
    ngrams = metrics.NgramModel(train.tokens.astype("int32"), 27, order=order)
    print(f"{order + 1}-gram {ngrams.bits_per_token(held_out):.2f} bits per character")

"""
## Samples

`generate_text` returns strings. The sampler `"sde2"` needs fewer steps than the paper's
(see [sampling](sampling.py)), and its options decide between what is likely and what is
varied: `temperature` below 1 sharpens what the network expects of each letter, `top_k` keeps the k
likeliest letters, and `top_p` the fewest that have this share of the probability together.

How good are texts? Two figures: how many of their whole words occur in the training part, and how
many bits the 4-gram model needs for them. Fewer bits than for real text mean texts that are
simpler than real ones, and repeat themselves.
"""

reference = letters.decode(train.tokens)
options = {
    "as it comes": {},
    "temperature=0.7": {"temperature": 0.7},
    "top_k=3": {"top_k": 3},
    "top_p=0.8": {"top_p": 0.8},
}
for name, option in options.items():
    sampler = samplers.SDE2Sampler(**option)
    texts = model.generate_text(32, num_steps=40, sampler=sampler, seed=0, verbose=0)
    known = metrics.spelling_rate(texts, reference)
    bits = ngrams.bits_per_token(np.stack([letters.encode(text) for text in texts]))
    print(f"{name:<16}{known:>4.0%} known words, {bits:.2f} bits: {texts[0]}")
real = [letters.decode(row) for row in held_out]
known, bits = metrics.spelling_rate(real, reference), ngrams.bits_per_token(held_out)
print(f"{'real text':<16}{known:>4.0%} known words, {bits:.2f} bits")

"""
## Prompts

`continue_text` goes on from a prompt. It is inpainting: the known letters send true messages, and
the rest is drawn. Each text is one of several that grow side by side (`num_particles`), drawn by
how well what is known was expected.
"""

texts = model.continue_text(
    ["the value of the ", "a class is "], 2, num_steps=40, num_particles=4, seed=0, verbose=0
)
print(*texts, sep="\n")

"""
What is known may be anywhere. Here a word stands in the middle, and `inpaint` writes around it;
the mask says which letters are known.
"""

x, known = np.zeros((3, LENGTH), "int32"), np.zeros(LENGTH, bool)
middle = letters.encode(" expression ")
x[:, 26 : 26 + len(middle)] = middle
known[26 : 26 + len(middle)] = True
around = model.inpaint(x, known, num_steps=40, num_particles=4, seed=0, verbose=0)
print(*letters.decode(around), sep="\n")

"""
The tokenizer is saved with the model: what loads the file writes text at once.
"""

model.save("text.keras")
print(keras.saving.load_model("text.keras").generate_text(1, num_steps=20, seed=0, verbose=0))

"""
## Longer

`examples/text8.py --preset small --data novel.txt` trains a model of a million weights on windows
of 256 characters, with an order of 3, and makes the same tables. `examples/fine_tune.py text` goes
on from `bfn_text` with other texts ([fine-tuning](fine_tuning_and_export.py)). Texts of different
lengths, each a row that ends in -1, need `Transformer(..., masked=True)`: see
[the tour](../docs/tour.md). To avoid a letter, or ask for others, see [guidance](guidance.py).
"""
