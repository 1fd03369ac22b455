"""Learns words of different lengths, from a grammar with known entropy.

    KERAS_BACKEND=jax python examples/lengths.py

A word has 5 to 40 letters, in syllables of a consonant and a vowel. It may begin with a
vowel, and always ends with one. A vowel probably equals the previous vowel, and a
consonant probably differs from the previous consonant. Words are rows of integers,
padded with -1. The flow sends nothing about the padding, and the network, which takes a
`"mask"`, is given each word's length.

Prints the cost of held-out words in continuous time and the grammar's exact entropy
given the lengths, in bits per letter; generated words with the requested lengths; and
how many of them obey the grammar.
"""

import argparse


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--words", type=int, default=10_000, help="training words")
    parser.add_argument(
        "--held-out", type=int, default=1000, help="held-out words to score"
    )
    parser.add_argument("--samples", type=int, default=500, help="words to generate")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


if __name__ == "__main__":  # before the imports, which take seconds
    ARGS = parse_arguments()
    print(
        "Learns words of different lengths from a grammar: about 5 minutes on one CPU "
        "core with the default arguments.",
        flush=True,
    )

import math
import time

import keras
import numpy as np
from progress import Progress

import keras_bfn
from keras_bfn import flows, networks
from keras_bfn.recipes import muon

CONSONANTS, VOWELS = "bdgkm", "aiu"
LETTERS = CONSONANTS + VOWELS
SHORTEST, LONGEST = 5, 40
SAME_VOWEL, SAME_CONSONANT = 0.8, 0.05
BATCH_SIZE = 128


def transitions():
    """Returns the probabilities of a letter given the previous one of its kind, `(8, 8)`."""
    table = np.zeros((len(LETTERS), len(LETTERS)))
    for letters, same in ((CONSONANTS, SAME_CONSONANT), (VOWELS, SAME_VOWEL)):
        places = [LETTERS.index(letter) for letter in letters]
        table[np.ix_(places, places)] = (1 - same) / (len(letters) - 1)
        table[places, places] = same
    return table


def make_words(num, rng):
    """Returns words, padded with -1, and their lengths."""
    lengths = rng.integers(SHORTEST, LONGEST + 1, num)
    words = np.full((num, LONGEST), -1, "int32")
    shares = transitions().cumsum(axis=-1)
    for word, length in zip(words, lengths, strict=True):
        for i in range(length):
            # The last letter is a vowel, so the length determines the kind of each
            # letter.
            kind = VOWELS if (length - 1 - i) % 2 == 0 else CONSONANTS
            if i < 2:
                word[i] = LETTERS.index(rng.choice(list(kind)))
            else:
                drawn = np.searchsorted(shares[word[i - 2]], rng.uniform())
                word[i] = min(drawn, len(LETTERS) - 1)
    return words, lengths


def log_prob(words):
    """Returns the grammar's log probability of each word given its length, in nats."""
    lengths = (words >= 0).sum(axis=-1)
    table = np.log(np.maximum(transitions(), 1e-300))
    total = np.zeros(len(words))
    for row, (word, length) in enumerate(zip(words, lengths, strict=True)):
        for i in range(length):
            kind = VOWELS if (length - 1 - i) % 2 == 0 else CONSONANTS
            is_kind = LETTERS[word[i]] in kind
            nats = -math.log(len(kind)) if i < 2 else table[word[i - 2], word[i]]
            total[row] += nats if is_kind else -math.inf
    return total


def spell(words):
    return ["".join(LETTERS[i] for i in word if i >= 0) for word in words]


def main(args):
    keras.utils.set_random_seed(args.seed)
    rng = np.random.default_rng(args.seed)
    train, _ = make_words(args.words, rng)
    test, lengths = make_words(args.held_out, rng)

    flow = flows.DiscreteFlow(len(LETTERS), beta_1=2.0)
    flow = flows.fit_prior(flow, train[train >= 0][None])
    network = networks.Transformer(
        flow, LONGEST, width=64, num_layers=3, num_heads=2, kernel_size=5, masked=True
    )
    model = keras_bfn.BayesianFlowNetwork(flow, network, seed=args.seed)
    model.compile(muon(args.epochs * math.ceil(len(train) / BATCH_SIZE)), num_repeats=4)
    start = time.process_time()
    with Progress("Training") as progress:
        model.fit(
            train,
            batch_size=BATCH_SIZE,
            epochs=args.epochs,
            validation_data=test,
            callbacks=[progress],
            verbose=0,
        )
    print(f"Trained for {time.process_time() - start:.0f} seconds of processor time")

    with model.averaged_weights():
        with Progress("Scoring held-out words"):
            nats = model.code_length(test, num_repeats=20, seed=0, verbose=0)
        num_letters = lengths.sum()
        cost = (nats["transmission"] + nats["reconstruction"]).sum() / num_letters
        entropy = -log_prob(test).sum() / num_letters
        print(f"Held-out words: {cost / math.log(2):.3f} bits per letter")
        print(f"The grammar's entropy, given lengths: {entropy / math.log(2):.3f}")
        print(f"Excess: {cost / entropy - 1:.1%}\n")

        asked = np.resize(np.arange(SHORTEST, LONGEST + 1), args.samples)
        with Progress("Generating words"):
            words = model.generate(args.samples, 50, lengths=asked, seed=0, verbose=0)
    for word in spell(words[:LONGEST:5]):
        print(f"{len(word):>3}  {word}")
    as_asked = ((words >= 0).sum(axis=-1) == asked).mean()
    print(
        f"{as_asked:.1%} have the requested length, {np.isfinite(log_prob(words)).mean():.1%} obey"
    )


if __name__ == "__main__":
    main(ARGS)
