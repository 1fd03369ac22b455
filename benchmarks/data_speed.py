"""How much faster batches of MNIST are made than the model of `examples/mnist.py` learns them.

    KERAS_BACKEND=jax python -m benchmarks.data_speed --data-dir ~/tensorflow_datasets

Times an epoch of input alone, all training images in batches of 128, binarised anew, and an epoch
of training by `fit` on such batches: the small preset's model, compiled before. Both take turns.
Prints the seconds of each epoch, and the ratio of the medians.
"""

import argparse
import pathlib
import sys
import time

import keras
import numpy as np

from keras_bfn import datasets


def build_model(num_batches):
    sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "examples"))
    import mnist

    return mnist.build_model("small", num_batches, seed=0)


def seconds(function):
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", help="as in tfds.load")
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()

    train = datasets.mnist(128, data_dir=args.data_dir).train
    model = build_model(train.num_batches)
    model.fit(train, steps_per_epoch=2, verbose=0)  # compiles
    inputs, trainings = [], []
    for epoch in range(args.rounds):
        train.epoch = epoch
        inputs.append(seconds(lambda: [train[i] for i in range(train.num_batches)]))
        trainings.append(seconds(lambda: model.fit(train, verbose=0)))

    print(f"An epoch of {train.num_batches} batches of 128 images, on {keras.backend.backend()}:")
    for name, values in (("input alone", inputs), ("training", trainings)):
        print(f"{name:<12}", " ".join(f"{value:.2f} s" for value in values))
    print(f"Input is {np.median(trainings) / np.median(inputs):.0f} times as fast as training.")


if __name__ == "__main__":
    main()
