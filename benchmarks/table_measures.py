"""Measures of how similar tables are: their columns, their associations, and copies of rows.

Frames are as in `benchmarks/tables.py`: numbers are floats, dates are times, all else is strings.
"""

import itertools

import numpy as np
import pandas
from scipy.stats import ks_2samp, spearmanr
from sklearn.neighbors import NearestNeighbors


def is_number(column):
    return column.dtype.kind in "fM"


def to_float(column):
    """Returns cells as floats, dates as days, and missing cells as NaN."""
    if column.dtype.kind != "M":
        return column.to_numpy("float64")
    days = column.astype("datetime64[s]").astype("int64") / 86400
    return days.where(column.notna()).to_numpy("float64")


def shares(column, values):
    return column.value_counts(normalize=True).reindex(values, fill_value=0.0)


def column_error(one, other):
    """Returns the distance of two columns' observed cells, from 0 to 1.

    It is the Kolmogorov-Smirnov distance for numbers, and the total variation for classes.
    """
    if is_number(one):
        one, other = (x[~np.isnan(x)] for x in map(to_float, (one, other)))
        return ks_2samp(one, other).statistic
    values = sorted(set(one.dropna()) | set(other.dropna()))
    return 0.5 * np.abs(shares(one, values) - shares(other, values)).sum()


def marginal_error(rows, test):
    """Returns the mean of `column_error` over all columns."""
    return np.mean([column_error(rows[name], test[name]) for name in test])


def association(one, other):
    """Returns the association of two columns, over the rows in which both are observed.

    For two numbers, it is Spearman's correlation, from -1 to 1. Otherwise it is from 0 to 1: the
    correlation ratio of a number with a class, or Cramér's V of two classes.
    """
    both = one.notna() & other.notna()
    one, other = sorted((one[both], other[both]), key=is_number)
    if is_number(one):
        constant = one.nunique() < 2 or other.nunique() < 2
        return 0.0 if constant else spearmanr(to_float(one), to_float(other)).statistic
    if is_number(other):
        x = pandas.Series(to_float(other))
        means = x.groupby(one.to_numpy()).transform("mean")
        return np.sqrt(means.var(ddof=0) / max(x.var(ddof=0), 1e-12))
    counts = pandas.crosstab(one, other).to_numpy("float64")
    expected = counts.sum(axis=1, keepdims=True) * counts.sum(axis=0) / counts.sum()
    least = max(1, min(counts.shape) - 1)
    return np.sqrt(np.sum((counts - expected) ** 2 / expected) / (counts.sum() * least))


def correlation_error(rows, test):
    """Returns the mean absolute difference of associations, over all pairs of columns."""
    pairs = itertools.combinations(test.columns, 2)
    found = [[association(df[a], df[b]) for df in (rows, test)] for a, b in pairs]
    return np.abs(np.subtract(*np.transpose(found))).mean()


def to_points(df, train):
    """Returns rows as points: numbers in standard deviations of `train`, and classes 1 apart."""
    found = []
    for name, column in train.items():
        if is_number(column):
            x = to_float(column)
            mean, std = np.nanmean(x), max(np.nanstd(x), 1e-12)
            found.append(np.nan_to_num((to_float(df[name]) - mean) / std))
        else:
            values = sorted(column.dropna().unique())
            found += [(df[name] == value).to_numpy("float64") / np.sqrt(2) for value in values]
    return np.stack(found, axis=-1)


def nearness(rows, train, test):
    """Returns the fraction of rows nearer to `train` than the median row of `test`, and of copies.

    The first is a half for rows as new as those of `test`.
    """
    search = NearestNeighbors(n_neighbors=1).fit(to_points(train, train))
    distance, usual = (search.kneighbors(to_points(df, train))[0][:, 0] for df in (rows, test))
    # With many columns, rounding puts equal rows up to 1e-7 apart.
    return np.mean(distance < np.median(usual)), np.mean(distance < 1e-6)
