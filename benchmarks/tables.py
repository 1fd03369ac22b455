"""What models of tables are worth: rows to learn from, cells filled in, outliers found.

    KERAS_BACKEND=jax python -m benchmarks.tables

Of scikit-learn's wines, breast cancers, diabetes and irises, and of a made table with strings,
dates and missing cells, 70% of the rows are trained on, over several splits. Prints means over the
splits:

- the score (accuracy, or R^2) on the other rows of a random forest that has learnt real rows, rows
  that the model drew, or rows of a Gaussian copula, and of TVAE and CTGAN, which are trained for as
  many seconds of the processor as the model, where `pip install ctgan` was done;
- how far such rows are from the other rows in each column, and in what goes with what;
- whether they are copies: the share that is nearer to a row of training than the median of the
  other rows is, which of rows as new as those is a half, and the share that is such a row;
- the root mean square error, in standard deviations, of numbers of which a fifth were hidden at
  random, and the target everywhere: filled in with the mean of draws of the model, one draw, or by
  scikit-learn's `IterativeImputer`, `KNNImputer` and the column's mean; and how many of them are
  between the second least and the second largest of 39 draws, which should be 90%;
- the area under the curve by which rows with one cell swapped for another row's are told from the
  others: by the model's likelihood, by that of the copula's normal scores, by `IsolationForest`;
- the nats of a held-out row by messages about all cells at once, and about one cell after another.
"""

import argparse
import json
import pathlib
import time

import keras
import numpy as np
import pandas
from scipy.stats import rankdata
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, load_wine
from sklearn.ensemble import IsolationForest, RandomForestClassifier, RandomForestRegressor
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split

from benchmarks.report import print_rows
from benchmarks.table_measures import correlation_error, marginal_error, nearness
from benchmarks.table_peers import PEERS, Copula, Peer, import_peers
from keras_bfn import orders
from keras_bfn.tables import Table

HIDDEN = 0.2
DRAWS = 39  # the second least and the second largest have 90% of what is drawn alike between them


def load(loader):
    """A frame of a table of scikit-learn, whose `"target"` is a string unless it is a number."""
    df = loader(as_frame=True).frame
    if loader is not load_diabetes:
        df["target"] = "class " + df["target"].astype(str)
    return df


def make_table(num=500, seed=0):
    """Customers: a date, strings, sums that are often 0, missing cells; and whether they stay."""
    rng = np.random.default_rng(seed)
    city = rng.choice(["Oslo", "Rome", "Lima", "Kyiv"], num, p=[0.4, 0.3, 0.2, 0.1])
    days = rng.integers(0, 1000, num)
    age = np.clip(rng.normal(45, 14, num) + 8 * (city == "Rome"), 18, 90).round().astype(int)
    spent = rng.lognormal(3 + 0.02 * age + 0.5 * (city == "Lima"), 0.4)
    spent = np.where(rng.uniform(size=num) < 0.3, 0, spent).round(2)
    plan = np.where(spent > 60, "large", np.where(rng.uniform(size=num) < 0.8, "small", "trial"))
    score = 0.004 * (days - 500) + 1.5 * (plan == "large") + 0.05 * (age - 45)
    stays = rng.uniform(size=num) < 1 / (1 + np.exp(-2 * score))
    df = pandas.DataFrame(
        {
            "city": city,
            "since": pandas.Timestamp("2021-01-01") + pandas.to_timedelta(days, unit="D"),
            "age": age.astype("float64"),
            "spent": spent,
            "plan": plan,
            "target": np.where(stays, "stays", "goes"),
        }
    )
    for name in ("city", "age", "spent"):
        df.loc[rng.uniform(size=num) < 0.05, name] = None
    return df


TABLES = {
    "wine": lambda: load(load_wine),
    "breast cancer": lambda: load(load_breast_cancer),
    "diabetes": lambda: load(load_diabetes),
    "iris": lambda: load(load_iris),
    "made": make_table,
}


def features(df, columns):
    """Numbers for a forest: strings as columns of 0 and 1, dates as days."""
    df = df.drop(columns="target", errors="ignore").copy()
    for name in df.select_dtypes("datetime"):
        df[name] = df[name].astype("datetime64[s]").astype("int64") / 86400
    df = pandas.get_dummies(df, dtype=float)
    return df.reindex(columns=columns, fill_value=0.0) if columns is not None else df


def score(df, test, seed):
    """That of a random forest that has learnt `df`, on other rows."""
    columns = features(test, None).columns
    is_number = test["target"].dtype.kind == "f"
    forest = RandomForestRegressor if is_number else RandomForestClassifier
    forest = forest(200, random_state=seed)
    forest.fit(features(df, columns), df["target"])
    return forest.score(features(test, columns), test["target"])


def fill_errors(model, train, test, seed, num_draws):
    """Root mean square errors of numbers that were hidden, by ways to fill in; the coverage."""
    names = [name for name in test if name != "target" and test[name].dtype.kind == "f"]
    mean, std = train[names].mean(), train[names].std()
    true = ((test[names] - mean) / std).to_numpy()
    hidden = np.random.default_rng(seed).uniform(size=true.shape) < HIDDEN
    shown = test.drop(columns="target")
    shown[names] = shown[names].mask(hidden)
    draws = model.impute(shown, num_draws=num_draws, seed=seed)
    draws = np.stack([((draw[names] - mean) / std).to_numpy() for draw in draws])
    guesses = {"mean of draws": draws.mean(axis=0), "one draw": draws[0]}
    for imputer in (IterativeImputer(max_iter=30, random_state=seed), KNNImputer()):
        imputer.fit(((train[names] - mean) / std).to_numpy())
        found = imputer.transform(np.where(hidden, np.nan, true))
        guesses[type(imputer).__name__] = found
    guesses["column mean"] = np.zeros_like(true)
    scored = hidden & ~np.isnan(true)
    beyond, ordered = max(1, round(0.05 * (num_draws + 1))), np.sort(draws, axis=0)
    low, high = ordered[beyond - 1], ordered[-beyond]
    errors = {
        name: np.sqrt(np.mean(np.square(guess - true)[scored])) for name, guess in guesses.items()
    }
    return errors, np.mean((low <= true)[scored] & (true <= high)[scored])


