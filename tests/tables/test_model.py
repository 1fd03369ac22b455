"""A model of a table: trained, it draws rows, fills in cells, scores rows; and it is saved."""

import itertools

import keras
import numpy as np
import pytest

import keras_bfn
from keras_bfn import flows
from keras_bfn.distributions import Categorical, DiscretizedNormal
from keras_bfn.tables import Angle, Number, Sequences, Table, TableModel
from keras_bfn.tables.model import Expectation

pandas = pytest.importorskip("pandas")
pytest.importorskip("narwhals")


def make_frame(num, seed):
    """A number, an integer and a class that tell of each other, and a date that does not."""
    rng = np.random.default_rng(seed)
    high = rng.uniform(size=num) < 0.5
    return pandas.DataFrame(
        {
            "x": rng.normal(np.where(high, 2.0, -2.0), 0.3),
            "level": np.where(high, rng.integers(10, 14, num), rng.integers(0, 4, num)),
            "day": pandas.Timestamp("2024-02-28")
            + pandas.to_timedelta(rng.integers(0, 99, num), "D"),
            "class": np.where(high, "high", "low"),
        }
    )


FRAME = make_frame(256, seed=0)


@pytest.fixture(scope="module")
def trained():
    keras.utils.set_random_seed(0)
    model = Table.from_dataframe(FRAME).make_model(width=32, num_blocks=1, dropout=0.0, seed=0)
    model.compile(keras.optimizers.Adam(1e-2))
    # One long epoch: to begin one takes Keras as long as many of these steps.
    model.fit(pandas.concat([FRAME] * 200), batch_size=256, epochs=1, verbose=0)
    return model


def agreement(df):
    """Of how many rows number, integer and class are of one kind."""
    high = df["class"] == "high"
    return np.mean((high == (df["x"] > 0)) & (high == (df["level"] > 7)))


@pytest.mark.slow_to_compile
def test_rows_are_drawn(trained):
    drawn = trained.sample(100, num_steps=10, seed=0)
    assert (drawn.dtypes == FRAME.dtypes).all()
    assert agreement(drawn) > 0.8  # of independent columns 0.25
    assert (drawn["day"] == drawn["day"].dt.floor("D")).all()
    assert 20 < (drawn["class"] == "high").sum() < 80


@pytest.mark.once
def test_frames_may_validate_in_all_forms_of_keras():
    model = Table.from_dataframe(FRAME).make_model(width=16, num_blocks=1, seed=0)
    test = make_frame(20, seed=1)
    options = {"batch_size": 64, "epochs": 1, "verbose": 0}
    for validation_data in (test, (test,), (test, None), (test, None, np.ones(20))):
        history = model.fit(FRAME, validation_data=validation_data, **options)
        assert np.isfinite(history.history["val_loss"]).all()
    history = model.fit(model.table.encode(FRAME), validation_data=test, **options)
    assert np.isfinite(history.history["val_loss"]).all()


@pytest.mark.once
def test_rows_are_drawn_given_some_columns(trained):
    days = [pandas.Timestamp("2024-03-01")] * 100 + [None] * 100
    drawn = trained.sample(200, {"class": "high", "day": days}, num_steps=10, seed=0)
    assert (drawn["class"] == "high").all()
    assert (drawn["day"][:100] == pandas.Timestamp("2024-03-01")).all()
    assert drawn["day"].nunique() > 5
    assert agreement(drawn) > 0.8  # as of rows of which nothing is given


@pytest.mark.once
def test_missing_cells_are_filled_in_and_no_others(trained):
    test = make_frame(100, seed=1)
    shown = test.astype({"level": "Int64"})
    shown.loc[:49, "level"] = None
    shown.loc[25:, "class"] = None
    first, second = trained.impute(shown, num_draws=2, num_steps=10, seed=0)
    assert (first.dtypes == FRAME.dtypes).all()
    for name in ("x", "day"):
        pandas.testing.assert_series_equal(first[name], test[name])
    for draw in (first, second):
        assert (draw["class"][:25] == test["class"][:25]).all()
        assert (draw["level"][50:] == test["level"][50:]).all()
        assert draw.notna().all(axis=None)
    assert agreement(first) > 0.9
    assert (first["level"][:50] != second["level"][:50]).any()
    assert trained.impute(shown.drop(columns="x"), num_steps=3).notna().all(axis=None)


