"""Columns of numbers and times, and of angles."""

import math
import statistics

import keras
import numpy as np

from keras_bfn import flows
from keras_bfn._validation import check_choice, check_int, check_number, check_positive
from keras_bfn.tables.checks import (
    check_cycles,
    check_step,
    check_two,
    is_finite,
    refuse_first,
)
from keras_bfn.tables.columns import Column

LARGEST_SCORE = 4.0  # the score that is sent as 1: so many standard deviations
LEAST_SCORE_STD = 0.1  # of a score's input distribution at t = 1
MOST_KNOTS = 100  # of the map from numbers to scores
SPIKE = 0.05  # the share of a number's cells from which on its value is an interval of scores
SEEN_AGAIN = 0.5  # the share of different numbers up to which no others come back
MOST_DIGITS = 6  # after the point, to which numbers are rounded if all that are seen are
SECONDS = {"day": 86_400, "week": 7 * 86_400, "year": 365.2425 * 86_400}


@keras.saving.register_keras_serializable("keras_bfn")
class Number(Column):
    """Real numbers, sent as scores of mean 0 and deviation 1.

    By quantiles, a value that has a twentieth of the cells or more, such as 0, is an interval of
    scores. In training it is sent as scores drawn from the interval, so that a model learns a
    density over it; everywhere else as the interval's median, so that its code depends on the cell
    alone. What comes back lies between the least and the largest number seen, and on their grid:
    integers, multiples of a day, two digits after the point, or, if on the average they were seen
    twice or more, the numbers seen. Numbers beyond are sent as scores beyond, up to 4 standard
    deviations.

    Times of day, days of the week and seasons are lost in scores. With `cycles`, an angle is sent
    for each, too: where in its cycle the number stands. What comes back is as exact as the angle.

    Args:
        scaling: `"quantiles"`, for scores that are normally distributed whatever the numbers are;
            or `"mean"`, for numbers less their mean, over their standard deviation.
        cycles: list of `"day"`, `"week"`, `"year"` or positive numbers, of times in seconds: how
            long each is. Cycles begin at 0, which in times is that of 1970.
        start, step, knots: found by `fit`: what numbers are less of, the least of integers; the
            grid, an int from `start`, a power of ten, a list of numbers, or None; and numbers less
            `start` with their scores, two lists.
        ticks: int: how many units of the numbers are a second; of times, a table knows.
        **kwargs: `nullable`, as in `keras_bfn.tables.Column`.

    Raises:
        ValueError: if `scaling` or one of `cycles` is none of these.

    Example:

    >>> height = keras_bfn.tables.Number("quantiles").fit([1.62, 1.75, None, 1.81])
    >>> [round(float(x), 3) for x in height.encode([1.75, None])]
    [0.0, nan]
    >>> height.decode(np.array([-1.0, 0.0, 1.0]))
    [1.62, 1.75, 1.81]
    >>> hour = keras_bfn.tables.Number(cycles=[24]).fit([30, 49, 71])
    >>> hour.decode(np.zeros(2), hour.encode_cycles([25, 71]))
    [49, 47]
    """

    def __init__(
        self, scaling="quantiles", cycles=(), start=0, step=None, knots=None, ticks=1, **kwargs
    ):
        super().__init__(**kwargs)
        self.scaling = check_choice("scaling", scaling, ("mean", "quantiles"))
        self.cycles = check_cycles(cycles, SECONDS)
        self.start, self.step = check_number("start", start), check_step(step)
        expected = "lists of as many finite numbers"
        self.knots = None if knots is None else check_two("knots", knots, 2, expected)
        self.ticks = check_int("ticks", ticks, 1)

    def counted_in(self, ticks):
        """The column, not fitted, of numbers of which so many are a second."""
        return Number(self.scaling, self.cycles, ticks=ticks, nullable=self.nullable)

    @property
    def periods(self):
        """How long each of the cycles is, in units of the numbers."""
        return [SECONDS.get(cycle, cycle) * self.ticks for cycle in self.cycles]

    def fit(self, cells):
        seen = [cell for cell in cells if cell is not None]
        refuse_first((cell for cell in seen if not is_finite(cell)), "a finite number")
        if not seen:
            raise ValueError("must hold at least one number")
        # Times and other large integers are not exact as floats; floats are, unless moved.
        start = min(seen) if all(isinstance(cell, int) for cell in seen) else 0
        x = np.array([cell - start for cell in seen], "float64")
        find_knots = _quantile_knots if self.scaling == "quantiles" else _mean_knots
        found = start, _find_step(seen, start), find_knots(x)
        nullable = self.is_nullable(cells)
        return Number(self.scaling, self.cycles, *found, ticks=self.ticks, nullable=nullable)

    def encode(self, cells, rng=None):
        """As of a `Column`. With a generator, codes of intervals are drawn; else their middles."""
        there = [cell for cell in cells if cell is not None]
        refuse_first((cell for cell in there if not is_finite(cell)), "a finite number")
        x = [math.nan if cell is None else float(cell - self.start) for cell in cells]
        x, (at, scores) = np.array(x, "float64"), np.array(self.knots)
        # At a spike there are two knots.
        z, below = np.interp(x, at, scores), np.interp(-x, -at[::-1], scores[::-1])
        at_spike = np.flatnonzero(below < z)
        z[at_spike] = _place_between(below[at_spike], z[at_spike], rng)
        # Beyond the knots by the deviation that they have on the whole.
        rate = (scores[-1] - scores[0]) / max(at[-1] - at[0], 1e-12)
        z = z + rate * (np.maximum(x - at[-1], 0) + np.minimum(x - at[0], 0))
        return np.clip(z / LARGEST_SCORE, -1, 1).astype("float32")

    def encode_cycles(self, cells):
        """Where cells stand in each cycle: angles, of shape `(num, len(cycles))`."""
        return np.stack([_to_angles(cells, 0, period) for period in self.periods], axis=-1)

    def decode(self, x, angles=None):
        """The cells that scores stand for, and angles, if they are given."""
        at, scores = self.knots
        z = np.asarray(x, "float64") * LARGEST_SCORE
        # Of a single knot, `interp` takes NaN for its score.
        found = np.where(np.isnan(z), z, np.interp(z, scores, at))
        if angles is not None:
            # The long cycles first: to the nearest number that stands there.
            turns = dict(zip(self.periods, _to_turns(angles).T, strict=True))
            for period in sorted(turns, reverse=True):
                away = turns[period] - self.start % period / period - found / period
                found = found + period * (away - np.round(away))
            found = np.clip(found, at[0], at[-1])
        return _to_grid(found, self.start, self.step)

    def flow(self):
        return number_flow()

    def __repr__(self):
        cycles = f", {self.cycles}" if self.cycles else ""
        return f"Number({self.scaling!r}{cycles})"


