"""The benchmark of tables measures what it says, at the size of a toy."""

import argparse

import numpy as np
import pandas
import pytest

from benchmarks import (
    forest_measures,
    forest_protocol,
    missing_cells,
    table_measures,
    table_peers,
    tables,
    wide_tables,
)
from keras_bfn import flows
from keras_bfn.samplers import SDE2Sampler

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
    wide = pandas.DataFrame(np.random.default_rng(0).normal(size=(300, 30))).rename(columns=str)
    assert table_measures.nearness(wide, wide, -wide) == (1, 1)
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
    assert "TVAE and CTGAN skipped: they need `pip install ctgan`." in told
    for measure in ("forest after rows", "columns", "pairs", "covered", "swapped cells"):
        assert f"\n{measure}\n" in told
    assert "Mean ranks in columns and pairs: model " in told
    assert "nan" not in told


def test_points_are_far_apart_where_numbers_and_classes_differ():
    train = np.array([[0.0, 10.0, 0], [4.0, 30.0, 1], [1.0, 10.0, 2]])
    points = forest_measures.to_points(train, train)
    np.testing.assert_allclose(points[1], [1, 1, 0, 0.5, 0])
    distances = np.abs(points[:, None] - points).sum(axis=-1)
    np.testing.assert_allclose(distances[0], [0, 3, 1.25])
    beyond = forest_measures.to_points(np.array([[8.0, 0.0, 0]]), train)
    np.testing.assert_allclose(beyond, [[2, -0.5, 0.5, 0, 0]])


def test_sets_of_points_are_as_far_apart_as_the_cheapest_transport():
    some = np.array([[0.0, 0.0], [1.0, 0.0]])
    # By hand: (0, 0) goes to (0, 1), and (1, 0) to (3, 0), at costs 1 and 2.
    assert forest_measures.transport_distance(some, some[::-1]) == 0
    others = np.array([[3.0, 0.0], [0.0, 1.0]])
    assert forest_measures.transport_distance(some, others) == pytest.approx(1.5)
    # Half of the mass at 0 and half at 1 go to a third at each of 0, 1 and 4.
    line = np.array([[0.0, 0.0], [1.0, 0.0], [4.0, 0.0]])
    found = forest_measures.transport_distance(some, line)
    assert found == pytest.approx(1 / 6 + 4 / 3 - 1 / 3)
    assert forest_measures.transport_distance(line, some) == pytest.approx(found)


def test_errors_of_imputations_are_the_best_and_the_mean_per_hidden_cell():
    true = np.array([[0.0, 0.0], [1.0, 1.0]])
    # Three cells were hidden: both of the first row, one of the second.
    draws = np.array([[[0.1, 0.2], [1, 1.5]], [[0.0, 0.6], [1, 1.1]], [[0.2, 0.2], [1, 0.7]]])
    least, mean = forest_measures.absolute_errors(true, draws, num_hidden=3)
    assert least == pytest.approx((0.3 + 0.1) / 3)
    assert mean == pytest.approx((0.3 + 0.6 + 0.4 + 0.5 + 0.1 + 0.3) / 3 / 3)


def test_hidden_cells_are_drawn_by_philox():
    # The first known answer of Philox 4x32-10, for a counter and a key of zeros.
    bits = 0x6627E8D5 ^ (0xE169C58D << 21)
    found = forest_measures.random_cells((3, 2), seed=0)
    assert found[0, 0] == pytest.approx(bits / 2**53, rel=1e-15)
    cells = forest_measures.random_cells((100, 50), seed=1)
    assert 0.18 < (cells < 0.2).mean() < 0.22
    assert len(np.unique(cells)) == cells.size


class Copying:
    """A model that generates its training rows, and imputes zeros."""

    flow, event_shape = {"numbers": flows.ContinuousFlow(0.02)}, {"numbers": (5,)}

    def __init__(self, df):
        self.df = df

    def sample(self, num_rows, **options):
        self.options = options
        return self.df

    def impute(self, df, num_draws, sampler, seed):
        return num_draws * [self.impute_expected(df)]

    def impute_expected(self, df):
        return df.fillna(0.0)

    def log_likelihood(self, df, seed):
        return np.full(len(df), -2.0)


def test_narrower_rows_are_sampled_from_smaller_latents():
    model = Copying(None)
    forest_protocol.sample_rows(model, 2000, SDE2Sampler(2.0), seed=3)
    assert model.options == {"sampler": SDE2Sampler(2.0), "seed": 3}
    forest_protocol.sample_rows(model, 2000, 0.85, seed=3)
    latents = model.options["latents"]["numbers"]
    assert latents.shape == (2000, 5, 1)
    assert latents.std() == pytest.approx(0.85, rel=0.03)


@pytest.mark.slow
def test_the_protocol_trains_with_its_options():
    options = {"steps": 3, "dropout": 0.2, "weight_decay": 0.5}
    df = forest_protocol.to_frame(forest_protocol.load_split("iris", 0)[0][:70])
    model, seconds = forest_protocol.train_model(df, 0, argparse.Namespace(**options))
    assert model.optimizer.weight_decay == 0.5
    assert int(model.optimizer.iterations) == 4  # whole epochs of two batches
    assert seconds > 0


def test_the_protocol_prints_ours_beside_the_published_figures(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(forest_protocol, "train_model", lambda df, seed, args: (Copying(df), 1.0))
    for task, names in (("generation", "W_train,W_test"), ("imputation", "MinMAE,AvgMAE")):
        path = tmp_path / f"Results_tabular - {task}.csv"
        path.write_text(f"dataset,method,{names}\niris,Other,0.1,0.2\ncar,Other,0.3,0.4\n")
    results = forest_protocol.main(["--tables", "iris", "--published", str(tmp_path)])
    made = {name: x["iris"] for name, x in results["generation"].items()}
    assert made["here: model"]["W_test"] == pytest.approx(made["here: training rows"]["W_test"])
    assert made["here: model, narrower"] == pytest.approx(made["here: model, deterministic"])
    assert made["here: model"]["copies"] == 1
    assert made["here: model"]["nats"] == 2
    # The published figures of the training rows and of the nearest row.
    assert made["here: training rows"]["W_test"] == pytest.approx(0.2361, abs=1e-4)
    filled = {name: x["iris"] for name, x in results["imputation"].items()}
    assert filled["here: nearest row"]["MinMAE"] == pytest.approx(0.1048, abs=1e-4)
    assert filled["here: model"]["AvgMAE"] > filled["here: nearest row"]["AvgMAE"]
    assert filled["here: model, expected"] == pytest.approx(filled["here: model, median"])
    printed = capsys.readouterr().out
    assert "\ngeneration: W_test\n" in printed
    assert "| Other                | 0.2000" in printed


@pytest.mark.nightly
def test_generated_rows_miss_cells_for_the_same_reasons_as_real_rows():
    rows, left = missing_cells.main([])
    assert len(rows) == 4
    for row in rows:
        assert row["generated rows"] == pytest.approx(row["real rows"], abs=3)
    assert left == 0


@pytest.mark.slow
def test_priors_of_wide_tables_are_compared(capsys):
    rows = wide_tables.main(["--columns", "12", "--rows", "100", "--epochs", "1"])
    assert [row["prior"] for row in rows] == ["JointNormal", "FactorNormal", "none"]
    assert rows[0]["nats"] < rows[2]["nats"] - 1
    assert rows[1]["nats"] == pytest.approx(rows[0]["nats"], abs=2)
    assert all(0 < row["a step"] < row["training"] for row in rows)
    assert "seconds, prior" in capsys.readouterr().out