@pytest.mark.once
def test_expected_values_are_those_of_one_prediction(trained):
    test = make_frame(100, seed=1)
    shown = test.astype({"level": "Int64"})
    shown.loc[:49, "level"] = None
    shown.loc[25:, "class"] = None
    shown.loc[75:, "x"] = None
    filled = trained.impute_expected(shown)
    pandas.testing.assert_frame_equal(filled, trained.impute_expected(shown, seed=1, batch_size=64))
    assert (filled.dtypes == FRAME.dtypes).all()
    assert agreement(filled) > 0.9
    assert (filled["x"][75:].abs() - 2).abs().mean() < 0.3
    for name in FRAME:
        known = shown[name].notna()
        assert (filled[name][known] == test[name][known]).all()
    draws = trained.impute(shown, num_draws=16, num_steps=10, seed=0)
    errors = [np.square(frame["x"] - test["x"])[75:].mean() for frame in (filled, *draws)]
    assert errors[0] < np.mean(errors[1:])


@pytest.mark.once
def test_the_expected_level_is_the_nearest_to_the_mean_and_the_expected_class_the_likeliest():
    levels, classes = flows.DiscretizedFlow(9), flows.DiscreteFlow(3, 3.0)
    wide = DiscretizedNormal(keras.ops.array([-0.2, 0.0, 0.9]), 2.0, 9)
    means = np.round(keras.ops.convert_to_numpy(wide.mean()))
    found = Expectation().finish(levels, wide)
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(found), means)
    assert not np.array_equal(keras.ops.convert_to_numpy(wide.mode()), means)
    logits = np.log(np.array([[0.3, 0.3, 0.4], [0.5, 0.2, 0.3]], "float32"))
    found = Expectation().finish(classes, Categorical(keras.ops.array(logits)))
    assert keras.ops.convert_to_numpy(found).tolist() == [2, 0]


@pytest.mark.once
def test_known_cells_stay_0_and_what_lies_beyond_all_seen_among_them():
    """What the table makes of such a number is the least or the largest that was seen."""
    seen = pandas.DataFrame({"x": np.arange(60) + 5.5, "class": ["a", "b", ""] * 20})
    model = Table.from_dataframe(seen).make_model(width=8, num_blocks=1, seed=0)
    values, classes = [0.0, -0.5, 99.5, np.nan, 7.5], ["", "a", None, "b", ""]
    shown = pandas.DataFrame({"x": values, "class": classes})
    filled = model.impute(shown, num_steps=2, seed=0)
    assert filled["x"][[0, 1, 2, 4]].tolist() == [0.0, -0.5, 99.5, 7.5]
    assert filled["class"][[0, 1, 3, 4]].tolist() == ["", "a", "b", ""]
    assert filled.notna().all(axis=None)


INDICES = {
    "labels with a name": pandas.Index([7, 3, 5, 1], name="key"),
    "labels that occur twice": pandas.Index(["b", "a", "b", "a"]),
    "times": pandas.date_range("2024", periods=4, tz="Europe/Berlin"),
    "several levels": pandas.MultiIndex.from_product([[2, 1], ["y", "x"]], names=["i", None]),
}


@pytest.mark.once
@pytest.mark.parametrize("index", INDICES.values(), ids=INDICES)
def test_rows_keep_their_index_and_their_order_of_columns(index, trained):
    shown = make_frame(4, seed=1)[["class", "x", "day", "level"]].set_axis(index)
    shown.iloc[1, 1] = np.nan
    shown.iloc[2, 0] = None
    options = {"num_steps": 3, "seed": 0}
    filled = trained.impute(shown, **options)
    pandas.testing.assert_index_equal(filled.index, index)
    assert list(filled) == list(shown)
    is_known = shown.notna()
    pandas.testing.assert_frame_equal(filled.where(is_known), shown)
    for frame in trained.impute(shown, num_draws=2, **options):
        pandas.testing.assert_index_equal(frame.index, index)
    numbered = trained.impute(shown.reset_index(drop=True), **options)
    pandas.testing.assert_frame_equal(filled.reset_index(drop=True), numbered)
    if index.is_unique:
        pandas.testing.assert_frame_equal(shown.fillna(filled), filled)


@pytest.mark.once
def test_given_series_tell_the_index(trained):
    index = pandas.Index([7, 3], name="key")
    given = {"class": pandas.Series(["low", "high"], index), "x": [None, 2.0]}
    drawn = trained.sample(2, given, num_steps=3, seed=0)
    pandas.testing.assert_index_equal(drawn.index, index)
    assert drawn["class"].tolist() == ["low", "high"]