@keras.saving.register_keras_serializable("keras_bfn")
class Angle(Column):
    """Numbers that come round again, such as directions and hours of the day, sent as angles.

    What comes back is at least `low`, less than `low + period`, and of the numbers on the grid of
    what was seen, as of a `Number`, the nearest on the circle; `low + period` itself is `low`.

    Args:
        period: positive number: 360 for degrees, 24 for hours.
        low: number: where a turn begins.
        step: found by `fit`: the grid, as of a `Number`.
        **kwargs: `nullable`, as in `keras_bfn.tables.Column`.

    Raises:
        ValueError: if an argument is out of its range.

    Example:

    >>> wind = keras_bfn.tables.Angle(360).fit([10, 350, None, 90])
    >>> wind.encode([90, None]).round(3)
    array([-1.571,    nan], dtype=float32)
    >>> wind.decode(np.array([-1.571, 3.14]))
    [90, 0]

    Reference: circular data in Bayesian flow networks,
    [Wu et al., 2025](https://arxiv.org/abs/2502.02016).
    """

    def __init__(self, period, low=0, step=None, **kwargs):
        super().__init__(**kwargs)
        check_positive("period", period)  # which an int remains
        self.period, self.low = period, check_number("low", low)
        self.step = check_step(step)

    def fit(self, cells):
        self._check(cells)
        seen = [cell for cell in cells if cell is not None]
        seen = [self.low if cell == self.low + self.period else cell for cell in seen]
        step = _find_step(seen, self.low) if seen else None
        return Angle(self.period, self.low, step, nullable=self.is_nullable(cells))

    def _check(self, cells):
        def is_outside(cell):
            return not is_finite(cell) or not 0 <= cell - self.low <= self.period

        expected = f"a number from {self.low} to {self.low + self.period}"
        refuse_first((cell for cell in cells if cell is not None and is_outside(cell)), expected)

    def encode(self, cells):
        self._check(cells)
        return _to_angles(cells, self.low, self.period)

    def decode(self, x):
        x = self.period * _to_turns(x) % self.period
        if self.step is None:
            return _to_grid(x, self.low, None)
        first, last = self._ends()
        # From the middle of the gap between the last and the first on, the first is nearer.
        middle = 0.5 * (first + last + self.period) - self.low
        found = _to_grid(middle - (middle - x) % self.period, self.low, self.step)
        return [None if cell is None else min(max(cell, first), last) for cell in found]

    def _ends(self):
        """The least and the largest number on the grid, of at least `low` and below a turn more."""
        if isinstance(self.step, list):
            return self.step[0], self.step[-1]
        start = self.low if isinstance(self.step, int) else 0
        # A multiple of the step may be off by rounding.
        low, high = (
            round((end - start) / self.step, 6) for end in (self.low, self.low + self.period)
        )
        ends = [start + self.step * i for i in (math.ceil(low), math.ceil(high) - 1)]
        return ends if isinstance(self.step, int) else _to_grid(np.array(ends), 0, self.step)

    def flow(self):
        return flows.CircularFlow()

    def __repr__(self):
        return f"Angle({self.period!r}, {self.low!r})"


