"""Several conditions of a model: told, left out, dropped, guided with, saved."""

import json
import os
import pathlib
import subprocess
import sys
import zlib

import keras
import numpy as np
import pytest
from keras import layers, ops
from scipy import stats

import keras_bfn
from keras_bfn import BayesianFlowNetwork
from keras_bfn._keras import seeded
from keras_bfn.flows import DiscreteFlow
from keras_bfn.guidance import ClassifierFreeGuidance
from keras_bfn.networks import MLP, Transformer
from tests.backends import everywhere, next_backend
from tests.models.parts import IS_TORCH
from tests.models.test_use_as_keras_model import data_loader
from tests.tensors import to_numpy

FLOW, NUM, NULL = DiscreteFlow(3, beta_1=2.0), 48, 5
X = np.random.default_rng(0).integers(0, 3, (NUM, 6))
# "zoom" has no null condition in a network of the package. Not in alphabetical order.
TOLD = {
    "zoom": np.random.default_rng(1).standard_normal((NUM, 3)).astype("float32"),
    "label": np.arange(NUM) % NULL,
}
CONDITIONS = {"zoom": (3,), "label": NULL}
OPTIONS = {"seed": 0, "verbose": 0}


def first(num, told=TOLD, **others):
    return {name: values[:num] for name, values in told.items()} | others


def randomize(model):
    rng = np.random.default_rng(0)
    model.set_weights([0.3 * rng.standard_normal(w.shape) for w in model.get_weights()])
    return model


def own_network():
    """A functional network of Keras's own layers, told two conditions."""
    theta, t = keras.Input((6, 3), name="theta"), keras.Input((), name="t")
    told = {"zoom": keras.Input((3,)), "label": keras.Input((), dtype="int32")}
    embedded = layers.Embedding(NULL + 1, 4)(told["label"])
    parts = [layers.Flatten()(theta), layers.Reshape((1,))(t), embedded, told["zoom"]]
    x = layers.Dense(16, "silu")(layers.Concatenate()(parts))
    outputs = layers.Reshape((6, 3))(layers.Dense(18)(x))
    return keras.Model({"condition": told, "theta": theta, "t": t}, outputs)


OWN_NULL = {"label": NULL, "zoom": np.zeros(3)}


def make_model(kind="MLP", learning_rate=0.01, **options):
    keras.utils.set_random_seed(0)
    if kind == "own":
        network, own = own_network(), {"null_condition": OWN_NULL, "condition_dropout": 0.3}
    else:
        network = MLP(FLOW, (6,), width=8, num_blocks=1, conditions=CONDITIONS)
        own = {"condition_dropout": {"label": 0.3}}
    model = randomize(BayesianFlowNetwork(FLOW, network, seed=0, **{**own, **options}))
    model.compile(keras.optimizers.Adam(learning_rate))
    return model


@pytest.fixture(scope="module")
def model():
    """One for all tests that only ask it."""
    return make_model()


class Rows(keras.utils.PyDataset):
    num_batches = 3

    def __init__(self, x, told):
        super().__init__()
        self.rows = (x, told)

    def __getitem__(self, i):
        rows = keras.tree.map_structure(lambda values: values[16 * i : 16 * (i + 1)], self.rows)
        return (rows,)


def tf_data(x, told):
    tf = pytest.importorskip("tensorflow")
    return tf.data.Dataset.from_tensor_slices(((x, told),)).batch(16)


def loader(x, told):
    rows = [{name: values[i] for name, values in told.items()} for i in range(len(x))]
    return data_loader(x, rows)


FORMS = {"arrays": lambda *rows: rows, "PyDataset": Rows, "tf.data": tf_data, "DataLoader": loader}


