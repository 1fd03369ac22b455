"""Other generative models of tables: a Gaussian copula, and those of the package `ctgan`."""

import importlib
import time

import numpy as np
import pandas
from scipy.stats import norm

from benchmarks.table_measures import is_number, to_float

PEERS = ("TVAE", "CTGAN")
MISSING = "is missing"  # the class of missing cells, and the suffix of their indicator columns
FEW_EPOCHS = 10


class Copula:
    """A Gaussian copula: empirical quantiles by column, and the correlation of their scores."""

    def __init__(self, df, rng):
        self.df, self.rng = df, rng
        self.values = {
            name: df[name].value_counts().index for name in df if df[name].dtype.kind not in "fiM"
        }
        self.seen = {name: np.sort(x[~np.isnan(x)]) for name, x in self.numbers(df).items()}
        scores = self.scores(df)
        self.correlation = np.corrcoef(scores.T) + 1e-3 * np.eye(scores.shape[1])

    def numbers(self, df):
        """Returns cells as floats; strings become their ranks by frequency."""
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
        """Returns normal scores, with random ranks within ties and for missing cells."""
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


def import_peers():
    """Returns the package `ctgan`, or None if it is not installed."""
    try:
        return importlib.import_module("ctgan")
    except ImportError:
        return None


class Peer:
    """TVAE or CTGAN from `ctgan`, trained for a given processor time.

    They take no missing cells. In numbers, missing cells become the mean, and an extra column of
    classes indicates them.

    Args:
        name: one of `PEERS`.
        df: frame of training rows.
        seconds: processor seconds of training.
        seed: int.
        epochs: int or None. The number of epochs; by default, estimated from two short trainings to
            fit `seconds`.
    """

    def __init__(self, name, df, seconds, seed, epochs=None):
        self.df, self.make = df, getattr(import_peers(), name)
        self.epochs = epochs or self._count_epochs(seconds, seed)
        self.seconds = self._train(self.epochs, seed)

    def _count_epochs(self, seconds, seed):
        self._train(1, seed)  # the first training is slower
        few, more = (self._train(epochs, seed) for epochs in (FEW_EPOCHS, 6 * FEW_EPOCHS))
        each = max(1e-3, (more - few) / (5 * FEW_EPOCHS))
        return max(1, FEW_EPOCHS + round((seconds - few) / each))

    def _train(self, epochs, seed):
        start = time.process_time()
        self.model = self.make(epochs=epochs, enable_gpu=False)
        self.model.set_random_state(seed)
        whole = self._without_missing(self.df)
        self.model.fit(whole, [name for name in whole if not is_number(whole[name])])
        return time.process_time() - start

    def _without_missing(self, df):
        found = {}
        for name, column in df.items():
            if not is_number(column):
                found[name] = column.fillna(MISSING).astype(object)
                continue
            x = to_float(column)
            found[name] = np.where(np.isnan(x), np.nanmean(x), x)
            if np.isnan(x).any():
                found[f"{name} {MISSING}"] = np.where(np.isnan(x), "yes", "no").astype(object)
        return pandas.DataFrame(found, index=df.index)

    def sample(self, num):
        rows = self.model.sample(num)
        for name, column in self.df.items():
            if not is_number(column):
                rows[name] = rows[name].where(rows[name] != MISSING)
                continue
            told = f"{name} {MISSING}"
            if told in rows:
                rows[name] = rows[name].mask(rows[told] == "yes")
            if column.dtype.kind == "M":
                rows[name] = pandas.to_datetime(rows[name].round(), unit="D").astype(column.dtype)
        return rows[list(self.df)]
