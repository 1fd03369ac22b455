"""Tables: which column is what, frames there and back, and errors that name column and value."""

import datetime
import sys

import keras
import numpy as np
import pytest

from keras_bfn.tables import Angle, Category, Levels, Number, Table, frames

pandas = pytest.importorskip("pandas")
polars = pytest.importorskip("polars")
polars_testing = pytest.importorskip("polars.testing")
hypothesis = pytest.importorskip("hypothesis")
st = pytest.importorskip("hypothesis.strategies")

pytestmark = pytest.mark.once

NUM = 60
RNG = np.random.default_rng(0)
DAYS = pandas.Timestamp("2024-01-31") + pandas.to_timedelta(RNG.integers(0, 900, NUM), unit="D")
FRAME = pandas.DataFrame(
    {
        "x": RNG.normal(size=NUM),
        "few": RNG.choice([0.5, 1.5, 2.5], NUM),
        "age": RNG.integers(18, 90, NUM),
        "wide": RNG.integers(0, 10_000, NUM),
        "small": RNG.integers(0, 3, NUM),
        "nullable": pandas.array(RNG.integers(0, 100, NUM), dtype="Int64"),
        "bool": RNG.uniform(size=NUM) < 0.5,
        "string": RNG.choice(["a", "b/c", "d e"], NUM),
        "object": np.array(["u", "v"], object)[RNG.integers(0, 2, NUM)],
        "size": pandas.Categorical(RNG.choice(["S", "L"], NUM), ["S", "M", "L"], ordered=True),
        "day": DAYS,
        "zone": (DAYS + pandas.Timedelta("1h")).tz_localize("Europe/Berlin"),
        "constant": 1.5,
        "nothing": np.array([None] * NUM, object),
    }
)
KINDS = {
    "x": Number,
    "few": Category,
    "age": Levels,
    "wide": Number,
    "small": Category,
    "nullable": Levels,
    "bool": Category,
    "string": Category,
    "object": Category,
    "size": Category,
    "day": Number,
    "zone": Number,
    "constant": Category,
    "nothing": Category,
}


def with_missing(df):
    """The frame with a tenth of the cells of those columns missing that may have such."""
    df = df.copy()
    for name in df:
        if df[name].dtype.kind not in "ib" or name == "nullable":
            df.loc[RNG.uniform(size=len(df)) < 0.1, name] = None
    return df


def to_polars(df):
    small = polars.Enum(["a", "b/c", "d e", "f"])
    found = polars.from_pandas(df.drop(columns="nothing"))
    return found.with_columns(polars.col("day").cast(polars.Date), polars.col("string").cast(small))


@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_a_frame_comes_back_with_its_columns_dtypes_and_categories(library, missing):
    df = with_missing(FRAME) if missing else FRAME
    df = df if library == "pandas" else to_polars(df)
    table = Table.from_dataframe(df)
    assert {name: type(column) for name, column in table.columns.items()} == {
        name: KINDS[name] for name in df.columns
    }
    found = table.decode(table.encode(df))
    if library == "pandas":
        pandas.testing.assert_frame_equal(found, df, rtol=1e-4)
    else:
        polars_testing.assert_frame_equal(found, df, rel_tol=1e-4)
    config = keras.saving.serialize_keras_object(table)
    assert keras.saving.deserialize_keras_object(config) == table


CELLS = {
    "floats": st.floats(-1e6, 1e6).map(lambda x: round(x, 3)),
    "integers": st.integers(-30_000, 30_000),
    "bools": st.booleans(),
    "strings": st.text(st.characters(codec="utf-8"), max_size=5),
    "times": st.datetimes(datetime.datetime(1950, 1, 1), datetime.datetime(2050, 1, 1)).map(
        lambda time: time.replace(minute=0, second=0, microsecond=0)
    ),
}