def _to_angles(cells, low, period):
    """Where in a period from `low` cells stand, from -pi to pi; NaN where one is missing."""
    # Of large integers, the remainder is exact before it is a float.
    turns = [math.nan if cell is None else (cell - low) % period / period for cell in cells]
    return (2 * math.pi * (np.array(turns, "float64") - 0.5)).astype("float32")


def _to_turns(angles):
    """Shares of a turn, from 0 to 1."""
    return np.asarray(angles, "float64") / (2 * math.pi) + 0.5


def _place_between(low, high, rng):
    """Scores between others, by the normal distribution: the medians, or drawn by a generator."""
    normal = statistics.NormalDist()
    low, high = ([normal.cdf(z) for z in ends.tolist()] for ends in (low, high))
    shares = 0.5 * np.add(low, high) if rng is None else rng.uniform(low, high)
    return [normal.inv_cdf(share) for share in shares.tolist()]


def number_flow(prior=None):
    """The flow of numbers: at the end they are known to a tenth of a standard deviation."""
    prior = (0.0, 1.0 / LARGEST_SCORE) if prior is None else prior
    return flows.ContinuousFlow(LEAST_SCORE_STD / LARGEST_SCORE, "residual", prior=prior)


def _quantile_knots(x):
    """Numbers, and the quantiles of a normal distribution where they stand in their order."""
    values, counts = np.unique(x, return_counts=True)
    ends = np.cumsum(counts)
    starts, num = ends - counts, len(x)
    are_spikes = counts >= max(2, SPIKE * num)
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


def _find_step(seen, start):
    """The grid that all these numbers lie on, counted from `start`; None if there is none."""
    if all(isinstance(value, int) for value in [start, *seen]):
        return math.gcd(*(value - start for value in seen)) or 1
    x = np.array(seen)
    digits = (d for d in range(MOST_DIGITS + 1) if (x == np.round(x, d)).all())
    found = next(digits, None)
    if found is not None:
        return 10.0**-found
    values = np.unique(x)
    return values.tolist() if len(values) <= SEEN_AGAIN * len(x) else None


def _to_grid(x, start, step):
    """The cells of numbers less `start`: those of the grid that are nearest, None for NaN."""
    if isinstance(step, int):
        steps = np.round(x / step).tolist()
        return [None if i != i else start + step * int(i) for i in steps]
    found = start + x
    if isinstance(step, list):
        middles = 0.5 * (np.array(step[1:]) + step[:-1])
        nearest = np.array(step)[np.searchsorted(middles, found)]
        found = np.where(np.isnan(found), found, nearest)
    elif step is not None:
        found = np.round(found, round(-math.log10(step)))
    return [None if value != value else value for value in found.tolist()]
