"""Trains Bayesian flow networks on rows of tables: columns of numbers, and a class.

    KERAS_BACKEND=torch python examples/table.py

The tables are scikit-learn's wines (178 rows, 13 columns, 3 classes) and breast cancers (569 rows,
30 columns, 2 classes). Of each, for each of five splits, 70% of the rows are trained on. Prints two
things about the others:

- how many of their classes logistic regression finds that has learnt rows that the model
  generated, and how many if it has learnt the real rows;
- by how much numbers are missed that were hidden, a fifth of them at random and with them every
  class: filled in with the mean of several draws of `inpaint`, with one draw, and with the column's
  mean. In standard deviations of the columns: the root of the mean square.
"""

import argparse
import time

import keras
import numpy as np
from digits import positive
from recipe import adamw
from sklearn.datasets import load_breast_cancer, load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

import keras_bfn
from keras_bfn import datasets, flows, networks

TABLES = {"wine": load_wine, "breast cancer": load_breast_cancer}
BATCH_SIZE = 64
# Numbers are sent in [-1, 1]: so many standard deviations are 1, and what is farther out is cut.
LARGEST = 4.0
HIDDEN = 0.2


def to_parts(rows, classes):
    numbers = np.clip(rows / LARGEST, -1, 1).astype("float32")
    return {"numbers": numbers, "class": classes.astype("int32")}


def train(data, steps, seed):
    keras.utils.set_random_seed(seed)
    flow = {
        # At the end, numbers are known to a fifth of a standard deviation.
        "numbers": flows.ContinuousFlow(sigma_1=0.2 / LARGEST),
        "class": flows.DiscreteFlow(num_classes=int(data["class"].max()) + 1, beta_1=3.0),
    }
    shapes = {name: part.shape[1:] for name, part in data.items()}
    network = networks.MultiPart(flow, shapes, width=64, num_blocks=2, mixer="mlp", dropout=0.1)
    model = keras_bfn.BayesianFlowNetwork(flow, network, seed=seed)
    model.compile(adamw(steps, peak_rate=3e-3))
    batches = datasets.Batches(
        np.arange(len(data["class"])),
        lambda rows, rng: {name: part[rows] for name, part in data.items()},
        BATCH_SIZE,
        seed=seed,
        steps_per_epoch=steps,
    )
    model.fit(batches, verbose=0)
    return model


def accuracy(rows, classes, test_rows, test_classes):
    """Of logistic regression that has learnt some rows, on others."""
    return LogisticRegression(max_iter=1000).fit(rows, classes).score(test_rows, test_classes)


def root_mean_square(errors):
    return np.sqrt(np.mean(np.square(errors)))


def run_split(table, seed, args):
    """Accuracies after real and after generated rows; errors of three ways to fill in numbers."""
    rows, classes = table(return_X_y=True)
    rows, test_rows, classes, test_classes = train_test_split(
        rows, classes, test_size=0.3, stratify=classes, random_state=seed
    )
    scaler = StandardScaler().fit(rows)
    rows, test_rows = scaler.transform(rows), scaler.transform(test_rows)
    model = train(to_parts(rows, classes), args.steps, seed)

    options = {"num_steps": args.sampler_steps, "seed": seed, "verbose": 0}
    num = args.samples
    generated = model.generate(num, batch_size=num, **options)
    accuracies = [
        accuracy(rows, classes, test_rows, test_classes),
        accuracy(generated["numbers"] * LARGEST, generated["class"], test_rows, test_classes),
    ]

    hidden = np.random.default_rng(seed).uniform(size=test_rows.shape) < HIDDEN
    numbers = np.where(hidden, 0, to_parts(test_rows, test_classes)["numbers"])
    filled = model.inpaint(
        {"numbers": np.tile(numbers, (args.draws, 1))},
        {"numbers": np.tile(~hidden, (args.draws, 1))},
        num_particles=8,
        batch_size=len(numbers),
        **options,
    )["numbers"]
    filled = LARGEST * filled.reshape(args.draws, *numbers.shape)
    guesses = (filled.mean(axis=0), filled[0], 0.0)
    return accuracies, [root_mean_square((guess - test_rows)[hidden]) for guess in guesses]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=positive, default=800, help="of training")
    parser.add_argument("--splits", type=positive, default=5)
    parser.add_argument("--samples", type=positive, default=1000, help="rows to generate")
    parser.add_argument("--sampler-steps", type=positive, default=50)
    parser.add_argument("--draws", type=positive, default=10, help="to fill in a number")
    args = parser.parse_args()
    start = time.monotonic()
    print(f"On {keras.backend.backend()}. After: what logistic regression has learnt. Hidden")
    print(f"numbers: with the mean of {args.draws} draws, with one draw, with the column's mean.")
    for name, table in TABLES.items():
        print(f"\n{name:<14}after real rows  generated rows  hidden: mean   one    column")
        results = []
        for seed in range(args.splits):
            accuracies, errors = run_split(table, seed, args)
            results.append([*accuracies, *errors])
            print_row(f"split {seed}", results[-1])
        mean = np.mean(results, axis=0)
        print_row("mean", mean)
        print(f"generated rows teach {100 * mean[1] / mean[0]:.1f}% of what real rows do")
    print(f"\n{time.monotonic() - start:.0f} s")


def print_row(name, values):
    real, generated, mean, one, column = values
    print(
        f"{name:<14}{100 * real:<17.1f}{100 * generated:<24.1f}{mean:<7.3f}{one:<7.3f}{column:.3f}",
        flush=True,
    )


if __name__ == "__main__":
    main()
