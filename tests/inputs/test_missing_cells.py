"""Missing cells of tables, what is refused, and what is saved of missing variables."""

import numpy as np
import pytest

import keras_bfn
from keras_bfn import BayesianFlowNetwork
from keras_bfn.flows import ContinuousFlow, DiscreteFlow, DiscretizedFlow
from keras_bfn.networks import MLP, MultiPart
from tests.injected_noise import noise_of_places
from tests.inputs.test_missing import (
    FLOWS,
    LONG,
    NUM,
    OPTIONS,
    SHORT,
    TIME,
    make_data,
    make_model,
    pad,
    randomize,
)
from tests.models.parts import CLASSES
from tests.tensors import to_numpy

TABLE = {
    "price": ContinuousFlow(sigma_1=0.2),
    "kind": DiscreteFlow(3, beta_1=2.0),
    "marks": DiscretizedFlow(5, sigma_1=0.2),
}
COLUMNS = {"price": (2,), "kind": (), "marks": (3,)}


def make_table():
    rng = np.random.default_rng(0)
    x = {
        "price": rng.uniform(-1, 1, (NUM, 2)).astype("float32"),
        "kind": rng.integers(0, 3, NUM),
        "marks": rng.integers(0, 5, (NUM, 3)),
    }
    holes = {name: values.copy() for name, values in x.items()}
    holes["price"][0, 1] = holes["price"][2] = np.nan
    holes["kind"][1] = holes["marks"][0, 0] = holes["marks"][3, 2] = -1
    return x, holes


def make_table_model(times="shared", **options):
    network = MultiPart(TABLE, COLUMNS, width=8, num_blocks=1, mixer="mlp", times=times)
    model = CLASSES[times](TABLE, randomize(network), seed=0, **options)
    model.compile("sgd")
    return model


@pytest.mark.once
def test_cells_of_a_table_may_be_missing():
    x, holes = make_table()
    there = {name: holes[name] == x[name] for name in x}
    model, plain = make_table_model(allow_missing=True), make_table_model()
    with noise_of_places(TIME):
        nats = model.code_length(holes, **OPTIONS)
        logs = model.evaluate(holes, return_dict=True, **OPTIONS)
        # By hand: no evidence about what is missing, and the costs of all else.
        t = np.full(NUM, TIME, "float32")
        losses = {
            "transmission": (keras_bfn.losses.ContinuousTimeLoss(), t),
            "reconstruction": (keras_bfn.losses.ReconstructionLoss(), t * 0 + 1),
        }
        for name, (loss, t) in losses.items():
            s = plain.sample_evidence(x, t)
            s = {part: to_numpy(s[part]) * there[part][..., None] for part in s}
            predictions = plain.predict_params(s, t)
            for part, flow in TABLE.items():
                cost = to_numpy(loss(flow, x[part], predictions[part])) * there[part]
                cost = cost.reshape(NUM, -1).sum(axis=1)
                found = nats["parts"][part][name]
                np.testing.assert_allclose(found, cost, rtol=1e-4, atol=1e-6)
    assert nats["parts"]["kind"]["transmission"][1] == 0
    num = sum(mask.sum() for mask in there.values())
    total = sum(values.sum() for name, values in nats.items() if name != "parts")
    assert logs["bits_per_dim"] == pytest.approx(total / num / np.log(2), rel=1e-5)
    assert logs["nats_per_example"] == pytest.approx(total / NUM, rel=1e-5)
    history = model.fit(holes, validation_data=holes, verbose=0).history
    assert all(np.isfinite(values).all() for values in history.values())
    completed = model.inpaint(holes, num_steps=2, num_particles=2, verbose=0)
    for name, mask in there.items():
        np.testing.assert_array_equal(completed[name][mask], x[name][mask])
        assert (completed[name] >= TABLE[name].data_range[0]).all()


