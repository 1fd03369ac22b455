"""Bits per character of compressors and n-gram models, to compare with `examples/text8.py`.

    python -m benchmarks.text_baselines novel.txt
    python -m benchmarks.text_baselines novel.txt --seq-length 128

The text is cleaned and split as by `keras_bfn.datasets.text_file`: the last 5% are for testing, the
5% before them for validation, and the rest for training. Compressors are measured twice: on the
whole cleaned text, and by the bytes that the test part adds to the training part. N-gram models (n
= 1 to 5) are fitted to the training part, and each is interpolated with the shorter ones (Witten
and Bell); the validation part determines the weights of the shorter ones. They are scored on the
continuous test part, and on windows of `--seq-length` characters without context, as for a model of
`examples/text8.py`.
"""

import argparse
import bz2
import gzip
import lzma
import pathlib

import numpy as np

from benchmarks.ngrams import NgramModel
from keras_bfn.datasets import Letters, clean_text

LETTERS = Letters()
MAX_ORDER = 5
STRENGTHS = (0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)
COMPRESSORS = {
    "gzip -9": lambda text: gzip.compress(text, 9),
    "bzip2 -9": lambda text: bz2.compress(text, 9),
    "xz -9e": lambda text: lzma.compress(text, preset=9 | lzma.PRESET_EXTREME),
}


def load_parts(path):
    """Returns the training, validation and test part as integers."""
    text = pathlib.Path(path).read_text(encoding="utf-8")
    letters = LETTERS.encode(clean_text(text))
    num_held_out = len(letters) // 20
    return np.split(letters, [-2 * num_held_out, -num_held_out])


class NGrams(NgramModel):
    """Letter counts after every context of up to four letters.

    After a context that occurred N times, followed by T different letters, the probability of a
    letter is `(count + strength * T * shorter) / (N + strength * T)`. Here `shorter` is its
    probability after a context one letter shorter, and 1 / 27 before the shortest. `strength=1` is
    the rule of Witten and Bell.

    Args:
        letters: int array of shape `(length,)`.
        strengths: list of floats, one for each context size from 0.
    """

    def __init__(self, letters, strengths):
        super().__init__(letters, LETTERS.num_classes, len(strengths) - 1)
        self.shorter_tables = self.tables
        self.strengths = list(strengths)

    def interpolate(self, size, counts, totals, types, shorter):
        weights = self.strengths[size] * types
        mixed = (counts + weights * shorter) / np.maximum(totals + weights, 1e-9)
        return np.where(totals > 0, mixed, shorter)


def choose_strengths(model, letters):
    """Sets the strength of each context size in turn to the best one for these letters."""
    for size in range(len(model.strengths)):
        bits = {}
        for strength in STRENGTHS:
            model.strengths[size] = strength
            bits[strength] = model.bits_per_token(letters, size)
        model.strengths[size] = min(bits, key=bits.get)


def print_compressors(train, validation, test):
    whole = LETTERS.decode(np.concatenate([train, validation, test])).encode()
    before, after = (LETTERS.decode(part).encode() for part in (train, test))
    print(f"{'':<24}{'whole text':>12}{'test part':>12}")
    for name, compress in COMPRESSORS.items():
        added = len(compress(before + after)) - len(compress(before))
        bits = 8 * len(compress(whole)) / len(whole), 8 * added / len(after)
        print(f"{name:<24}{bits[0]:>12.3f}{bits[1]:>12.3f}", flush=True)


def print_models(train, validation, test, seq_length):
    model = NGrams(train, [1.0] * MAX_ORDER)
    choose_strengths(model, validation)
    windows = test[: len(test) // seq_length * seq_length].reshape(-1, seq_length)
    print(f"\n{'':<24}{'test part':>12}{f'windows of {seq_length}':>16}")
    uniform = np.log2(LETTERS.num_classes)
    print(f"{'uniform':<24}{uniform:>12.3f}{uniform:>16.3f}")
    for size in range(MAX_ORDER):
        bits = (model.bits_per_token(letters, size) for letters in (test, windows))
        print(f"{f'{size + 1}-gram':<24}{next(bits):>12.3f}{next(bits):>16.3f}", flush=True)
    print(f"Strengths chosen, from the shortest context: {model.strengths}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("text", help="text file in UTF-8")
    parser.add_argument("--seq-length", type=int, default=64)
    args = parser.parse_args()
    parts = load_parts(args.text)
    print(f"Bits per character, {' + '.join(f'{len(part):,}' for part in parts)} characters")
    print_compressors(*parts)
    print_models(*parts, args.seq_length)


if __name__ == "__main__":
    main()
