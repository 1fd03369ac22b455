"""Forecasts: one model of many series, of any lengths and scales."""

import math
from collections.abc import Collection, Sequence
from typing import Any, Literal, NamedTuple

import keras
import numpy as np

from keras_bfn import flows, networks
from keras_bfn._random import seed_of
from keras_bfn._typing import Array, ArrayLike
from keras_bfn._validation import (
    check_between,
    check_bool,
    check_int,
    check_numbers,
    check_seed,
    mismatch,
    refusal,
    refuse_details,
    to_numpy,
)
from keras_bfn.flows import Flow
from keras_bfn.models import BayesianFlowNetwork
from keras_bfn.samplers import NUM_STEPS, Sampler
from keras_bfn.tables import frames

SIGMA_1 = 0.02
LARGEST = 8.0  # scaled numbers are clipped there, or, for horizons of several seasons, beyond it
RARE = 0.005  # the fraction that is clipped, if that is not too far out
SHOWN = 10.0  # where the scaled history is clipped
FINEST = 1e-3  # the unit of a constant past, relative to the size of the numbers
ROUNDING = {"float32": 2e-7, "float64": 1e-13}  # the spread of a constant, relative to its size
FEWEST = 8  # steps before a training window, at least; or two seasons
LONGEST_STEP = 1.5  # relative to the shortest: months differ by a tenth, a gap doubles a step
DOMAIN = ("nonnegative", "integers", "zeros")
SMALL = 0.25  # what stands for a zero in logarithms, relative to the smallest positive number
FREQUENT = 0.05  # the fraction of zeros from which a zero is a value of its own
COLUMNS = ("unique_id", "ds", "y")  # of frames, as Nixtla's packages name them
PRIOR_WINDOWS = 10_000
BATCH_SIZE = 2048


