"""Tables: probabilities of all rows, frequencies given other cells, and rows apart from others."""

import datetime
import functools
import string
import warnings

import keras
import numpy as np
import pandas
import polars
from keras import ops

from keras_bfn.flows import DiscreteFlow
from keras_bfn.tables import Angle, Number, Table, TableModel
from tests.metamorphic.exact_joint import choose, seed_of
from tests.metamorphic.truths import MOST_ERRORS
from tests.tensors import to_tensor

# How often each kind, flag and level come together.
COUNTS = np.array([[[30, 4, 1], [3, 9, 2]], [[2, 12, 5], [1, 3, 25]], [[8, 2, 1], [20, 6, 3]]])
JOINT = COUNTS / COUNTS.sum()
VALUES = {"kind": ["a", "b", "c"], "flag": [False, True], "level": [10, 20, 30]}
BETA_1 = 10.0
ROWS = np.indices(JOINT.shape).reshape(3, -1).T


def check(rng):
    odds = np.array(list(CHECKS.values()), "float64")
    globals()[f"check_{rng.choice(list(CHECKS), p=odds / odds.sum())}"](rng)


def make_frame(cells, library=pandas):
    """The frame of rows of places in `VALUES`."""
    columns = {
        name: [values[place] for place in column]
        for (name, values), column in zip(VALUES.items(), np.transpose(cells), strict=True)
    }
    return library.DataFrame(columns)


class RowPosterior(keras.layers.Layer):
    """The exact marginals of all columns."""

    def __init__(self, priors):
        super().__init__()
        self.priors = priors

    def call(self, inputs):
        log_joint = to_tensor(np.log(JOINT))
        for axis, name in enumerate(VALUES):
            theta = inputs["theta"][name]
            if theta.shape[-1] == 1:
                theta = ops.concatenate([1.0 - theta, theta], axis=-1)
            s = ops.log(ops.maximum(theta, 1e-30)) - to_tensor(np.log(self.priors[name]))
            shape = [-1, 1, 1, 1]
            shape[axis + 1] = s.shape[-1]
            log_joint = log_joint + ops.reshape(s, shape)
        found = {}
        for axis, name in enumerate(VALUES):
            others = [other + 1 for other in range(3) if other != axis]
            logits = ops.logsumexp(log_joint, axis=others)
            found[name] = logits[:, 1:] - logits[:, :1] if logits.shape[-1] == 2 else logits
        return found


@functools.cache
def exact_model(library):
    """A model whose network is exact, of a frame in which rows are as often as they are likely."""
    table = Table.from_dataframe(make_frame(np.repeat(ROWS, COUNTS.ravel(), axis=0), library))
    priors = {name: table.flow()[name].prior for name in VALUES}
    flow = {name: DiscreteFlow(len(p), BETA_1, prior=p) for name, p in priors.items()}
    network = RowPosterior(priors)
    shapes = dict.fromkeys(VALUES, ())
    return TableModel(flow, network, table, event_shape=shapes, allow_missing=True, seed=0)


@functools.cache
def random_model():
    """A model of such frames whose weights are to be drawn."""
    table = Table.from_dataframe(make_frame(np.repeat(ROWS, COUNTS.ravel(), axis=0)))
    keras.utils.set_random_seed(0)
    return table.make_model(width=8, num_blocks=1, dropout=0.0, seed=0)


def nats_of_rows(model, num_repeats, num_steps, rng):
    """What each possible row costs: means and standard errors."""
    library = pandas if model.table.library == "pandas" else polars
    df = make_frame(np.tile(ROWS, (num_repeats, 1)), library)
    found = model.code_length(df, num_steps, batch_size=len(df), seed=seed_of(rng), verbose=0)
    nats = found["transmission"] + found["reconstruction"]
    nats = nats.reshape(num_repeats, -1).astype("float64")
    return nats.mean(axis=0), nats.std(axis=0) / np.sqrt(num_repeats)