@pytest.mark.once
def test_missing_cells_of_what_is_given_are_drawn():
    _, holes = make_table()
    model = make_table_model("variables", allow_missing=True)
    options = {"num_steps": 3, "sampler": "ode1", "seed": 0, "verbose": 0}
    given = {"price": holes["price"]}
    samples = model.generate(NUM, given=given, **options)
    known = ~np.isnan(holes["price"])
    np.testing.assert_array_equal(samples["price"][known], holes["price"][known])
    assert np.isfinite(samples["price"]).all()
    filled = {"price": np.nan_to_num(holes["price"], nan=0.7)}
    predictions = model.generate(NUM, given=given, return_details=True, **options).trajectory
    others = model.generate(NUM, given=filled, return_details=True, **options).trajectory
    assert all(np.isfinite(predictions[part].params).all() for part in predictions)
    there = ~np.isnan(holes["price"]).any(axis=1)
    for part in ("kind", "marks"):
        close = np.isclose(predictions[part].params, others[part].params, atol=1e-4)
        assert close[:, there].all()
        assert not close[:, ~there].all()
    nats = model.code_length(holes, known=["price"], **OPTIONS)
    assert np.isfinite(nats["transmission"]).all()


@pytest.mark.once
@pytest.mark.parametrize("name", ["discrete", "levels", "numbers"])
def test_what_is_missing_is_refused_where_the_model_does_not_allow_it(name):
    flow = FLOWS[name]
    model = make_model(flow, masked=False)
    x = pad(make_data(flow, SHORT))
    codec = keras_bfn.codec.Codec(model).compress if flow.discrete else model.encode
    for verb in (model.fit, model.evaluate, model.code_length, model.encode, codec):
        with pytest.raises(ValueError, match=r"`x` must .*allow_missing=True"):
            verb(x, verbose=0)


@pytest.mark.once
@pytest.mark.parametrize("dtype", ["uint8", "bool", "int8"])
def test_data_that_cannot_hold_minus_1_have_missing_variables_all_the_same(dtype):
    flow = DiscreteFlow(2, beta_1=2.0)
    x = np.random.default_rng(0).integers(0, 2, (NUM, LONG)).astype(dtype)
    model, options = make_model(flow), {"num_steps": 2, "seed": 0, "verbose": 0}
    completed = model.inpaint(x, True, lengths=SHORT, **options)
    np.testing.assert_array_equal(completed[:, :SHORT], x[:, :SHORT])
    assert (completed[:, SHORT:] == -1).all()
    np.testing.assert_array_equal(model.inpaint(x, **options), x)  # nothing is missing
    codec = keras_bfn.codec.Codec(model, num_steps=2)
    back = codec.decompress(codec.compress(x, verbose=0), verbose=0)
    assert back.dtype == x.dtype
    np.testing.assert_array_equal(back, x)


@pytest.mark.once
def test_other_numbers_below_zero_are_refused_where_it_does():
    x = pad(make_data(FLOWS["discrete"], SHORT))
    for wrong in (-2, 3):
        with pytest.raises(ValueError, match=r"`x` must lie in \[0, 2\]"):
            make_model(FLOWS["discrete"]).fit(np.where(x < 0, wrong, x), verbose=0)
    numbers = np.where(x < 0, np.inf, 0.5).astype("float32")
    with pytest.raises(ValueError, match="`x` must be finite"):
        make_model(FLOWS["numbers"]).fit(numbers, verbose=0)


@pytest.mark.once
def test_lengths_are_of_models_that_allow_missing_variables_and_of_parts_with_axes():
    with pytest.raises(ValueError, match=r"`lengths` must be None unless .*allow_missing=True"):
        make_model(FLOWS["discrete"], masked=False).generate(2, 2, lengths=3, verbose=0)
    table, options = make_table_model(allow_missing=True), {"num_steps": 2, "verbose": 0}
    x = table.generate(2, lengths={"marks": [1, 3]}, **options)
    np.testing.assert_array_equal(x["marks"] >= 0, [[True, False, False], [True] * 3])
    assert (x["kind"] >= 0).all()
    for wrong in ({"kind": 1}, {"marks": 4}, {"size": 1}, 4):
        with pytest.raises(ValueError, match=r"Argument `lengths.* must.*Received"):
            table.generate(2, lengths=wrong, **options)


@pytest.mark.once
def test_missing_variables_are_saved_with_the_model(tmp_path):
    flow = FLOWS["discrete"]
    network = MLP(flow, (LONG,), width=8, num_blocks=1)
    for made in (BayesianFlowNetwork(flow, network, allow_missing=True), make_model(flow)):
        made.save_to_preset(tmp_path)
        assert BayesianFlowNetwork.from_preset(tmp_path).allow_missing
