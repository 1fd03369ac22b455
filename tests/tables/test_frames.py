"""Frames: cells, dtypes, time zones and names come back exactly, or are refused by name."""

import collections
import datetime

import keras
import numpy as np
import pytest

from keras_bfn.tables import Angle, Category, Levels, Number, Table

pandas = pytest.importorskip("pandas")
polars = pytest.importorskip("polars")
polars_testing = pytest.importorskip("polars.testing")
pytest.importorskip("narwhals")

pytestmark = pytest.mark.once

BIG = 2**60 + 1
# The second of two equal hours of the clock, as summer time ends.
FOLD = [datetime.datetime(2024, 10, 27, hour, tzinfo=datetime.UTC) for hour in (0, 1, 2)]
TIMES = pandas.Series(FOLD).astype("datetime64[ns, Europe/Berlin]")
ZONES = ("Europe/Berlin", "America/New_York", "UTC", "+05:30")
UNITS = ("s", "ms", "us", "ns")


def pandas_columns():
    """Series by name, of every dtype; those that may have missing cells have one at the end."""
    arrow = pytest.importorskip("pyarrow")
    ints = [f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)]
    found = {"bool": pandas.Series([True, False])}
    found |= {name: pandas.Series([3, 1, 2], dtype=name) for name in ints}
    nullable = [name.replace("int", "Int").replace("uI", "UI") for name in ints]
    nullable += [f"{name}[pyarrow]" for name in ints]
    found |= {name: pandas.Series([3, 1, 2, None], dtype=name) for name in nullable}
    for name in ("Int64", "UInt64", "int64[pyarrow]", "uint64[pyarrow]"):
        found[f"large {name}"] = pandas.Series([BIG, BIG + 1, None], dtype=name)
    found |= {
        name: pandas.Series([True, False, None], dtype=name)
        for name in ("boolean", "bool[pyarrow]")
    }
    floats = ("float16", "float32", "float64", "Float32", "Float64", "float[pyarrow]")
    found |= {name: pandas.Series([0.5, 1.25, None], dtype=name) for name in floats}
    strings = ["str", "object", "string[python]", "string[pyarrow]", "large_string[pyarrow]"]
    strings.append(pandas.ArrowDtype(arrow.string()))
    found |= {f"{d!r}": pandas.Series(["b", "a", None], dtype=d) for d in strings}
    found |= {
        f"object of {cells}": pandas.Series([*cells, None], dtype=object)
        for cells in ((True, False), (1, 2, BIG), ("1", 1, True, 0.5))
    }
    for values in (["b", "unused", "a"], [3, 2, 1], [3.5, 2.5, 1.5], [True, False]):
        for ordered in (False, True):
            cells = pandas.Categorical([values[-1], values[0], None], values, ordered)
            found[f"category {ordered} of {values}"] = pandas.Series(cells)
    small = pandas.CategoricalDtype(pandas.Index([2, 1], dtype="int8"))
    found["category of int8"] = pandas.Series([1, 2, None], dtype=small)
    cells = pandas.Series([*FOLD, None]).astype(TIMES.dtype)
    for unit in UNITS:
        naive = cells.dt.tz_convert("UTC").dt.tz_localize(None)
        found[f"datetime64[{unit}]"] = naive.astype(f"datetime64[{unit}]")
        found[f"timedelta64[{unit}]"] = (naive - naive[0]).astype(f"timedelta64[{unit}]")
        for zone in ZONES:
            zoned = cells.astype(f"datetime64[{unit}, {zone}]")
            found[str(zoned.dtype)] = zoned
            dtype = pandas.ArrowDtype(arrow.timestamp(unit, zone))
            found[str(dtype)] = zoned.astype(dtype)
        for dtype in (arrow.timestamp(unit), arrow.duration(unit)):
            source = "datetime64" if "timestamp" in str(dtype) else "timedelta64"
            dtype = pandas.ArrowDtype(dtype)
            found[str(dtype)] = found[f"{source}[{unit}]"].astype(dtype)
    days = [datetime.date(1969, 12, 30), datetime.date(2024, 2, 29), None]
    found["date32"] = pandas.Series(days, dtype="date32[day][pyarrow]")
    return found


