"""Missing cells are data: drawn rows miss cells as real rows do, and imputed rows miss none."""

import keras
import numpy as np
import pytest
from numpy.testing import assert_allclose

import keras_bfn
from keras_bfn.tables import Angle, Category, Levels, Number, Table

pandas = pytest.importorskip("pandas")
pytest.importorskip("narwhals")

pytestmark = pytest.mark.once

MISSING = {"flat": 0.95, "house": 0.08}  # how often there is no garden
SHARES = {"flat": 0.6, "house": 0.4}
ROOMS = {"flat": range(1, 5), "house": range(3, 9)}


def make_homes(num, seed):
    """Homes, of which flats have no garden, but for some, and houses have one, but for some."""
    rng = np.random.default_rng(seed)
    kinds = rng.choice(list(SHARES), num, p=list(SHARES.values()))
    has_none = rng.uniform(size=num) < [MISSING[kind] for kind in kinds]
    return pandas.DataFrame(
        {
            "type": kinds,
            "rooms": [rng.choice(ROOMS[kind]) for kind in kinds],
            "garden": np.where(has_none, np.nan, rng.lognormal(5, 0.5, num).round()),
        }
    )


HOMES = make_homes(1000, seed=0)


@pytest.fixture(scope="module")
def trained():
    keras.utils.set_random_seed(0)
    model = Table.from_dataframe(HOMES).make_model(width=32, num_blocks=1, dropout=0.0, seed=0)
    model.compile(keras_bfn.recipes.adamw(num_steps=100, peak_rate=2e-2))
    # One long epoch: to begin one takes Keras as long as many of these steps.
    model.fit(pandas.concat([HOMES] * 100), batch_size=1000, epochs=1, verbose=0)
    return model


def share_missing(df):
    """The share of homes without a garden: of flats, and of houses."""
    return df["garden"].isna().groupby(df["type"]).mean()


@pytest.mark.slow
def test_drawn_rows_miss_cells_as_real_rows_do(trained):
    drawn = trained.sample(4000, seed=0)
    assert 0.55 < HOMES["garden"].isna().mean() < 0.65
    assert (share_missing(drawn) - share_missing(HOMES)).abs().max() < 0.03
    assert abs((drawn["type"] == "flat").mean() - SHARES["flat"]) < 0.05
    ratio = drawn["garden"].quantile([0.1, 0.5, 0.9]) / HOMES["garden"].quantile([0.1, 0.5, 0.9])
    assert (ratio - 1).abs().max() < 0.1


def test_what_is_given_tells_which_cells_are_missing(trained):
    for kind, share in MISSING.items():
        drawn = trained.sample(512, {"type": kind}, num_steps=10, seed=0)
        assert drawn["garden"].isna().mean() == pytest.approx(share, abs=0.06)
    gardens = [150.0] * 256 + [None] * 256
    drawn = trained.sample(512, {"garden": gardens}, num_steps=10, seed=0)
    assert (drawn["garden"][:256] == 150).all()
    assert (drawn["type"][:256] == "house").mean() > 0.85
    assert 0.4 < drawn["garden"][256:].isna().mean() < 0.75  # None is drawn: missing, or a value


@pytest.mark.slow
def test_a_missing_cell_tells_of_the_others(trained):
    """In a home without a garden, whatever is asked, and in whatever way."""
    none = {kind: SHARES[kind] * MISSING[kind] for kind in SHARES}
    expected = none["flat"] / sum(none.values())
    drawn = trained.sample(1000, {"garden": keras_bfn.tables.MISSING}, seed=0)
    assert drawn["garden"].isna().all()
    homes = HOMES[HOMES["garden"].isna()]
    asked = [homes.assign(type=None), homes[["rooms", "garden"]], homes[["garden"]]]
    filled = [trained.impute(df, seed=0) for df in asked]
    for df in filled:
        assert df["garden"].notna().all()
    likely = [trained.log_likelihood(homes.assign(type=x), 30, ["rooms", "garden"]) for x in SHARES]
    shares = [(df["type"] == "flat").mean() for df in (drawn, *filled)]
    shares.append(np.mean(1 / (1 + np.exp(likely[1] - likely[0]))))
    assert_allclose(shares, expected, atol=0.05)