@pytest.mark.once
def test_given_times_are_the_instants_that_come_back():
    times = pandas.date_range("2024-10-26", periods=40, freq="h", tz="Europe/Berlin")
    df = pandas.DataFrame({"when": times, "class": ["a", "b"] * 20})
    model = Table.from_dataframe(df).make_model(width=8, num_blocks=1)
    other = pandas.Timestamp("2024-10-26T20:30", tz="America/New_York")  # 2:30 for the second time
    assert model.sample(2, {"when": other}, num_steps=2)["when"].tolist() == [other] * 2
    with pytest.raises(ValueError, match=r"'when' .* must contain times with a time zone"):
        model.sample(2, {"when": other.tz_localize(None)}, num_steps=2)


@pytest.mark.once
def test_known_cells_that_the_dtype_cannot_hold_are_refused():
    cells = [0, 10**6, 5]
    for dtype in ("int32", "Int32", "int32[pyarrow]"):
        df = pandas.DataFrame({"n": pandas.Series(cells, dtype=dtype), "class": ["a", "b", None]})
        model = Table.from_dataframe(df, n=Number()).make_model(width=8, num_blocks=1)
        for cell in (2.5, 2**40):
            with pytest.raises(ValueError, match="Column 'n' must contain values that fit"):
                model.impute(pandas.DataFrame({"n": [cell]}), num_steps=2)
        filled = model.impute(pandas.DataFrame({"n": [3.0]}), num_steps=2)
        assert filled["n"].tolist() == [3]


@pytest.mark.once
def test_repeated_numbers_are_spread_in_training_alone(monkeypatch):
    df = pandas.DataFrame({"x": [0.0] * 50 + np.linspace(1, 2, 50).tolist()})
    model = Table.from_dataframe(df).make_model(width=8, num_blocks=1)
    seen = []
    monkeypatch.setattr(
        keras_bfn.BayesianFlowNetwork, "fit", lambda self, x, *args, **kwargs: seen.append(x)
    )
    model.fit(df, epochs=1)
    assert len(np.unique(seen[0]["numbers"][:50])) == 50
    assert len(np.unique(model.table.encode(df)["numbers"][:50])) == 1


@pytest.mark.slow
@pytest.mark.once
def test_rows_that_do_not_go_together_are_unlikely(trained):
    test = make_frame(50, seed=1)
    odd = test.assign(**{"class": test["class"].map({"high": "low", "low": "high"})})
    likely, unlikely = (trained.log_likelihood(df, seed=0) for df in (test, odd))
    assert likely.shape == (50,)
    assert np.mean(likely > unlikely) > 0.95


@pytest.mark.once
def test_a_frame_costs_what_its_data_cost(trained):
    parts = trained.table.encode(FRAME)
    costs = [trained.code_length(x, num_repeats=2, seed=0, verbose=0) for x in (FRAME, parts)]
    nats = [cost["transmission"] + cost["reconstruction"] for cost in costs]
    np.testing.assert_array_equal(*nats)
    likelihood = trained.log_likelihood(FRAME, num_repeats=2, seed=0)
    np.testing.assert_array_equal(likelihood, -nats[0])
    told = trained.evaluate(FRAME, verbose=0, return_dict=True)
    assert {"numbers_nats_per_example", "class_nats_per_example"} <= set(told)


@pytest.mark.once
def test_the_table_is_saved_with_the_model(trained, tmp_path):
    trained.save(tmp_path / "table.keras")
    trained.save_to_preset(tmp_path / "preset")
    drawn = trained.sample(8, num_steps=3, seed=1)
    for model in (
        keras.saving.load_model(tmp_path / "table.keras"),
        keras_bfn.BayesianFlowNetwork.from_preset(tmp_path / "preset"),
    ):
        assert isinstance(model, TableModel)
        assert model.table == trained.table
        pandas.testing.assert_frame_equal(model.sample(8, num_steps=3, seed=1), drawn)


