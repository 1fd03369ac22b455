"""Tables with several rows for each entity."""

import keras
import numpy as np
import pytest

import keras_bfn
from keras_bfn import networks
from keras_bfn.tables import AtLeast, Number, Sequences

pandas = pytest.importorskip("pandas")
pytest.importorskip("narwhals")

VISITS = pandas.DataFrame(
    {
        "day": [1, 8, 9, 2, 30, 4],
        "patient": ["p", "p", "q", "q", "q", "r"],
        "sex": ["f", "f", "m", "m", "m", "f"],
        "weight": [60.5, None, 80.25, 81.0, 79.5, 55.0],
        "pain": ["low", "high", "low", "low", None, "high"],
    },
    index=list("abcdef"),
)


def make_walks(num, seed):
    """Entities of a kind with two or four rows, whose states stay (calm) or alternate (wild)."""
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(num):
        kind, state = rng.choice(["calm", "wild"]), rng.integers(2)
        for _ in range(rng.choice([2, 4])):
            rows.append((i, kind, "ab"[state], 2.0 * state - 1 + rng.normal(0, 0.1)))
            state = state if kind == "calm" else 1 - state
    return pandas.DataFrame(rows, columns=["id", "kind", "state", "level"])


@pytest.fixture(scope="module")
def visits():
    return Sequences.from_dataframe(VISITS, "patient", ["sex"], {"weight": Number()})


@pytest.fixture(scope="module")
def trained():
    keras.utils.set_random_seed(0)
    walks = make_walks(256, seed=0)
    model = Sequences.from_dataframe(walks, "id", ["kind"]).make_model(width=32, seed=0)
    model.compile(keras.optimizers.Adam(1.5e-2))
    # One long epoch: to begin one takes Keras as long as many of these steps.
    more = pandas.concat([walks.assign(id=walks["id"] + 1000 * i) for i in range(100)])
    model.fit(more, batch_size=256, epochs=1, verbose=0)
    return model


def test_frames_are_sequences_of_rows_by_entity(visits):
    x = visits.encode(VISITS)
    assert {name: part.shape[1:] for name, part in x.items()} == visits.event_shape()
    assert visits.event_shape() == {
        "sex": (),
        "length": (),
        "numbers": (3, 1),
        "day": (3,),
        "pain": (3,),
        "present": (3, 2),
    }
    assert x["length"].tolist() == [1, 2, 0]  # of the lengths 1, 2 and 3
    assert visits.rows.columns["day"].decode(x["day"][1]) == [9, 2, 30]
    assert x["present"][0].tolist() == [[1, 1], [0, 1], [0, 0]]  # weight and pain of two rows


def test_columns_that_a_frame_lacks_are_unknown_up_to_the_last_row(visits):
    few = visits.encode(VISITS[["day", "patient", "pain"]])
    assert few["present"][0].tolist() == [[-1, 1], [-1, 1], [0, 0]]
    assert few["sex"].tolist() == [-1, -1, -1]
    assert np.isnan(few["numbers"][:, :, 0]).tolist()[0] == [True, True, False]
    none = visits.encode(VISITS[["patient"]])
    assert none["present"][0].tolist() == [[-1, -1], [-1, -1], [0, 0]]
    assert none["length"].tolist() == [1, 2, 0]


@pytest.mark.once
def test_a_column_that_a_frame_lacks_does_not_count_and_is_imputed(visits):
    model = visits.make_model(width=16, num_blocks=1, seed=0)
    lacking, missing = VISITS.drop(columns="weight"), VISITS.assign(weight=np.nan)
    absent, gone = (model.log_likelihood(df, 4, seed=0) for df in (lacking, missing))
    assert (absent > gone + 0.3).all()  # untrained, whether a cell is missing costs about ln 2
    only_ids = VISITS[["patient"]]
    assert np.isfinite(model.log_likelihood(only_ids, 1, seed=0)).all()
    for df in (lacking, only_ids):
        filled = model.impute(df, num_steps=2, seed=0)
        assert filled[["weight", "sex", "pain"]].notna().all(axis=None)
        assert filled.index.equals(df.index)