def check_sum_exact(rng):
    """All rows together have a probability of at most 1; in continuous time each has its own."""
    library, num_steps = choose(rng, pandas, polars), choose(rng, None, None, 2, 10)
    means, errors = nats_of_rows(exact_model(library), 1000, num_steps, rng)
    what = f"{library.__name__}, {num_steps} steps"
    away = means + np.log(JOINT.ravel())
    if num_steps is None:
        allowed = MOST_ERRORS * errors + 5e-3
        assert (np.abs(away) < allowed).all(), f"{what}: away from what is likely by {away}"
    # Few messages make some rows cheaper, but not on average.
    error = MOST_ERRORS * np.linalg.norm(JOINT.ravel() * errors) + 5e-3
    average = (JOINT.ravel() * away).sum()
    assert average > -error, f"{what}: on average cheaper by {-average:.4f} than the entropy"
    assert_at_most_1(means, errors, what)


def check_sum_random(rng):
    """So they do for a network of any weights, in any number of messages."""
    model, num_steps, std = random_model(), choose(rng, None, 1, 3, 10), choose(rng, 0.2, 0.5)
    for weight in model.network.trainable_weights:
        weight.assign(rng.normal(size=weight.shape, scale=std))
    means, errors = nats_of_rows(model, 1000, num_steps, rng)
    assert_at_most_1(means, errors, f"weights of {std}, {num_steps} messages")


def assert_at_most_1(means, errors, what):
    probs = np.exp(-means)
    # Chance makes the mean of an exponential larger than that of its mean.
    total = probs.sum() - 0.5 * (probs * errors**2).sum()
    allowed = 1 + MOST_ERRORS * np.linalg.norm(probs * errors) + 1e-3
    assert total < allowed, f"{what}: all rows have {total:.4f}, {allowed:.4f} allowed"


def places_of(df):
    """The rows of a frame as places in `VALUES`."""
    columns = [df[name].to_list() for name in VALUES]
    return np.stack(
        [
            [values.index(cell) for cell in column]
            for values, column in zip(VALUES.values(), columns, strict=True)
        ],
        axis=1,
    )


def assert_frequent(drawn, joint, what):
    """Places of shape `(num, 3)` follow a joint distribution, up to steps of finite length."""
    shares = np.zeros(JOINT.shape)
    np.add.at(shares, tuple(drawn.T), 1 / len(drawn))
    error = 0.5 * np.abs(shares - joint).sum()
    chance = 0.5 * np.sqrt(joint * (1 - joint) / len(drawn)).sum()
    allowed = 0.035 + 1.2 * chance + 2.5 / np.sqrt(len(drawn))
    assert error < allowed, f"{what}: total variation {error:.3f}, {allowed:.3f} allowed"


def check_sample(rng):
    """Rows are as frequent as the table's."""
    model = exact_model(choose(rng, pandas, polars))
    options = choose(rng, {}, {"sampler": "ode2"}, {"sampler": "sde2"})
    df = model.sample(4000, num_steps=40, seed=seed_of(rng), batch_size=4000, **options)
    assert_frequent(places_of(df), JOINT, f"{options}")


def check_conditional(rng):
    """So are cells given others, whichever way these are given."""
    library = choose(rng, pandas, polars)
    model, num, way = exact_model(library), 1200, choose(rng, "value", "list", "impute")
    num_known = int(rng.integers(1, 3))
    names = list(rng.permutation(list(VALUES))[:num_known])
    two = make_frame(ROWS[rng.choice(len(ROWS), 2, p=JOINT.ravel())])
    options = {"num_steps": 40, "seed": seed_of(rng), "batch_size": num}
    which = np.zeros(num, int) if way == "value" else rng.integers(0, 2, num)
    given = {name: [two[name].to_list()[i] for i in which] for name in names}
    if way == "impute":
        df = library.DataFrame({name: given[name] for name in VALUES if name in given})
        found = model.impute(df, **options)
    else:
        if way == "value":
            given = {name: values[0] for name, values in given.items()}
        found = model.sample(num, given=given, **options)
    places = places_of(found)
    for i in np.unique(which):
        cut = [slice(None)] * 3
        for axis, name in enumerate(VALUES):
            if name in names:
                cut[axis] = VALUES[name].index(two[name].to_list()[i])
                assert (places[which == i, axis] == cut[axis]).all(), (way, name)
        joint = np.zeros(JOINT.shape)
        joint[tuple(cut)] = JOINT[tuple(cut)]
        assert_frequent(places[which == i], joint / joint.sum(), f"{way}, {names}, {cut}")


