"""Wrong calls of series."""

import numpy as np

from keras_bfn import networks, series
from tests.wrong.things import CONTINUOUS, inf, nan

MANY_SERIES = np.arange(1.0, 81.0).reshape(2, 40)
BESIDE = np.zeros((2, 50, 3))
NETWORK = networks.MLP(CONTINUOUS, (4,), 8, num_blocks=1)
IN_TWO_AXES = networks.MLP(CONTINUOUS, (4, 1), 8, num_blocks=1)
ONE_SERIES = "must be a list of 1-D arrays of finite numbers or NaN"


def make(x=MANY_SERIES, horizon=4, **options):
    return series.make_model(x, horizon, width=8, num_blocks=1, **options)


# By the argument: calls, what is expected instead, and what came.
CALLS = {
    "series": [
        (lambda t: make(3), ONE_SERIES, "series=3"),
        (lambda t: make(None), ONE_SERIES, "series=None"),
        (lambda t: make([]), ONE_SERIES, "series=[]"),
        (lambda t: make([1.0, 2.0]), ONE_SERIES, "series=[1.0, 2.0]"),
        (lambda t: make(["ab", "c"]), ONE_SERIES, "series=['ab', 'c']"),
        (lambda t: make([[1.0, inf, 2.0]]), ONE_SERIES, "series=[[1.0, inf, 2.0]]"),
        (lambda t: make([[1.0, None]]), ONE_SERIES, "series=[[1.0, None]]"),
        (lambda t: make({"a": [1.0]}), ONE_SERIES, "series={'a': [1.0]}"),
        (lambda t: make(BESIDE), ONE_SERIES, "series=array([[[0., 0., 0.],"),
        (lambda t: make([[]]), ONE_SERIES, "series=[[]]"),
        (lambda t: make([np.ones(11)]), "must have a series of at least 12 steps", "at most 11"),
        (lambda t: make(np.full((2, 40), nan)), "must have observed values", "only windows of NaN"),
        (
            lambda t: make(np.where(np.arange(12) == 10, nan, np.ones((2, 12)))),
            "must have an observed value, in some window, at each step of the horizon",
            "only NaN at step 3",
        ),
        (lambda t: make(-MANY_SERIES, log=True), "must be positive with log=True", "series=array("),
        (
            lambda t: make(t.frame),
            "must have the columns ['unique_id', 'ds', 'y']",
            "series=['n', 'c', 'i']",
        ),
        (
            lambda t: make(t.make_frame(unique_id=["a"] * 2, ds=[1, 1], y=[1.0, 2.0])),
            "must have one row for each `unique_id` and `ds`",
            "several",
        ),
        (
            lambda t: make(t.make_frame(unique_id=["a"] * 2, ds=[1, 2], y=["a", "b"])),
            ONE_SERIES,
            "series=[['a', 'b']]",
        ),
        (
            lambda t: make(t.make_frame(unique_id=["a"] * 2, ds=["1", "2"], y=[1.0, 2.0])),
            "must have times or numbers as `ds`",
            "series=",
        ),
        (
            lambda t: make(t.make_frame(unique_id=list("babaa"), ds=[1, 1, 2, 2, 4], y=[1.0] * 5)),
            "must have a row for each step. Add rows with NaN as `y`",
            "'a', whose `ds` are not evenly spaced",
        ),
        (
            lambda t: make(t.make_frame(unique_id=["a"] * 2, ds=[1.0, None], y=[1.0] * 2)),
            "must have a `ds` in each row",
            "none in row 1",
        ),
        (
            lambda t: make(t.make_frame(unique_id=[None, "a"], ds=[1, 2], y=[1.0, 2.0])),
            "must have a `unique_id` in each row",
            "none in row 0",
        ),
        (lambda t: t.series.windows(3, 10), ONE_SERIES, "series=3"),
        (
            lambda t: t.series.windows([np.ones(5)], 10, [BESIDE[0]], [1.0]),
            "must have a series of at least 12 steps",
            "at most 5 steps",
        ),
    ],
    "history": [
        (lambda t: t.series.sample_paths(3), ONE_SERIES, "history=3"),
        (lambda t: t.series.quantiles([[]], [0.5]), ONE_SERIES, "history=[[]]"),
        (
            lambda t: t.series.sample_paths([[nan, nan]], 3, None, BESIDE[:1], [1.0]),
            "must have an observed value in each series' last 8 steps",
            "only NaN",
        ),
    ],
    "horizon": [
        (lambda t: make(horizon=0), "must be an integer of at least 1", "horizon=0"),
        (lambda t: make(horizon="a"), "must be an integer of at least 1", "horizon='a'"),
        (
            lambda t: t.series.sample_paths(MANY_SERIES, horizon=1.5),
            "must be an integer of at least 1",
            "horizon=1.5",
        ),
    ],
    "context": [
        (lambda t: make(context=1), "must be an integer of at least 2", "context=1"),
        (lambda t: make(context=20, season=12), "must be an integer of at least 24", "context=20"),
        (
            lambda t: series.SeriesModel(CONTINUOUS, NETWORK, "a"),
            "must be an integer of at least 2",
            "context='a'",
        ),
    ],
    "season": [
        (lambda t: make(season=0), "must be an integer of at least 1", "season=0"),
        (
            lambda t: series.SeriesModel(CONTINUOUS, NETWORK, 8, season=None),
            "must be an integer of at least 1",
            "season=None",
        ),
    ],
    "domain": [
        (lambda t: make(domain="zeros"), "must be a list of some of", "domain='zeros'"),
        (lambda t: make(domain=["whole"]), "must be a list of some of", "domain=['whole']"),
    ],
    "log": [
        (lambda t: make(log="x"), "must be True or False", "log='x'"),
        (
            lambda t: series.SeriesModel(CONTINUOUS, NETWORK, 8, log=2),
            "must be True or False",
            "log=2",
        ),
    ],
    "covariates": [
        (lambda t: make(covariates=3), "must be arrays of finite numbers", "covariates=3"),
        (lambda t: make(covariates=["a"]), "must be arrays of finite numbers", "covariates=['a']"),
        (
            lambda t: make(covariates=[[inf], [1.0]]),
            "must be arrays of finite numbers",
            "covariates=[[inf], [1.0]]",
        ),
        (
            lambda t: make(covariates=[np.zeros((40, 2)), np.zeros((40, 3))]),
            "must have equally many numbers in all rows",
            "[2, 3] numbers",
        ),
        (
            lambda t: make(covariates=BESIDE[:, :39]),
            "must have, for each series, an array of [40, 40] rows or more",
            "[39, 39] rows",
        ),
        (
            lambda t: t.series.sample_paths(MANY_SERIES, static=[1, 2]),
            "must be given, as it was to `make_model`",
            "covariates=None",
        ),
        (
            lambda t: t.series.sample_paths(MANY_SERIES, 3, 12, BESIDE, [1, 2]),
            "must have, for each series, an array of [52, 52] rows or more",
            "[50, 50] rows",
        ),
        (
            lambda t: t.series.encode_history(MANY_SERIES, BESIDE[..., :2], [1, 2]),
            "must have rows of length 3",
            "length 2",
        ),
        (
            lambda t: make().windows(MANY_SERIES, 3, BESIDE),
            "must be None, as it was for `make_model`",
            "covariates=array(",
        ),
        (
            lambda t: series.SeriesModel(CONTINUOUS, NETWORK, 8, covariates=[[1.0], [0.0]]),
            "must be None, or means and standard deviations",
            "covariates=[[1.0], [0.0]]",
        ),
        (
            lambda t: series.SeriesModel(CONTINUOUS, NETWORK, 8, covariates="x"),
            "must be an array of numbers",
            "a str",
        ),
    ],
    "static": [
        (lambda t: make(static=3), "must be arrays of finite numbers", "static=[3]"),
        (lambda t: make(static=[1, 2, 3]), "must have a row for each of 2 series", "3 rows"),
        (
            lambda t: t.series.windows(MANY_SERIES, 3, BESIDE),
            "must be given, as it was to `make_model`",
            "static=None",
        ),
        (
            lambda t: t.series.windows(MANY_SERIES, 3, BESIDE, np.ones((2, 2))),
            "must have rows of length 1",
            "length 2",
        ),
        (
            lambda t: series.SeriesModel(CONTINUOUS, NETWORK, 8, static=[[1.0]]),
            "must be None, or means and standard deviations",
            "static=[[1.0]]",
        ),
    ],
    "network": [
        (
            lambda t: series.SeriesModel(CONTINUOUS, IN_TWO_AXES, 8),
            "must be for data of shape (horizon,)",
            "network=(4, 1)",
        ),
    ],
    "return_details": [
        (
            lambda t: t.series.sample_paths(MANY_SERIES, 3, return_details=True),
            "must be False. For details, use `generate`",
            "return_details=True",
        ),
        (
            lambda t: t.series.quantiles(MANY_SERIES, [0.5], return_details=True),
            "must be False. For details, use `generate`",
            "return_details=True",
        ),
    ],
    "num_windows": [
        (
            lambda t: t.series.windows(MANY_SERIES, 0, BESIDE, [1, 2]),
            "must be an integer of at least 1",
            "num_windows=0",
        ),
    ],
    "num_paths": [
        (
            lambda t: t.series.sample_paths(MANY_SERIES, 0),
            "must be an integer of at least 1",
            "num_paths=0",
        ),
        (
            lambda t: t.series.quantiles(MANY_SERIES, [0.5], 1.5),
            "must be an integer of at least 1",
            "num_paths=1.5",
        ),
    ],
    "levels": [
        (lambda t: t.series.quantiles(MANY_SERIES, 0.5), "must be a list", "levels=0.5"),
        (lambda t: t.series.quantiles(MANY_SERIES, []), "must be a list", "levels=[]"),
        (
            lambda t: t.series.quantiles(MANY_SERIES, [0.5, 1]),
            "strictly between 0 and 1",
            "levels=1",
        ),
        (
            lambda t: t.series.quantiles(MANY_SERIES, ["a"]),
            "strictly between 0 and 1",
            "levels='a'",
        ),
    ],
    "seed": [
        (
            lambda t: t.series.windows(MANY_SERIES, 3, BESIDE, [1, 2], seed=-1),
            "must be an integer of at least 0",
            "seed=-1",
        ),
        (
            lambda t: t.series.sample_paths(MANY_SERIES, 3, 8, BESIDE, [1, 2], seed="a"),
            "must be an integer of at least 0",
            "seed='a'",
        ),
    ],
    "width": [
        (
            lambda t: series.make_model(MANY_SERIES, 4, width=0),
            "must be an integer of at least 2",
            "width=0",
        ),
    ],
}