def test_frames_come_back_with_entities_numbered(visits):
    back = visits.decode(visits.encode(VISITS))
    assert back["patient"].tolist() == [0, 0, 1, 1, 1, 2]
    pandas.testing.assert_frame_equal(
        back.drop(columns="patient"), VISITS.drop(columns="patient").reset_index(drop=True)
    )


def test_rows_of_an_entity_may_lie_apart(visits):
    apart = VISITS.iloc[[2, 0, 3, 5, 1, 4]]
    ordered = visits.encode(VISITS)
    for name, part in visits.encode(apart).items():
        np.testing.assert_array_equal(part, ordered[name][[1, 0, 2]])
    cells = visits.read(apart)
    pandas.testing.assert_frame_equal(visits.write(cells, like=apart), apart)


def test_polars_frames_come_back(visits):
    polars = pytest.importorskip("polars")
    df = polars.DataFrame(VISITS.astype(object).where(VISITS.notna(), None).to_dict("list"))
    sequences = Sequences.from_dataframe(df, "patient", "sex")
    back = sequences.decode(sequences.encode(df))
    assert back.drop("patient").equals(df.drop("patient"))


def test_only_rows_can_be_columns_and_all_lengths_equal():
    df = pandas.DataFrame({"id": [0, 0, 1, 1], "x": list("abba")})
    sequences = Sequences.from_dataframe(df, "id")
    assert sequences.names == ["length"]
    assert sequences.decode(sequences.encode(df)).equals(df)


def test_a_column_may_have_the_name_of_the_length():
    df = VISITS.rename(columns={"pain": "length", "sex": "numbers"})
    sequences = Sequences.from_dataframe(df, "patient", ["numbers"])
    assert sequences.length == "length_"
    back = sequences.decode(sequences.encode(df)).drop(columns="patient")
    pandas.testing.assert_frame_equal(back, df.drop(columns="patient").reset_index(drop=True))


