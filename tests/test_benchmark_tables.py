"""The benchmark of tables measures what it says, at the size of a toy."""

import numpy as np
import pandas
import pytest

from benchmarks import table_measures, table_peers, tables

pytestmark = pytest.mark.once


def make_rows(num, seed):
    """Two numbers that are one, a third of its own, a class that is told by the first's sign."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=num)
    sign = np.where(x > 0, "plus", "minus")
    return pandas.DataFrame({"x": x, "twice": 2 * x, "y": rng.normal(size=num), "sign": sign})


def test_columns_are_as_far_apart_as_their_distributions():
    rows = make_rows(500, 0)
    assert table_measures.marginal_error(rows, rows) == 0
    assert table_measures.column_error(rows["x"], rows["x"] + 100) == 1
    share = (rows["sign"] == "plus").mean()
    only = pandas.Series(["plus"] * 9)
    assert table_measures.column_error(rows["sign"], only) == pytest.approx(1 - share)
    some = rows.assign(x=rows["x"].where(rows.index % 2 == 0))
    assert table_measures.column_error(some["x"], rows["x"]) < 0.1


def test_associations_of_every_kind_are_known_where_there_is_all_or_nothing():
    rows = make_rows(2000, 0)
    assert table_measures.association(rows["x"], rows["twice"]) == pytest.approx(1)
    assert table_measures.association(rows["x"], -rows["twice"]) == pytest.approx(-1)
    assert abs(table_measures.association(rows["x"], rows["y"])) < 0.1
    assert table_measures.association(rows["sign"], rows["sign"]) == pytest.approx(1)
    # Of a normal number, its sign tells the share 2 / pi of the variance.
    for pair in (("x", "sign"), ("sign", "x")):
        found = table_measures.association(*(rows[name] for name in pair))
        assert found == pytest.approx((2 / np.pi) ** 0.5, abs=0.02)
    assert table_measures.correlation_error(rows, make_rows(2000, 1)) < 0.05
    shuffled = rows.assign(twice=np.random.default_rng(0).permutation(rows["twice"]))
    assert table_measures.correlation_error(shuffled, rows) > 0.2


def test_copies_are_found_and_new_rows_are_not():
    train, test, new = (make_rows(400, seed) for seed in range(3))
    assert table_measures.nearness(train, train, test) == (1, 1)
    near, copies = table_measures.nearness(new, train, test)
    assert near == pytest.approx(0.5, abs=0.1)
    assert copies == 0


def test_a_copula_has_the_columns_and_what_goes_with_what():
    rows = make_rows(1000, 0)
    copula = table_peers.Copula(rows, np.random.default_rng(0))
    drawn = copula.sample(1000)
    assert table_measures.marginal_error(drawn, rows) < 0.05
    assert table_measures.association(drawn["x"], drawn["twice"]) > 0.95
    odd = rows.assign(twice=-rows["twice"])
    assert np.mean(copula.log_likelihood(rows) > copula.log_likelihood(odd)) > 0.9


@pytest.mark.slow
def test_all_is_measured_and_what_is_not_installed_is_left_out(monkeypatch, capsys):
    monkeypatch.setattr(tables, "import_peers", lambda: None)
    monkeypatch.setitem(tables.TABLES, "made", lambda: tables.make_table(80))
    small = {"splits": 1, "samples": 40, "draws": 2, "epochs": 1}
    options = [text for name, value in small.items() for text in (f"--{name}", str(value))]
    tables.main(["--tables", "made", *options])
    told = capsys.readouterr().out
    assert "No TVAE and CTGAN: `pip install ctgan`." in told
    for measure in ("forest after rows", "columns", "pairs", "covered", "swapped cells"):
        assert f"\n{measure}\n" in told
    assert "Mean ranks in columns and pairs: model " in told
    assert "nan" not in told