@pytest.mark.slow
@pytest.mark.once
def test_times_of_day_are_learnt_by_their_cycle():
    rng = np.random.default_rng(0)
    at_night = rng.uniform(size=256) < 0.5
    hours = (rng.normal(np.where(at_night, 0, 12), 1.5) % 24).round(2)
    days = pandas.Timestamp("2024-01-01") + pandas.to_timedelta(rng.integers(0, 900, 256), "D")
    df = pandas.DataFrame(
        {
            "when": (days + pandas.to_timedelta(hours, "h")).round("min"),
            "wind": (rng.normal(np.where(at_night, 350, 170), 20) % 360).round(),
            "shift": np.where(at_night, "night", "day"),
        }
    )
    keras.utils.set_random_seed(0)
    columns = {"when": Number(cycles=["day"]), "wind": Angle(360)}
    table = Table.from_dataframe(df, **columns)
    model = table.make_model(width=32, num_blocks=1, dropout=0.0, seed=0)
    model.compile(keras.optimizers.Adam(1e-2))
    model.fit(df, batch_size=128, epochs=80, verbose=0)
    hidden = df.copy()
    hidden.loc[:99, "when"] = None
    hidden.loc[100:199, "wind"] = None
    filled = model.impute(hidden, num_steps=20, seed=0)
    for rows in (model.sample(200, num_steps=20, seed=0), filled):
        hour = rows["when"].dt.hour + rows["when"].dt.minute / 60
        away = np.where(rows["shift"] == "night", 0, 12) - hour
        assert np.mean(np.cos(away * 2 * np.pi / 24) > 0.5) > 0.8  # within four hours
        away = np.where(rows["shift"] == "night", 350, 170) - rows["wind"]
        assert np.mean(np.cos(np.deg2rad(away)) > 0.5) > 0.8  # within 60 degrees
    pandas.testing.assert_series_equal(filled["when"][100:], df["when"][100:])


@pytest.mark.once
def test_data_of_the_flow_and_options_of_ones_own_are_taken_too():
    table = Table.from_dataframe(FRAME)
    model = table.make_model(width=8, num_blocks=1)
    model.compile(keras.optimizers.SGD(1e-3))
    history = model.fit(table.encode(FRAME), batch_size=64, verbose=0)
    assert len(history.epoch) == 1
    model.fit(FRAME, epochs=2, batch_size=128, verbose=0)
    assert isinstance(model.optimizer, keras.optimizers.SGD)


@pytest.mark.once
def test_a_model_that_is_not_compiled_trains_by_a_recipe():
    model = Table.from_dataframe(FRAME).make_model(width=8, num_blocks=1)
    history = model.fit(FRAME, epochs=2, validation_data=FRAME[:64], verbose=0)
    assert "val_loss" in history.history
    assert model.optimizer.use_ema
    assert float(model.optimizer.learning_rate) < 1e-6
    assert int(model.optimizer.iterations) == 8
    before = model.evaluate(FRAME, verbose=0)
    model.fit(FRAME, epochs=10, verbose=0)  # with a rate that rises anew
    assert int(model.optimizer.iterations) == 40
    assert model.evaluate(FRAME, verbose=0)[0] < before[0]


@pytest.mark.once
@pytest.mark.parametrize(
    ("num", "batch_size", "epochs"), [(100, 64, 1000), (800, 100, 250), (20_000, 512, 100)]
)
def test_more_rows_make_larger_batches(num, batch_size, epochs, monkeypatch):
    asked = {}

    def note(self, x, y, batch_size, epochs, **options):
        asked.update(batch_size=batch_size, epochs=epochs)

    monkeypatch.setattr(keras_bfn.BayesianFlowNetwork, "fit", note)
    df = pandas.DataFrame({"x": np.arange(num) % 300, "id": np.arange(num)})
    Table.from_dataframe(df[["x"]]).make_model(width=8, num_blocks=1).fit(df)
    assert asked == {"batch_size": batch_size, "epochs": epochs}
    entities = Sequences.from_dataframe(df, "id").make_model(width=8, num_blocks=1)
    entities.fit(df)
    assert asked["batch_size"] == 64


@pytest.mark.once
@pytest.mark.parametrize("in_chunks", [False, True])
def test_columns_that_a_frame_lacks_are_named_in_training(in_chunks):
    model = Table.from_dataframe(FRAME).make_model(width=8, num_blocks=1)
    lacking, df = FRAME.columns[0], FRAME.drop(columns=FRAME.columns[0])
    with pytest.warns(UserWarning, match=rf"The columns \['{lacking}'\] are not in `x`") as found:
        model.fit([df] if in_chunks else df, epochs=1, verbose=0)
    assert __file__ in [w.filename for w in found if "The columns" in str(w.message)]


@pytest.mark.slow_to_compile
def test_the_time_that_training_will_take_is_printed(capsys):
    model = Table.from_dataframe(FRAME).make_model(width=8, num_blocks=1, seed=0)
    model.fit(FRAME, batch_size=64, epochs=11, verbose=2, callbacks=keras.callbacks.Callback())
    assert "44 training steps, about 1 minutes" in capsys.readouterr().out
    model.fit(FRAME, batch_size=64, epochs=11, verbose=0)
    assert "training steps" not in capsys.readouterr().out