@pytest.mark.slow_to_compile
@pytest.mark.parametrize("form", everywhere(FORMS, "tf.data"))
def test_all_forms_of_a_dict_train_alike_in_whatever_order(form):
    """Dropped apart, too: the draws do not hang on the order, nor on how the data come."""
    options = {"null_condition": {"zoom": np.zeros(3)}, "condition_dropout": {"label": 0.4}}
    options["condition_dropout"]["zoom"] = 0.3
    model, losses = make_model(learning_rate=0.0, **options), []
    for data in ((X, TOLD), form(X, dict(reversed(TOLD.items())))):
        with seeded(model.seed_generator, 1):
            history = model.fit(data, epochs=2, batch_size=16, shuffle=False, verbose=0).history
        losses.append(history["loss"])
    np.testing.assert_allclose(*losses, rtol=1e-5)
    assert losses[0][0] != losses[0][1]


def outcomes(model, codec, told):
    """What each verb makes of data with these conditions; on some backends a few."""
    some, mask = first(4, told), np.arange(6) < 3
    yield model.code_length((X, told), num_steps=4, **OPTIONS)["transmission"]
    yield model.generate(4, 3, "ode1", some, return_details=True, **OPTIONS).trajectory.params
    if not IS_TORCH:
        return
    yield model.evaluate((X, told), batch_size=NUM, verbose=0)
    yield model.loss_by_time((X, told), num_intervals=2, **OPTIONS)["loss"]
    inpainted = model.inpaint(X[:4], mask, 3, 2, some, return_details=True, **OPTIONS)
    yield inpainted.log_likelihood
    yield model.encode(X[:4], 3, condition=some, **OPTIONS)
    data = codec.compress(X[:4], some, verbose=0)
    np.testing.assert_array_equal(codec.decompress(data, some, verbose=0), X[:4])
    yield zlib.crc32(keras_bfn.codec.container.read(data)[1])


@pytest.mark.slow_to_compile
def test_every_verb_is_told_and_each_condition_matters(model):
    codec = keras_bfn.codec.Codec(model, num_steps=3)
    plain = list(outcomes(model, codec, TOLD))
    other_order = outcomes(model, codec, dict(reversed(TOLD.items())))
    for same, value in zip(other_order, plain, strict=True):
        np.testing.assert_array_equal(same, value)
    for name in TOLD:
        others = outcomes(model, codec, {**TOLD, name: TOLD[name][::-1]})
        for other, value in zip(others, plain, strict=True):
            assert np.abs(np.subtract(other, value)).max() > 1e-6, name


@pytest.mark.once
def test_another_condition_does_not_decode():
    model = make_model()
    codec = keras_bfn.codec.Codec(model, num_steps=2)
    data = codec.compress(X[:4], first(4), verbose=0)
    for other in (first(4, zoom=TOLD["zoom"][4:8]), first(4, label=TOLD["label"][1:5])):
        with pytest.raises(keras_bfn.codec.CodecError, match="another condition"):
            codec.decompress(data, other, verbose=0)


def params_of(model, condition, **more):
    """What the network says on the way to four samples: it tells conditions apart."""
    options = {"num_steps": 3, "sampler": "ode1", **OPTIONS}
    trajectory = model.generate(
        4, condition=condition, return_details=True, **options, **more
    ).trajectory
    return trajectory.params


def test_what_is_left_out_is_the_null_condition_and_one_row_stands_for_all(model):
    zoom = TOLD["zoom"][:4]
    left_out = params_of(model, {"zoom": zoom})
    np.testing.assert_array_equal(left_out, params_of(model, first(4, label=np.full(4, NULL))))
    assert np.abs(left_out - params_of(model, first(4))).max() > 1e-3
    same = {"label": np.full(4, 2), "zoom": np.repeat(zoom[:1], 4, axis=0)}
    expected = params_of(model, same)
    for condition in ({**same, "label": 2}, {"zoom": zoom[0], "label": 2}):
        np.testing.assert_array_equal(params_of(model, condition), expected)


@pytest.mark.once
def test_all_may_be_left_out_where_all_have_a_null():
    model = make_model("own")
    none = {"label": np.full(4, NULL), "zoom": np.zeros((4, 3))}
    expected = params_of(model, none)
    for condition in (None, {}, {"label": NULL}, {"zoom": np.zeros(3)}):
        np.testing.assert_array_equal(params_of(model, condition), expected)