def check_missing_cells(rng):
    """A row costs what its cells that are there cost together, whatever else is missing."""
    library = choose(rng, pandas, polars)
    model = exact_model(library)
    names = list(rng.permutation(list(VALUES))[: rng.integers(1, 3)])
    axes = tuple(axis for axis, name in enumerate(VALUES) if name not in names)
    num = 400
    df = make_frame(np.tile(ROWS, (num, 1)), library)
    kept = [name for name in VALUES if name in names]
    df = df[kept]
    found = model.code_length(df, batch_size=len(df), seed=seed_of(rng), verbose=0)
    nats = (found["transmission"] + found["reconstruction"]).reshape(num, -1).astype("float64")
    expected = -np.log(np.broadcast_to(JOINT.sum(axis=axes, keepdims=True), JOINT.shape).ravel())
    errors = nats.std(axis=0) / np.sqrt(num)
    away = nats.mean(axis=0) - expected
    assert (np.abs(away) < MOST_ERRORS * errors + 5e-3).all(), f"{kept}: away by {away}"


# --- frames of all kinds of columns ---------------------------------------------------------------

NUM_ROWS = 24
LETTERS = string.ascii_letters[:NUM_ROWS]


def mixed_columns(num, rng):
    """Columns as lists; numbers that come back, ties, times with their cycles, angles."""
    times = np.datetime64("2024-01-01") + rng.integers(0, 9000, num).astype("timedelta64[h]")
    return {
        "x": rng.normal(size=num).round(3).tolist(),
        "rain": np.where(rng.random(num) < 0.5, 0.0, rng.exponential(size=num)).round(2).tolist(),
        "age": rng.integers(18, 90, num).tolist(),
        "when": times.astype("datetime64[us]").tolist(),
        "wind": rng.integers(0, 360, num).tolist(),
        "name": rng.choice(["u", "v", "w"], num).tolist(),
    }


LIMITS = {
    "x": [-9.0, 9.0],
    "rain": [0.0, 99.0],
    "age": [0, 120],
    "when": [datetime.datetime(2020, 1, 1), datetime.datetime(2030, 1, 1)],
    "wind": [0, 359],
    "name": ["u", "w"],
}