def outlier_areas(model, copula, train, test, seed):
    """Areas under the curve, of rows with one cell that is another row's."""
    rng = np.random.default_rng(seed)
    swapped = test.copy()
    for i in range(len(test)):
        name = rng.choice(test.columns)
        swapped.iloc[i, test.columns.get_loc(name)] = rng.choice(test[name].dropna().to_numpy())
    both = pandas.concat([test, swapped], ignore_index=True)
    labels = np.repeat([0, 1], len(test))
    columns = features(train.rename(columns={"target": "y"}), None).columns
    numbers = [features(df.rename(columns={"target": "y"}), columns) for df in (train, both)]
    middle = numbers[0].mean()
    forest = IsolationForest(random_state=seed).fit(numbers[0].fillna(middle))
    scores = {
        "model": model.log_likelihood(both, seed=seed),
        "copula": copula.log_likelihood(both),
        "IsolationForest": forest.score_samples(numbers[1].fillna(middle)),
    }
    return {name: roc_auc_score(labels, -score) for name, score in scores.items()}


def run_split(df, seed, args, epochs):
    """A dict from measures to a dict from those that are measured to numbers.

    `epochs` is a dict from peers to how many they train for: found in a first split, kept in it.
    """
    train, test = train_test_split(df, test_size=0.3, random_state=seed)
    start = time.process_time()
    keras.utils.set_random_seed(seed)
    model = Table.from_dataframe(train).make_model(seed=seed)
    model.fit(train, verbose=0, **({"epochs": args.epochs} if args.epochs else {}))
    seconds = {"model": time.process_time() - start}
    copula = Copula(train, np.random.default_rng(seed))
    drawn = {"real": train, "model": model.sample(args.samples, seed=seed)}
    drawn["copula"] = copula.sample(args.samples)
    for name in args.peers:
        peer = Peer(name, train, args.seconds or seconds["model"], seed, epochs.get(name))
        drawn[name], seconds[name] = peer.sample(args.samples), peer.seconds
        epochs[name] = peer.epochs
    errors, coverage = fill_errors(model, train, test, seed, args.draws)
    near = {name: nearness(rows, train, test) for name, rows in drawn.items() if name != "real"}
    return {
        "forest after rows": {name: score(rows, test, seed) for name, rows in drawn.items()},
        "columns": {name: marginal_error(rows, test) for name, rows in drawn.items()},
        "pairs": {name: correlation_error(rows, test) for name, rows in drawn.items()},
        "near": {name: value[0] for name, value in near.items()},
        "copies": {name: value[1] for name, value in near.items()},
        "hidden numbers": errors,
        "covered": {"model": coverage},
        "swapped cells": outlier_areas(model, copula, train, test, seed),
        "nats": {
            name: -model.log_likelihood(test, order=order, seed=seed).mean()
            for name, order in (("together", "together"), ("cell by cell", orders.Blocks(1)))
        },
        "seconds": seconds,
    }


def mean_ranks(results):
    """The rank of each that draws rows, from 1, over tables, of errors of columns and pairs."""
    found = []
    for means in results:
        for measure in ("columns", "pairs"):
            values = {name: x for name, x in means[measure].items() if name != "real"}
            found.append(rankdata(list(values.values())))
    return dict(zip(values, np.mean(found, axis=0).tolist(), strict=True))


def main(args=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=list(TABLES))
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--samples", type=int, default=1000, help="rows to draw")
    parser.add_argument("--draws", type=int, default=DRAWS, help="of each hidden number")
    parser.add_argument("--epochs", type=int, help="by default those of `fit`")
    parser.add_argument("--seconds", type=float, help="of the peers; by default the model's")
    parser.add_argument("--peers", nargs="*", choices=PEERS, default=PEERS)
    help_of_output = "JSON of what was measured; tables that it has are not measured again"
    parser.add_argument("--output", type=pathlib.Path, help=help_of_output)
    args = parser.parse_args(args)
    if args.peers and import_peers() is None:
        print(f"No {' and '.join(args.peers)}: `pip install ctgan`.")
        args.peers = ()
    results = json.loads(args.output.read_text()) if args.output and args.output.exists() else {}
    for name in args.tables:
        if name in results:
            continue
        epochs = {}
        splits = [run_split(TABLES[name](), seed, args, epochs) for seed in range(args.splits)]
        results[name] = {
            measure: {who: float(np.mean([s[measure][who] for s in splits])) for who in whose}
            for measure, whose in splits[0].items()
        }
        if args.output:
            args.output.write_text(json.dumps(results, indent=1))
    print(f"On {keras.backend.backend()}, means of {args.splits} splits.")
    measured = [results[name] for name in args.tables]
    for measure in measured[0]:
        print(f"\n{measure}\n")
        print_rows({"table": name, **results[name][measure]} for name in args.tables)
    scores = [means["forest after rows"] for means in measured]
    share = np.mean([score["model"] / score["real"] for score in scores])
    print(f"\nRows of the model teach {100 * share:.1f}% of what real rows do.")
    ranks = ", ".join(f"{name} {rank:.2f}" for name, rank in mean_ranks(measured).items())
    print(f"Mean ranks in columns and pairs: {ranks}.")


if __name__ == "__main__":
    main()