def polars_columns():
    """As `pandas_columns`, of polars, where every dtype may have missing cells."""
    ints = [polars.Int8, polars.Int16, polars.Int32, polars.Int64]
    ints += [polars.UInt8, polars.UInt16, polars.UInt32, polars.UInt64]
    found = {str(dtype): polars.Series([3, 1, None], dtype=dtype) for dtype in ints}
    found |= {
        str(dtype): polars.Series([0.5, 1.25, None], dtype=dtype)
        for dtype in (polars.Float32, polars.Float64)
    }
    found["large"] = polars.Series([BIG, BIG + 1, None])
    found["bool"] = polars.Series([True, False, None])
    found["string"] = polars.Series(["b", "a", None])
    found["Categorical"] = polars.Series(["b", "a", None], dtype=polars.Categorical)
    found["Enum"] = polars.Series(["b", "a", None], dtype=polars.Enum(["b", "unus'ed", "a"]))
    days = [datetime.date(1969, 12, 30), datetime.date(2024, 2, 29), None]
    found["Date"] = polars.Series(days)
    naive = [time.replace(tzinfo=None) for time in FOLD]
    for unit in UNITS[1:]:
        found[f"Datetime {unit}"] = polars.Series([*naive, None], dtype=polars.Datetime(unit))
        gaps = [time - naive[0] for time in naive]
        found[f"Duration {unit}"] = polars.Series([*gaps, None], dtype=polars.Duration(unit))
        for zone in ZONES[:3]:
            dtype = polars.Datetime(unit, zone)
            found[f"Datetime {unit} {zone}"] = polars.Series([*FOLD, None]).cast(dtype)
    return found


def check_round_trip(library, columns, column=None):
    """Each column comes back, with and without its missing cells, beside all of its length."""
    testing = pandas.testing if library is pandas else polars_testing
    frames = collections.defaultdict(dict)
    for name, series in columns.items():
        present = series.dropna() if library is pandas else series.drop_nulls()
        for cells in (series, present.reset_index(drop=True) if library is pandas else present):
            frames[len(cells), cells is series][name] = cells
    for cells in frames.values():
        df = library.DataFrame(cells)
        table = Table.from_dataframe(df, **(dict.fromkeys(cells, column) if column else {}))
        config = keras.saving.serialize_keras_object(table)
        table = keras.saving.deserialize_keras_object(config)
        testing.assert_frame_equal(table.decode(table.encode(df)), df, check_exact=True)


def test_cells_of_every_dtype_of_pandas_come_back():
    columns = pandas_columns()
    assert len(columns) > 80
    check_round_trip(pandas, columns)
    check_round_trip(pandas, columns, Category())


def test_cells_of_every_dtype_of_polars_come_back():
    columns = polars_columns()
    check_round_trip(polars, columns)
    check_round_trip(polars, columns, Category())


@pytest.mark.parametrize(
    ("dtype", "nullable"), [("int64", "Int64"), ("uint8", "UInt8"), ("bool", "boolean")]
)
def test_dtypes_without_missing_cells_become_nullable_where_cells_are_missing(dtype, nullable):
    values = [True, False] if dtype == "bool" else [BIG, BIG + 1] if dtype == "int64" else [1, 2]
    df = pandas.DataFrame({"c": pandas.Series(values, dtype=dtype), "x": [0.5, 1.5]})
    found = Table.from_dataframe(df).decode({"c": np.array([0, -1, 1]), "x": np.zeros(3, int)})
    expected = pandas.Series([*sorted(values)[:1], None, *sorted(values)[1:]], dtype=nullable)
    pandas.testing.assert_series_equal(found["c"], expected, check_names=False)


@pytest.mark.parametrize("dtype", ["float16", "float32", "Float32", "float[pyarrow]", "polars"])
def test_short_floats_keep_their_decimals(dtype):
    prices = [0.1, 0.35, 1.05, 2.7]
    if dtype == "polars":
        df = polars.DataFrame({"price": prices}, schema={"price": polars.Float32})
    else:
        df = pandas.DataFrame({"price": pandas.Series(prices, dtype=dtype)})
    table = Table.from_dataframe(df, price=Number())
    assert table.columns["price"].step == 0.01
    drawn = table.columns["price"].decode(np.linspace(-0.3, 0.3, 9))
    assert drawn == [round(price, 2) for price in drawn]
    # Other frames, and given values, name the same cells.
    table = Table.from_dataframe(df, price=Category())
    others = pandas.DataFrame({"price": prices})
    assert table.encode(others)["price"].tolist() == [0, 1, 2, 3]
    assert table.decode(table.encode(others))["price"].dtype == df["price"].dtype