@pytest.mark.once
def test_guidance_is_away_from_the_nulls_and_keeps_what_has_none(model):
    guided = params_of(model, first(4), guidance_scale=3.0)
    s, t, scale = np.ones((4, 6, 3), "float32"), np.full(4, 0.4, "float32"), np.full(4, 3.0)
    told, none = first(4), first(4, label=np.full(4, NULL))
    told, none = ({k: ops.convert_to_tensor(v) for k, v in c.items()} for c in (told, none))
    with_all, without = (to_numpy(model.predict_params(s, t, c).params) for c in (told, none))
    guide = ClassifierFreeGuidance().calling(ops.convert_to_tensor(scale, "float32"))
    found = to_numpy(model.predict_params(s, t, told, guide=guide).params)
    np.testing.assert_allclose(found, without + 3.0 * (with_all - without), rtol=1e-4, atol=1e-5)
    assert np.abs(with_all - without).max() > 1e-3
    assert np.abs(guided - params_of(model, first(4))).max() > 1e-3


WRONG = {
    "a name too few": (lambda: {"label": TOLD["label"]}, r"`x` must.*\['zoom', 'label'\].*Rec"),
    "a name too many": (lambda: {**TOLD, "more": TOLD["label"]}, r"`x` must.*keys.*'more'"),
    "no dict": (lambda: TOLD["label"], r"`x` must.*a dict with.*Received: a ndarray"),
    "other rows": (lambda: first(NUM - 1), r"`x\['\w+'\]` must have one condition for each of 48"),
    "a class too high": (lambda: {**TOLD, "label": TOLD["label"] + 2}, r"`x\['label'\]` .*0\.\.5"),
    "a wrong shape": (lambda: {**TOLD, "zoom": np.ones((NUM, 4))}, r"`x\['zoom'\]`.*\(48, 4\)"),
    "NaN": (lambda: {**TOLD, "zoom": np.full((NUM, 3), np.nan)}, r"`x\['zoom'\]` .*finite"),
    "strings": (lambda: {**TOLD, "label": ["a"] * NUM}, r"`x\['label'\]`.*np\.unique\(labels"),
}


@pytest.mark.once
@pytest.mark.parametrize("case", WRONG)
def test_wrong_conditions_are_refused_by_their_names(case, model):
    told, message = WRONG[case]
    for verb in (model.fit, model.evaluate, model.code_length):
        with pytest.raises(ValueError, match=message):
            verb((X, told()), verbose=0)
    message = message.replace("`x", "`condition").replace("48", r"\d+")
    if case != "a name too few" and case != "other rows":
        with pytest.raises(ValueError, match=message):
            model.generate(NUM, 2, condition=told(), verbose=0)


@keras.saving.register_keras_serializable("keras_bfn_tests")
class Recorder(layers.Layer):
    """A plain layer whose output is what it is told."""

    def call(self, inputs):
        told = inputs["condition"]
        seen = [told["zoom"][:, 0], told["zoom"][:, 2], told["label"], told["age"]]
        return ops.stack([ops.cast(values, "float32") for values in seen], axis=1)[..., None]


MANY = 4000
NULLS = {"zoom": np.array([9.0, 9.0, 9.0]), "label": NULL, "age": 7}


def dropped(condition_dropout, order=("zoom", "label", "age")):
    """Which conditions a network is not told, by name, in training."""
    model = BayesianFlowNetwork(
        DiscreteFlow(2, beta_1=1.0),
        Recorder(),
        (4,),
        condition_dropout=condition_dropout,
        null_condition=NULLS,
        seed=0,
    )
    told = {"zoom": np.zeros((MANY, 3)), "label": np.zeros(MANY, int), "age": np.zeros(MANY, int)}
    told = {name: told[name] for name in order}
    x = np.zeros((MANY, 4), "int32")
    outputs = model((x, told), training=False)
    for name in ("transmission", "reconstruction"):
        # Where nothing is learnt, nothing is dropped.
        assert not to_numpy(outputs[name].params).any()
    seen = to_numpy(model((x, told), training=True)["transmission"].params)[..., 0]
    np.testing.assert_array_equal(seen[:, 0], seen[:, 1])  # a row is dropped whole
    values = {"zoom": (seen[:, 0], 9), "label": (seen[:, 2], NULL), "age": (seen[:, 3], 7)}
    for found, null in values.values():
        assert np.isin(found, [0, null]).all()
    return {name: found != 0 for name, (found, _) in values.items()}