@functools.cache
def mixed_model(library):
    columns = mixed_columns(300, np.random.default_rng(5))
    columns = {name: LIMITS[name] + values for name, values in columns.items()}
    given = {"when": Number(cycles=["day", "week"]), "wind": Angle(360)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        table = Table.from_dataframe(library.DataFrame(columns), **given)
    keras.utils.set_random_seed(0)
    model = table.make_model(width=16, num_blocks=1, dropout=0.0, seed=0)
    rng = np.random.default_rng(6)
    for weight in model.network.trainable_weights:
        weight.assign(rng.normal(size=weight.shape, scale=0.2))
    return model


def hide_some(columns, rng, rate=0.2):
    """Columns in which some cells are missing, but no row's are all."""
    hidden = {name: list(values) for name, values in columns.items()}
    for name, values in hidden.items():
        if name != "name":
            for i in np.flatnonzero(rng.random(len(values)) < rate):
                values[i] = None
    return hidden


def score(model, df, seed, num_repeats=2):
    return model.log_likelihood(df, num_repeats=num_repeats, batch_size=NUM_ROWS, seed=seed)


def draw_mixed(rng):
    columns = mixed_columns(NUM_ROWS, rng)
    return hide_some(columns, rng) if rng.random() < 0.5 else columns


def check_rows_apart(rng):
    """The likelihood of a row, and its data, do not depend on the other rows."""
    library = choose(rng, pandas, polars)
    model, columns, seed = mixed_model(library), draw_mixed(rng), seed_of(rng)
    others = draw_mixed(rng)
    kept = rng.random(NUM_ROWS) < 0.4
    kept[rng.integers(NUM_ROWS)] = True
    changed = {
        name: [a if k else b for a, b, k in zip(columns[name], others[name], kept, strict=True)]
        for name in columns
    }
    before, after = (score(model, library.DataFrame(c), seed) for c in (columns, changed))
    np.testing.assert_allclose(after[kept], before[kept], rtol=1e-4, atol=1e-4)
    # Alone, in another order, twice.
    data = model.table.encode(library.DataFrame(columns))
    order = choose(rng, rng.permutation(NUM_ROWS), rng.integers(0, NUM_ROWS, 40), [3], [5, 5])
    some = {name: [values[i] for i in order] for name, values in columns.items()}
    for part, x in model.table.encode(library.DataFrame(some)).items():
        np.testing.assert_array_equal(x, data[part][order], err_msg=f"{part}, rows {order}")


def same_frame(first, second):
    if isinstance(first, pandas.DataFrame):
        pandas.testing.assert_frame_equal(first, second)
    else:
        assert first.equals(second), f"{first} differs from {second}"


def check_forms(rng):
    """Neither the library, nor the order of columns, nor others beside them, change anything."""
    columns, seed = draw_mixed(rng), seed_of(rng)
    models = {library: mixed_model(library) for library in (pandas, polars)}
    scores = {
        library: score(model, library.DataFrame(columns), seed) for library, model in models.items()
    }
    np.testing.assert_allclose(scores[pandas], scores[polars], rtol=1e-5, atol=1e-5)
    library = choose(rng, pandas, polars)
    model, order = models[library], rng.permutation(list(columns))
    other = {name: columns[name] for name in order}
    if rng.random() < 0.5:
        other["more"] = list(range(NUM_ROWS))
    np.testing.assert_allclose(
        score(model, library.DataFrame(other), seed), scores[library], rtol=1e-5, atol=1e-5
    )
    other_library = polars if library is pandas else pandas
    np.testing.assert_allclose(
        score(model, other_library.DataFrame(columns), seed), scores[library], rtol=1e-5, atol=1e-5
    )


def check_impute(rng):
    """Cells that are there stay, index, dtypes and order too; the others are the same as ever."""
    columns, seed = hide_some(mixed_columns(NUM_ROWS, rng), rng, 0.3), seed_of(rng)
    model, options = mixed_model(pandas), {"num_steps": 3, "seed": seed}
    df = pandas.DataFrame(columns)
    dtypes = pandas.DataFrame(mixed_columns(2, rng)).dtypes  # no cell is missing
    filled = model.impute(df, batch_size=NUM_ROWS, **options)
    for name in columns:
        there = df[name].notna()
        assert filled[name].notna().all(), name
        assert (filled[name][there] == df[name][there]).all(), name
        assert filled[name].dtype == dtypes[name], name
    index = choose(rng, rng.permutation(NUM_ROWS), 100 + np.arange(NUM_ROWS), [*LETTERS])
    other = df.set_axis(index, axis=0)
    if rng.random() < 0.5:
        other = other[list(rng.permutation(list(columns)))]
    found = model.impute(other, batch_size=NUM_ROWS, **options)
    assert list(found.index) == list(index), f"index {list(found.index)} for {list(index)}"
    assert list(found.columns) == list(other.columns)
    same_frame(found.set_axis(filled.index, axis=0)[list(filled.columns)], filled)
    df, model = polars.DataFrame(columns), mixed_model(polars)
    in_polars = model.impute(df, batch_size=NUM_ROWS, **options)
    for name in columns:
        got, wanted = in_polars[name].to_list(), filled[name].tolist()
        assert len(got) == len(wanted)
        close = [
            a == b or (isinstance(a, float) and abs(a - b) < 1e-3)
            for a, b in zip(got, wanted, strict=True)
        ]
        assert np.mean(close) > 0.9, f"{name}: {got} with polars, {wanted} with pandas"


def check_round_trip(rng):
    """What is encoded and decoded is what it was, in both libraries."""
    columns, library = draw_mixed(rng), choose(rng, pandas, polars)
    model = mixed_model(library)
    df = library.DataFrame(columns)
    found = model.table.decode(model.table.encode(df))
    for name in ("age", "name", "wind"):
        got, wanted = found[name].to_list(), df[name].to_list()
        got, wanted = (
            [None if is_none(cell) else cell for cell in cells] for cells in (got, wanted)
        )
        assert got == wanted, f"{name}: {got} for {wanted}"


def is_none(cell):
    return cell is None or cell is pandas.NA or cell is pandas.NaT or cell != cell


CHECKS = {
    "sum_exact": 2,
    "sum_random": 3,
    "sample": 1,
    "conditional": 3,
    "missing_cells": 2,
    "rows_apart": 4,
    "forms": 2,
    "impute": 3,
    "round_trip": 1,
}
