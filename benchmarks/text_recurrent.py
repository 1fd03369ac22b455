"""Bits per letter of a recurrent network, on the data of the text track of `benchmarks.speedrun`.

    KERAS_BACKEND=jax OMP_NUM_THREADS=1 python -m benchmarks.text_recurrent novel.txt --seconds 1500

The network learns the next letter from those before it in windows of 256, as many as the track's.
Like the track's, it sees no letter before a window. `--kind` is `gru` or `lstm`.
"""

import argparse
import math
import pathlib

import keras
import numpy as np

from benchmarks.speedrun.__main__ import train
from benchmarks.speedrun.tracks import TEXT, text
from keras_bfn import recipes

NUM_LETTERS, EMBEDDING, RATE = 27, 64, 3e-3
KINDS = {"gru": (keras.layers.GRU, 512), "lstm": (keras.layers.LSTM, 448)}  # 0.9M weights each


def make_model(kind, rate):
    layer, width = KINDS[kind]
    network = [
        keras.Input((TEXT["length"],), dtype="int32"),
        keras.layers.Embedding(NUM_LETTERS + 1, EMBEDDING),  # one more stands before the first
        layer(width, return_sequences=True),
        keras.layers.Dense(NUM_LETTERS),
    ]
    model = keras.Sequential(network)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(recipes.adamw(peak_rate=rate), loss)
    return model


def shift(windows):
    return np.pad(windows[:, :-1], ((0, 0), (1, 0)), constant_values=NUM_LETTERS)


def bits(model, windows):
    """Returns the mean bits per letter, and its standard error over windows."""
    logits = model.predict(shift(windows), batch_size=64, verbose=0)
    nats = keras.ops.sparse_categorical_crossentropy(windows, logits, from_logits=True)
    each = keras.ops.convert_to_numpy(nats).mean(axis=1) / math.log(2)
    return float(each.mean()), float(each.std() / math.sqrt(len(each)))


def main(args=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=pathlib.Path)
    parser.add_argument("--kind", choices=KINDS, default="gru")
    parser.add_argument("--seconds", type=float, default=1500.0, help="processor seconds")
    parser.add_argument("--rate", type=float, default=RATE, help="peak learning rate")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(args)
    track = text(TEXT | {"order": 0}, args.data, args.seed)
    keras.utils.set_random_seed(args.seed)
    model, rng = make_model(args.kind, args.rate), np.random.default_rng(args.seed)
    print(f"{args.kind}: {model.count_params():,} weights")

    def batches():
        while True:
            windows = track.draw(rng)
            yield shift(windows), windows

    def score():
        return {"validation": round(bits(model, track.validation)[0], 4)}

    train(model, batches(), args.seconds, score)
    for name, part in (("validation", track.validation), ("test", track.test)):
        print("{}: {:.3f} +- {:.3f} bits per letter".format(name, *bits(model, part)))


if __name__ == "__main__":
    main()
