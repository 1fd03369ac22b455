"""Columns of numbers and times, and of angles."""

import math
import statistics
from collections.abc import Sequence
from typing import Any, Literal

import keras
import numpy as np

from keras_bfn import flows
from keras_bfn._typing import Array, ArrayLike
from keras_bfn._validation import check_choice, check_int, check_number, check_positive
from keras_bfn.tables.checks import check_cells, check_cycles, check_step, check_two, is_finite
from keras_bfn.tables.columns import Column
from keras_bfn.tables.grids import find_grid, to_grid

LARGEST_SCORE = 4.0  # the score that is sent as 1, in standard deviations
ROUNDING = 1e-6  # of scores
LEAST_SCORE_STD = 0.1  # standard deviation of a score's input distribution at t = 1
WIDE_GAP = 0.1  # between neighbouring numbers, as a fraction of their range
RANK_KNOTS, SCORE_KNOTS = 100, 40  # of the map from numbers to scores, at evenly spaced ones
# A value in a twentieth of the cells becomes an interval of scores, or one in 20 of many cells, but
# only so many.
SPIKE, OFTEN, MOST_SPIKES = 0.05, 20, 500
SECONDS = {"day": 86_400, "week": 7 * 86_400, "year": 365.2425 * 86_400}


@keras.saving.register_keras_serializable("keras_bfn")
class Number(Column):
    """Real numbers, sent as scores of mean 0 and standard deviation 1.

    With quantiles, a value in at least 20 cells, or a twentieth of them, becomes an interval of
    scores. In training, a score is drawn from the interval, so that a model learns a density over
    it. Otherwise the score is the interval's median, so that a cell's code depends only on the
    cell. Returned numbers lie between the smallest and the largest number seen, and on their grid:
    integers, days, multiples of 0.05, prices that end in .99. If few different numbers were seen,
    they are among these. Numbers outside this range are sent as scores beyond its ends, up to 4
    standard deviations.

    A date's score does not show its time of day, weekday or season. So for each of the `cycles`, an
    angle is sent, too: the position in the cycle. Returned numbers are as exact as the angle.

    Args:
        scaling: `"quantiles"`, for normally distributed scores, whatever the numbers' distribution;
            or `"mean"`, for numbers minus their mean, divided by their standard deviation, or by
            more, so that no score is beyond 4.
        cycles: list of `"day"`, `"week"`, `"year"` or positive numbers: the length of each cycle,
            in seconds for times. Cycles begin at 0, which for times is the start of 1970, in UTC if
            they have a time zone: for local times of day, remove it (`dt.tz_localize(None)`).
        start, step, offset, knots: found by `fit`. `start`: a number that is subtracted from the
            others, the smallest if they are integers. `step`: the step of the grid, a list of its
            numbers, or None. `offset`: a number on the grid. `knots`: two lists, numbers minus
            `start` and their scores.
        ticks: int. How many units of the numbers make a second; a table sets it for times.
        **kwargs: `nullable`, as in `keras_bfn.tables.Column`.

    Raises:
        ValueError: if `scaling` or one of `cycles` is invalid.

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
        self,
        scaling: Literal["quantiles", "mean"] = "quantiles",
        cycles: Sequence[str | float] = (),
        start: float = 0,
        step: float | Sequence[float] | None = None,
        offset: float = 0,
        knots: Sequence[ArrayLike] | None = None,
        ticks: int = 1,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        self.scaling = check_choice("scaling", scaling, ("mean", "quantiles"))
        self.cycles = check_cycles(cycles, SECONDS)
        self.start, self.step = check_number("start", start), check_step(step)
        self.offset = check_number("offset", offset)
        expected = "equally long lists of finite numbers"
        self.knots: Any = None if knots is None else check_two("knots", knots, 2, expected)
        self.ticks = check_int("ticks", ticks, 1)

    def counted_in(self, ticks: int) -> "Number":
        """Returns an unfitted column of numbers with this many units per second."""
        return Number(self.scaling, self.cycles, ticks=ticks, nullable=self.nullable)

    @property
    def periods(self) -> list[float]:
        """The lengths of the cycles, in units of the numbers."""
        return [SECONDS.get(cycle, cycle) * self.ticks for cycle in self.cycles]

    def fit(self, cells: Sequence[Any]) -> "Number":
        seen = check_cells(cells, is_finite, "a finite number")
        if not seen:
            raise ValueError("must contain at least one number")
        # An offset makes large integers, such as times, exact as floats, but floats inexact.
        start = min(seen) if all(isinstance(cell, int) for cell in seen) else 0
        x = np.array([cell - start for cell in seen], "float64")
        find_knots = _quantile_knots if self.scaling == "quantiles" else _mean_knots
        at, scores = find_knots(x)
        most = max(seen) - start
        if isinstance(most, int) and int(at[-1]) > most:  # it was rounded up
            at[-1] = np.nextafter(at[-1], 0.0)
        step, offset = find_grid(seen)
        options = {"ticks": self.ticks, "nullable": self.is_nullable(cells)}
        return Number(self.scaling, self.cycles, start, step, offset, (at, scores), **options)

    def encode(self, cells: Sequence[Any], rng: np.random.Generator | None = None) -> Array:
        """As in `Column`. With a generator, draws scores of intervals; otherwise uses medians."""
        check_cells(cells, is_finite, "a finite number")
        x = [math.nan if cell is None else float(cell - self.start) for cell in cells]
        x, (at, scores) = np.array(x, "float64"), np.array(self.knots)
        # A value with an interval of scores has two knots.
        z, below = np.interp(x, at, scores), np.interp(-x, -at[::-1], scores[::-1])
        at_spike = np.flatnonzero(below < z)
        z[at_spike] = _place_between(below[at_spike], z[at_spike], rng)
        # Beyond the knots, continue with their average slope: beyond a constant, to the end.
        beyond, width = np.maximum(x - at[-1], 0) + np.minimum(x - at[0], 0), at[-1] - at[0]
        rise = scores[-1] - scores[0]
        z = z + (beyond * rise / width if width else LARGEST_SCORE * np.sign(beyond))
        return np.clip(z / LARGEST_SCORE, -1, 1).astype("float32")

    def covers(self, cell: Any) -> bool:
        """Whether a number lies between the smallest and the largest number seen."""
        at, _ = self.knots
        return bool(at[0] <= cell - self.start <= at[-1])

    def encode_cycles(self, cells: Sequence[Any]) -> Array:
        """Returns the position of cells in each cycle: angles, of shape `(num, len(cycles))`."""
        return np.stack([_to_angles(cells, 0, period) for period in self.periods], axis=-1)

    def decode(self, x: Array, angles: Array | None = None) -> list[Any]:
        """Converts scores, and angles, if given, back to cells."""
        at, scores = self.knots
        z = np.asarray(x, "float64") * LARGEST_SCORE
        z = _onto_knots(z, np.array(scores))
        # With a single knot, `interp` returns its number for NaN.
        found = np.where(np.isnan(z), z, np.interp(z, scores, at))
        if angles is not None:
            # Long cycles first: move to the nearest number at the angle's position in the cycle.
            turns = dict(zip(self.periods, _to_turns(angles).T, strict=True))
            for period in sorted(turns, reverse=True):
                away = turns[period] - self.start % period / period - found / period
                found = found + period * (away - np.round(away))
            found = np.clip(found, at[0], at[-1])
        cells = to_grid(found, self.start, self.step, self.offset)
        if not isinstance(self.step, int):
            return cells
        last = self.start + int(at[-1]) // self.step * self.step
        return [None if cell is None else min(cell, last) for cell in cells]

    def flow(self) -> flows.ContinuousFlow:
        return number_flow()

    def __repr__(self):
        cycles = f", {self.cycles}" if self.cycles else ""
        return f"Number({self.scaling!r}{cycles})"


@keras.saving.register_keras_serializable("keras_bfn")
class Angle(Column):
    """Periodic numbers, such as directions and hours of the day, sent as angles.

    Returned numbers are at least `low` and less than `low + period`. They are the nearest numbers
    on the circle that lie on the grid of the numbers seen, as for `Number`; `low + period` becomes
    `low`.

    Args:
        period: positive number: 360 for degrees, 24 for hours.
        low: number: the start of the period.
        step, offset: found by `fit`: the grid, as for `Number`.
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

    def __init__(
        self,
        period: float,
        low: float = 0,
        step: float | Sequence[float] | None = None,
        offset: float = 0,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        check_positive("period", period)  # an int stays an int
        self.period, self.low = period, check_number("low", low)
        self.step, self.offset = check_step(step), check_number("offset", offset)

    def fit(self, cells: Sequence[Any]) -> "Angle":
        end = self.low + self.period
        seen = [self.low if cell == end else cell for cell in self._check(cells)]
        grid = find_grid(seen, self.low) if seen else ()
        return Angle(self.period, self.low, *grid, nullable=self.is_nullable(cells))

    def _check(self, cells):
        low, end = self.low, self.low + self.period  # 0.3 + 0.1 is 0.4, but 0.4 - 0.1 is not 0.3
        expected = f"a number from {low} to {end}"
        return check_cells(cells, lambda cell: is_finite(cell) and low <= cell <= end, expected)

    def encode(self, cells: Sequence[Any]) -> Array:
        self._check(cells)
        return _to_angles(cells, self.low, self.period)

    def decode(self, x: Array) -> list[Any]:
        x = self.period * _to_turns(x) % self.period
        if self.step is None:
            return to_grid(x, self.low, None)
        first, last = self._ends()
        # From the middle of the gap between the last number and the first, the first is nearer.
        middle = 0.5 * (first + last + self.period) - self.low
        found = to_grid(middle - (middle - x) % self.period, self.low, self.step, self.offset)
        return [None if cell is None else min(max(cell, first), last) for cell in found]

    def _ends(self):
        """Returns the first and last number on the grid in `[low, low + period)`."""
        if isinstance(self.step, list):
            return self.step[0], self.step[-1]
        # Rounding may move a multiple of the step slightly.
        first = math.ceil(round((self.low - self.offset) / self.step, 6))
        last = math.ceil(round((self.low + self.period - self.offset) / self.step, 6)) - 1
        ends = self.offset + self.step * np.array([first, last]) - self.low
        return to_grid(ends, self.low, self.step, self.offset)

    def flow(self) -> flows.CircularFlow:
        return flows.CircularFlow()

    def __repr__(self):
        return f"Angle({self.period!r}, {self.low!r})"


def _onto_knots(z, scores):
    """Returns scores without the rounding to 32 bits of those of knots.

    Where a number's neighbour is far away, rounding its score would change it much.
    """
    after = np.searchsorted(scores, z).clip(max=len(scores) - 1)
    for knot in (scores[(after - 1).clip(min=0)], scores[after]):
        z = np.where(np.abs(z - knot) < ROUNDING, knot, z)
    return z


def _to_angles(cells, low, period):
    """Returns positions in a period from `low`, from -pi to pi; NaN for missing cells."""
    # The remainder of a large integer is exact before conversion to a float.
    turns = [math.nan if cell is None else (cell - low) % period / period for cell in cells]
    return (2 * math.pi * (np.array(turns, "float64") - 0.5)).astype("float32")


def _to_turns(angles):
    """Returns angles as fractions of a turn, from 0 to 1."""
    return np.asarray(angles, "float64") / (2 * math.pi) + 0.5


def _place_between(low, high, rng):
    """Returns normal scores between others: the medians, or random ones with a generator."""
    normal = statistics.NormalDist()
    low, high = ([normal.cdf(z) for z in ends.tolist()] for ends in (low, high))
    shares = 0.5 * np.add(low, high) if rng is None else rng.uniform(low, high)
    return [normal.inv_cdf(share) for share in shares.tolist()]


def number_flow(prior=None):
    """Returns the flow of numbers, known to a tenth of a standard deviation at t = 1."""
    prior = (0.0, 1.0 / LARGEST_SCORE) if prior is None else prior
    return flows.ContinuousFlow(LEAST_SCORE_STD / LARGEST_SCORE, "residual", prior=prior)


def _quantile_knots(x):
    """Returns numbers, and the normal quantiles of their ranks."""
    values, counts = np.unique(x, return_counts=True)
    ends = np.cumsum(counts)
    starts, num = ends - counts, len(x)
    least = np.sort(counts)[-MOST_SPIKES:][0]
    are_spikes = counts >= max(2, least, min(SPIKE * num, OFTEN))
    # Of the other values, keep those nearest to evenly spaced ranks, and to evenly spaced scores:
    # few ranks have scores in the tails.
    middles = 0.5 * (starts + ends)
    normal = statistics.NormalDist()
    first, last = (normal.inv_cdf(rank / num) for rank in (middles[0], middles[-1]))
    ranks = [num * normal.cdf(score) for score in np.linspace(first, last, SCORE_KNOTS)]
    wanted = np.concatenate([np.linspace(middles[0], middles[-1], RANK_KNOTS), ranks])
    kept = set(np.abs(middles[:, None] - wanted).argmin(axis=0).tolist())
    # Between knots, numbers are interpolated: a wide gap has one at either side.
    wide = np.flatnonzero(np.diff(values) > WIDE_GAP * (values[-1] - values[0]))
    at, shares = [], []
    for i in sorted({*kept, *np.flatnonzero(are_spikes), *wide, *(wide + 1)}):
        here = [starts[i], ends[i]] if are_spikes[i] else [middles[i]]
        at += [values[i]] * len(here)
        shares += [min(max(place, 0.5), num - 0.5) / num for place in here]
    scores = [normal.inv_cdf(share) for share in shares]
    return at, np.clip(scores, -LARGEST_SCORE, LARGEST_SCORE)


def _mean_knots(x):
    ends = np.array([x.min(), x.max()])
    if ends[0] == ends[1]:  # rounding may give equal numbers a standard deviation
        return ends, np.zeros(2)
    away = ends - x.mean()
    return ends, away / max(x.std(), np.abs(away).max() / LARGEST_SCORE)