@pytest.mark.slow_to_compile
def test_rules_hold_within_rows():
    rng = np.random.default_rng(0)
    start = rng.uniform(0, 9, 40)
    df = pandas.DataFrame({"id": np.arange(40) // 4, "start": start, "end": start + 0.5})
    rules = {"end": AtLeast("start")}
    model = Sequences.from_dataframe(df, "id", columns=rules).make_model(
        width=16, num_blocks=1, seed=0
    )
    drawn = model.sample(30, num_steps=3, seed=0)
    assert len(drawn) == 120
    assert (drawn["end"] >= drawn["start"]).all()


@pytest.mark.once
def test_sequences_are_equal_by_value_and_saved(visits, tmp_path):
    model = visits.make_model(width=16, num_blocks=1, seed=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.table == visits == Sequences.from_config(visits.get_config())
    pandas.testing.assert_frame_equal(
        loaded.sample(5, num_steps=2, seed=0), model.sample(5, num_steps=2, seed=0)
    )


@pytest.mark.slow
@pytest.mark.once
def test_entities_are_sampled_with_all_their_rows(trained):
    drawn = trained.sample(200, num_steps=20, seed=0)
    assert (drawn.dtypes == make_walks(2, 0).dtypes).all()
    assert drawn["id"].unique().tolist() == list(range(200))
    lengths = drawn.groupby("id").size()
    assert set(lengths) == {2, 4}
    assert 60 < (lengths == 2).sum() < 140
    assert (drawn.groupby("id")["kind"].nunique() == 1).all()
    same = drawn["state"] == drawn.groupby("id")["state"].shift()
    later = drawn.groupby("id").cumcount() > 0
    calm = drawn["kind"] == "calm"
    assert same[later & calm].mean() > 0.8
    assert same[later & ~calm].mean() < 0.2
    assert ((drawn["level"] > 0) == (drawn["state"] == "b")).mean() > 0.8


@pytest.mark.slow
@pytest.mark.once
def test_entities_are_sampled_given_static_columns_and_the_length(trained):
    drawn = trained.sample(40, {"kind": ["calm", "wild"] * 20, "length": 4}, num_steps=10, seed=0)
    assert len(drawn) == 160
    assert drawn["kind"].tolist() == (["calm"] * 4 + ["wild"] * 4) * 20


@pytest.mark.once
def test_some_lengths_may_be_given_and_others_sampled(trained):
    drawn = trained.sample(3, {"length": [4, None, 2]}, num_steps=2, seed=0)
    first, second, third = drawn.groupby("id").size().tolist()
    assert (first, third) == (4, 2)
    assert second in (2, 4)


@pytest.mark.once
def test_missing_cells_of_rows_are_imputed_in_place(trained):
    walks = make_walks(60, seed=1)
    walks = walks.iloc[np.argsort(walks.groupby("id").cumcount(), kind="stable")]  # row by row
    holes = walks.copy()
    holes.iloc[::5, 2] = None
    filled = trained.impute(holes, num_steps=10, seed=0)
    assert filled.index.equals(holes.index)
    assert filled["id"].equals(holes["id"])
    assert (filled["state"] == walks["state"]).mean() > 0.97  # one in five was filled in
    expected = trained.impute_expected(holes)
    assert (expected["state"] == walks["state"]).mean() > 0.97
    assert expected.drop(columns="state").equals(filled.drop(columns="state"))
    several = trained.impute(holes, num_draws=2, num_steps=2, seed=0)
    assert [draw.shape for draw in several] == 2 * [holes.shape]


@pytest.mark.slow
@pytest.mark.once("jax")
def test_a_model_trains_samples_and_imputes(visits):
    model = visits.make_model(width=16, num_blocks=1, seed=0)
    model.compile("adam")
    model.fit(VISITS, batch_size=3, epochs=1, verbose=0)
    drawn = model.sample(4, num_steps=2, seed=0)
    assert drawn["patient"].unique().tolist() == [0, 1, 2, 3]
    assert (drawn.dtypes == VISITS.dtypes).drop("patient").all()
    filled = model.impute(VISITS, num_steps=2, seed=0)
    assert not filled.isna().any().any()
    pandas.testing.assert_frame_equal(
        filled[["day", "patient", "sex"]], VISITS[["day", "patient", "sex"]]
    )


@pytest.mark.once
def test_likelihoods_are_of_entities_and_tell_what_is_odd(trained):
    walks = make_walks(50, seed=2)
    odd = walks.assign(kind=walks["kind"].map({"calm": "wild", "wild": "calm"}))
    right, wrong = (trained.log_likelihood(df, 6, seed=0) for df in (walks, odd))
    assert right.shape == (50,)
    assert np.mean(right > wrong + 1) > 0.9
    # Given the rows, only the static column is left; with all columns, nothing is.
    rest = [name for name in walks if name not in ("id", "kind")]
    nats = [trained.log_likelihood(df, 6, known=rest, seed=0) for df in (walks, odd)]
    assert np.mean(nats[0] > nats[1] + 1) > 0.9
    np.testing.assert_allclose(np.exp(nats).sum(0).mean(), 1, atol=0.2)  # of both classes
    everything = trained.log_likelihood(walks, 1, known=[*rest, "kind"], seed=0)
    np.testing.assert_allclose(everything, 0, atol=1e-6)


@pytest.mark.slow_to_compile
def test_all_parts_of_a_network_may_be_steps():
    flow = {"a": keras_bfn.flows.DiscreteFlow(3, beta_1=3.0)}
    network = networks.MultiPart(
        flow, {"a": (4,)}, width=16, num_blocks=1, mixer="sequence", steps=["a"]
    )
    theta = np.full((2, 4, 3), 1 / 3, "float32")
    params = network({"theta": {"a": theta}, "t": np.zeros(2, "float32")})
    assert params["a"].shape == (2, 4, 3)


def test_columns_may_have_the_names_of_parts_of_either_kind():
    df = pandas.DataFrame(
        {
            "id": [0, 0, 1, 1, 1],
            "height": [1.6, 1.6, None, None, None],  # static: parts "numbers" and "present"
            "weight": [60.5, 61.25, None, 80.75, 82.0],  # of rows: the same two
            "present": list("abcab"),
            "numbers_": list("xyyxx"),
        }
    )
    columns = {"height": Number(), "weight": Number()}
    sequences = Sequences.from_dataframe(df, "id", ["height"], columns)
    assert len(set(sequences.row_parts.values())) == len(sequences.rows.event_shape())
    assert not set(sequences.row_parts.values()) & set(sequences.entities.event_shape())
    pandas.testing.assert_frame_equal(sequences.decode(sequences.encode(df)), df)


@pytest.mark.once
def test_given_series_have_an_index_of_entities_which_rows_do_not_take(trained):
    kinds = pandas.Series(["calm", "wild"], index=["p", "q"])
    drawn = trained.sample(2, {"kind": kinds, "length": 4}, num_steps=2, seed=0)
    assert drawn.index.tolist() == list(range(8))


def test_of_many_lengths_all_from_the_smallest_to_the_largest_can_be_sent():
    lengths = [*range(2, 14), 300]
    ids = np.repeat(np.arange(len(lengths)), lengths)
    df = pandas.DataFrame({"id": ids, "x": np.resize(list("ab"), len(ids))})
    sequences = Sequences.from_dataframe(df, "id")
    assert sequences.encode(df[:2])["length"].tolist() == [0]
    model = sequences.make_model(width=16, num_blocks=1, seed=0)
    with pytest.raises(ValueError, match=r"'length'.*an integer from 2 to 300.*301"):
        model.sample(1, {"length": 301})


@pytest.mark.once
def test_imputed_rows_have_the_columns_and_entities_of_their_frame(trained):
    walks = make_walks(3, seed=1).assign(state=None)[["level", "state", "id", "kind"]]
    for df in (walks, walks.assign(id=pandas.Categorical(walks["id"].astype(str)))):
        filled = trained.impute(df, num_steps=2, seed=0)
        assert list(filled.columns) == list(df.columns)
        assert filled["id"].equals(df["id"])
    polars = pytest.importorskip("polars")
    filled = trained.impute(polars.from_pandas(walks.drop(columns="state")), num_steps=2, seed=0)
    assert filled["id"].tolist() == walks["id"].tolist()


@pytest.mark.once
def test_entities_are_told_apart_as_categories_are():
    df = pandas.DataFrame({"id": pandas.Series([1, True, 1.0, "1", True], dtype=object)})
    df = df.assign(x=range(5))
    table = Sequences.from_dataframe(df, "id")
    assert table.read(df)[table.length] == [2, 2, 1]


STAYS = pandas.DataFrame(
    {
        "id": ["a", "b", "a", "b", "a", "c", "c"],
        "day": pandas.to_datetime("2024-01-01")
        + pandas.to_timedelta([30, 9, 32, 9, 32, 1, 9], "D"),
        "dose": [1.5, 2.0, 2.5, 4.0, 4.5, 3.5, 1.0],
    }
)


def test_an_ascending_column_is_sent_as_its_start_and_differences():
    stays = Sequences.from_dataframe(STAYS, "id", ascending=["day"])
    assert stays.names == ["first day", "length"]
    cells = stays.read(STAYS)
    assert [gap // 86_400_000_000 for gap in cells["day"]] == [0, 2, 0, 0, 0, 0, 8]
    sent = stays.decode(stays.encode(STAYS))
    in_order = STAYS.sort_values("id", kind="stable", ignore_index=True)
    assert sent[["day", "dose"]].equals(in_order[["day", "dose"]])
    config = keras.saving.serialize_keras_object(stays)
    assert keras.saving.deserialize_keras_object(config) == stays
    masks = stays.masks(["day"])
    assert {name for name, mask in masks.items() if mask.any()} == {"numbers", "day", "length"}


@pytest.mark.once
def test_drawn_rows_of_an_ascending_column_never_decrease():
    model = Sequences.from_dataframe(STAYS, "id", ascending="day").make_model(width=16, seed=0)
    model.fit(STAYS, epochs=1, verbose=0)
    drawn = model.sample(50, num_steps=2, seed=0)
    assert drawn.groupby("id")["day"].is_monotonic_increasing.all()
    assert drawn["day"].dtype == STAYS["day"].dtype
    start = pandas.Timestamp("2023-05-01")
    drawn = model.sample(3, {"first day": start}, num_steps=2)
    assert (drawn.groupby("id")["day"].first() == start).all()
    filled = model.impute(STAYS.drop(columns="dose"), num_steps=2)
    assert filled["day"].equals(STAYS["day"])
    assert np.isfinite(model.log_likelihood(STAYS, 2, known="day")).all()


@pytest.mark.once
@pytest.mark.parametrize(
    ("days", "match"),
    [
        ([2, 1, 3, 2, 4, 1, 2], None),
        ([2, 1, 1, 2, 4, 1, 2], r"must not decrease in column 'day'.*\[2, 1, 4\]"),
        ([2, 1, None, 2, 4, 1, 2], "must have no missing cell in the ascending column 'day'"),
    ],
)
def test_ascending_columns_are_checked(days, match):
    stays = STAYS.assign(day=days)
    if match is None:
        Sequences.from_dataframe(stays, "id", ascending=["day"])
        return
    with pytest.raises(ValueError, match=match):
        Sequences.from_dataframe(stays, "id", ascending=["day"])
    with pytest.raises(ValueError, match="ascending"):
        Sequences.from_dataframe(stays, "id", ["dose"], ascending=["dose"])


@pytest.mark.slow
@pytest.mark.once("tensorflow")
def test_the_rows_that_follow_are_drawn():
    """Calm entities stay in their state, wild ones alternate; half have two rows, half four."""
    many = make_walks(4000, seed=0)
    keras.utils.set_random_seed(0)
    trained = Sequences.from_dataframe(many, "id", ["kind"]).make_model(width=32, seed=0)
    # Half as many steps learn it under a prior of each number by itself, but not under a joint one.
    trained.compile(keras_bfn.recipes.adamw(1600, 1e-2))
    trained.fit(many, batch_size=256, epochs=100, verbose=0)
    walks = make_walks(400, seed=2)
    first = walks.groupby("id").head(2)
    drawn = trained.extend(first, num_rows=2, num_steps=10, seed=0)
    assert drawn.groupby("id").size().tolist() == [2] * 400
    assert list(drawn.columns) == list(walks.columns)
    last = first.groupby("id").nth(1).set_index("id")
    third = drawn.groupby("id").nth(0).set_index("id")
    assert (third["kind"] == last["kind"]).all()
    stays = third["state"] == last["state"]
    assert np.mean(stays == (last["kind"] == "calm")) > 0.95
    assert np.mean((third["level"] > 0) == (third["state"] == "b")) > 0.95
    several = trained.extend(first, num_draws=2, num_steps=10, seed=0)
    ongoing = [len(frame["id"].unique()) / 400 for frame in several]
    assert 0.42 < np.mean(ongoing) < 0.58
    assert not several[0].equals(several[1])


def make_weights(num, seed):
    """Entities of 3 to 12 rows, whose weights drift."""
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(num):
        steps = rng.normal(0, 0.5) + rng.normal(0, 0.5, rng.integers(3, 13))
        rows += [(i, weight) for weight in rng.normal(70, 10) + steps.cumsum()]
    return pandas.DataFrame(rows, columns=["id", "weight"])


@pytest.mark.slow
@pytest.mark.once
def test_before_training_rows_follow_from_those_around_them_as_in_a_joint_normal_distribution():
    weights, rng = make_weights(300, 0), np.random.default_rng(1)
    model = Sequences.from_dataframe(weights, "id").make_model(width=16, seed=0)
    tested = make_weights(200, 2)
    groups = tested.groupby("id")
    shown, true = groups.head(4), groups.nth(4)
    shown = shown[shown["id"].isin(true["id"])]
    drawn = model.extend(shown, num_rows=1, num_draws=20, num_steps=10, seed=0)
    found = np.mean([frame["weight"] for frame in drawn], axis=0)
    last = shown.groupby("id")["weight"].last().to_numpy()
    errors = [np.std(guess - true["weight"].to_numpy()) for guess in (found, last)]
    assert errors[0] < errors[1]  # four rows tell the drift, too
    hidden = rng.uniform(size=len(tested)) < 0.1
    holes = tested.assign(weight=tested["weight"].mask(hidden))
    filled = model.impute(holes, num_steps=10, seed=0)["weight"]
    assert np.std((filled - tested["weight"])[hidden]) < 1.5  # of 10 between entities


@pytest.mark.once
def test_numbers_of_missing_cells_are_drawn_and_those_of_absent_rows_are_means():
    rng = np.random.default_rng(0)
    weights = make_weights(300, 0)
    lacking = rng.uniform(size=len(weights)) < 0.2
    weights["weight"] = weights["weight"].mask(lacking)
    sequences = Sequences.from_dataframe(weights, "id")
    first, second = (sequences.encode(weights, seed) for seed in (0, 1))
    x, other = (parts["numbers"][:, :, 0] for parts in (first, second))
    cells, there = first["present"][:, :, 0], sequences._steps_of(weights.groupby("id").size())
    assert_same = np.testing.assert_array_equal
    assert_same(x[cells == 1], other[cells == 1])
    missing = there & (cells == 0)
    assert (x[missing] != other[missing]).mean() > 0.99
    known = np.where(there, x, np.nan)
    assert_same(x[~there], np.clip(sequences.prior.complete(known), -1, 1)[~there])
    # Missing cells are as far from those beside them as cells that are there.
    jumps, beside = np.abs(np.diff(x)), there[:, :-1] & there[:, 1:]
    some = missing[:, :-1] | missing[:, 1:]
    assert 0.7 < jumps[beside & some].mean() / jumps[beside & ~some].mean() < 1.6


@pytest.mark.slow_to_compile
def test_rows_that_follow_begin_where_the_known_ones_end():
    model = Sequences.from_dataframe(STAYS, "id", ascending="day").make_model(width=16, seed=0)
    model.fit(STAYS, epochs=1, verbose=0)
    shown = STAYS.set_index(pandas.Index(range(10, 17)))[["dose", "id", "day"]]
    shown = shown[shown["id"] != "a"][1:]  # one row of b, two of c
    drawn = model.extend(shown, num_rows=1, num_steps=2, seed=0)
    assert list(drawn.columns) == ["dose", "id", "day"]
    assert drawn["id"].tolist() == ["b", "c"]
    last = shown.groupby("id")["day"].last()
    assert (drawn.set_index("id")["day"] >= last).all()
    for num_rows in (None, 2):
        drawn = model.extend(shown[:1], num_rows, num_steps=2, seed=0)
        assert set(drawn["id"]) <= {"b"}
        assert num_rows is None or len(drawn) == num_rows
    assert len(model.extend(STAYS[STAYS["id"] == "a"], num_steps=2)) == 0  # the longest there is
    with pytest.raises(ValueError, match="'length'"):
        model.extend(STAYS, num_rows=1)
    with pytest.raises(ValueError, match="num_rows"):
        model.extend(STAYS, num_rows=0)
