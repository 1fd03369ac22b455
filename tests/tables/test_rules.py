"""Rules between columns hold in every row that is sampled or imputed."""

import math

import keras
import numpy as np
import pandas
import pytest

from keras_bfn.tables import AtLeast, Number, Rule, Sequences, SumOf, Table

# Rules change how cells are encoded and decoded, by numpy: no backend's affair.
pytestmark = pytest.mark.once

NUM = 300


def make_frame():
    """Stays and bills: an end after its start, a peak above a level, a sum of three columns."""
    rng = np.random.default_rng(0)
    start = pandas.Timestamp("2026-01-01") + pandas.to_timedelta(rng.integers(0, 300, NUM), "D")
    low = rng.normal(0, 1, NUM).round(2)
    net, tax = rng.gamma(2, 50, NUM).round(2), rng.choice([0.0, 7.0, 19.0], NUM)
    return pandas.DataFrame(
        {
            "gross": (net + tax).round(2),
            "net": net,
            "tax": tax,
            "start": start,
            "end": start + pandas.to_timedelta(rng.integers(0, 14, NUM), "D"),
            "low": low,
            "high": (low + rng.gamma(1, 1, NUM)).round(2),
            "city": rng.choice(["Oslo", "Rome"], NUM),
        }
    )


RULES = {
    "gross": SumOf("net", "tax"),
    "end": AtLeast("start"),
    "high": AtLeast("low", Number("mean")),
}
FRAME = make_frame()


def violations(df):
    return np.array(
        [
            (np.abs(df["gross"] - df["net"] - df["tax"]) > 1e-6).sum(),
            (df["end"] < df["start"]).sum(),
            (df["high"] < df["low"]).sum(),
        ]
    )


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    model = Table.from_dataframe(FRAME, **RULES).make_model(width=16, num_blocks=1, seed=0)
    model.fit(FRAME, epochs=2, verbose=0)
    return model


def test_rows_are_sent_and_restored():
    table = Table.from_dataframe(FRAME, **RULES | {"high": AtLeast("low")})
    assert "gross" not in table.columns
    # Numbers are sent by quantiles of the table, so its own cells are restored exactly.
    pandas.testing.assert_frame_equal(table.decode(table.encode(FRAME)), FRAME)


def test_rules_hold_in_all_sampled_rows(model):
    rows = model.sample(10_000, num_steps=3, seed=0)
    assert rows.dtypes.to_dict() == FRAME.dtypes.to_dict()
    assert violations(rows).sum() == 0
    given = model.sample(50, given={"low": 0.25, "city": "Rome"}, num_steps=5, seed=0)
    assert (given["low"] == 0.25).all()
    assert violations(given).sum() == 0


def test_rules_hold_in_imputed_rows_and_known_cells_stay(model):
    holes = FRAME.head(100).copy()
    holes.loc[:29, ["gross", "tax"]] = np.nan
    holes.loc[30:59, "tax"] = np.nan  # follows from the other two
    holes.loc[:29, "end"] = pandas.NaT
    holes.loc[30:59, "start"] = pandas.NaT
    holes.loc[20:50, ["low", "high"]] = np.nan
    holes.loc[51:, "low"] = np.nan
    filled = model.impute(holes, num_steps=5, seed=0)
    assert violations(filled).sum() == 0
    assert not filled.isna().any().any()
    for name in FRAME.columns:
        known = holes[name].notna()
        assert (filled.loc[known, name] == holes.loc[known, name]).all()


def test_cells_of_columns_with_rules_may_be_missing():
    rng = np.random.default_rng(1)
    df = FRAME[["start", "end", "low", "high"]].copy()
    df.loc[rng.random(NUM) < 0.4, "end"] = pandas.NaT  # missing, as it is where a stay goes on
    df.loc[:4, "low"] = np.nan  # and "high" is known
    rules = {"end": AtLeast("start"), "high": AtLeast("low")}
    table = Table.from_dataframe(df, low=Number(nullable=False), **rules)
    assert table.nullable == ["end"]
    assert np.isnan(table.encode(df)["numbers"][:5, 3]).all()
    keras.utils.set_random_seed(0)
    model = table.make_model(width=16, num_blocks=1, seed=0)
    model.compile(keras.optimizers.Adam(1e-2))
    model.fit(df, epochs=10, batch_size=64, verbose=0)
    rows = model.sample(1000, num_steps=5, seed=0)
    assert rows["end"].isna().mean() == pytest.approx(0.4, abs=0.1)
    there = rows["end"].notna()
    assert (rows["end"][there] >= rows["start"][there]).all()
    assert (rows["high"] >= rows["low"]).all()
    filled = model.impute(df, num_steps=5, seed=0)
    assert not filled.isna().any().any()
    assert (filled["end"] >= filled["start"]).all()
    assert (filled["high"] >= filled["low"]).all()
    assert (filled["high"] == df["high"]).all()
    assert np.isfinite(model.log_likelihood(df.head(8), num_repeats=2)).all()