def make_wide(num, num_classes=40, seed=0):
    """Numbers and classes, in pairs that tell of each other."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(num, num_classes))
    found = {f"x{i}": z[:, i] + rng.normal(0, 0.3, num) for i in range(num_classes)}
    for i in range(num_classes):
        steps = np.clip(np.round(z[:, i] * (1 + i % 9)), -20, 20).astype(int)
        found[f"c{i}"] = [f"v{step}" for step in steps]
    return pandas.DataFrame(found)


@pytest.mark.once
def test_many_columns_of_classes_share_parts(tmp_path):
    df = make_wide(300)
    df["n"] = np.arange(300) % 50
    df.loc[3, "c2"] = None
    table = Table.from_dataframe(df)
    shapes = table.event_shape()
    shared = [f"classes up to {2**i}" for i in (3, 4, 5, 6)]
    assert set(shapes) == {"numbers", "present", *shared}
    assert shapes["numbers"] == (41,)  # integers among them
    assert sum(shapes[name][0] for name in shared) == 40
    sent = table.decode(table.encode(df))
    assert sent[["n", "c2", "c39"]].equals(df[["n", "c2", "c39"]])
    np.testing.assert_allclose(sent["x7"], df["x7"], atol=1e-4)
    masks = table.masks(["c0", "x1"])
    assert sum(int(mask.sum()) for mask in masks.values()) == 2
    model = table.make_model(width=16, num_blocks=1, seed=0)
    model.fit(df, epochs=1, verbose=0)
    drawn = model.sample(20, {"c1": "v0", "x2": 0.5}, num_steps=3)
    assert (drawn["c1"] == "v0").all()
    assert (drawn["x2"] == 0.5).all()
    known = df["c7"].notna() & (np.arange(300) % 2 == 0)
    holes = df.assign(c7=df["c7"].where(known))
    filled = model.impute(holes, num_steps=2)
    assert filled["c7"].notna().all()
    assert filled["c7"][known].equals(df["c7"][known])
    model.save(tmp_path / "wide.keras")
    loaded = keras.saving.load_model(tmp_path / "wide.keras")
    assert loaded.sample(3, num_steps=2, seed=0).equals(model.sample(3, num_steps=2, seed=0))


@pytest.mark.once
@pytest.mark.parametrize(
    ("options", "steps"), [({"validation_split": 0.75}, 1), ({"steps_per_epoch": 2}, 2)]
)
def test_the_recipe_ends_with_the_last_step_if_epochs_are_shorter(options, steps):
    model = Table.from_dataframe(FRAME).make_model(width=8, num_blocks=1)
    model.fit(FRAME, epochs=5, verbose=0, **options)
    assert int(model.optimizer.iterations) == 5 * steps
    assert float(model.optimizer.learning_rate) < 1e-6


@pytest.mark.slow
@pytest.mark.once
@pytest.mark.parametrize("num_levels", [50, 900])
def test_a_column_of_many_levels_leaves_the_others_as_they_are(num_levels):
    rng = np.random.default_rng(0)
    kind = rng.integers(0, 3, 3000)
    flag = rng.uniform(size=3000) < np.array([0.1, 0.5, 0.9])[kind]
    x = rng.normal(size=3000) + 2 * kind * (2 * flag - 1)
    few = pandas.DataFrame({"kind": np.array(list("abc"))[kind], "flag": flag, "x": x})
    many = few.assign(code=[f"c{i}" for i in rng.integers(0, num_levels, 3000)])

    def pairs(df):
        parts = df["kind"], df["flag"].astype(str), pandas.cut(df["x"], [-99, -3, -1, 1, 3, 99])
        parts = [part.astype(str) for part in parts]
        return [(a + b).value_counts(normalize=True) for a, b in itertools.combinations(parts, 2)]

    away = []
    for df in (few, many):
        keras.utils.set_random_seed(0)
        model = Table.from_dataframe(df).make_model(seed=0)
        model.fit(df, epochs=12, verbose=0)
        drawn = model.sample(4000, seed=0)
        found = zip(pairs(drawn), pairs(few), strict=True)
        away.append([0.5 * a.sub(b, fill_value=0).abs().sum() for a, b in found])
    assert (np.array(away[1]) < np.array(away[0]) + 0.05).all(), away
    if num_levels == 900:
        assert drawn["code"].nunique() > 600  # as many as of real codes
