"""What a column of a table is sent as, and how its cells come back."""

import math
import statistics
import zlib

import keras
import numpy as np

from keras_bfn import flows
from keras_bfn._config import Immutable
from keras_bfn._validation import (
    MOST_COUNTED,
    check_choice,
    check_int,
    check_number,
    refusal,
)
from keras_bfn.flows.continuous import LEAST_STD
from keras_bfn.tables.checks import (
    check_knots,
    check_list,
    check_pair,
    check_step,
    is_finite,
    is_whole,
    one_of,
    refuse_first,
)

LARGEST_SCORE = 4.0  # the score that is sent as 1: so many standard deviations
LEAST_SCORE_STD = 0.1  # of a score's input distribution at t = 1
MOST_KNOTS = 100  # of the map from numbers to scores
SPIKE = 0.05  # the share of a number's cells from which on its value is an interval of scores
SEEN_AGAIN = 0.5  # the share of different numbers up to which no others come back
MOST_DIGITS = 6  # after the point, to which numbers are rounded if all that are seen are
CATEGORY_ACCURACY = 3.0  # at t = 1


class Column(Immutable):
    """A column of a table, made from the cells that it was fitted to.

    Cells are a list of Python values: numbers, strings, bools; None where one is missing.

    Example:

    >>> isinstance(keras_bfn.tables.Levels(low=0, high=9), keras_bfn.tables.Column)
    True
    """

    def fit(self, cells):
        """The column, of the same kind, that suits these cells.

        Raises:
            ValueError: if none of this kind does.
        """
        raise NotImplementedError

    def encode(self, cells):
        """The cells as data of a flow: an array of shape `(num,)`, -1 or NaN where one is missing.

        Raises:
            ValueError: if a cell is not such as the column has.
        """
        raise NotImplementedError

    def decode(self, x):
        """The cells that data stand for."""
        raise NotImplementedError

    def flow(self):
        """The flow of the column alone."""
        raise NotImplementedError


@keras.saving.register_keras_serializable("keras_bfn")
class Category(Column):
    """Values without an order, each a class.

    Args:
        values: list of strings, numbers or bools, all different; None until it is fitted.
        counts: list of ints: how often each was seen.

    Raises:
        ValueError: if values occur twice, or are not as many as counts.

    Example:

    >>> city = keras_bfn.tables.Category().fit(["Rome", "Oslo", None, "Rome"])
    >>> city.encode(["Rome", None]).tolist()
    [1, -1]
    >>> city.decode(np.array([0, 1]))
    ['Oslo', 'Rome']
    """

    def __init__(self, values=None, counts=None):
        self.values = None if values is None else check_list("values", values)
        counts = None if counts is None else check_list("counts", counts)
        self.counts = counts and [check_int("counts", count, 0) for count in counts]
        if values is not None and len(set(self.values)) < len(self.values):
            raise refusal("values", "must be all different", values)
        if counts is not None and len(self.counts) != len(self.values or ()):
            raise refusal("counts", f"must be as many as the values {self.values}", counts)

    def fit(self, cells):
        seen = [cell for cell in cells if cell is not None]
        values = self.values
        if values is None:
            values = sorted(set(seen), key=lambda value: (type(value).__name__, value))
        index = {value: i for i, value in enumerate(values)}
        refuse_first((cell for cell in seen if cell not in index), one_of(values))
        counts = np.bincount([index[cell] for cell in seen], minlength=len(values))
        return Category(values, counts.tolist())

    def encode(self, cells):
        index = {value: i for i, value in enumerate(self.values)} | {None: -1}
        refuse_first((cell for cell in cells if cell not in index), one_of(self.values))
        return np.array([index[cell] for cell in cells], "int32")

    def decode(self, x):
        if not self.values:
            return [None] * len(x)
        # A single value is one of two classes, of which the other does not occur.
        last = len(self.values) - 1
        return [None if i < 0 else self.values[min(i, last)] for i in x.tolist()]

    def flow(self):
        shares = np.append(self.counts, [0] * (2 - len(self.values))) + 0.5
        return flows.DiscreteFlow(len(shares), CATEGORY_ACCURACY, prior=shares)

    def __repr__(self):
        values = self.values and [*self.values[:3], *(["..."] if len(self.values) > 3 else [])]
        return f"Category({'' if values is None else values})"