def assert_rate_is(rate, masks):
    assert stats.binomtest(int(masks.sum()), masks.size, rate).pvalue > 1e-4


@pytest.mark.once
def test_with_one_rate_all_are_dropped_together():
    masks = dropped(0.25)
    assert_rate_is(0.25, masks["label"])
    assert (masks["zoom"] == masks["label"]).all()
    assert (masks["age"] == masks["label"]).all()


@pytest.mark.once
def test_with_a_rate_each_they_are_dropped_apart():
    masks = dropped({"label": 0.4, "zoom": 0.2})
    assert_rate_is(0.4, masks["label"])
    assert_rate_is(0.2, masks["zoom"])
    assert_rate_is(0.08, masks["label"] & masks["zoom"])
    assert not masks["age"].any()
    for order in (("age", "label", "zoom"), ("label", "zoom", "age")):
        again = dropped({"label": 0.4, "zoom": 0.2}, order=order)
        assert all((again[name] == masks[name]).all() for name in masks)


@pytest.mark.once
def test_what_is_dropped_in_fit_hangs_on_no_order_and_at_rate_near_1_is_no_condition():
    """A compiled step: at a rate of nearly 1, the conditions could be any."""
    losses = {}
    for rate in (0.0, 1.0 - 1e-7):
        for seed in (0, 1):
            model = make_model("own", condition_dropout=rate)
            told = {name: values[:: 1 - 2 * seed] for name, values in TOLD.items()}
            history = model.fit((X, told), batch_size=NUM, shuffle=False, verbose=0)
            losses[rate, seed] = history.history["loss"][0]
    assert abs(losses[0.0, 0] - losses[0.0, 1]) > 1e-4
    assert losses[1.0 - 1e-7, 0] == pytest.approx(losses[1.0 - 1e-7, 1], rel=1e-6)


def score(model):
    """What a network says to evidence, told in another order, and guided."""
    num = model.event_shape[0]
    told = first(8, dict(reversed(TOLD.items())))
    if "beside" in model.network.input["condition"]:
        told["beside"] = np.random.default_rng(2).standard_normal((8, num, 2)).astype("float32")
    s = np.random.default_rng(3).standard_normal((8, num, 3)).astype("float32")
    t, guide = (
        np.linspace(0, 1, 8, dtype="float32"),
        ClassifierFreeGuidance().calling(np.full(8, 2.0)),
    )
    return {
        "params": ops.convert_to_numpy(
            model.predict_params(s, t, told, guide=guide).params
        ).tolist(),
        "null": keras.tree.map_structure(lambda v: np.asarray(v).tolist(), model.null_condition),
        "dropout": model.condition_dropout,
    }


def make_saved(folder):
    """Models in files, by the name of the file."""
    keras.utils.set_random_seed(0)
    conditions = {"zoom": (3,), "beside": (6, 2), "label": NULL}
    network = Transformer(FLOW, 6, 8, 1, 2, conditions=conditions)
    dropout = {"condition_dropout": {"label": 0.3}}
    models = {
        "own": make_model("own"),
        "Transformer": randomize(BayesianFlowNetwork(FLOW, network, **dropout)),
    }
    for name, made in models.items():
        made.save(folder / f"{name}.keras")
        made.save_to_preset(folder / name)
    return models


def load_all(folder):
    for path in sorted(folder.glob("*.keras")):
        yield path.name, keras.saving.load_model(path)
        yield path.stem, BayesianFlowNetwork.from_preset(folder / path.stem)