@hypothesis.settings(max_examples=40, deadline=None, derandomize=True)
@hypothesis.given(st.data())
def test_any_frame_comes_back(data):
    num = data.draw(st.integers(1, 30))
    kinds = data.draw(st.lists(st.sampled_from(sorted(CELLS)), min_size=1, max_size=4))
    columns = {}
    for i, kind in enumerate(kinds):
        cells = st.none() | CELLS[kind]
        columns[f"{kind}{i}"] = data.draw(st.lists(cells, min_size=num, max_size=num))
    df = polars.DataFrame(columns)
    table = Table.from_dataframe(df)
    parts = table.encode(df)
    shapes = table.event_shape()
    assert {name: x.shape for name, x in parts.items()} == {
        name: (num, *shapes[name]) for name in table.flow()
    }
    found = table.decode(parts)
    assert found.schema == df.schema
    for name, values in columns.items():
        there = [value is not None for value in values]
        assert [value is not None for value in found[name]] == there
        if name.startswith("floats"):
            # float32 of the scores, where between two numbers they hardly grow
            size = max((abs(v) for v in values if v is not None), default=0)
            for a, b in zip(found[name], values, strict=True):
                assert a is None or a == pytest.approx(b, abs=2e-3 + 1e-5 * size)
        elif name.startswith(("bools", "strings", "integers")):
            assert found[name].to_list() == values
        else:
            for a, b in zip(found[name], values, strict=True):
                assert a is None or abs(a - b) <= datetime.timedelta(hours=1)


def test_a_column_is_what_one_says():
    table = Table.from_dataframe(FRAME, age=Number(), small=Levels(0, 9), few=Number("mean"))
    assert isinstance(table.columns["age"], Number)
    assert (table.columns["small"].low, table.columns["small"].high) == (0, 9)
    found = table.decode(table.encode(FRAME))
    pandas.testing.assert_frame_equal(found, FRAME, rtol=1e-4)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_times_come_back_with_their_cycles(library):
    hours = pandas.to_timedelta(RNG.integers(0, 20_000, NUM), unit="h")
    df = pandas.DataFrame({"when": pandas.Timestamp("2021-03-01") + hours, "hour": hours.days % 24})
    df.loc[:5, "when"] = None
    df = df if library == "pandas" else polars.from_pandas(df)
    column = Number(cycles=["day", "year"])
    table = Table.from_dataframe(df, when=column, hour=Angle(24))
    shapes = {"numbers": (1,), "hour": (), "when cycles": (2,), "present": (1,)}
    assert table.event_shape() == shapes
    parts = table.encode(df)
    found = table.decode(parts)
    assert found.equals(df)
    seconds = parts["when cycles"][6:, 0] / (2 * np.pi) * 86_400 + 43_200
    when = df["when"].dt.hour if library == "pandas" else df["when"].dt.hour()
    np.testing.assert_allclose(seconds, 3600 * np.array(when)[6:], atol=0.1)
    assert Table.from_dataframe(df, when=table.columns["when"], hour=Angle(24)) == table


def test_names_and_dates_that_are_text_are_told_of():
    text = FRAME.assign(day=FRAME["day"].astype(str))
    match = r"Column 'day' has \d\d distinct values in 60 cells.*parse_dates.*to_numeric"
    with pytest.warns(UserWarning, match=match) as found:
        table = Table.from_dataframe(text)
    assert [w.filename for w in found if "Column" in str(w.message)] == [__file__]
    assert isinstance(table.columns["day"], Category)
    assert isinstance(Table.from_dataframe(text, day=Category()).columns["day"], Category)


def test_numbers_are_one_part_whatever_columns_are_called():
    df = pandas.DataFrame({"numbers": ["a", "b"], "x": [0.5, 1.5], "y": [1.0, 2.0]})
    table = Table.from_dataframe(df, x=Number(), y=Number())
    assert table.event_shape() == {"numbers_": (2,), "numbers": ()}
    pandas.testing.assert_frame_equal(table.decode(table.encode(df)), df)