def test_an_imputed_cell_is_never_missing(trained):
    filled = trained.impute(HOMES, num_steps=10, seed=0)
    assert filled.notna().all(axis=None)
    known = HOMES["garden"].notna()
    assert (filled["garden"][known] == HOMES["garden"][known]).all()
    # A garden is as large whatever the home is.
    medians = filled["garden"][~known].groupby(HOMES["type"]).median()
    assert (medians / HOMES["garden"].median() - 1).abs().max() < 0.25
    lacking = trained.impute(HOMES[:50].drop(columns="rooms"), num_steps=3)
    assert lacking.notna().all(axis=None)


@pytest.mark.parametrize(
    "dtype", ["float64", "Int64", "object", "str", "category", "datetime64[ns]"]
)
@pytest.mark.parametrize("method", ["impute", "impute_expected"])
def test_a_column_without_any_value_stays_missing(dtype, method):
    df = pandas.DataFrame({"kind": list("xyxy"), "cell": pandas.Series([None] * 4, dtype=dtype)})
    model = Table.from_dataframe(df).make_model(width=8, num_blocks=1, seed=0)
    df.loc[2, "kind"] = None
    filled = getattr(model, method)(df, seed=0)
    assert filled["cell"].dtype == df["cell"].dtype
    assert filled["cell"].isna().all()
    assert filled["kind"].drop(2).tolist() == ["x", "y", "y"]
    assert filled["kind"][2] in ("x", "y")


def test_a_missing_cell_counts_in_the_likelihood_but_no_value_in_its_place(trained):
    homes = make_homes(200, seed=1)
    homes = homes[homes["garden"].isna()]
    exact = [np.log(SHARES[kind] / len(ROOMS[kind]) * MISSING[kind]) for kind in homes["type"]]
    found = trained.log_likelihood(homes, num_repeats=8, seed=0)
    assert found.mean() == pytest.approx(np.mean(exact), abs=0.2)
    is_house = homes["type"] == "house"
    assert found[is_house].mean() < found[~is_house].mean() - 1.5
    # A column that the frame lacks is unknown, which costs nothing.
    unknown = trained.log_likelihood(homes[["type", "rooms"]], num_repeats=8, seed=0)
    assert unknown[is_house].mean() > found[is_house].mean() + 1


def test_a_class_has_its_probability_given_columns_that_miss_cells(trained):
    rooms, kinds = [2, 3, 4, 7], list(SHARES)
    homes = pandas.DataFrame({"type": kinds * 4, "rooms": np.repeat(rooms, 2), "garden": np.nan})
    weights = [
        SHARES[kind] * MISSING[kind] / len(ROOMS[kind]) * (num in ROOMS[kind])
        for kind, num in zip(homes["type"], homes["rooms"], strict=True)
    ]
    exact = np.array(weights).reshape(4, 2)
    found = trained.log_likelihood(homes, 100, known=["rooms", "garden"], seed=0)
    assert_allclose(np.exp(found).reshape(4, 2), exact / exact.sum(1, keepdims=True), atol=0.1)


def test_a_loaded_model_misses_the_same_cells(trained, tmp_path):
    trained.save(tmp_path / "homes.keras")
    loaded = keras.saving.load_model(tmp_path / "homes.keras")
    assert loaded.table == trained.table
    draws = [model.sample(20, num_steps=3, seed=1) for model in (trained, loaded)]
    pandas.testing.assert_frame_equal(*draws)
    assert draws[0]["garden"].isna().any()