def assert_scores_alike(found, expected):
    assert len(found) == 2 * len(expected)
    for name, scores in found.items():
        saved = expected[name.removesuffix(".keras")]
        assert {**scores, "params": None} == {**saved, "params": None}
        np.testing.assert_allclose(scores["params"], saved["params"], rtol=1e-4, atol=1e-4)


@pytest.fixture
def saved(tmp_path):
    """A folder of models, and what they say here."""
    return tmp_path, {name: score(made) for name, made in make_saved(tmp_path).items()}


skips_optimizer = pytest.mark.filterwarnings("ignore:Skipping variable loading for optimizer")


@pytest.mark.once
@skips_optimizer  # Keras's own
def test_several_conditions_are_saved_with_the_model(saved):
    folder, expected = saved
    assert_scores_alike({name: score(loaded) for name, loaded in load_all(folder)}, expected)


@pytest.mark.slow
@skips_optimizer
def test_several_conditions_are_the_same_on_another_backend(saved):
    folder, expected = saved
    backend = next_backend()
    subprocess.run(
        [sys.executable, "-m", "tests.inputs.test_conditions", str(folder)],
        env={**os.environ, "KERAS_BACKEND": backend},
        cwd=pathlib.Path(__file__).parents[2],
        check=True,
    )
    assert_scores_alike(json.loads((folder / f"{backend}.json").read_text()), expected)


if __name__ == "__main__":
    folder = pathlib.Path(sys.argv[1])
    scores = {name: score(loaded) for name, loaded in load_all(folder)}
    (folder / f"{keras.backend.backend()}.json").write_text(json.dumps(scores))


@pytest.mark.once
def test_an_axis_of_size_1_may_be_left_out():
    """Keras adds it to the network's inputs; null conditions are to be mixed in all the same."""
    network = MLP(FLOW, (6,), width=8, num_blocks=1, conditions=(3, 1))
    for null in ([1.0, 2.0, 3.0], [[1.0], [2.0], [3.0]]):
        options = {"null_condition": np.array(null), "condition_dropout": 0.5, "seed": 0}
        model = randomize(BayesianFlowNetwork(FLOW, network, **options))
        model.compile(keras.optimizers.SGD(0.0))
        told, found = TOLD["zoom"], []
        for form in (told, told[..., None]):
            samples = model.generate(3, 4, "ode1", form[:3], guidance_scale=2.0, **OPTIONS)
            with seeded(model.seed_generator, 1):
                fitted = model.fit((X, form), batch_size=3, shuffle=False, verbose=0).history
            with seeded(model.seed_generator, 1):
                trained = model.train_on_batch((X[:3], form[:3]))
            found.append((samples, fitted["loss"], trained))
        for one, other in zip(*found, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-5)


class AddsCondition(layers.Layer):
    """A network that declares no inputs, and takes conditions of shape (num, 1) as they are."""

    def call(self, inputs):
        told = ops.cast(inputs["condition"], "float32")
        return ops.zeros((*ops.shape(inputs["theta"])[:-1], 3)) + told[:, :, None]


def test_a_network_of_ones_own_is_given_conditions_in_their_own_shape():
    model = BayesianFlowNetwork(FLOW, AddsCondition(), event_shape=(6,), seed=0)
    told = np.arange(4.0)[:, None]
    result = model.generate(4, 1, condition=told, return_details=True, **OPTIONS)
    np.testing.assert_allclose(result.trajectory.params[0, :, 0, 0], told[:, 0])
    params = model.predict_params(np.zeros((4, 6, 3), "float32"), np.zeros(4), told).params
    np.testing.assert_allclose(to_numpy(params)[:, 0, 0], told[:, 0])


@pytest.mark.once
def test_a_null_condition_does_not_change_with_the_array_it_was_made_of():
    null = np.zeros(3, "float32")
    network = MLP(FLOW, (6,), width=8, num_blocks=1, conditions=(3,))
    model = BayesianFlowNetwork(FLOW, network, null_condition=null)
    null[:] = 5
    assert (model.null_condition == 0).all()
