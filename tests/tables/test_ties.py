"""Cells that follow from rules with a remainder: which rows are filled in, and by what."""

import numpy as np
import pytest

from keras_bfn.tables import AtLeast, Sequences, Table

pandas = pytest.importorskip("pandas")
pytest.importorskip("narwhals")

pytestmark = pytest.mark.once


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["numbers", "dates", "small integers"])
def test_a_cell_between_others_and_one_below_several_are_imputed(kind):
    rng = np.random.default_rng(0)
    order = rng.integers(0, 50, 300)
    ship, paid = order + rng.integers(0, 4, 300), order + rng.integers(0, 9, 300)
    df = pandas.DataFrame({"order": order, "ship": ship, "arrive": ship + rng.integers(0, 4, 300)})
    df = df.assign(paid=paid)
    if kind == "numbers":
        df = df + 0.5
    elif kind == "dates":
        df = pandas.Timestamp("2026-01-01") + df.apply(pandas.to_timedelta, unit="D")
    rules = {"ship": AtLeast("order"), "arrive": AtLeast("ship"), "paid": AtLeast("order")}
    model = Table.from_dataframe(df, **rules).make_model(width=8, num_blocks=1, seed=0)
    holes = df.copy()
    holes.loc[:99, "ship"] = None
    holes.loc[100:199, "order"] = None
    holes.loc[200:209, ["ship", "order"]] = None
    filled = model.impute(holes, num_steps=2, seed=0)
    for low, high in (("order", "ship"), ("ship", "arrive"), ("order", "paid")):
        assert (filled[low] <= filled[high]).all()
    for name in df:
        assert filled[name].between(df[name].min(), df[name].max()).all()
        known = holes[name].notna()
        assert (filled[name] == df[name])[known].all()
    expected = model.impute_expected(holes, seed=0)
    for low, high in (("order", "ship"), ("ship", "arrive"), ("order", "paid")):
        assert (expected[low] <= expected[high]).all()
    assert (expected == df)[holes.notna()].sum().sum() == holes.notna().sum().sum()
    # A start beside ends alone is sampled.
    assert expected["order"][200:210].nunique() > 1


@pytest.mark.parametrize("end", [10.0, 50.0, 90.0])
def test_rows_given_an_end_are_those_of_the_best_of_exact_candidates(end):
    rng, num, each = np.random.default_rng(0), 2000, 16
    start = rng.uniform(0, 100, num * each)
    drawn = {"start": start, "end": rng.uniform(start, 100)}
    table = Table.from_dataframe(pandas.DataFrame(drawn), end=AtLeast("start"))
    known = {"start": [None] * num, "end": [end] * num}
    untied = table.untie(known, range(num), {name: x.tolist() for name, x in drawn.items()})
    # Given the end, the density of the start is proportional to 1 / (100 - start).
    grid = (np.arange(1000) + 0.5) * end / 1000
    weights = 1 / (100 - grid) / np.sum(1 / (100 - grid))
    quantiles = grid[np.cumsum(weights).searchsorted([0.05, 0.5, 0.95])]
    found = [cell for cell in untied["start"] if cell is not None]
    assert len(found) > 0.99 * num  # the others have no candidate whose start is in its range
    np.testing.assert_allclose(np.quantile(found, [0.05, 0.5, 0.95]), quantiles, atol=0.05 * end)
    assert 0 <= min(found) <= max(found) <= end


def test_rules_hold_in_rows_that_no_candidate_fits():
    start = np.arange(100.0)
    df = pandas.DataFrame({"a": start, "b": start + 1, "c": start + 2, "d": start + 3})
    rules = {"b": AtLeast("a"), "c": AtLeast("a"), "d": AtLeast("c")}
    model = Table.from_dataframe(df, **rules).make_model(width=8, num_blocks=1, seed=0)
    rows = pandas.DataFrame(
        {"a": [None, None, 7], "b": [40, 50, 8], "c": [50.0, None, None], "d": [51, 20, 7]}
    )
    filled = model.impute(rows.astype("float64"), num_steps=2, seed=0)
    for low, high in (("a", "b"), ("a", "c"), ("c", "d")):
        assert (filled[low] <= filled[high]).all()
    assert filled["b"].tolist() == [40, 50, 8]
    assert filled["c"][2] == 7
    with pytest.raises(ValueError, match="'d' of `df` must allow a value of 'c' beside it"):
        model.impute(rows.tail(1).assign(d=6.0).astype("float64"), num_steps=2)


def test_each_end_has_its_own_candidates_in_rows_and_in_sequences():
    df = pandas.DataFrame({"id": np.repeat(np.arange(40), 3), "low": np.arange(120.0)})
    df = df.assign(high=df["low"] + np.arange(120) % 7, born=df["id"] * 1.0, died=df["id"] + 50.0)
    columns = {"high": AtLeast("low"), "died": AtLeast("born")}
    visits = Sequences.from_dataframe(df, "id", ["born", "died"], columns)
    cells = visits.read(df)
    some = [0, 17, 31]
    holes = {**cells, "low": [None if i % 5 == 0 else x for i, x in enumerate(cells["low"])]}
    holes["born"] = [None if i == 17 else x for i, x in enumerate(cells["born"])]
    holes["high"] = [x if i // 3 in some else None for i, x in enumerate(cells["high"])]
    assert visits.tied(holes) == some
    right = visits.take(cells, some)
    assert visits.decode_cells(visits.encode_cells(right)) == right
    wrong = {name: x if name == "length" else x[::-1] for name, x in right.items()}
    candidates = {name: wrong[name] + right[name] + wrong[name] for name in right}
    untied = visits.take(visits.untie(holes, some, candidates), some)
    assert untied == right