CELLS = {
    "class": (Category(), ["a", None, "b", "a"]),
    "level": (Levels(0, 9), [None, 3, 4, 9]),
    "number": (Number("mean"), [0.5, -0.25, None, 0.75]),
    "time": (Number(cycles=["day"]), [*pandas.date_range("2024", periods=3, freq="5h"), None]),
    "angle": (Angle(24), [None, None, 13, 14]),
    "whole": (Number("mean"), [1.5, 2.5, 3.5, 4.5]),
    "empty": (Category(), [None, None, None, None]),
}
FRAME = pandas.DataFrame({name: cells for name, (_, cells) in CELLS.items()})


def make_table(**options):
    kinds = {name: type(column) for name, (column, _) in CELLS.items()}
    configs = {name: column.get_config() | options for name, (column, _) in CELLS.items()}
    columns = {name: kind.from_config(configs[name]) for name, kind in kinds.items()}
    return Table.from_dataframe(FRAME, **columns)


def test_cells_of_every_kind_of_column_may_be_missing():
    table = make_table()
    assert table.nullable == ["class", "level", "number", "time", "angle", "empty"]
    expected = FRAME[table.nullable].notna().to_numpy()
    for seed in (None, 0):
        parts = table.encode(FRAME, seed)
        assert list(parts) == list(table.flow()) == list(table.event_shape())
        np.testing.assert_array_equal(parts["present"], expected)
        assert all(np.isfinite(x).all() and (x != -1).all() for x in parts.values())
        pandas.testing.assert_frame_equal(table.decode(parts), FRAME)
    model = table.make_model(width=8, num_blocks=1, seed=0)
    drawn = model.sample(50, num_steps=3, seed=0)
    assert drawn[table.nullable].isna().any().all()
    assert drawn["whole"].notna().all()
    assert (
        model.impute(FRAME.drop(columns="empty"), num_steps=3)[list(FRAME)[:-1]]
        .notna()
        .all(axis=None)
    )


def test_in_training_a_missing_cell_has_the_value_of_another_row():
    num = 4000
    hours = np.random.default_rng(0).uniform(0, 1000, num).round()
    df = pandas.DataFrame({"hour": np.where(np.arange(num) < 3000, np.nan, hours)})
    table = Table.from_dataframe(df, hour=Number(cycles=[24]))
    parts = table.encode(df, seed=0)
    shown = dict(parts, present=np.ones((num, 1), "int32"))
    values = table.decode(shown)["hour"]  # of a number and its place in the cycle
    assert set(values[:3000]) <= set(hours[3000:])
    assert values[:3000].mean() == pytest.approx(hours[3000:].mean(), rel=0.05)
    assert abs(np.corrcoef(np.arange(3000), values[:3000])[0, 1]) < 0.06
    assert len(np.unique(table.encode(df)["numbers"][:3000])) == 1


def test_the_value_of_a_missing_number_follows_from_the_others_of_its_row():
    rng = np.random.default_rng(0)
    x = rng.multivariate_normal([0, 0, 5], [[1, 0.9, 0], [0.9, 1, 0], [0, 0, 1]], 4000)
    missing = rng.uniform(size=x.shape) < 0.25
    df = pandas.DataFrame(np.where(missing, np.nan, x), columns=["a", "b", "c"])
    table = Table.from_dataframe(df, **dict.fromkeys(df, Number("mean", nullable=True)))
    parts = table.encode(df, seed=0)
    found = table.decode(dict(parts, present=np.ones((4000, 3), "int32"))).to_numpy()
    assert_allclose(found[~missing], x[~missing], atol=0.02)
    only = missing[:, 0] & ~missing[:, 1]  # the other, which goes with it, is there
    assert np.corrcoef(found[only, 0], x[only, 1])[0, 1] == pytest.approx(0.9, abs=0.03)
    assert np.std(found[only, 0] - 0.9 * x[only, 1]) == pytest.approx(np.sqrt(0.19), rel=0.1)
    assert np.std(found[missing[:, 2], 2]) == pytest.approx(1, rel=0.1)
    sure = table.encode(df)  # the code of a row depends on this row alone
    found = table.decode(dict(sure, present=np.ones((4000, 3), "int32"))).to_numpy()
    assert_allclose(found[only, 0], 0.9 * x[only, 1], atol=0.15)
    few = table.encode(df[-50:])
    assert_allclose(few["numbers"], sure["numbers"][-50:], atol=1e-6)