def test_rules_hold_in_frames_of_polars():
    polars = pytest.importorskip("polars")
    rng = np.random.default_rng(0)
    low = rng.integers(0, 50, 200)
    df = polars.DataFrame({"low": low, "high": low + rng.integers(0, 9, 200)})
    model = Table.from_dataframe(df, high=AtLeast("low")).make_model(width=16, num_blocks=1, seed=0)
    model.fit(df, epochs=1, verbose=0)
    rows = model.sample(100, num_steps=3, seed=0)
    assert rows.schema == df.schema
    assert (rows["high"] >= rows["low"]).all()
    holes = df.head(20).with_columns(polars.lit(None, dtype=polars.Int64).alias("low"))
    filled = model.impute(holes, num_steps=3, seed=0)
    assert (filled["high"] >= filled["low"]).all()
    assert filled["high"].equals(df.head(20)["high"])


def test_a_table_with_rules_is_saved(model, tmp_path):
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.table.rules == model.table.rules
    samples = [one.sample(20, num_steps=3, seed=1) for one in (model, loaded)]
    pandas.testing.assert_frame_equal(*samples)
    assert np.isfinite(loaded.log_likelihood(FRAME.head(5), num_repeats=2)).all()


def test_rules_refer_to_columns_with_rules_in_any_order():
    df = pandas.DataFrame({"c": [3.5, 9.0, 4.0], "a": [1.0, 2.0, 3.0], "b": [1.5, 6.0, 3.5]})
    df["d"] = df["b"] + df["c"]
    rules = {"c": AtLeast("b"), "b": AtLeast("a"), "d": SumOf("c", "b")}
    table = Table.from_dataframe(df, **rules)
    assert list(table.rules) == ["b", "c", "d"]
    pandas.testing.assert_frame_equal(table.decode(table.encode(df)), df)


@pytest.mark.parametrize("scale", [1e-300, 1e-12, 1e-5, 1.0, 1e5, 1e9])
def test_rules_hold_in_numbers_of_any_size(scale):
    rng = np.random.default_rng(0)
    df = pandas.DataFrame({"a": rng.uniform(1, 5, 40), "b": rng.uniform(1, 5, 40)}) * scale
    df = df.assign(total=df["a"] + df["b"])
    for rule in (SumOf("a", "b"), AtLeast("a")):
        table = Table.from_dataframe(df, total=rule)
        found = table.decode(table.encode(df))
        np.testing.assert_allclose(found["total"], df["total"], rtol=1e-6)


def test_sums_and_differences_of_decimal_fractions_are_decimal_fractions():
    total, least = SumOf("a", "b"), AtLeast("a")
    assert total.restore(None, (0.1, 0.2)) == 0.3
    assert total.restore(None, (0.1e-12, 0.2e-12)) == 0.3e-12
    assert total.restore(None, (123456.1, 0.2)) == 123456.3
    assert total.solve(0.3, None, (0.1,)) == 0.2
    assert least.remainder(1000.3, (1000.1,)) == 0.2
    assert least.restore(0.2, (0.1,)) == 0.3
    assert total.restore(None, (2**60, 1)) == 2**60 + 1
    assert total.restore(None, (0.0, -0.0)) == 0.0


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_sums_of_small_integers_take_64_bits_only_where_they_need_them(library):
    import polars

    one = np.arange(10, 128, dtype="uint8")
    df = pandas.DataFrame({"a": one, "b": 250 - one, "total": 250 + 0 * one})
    df = df if library == "pandas" else polars.from_pandas(df)
    table = Table.from_dataframe(df, total=SumOf("a", "b"))
    cells = {"a": [127, 100, 5], "b": [128, 120, 3], "total": [255, 220, 8]}
    assert list(table.write(cells).dtypes) == list(df.dtypes)
    cells["total"][0] = 300
    wider = table.write(cells)
    assert str(wider["total"].dtype).lower() == "int64"
    assert wider["total"].to_list() == [300, 220, 8]
    assert wider["b"].dtype == df["b"].dtype
    model = table.make_model(width=16, seed=0)
    drawn = model.sample(200, num_steps=2, seed=0)
    total, one, other = (drawn[name].to_numpy().astype(int) for name in ("total", "a", "b"))
    assert max(total) > 255
    assert (total == one + other).all()
    difference = model.sample(1, {"total": 20, "a": 120}, num_steps=2, seed=0)
    assert difference["b"].to_list() == [-100]
    with pytest.raises(ValueError, match="'total' must contain values that fit"):
        model.sample(1, {"total": 300, "a": 120}, num_steps=2)