@keras.saving.register_keras_serializable("keras_bfn")
class SeriesModel(BayesianFlowNetwork):
    """A model of the next steps of a series, given those before.

    Its data are the next `horizon` steps, relative to the same steps of the last season, in a unit:
    the mean absolute change from season to season, or a tenth of the past's standard deviation,
    whichever is more. A past that is constant, but for rounding, has a thousandth of its size as
    its unit. The condition is the last `context` steps in the same units, with covariates. Only
    steps before a window scale it, so series of all sizes share one model, and a series times 1,000
    has forecasts times 1,000. Forecasts are in the domain of the series, such as integers.

    `windows` makes data for `fit`, `evaluate` and `code_length` of series. `sample_paths` and
    `quantiles` forecast in the units of the series.

    Series are a list of 1-D arrays of any lengths; an array `(num_series, length)`; or a frame of
    pandas or polars with the columns `unique_id`, `ds` (times or numbers) and `y`, which has a row
    for each step. The frame's series are in the order of their first rows, and each is sorted by
    `ds`. NaN is a missing value. In a history, the value of the last season replaces it; in the
    data, it is not learnt.

    Args:
        flow, network, **kwargs: as in `keras_bfn.BayesianFlowNetwork`. `make_model` chooses them
            from series.
        context, season, log: as in `make_model`.
        covariates, static: None, or the means and standard deviations by which covariates are
            scaled, two lists.
        domain: list of some of `"nonnegative"`, `"integers"` and `"zeros"`, as in `make_model`.

    Raises:
        ValueError: if an argument is out of its range.

    Example:

    >>> months = np.arange(60)
    >>> sales = [size * (2 + np.sin(months / 6 * np.pi)) for size in (1.0, 50.0, 3000.0)]
    >>> model = keras_bfn.series.make_model(sales, horizon=6, season=12, width=32, seed=0)
    >>> model.compile(keras_bfn.recipes.adamw(num_steps=20))
    >>> history = model.fit(model.windows(sales, 1000, seed=0), batch_size=50, verbose=0)
    >>> model.sample_paths(sales, num_paths=50, seed=0).shape
    (3, 50, 6)
    >>> model.quantiles(sales, [0.1, 0.5, 0.9], seed=0).shape
    (3, 3, 6)
    """

    def __init__(
        self,
        flow: Flow,
        network: keras.Layer,
        context: int,
        season: int = 1,
        log: bool = False,
        covariates: Sequence[Sequence[float]] | None = None,
        static: Sequence[Sequence[float]] | None = None,
        domain: Collection[str] = (),
        **kwargs,
    ) -> None:
        super().__init__(flow, network, **kwargs)
        if isinstance(self.event_shape, dict) or len(self.event_shape or ()) != 1:
            raise refusal("network", "must be for data of shape (horizon,)", self.event_shape)
        self.season = check_int("season", season, 1)
        self.context = check_int("context", context, 2 * season)
        self.log, self.domain = check_bool("log", log), _check_domain(domain)
        self.covariates = _check_scale("covariates", covariates)
        self.static = _check_scale("static", static)
        (horizon,) = self.event_shape
        scales = self.covariates, self.static
        self._form = _Form(horizon, context, season, log, *scales, self.domain)

    def windows(
        self,
        series: Any,
        num_windows: int,
        covariates: Sequence[ArrayLike] | None = None,
        static: ArrayLike | None = None,
        seed: int | None = None,
    ) -> tuple[Array, Array]:
        """Draws windows at random: a series, then a position in it.

        A window has at least two seasons, or eight steps, before it. Scaled numbers beyond those of
        the flow are clipped.

        Args:
            series: the series. Those that are too short for a window are left out.
            num_windows: int. The number of windows. Those without an observed value before them, or
                in them, are left out.
            covariates, static: as in `make_model`.
            seed: int or None.

        Returns:
            The tuple of data, `(num_windows, horizon)`, and conditions, for `fit` and `evaluate`.

        Raises:
            ValueError: if an argument is out of its range, or no series is long enough.
        """
        x, condition = self._form.draw(series, num_windows, covariates, static, seed)
        low, high = self.flow.data_range
        return np.clip(x, low, high), condition

    def encode_history(
        self,
        history: Any,
        covariates: Sequence[ArrayLike] | None = None,
        static: ArrayLike | None = None,
    ) -> tuple[Array, Array, Array]:
        """Returns what a network sees of series, and what its outputs are relative to.

        Args:
            history, covariates, static: as in `sample_paths`.

        Returns:
            The tuple of the conditions, `(num_series, size)`; the same steps of the last season,
            `(num_series, horizon)`; and the units, `(num_series, 1)`. A number of the flow, times
            the unit, plus the last season, is a number of the series; with `log`, its logarithm.

        Raises:
            ValueError: if an argument is out of its range.
        """
        horizon = self._form.horizon
        return self._form.encode(*self._form.read_past(history, covariates, static, horizon))

    def sample_paths(
        self,
        history: Any,
        num_paths: int = 100,
        horizon: int | None = None,
        covariates: Sequence[ArrayLike] | None = None,
        static: ArrayLike | None = None,
        num_steps: int = NUM_STEPS,
        sampler: str | Sampler | None = None,
        seed: int | None = None,
        **options,
    ) -> Array:
        """Samples what comes after each series.

        Args:
            history: the series, of at least one step each. Only the last `context` steps are used,
                of which at least one must be observed.
            num_paths: int. The number of paths of each series.
            horizon: int; by default that of training. A longer one is sampled block by block, each
                given the path so far.
            covariates: as in `make_model`, also for each step of the horizon.
            static: as in `make_model`.
            num_steps, sampler, seed, **options: as in `generate`.

        Returns:
            A float64 array of shape `(num_series, num_paths, horizon)`, in the units of the series.

        Raises:
            ValueError: if an argument is out of its range, or does not suit the model.
        """
        form, num_paths = self._form, check_int("num_paths", num_paths, 1)
        refuse_details(options, self.generate)
        horizon = form.horizon if horizon is None else check_int("horizon", horizon, 1)
        past, beside, same = form.read_past(history, covariates, static, horizon)
        rows, found = np.repeat(np.arange(len(past)), num_paths), []
        options = {"batch_size": min(len(rows), BATCH_SIZE), "verbose": 0, **options}
        for start in range(0, horizon, form.horizon):
            given = form.encode(past, beside[:, start:], same)
            condition, base, unit = (x[rows] for x in given)
            own = seed if start == 0 else seed_of(seed, f"step {start}")
            values = self.generate(
                len(rows), num_steps, sampler, condition=condition, seed=own, **options
            )
            found.append(form.restore(base + unit * values, past[rows]))
            past = np.concatenate([past[rows], found[-1]], axis=1)[:, -form.context :]
            beside, same, rows = beside[rows], same[rows], np.arange(len(rows))
        return np.concatenate(found, axis=1)[:, :horizon].reshape(-1, num_paths, horizon)

    def quantiles(
        self, history: Any, levels: Sequence[float], num_paths: int = 199, **options
    ) -> Array:
        """Forecasts quantiles of each step, by those of sample paths.

        Args:
            history, **options: as in `sample_paths`, such as `horizon` and `covariates`.
            levels: numbers strictly between 0 and 1. With 199 paths, levels from 0.005 to 0.995 are
                within the paths.
            num_paths: int. The number of paths of each series.

        Returns:
            A float64 array of shape `(num_series, num_levels, horizon)`.

        Raises:
            ValueError: if an argument is out of its range, or does not suit the model.
        """
        if not isinstance(levels, (list, tuple, np.ndarray)) or not len(levels):
            raise refusal("levels", "must be a list of numbers", levels)
        levels = [check_between("levels", level, 0, 1) for level in levels]
        paths = self.sample_paths(history, num_paths, **options)
        # Of n exchangeable numbers and one more, this one is below the k-th in k of n + 1 cases.
        return np.moveaxis(np.quantile(paths, levels, axis=1, method="weibull"), 0, 1)

    def get_config(self) -> dict[str, Any]:
        own = ("context", "season", "log", "domain", "covariates", "static")
        return {**super().get_config(), **{name: getattr(self, name) for name in own}}


