"""Weights of examples and of variables, and repeated looks: what counts how much."""

import keras
import numpy as np
import pytest

import keras_bfn
from keras_bfn import losses
from keras_bfn._keras import seeded
from keras_bfn.flows import ContinuousFlow
from tests.backends import everywhere
from tests.injected_noise import noise_of_places
from tests.models import parts, small
from tests.models.parts import IS_TORCH
from tests.models.small import predict_at
from tests.tensors import to_numpy

NUM, SIZE, BATCH, TIME = 12, 3, 5, 0.4  # the last batch is of 2 examples
FLOW = ContinuousFlow(sigma_1=0.3, prediction="data")
RNG = np.random.default_rng(0)
X = RNG.uniform(-0.5, 0.5, (NUM, SIZE)).astype("float32")
ROWS = np.array([0, 0, 0, 0.1, 0, 2, 2, 5, 2, 2, 0.5, 1], "float32")
CELLS = RNG.choice([0, 0.5, 1, 4], (NUM, SIZE), p=[0.4, 0.2, 0.2, 0.2]).astype("float32")
CELLS[3], CELLS[7] = 0, 3
WEIGHTS = {"of rows": ROWS, "in a column": ROWS[:, None], "of cells": CELLS}
LOOKS = {"loss": losses.ContinuousTimeLoss(), "reconstruction": losses.ReconstructionLoss()}


def make_network():
    inputs = {"theta": keras.Input((SIZE, 1), name="theta"), "t": keras.Input((), name="t")}
    flat = [keras.layers.Flatten()(inputs["theta"]), keras.layers.Reshape((1,))(inputs["t"])]
    x = keras.layers.Dense(SIZE)(keras.layers.Concatenate()(flat))
    return keras.Model(inputs, keras.layers.Reshape((SIZE, 1))(x))


def make_model(**options):
    model = keras_bfn.BayesianFlowNetwork(FLOW, make_network(), seed=0)
    rng = np.random.default_rng(0)
    model.set_weights([0.2 * rng.standard_normal(w.shape) for w in model.get_weights()])
    model.compile(keras.optimizers.SGD(0.1), **options)
    return model


def costs_of(model, x, time=TIME):
    """By hand, what each variable costs: two arrays, or dicts of the parts' arrays."""
    found = {}
    for name, loss in LOOKS.items():
        t = np.full(NUM, time if name == "loss" else 1.0, "float32")
        predictions = predict_at(model, x, t)
        if isinstance(x, dict):
            found[name] = {p: to_numpy(loss(model.flow[p], x[p], predictions[p])) for p in x}
        else:
            found[name] = to_numpy(loss(model.flow, x, predictions))
    return found


def mean(costs, weights):
    """By hand, the mean by weights of rows or cells."""
    weights = np.broadcast_to(weights if weights.ndim > 1 else weights[:, None], costs.shape)
    return (weights * costs).sum() / weights.sum()


def rows(data, weights):
    """The tuples that a pipeline yields: weights come third, and in the place of targets, too."""
    for start in range(0, NUM, BATCH):
        batch = slice(start, start + BATCH)
        yield keras.tree.map_structure(lambda values, b=batch: values[b], (data, weights, weights))


class Rows(keras.utils.PyDataset):
    """The same, with None in the place of targets."""

    num_batches = 3

    def __getitem__(self, i):
        data, _, weights = list(rows(X, CELLS))[i]
        return data, None, weights


def tf_data(data, weights):
    tf = pytest.importorskip("tensorflow")
    return tf.data.Dataset.from_tensor_slices((data, weights, weights)).batch(BATCH)


@pytest.fixture(scope="module")
def shared_model():
    return make_model()


@pytest.fixture
def model(shared_model):
    """One for all tests that only ask it, with noise that is known."""
    with noise_of_places(TIME):
        yield shared_model


@pytest.mark.slow_to_compile
@pytest.mark.parametrize("kind", everywhere(list(WEIGHTS), "of cells"))
def test_evaluate_is_the_mean_by_weight_in_whatever_batches(kind, model):
    weights = WEIGHTS[kind]
    costs = costs_of(model, X)
    expected = {name: mean(values, weights) for name, values in costs.items()}
    options = {"return_dict": True, "verbose": 0}
    logs = model.evaluate(X, sample_weight=weights, batch_size=BATCH, **options)
    for name, value in expected.items():
        assert logs[name] == pytest.approx(value, rel=1e-5)
    total = logs["loss"] + logs["reconstruction"]
    assert logs["bits_per_dim"] == pytest.approx(total / np.log(2), rel=1e-6)
    per_variable = sum(costs.values())
    per_row = ROWS if kind != "of cells" else CELLS.any(axis=1)
    cells = CELLS if kind == "of cells" else np.ones((NUM, SIZE))
    nats = np.average((per_variable * cells).sum(axis=1), weights=per_row)
    assert logs["nats_per_example"] == pytest.approx(nats, rel=1e-5)
    if kind == "of cells":
        # On TensorFlow, Keras takes no None in the place of targets.
        data = tf_data(X, weights) if keras.backend.backend() == "tensorflow" else Rows()
        assert model.evaluate(data, **options) == pytest.approx(logs, rel=1e-6)