@keras.saving.register_keras_serializable("keras_bfn")
class Levels(Column):
    """Integers in their natural order, from a lowest to a highest: a discretised variable.

    Args:
        low, high: ints; by default the least and the largest that the column is fitted to.
        prior: mean and standard deviation of what was seen, where `low` to `high` is [-1, 1].

    Raises:
        ValueError: if `low` is not below `high`.

    Example:

    >>> age = keras_bfn.tables.Levels(0, 120).fit([31, 64, None])
    >>> age.encode([0, 120, None]).tolist()
    [0, 120, -1]
    """

    def __init__(self, low=None, high=None, prior=None):
        for name, value in (("low", low), ("high", high)):
            if value is not None:
                check_int(name, value, -MOST_COUNTED)
        self.low, self.high = low, high
        self.prior = None if prior is None else check_pair("prior", prior)
        if None not in (low, high) and not low < high:
            raise refusal("low", f"must be less than high={high}", low)

    def fit(self, cells):
        seen = [cell for cell in cells if cell is not None]
        refuse_first((cell for cell in seen if not is_whole(cell)), "an integer")
        low = int(min(seen, default=0)) if self.low is None else self.low
        high = int(max(seen, default=low)) if self.high is None else self.high
        found = Levels(low, max(high, low + 1))
        x = found.flow().embed(found.encode(seen) if seen else np.zeros(1, "int32"))
        x = keras.ops.convert_to_numpy(x)
        return Levels(found.low, found.high, (x.mean(), max(x.std(), LEAST_STD)))

    def encode(self, cells):
        def is_outside(cell):
            return not is_whole(cell) or not self.low <= cell <= self.high

        expected = f"an integer from {self.low} to {self.high}"
        refuse_first((cell for cell in cells if cell is not None and is_outside(cell)), expected)
        return np.array([-1 if cell is None else cell - self.low for cell in cells], "int32")

    def decode(self, x):
        return [None if i < 0 else i + self.low for i in x.tolist()]

    def flow(self):
        num_bins = self.high - self.low + 1
        return flows.DiscretizedFlow(num_bins, sigma_1=0.5 / num_bins, prior=self.prior)


