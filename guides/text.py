"""
Title: Text of your own
Author: The keras_bfn authors
Date created: 2026/11/27
Last modified: 2026/11/28
Description: Train a text model, compare it with compressors, generate text, and complete prompts.
Accelerator: None
"""

"""
## Introduction

In this guide we train a small text model. We compare its cost in bits per character
with that of common compressors. The model then writes text, continues prompts, and
fills in text around given words.

A Bayesian Flow Network generates all letters of a text together. At first, each letter
could be anything; with every step, all letters become more certain. Therefore the model
can complete a text at its end, at its beginning or in the middle. [Getting
started](getting_started.py) explains the messages, and [sampling](sampling.py) the
completion.

The training text is the prose of Python's built-in help. The guide takes two minutes on
a CPU with a small network, whose samples only resemble English spelling. `bfn_text`, a
model that comes with the package, was trained for 57 minutes on a novel, in any order
(see [in any order](in_any_order.py)): `generate_text(4, order="left_to_right")` writes
words that it has read.

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

A model sees integers, the *tokens*. A tokenizer converts text to tokens and back:

- `Letters` has one token for each character of an alphabet, by default the space and a
  to z;
- `Bytes` has 256 tokens, the bytes of UTF-8, and encodes any text;
- `Symbols` has one token for each symbol of a list. A symbol is one character or
  several: atoms and bonds of molecules (`Symbols.fit(smiles, datasets.SMILES)`), amino
  acids, notes;
- `Subwords` has the thousands of words and word pieces of a `tokenizers.Tokenizer`
  (`pip install "keras-bfn[io]"`).

With fewer tokens, a small model has less to learn. `clean_text` reduces any text to the
27 default letters.
"""

sentence = "Naïve? No: well-tested."
alphabet = datasets.Letters(" abcdefghijklmnopqrstuvwxyz.,:?-")
for tokenizer, text in (
    (datasets.Letters(), datasets.clean_text(sentence)),
    (alphabet, sentence.lower().replace("ï", "i")),
    (datasets.Bytes(), sentence),
):
    tokens = tokenizer.encode(text)
    print(
        f"{tokenizer.num_classes:>4} tokens: {tokens[:8]} ... {tokenizer.decode(tokens)!r}"
    )

"""
`text_file("novel.txt")` reads a text of your own; `embedded_text` reads the prose of
Python's help. The last twentieth of the text is the test part, the twentieth before it
the validation part, and the rest the training part. Batches consist of windows of
`seq_length` tokens. Validation and test windows lie end to end; training windows start
at random positions.
"""

LENGTH = 64
letters = datasets.Letters()
train, validation, test = datasets.embedded_text(
    batch_size=32, seq_length=LENGTH, steps_per_epoch=50
)
print(len(train.tokens), "characters to train on;", letters.decode(train[0][0]))

