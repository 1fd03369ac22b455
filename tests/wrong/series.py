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


# By the argument, and by what is expected instead: calls, with what came if not the argument.
CALLS = {
    "series": {
        ONE_SERIES: [
            lambda t: make(3),
            lambda t: make([]),
            lambda t: make([[1.0, inf, 2.0]]),
            lambda t: make([[1.0, None]]),
            lambda t: make([[]]),
            lambda t: t.series.windows(3, 10),
        ],
        "series of at least 12 steps": [(lambda t: make([np.ones(11)]), "at most 11")],
        "observed values": [(lambda t: make(np.full((2, 40), nan)), "only windows of NaN")],
        "observed value, in some window, at each step of the": [
            (
                lambda t: make(np.where(np.arange(12) == 10, nan, np.ones((2, 12)))),
                "only NaN at step 3",
            )
        ],
        "positive with log=True": [lambda t: make(-MANY_SERIES, log=True)],
        "the columns ['unique_id', 'ds', 'y']": [lambda t: make(t.frame)],
        "one row for each `unique_id` and `ds`": [
            (lambda t: make(t.make_frame(unique_id=["a"] * 2, ds=[1, 1], y=[1.0, 2.0])), "several")
        ],
        "times or numbers as `ds`": [
            lambda t: make(t.make_frame(unique_id=["a"] * 2, ds=["1", "2"], y=[1.0, 2.0]))
        ],
        "row for each step. Add rows with NaN as `y`": [
            (
                lambda t: make(
                    t.make_frame(unique_id=list("babaa"), ds=[1, 1, 2, 2, 4], y=[1.0] * 5)
                ),
                "'a', whose `ds` are not evenly spaced",
            )
        ],
        "`ds` in each row": [
            (
                lambda t: make(t.make_frame(unique_id=["a"] * 2, ds=[1.0, None], y=[1.0] * 2)),
                "none in row 1",
            )
        ],
        "`unique_id` in each row": [
            (
                lambda t: make(t.make_frame(unique_id=[None, "a"], ds=[1, 2], y=[1.0, 2.0])),
                "none in row 0",
            )
        ],
    },
    "history": {
        ONE_SERIES: [lambda t: t.series.sample_paths(3), lambda t: t.series.quantiles([[]], [0.5])],
        "observed value in each series' last 8 steps": [
            (lambda t: t.series.sample_paths([[nan, nan]], 3, None, BESIDE[:1], [1.0]), "only NaN")
        ],
    },
    "horizon": {
        "integer of at least 1": [
            lambda t: make(horizon=0),
            lambda t: t.series.sample_paths(MANY_SERIES, horizon=1.5),
        ]
    },
    "context": {
        "integer of at least 2": [
            lambda t: make(context=1),
            lambda t: series.SeriesModel(CONTINUOUS, NETWORK, "a"),
        ]
    },
    "season": {
        "integer of at least 1": [
            lambda t: make(season=0),
            lambda t: series.SeriesModel(CONTINUOUS, NETWORK, 8, season=None),
        ]
    },
    "domain": {
        "list of some of": [lambda t: make(domain="zeros"), lambda t: make(domain=["whole"])]
    },
    "log": {
        "True or False": [
            lambda t: make(log="x"),
            lambda t: series.SeriesModel(CONTINUOUS, NETWORK, 8, log=2),
        ]
    },
    "covariates": {
        "arrays of finite numbers": [
            lambda t: make(covariates=3),
            lambda t: make(covariates=[[inf], [1.0]]),
        ],
        "equally many numbers in all rows": [
            (lambda t: make(covariates=[np.zeros((40, 2)), np.zeros((40, 3))]), "[2, 3] numbers")
        ],
        "must have, for each series, an array of [40, 40]": [
            (lambda t: make(covariates=BESIDE[:, :39]), "[39, 39] rows")
        ],
        "given, as it was to `make_model`": [
            lambda t: t.series.sample_paths(MANY_SERIES, static=[1, 2])
        ],
        "rows of length 3": [
            (lambda t: t.series.encode_history(MANY_SERIES, BESIDE[..., :2], [1, 2]), "length 2")
        ],
        "None, as it was for `make_model`": [lambda t: make().windows(MANY_SERIES, 3, BESIDE)],
        "None, or means and standard deviations": [
            lambda t: series.SeriesModel(CONTINUOUS, NETWORK, 8, covariates=[[1.0], [0.0]])
        ],
        "array of numbers": [
            (lambda t: series.SeriesModel(CONTINUOUS, NETWORK, 8, covariates="x"), "a str")
        ],
    },
    "static": {
        "arrays of finite numbers": [lambda t: make(static=3)],
        "row for each of 2 series": [(lambda t: make(static=[1, 2, 3]), "3 rows")],
        "given, as it was to `make_model`": [lambda t: t.series.windows(MANY_SERIES, 3, BESIDE)],
        "rows of length 1": [
            (lambda t: t.series.windows(MANY_SERIES, 3, BESIDE, np.ones((2, 2))), "length 2")
        ],
        "None, or means and standard deviations": [
            lambda t: series.SeriesModel(CONTINUOUS, NETWORK, 8, static=[[1.0]])
        ],
    },
    "network": {
        "for data of shape (horizon,)": [lambda t: series.SeriesModel(CONTINUOUS, IN_TWO_AXES, 8)]
    },
    "return_details": {
        "False. For details, use `generate`": [
            lambda t: t.series.sample_paths(MANY_SERIES, 3, return_details=True)
        ]
    },
    "num_windows": {
        "integer of at least 1": [lambda t: t.series.windows(MANY_SERIES, 0, BESIDE, [1, 2])]
    },
    "num_paths": {"integer of at least 1": [lambda t: t.series.sample_paths(MANY_SERIES, 0)]},
    "levels": {
        "must be a list": [
            lambda t: t.series.quantiles(MANY_SERIES, 0.5),
            lambda t: t.series.quantiles(MANY_SERIES, []),
        ],
        "strictly between 0 and 1": [lambda t: t.series.quantiles(MANY_SERIES, [0.5, 1])],
    },
    "seed": {
        "integer of at least 0": [
            lambda t: t.series.windows(MANY_SERIES, 3, BESIDE, [1, 2], seed=-1)
        ]
    },
}
