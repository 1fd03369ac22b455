"""What models of tables are worth: rows to learn from, cells filled in, outliers found.

    KERAS_BACKEND=torch python -m benchmarks.tables

Of scikit-learn's wines, breast cancers and diabetes, and of a made table with strings, dates and
missing cells, 70% of the rows are trained on, over several splits. Prints of the other rows:

- the score (accuracy, or R^2) of a random forest that has learnt real rows, rows that the model
  drew, or rows of a Gaussian copula;
- the root mean square error, in standard deviations, of numbers of which a fifth were hidden at
  random, and the target everywhere: filled in with the mean of ten draws of the model, one draw, or
  by scikit-learn's `IterativeImputer`, `KNNImputer` and the column's mean;
- the area under the curve by which rows with one cell swapped for another row's are told from the
  others: by the model's likelihood, by that of the copula's normal scores, by `IsolationForest`.
"""

import argparse
import time

import keras
import numpy as np
import pandas
from scipy.stats import norm
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from sklearn.ensemble import IsolationForest, RandomForestClassifier, RandomForestRegressor
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split

from keras_bfn.tables import Table

HIDDEN = 0.2
DRAWS = 10


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
    "made": make_table,
}


class Copula:
    """A Gaussian copula: each column by its own quantiles, and the correlation of their scores."""

    def __init__(self, df, rng):
        self.df, self.rng = df, rng
        self.values = {
            name: df[name].value_counts().index for name in df if df[name].dtype.kind not in "fiM"
        }
        self.seen = {name: np.sort(x[~np.isnan(x)]) for name, x in self.numbers(df).items()}
        scores = self.scores(df)
        self.correlation = np.corrcoef(scores.T) + 1e-3 * np.eye(scores.shape[1])

    def numbers(self, df):
        """Cells as floats: strings as their places in the order of how often they occur."""
        found = {}
        for name in self.df:
            if name in self.values:
                codes = self.values[name].get_indexer(df[name]).astype("float64")
                found[name] = np.where(codes < 0, np.nan, codes)
            else:
                is_time = df[name].dtype.kind == "M"
                found[name] = df[name].astype("int64" if is_time else "float64").to_numpy("float64")
        return found

    def scores(self, df):
        """Normal scores; of equal values, and of missing cells, by chance."""
        found = []
        for name, x in self.numbers(df).items():
            num, chance = len(self.seen[name]), self.rng.uniform(size=len(x))
            low, high = (np.searchsorted(self.seen[name], x, side) for side in ("left", "right"))
            place = np.where(np.isnan(x), num * chance, low + (high - low) * chance)
            found.append(norm.ppf(np.clip(place, 0.5, num - 0.5) / num))
        return np.stack(found, axis=-1)

    def sample(self, num):
        mean = np.zeros(len(self.correlation))
        shares = norm.cdf(self.rng.multivariate_normal(mean, self.correlation, num))
        found = {}
        for (name, seen), share in zip(self.seen.items(), shares.T, strict=True):
            x = seen[np.minimum((share * len(seen)).astype(int), len(seen) - 1)]
            if name in self.values:
                found[name] = self.values[name][x.astype(int)]
            else:
                is_time = self.df[name].dtype.kind == "M"
                found[name] = x.astype("int64").astype(self.df[name].dtype) if is_time else x
        return pandas.DataFrame(found)

    def log_likelihood(self, df):
        z = self.scores(df)
        return -0.5 * np.sum(z @ np.linalg.inv(self.correlation) * z, axis=1)


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


def fill_errors(model, train, test, seed):
    """Root mean square errors of numbers that were hidden, by five ways to fill them in."""
    names = [name for name in test if name != "target" and test[name].dtype.kind == "f"]
    mean, std = train[names].mean(), train[names].std()
    true = ((test[names] - mean) / std).to_numpy()
    hidden = np.random.default_rng(seed).uniform(size=true.shape) < HIDDEN
    shown = test.drop(columns="target")
    shown[names] = shown[names].mask(hidden)
    draws = model.impute(shown, num_draws=DRAWS, seed=seed)
    draws = np.stack([((draw[names] - mean) / std).to_numpy() for draw in draws])
    fits = []
    for imputer in (IterativeImputer(max_iter=30, random_state=seed), KNNImputer()):
        imputer.fit(((train[names] - mean) / std).to_numpy())
        fits.append(imputer.transform(np.where(hidden, np.nan, true)))
    scored = hidden & ~np.isnan(true)
    guesses = (draws.mean(axis=0), draws[0], *fits, np.zeros_like(true))
    return [np.sqrt(np.mean(np.square(guess - true)[scored])) for guess in guesses]


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
    scores = (
        model.log_likelihood(both, seed=seed),
        copula.log_likelihood(both),
        forest.score_samples(numbers[1].fillna(middle)),
    )
    return [roc_auc_score(labels, -score) for score in scores]


def run_split(df, seed, args):
    train, test = train_test_split(df, test_size=0.3, random_state=seed)
    start = time.process_time()
    keras.utils.set_random_seed(seed)
    model = Table.from_dataframe(train).make_model(seed=seed)
    model.fit(train, verbose=0, **({"epochs": args.epochs} if args.epochs else {}))
    seconds = time.process_time() - start
    copula = Copula(train, np.random.default_rng(seed))
    drawn = [model.sample(args.samples, seed=seed), copula.sample(args.samples)]
    scores = [score(rows, test, seed) for rows in (train, *drawn)]
    fills = fill_errors(model, train, test, seed)
    return [*scores, *fills, *outlier_areas(model, copula, train, test, seed), seconds]


HEADER = (
    "              forest after rows    hidden numbers, by                      swapped cells, by"
    "\n              real  model  copula  draws one    iterat. near.  mean   "
    "model  copula forest  seconds"
)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=list(TABLES))
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--samples", type=int, default=1000, help="rows to draw")
    parser.add_argument("--epochs", type=int, help="by default those of `fit`")
    args = parser.parse_args()
    print(f"On {keras.backend.backend()}, means of {args.splits} splits.\n{HEADER}")
    for name in args.tables:
        df = TABLES[name]()
        rows = np.array([run_split(df, seed, args) for seed in range(args.splits)])
        mean = rows.mean(axis=0)
        told = "  ".join(f"{value:.3f}" for value in mean[:-1])
        print(f"{name:<14}{told}  {mean[-1]:.0f}", flush=True)
        print(f"{'':14}rows of the model teach {100 * mean[1] / mean[0]:.1f}% of what real rows do")


if __name__ == "__main__":
    main()