"""
## A prior that knows spelling

The paper's prior is uniform: before any message, all 27 letters are equally likely. But
some letters are more frequent than others, and "th" is often followed by "e".
`fit_prior` counts such regularities in the training part. With `order=0`, it counts
letters. With `order=2`, each letter depends on the two letters before it (a *Markov
chain*; its order has nothing to do with the order of sending). Messages about one
letter then also inform about its neighbours. The receiver computes this effect exactly,
by Bayes' rule and without the network, so the network has to learn only what the chain
does not know. Each further order multiplies the chain's time and memory by 27, and
needs more text.

`beta_1` is the total accuracy of all messages. 0.75 suits 27 classes;
`keras_bfn.schedules.fit` finds the value for other data.

Each block of the `Transformer` has a convolution over five positions (`kernel_size=5`,
the default). Attention over all positions is left out (`num_heads=0`): it helps only in
longer training.
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
    model.compile(
        keras.optimizers.AdamW(3e-3, clipnorm=1.0, use_ema=True, ema_momentum=0.98)
    )
    model.fit(train, epochs=8, verbose=0)
    after = bits_per_character(model)
    print(
        f"order {order}: {before:.2f} bits, nothing learnt; after 400 steps {after:.2f}"
    )

"""
After 400 steps, the model of order 0 is about as good as the untrained model of order
1. With order 1, the network learns part of the dependence on the letter two positions
back. With order 2, it learns nothing measurable in so few steps, so the samples of this
model, below, are in effect samples of the chain. [The
results](../docs/results.md#code-length) show what longer training adds.

## Comparison with compressors

A model that sends a text in few bits is a compressor (see [lossless
compression](lossless_compression.py), where `keras_bfn.codec` writes the files). How
many bits do other compressors need for the 4,096 held-out characters? We let each
compress the training part with and without these characters, and subtract the sizes. We
also fit n-gram models, which are Markov chains as well: each letter depends on the n -
1 letters before it.

The comparison is not exact. The model and the n-grams see windows of 64 characters and
know nothing of the text before a window, while the compressors read continuously. This
favours bzip2, which uses the whole training part, more than gzip, which looks back only
32 kB, a tenth of the training part.
"""

before, after = (
    letters.decode(tokens).encode() for tokens in (train.tokens, held_out.ravel())
)
for name, compress in (("gzip", gzip.compress), ("bzip2", bz2.compress)):
    num_bytes = len(compress(before + after, 9)) - len(compress(before, 9))
    alone = len(compress(after, 9))
    print(
        f"{name:<7}{8 * num_bytes / len(after):.2f} bits per character, "
        f"{8 * alone / len(after):.2f} without the training part"
    )


def bits_under(chain, tokens):
    return -chain.log_prob(tokens).mean() / LENGTH / math.log(2)


for order in (1, 2, 3):
    chain = flows.MarkovChain.fit(train.tokens[None], 27, order=order)
    print(f"{order + 1}-gram {bits_under(chain, held_out):.2f} bits per character")

"""
## Samples

`generate_text` returns strings. The sampler `"sde2"` needs fewer steps than the paper's
(see [sampling](sampling.py)). Its options make samples likelier and less varied: a
`temperature` below 1 sharpens the output distribution of each letter, `top_k` keeps
only the k likeliest letters, and `top_p` the smallest set of letters whose total
probability is at least p.

We measure samples by two figures: the fraction of their words that occur in the
training part (without the first and the last word, which the window may cut), and the
bits per character that the 4-gram model needs for them. If samples need fewer bits than
real text, they are simpler or more repetitive than real text.
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
    bits = bits_under(chain, np.stack([letters.encode(text) for text in texts]))
    print(f"{name:<16}{known:>4.0%} known words, {bits:.2f} bits: {texts[0]}")
real = [letters.decode(row) for row in held_out]
known, bits = metrics.spelling_rate(real, reference), bits_under(chain, held_out)
print(f"{'real text':<16}{known:>4.0%} known words, {bits:.2f} bits")

"""
## Prompts

`continue_text` continues a prompt. It is a form of inpainting: messages about the known
letters come from their true values, and the sampler generates the other letters. With
`num_particles=4`, four candidates are sampled side by side. Those from which the
network predicts the known letters better are more likely to be selected.
"""

texts = model.continue_text(
    ["the value of the ", "a class is "],
    2,
    num_steps=40,
    num_particles=4,
    seed=0,
    verbose=0,
)
print(*texts, sep="\n")

"""
The known letters may be anywhere. Here a word stands in the middle, and `inpaint`
writes text around it. `known` marks the known letters.
"""

x, known = np.zeros((3, LENGTH), "int32"), np.zeros(LENGTH, bool)
middle = letters.encode(" expression ")
x[:, 26 : 26 + len(middle)] = middle
known[26 : 26 + len(middle)] = True
around = model.inpaint(x, known, num_steps=40, num_particles=4, seed=0, verbose=0)
print(*letters.decode(around), sep="\n")

"""
The tokenizer is saved with the model, so a loaded model generates strings at once.
"""

model.save("text.keras")
print(
    keras.saving.load_model("text.keras").generate_text(
        1, num_steps=20, seed=0, verbose=0
    )
)

"""
## Next steps

`examples/text.py novel.txt` trains on any text from left to right, which learns much
faster (see [in any order](in_any_order.py)). `examples/text8.py --preset small --data
novel.txt` trains a model of a million weights on windows of 256 characters, with a
prior of order 3, and prints how many words of its samples are known, and their 4-gram
bits (both by the validation text). `examples/fine_tune.py text` trains `bfn_text`
further on other texts (see [fine-tuning](fine_tuning_and_export.py)). For texts of
different lengths, `tokenizer.encode_batch(texts)` pads each row with -1 (or with the
end symbol of `Symbols`); use `Transformer(..., masked=True)` with it: see [the
tour](../docs/tour.md#missing-variables-and-sequences-of-different-lengths). To generate
texts with or without certain letters, see [guidance](guidance.py).

`examples/molecules.py` trains on SMILES, whose syntax is strict. For such short
strings, use an `AnyOrderNetwork` with a causal network (see [in any
order](in_any_order.py)) and `order="left_to_right"`. The tokenizer of this example,
`Symbols.fit(texts, pattern)`, has a token for each distinct match of a regular
expression, and one that ends a text.
"""