def make_model(
    series: Any,
    horizon: int,
    context: int | None = None,
    season: int = 1,
    log: bool = False,
    covariates: Sequence[ArrayLike] | None = None,
    static: ArrayLike | None = None,
    width: int = 192,
    num_blocks: int = 3,
    dropout: float = 0.1,
    domain: Literal["auto"] | Collection[str] = "auto",
    seed: int | None = None,
) -> SeriesModel:
    """Makes an untrained model of series.

    Args:
        series: the series, as `SeriesModel` describes them.
        horizon: int. The number of steps to forecast.
        context: int, at least two seasons. The number of steps before them that the model sees; by
            default three seasons, or twice the horizon, whichever is more.
        season: int. The number of steps after which a series is expected to be alike, such as 12
            months; 1 for none.
        log: bool. Whether to model logarithms, which suits positive series whose changes are
            proportional to their size.
        covariates: None, or numbers known in advance, such as prices and holidays: for each series
            an array `(length, num_covariates)`, or `(length,)`, with a row for each step. NaN is
            replaced by the mean.
        static: None, or numbers that stay the same: an array `(num_series, num_static)`, or
            `(num_series,)`.
        width, num_blocks, dropout: as in `keras_bfn.networks.MLP`.
        domain: what forecasts are restricted to, a list of some of: `"nonnegative"`, at least 0;
            `"integers"`, whole numbers; `"zeros"`, 0 if below half of the smallest positive number
            among those before it. By default, what holds for all series, and is printed; zeros, if
            a twentieth of the numbers are 0 and none is negative. `()` for no restriction.
        seed: int or None. As in `keras_bfn.BayesianFlowNetwork`; initial weights follow
            `keras.utils.set_random_seed`.

    Returns:
        An untrained `SeriesModel`.

    Raises:
        ValueError: if an argument is out of its range.

    Example: see `SeriesModel`.
    """
    horizon, season = check_int("horizon", horizon, 1), check_int("season", season, 1)
    context = max(3 * season, 2 * horizon) if context is None else context
    context, log = check_int("context", context, 2 * season), check_bool("log", log)
    if isinstance(domain, str) and domain == "auto":
        domain = _find_domain(_read_series("series", series))
    domain, scales = _check_domain(domain), {}
    for name, x in (("covariates", covariates), ("static", _one(static))):
        scales[name] = None if x is None else _find_scale(_read_rows(name, x))
    form = _Form(horizon, context, season, log, **scales, domain=domain)
    x, condition = form.draw(series, PRIOR_WINDOWS, covariates, static, 0)
    never = np.flatnonzero(np.isnan(x).all(axis=0))
    if never.size:
        expected = "must have an observed value, in some window, at each step of the horizon"
        raise mismatch("series", expected, f"only NaN at step {never[0] + 1}")
    # A constant past has a tiny unit: what follows may be thousands of units away.
    farthest = LARGEST * math.ceil(horizon / season)
    scale = float(np.clip(np.nanquantile(np.abs(x), 1 - RARE), LARGEST, farthest))
    flow = flows.ContinuousFlow(SIGMA_1, scale=scale)
    flow = flows.fit_prior(flow, np.clip(x, -scale, scale), per_variable=True)
    network = networks.MLP(
        flow, (horizon,), width, num_blocks, dropout=dropout, conditions=condition.shape[1:]
    )
    options = {**scales, "domain": domain, "allow_missing": True, "seed": seed}
    return SeriesModel(flow, network, context, season, log, **options)