def test_sums_in_sequences_take_64_bits_where_they_need_them():
    df = pandas.DataFrame({"id": [0, 0, 1], "a": [1, 2, 3], "b": [4, 5, 6], "c": [5, 7, 9]})
    table = Sequences.from_dataframe(df.astype("int8"), "id", columns={"c": SumOf("a", "b")})
    cells = {"length": [1], "a": [100], "b": [100], "c": [200]}
    assert table.write(cells).dtypes.astype(str).tolist() == ["int64", "int8", "int8", "int64"]


def test_cells_that_break_a_rule_or_do_not_determine_others_are_refused(model):
    broken = FRAME.head(3).assign(gross=1.0)
    assert repr(SumOf("a", "b")) == "SumOf('a', 'b')"
    config = SumOf("a", "b").get_config()
    assert SumOf.from_config(config) == SumOf.from_config(config) == SumOf("a", "b")
    assert "'high': AtLeast('low')" in repr(model.table)
    with pytest.raises(ValueError, match="in row 0, counted from 0: it must be the sum of"):
        model.table.encode(broken)
    with pytest.raises(ValueError, match=r"`known` must name \['start'\] beside 'end'"):
        model.log_likelihood(FRAME.head(3), known=["end", "net"])
    holes = FRAME.head(3).copy()
    holes.loc[[0, 2], "net"], holes.loc[2, "tax"] = np.nan, np.nan
    with pytest.raises(ValueError, match=r"must only be given together with all but one.*row 2"):
        model.impute(holes)
    df = FRAME[["net", "tax", "gross"]].assign(paid=FRAME["gross"] + 1.0)
    table = Table.from_dataframe(df, gross=SumOf("net", "tax"), paid=AtLeast("gross"))
    with pytest.raises(ValueError, match="must only be given together with 'gross'"):
        table.make_model(width=8, num_blocks=1).impute(df.assign(gross=np.nan, tax=np.nan))


