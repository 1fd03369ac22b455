"""Words of different lengths, from a grammar whose entropy is known.

    KERAS_BACKEND=jax python examples/lengths.py

A word of 5 to 40 letters is made of syllables, a consonant and a vowel; it may begin with a vowel,
and always ends with one. A vowel is likely to be that of the syllable before, and a consonant
another than the last. Words are rows of integers, and -1 stands where one has ended: the flow sends
nothing there, and the network, which takes a `"mask"`, sees the word end.

Prints what a held-out word costs in continuous time, in bits per letter, beside the grammar's
entropy given the lengths, exactly; words of the lengths asked for; and how many obey the grammar.
"""

import argparse
import math
import time

import keras
import numpy as np

import keras_bfn
from keras_bfn import flows, networks
from keras_bfn.recipes import muon

CONSONANTS, VOWELS = "bdgkm", "aiu"
LETTERS = CONSONANTS + VOWELS
SHORTEST, LONGEST = 5, 40
SAME_VOWEL, SAME_CONSONANT = 0.8, 0.05
BATCH_SIZE = 128


def transitions():
    """The probabilities of a letter given the one before it of its kind, `(8, 8)`."""
    table = np.zeros((len(LETTERS), len(LETTERS)))
    for letters, same in ((CONSONANTS, SAME_CONSONANT), (VOWELS, SAME_VOWEL)):
        places = [LETTERS.index(letter) for letter in letters]
        table[np.ix_(places, places)] = (1 - same) / (len(letters) - 1)
        table[places, places] = same
    return table


def make_words(num, rng):
    """Words and their lengths; a word that ends early is filled up with -1."""
    lengths = rng.integers(SHORTEST, LONGEST + 1, num)
    words = np.full((num, LONGEST), -1, "int32")
    shares = transitions().cumsum(axis=-1)
    for word, length in zip(words, lengths, strict=True):
        for i in range(length):
            # The last letter is a vowel, so the length tells the kind of each.
            kind = VOWELS if (length - 1 - i) % 2 == 0 else CONSONANTS
            if i < 2:
                word[i] = LETTERS.index(rng.choice(list(kind)))
            else:
                drawn = np.searchsorted(shares[word[i - 2]], rng.uniform())
                word[i] = min(drawn, len(LETTERS) - 1)
    return words, lengths


def log_prob(words):
    """The grammar's log probability of each word given its length, in nats."""
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


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--words", type=int, default=10_000, help="to train with")
    parser.add_argument("--held-out", type=int, default=1000, help="words to score")
    parser.add_argument("--samples", type=int, default=500, help="words to make")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
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
    model.fit(train, batch_size=BATCH_SIZE, epochs=args.epochs, validation_data=test, verbose=2)
    print(f"Trained for {time.process_time() - start:.0f} seconds of processor time")

    with model.averaged_weights():
        nats = model.code_length(test, num_repeats=20, seed=0, verbose=0)
        num_letters = lengths.sum()
        cost = (nats["transmission"] + nats["reconstruction"]).sum() / num_letters
        entropy = -log_prob(test).sum() / num_letters
        print(f"Held-out words: {cost / math.log(2):.3f} bits per letter")
        print(f"The grammar's entropy, given lengths: {entropy / math.log(2):.3f}")
        print(f"Excess: {cost / entropy - 1:.1%}\n")

        asked = np.resize(np.arange(SHORTEST, LONGEST + 1), args.samples)
        words = model.generate(args.samples, 50, lengths=asked, seed=0, verbose=0)
    for word in spell(words[:LONGEST:5]):
        print(f"{len(word):>3}  {word}")
    as_asked = ((words >= 0).sum(axis=-1) == asked).mean()
    print(
        f"{as_asked:.1%} of the lengths asked for, {np.isfinite(log_prob(words)).mean():.1%} obey"
    )


if __name__ == "__main__":
    main()