class _Form(NamedTuple):
    """How series are cut and scaled."""

    horizon: int
    context: int
    season: int
    log: bool
    covariates: Any
    static: Any
    domain: Any

    def draw(self, series, num_windows, covariates, static, seed):
        """Returns scaled numbers and conditions of windows at random positions."""
        num_windows = check_int("num_windows", num_windows, 1)
        rng = np.random.default_rng(None if seed is None else check_seed(seed))
        series, beside, same = self.read("series", series, covariates, static, 0)
        least = min(self.context, max(2 * self.season, FEWEST))
        last = [len(x) - self.context - self.horizon for x in series]
        long = [i for i, end in enumerate(last) if end >= least]
        if not long:
            expected = f"must have a series of at least {least + self.horizon} steps"
            raise mismatch("series", expected, f"at most {max(last) + self.horizon} steps")
        rows = rng.choice(long, num_windows)
        places = [(i, rng.integers(least, last[i] + 1)) for i in rows]
        size = self.context + self.horizon
        windows = np.stack([series[i][end : end + size] for i, end in places])
        past, future = windows[:, : self.context], windows[:, self.context :]
        beside = np.stack([beside[i][end : end + size] for i, end in places])
        condition, base, unit = self.encode(past, beside, same[rows])
        there = np.isfinite(past).any(axis=1) & np.isfinite(future).any(axis=1)
        if not there.any():
            raise mismatch("series", "must have observed values", "only windows of NaN")
        x = (self.transform(future, past) - base) / unit
        return x[there].astype("float32"), condition[there]

    def read_past(self, history, covariates, static, horizon):
        """Returns the last steps of series, their covariates up to the horizon, and static ones."""
        series, beside, same = self.read("history", history, covariates, static, horizon)
        past = np.stack([x[-self.context :] for x in series])
        if not np.isfinite(past).any(axis=1).all():
            expected = f"must have an observed value in each series' last {self.context} steps"
            raise mismatch("history", expected, "only NaN")
        size = self.context + self.horizon * math.ceil(horizon / self.horizon)
        starts = [len(x) - self.context for x in series]
        # Covariates beyond the horizon are 0, the mean.
        rows = [
            np.pad(x[i:], ((0, size), (0, 0)))[:size] for x, i in zip(beside, starts, strict=True)
        ]
        return past, np.stack(rows), same

    def read(self, name, series, covariates, static, ahead):
        """Returns series, and covariates, from `context` steps before the first on; static ones."""
        given, series = series, _read_series(name, series)
        least = min(np.nanmin(x, initial=np.inf) for x in series)
        if self.log and (least < 0 or (least == 0 and "zeros" not in self.domain)):
            expected = 'must be positive with log=True, or have "zeros" in its domain'
            raise refusal(name, expected, given)
        broken = {*self.domain} & {"nonnegative", "integers"} - {*_common_to(series)}
        if broken:
            expected = f"must be {' and '.join(sorted(broken))}, as the series of `make_model`"
            raise refusal(name, f"{expected}, or that needs `domain=()`", given)
        num_rows = [len(x) + ahead for x in series]
        beside = _standardize("covariates", covariates, self.covariates, num_rows)
        too_few = [len(x) < num for x, num in zip(beside, num_rows, strict=False)]
        if len(beside) != len(series) or any(too_few):
            expected = f"must have, for each series, an array of {num_rows[:8]} rows or more"
            raise mismatch("covariates", expected, f"{[len(x) for x in beside][:8]} rows")
        (same,) = _standardize("static", _one(static), self.static, [len(series)])
        if len(same) != len(series):
            expected = f"must have a row for each of {len(series)} series"
            raise mismatch("static", expected, f"{len(same)} rows")
        series = [np.pad(x, (self.context, 0), constant_values=np.nan) for x in series]
        beside = [np.pad(x, ((self.context, 0), (0, 0))) for x in beside]
        return series, beside, same

    def transform(self, x, past):
        """Returns numbers, or their logarithms."""
        if not self.log:
            return x
        least = _least_of(past)
        return np.log(np.where(x == 0, np.where(np.isfinite(least), SMALL * least, 1.0), x))

    def restore(self, x, past):
        """Returns numbers of the domain, given those that `transform` returns."""
        x = np.exp(x) if self.log else x
        if "nonnegative" in self.domain:
            x = np.maximum(x, 0.0)
        if "zeros" in self.domain:
            least = _least_of(past)
            x = np.where(np.isfinite(least) & (x < 0.5 * least), 0.0, x)
        return np.round(x) if "integers" in self.domain else x

    def encode(self, past, beside, same):
        """Returns conditions, the steps of the last season repeated, and units."""
        past = self.transform(past, past)
        filled = past.copy()
        for i in range(self.season, self.context):
            before = filled[:, i - self.season]
            filled[:, i] = np.where(np.isnan(filled[:, i]), before, filled[:, i])
        last = filled[:, -self.season :]
        level, spread = _mean(last), np.sqrt(_mean(np.square(past - _mean(past))))
        change = _mean(np.abs(past[:, self.season :] - past[:, : -self.season]))
        size = np.ones(1) if self.log else _mean(np.abs(past))
        size = np.where(size > 0, size, 1.0)
        unit = np.maximum(change, 0.1 * spread)
        varies = spread > _rounding_of(past) * size
        unit = np.where(varies, unit, np.maximum(unit, FINEST * size))
        shown = np.clip(np.nan_to_num((filled - level) / unit), -SHOWN, SHOWN)
        relative = np.log(np.maximum(spread / unit, 0.1))
        seen = np.mean(~np.isnan(past), axis=1, keepdims=True)
        beside = beside[:, : self.context + self.horizon].reshape(len(past), -1)
        share = np.log(np.maximum(unit / size, FINEST)) + 2
        inputs = [shown, share, relative, seen, beside, same]
        last = np.where(np.isnan(last), level, last)
        base = np.tile(last, math.ceil(self.horizon / self.season))[:, : self.horizon]
        return np.concatenate(inputs, axis=1).astype("float32"), base, unit