def test_rows_whose_rules_determine_no_cell_teach_what_else_they_have():
    df = FRAME[["net", "tax", "gross", "low", "high"]].copy()
    df["top"] = df["high"] + 1.0
    df.loc[3, ["net", "tax"]] = np.nan
    df.loc[5, "high"] = np.nan
    rules = {"gross": SumOf("net", "tax"), "high": AtLeast("low"), "top": AtLeast("high")}
    table = Table.from_dataframe(df, **rules)
    rest = df.assign(gross=df["gross"].mask(df["net"].isna()), top=df["top"].mask(df.index == 5))
    found, expected = table.encode(df), table.encode(rest)
    assert np.isnan(found["numbers"][5, table.numbers.index("top")])
    for name, x in found.items():
        np.testing.assert_array_equal(x, expected[name])
    model = table.make_model(width=8, num_blocks=1, seed=0)
    model.fit(df, epochs=1, verbose=0)
    assert np.isfinite(model.log_likelihood(df, num_repeats=1)).all()
    drawn = model.sample(40, num_steps=2, seed=0)
    np.testing.assert_allclose(drawn["gross"], drawn["net"] + drawn["tax"], rtol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("rule", ["AtLeast", "SumOf"])
def test_the_rest_of_a_row_goes_with_what_follows_from_a_rule(rule):
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    part, more = rng.uniform(0, 100, 600).round(2), rng.uniform(0, 5, 600).round(2)
    df = pandas.DataFrame({"part": part, "more": more, "whole": (part + more).round(2)})
    df["near"] = (part + rng.normal(0, 1, 600)).round(2)
    if rule == "AtLeast":
        df, rules, given = df.drop(columns="more"), {"whole": AtLeast("part")}, {"whole": 90.0}
    else:
        rules, given = {"whole": SumOf("part", "more")}, {"whole": 90.0, "more": 2.5}
    model = Table.from_dataframe(df, **rules).make_model(width=32, num_blocks=1, seed=0)
    model.compile(keras.optimizers.Adam(1e-2))
    # One long epoch: to begin one takes Keras as long as many of these steps.
    model.fit(pandas.concat([df] * 30), batch_size=128, epochs=1, verbose=0)
    rows = model.sample(200, given=given, num_steps=10, seed=0)
    assert (rows["whole"] == 90.0).all()
    assert rows["near"].mean() == pytest.approx(87.5, abs=3)
    assert np.abs(rows["near"] - rows["part"]).mean() < 6
    holes = df.head(100).assign(part=np.nan, near=np.nan)
    filled = model.impute(holes, num_steps=10, seed=0)
    assert np.abs(filled["near"] - df["near"].head(100)).mean() < 6
    if rule == "SumOf":
        right = holes.assign(near=df["near"].head(100))
        wrong = right.assign(near=right["near"].to_numpy()[::-1])
        nats = [model.log_likelihood(x, num_repeats=10, seed=0).mean() for x in (right, wrong)]
        assert nats[0] > nats[1] + 3


@keras.saving.register_keras_serializable("keras_bfn_tests")
class ProductOf(Rule):
    """Its solution does not exist beside zeros, and is not exact elsewhere."""

    def remainder(self, cell, others):
        if cell != math.prod(others):
            raise ValueError("must be the product")

    def restore(self, remainder, others):
        return math.prod(others)

    def solve(self, cell, remainder, others):
        return cell / math.prod(others)


def test_a_rule_that_has_no_exact_solution_leaves_the_cell_unknown():
    width, height = np.arange(40) / 7, np.arange(40) % 11 + 0.3
    df = pandas.DataFrame({"width": width, "height": height, "area": width * height})
    table = Table.from_dataframe(df, area=ProductOf("width", "height"))
    holes = df.assign(height=df["height"].where(df.index >= 20))
    x = table.encode_cells(table.read(holes), missing=1)["numbers"]
    unknown = np.isnan(x[:, table.numbers.index("height")])
    assert unknown[0]
    assert not unknown[20:].any()
    found = np.array([x or np.nan for x in table.settle(table.read(holes))["height"]])
    np.testing.assert_array_equal(np.isnan(found), unknown)
    assert (found * width == df["area"])[~unknown].all()
    filled = table.make_model(width=8, num_blocks=1, seed=0).impute(holes.drop(0), num_steps=2)
    np.testing.assert_allclose(filled["height"], df["height"].drop(0))


def test_what_follows_from_a_drawn_difference_may_be_beyond_small_integers():
    low = np.arange(100, dtype="int8")
    df = pandas.DataFrame({"low": low, "high": low + low % 28})
    model = Table.from_dataframe(df, high=AtLeast("low")).make_model(width=8, num_blocks=1, seed=0)
    rows = model.sample(60, given={"high": -110}, num_steps=2, seed=0)
    assert rows["low"].min() < -128
    assert (rows["high"] == -110).all()


def test_a_cell_that_follows_from_its_own_rule_is_known_to_another():
    df = FRAME[["net", "tax", "gross"]].assign(paid=FRAME["gross"] + 1.5)
    df.loc[3, "gross"] = np.nan
    rules = {"gross": SumOf("net", "tax"), "paid": AtLeast("gross")}
    table = Table.from_dataframe(df, **rules)
    assert np.isfinite(table.encode(df)["numbers"]).all()
    filled = table.make_model(width=8, num_blocks=1, seed=0).impute(df, num_steps=2)
    np.testing.assert_allclose(filled["gross"], FRAME["gross"])


def test_a_missing_cell_that_means_something_stays_missing_where_a_sum_tells_it():
    df = FRAME[["net", "tax", "gross"]].copy()
    df.loc[:99, "net"] = np.nan
    table = Table.from_dataframe(df, gross=SumOf("net", "tax"))
    present = table.encode(df)["present"][:, table.nullable.index("net")]
    np.testing.assert_array_equal(present, df["net"].notna())
    x = table.encode_cells(table.read(df), missing=1)["numbers"][:, table.numbers.index("net")]
    np.testing.assert_array_equal(np.isnan(x), df["net"].isna())  # else it would be scored twice
    filled = table.make_model(width=8, num_blocks=1, seed=0).impute(df, num_steps=2)
    np.testing.assert_allclose(filled["net"], FRAME["net"])


def test_sums_beyond_short_floats_are_written_as_doubles():
    df = pandas.DataFrame({"a": [400.0, 300.0], "b": [200.0, 1.0]}, dtype="float16")
    df["c"] = df["a"] + df["b"]
    table = Table.from_dataframe(df, c=SumOf("a", "b"))
    cells = {"a": [40000.0], "b": [40000.0], "c": [80000.0]}
    assert table.write(cells).to_dict("list") == cells


@pytest.mark.parametrize("gross", [[1_190_001, 2_380_002], [1_190_000, 2_379_999]])
def test_integers_are_exactly_their_sum(gross):
    df = pandas.DataFrame({"net": [1_000_000, 2_000_000], "tax": [190_000, 380_000]})
    with pytest.raises(ValueError, match="must be the sum"):
        Table.from_dataframe(df.assign(gross=gross), gross=SumOf("net", "tax"))