def test_missing_cells_do_not_hide_what_goes_with_what():
    rng = np.random.default_rng(0)
    df = pandas.DataFrame(
        rng.multivariate_normal([0, 0], [[1, 0.9], [0.9, 1]], 2000), columns=["a", "b"]
    )
    some = df.mask(rng.uniform(size=df.shape) < 0.3)
    for columns in ({}, dict.fromkeys(df, Number(nullable=False))):
        covariance = Table.from_dataframe(some, **columns).prior.covariance
        assert_allclose(covariance, Table.from_dataframe(df).prior.covariance, atol=0.05 / 16)


def test_a_column_without_missing_cells_or_not_nullable_has_no_more_parts():
    whole = FRAME[["whole"]]
    table = Table.from_dataframe(whole)
    assert table.nullable == []
    assert list(table.encode(whole)) == list(table.flow()) == ["whole"]
    assert Table.from_dataframe(whole, whole=Number(nullable=True)).nullable == ["whole"]
    table = make_table(nullable=False)
    assert table.nullable == []
    parts = table.encode(FRAME)
    assert "present" not in parts
    assert parts["class"].tolist() == [0, -1, 1, 0]
    model = table.make_model(width=8, num_blocks=1, seed=0)
    drawn = model.sample(50, num_steps=3, seed=0)
    assert drawn.drop(columns="empty").notna().all(axis=None)


def test_columns_that_a_frame_lacks_are_unknown_not_missing():
    parts = make_table().encode(FRAME[["class", "angle"]])
    assert parts["present"][:, [1, 2, 3, 5]].max() == -1
    assert parts["present"][:, 0].tolist() == [1, 0, 1, 1]
    assert (parts["level"] == -1).all()
    assert np.isnan(parts["numbers"]).all()
    assert np.isnan(parts["time cycles"]).all()


def test_missing_cells_of_a_column_of_ones_own_are_unknown():
    class Grades(Levels):
        def __init__(self):  # which does not call that of `Column`
            self.low, self.high, self.prior = 1, 5, None

        def fit(self, cells):
            return self

    df = pandas.DataFrame({"grade": [1, None, 5]})
    table = Table.from_dataframe(df, grade=Grades())
    assert table.nullable == []
    assert table.encode(df)["grade"].tolist() == [0, -1, 4]


@pytest.mark.parametrize("column", [Category, Levels, Number, lambda **k: Angle(24, **k)])
def test_nullable_is_a_bool(column):
    for nullable in (True, False):
        made = column(nullable=nullable)
        config = keras.saving.serialize_keras_object(made)
        assert keras.saving.deserialize_keras_object(config) == made
        assert made.fit([1, 2]).nullable is made.fit([1, None]).nullable is nullable
    assert isinstance(made, keras_bfn.tables.Column)


def test_columns_are_filled_in_one_by_one_given_that_later_ones_are_missing(monkeypatch):
    cells = [0.5, None, 1.5, 2.5, 4.0]
    df = pandas.DataFrame({"a": cells, "b": cells[::-1]})
    model = Table.from_dataframe(df).make_model(width=8, num_blocks=1, seed=0)
    present, generate = [], model.generate

    def look(num, given, **options):
        present.append(given["present"][0].tolist())
        return generate(num, given=given, **options)

    monkeypatch.setattr(model, "generate", look)
    filled = model.impute(pandas.DataFrame({"a": [None], "b": [None]}), num_steps=1, batch_size=2)
    assert filled.notna().all(axis=None)
    assert present == [[1, 0], [1, 1]]