def _check_domain(domain):
    """Returns the domain as a list, in order."""
    if isinstance(domain, str) or not isinstance(domain, Collection) or not {*domain} <= {*DOMAIN}:
        raise refusal("domain", f"must be a list of some of {list(DOMAIN)}", domain)
    return [name for name in DOMAIN if name in domain]


def _find_domain(series):
    """Returns what all numbers of series have in common, and prints it."""
    x = np.concatenate(series)
    x = x[~np.isnan(x)]
    found = _common_to(series)
    if "nonnegative" in found and x.size and (x == 0).mean() >= FREQUENT:
        found.append("zeros")
    if found:
        print(f"Forecasts, as the series, have the domain {found}; `domain=()` for any numbers.")
    return found


def _common_to(series):
    """Returns which of `"nonnegative"` and `"integers"` all numbers of series are."""
    x = np.concatenate(series)
    x = x[~np.isnan(x)]
    holds = {"nonnegative": (x >= 0).all(), "integers": (x == np.round(x)).all()}
    return [name for name in holds if holds[name]]


def _least_of(past):
    """Returns the smallest positive number of each row, `(num, 1)`; infinity if there is none."""
    return np.min(np.where(past > 0, past, np.inf), axis=1, keepdims=True)


def _rounding_of(past):
    """Returns `ROUNDING` of each row: that of float32 if all its numbers are, but not integers."""
    is_short = (np.isnan(past) | (past == past.astype("float32"))).all(axis=1, keepdims=True)
    is_short &= np.nan_to_num(past % 1).any(axis=1, keepdims=True)
    return np.where(is_short, ROUNDING["float32"], ROUNDING["float64"])


def _read_series(name, series):
    """Returns a list of float64 arrays: the numbers of series."""
    if frames.is_frame(series):
        series = _read_frame(name, series)
    form = "a list of 1-D arrays of finite numbers or NaN, an array of shape (num_series, length)"
    return _read_arrays(name, series, lambda x: x.ndim == 1, "iuf", f"{form}, or a DataFrame")