@pytest.mark.parametrize("kind", everywhere(list(WEIGHTS), "of cells"))
def test_a_step_is_that_of_a_plain_keras_model(kind):
    """Whose loss is a weighted one of Keras, of what the network is shown here."""
    weights = WEIGHTS[kind]
    with noise_of_places(TIME):
        model, plain = make_model(), make_network()
        plain.set_weights(model.network.get_weights())
        prediction = predict_at(model, X, np.full(NUM, TIME, "float32"))
        slope = float(FLOW.schedule.derivative(TIME))
        options = {"batch_size": NUM, "shuffle": False, "verbose": 0}
        history = model.fit(X, sample_weight=weights, **options)
    squares = keras.losses.MeanSquaredError(reduction="mean_with_sample_weight")
    plain.compile(keras.optimizers.SGD(0.1), squares, loss_weights=0.5 * slope)
    seen = {"theta": to_numpy(prediction.theta), "t": np.full(NUM, TIME, "float32")}
    cells = weights if weights.ndim > 1 else weights[:, None]
    cells = np.broadcast_to(cells, (NUM, SIZE))
    expected = plain.fit(seen, X[..., None], sample_weight=cells, **options)
    assert np.abs(to_numpy(prediction.params)).max() < 1  # or it would be clipped
    np.testing.assert_allclose(history.history["loss"][0], expected.history["loss"][0], rtol=1e-4)
    for found, twin in zip(model.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_allclose(found, twin, rtol=1e-4, atol=1e-6)


@pytest.mark.once
@pytest.mark.parametrize("kind", WEIGHTS)
def test_code_lengths_are_sums_by_weight(kind, model):
    costs, weights = costs_of(model, X), WEIGHTS[kind]
    nats = model.code_length(X, sample_weight=weights, batch_size=BATCH, verbose=0)
    for name, values in zip(("transmission", "reconstruction"), costs.values(), strict=True):
        each = values * (weights if weights.ndim > 1 else weights[:, None])
        np.testing.assert_allclose(nats[name], each.sum(axis=1), rtol=1e-4, atol=1e-6)


@pytest.mark.once
def test_weights_reach_training_and_validation_in_every_form():
    options = {"batch_size": BATCH, "shuffle": False, "verbose": 0}
    forms = {
        "arrays": ((X,), {"sample_weight": CELLS}),
        "tf.data": ((tf_data(X, CELLS),), {}),
        "PyDataset": ((Rows(),), {}),
        "a generator": ((rows(X, CELLS),), {"steps_per_epoch": 3}),
    }
    found = {}
    with noise_of_places(TIME):
        for name, (data, arguments) in forms.items():
            val = (X, None, CELLS) if name == "arrays" else tf_data(X, CELLS)
            val = Rows() if name == "PyDataset" else val
            model = make_model()
            model.fit(*data, validation_data=val, **arguments, **options)
            found[name] = [*model.get_weights(), *model.history.history["val_bits_per_dim"]]
        split = make_model()
        split.fit(X, sample_weight=CELLS, validation_split=0.5, **options)
        unlearnt = make_model()
        unlearnt.set_weights(split.get_weights())
        half = NUM // 2
        logs = unlearnt.evaluate(X[half:], sample_weight=CELLS[half:], verbose=0, return_dict=True)
    for values in found.values():
        for value, expected in zip(values, found["arrays"], strict=True):
            np.testing.assert_allclose(value, expected, rtol=1e-5)
    val_loss = split.history.history["val_loss"][0]
    assert val_loss == pytest.approx(logs["loss"], rel=1e-5)


@pytest.mark.once
def test_single_batches_are_weighted_too():
    with noise_of_places(TIME):
        model = make_model()
        costs = costs_of(model, X)
        found = model.test_on_batch(X, sample_weight=CELLS, return_dict=True)
        assert found["loss"] == pytest.approx(mean(costs["loss"], CELLS), rel=1e-5)
        model.reset_metrics()
        found = model.train_on_batch(X, sample_weight=CELLS, return_dict=True)
        assert found["loss"] == pytest.approx(mean(costs["loss"], CELLS), rel=1e-5)


def test_weights_of_1_change_nothing_and_of_0_leave_out(model):
    options = {"return_dict": True, "verbose": 0, "batch_size": BATCH}
    plain = model.evaluate(X, **options)
    ones = model.evaluate(X, sample_weight=np.ones((NUM, SIZE)), **options)
    assert ones == pytest.approx(plain, rel=1e-6)
    if not IS_TORCH:
        return
    kept = np.arange(NUM) % 3 != 0
    few = model.evaluate(X[kept], **options)
    rest = model.evaluate(X, sample_weight=kept.astype("float32"), **options)
    assert rest == pytest.approx(few, rel=1e-5)
    assert np.abs(few["loss"] - plain["loss"]) > 1e-4
    costs = costs_of(model, X)
    first = np.zeros((NUM, SIZE), "float32")
    first[:, 0] = 1.0
    one = model.evaluate(X, sample_weight=first, **options)
    assert one["loss"] == pytest.approx(costs["loss"][:, 0].mean(), rel=1e-5)
    none = model.evaluate(X, sample_weight=np.zeros(NUM), **options)
    assert not any(none.values())


PART_WEIGHTS = {
    "rows of two": {"label": ROWS, "image": ROWS[::-1] + 1},
    "cells and a column": {
        "image": RNG.choice([0.0, 1.0, 3.0], (NUM, 2, 3, 1)).astype("float32"),
        "label": ROWS[:, None],
    },
    "all": {"size": ROWS, "label": ROWS + 0.5, "image": ROWS[:, None]},
}
LAMBDA = {"image": 3.0, "size": 0.5}


@pytest.mark.once
@pytest.mark.parametrize("kind", PART_WEIGHTS)
def test_weights_of_parts(kind):
    weights, x = PART_WEIGHTS[kind], parts.make_data()
    model = parts.make_model()
    model.compile("sgd", loss_weights=LAMBDA)
    with noise_of_places(TIME):
        costs = costs_of(model, x)
        options = {"batch_size": BATCH, "verbose": 0, "sample_weight": weights}
        logs = model.evaluate(x, return_dict=True, **options)
        options["batch_size"] = NUM
        fitted = model.fit(x, shuffle=False, **options).history["loss"][0]

    def cells(name):
        shape = costs["loss"][name].shape
        weight = np.asarray(weights.get(name, np.ones(NUM)))
        if weight.shape != shape:
            weight = weight.reshape(NUM, *[1] * (len(shape) - 1))
        return np.broadcast_to(weight, shape)

    total = sum(cells(name).sum() for name in x)
    loss = sum(LAMBDA.get(name, 1) * (cells(name) * costs["loss"][name]).sum() for name in x)
    for found in (logs["loss"], fitted):
        assert found == pytest.approx(loss / total, rel=1e-5)
    by_part = {name: (cells(name) * sum(kind[name] for kind in costs.values())).sum() for name in x}
    nats = sum(by_part.values())
    assert logs["bits_per_dim"] == pytest.approx(nats / total / np.log(2), rel=1e-5)
    for name, value in by_part.items():
        assert logs[f"{name}_nats_per_example"] == pytest.approx(value / NUM, rel=1e-5)


REPEATS = 3


@pytest.mark.slow_to_compile
def test_repeated_looks_are_in_all_parts_of_time_and_cost_their_mean():
    model = make_model(num_repeats=REPEATS)
    t = to_numpy(model(X, training=False)["transmission"].t).reshape(REPEATS, NUM)
    assert (np.floor(t * REPEATS) == np.arange(REPEATS)[:, None]).all()
    assert len(np.unique(t)) == t.size
    assert model(X, training=True)["transmission"].t.shape == (NUM,)
    with noise_of_places(TIME):
        logs = model.evaluate(X, sample_weight=CELLS, batch_size=BATCH, return_dict=True, verbose=0)
        predictions = [costs_of(model, X, (TIME + i) / REPEATS) for i in range(REPEATS)]
    expected = np.mean([mean(prediction["loss"], CELLS) for prediction in predictions])
    assert logs["loss"] == pytest.approx(expected, rel=1e-5)
    assert logs["reconstruction"] == pytest.approx(
        mean(predictions[0]["reconstruction"], CELLS), 1e-5
    )
    assert np.ptp([mean(prediction["loss"], CELLS) for prediction in predictions]) > 0.01


@pytest.mark.once
def test_repeated_looks_tell_more():
    found = {}
    for num_repeats in (1, 9):
        model = make_model(num_repeats=num_repeats)
        found[num_repeats] = [model.evaluate(X[:4], seed=seed, verbose=0)[0] for seed in range(60)]
    spread = np.std(found[1])
    assert abs(np.mean(found[9]) - np.mean(found[1])) < 5 * spread / np.sqrt(60)
    assert np.std(found[9]) < 1.3 * spread / np.sqrt(9)


@pytest.mark.once
def test_repeats_of_parts_with_conditions():
    model = parts.make_model(conditions=parts.NUM_CLASSES)
    x, condition = parts.make_data(), np.arange(NUM) % parts.NUM_CLASSES
    logs = []
    for num_repeats in (1, 2):
        model.compile("sgd", num_repeats=num_repeats)
        with noise_of_places(TIME):
            logs.append(model.evaluate((x, condition), verbose=0, return_dict=True))
    assert logs[0]["reconstruction"] == pytest.approx(logs[1]["reconstruction"], rel=1e-6)
    assert logs[0]["loss"] != logs[1]["loss"]


@pytest.mark.once
def test_repeats_are_saved(tmp_path):
    model = make_model(num_repeats=REPEATS)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.num_repeats == REPEATS
    assert loaded.get_compile_config()["num_repeats"] == REPEATS
    with seeded(model.seed_generator, 0), seeded(loaded.seed_generator, 0):
        assert loaded.evaluate(X, verbose=0) == pytest.approx(model.evaluate(X, verbose=0))


@pytest.mark.once("tensorflow")
def test_weights_of_examples_and_of_variables_take_turns_on_one_model():
    """TensorFlow would use what it has traced for one rank for the other."""
    model = small.make_model(small.FLOWS["continuous"]())
    x = small.make_data(model.flow, 6)
    of_examples = np.random.default_rng(0).uniform(0.5, 1.5, 6).astype("float32")
    of_variables = np.random.default_rng(1).uniform(0.5, 1.5, x.shape).astype("float32")
    weights = [of_examples, of_variables, of_examples[:, None]]

    def cost(weight):
        nats = model.code_length(x, sample_weight=weight, seed=0, verbose=0)["transmission"]
        logs = model.evaluate(x, sample_weight=weight, return_dict=True, verbose=0)
        return [*nats, *logs.values()]

    first, *others = [cost(weight) for weight in weights * 2]
    np.testing.assert_allclose(others[1], first, rtol=1e-5)
    np.testing.assert_allclose(others[2], first, rtol=1e-5)
    np.testing.assert_allclose(others[3], others[0], rtol=1e-5)
    assert not np.allclose(first, others[0], rtol=1e-3)


@pytest.mark.once("tensorflow")
def test_weights_in_batches_may_be_of_examples_after_those_of_variables():
    tf = pytest.importorskip("tensorflow")
    model = small.make_model(small.FLOWS["continuous"]())
    x = small.make_data(model.flow, 6)
    rows = np.linspace(0.5, 1.5, 6).astype("float32")
    forms = rows, rows[:, None], np.broadcast_to(rows.reshape(6, 1, 1, 1), x.shape)

    def batches(weight):
        return tf.data.Dataset.from_tensor_slices((x, weight, weight)).batch(3)

    def ask(weight):
        model.fit(batches(weight), validation_data=batches(weight), shuffle=False, verbose=0)
        return model.evaluate(batches(weight), verbose=0)

    for weight in forms * 2:
        assert np.isfinite(ask(weight)).all()
    others = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda *_: model.evaluate(batches(forms[0]), verbose=0)
    )
    options = {"epochs": 2, "callbacks": [others], "shuffle": False, "verbose": 0}
    model.fit(x, validation_data=batches(forms[2]), **options)
    expected = model.evaluate(x, sample_weight=forms[2], batch_size=3, verbose=0)
    assert model.evaluate(batches(forms[2]), verbose=0) == pytest.approx(expected, rel=1e-5)


@pytest.mark.once
def test_weights_beside_tensors_are_checked_where_they_are_on_the_host():
    model = small.make_model(small.FLOWS["continuous"]())
    x = keras.ops.convert_to_tensor(small.make_data(model.flow, 6))
    weight = np.linspace(0.5, 1.5, 6).astype("float32")
    with seeded(model.seed_generator, 0):
        expected = model.test_on_batch(x, sample_weight=keras.ops.convert_to_tensor(weight))
    with seeded(model.seed_generator, 0):
        found = model.test_on_batch(x, sample_weight=weight.astype("float64"))
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    with pytest.raises(ValueError, match=r"`sample_weight` must be an array.*a list"):
        model.test_on_batch(x, sample_weight=[1.0] * 6)
    with pytest.raises(ValueError, match="`sample_weight` must contain finite numbers"):
        model.test_on_batch(x, sample_weight=-weight)
