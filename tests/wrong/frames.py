"""Wrong calls of tables: of columns, rules, sequences and cells."""

import datetime

import numpy as np

from keras_bfn import networks, tables
from tests.wrong.things import inf

NOON = [datetime.datetime(2024, 10, 27, hour, tzinfo=datetime.UTC) for hour in (12, 13)]
NAIVE = [time.replace(tzinfo=None) for time in NOON]
DAYS = [datetime.timedelta(1), datetime.timedelta(2)]


def encode(library, fitted, given):
    """Cells of a column by a table that was fitted to others."""
    table = tables.Table.from_dataframe(library.DataFrame({"c": fitted}))
    return table.encode(library.DataFrame({"c": given}))


# By the argument: calls, what is expected instead, and what came.
CALLS = {
    "c": [
        *(
            (
                lambda t, name=name, cells=cells: encode(getattr(t, name), *cells),
                f"Column 'c' of `df` must contain {expected}",
                "",
            )
            for name in ("pandas", "polars")
            for *cells, expected in (
                (NOON, NAIVE, "times with a time zone"),
                (NAIVE, NOON, "times without a time zone"),
                (NOON, [1, 2], "times with a time zone"),
                (NOON, ["2024-10-27", "a"], "times with a time zone"),
                ([0.25, 0.5], NOON, "values that fit Float64"),
                ([1, 2], DAYS, "values that fit Int64"),
                ([True, False], [1, 0], "one of [False, True]"),
                ([0, 1], [False, True], "one of [0, 1]"),
                (["1", "2"], [1, 2], "one of ['1', '2']"),
                ([1, 2], ["1", "2"], "one of [1, 2]"),
            )
        ),
        (
            lambda t: tables.Table.from_dataframe(t.frame, c=tables.Number()),
            "Column 'c' of `df` must contain a finite number",
            "'a'",
        ),
        (
            lambda t: tables.Table.from_dataframe(
                t.make_frame(c=[None, None], d=["a", "b"]), c=tables.Number()
            ),
            "Column 'c' of `df` must contain at least one number",
            "",
        ),
        (
            lambda t: tables.Table.from_dataframe(
                t.make_frame(c=[None, None], d=["a", "b"]), c=tables.Levels()
            ),
            "Column 'c' of `df` must contain an integer, unless `low` and `high` are",
            "",
        ),
        (
            lambda t: t.rows.sample(2, {"c": [["a"], ["b"]]}),
            "Column 'c' of `df` must contain one of ['a', 'b']",
            "['a']",
        ),
    ],
    "city": [
        (
            lambda t: tables.Table.from_dataframe(t.bills, high=tables.AtLeast("city")),
            "Argument `df['city']` must be numbers or times, for a rule (dates are to",
            "df['city']='str'",
        ),
    ],
    "column": [
        (
            lambda t: tables.AtLeast("low", "mean"),
            "must be a `keras_bfn.tables.Column`, or None",
            "column='mean'",
        ),
    ],
    "columns": [
        (
            lambda t: tables.Table.from_dataframe(t.frame, c="category"),
            "must be a `keras_bfn.tables.Column`",
            "columns['c']='category'",
        ),
        (
            lambda t: tables.Sequences.from_dataframe(
                t.visits, "patient", ["sex"], {"patient": tables.Number()}
            ),
            "must be a dict from some of ['sex', 'day', 'weight', 'pain']",
            "columns={'patient'",
        ),
        (
            lambda t: tables.TableEstimator(columns={"other": tables.Levels()}).fit(t.frame),
            "must name some of ['n', 'c', 'i']",
            "['other']",
        ),
        (
            lambda t: tables.TableEstimator(columns=["a"]).fit(t.frame),
            "must be None, or a dict from names of columns to a `Column`",
            "columns=['a']",
        ),
    ],
    "cycles": [
        (
            lambda t: tables.Number(cycles=["month"]),
            "must contain positive numbers, or some of ['day', 'week', 'year']",
            "cycles=['month']",
        ),
        (
            lambda t: tables.Number(cycles=["day", 86_400]),
            "must not contain duplicates",
            "cycles=['day', 86400]",
        ),
    ],
    "day": [
        (
            lambda t: t.days.sample(2, {"day": 1_709_251_200_000_000}),
            "Column 'day' of `df` must contain times without a time zone",
            "a column of Int64",
        ),
        (
            lambda t: t.days.sample(2, {"day": NOON[0]}),
            "Column 'day' of `df` must contain times without a time zone",
            "a column of Datetime(",
        ),
    ],
    "df": [
        (lambda t: t.table.encode([1, 2]), "must be a pandas or polars DataFrame", "df='list'"),
        (
            lambda t: tables.Table.from_dataframe(t.polars.DataFrame({"a": [1]}).lazy()),
            "must be a pandas or polars DataFrame",
            "df='LazyFrame'",
        ),
        (
            lambda t: tables.Table.from_dataframe(t.frame.set_axis([0, 1, 2], axis=1)),
            "must have strings as column names",
            "df=[0, 1, 2]",
        ),
        (
            lambda t: tables.Table.from_dataframe(t.frame.set_axis(["n", "n", "i"], axis=1)),
            "must have distinct column names",
            "df=['n', 'n', 'i']",
        ),
        (
            lambda t: t.table.encode(t.frame.set_axis(["n", "n", "i"], axis=1)),
            "must have distinct column names",
            "df=['n', 'n', 'i']",
        ),
        (
            lambda t: tables.Table.from_dataframe(t.make_frame(class_name=["a", "b"])),
            "must not have columns named '', 'class_name' or 'config': rename them",
            "df=['class_name']",
        ),
        (
            lambda t: tables.Table.from_dataframe(t.make_frame(**{"": ["a", "b"]})),
            "must not have columns named '', 'class_name' or 'config': rename them",
            "df=['']",
        ),
        (
            lambda t: tables.Table.from_dataframe(
                t.frame[["n", "i"]].set_axis(["config", "class_name"], axis=1)
            ),
            "must not have columns named '', 'class_name' or 'config': rename them",
            "df=['config', 'class_name']",
        ),
        (
            lambda t: tables.Table.from_dataframe(
                t.make_frame(d=["2024-01"] * 2).astype("period[M]")
            ),
            "must contain numbers, strings, bools, categories or times",
            "column 'd' of period[M]",
        ),
        (
            lambda t: tables.Table.from_dataframe(t.make_frame(d=[np.zeros(2), np.ones(2)])),
            "must contain numbers, strings, bools, categories or times",
            "column 'd' of object",
        ),
        (lambda t: t.rows.impute([1]), "must be a pandas or polars DataFrame", "df='list'"),
        (
            lambda t: t.rows.impute_expected(t.frame[:0]),
            "must have at least one row",
            "df=Empty DataFrame",
        ),
        (
            lambda t: tables.Sequences.from_dataframe(
                t.visits, "patient", ["day", "sex", "weight", "pain"]
            ),
            "must have rows, and a column that is neither the entity nor static",
            "df=\"6 rows of ['day', 'patient', 'sex', 'weight', 'pain']\"",
        ),
        (
            lambda t: t.patients.encode(t.pandas.concat([t.visits, t.visits.assign(patient="p")])),
            "must have at most 3 rows for each entity",
            "8 for 'p'",
        ),
        (
            lambda t: t.patients.encode(t.visits.drop(columns="patient")),
            "must have the column 'patient'",
            "df=['day', 'sex', 'weight', 'pain']",
        ),
    ],
    "dtypes": [
        (
            lambda t: tables.Table(t.table.columns, {}, "pandas"),
            "must have the same keys as `columns`, at least one: ['n', 'c', 'i']",
            "dtypes={}",
        ),
    ],
    "end": [
        *(
            (
                lambda t, name=name, times=times: tables.Table.from_dataframe(
                    getattr(t, name).DataFrame({"end": times[:1], "start": times[1:]}),
                    end=tables.AtLeast("start"),
                ),
                "breaks AtLeast('start') in row 0, counted from 0: it must be at least 'start'",
                came,
            )
            for name in ("pandas", "polars")
            for times, came in (
                (NOON, "2024-10-27T12:00:00.000000 for start=2024-10-27T13:00:00.000000"),
                (DAYS, "86400000000 microseconds for start=172800000000 microseconds"),
            )
        ),
        (
            lambda t: t.bill_table.encode(t.bills.assign(end=t.bills["start"] - DAYS[0])),
            "breaks AtLeast('start') in row 0, counted from 0: it must be at least 'start'",
            "for start=2026-",
        ),
    ],
    "entity": [
        (
            lambda t: tables.Sequences.from_dataframe(t.visits, "nobody"),
            "must be one of the columns ['day', 'patient', 'sex', 'weight', 'pain']",
            "entity='nobody'",
        ),
    ],
    "epochs": [
        (
            lambda t: tables.TableEstimator(epochs=0).fit(t.frame),
            "must be an integer of at least 1",
            "epochs=0",
        ),
    ],
    "given": [
        (
            lambda t: t.rows.sample(2, {"n": t.frame["n"][:2], "i": t.frame["i"][1:3]}),
            "must contain series with the same index",
            "given={'n': 0    0.000000",
        ),
        (
            lambda t: t.rows.sample(2, {"c": {"a", "b"}}),
            "must be a single value, or a list",
            "given['c']={",
        ),
        (
            lambda t: t.rows.sample(2, "a"),
            "must be a dict from some of the columns ['n', 'c', 'i'] to values",
            "given='a'",
        ),
        (
            lambda t: t.rows.sample(2, t.frame[["c"]][:2]),
            "must be a dict from some of the columns ['n', 'c', 'i'] to values",
            "given=",
        ),
        (
            lambda t: t.rows.sample(2, []),
            "must be a dict from some of the columns ['n', 'c', 'i'] to values",
            "given=[]",
        ),
        (
            lambda t: t.rows.sample(2, {"c": tables.MISSING}),
            "must be a value: no cell is missing",
            "given['c']=keras_bfn.tables.MISSING",
        ),
        (
            lambda t: t.rows.sample(2, {"c": ["a"]}),
            "must be one value, or 2 values",
            "given['c']=['a']",
        ),
    ],
    "i": [
        (
            lambda t: t.table.encode(t.make_frame(i=[3, 200])),
            "Column 'i' of `df` must contain an integer from 0 to 19",
            "200",
        ),
        (
            lambda t: t.rows.sample(2, {"i": 1.5}),
            "Column 'i' of `df` must contain an integer from 0 to 19",
            "1.5",
        ),
    ],
    "key": [
        (
            lambda t: tables.Table.from_dataframe(t.make_frame(key=[str(i) for i in range(1001)])),
            "Argument `df` must have at most 5000 distinct values in a categorical",
            "1001 in 1001 cells of column 'key'. Remove the column, or pass its",
        ),
    ],
    "library": [
        (
            lambda t: tables.Table(t.table.columns, t.table.dtypes, "arrow"),
            "must be one of ['pandas', 'polars']",
            "library='arrow'",
        ),
    ],
    "low": [
        (
            lambda t: tables.Table.from_dataframe(t.bills, low=tables.AtLeast("high")),
            "Column 'low' of `df` breaks AtLeast('high') in row 0, counted from 0: it",
            "-0.11 for high=-0.05",
        ),
    ],
    "n": [
        (
            lambda t: t.table.encode(t.make_frame(n=[0.0, inf])),
            "Column 'n' of `df` must contain a finite number",
            "inf",
        ),
        (
            lambda t: t.rows.sample(2, {"n": True}),
            "Column 'n' of `df` must contain a finite number",
            "True",
        ),
        (
            lambda t: t.rows.sample(2, {"n": NAIVE[0]}),
            "Column 'n' of `df` must contain values that fit Float64",
            "a column of Datetime(time_unit='us', time_zone=None)",
        ),
    ],
    "net": [
        (
            lambda t: tables.Table.from_dataframe(t.bills, net=tables.SumOf("gross", "tax")),
            "Column 'net' of `df` breaks SumOf('gross', 'tax') in row 0, counted from",
            "90.4 for gross=97.4, tax=7.0",
        ),
    ],
    "network": [
        (
            lambda t: tables.TableModel(
                t.table.flow(),
                networks.MultiPart(t.table.flow(), t.table.event_shape(), 8, 1),
                t.table,
            ),
            "must take 't' of shape",
            "a network that takes ()",
        ),
    ],
    "nullable": [
        (lambda t: tables.Levels(nullable=3), "must be True or False", "nullable=3"),
        (lambda t: tables.Angle(24, nullable=3), "must be True or False", "nullable=3"),
        (lambda t: tables.Category(nullable=3), "must be True or False", "nullable=3"),
    ],
    "order": [
        (
            lambda t: tables.Sequences("patient", t.patients.entities, t.patients.rows, 3, ["day"]),
            "must contain each of the columns ['patient', 'sex', 'day', 'weight',",
            "order=['day']",
        ),
    ],
    "others": [
        (lambda t: tables.AtLeast(3), "must be names of columns, all different", "others=(3,)"),
        (lambda t: tables.SumOf(), "must be names of columns, all different", "others=()"),
        (
            lambda t: tables.SumOf("a", "a"),
            "must be names of columns, all different",
            "others=('a', 'a')",
        ),
    ],
    "pain": [
        (
            lambda t: tables.Sequences.from_dataframe(t.visits, "patient", ["pain"]),
            "Argument `df` must have one value of the static column 'pain' for each",
            "several for 'p'",
        ),
    ],
    "return_details": [
        (
            lambda t: t.rows.sample(2, return_details=True),
            "must be False. For details, use `generate`",
            "return_details=True",
        ),
        (
            lambda t: t.rows.impute(t.frame, return_details=True),
            "must be False. For details, use `generate`",
            "return_details=True",
        ),
    ],
    "rows": [
        (
            lambda t: tables.Sequences("patient", t.patients.entities, t.visits, 3, list(t.visits)),
            "must be a `keras_bfn.tables.Table`",
            "rows=",
        ),
    ],
    "rules": [
        (
            lambda t: tables.Table.from_dataframe(t.bills, high=tables.AtLeast("height")),
            "must refer to other columns of the table, ['gross', 'net', 'tax', 'start',",
            "rules['high']=AtLeast('height')",
        ),
        (
            lambda t: tables.Table.from_dataframe(t.bills, high=tables.AtLeast("high")),
            "must refer to other columns of the table, ['gross', 'net', 'tax', 'start',",
            "rules['high']=AtLeast('high')",
        ),
        (
            lambda t: tables.Table.from_dataframe(
                t.bills, high=tables.AtLeast("low"), low=tables.AtLeast("high")
            ),
            "must not refer to each other in a circle",
            "rules={'high': AtLeast('low'), 'low': AtLeast('high')}",
        ),
        (
            lambda t: tables.Table.from_dataframe(t.bills, end=tables.AtLeast("low")),
            "must be of integers, or of floats or times of one dtype",
            "rules['end']=['datetime64[",
        ),
        (
            lambda t: tables.Table.from_dataframe(t.bills, rooms=tables.AtLeast("tax")),
            "must be of integers, or of floats or times of one dtype",
            "rules['rooms']=['int64', 'float64']",
        ),
    ],
    "sample_posterior": [
        (
            lambda t: (
                tables.TableEstimator(width=8, epochs=1, sample_posterior="no")
                .fit(t.frame)
                .transform(t.frame)
            ),
            "must be True or False",
            "sample_posterior='no'",
        ),
    ],
    "static": [
        (
            lambda t: tables.Sequences.from_dataframe(t.visits, "patient", ["nobody"]),
            "must contain different columns of ['day', 'patient', 'sex', 'weight',",
            "static=['nobody']",
        ),
        (
            lambda t: tables.Sequences.from_dataframe(t.visits, "patient", ["sex", "sex"]),
            "must contain different columns of ['day', 'patient', 'sex', 'weight',",
            "static=['sex', 'sex']",
        ),
        (
            lambda t: tables.Sequences.from_dataframe(t.visits, "patient", ["patient"]),
            "must contain different columns of ['day', 'patient', 'sex', 'weight',",
            "static=['patient']",
        ),
    ],
    "table": [
        (
            lambda t: tables.TableModel(t.rows.flow, t.rows.network, None),
            "must be a `keras_bfn.tables.Table` or `Sequences`",
            "table=None",
        ),
    ],
    "validation_split": [
        (
            lambda t: t.rows.fit(t.frame, validation_split=1.0),
            "must be a number in [0, 1)",
            "validation_split=1.0",
        ),
        (
            lambda t: t.rows.fit(t.frame.head(1), validation_split=0.5),
            "must leave at least one row for training",
            "validation_split=0.5",
        ),
    ],
    "weight": [
        (
            lambda t: tables.Sequences.from_dataframe(t.visits, "weight"),
            "Argument `df` must have an entity in column 'weight' of each row",
            "none in row 1",
        ),
    ],
    "width": [
        (lambda t: t.table.make_model(width=3), "must be even", "width=3"),
    ],
    "wind": [
        *(
            (
                lambda t, cell=cell: tables.Table.from_dataframe(
                    t.make_frame(wind=[0, cell]), wind=tables.Angle(360, -180)
                ),
                "Column 'wind' of `df` must contain a",
                str(cell),
            )
            for cell in (-181, 181, inf)
        ),
        (
            lambda t: tables.Table.from_dataframe(
                t.make_frame(wind=[90, 400]), wind=tables.Angle(360)
            ),
            "Column 'wind' of `df` must contain a number from 0 to 360",
            "400",
        ),
        (
            lambda t: tables.Table.from_dataframe(
                t.make_frame(wind=[0, "north"]), wind=tables.Angle(360, -180)
            ),
            "Column 'wind' of `df` must contain a number from -180 to 180",
            "'north'",
        ),
    ],
}