def _read_frame(name, df):
    """Returns a list of the series in a frame."""
    frame = frames.read_frame(df, name)
    if sorted(frame.columns) != sorted(COLUMNS):
        raise refusal(name, f"must have the columns {list(COLUMNS)}", frame.columns)
    if frames.kind_of(frame["ds"]) not in ("integer", "float", "time"):
        raise refusal(name, "must have times or numbers as `ds`", df["ds"].dtype)
    for column in ("unique_id", "ds"):
        cells = frames.read_cells(frame[column])
        if None in cells:
            came = f"none in row {cells.index(None)}"
            raise mismatch(name, f"must have a `{column}` in each row", came)
    if frame.select("unique_id", "ds").is_duplicated().any():
        raise mismatch(name, "must have one row for each `unique_id` and `ds`", "several")
    found = {one: ([], []) for one in frames.read_cells(frame["unique_id"])}
    frame = frame.sort("ds")
    for one, ds, y in zip(*(frames.read_cells(frame[c]) for c in COLUMNS), strict=True):
        found[one][0].append(ds)
        found[one][1].append(np.nan if y is None else y)
    for one, (ds, _) in found.items():
        steps = np.diff(ds)
        if len(steps) and not steps.max() < LONGEST_STEP * steps.min():
            expected = (
                "must have a row for each step. Add rows with NaN as `y` for missing steps, or, "
                "such as for working days, number the rows by `ds`"
            )
            raise mismatch(name, expected, f"{one!r}, whose `ds` are not evenly spaced")
    return [y for _, y in found.values()]


def _read_arrays(name, arrays, has_axes, kinds, expected):
    """Returns a list of float64 arrays of finite numbers or NaN, of kinds and axes that fit."""
    is_list = isinstance(arrays, (list, tuple))
    listed = arrays if is_list else np.atleast_1d(to_numpy(arrays, name))
    found = [to_numpy(x, name) for x in listed]
    are_numbers = (has_axes(x) and x.size and x.dtype.kind in kinds for x in found)
    if not found or not all(are_numbers) or any(np.isinf(x).any() for x in found):
        raise refusal(name, f"must be {expected}", arrays)
    return [x.astype("float64") for x in found]


def _one(static):
    return None if static is None else [static]


def _read_rows(name, arrays):
    """Returns a list of arrays of covariates, `(num, size)`, in float64."""
    expected = "arrays of finite numbers or NaN, with rows"
    found = _read_arrays(name, arrays, lambda x: x.ndim > 0, "biuf", expected)
    found = [x.reshape(len(x), -1) for x in found]
    sizes = sorted({x.shape[1] for x in found})
    if len(sizes) > 1:
        raise mismatch(name, "must have equally many numbers in all rows", f"{sizes} numbers")
    return found


def _find_scale(rows):
    """Returns the means and standard deviations of covariates, as lists; 1 for constant ones."""
    columns = np.concatenate(rows).T
    mean = _mean(columns)
    std = np.sqrt(_mean(np.square(columns - mean)))
    varies = std > _rounding_of(columns) * _mean(np.abs(columns))
    return [mean[:, 0].tolist(), np.where(varies, std, 1.0)[:, 0].tolist()]


def _check_scale(name, scale):
    """Returns means and standard deviations as lists, or None."""
    if scale is None:
        return None
    found = check_numbers(name, scale)
    if found.ndim != 2 or len(found) != 2 or not (found[1] > 0).all():
        raise refusal(name, "must be None, or means and standard deviations: two lists", scale)
    return to_numpy(scale).astype("float64").tolist()


def _standardize(name, given, scale, num_rows):
    """Returns covariates in units of their standard deviation, with 0 for NaN."""
    if (given is None) != (scale is None):
        expected = "must be None, as it was for" if scale is None else "must be given, as it was to"
        raise refusal(name, f"{expected} `make_model`", given)
    if given is None:
        return [np.zeros((num, 0)) for num in num_rows]
    rows, (mean, std) = _read_rows(name, given), scale
    if rows[0].shape[1] != len(mean):
        expected = f"must have rows of length {len(mean)}"
        raise mismatch(name, expected, f"length {rows[0].shape[1]}")
    return [np.nan_to_num((x - mean) / std) for x in rows]


def _mean(x):
    """Returns means of rows, `(num, 1)`, over observed numbers; 0 if there are none."""
    counts = np.sum(~np.isnan(x), axis=1, keepdims=True)
    return np.nansum(x, axis=1, keepdims=True) / np.maximum(counts, 1)
