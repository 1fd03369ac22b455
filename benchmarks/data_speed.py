"""Speed of the MNIST input pipeline, relative to training the model of `examples/mnist.py`.

    KERAS_BACKEND=jax python -m benchmarks.data_speed --data-dir ~/tensorflow_datasets

Times an epoch of input alone (all training images, binarised anew, in batches of 128), and `fit` on
such batches: an epoch, or `--steps`, of the MLP of the preset `small`, compiled before. The two
take turns. Prints milliseconds per batch in each round, and the ratio of the fastest rounds.
"""

import argparse
import pathlib
import sys
import time

import keras

from keras_bfn import datasets


def build_model(data):
    sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "examples"))
    import mnist

    return mnist.build_model("small", "mlp", data, data.train.num_batches, seed=0)


def seconds(function):
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", help="as in tfds.load")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, help="training steps per round")
    args = parser.parse_args()

    data = datasets.mnist(128, data_dir=args.data_dir)
    train = data.train
    steps = args.steps or train.num_batches
    model = build_model(data)
    model.fit(train, steps_per_epoch=2, verbose=0)  # compiles
    inputs, trainings = [], []
    for epoch in range(args.rounds):
        train.epoch = epoch
        epoch_of_input = seconds(lambda: [train[i] for i in range(train.num_batches)])
        inputs.append(1e3 * epoch_of_input / train.num_batches)
        training = seconds(lambda: model.fit(train, steps_per_epoch=steps, verbose=0))
        trainings.append(1e3 * training / steps)

    print(f"Milliseconds per batch of 128 images, on {keras.backend.backend()}:")
    for name, values in (("input alone", inputs), ("training", trainings)):
        print(f"{name:<12}", " ".join(f"{value:.2f}" for value in values))
    print(f"Input is {min(trainings) / min(inputs):.0f} times as fast as training.")


if __name__ == "__main__":
    main()
