"""Compares priors of tables with many numbers: what held-out rows cost, and what training takes.

    KERAS_BACKEND=jax python -m benchmarks.wide_tables --columns 100 200

Each number of the 400 training and 100 held-out rows is the hyperbolic tangent of a mix of five
hidden numbers, with noise. The models are of `make_model()` and `fit`, with their defaults but for
the prior of the numbers. Prints the nats of a held-out row, and processor seconds: of the fit of
the table's prior, of training, and of a training step.
"""

import argparse
import time

import keras
import numpy as np
import pandas

from benchmarks.report import print_rows
from keras_bfn.flows import FactorNormal, JointNormal
from keras_bfn.tables import Table

HIDDEN = 5
PRIORS = {"JointNormal": JointNormal, "FactorNormal": FactorNormal, "none": None}


def make_rows(num, mix, rng):
    hidden = rng.normal(size=(num, len(mix)))
    x = np.tanh(hidden @ mix / 2) * 2 + rng.normal(size=(num, mix.shape[1])) * 0.5
    return pandas.DataFrame(x).add_prefix("g")


def measure(num_columns, kind, args):
    rng = np.random.default_rng(0)
    mix = rng.normal(size=(HIDDEN, num_columns))
    train, test = (make_rows(num, mix, rng) for num in (args.rows, 100))
    table = Table.from_dataframe(train)
    x = table.encode(train, seed=0)
    start = time.process_time()
    prior = kind and kind.fit(x[table.numbers_part])
    fitted = time.process_time()
    table = Table(table.columns, table.dtypes, table.library, prior)
    keras.utils.set_random_seed(0)
    model = table.make_model(seed=0)
    history = model.fit(train, epochs=args.epochs, verbose=0)
    seconds = time.process_time() - fitted
    return {
        "columns": num_columns,
        "nats": float(-model.log_likelihood(test, num_repeats=20, seed=0).mean()),
        "seconds, prior": fitted - start,
        "training": seconds,
        "a step": seconds / (len(history.epoch) * history.params["steps"]),
    }


def main(args=None):
    """Returns the printed rows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--columns", type=int, nargs="+", default=[100])
    parser.add_argument("--rows", type=int, default=400, help="training rows")
    parser.add_argument("--epochs", type=int, help="by default as many as `fit` chooses")
    args = parser.parse_args(args)
    return print_rows(
        {"prior": name, **measure(num, kind, args)}
        for num in args.columns
        for name, kind in PRIORS.items()
    )


if __name__ == "__main__":
    main()
