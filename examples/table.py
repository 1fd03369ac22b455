"""Trains Bayesian flow networks on the rows of tables: numbers, classes, dates, missing cells.

    KERAS_BACKEND=torch python examples/table.py
    KERAS_BACKEND=torch python examples/table.py --data file.csv --target column

By default the tables are scikit-learn's wines (178 rows, 13 columns, 3 classes) and breast cancers
(569 rows, 30 columns, 2 classes). Of each, for each of five splits, 70% of the rows are trained on.
Prints two things about the others:

- how well the target is told by a model that has learnt rows that were drawn, and how well by one
  that has learnt the real rows: the accuracy of logistic regression, or, if the target is a number,
  R^2 of linear regression;
- by how much numbers are missed that were hidden, a fifth of them at random and with them every
  target: filled in with the mean of several draws of `impute`, with one draw, and with the column's
  mean. In standard deviations of the columns: the root of the mean square.
"""

import argparse
import pathlib
import time

import keras
import numpy as np
import pandas
from digits import positive
from sklearn.datasets import load_breast_cancer, load_wine
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from keras_bfn.tables import Table
from keras_bfn.tables.model import BATCH_SIZE

HIDDEN = 0.2


def load_tables(args):
    """Frames by their names, and the column that is to be told."""
    if args.data is not None:
        df = pandas.read_csv(args.data)
        if args.target not in df.columns:
            raise SystemExit(f"--target must be one of {list(df.columns)}")
        return {args.data.stem: df.dropna(subset=args.target)}, args.target
    wine, cancer = (loader(as_frame=True).frame for loader in (load_wine, load_breast_cancer))
    return {"wine": wine, "breast cancer": cancer}, "target"


def train(df, steps, seed):
    keras.utils.set_random_seed(seed)
    model = Table.from_dataframe(df).make_model(width=64, seed=seed)
    model.fit(df, epochs=-(-steps * BATCH_SIZE // len(df)), verbose=0)
    return model


def to_numbers(df, target, columns):
    """What the regressions take: strings as columns of 0 and 1, no missing cells."""
    x = pandas.get_dummies(df.drop(columns=target), dtype=float).reindex(columns=columns)
    return x.fillna(x.mean()).fillna(0.0)


def score(df, test, target):
    """Of a regression that has learnt some rows, on others."""
    is_number = test[target].dtype.kind == "f"
    regression = LinearRegression() if is_number else LogisticRegression(max_iter=1000)
    learner = make_pipeline(StandardScaler(), regression)
    columns = pandas.get_dummies(test.drop(columns=target)).columns
    learner.fit(to_numbers(df, target, columns), df[target])
    return learner.score(to_numbers(test, target, columns), test[target])


def root_mean_square(errors):
    return np.sqrt(np.nanmean(np.square(errors)))


def run_split(df, target, seed, args):
    """Scores after real and after drawn rows; errors of three ways to fill in numbers."""
    rows, test = train_test_split(df, test_size=0.3, random_state=seed)
    model = train(rows, args.steps, seed)
    drawn = model.sample(args.samples, num_steps=args.sampler_steps, seed=seed)
    scores = [score(rows, test, target), score(drawn, test, target)]

    names = [name for name in test.columns.drop(target) if test[name].dtype.kind == "f"]
    mean, std = rows[names].mean(), rows[names].std()
    hidden = np.random.default_rng(seed).uniform(size=(len(test), len(names))) < HIDDEN
    shown = test.drop(columns=target)
    shown[names] = shown[names].mask(hidden)
    draws = model.impute(shown, num_draws=args.draws, num_steps=args.sampler_steps, seed=seed)
    filled = np.stack([draw[names] for draw in draws])
    guesses = (filled.mean(axis=0), filled[0], mean.to_numpy())
    errors = [((guess - test[names]) / std).to_numpy()[hidden] for guess in guesses]
    return scores, [root_mean_square(error) for error in errors]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=pathlib.Path, help="a CSV file, in the place of wines")
    parser.add_argument("--target", help="its column that is to be told")
    parser.add_argument("--steps", type=positive, default=800, help="of training")
    parser.add_argument("--splits", type=positive, default=5)
    parser.add_argument("--samples", type=positive, default=1000, help="rows to draw")
    parser.add_argument("--sampler-steps", type=positive, default=50)
    parser.add_argument("--draws", type=positive, default=10, help="to fill in a number")
    args = parser.parse_args()
    start = time.monotonic()
    print(f"On {keras.backend.backend()}. After: what a regression has learnt. Hidden numbers:")
    print(f"with the mean of {args.draws} draws, with one draw, with the column's mean.")
    tables, target = load_tables(args)
    for name, df in tables.items():
        print(f"\n{name:<14}after real rows  generated rows  hidden: mean   one    column")
        results = []
        for seed in range(args.splits):
            scores, errors = run_split(df, target, seed, args)
            results.append([*scores, *errors])
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
