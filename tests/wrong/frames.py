"""Wrong calls of tables: of columns, rules, sequences and cells."""

import datetime

from keras_bfn import flows, networks, tables
from tests.wrong.things import by_expected

NOON = [datetime.datetime(2024, 10, 27, hour, tzinfo=datetime.UTC) for hour in (12, 13)]
NAIVE = [time.replace(tzinfo=None) for time in NOON]
DAYS = [datetime.timedelta(1), datetime.timedelta(2)]


def encode(library, fitted, given):
    """Cells of a column by a table that was fitted to others."""
    table = tables.Table.from_dataframe(library.DataFrame({"c": fitted}))
    return table.encode(library.DataFrame({"c": given}))


# By the argument, and by what is expected instead: calls, with what came if not the argument.
CALLS = {
    "c": {
        **by_expected(
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
                ([0, 1], [False, True], "one of [0, 1]"),
                (["1", "2"], [1, 2], "one of ['1', '2']"),
            )
        ),
        "Column 'c' of `df` must contain a finite number": [
            (lambda t: tables.Table.from_dataframe(t.frame, c=tables.Number()), "'a'")
        ],
        "Column 'c' of `df` must contain at least one number": [
            (
                lambda t: tables.Table.from_dataframe(
                    t.make_frame(c=[None, None], d=["a", "b"]), c=tables.Number()
                ),
                "",
            )
        ],
        "Column 'c' of `df` must contain an integer, unless": [
            (
                lambda t: tables.Table.from_dataframe(
                    t.make_frame(c=[None, None], d=["a", "b"]), c=tables.Levels()
                ),
                "",
            )
        ],
    },
    "city": {
        "numbers or times, for a rule (dates are to": [
            (
                lambda t: tables.Table.from_dataframe(t.bills, high=tables.AtLeast("city")),
                "df['city']='str'",
            )
        ]
    },
    "column": {"`keras_bfn.tables.Column`, or None": [lambda t: tables.AtLeast("low", "mean")]},
    "columns": {
        "dict from some of ['sex', 'day', 'weight', 'pain']": [
            lambda t: tables.Sequences.from_dataframe(
                t.visits, "patient", ["sex"], {"patient": tables.Number()}
            )
        ],
        "None, or a dict from names of columns to a `Column`": [
            lambda t: tables.TableEstimator(columns=["a"]).fit(t.frame)
        ],
    },
    "day": {
        "Column 'day' of `df` must contain times without a": [
            (lambda t: t.days.sample(2, {"day": NOON[0]}), "a column of Datetime("),
            (
                lambda t: t.days.sample(2, {"day": "2020-01-01"}),
                "a column of String. Parse strings by `pandas.to_datetime`",
            ),
        ]
    },
    "df": {
        "pandas or polars DataFrame": [lambda t: t.table.encode([1, 2])],
        "strings as column names": [
            lambda t: tables.Table.from_dataframe(t.frame.set_axis([0, 1, 2], axis=1))
        ],
        "distinct column names": [
            lambda t: t.table.encode(t.frame.set_axis(["n", "n", "i"], axis=1))
        ],
        "must not have columns named '', 'class_name' or": [
            lambda t: tables.Table.from_dataframe(t.make_frame(**{"": ["a", "b"]})),
            lambda t: tables.Table.from_dataframe(
                t.frame[["n", "i"]].set_axis(["config", "class_name"], axis=1)
            ),
        ],
        "at least one row": [lambda t: t.rows.impute_expected(t.frame[:0])],
        "rows, and a column that is neither the entity nor": [
            lambda t: tables.Sequences.from_dataframe(
                t.visits, "patient", ["day", "sex", "weight", "pain"]
            )
        ],
        "at most 3 rows for each entity": [
            (
                lambda t: t.patients.encode(
                    t.pandas.concat([t.visits, t.visits.assign(patient="p")])
                ),
                "8 for 'p'",
            )
        ],
        "the column 'patient'": [lambda t: t.patients.encode(t.visits.drop(columns="patient"))],
    },
    "dtypes": {
        "the same keys as `columns`, at least one: ['n'": [
            lambda t: tables.Table(t.table.columns, {}, "pandas")
        ]
    },
    "end": by_expected(
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
    "entity": {
        "one of the columns ['day', 'patient', 'sex'": [
            lambda t: tables.Sequences.from_dataframe(t.visits, "nobody")
        ]
    },
    "given": {
        "series with the same index": [
            lambda t: t.rows.sample(2, {"n": t.frame["n"][:2], "i": t.frame["i"][1:3]})
        ],
        "single value, or a list": [
            (lambda t: t.rows.sample(2, {"c": {"a", "b"}}), "given['c']={")
        ],
        "value: no cell is missing": [
            (
                lambda t: t.rows.sample(2, {"c": tables.MISSING}),
                "given['c']=keras_bfn.tables.MISSING",
            )
        ],
        "one value, or 2 values": [(lambda t: t.rows.sample(2, {"c": ["a"]}), "given['c']=['a']")],
    },
    "i": {
        "Column 'i' of `df` must contain an integer from 0": [
            (lambda t: t.rows.sample(2, {"i": 1.5}), "1.5")
        ]
    },
    "key": {
        "at most 5000 distinct values in a categorical": [
            (
                lambda t: tables.Table.from_dataframe(
                    t.make_frame(key=[str(i) for i in range(1001)] + [None] * 999)
                ),
                "1001 in 1001 cells of column 'key'. Remove the column, or pass its",
            )
        ]
    },
    "low": {
        "Column 'low' of `df` breaks AtLeast('high') in row": [
            (
                lambda t: tables.Table.from_dataframe(t.bills, low=tables.AtLeast("high")),
                "-0.11 for high=-0.05",
            )
        ]
    },
    "n": {
        "Column 'n' of `df` must contain a finite number": [
            (lambda t: t.rows.sample(2, {"n": True}), "True")
        ],
        "Column 'n' of `df` must contain values that fit": [
            (
                lambda t: t.rows.sample(2, {"n": NAIVE[0]}),
                "a column of Datetime(time_unit='us', time_zone=None)",
            )
        ],
    },
    "net": {
        "Column 'net' of `df` breaks SumOf('gross', 'tax')": [
            (
                lambda t: tables.Table.from_dataframe(t.bills, net=tables.SumOf("gross", "tax")),
                "90.4 for gross=97.4, tax=7.0",
            )
        ]
    },
    "network": {
        "must take 't' of shape": [
            (
                lambda t: tables.TableModel(
                    t.table.flow(),
                    networks.MultiPart(t.table.flow(), t.table.event_shape(), 8, 1),
                    t.table,
                ),
                "a network that takes ()",
            )
        ]
    },
    "order": {
        "each of the columns ['patient', 'sex', 'day'": [
            lambda t: tables.Sequences("patient", t.patients.entities, t.patients.rows, 3, ["day"])
        ]
    },
    "others": {
        "names of columns, all different": [
            lambda t: tables.SumOf(),
            lambda t: tables.SumOf("a", "a"),
        ]
    },
    "prior": {
        "size of 0 for these columns": [
            lambda t: tables.Sequences(
                "patient",
                t.patients.entities,
                t.patients.rows,
                t.patients.num_steps,
                t.patients.order,
                prior=flows.JointNormal([0.0], [[1.0]]),
            )
        ]
    },
    "pain": {
        "one value of the static column 'pain' for each": [
            (
                lambda t: tables.Sequences.from_dataframe(t.visits, "patient", ["pain"]),
                "several for 'p'",
            )
        ]
    },
    "return_details": {
        "False. For details, use `generate`": [
            lambda t: t.rows.sample(2, return_details=True),
            lambda t: t.rows.impute(t.frame, return_details=True),
        ]
    },
    "rows": {
        "`keras_bfn.tables.Table`": [
            lambda t: tables.Sequences("patient", t.patients.entities, t.visits, 3, list(t.visits))
        ]
    },
    "rules": {
        "must refer to other columns of the table, ['gross'": [
            (
                lambda t: tables.Table.from_dataframe(t.bills, high=tables.AtLeast("height")),
                "rules['high']=AtLeast('height')",
            ),
            (
                lambda t: tables.Table.from_dataframe(t.bills, high=tables.AtLeast("high")),
                "rules['high']=AtLeast('high')",
            ),
        ],
        "must not refer to each other in a circle": [
            lambda t: tables.Table.from_dataframe(
                t.bills, high=tables.AtLeast("low"), low=tables.AtLeast("high")
            )
        ],
        "of integers, or of floats or times of one dtype": [
            (
                lambda t: tables.Table.from_dataframe(t.bills, end=tables.AtLeast("low")),
                "rules['end']=['datetime64[",
            )
        ],
    },
    "sample_posterior": {
        "True or False": [
            lambda t: (
                tables.TableEstimator(width=8, epochs=1, sample_posterior="no")
                .fit(t.frame)
                .transform(t.frame)
            )
        ]
    },
    "static": {
        "different columns of ['day', 'patient', 'sex'": [
            lambda t: tables.Sequences.from_dataframe(t.visits, "patient", ["nobody"]),
            lambda t: tables.Sequences.from_dataframe(t.visits, "patient", ["patient"]),
        ]
    },
    "validation_split": {
        "number in [0, 1)": [lambda t: t.rows.fit(t.frame, validation_split=1.0)],
        "must leave at least one row for training": [
            lambda t: t.rows.fit(t.frame.head(1), validation_split=0.5)
        ],
    },
    "weight": {
        "entity in column 'weight' of each row": [
            (lambda t: tables.Sequences.from_dataframe(t.visits, "weight"), "none in row 1")
        ]
    },
    "wind": {
        "Column 'wind' of `df` must contain a number from 0": [
            (
                lambda t: tables.Table.from_dataframe(
                    t.make_frame(wind=[90, 400]), wind=tables.Angle(360)
                ),
                "400",
            )
        ]
    },
}