@pytest.mark.parametrize("units", [("ns", "us"), ("us", "ns"), ("s", "ns")])
def test_times_are_the_same_in_other_units(units):
    first, second = (FRAME[["day"]].astype(f"datetime64[{unit}]") for unit in units)
    table = Table.from_dataframe(first)
    np.testing.assert_array_equal(*(table.encode(df)["numbers"] for df in (first, second)))
    pandas.testing.assert_frame_equal(table.decode(table.encode(second)), first)
    days = to_polars(FRAME).select("day").cast(polars.Datetime(units[1]))
    np.testing.assert_array_equal(table.encode(days)["numbers"], table.encode(first)["numbers"])


def test_large_integers_of_a_small_range_are_levels():
    numbers = 5_000_000_000 + np.arange(60)  # of telephones
    df = pandas.DataFrame({"number": numbers, "with a gap": numbers})
    df["with a gap"] = df["with a gap"].astype("Int64").where(numbers % 7 > 0)
    table = Table.from_dataframe(df)
    assert all(isinstance(column, Levels) for column in table.columns.values())
    pandas.testing.assert_frame_equal(table.decode(table.encode(df)), df)


def test_columns_that_a_frame_lacks_are_missing():
    parts = Table.from_dataframe(FRAME).encode(FRAME[["string", "x"]].assign(other=1))
    assert (parts["bool"] == -1).all()
    assert (parts["string"] >= 0).all()
    assert np.isnan(parts["numbers"]).sum() == 3 * NUM


TABLE = Table.from_dataframe(FRAME)


def test_without_narwhals_one_is_told_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "narwhals", None)
    with pytest.raises(ImportError, match=r'pip install "keras-bfn\[io\]"'):
        Table.from_dataframe(FRAME)


def test_parts_of_different_numbers_of_rows_are_refused():
    table = Table.from_dataframe(FRAME[["small", "x"]])
    parts = table.encode(FRAME)
    with pytest.raises(ValueError, match="the same number of rows"):
        table.decode({**parts, "small": parts["small"][:-1]})


def test_classes_and_levels_may_be_floats():
    table = Table.from_dataframe(FRAME[["small", "age"]])
    parts = {name: x.astype("float32") for name, x in table.encode(FRAME).items()}
    pandas.testing.assert_frame_equal(table.decode(parts), FRAME[["small", "age"]])


@pytest.mark.parametrize("library", [pandas, polars])
@pytest.mark.parametrize("values", [[2**60 + 7, None], [1, 2.5], [None, 2**53 + 1], [None, None]])
def test_lists_are_read_exactly(values, library):
    series = frames.make_series(library.__name__, values)
    assert frames.read_cells(series) == values


def test_known_cells_stay_whatever_is_drawn_and_if_they_are_0_false_or_empty():
    cells = {
        "x": [0.0, 1.5, 2.5],
        "n": [0, 300, 700],
        "b": [False, True, True],
        "s": ["", "a", "b"],
    }
    df = pandas.DataFrame({name: 20 * column for name, column in cells.items()})
    table = Table.from_dataframe(df)
    known = table.read(df)
    assert table.decode_cells(table.encode(df[::-1]), known) == known


@pytest.mark.slow
@pytest.mark.once
def test_many_numbers_share_factors_and_are_completed():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 2)) @ rng.normal(size=(2, 70)) + 0.3 * rng.normal(size=(200, 70))
    df = pandas.DataFrame(x).add_prefix("x")
    df = df.mask(rng.uniform(size=df.shape) < 0.1).assign(kind=["a", None] * 100)
    table = Table.from_dataframe(df)
    assert repr(table.prior) == "FactorNormal(size=70, num_factors=32)"
    assert Table.from_config(table.get_config()) == table
    model = table.make_model(width=8, num_blocks=1, seed=0)
    filled = model.impute(df, num_steps=3, seed=0, batch_size=200)
    filled = filled.drop(columns="kind").to_numpy()
    lacking = df.drop(columns="kind").isna().to_numpy()
    np.testing.assert_array_equal(filled[~lacking], df.drop(columns="kind").to_numpy()[~lacking])
    error = np.abs(filled - x)[lacking].mean()
    assert error < 0.5 * np.abs(x - x.mean(axis=0))[lacking].mean()  # of other rows: 1.4