def test_times_of_another_zone_or_unit_are_the_same_instants():
    table = Table.from_dataframe(pandas.DataFrame({"when": TIMES}), when=Category())
    for zone in ZONES:
        for unit in UNITS:
            others = pandas.DataFrame({"when": TIMES.astype(f"datetime64[{unit}, {zone}]")})
            cells = table.read(others)
            assert table.write(cells)["when"].tolist() == TIMES.tolist()
            assert table.write(cells)["when"].dtype == TIMES.dtype
            assert table.encode(others)["when"].tolist() == [0, 1, 2]


def test_times_that_the_unit_cannot_hold_are_refused():
    def table_of(dtype):
        days = pandas.Series(pandas.to_datetime(["2024-01-01", "2024-01-03"]))
        return Table.from_dataframe(pandas.DataFrame({"when": days.astype(dtype)}))

    half = pandas.DataFrame({"when": pandas.to_datetime(["2024-01-01T00:00:00.5"])})
    with pytest.raises(ValueError, match=r"'when' of `df` must contain times that .*00:00:00.5"):
        table_of("datetime64[s]").encode(half)
    late = pandas.DataFrame({"when": np.array(["3000-01-01"], "datetime64[s]")})
    with pytest.raises(ValueError, match=r"'when' of `df` must contain times that .*3000-01-01"):
        table_of("datetime64[ns]").encode(late)
    days = Table.from_dataframe(polars.DataFrame({"when": [datetime.date(2024, 1, 1)] * 2}))
    noon = polars.DataFrame({"when": [datetime.datetime(2024, 1, 1, 12)]})
    with pytest.raises(
        ValueError, match=r"'when' of `df` must contain times that Date can represent"
    ):
        days.encode(noon)
    midnight = noon.with_columns(polars.col("when").dt.truncate("1d"))
    assert days.write(days.read(midnight))["when"].to_list() == [datetime.date(2024, 1, 1)]


def test_equal_values_of_other_types_are_other_categories_unless_they_are_numbers():
    cells = [1, True, "1", 0, False]
    for order in (cells, cells[::-1]):
        column = Category().fit(order)
        found = column.decode(column.encode(cells))
        assert list(zip(map(type, found), found, strict=True)) == list(
            zip(map(type, cells), cells, strict=True)
        )
    assert Category().fit([1, 1.0]) == Category().fit([1.0, 1])
    assert Category().fit([1, 2]).encode([1.0, 2.0]).tolist() == [0, 1]


def test_numbers_are_numbers_in_columns_of_objects():
    values = {"float": np.linspace(0, 1, 40).round(2), "integer": np.arange(40)}
    df = pandas.DataFrame({name: [*x.tolist(), None] for name, x in values.items()}, dtype=object)
    table = Table.from_dataframe(df)
    assert isinstance(table.columns["float"], Number)
    assert isinstance(table.columns["integer"], Levels)
    pandas.testing.assert_frame_equal(table.decode(table.encode(df)), df, check_exact=True)


def test_a_column_without_any_cell_stays_without():
    for dtype in ("float64", "Int64", "datetime64[ns]", "datetime64[ns, UTC]", "object"):
        df = pandas.DataFrame({"c": pandas.Series([None, None], dtype=dtype), "d": ["a", "b"]})
        table = Table.from_dataframe(df)
        pandas.testing.assert_frame_equal(table.decode(table.encode(df)), df)
        assert table.decode({**table.encode(df), "c": np.array([0, 1])})["c"].isna().all()


