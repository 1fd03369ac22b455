"""`code_length`: units, repeats, and agreement with `evaluate`."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_bfn
from keras_bfn.models.programs import RepeatedBatches
from tests.backends import everywhere
from tests.injected_noise import injected_noise
from tests.models.small import FLOWS, make_data, make_model, predict_at


@pytest.mark.slow_to_compile
@pytest.mark.parametrize(
    "num_steps", [None, *(pytest.param(n, marks=pytest.mark.once) for n in (10, 1))]
)
@pytest.mark.parametrize("name", everywhere(list(FLOWS), "discretized"))
@pytest.mark.usefixtures("xla")
def test_each_example_gets_a_code_length_in_two_parts(name, num_steps):
    flow = FLOWS[name]()
    nats = make_model(flow).code_length(make_data(flow), num_steps, batch_size=10, verbose=0)
    assert set(nats) == {"transmission", "reconstruction"}
    for part in nats.values():
        assert part.shape == (24,)
        assert np.isfinite(part).all()


@pytest.mark.slow_to_compile("tensorflow")
@pytest.mark.parametrize("name", everywhere(list(FLOWS), "discrete", "continuous"))
def test_one_program_scores_any_number_of_messages_as_the_loss_does(name, monkeypatch):
    flow = FLOWS[name]()
    x = make_data(flow)
    num = len(x)
    options = {"batch_size": num, "seed": 0, "verbose": 0}
    calls = []
    predict_params = keras_bfn.BayesianFlowNetwork.predict_params

    def count(*args, **kwargs):
        calls.append(1)
        return predict_params(*args, **kwargs)

    with injected_noise():
        model = make_model(flow)
        monkeypatch.setattr(keras_bfn.BayesianFlowNetwork, "predict_params", count)
        found, traces = {}, []
        for num_steps in (3, 1, 20):
            found[num_steps] = model.code_length(x, num_steps, **options)["transmission"]
            traces.append(len(calls))
        monkeypatch.undo()
        assert len(model.programs.kept) == 1
        if keras.backend.backend() != "torch":  # which traces nothing
            assert traces[0] == traces[-1]
        for num_steps, nats in found.items():
            loss = keras_bfn.losses.DiscreteTimeLoss(num_steps)
            t = loss.times(keras_bfn.losses.stratified_uniform(num))
            prediction = predict_at(model, x, t)
            expected = ops.convert_to_numpy(loss(flow, x, prediction)).reshape(num, -1).sum(axis=1)
            np.testing.assert_allclose(nats, expected, rtol=1e-4, atol=1e-5)
    assert np.abs(found[3] - found[20]).max() > 1e-3


@pytest.mark.once
def test_and_so_it_does_in_an_order():
    flow = keras_bfn.flows.DiscreteFlow(3, beta_1=3.0)
    x = np.random.default_rng(0).integers(0, 3, (6, 4))
    options = {"order": keras_bfn.orders.Blocks(2), "seed": 0, "verbose": 0}

    def make():
        keras.utils.set_random_seed(0)
        network = keras_bfn.networks.MLP(flow, (4,), width=8, num_blocks=1, times="variables")
        return keras_bfn.AnyOrderNetwork(flow, network, seed=0)

    model = make()
    for num_steps in (2, 9):
        found = model.code_length(x, num_steps, **options)["transmission"]
        alone = make().code_length(x, num_steps, **options)["transmission"]
        np.testing.assert_array_equal(found, alone)
    assert len(model.programs.kept) == 1
    model.code_length(x, **options)  # infinitely many are of another loss
    assert len(model.programs.kept) == 2


@pytest.mark.slow_to_compile("tensorflow")
@pytest.mark.parametrize("name", everywhere(list(FLOWS), "discretized"))
def test_code_length_agrees_with_evaluate(name):
    flow = FLOWS[name]()
    x = np.repeat(make_data(flow), 100, axis=0)
    model = make_model(flow)
    nats = model.code_length(x, batch_size=1200, seed=0, verbose=0)
    logs = model.evaluate(x, batch_size=1200, verbose=0, return_dict=True)
    for part, metric in (("transmission", "loss"), ("reconstruction", "reconstruction")):
        per_variable = nats[part] / x[0].size
        standard_error = np.sqrt(2) * per_variable.std() / np.sqrt(len(x))
        assert abs(per_variable.mean() - logs[metric]) < 4 * standard_error + 1e-6


def test_a_repeat_for_each_step_looks_once_at_each():
    x = make_data(FLOWS["binary"]())
    batches = RepeatedBatches({"x": x}, len(x), num_repeats=20, batch_size=12)
    loss = keras_bfn.losses.DiscreteTimeLoss(20)
    steps = []
    for index in range(batches.num_batches):
        (inputs,) = batches[index]
        uniform = ops.convert_to_numpy(keras_bfn.losses.stratified_uniform(12, seed=index))
        times = loss.times(inputs["low"] + (inputs["high"] - inputs["low"]) * uniform)
        steps.append(20 * ops.convert_to_numpy(times))
    steps = np.reshape(steps, (20, 24))
    np.testing.assert_allclose(steps, np.repeat(np.arange(20)[:, None], 24, axis=1), atol=1e-4)


def test_repeats_of_few_examples_fill_batches():
    batches = RepeatedBatches({"x": np.arange(3)}, 3, num_repeats=20, batch_size=16)
    assert (batches.num, batches.num_batches) == (60, 4)
    inputs = [batches[i][0] for i in range(4)]
    x, low, high = (np.concatenate([one[name] for one in inputs]) for name in ("x", "low", "high"))
    np.testing.assert_array_equal(x, np.arange(64) % 60 % 3)
    repeats = np.arange(64) % 60 // 3
    np.testing.assert_allclose([low, high], [repeats / 20, (repeats + 1) / 20], rtol=1e-6)


def test_examples_keep_their_places():
    flow = FLOWS["binary"]()
    x = np.repeat(make_data(flow, num=3), 8, axis=0)
    model = make_model(flow)
    rng = np.random.default_rng(0)
    weights = model.network.get_weights()
    model.network.set_weights([w + 0.5 * rng.standard_normal(w.shape) for w in weights])
    nats = model.code_length(x, num_repeats=25, batch_size=7, seed=0, verbose=0)
    total = (nats["transmission"] + nats["reconstruction"]).reshape(3, 8)
    assert total.std(axis=1).max() < 0.5 * total.mean(axis=1).std()


@pytest.mark.slow_to_compile
@pytest.mark.parametrize("name", everywhere(list(FLOWS), "binary", "discrete"))
def test_the_mean_of_the_loss_by_time_is_the_transmission_loss(name):
    flow = FLOWS[name]()
    model, x = make_model(flow), make_data(flow, 10)
    profile = model.loss_by_time(x, num_intervals=8, batch_size=4, seed=0, verbose=0)
    nats = model.code_length(x, num_repeats=8, batch_size=4, seed=0, verbose=0)
    np.testing.assert_allclose(profile["t"], (np.arange(8) + 0.5) / 8, rtol=1e-6)
    np.testing.assert_allclose(profile["loss"].mean(), nats["transmission"].mean(), rtol=1e-5)