@keras.saving.register_keras_serializable("keras_bfn")
class Number(Column):
    """Real numbers, sent as scores of mean 0 and deviation 1.

    By quantiles, a value that has a twentieth of the cells or more, such as 0, is an interval of
    scores, and is sent as scores spread over it. What comes back lies between the least and the
    largest number seen, and on their grid: integers, multiples of a day, two digits after the
    point, or, if on the average they were seen twice or more, the numbers seen. Numbers beyond are
    sent as scores beyond, up to 4 standard deviations.

    Args:
        scaling: `"quantiles"`, for scores that are normally distributed whatever the numbers are;
            or `"mean"`, for numbers less their mean, over their standard deviation.
        start, step, knots: found by `fit`: what numbers are less of, the least of integers; the
            grid, an int from `start`, a power of ten, a list of numbers, or None; and numbers less
            `start` with their scores, two lists.

    Raises:
        ValueError: if `scaling` is none of these.

    Example:

    >>> height = keras_bfn.tables.Number("quantiles").fit([1.62, 1.75, None, 1.81])
    >>> [round(float(x), 3) for x in height.encode([1.75, None])]
    [0.0, nan]
    >>> height.decode(np.array([-1.0, 0.0, 1.0]))
    [1.62, 1.75, 1.81]
    """

    def __init__(self, scaling="quantiles", start=0, step=None, knots=None):
        self.scaling = check_choice("scaling", scaling, ("mean", "quantiles"))
        self.start, self.step = check_number("start", start), check_step(step)
        self.knots = None if knots is None else check_knots(knots)

    def fit(self, cells):
        seen = [cell for cell in cells if cell is not None]
        refuse_first((cell for cell in seen if not is_finite(cell)), "a finite number")
        # Times and other large integers are not exact as floats; floats are, unless moved.
        start = min(seen, default=0) if all(isinstance(cell, int) for cell in seen) else 0
        x = np.array([cell - start for cell in seen] or [0], "float64")
        find_knots = _quantile_knots if self.scaling == "quantiles" else _mean_knots
        return Number(self.scaling, start, _find_step(seen), find_knots(x))

    def encode(self, cells):
        there = [cell for cell in cells if cell is not None]
        refuse_first((cell for cell in there if not is_finite(cell)), "a finite number")
        x = [math.nan if cell is None else float(cell - self.start) for cell in cells]
        x, (at, scores) = np.array(x, "float64"), np.array(self.knots)
        # At a spike there are two knots.
        z, below = np.interp(x, at, scores), np.interp(-x, -at[::-1], scores[::-1])
        at_spike = np.flatnonzero(below < z)
        z[at_spike] = self._spread(below[at_spike], z[at_spike])
        # Beyond the knots by the deviation that they have on the whole.
        rate = (scores[-1] - scores[0]) / max(at[-1] - at[0], 1e-12)
        z = z + rate * (np.maximum(x - at[-1], 0) + np.minimum(x - at[0], 0))
        return np.clip(z / LARGEST_SCORE, -1, 1).astype("float32")

    def _spread(self, low, high):
        """Scores between others, drawn by the normal distribution, always the same of a column."""
        normal, seed = statistics.NormalDist(), zlib.crc32(np.array(self.knots).tobytes())
        low, high = ([normal.cdf(z) for z in ends.tolist()] for ends in (low, high))
        shares = np.random.default_rng(seed).uniform(low, high)
        return [normal.inv_cdf(share) for share in shares.tolist()]

    def decode(self, x):
        at, scores = self.knots
        z = np.asarray(x, "float64") * LARGEST_SCORE
        # Of a single knot, `interp` takes NaN for its score.
        found = np.where(np.isnan(z), z, np.interp(z, scores, at))
        if isinstance(self.step, int):
            steps = np.round(found / self.step).tolist()
            return [None if i != i else self.start + self.step * int(i) for i in steps]
        found = self.start + found
        if isinstance(self.step, list):
            middles = 0.5 * (np.array(self.step[1:]) + self.step[:-1])
            nearest = np.array(self.step)[np.searchsorted(middles, found)]
            found = np.where(np.isnan(found), found, nearest)
        elif self.step is not None:
            found = np.round(found, round(-math.log10(self.step)))
        return [None if value != value else value for value in found.tolist()]

    def flow(self):
        return number_flow()

    def __repr__(self):
        return f"Number({self.scaling!r})"


def number_flow(prior=None):
    """The flow of numbers: at the end they are known to a tenth of a standard deviation."""
    prior = (0.0, 1.0 / LARGEST_SCORE) if prior is None else prior
    return flows.ContinuousFlow(LEAST_SCORE_STD / LARGEST_SCORE, "residual", prior=prior)


def _least_spike(num):
    """How often a value must occur to be an interval of scores."""
    return max(2, SPIKE * num)


def _quantile_knots(x):
    """Numbers, and the quantiles of a normal distribution where they stand in their order."""
    values, counts = np.unique(x, return_counts=True)
    ends = np.cumsum(counts)
    starts, num = ends - counts, len(x)
    are_spikes = counts >= _least_spike(num)
    # Of the others, those that stand at even distances.
    middles = 0.5 * (starts + ends)
    wanted = np.linspace(middles[0], middles[-1], MOST_KNOTS)
    kept = set(np.abs(middles[:, None] - wanted).argmin(axis=0).tolist())
    at, shares = [], []
    for i in sorted(kept | set(np.flatnonzero(are_spikes).tolist())):
        here = [starts[i], ends[i]] if are_spikes[i] else [middles[i]]
        at += [values[i]] * len(here)
        shares += [min(max(place, 0.5), num - 0.5) / num for place in here]
    return at, [statistics.NormalDist().inv_cdf(share) for share in shares]


def _mean_knots(x):
    ends = np.array([x.min(), x.max()])
    return ends, (ends - x.mean()) / max(x.std(), 1e-12)


def _find_step(seen):
    """The grid that all these numbers lie on; None if there is none."""
    if all(isinstance(value, int) for value in seen):
        return math.gcd(*(value - seen[0] for value in seen)) or 1 if seen else 1
    x = np.array(seen)
    digits = (d for d in range(MOST_DIGITS + 1) if (x == np.round(x, d)).all())
    found = next(digits, None)
    if found is not None:
        return 10.0**-found
    values = np.unique(x)
    return values.tolist() if len(values) <= SEEN_AGAIN * len(x) else None