def test_columns_are_found_by_their_names_alone():
    names = ["index", "0", "a/b", "numbers", "loss", "x cycles", "ticks"]
    rng = np.random.default_rng(0)
    df = pandas.DataFrame({name: rng.normal(size=9).round(2) for name in names}, rng.permutation(9))
    columns = {name: Number(cycles=[1]) for name in names}
    table = Table.from_dataframe(df, **columns)
    codes = table.encode(df)
    found = table.encode(df[names[::-1]].assign(other=1))
    for name, x in codes.items():
        np.testing.assert_array_equal(found[name], x)
    for frame in (df[["0", "index"]], polars.from_pandas(df)[["0", "index"]]):
        alone = table.encode(frame)["numbers_"][:, :2]
        np.testing.assert_array_equal(alone, codes["numbers_"][:, :2])


def test_the_code_of_a_cell_depends_on_the_cell_alone():
    rng = np.random.default_rng(0)
    num = 60
    df = pandas.DataFrame(
        {
            "spike": np.where(rng.uniform(size=num) < 0.5, 0.0, rng.normal(size=num)),
            "spikes": rng.choice([1.0, 2.0, 3.0], num),
            "mean": rng.normal(size=num),
            "hour": rng.integers(0, 24, num),
            "age": rng.integers(0, 90, num),
            "class": rng.choice(["a", "b", "c"], num),
            "when": pandas.Timestamp("2024") + pandas.to_timedelta(rng.integers(0, 9, num), "h"),
        }
    ).mask(rng.uniform(size=(num, 7)) < 0.1)
    columns = {"spikes": Number(), "mean": Number("mean"), "hour": Angle(24)}
    table = Table.from_dataframe(df, **columns, when=Number(cycles=["day"]))
    codes = table.encode(df)
    order = rng.permutation(num)
    for rows in (order, order[:7], *order[:, None]):
        for name, x in table.encode(df.iloc[rows]).items():
            np.testing.assert_array_equal(x, codes[name][rows])


def test_with_a_seed_repeated_numbers_fill_their_interval_of_scores():
    rng = np.random.default_rng(0)
    first = np.where(np.arange(2000) < 1000, 0.0, rng.uniform(1, 2, 2000))
    df = pandas.DataFrame({"x": first, "y": np.roll(first, 250)})
    table = Table.from_dataframe(df)
    x, y = 4 * table.encode(df, seed=0)["numbers"].T
    assert x[:1000].max() < 0 < x[1000:].min()
    assert (x.mean(), x.std()) == pytest.approx((0, 1), abs=0.03)
    both = slice(250, 1000)  # each number is drawn for itself
    assert abs(np.corrcoef(x[both], y[both])[0, 1]) < 0.1
    assert len(np.unique(table.encode(df)["numbers"][:1000, 0])) == 1
    np.testing.assert_array_equal(table.encode(df, seed=0)["numbers"].T * 4, [x, y])


@pytest.mark.parametrize(
    ("period", "low", "cells"),
    [
        (24, 0, [0, 5, 10, 15, 20]),
        (365.25, 0, [1, 100, 365]),
        (2 * np.pi, -np.pi, [-3.14, 0.5, 3.14]),
        (1, 0.004, [0.5, 0.25, 0.99]),
        (1.1, 0, [0.1, 0.5, 1.1]),
        (360, 0, 3 * [0.123456789, 100.987654321, 350.123456789]),
    ],
)
def test_an_angle_comes_back_as_the_nearest_on_its_grid(period, low, cells):
    column = Angle(period, low).fit(cells)
    steps = np.arange(-1000, 1000)
    grid = {
        int: lambda: low + column.step * steps,
        float: lambda: np.round(column.step * steps, 6),
        list: lambda: np.array(column.step),
    }[type(column.step)]()
    grid = grid[(grid >= low) & (grid < low + period - 1e-9)]
    x = low + period * np.random.default_rng(0).uniform(size=500)
    found = np.array(column.decode(column.encode(x.tolist())))

    def away(values):
        return np.abs((values - x + period / 2) % period - period / 2)

    assert set(found) <= set(grid)
    assert (away(found) <= away(grid[:, None]).min(axis=0) + 1e-5 * period).all()


def test_times_of_day_are_refused():
    frame = polars.DataFrame({"opens": [datetime.time(9, i) for i in range(3)]})
    with pytest.raises(ValueError, match="'opens' of `df` must contain dates, times of a date, or"):
        Table.from_dataframe(frame)
