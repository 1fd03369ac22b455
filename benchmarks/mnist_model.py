"""Trains a small class-conditional model of binary MNIST for `benchmarks.samplers`.

    KERAS_BACKEND=jax python -m benchmarks.mnist_model mnist.keras --data-dir ~/tensorflow_datasets

The model is an MLP with 6.7 million weights, trained for 60 epochs: about 20 minutes on two CPU
cores. Pixels are binarised at random anew in every epoch. One label in ten is dropped, so that
sampling can be guided. Prints the code length of the test images, with and without their classes.
"""

import argparse
import pathlib

import keras
import numpy as np

import keras_bfn
from keras_bfn import datasets, flows, networks
from keras_bfn.recipes import adamw

BATCH_SIZE = 128
IMAGE_SHAPE = (28, 28, 1)


def load_mnist(split, data_dir):
    """Returns levels in [0, 1], `(num, 28, 28, 1)`, and labels, from TensorFlow Datasets."""
    import tensorflow_datasets as tfds

    data = tfds.load("mnist", split=split, data_dir=data_dir, batch_size=-1)
    data = tfds.as_numpy(data)
    return data["image"] / np.float32(255), data["label"].astype("int32")


def binarize(levels, rng):
    return (rng.uniform(size=levels.shape) < levels).astype("int32")


def build_model(epochs, steps_per_epoch):
    flow = flows.DiscreteFlow(num_classes=2, beta_1=9.0)
    network = networks.MLP(flow, IMAGE_SHAPE, width=512, num_blocks=3, conditions=10)
    model = keras_bfn.BayesianFlowNetwork(flow, network, condition_dropout=0.1, seed=0)
    model.compile(adamw(epochs * steps_per_epoch), loss="continuous_time")
    return model


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=pathlib.Path, help="where to write the model")
    parser.add_argument("--data-dir", help="as in tfds.load")
    parser.add_argument("--epochs", type=int, default=60)
    args = parser.parse_args()

    keras.utils.set_random_seed(0)
    levels, labels = load_mnist("train", args.data_dir)
    data = datasets.Batches(levels, binarize, BATCH_SIZE, labels)
    model = build_model(args.epochs, data.num_batches)
    model.fit(data, epochs=args.epochs, verbose=2)
    model.save(args.model)

    levels, labels = load_mnist("test", args.data_dir)
    x = binarize(levels, np.random.default_rng(0))
    for name, condition in (
        ("given its class", labels),
        ("without", np.full_like(labels, model.null_condition)),
    ):
        nats = model.code_length((x, condition), num_repeats=10, seed=0, verbose=0)
        total = nats["transmission"].mean() + nats["reconstruction"].mean()
        print(f"Code length of a test image, {name}: {total:.2f} nats in continuous time")


if __name__ == "__main__":
    main()
