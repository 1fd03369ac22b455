"""What is exported is a function of named tensors; files of it are read in `tests/saving`."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_bfn
from keras_bfn.models.exported import EXAMPLE_ROWS, make_function
from keras_bfn.samplers import AncestralSampler, SDE2Sampler
from tests.models.small import FLOWS, ConditionNetwork, make_model
from tests.tensors import to_numpy

pytestmark = pytest.mark.once

SHAPE = (EXAMPLE_ROWS, 4, 4, 1)


@pytest.fixture(scope="module")
def model():
    return make_model(FLOWS["discrete"]())


def test_a_step_takes_a_state_two_times_and_the_noise_that_it_needs(model):
    _, inputs = make_function(model, AncestralSampler(), None, False)
    assert {"state", "t", "t_next"} < set(inputs)
    assert tuple(inputs["state"].shape) == (*SHAPE, 5)
    noise = {name: tuple(x.shape) for name, x in inputs.items()}
    for name in ("state", "t", "t_next"):
        del noise[name]
    assert (*SHAPE, 5) in noise.values()  # of a message
    assert SHAPE in noise.values()  # of a class that is drawn


def test_a_step_returns_the_models_prediction_and_a_state_of_the_same_form(model):
    function, inputs = make_function(model, SDE2Sampler(start=0.05), None, False)
    rng = np.random.default_rng(0)
    state = keras.tree.map_structure(
        lambda x: ops.convert_to_tensor(rng.standard_normal(x.shape), x.dtype), inputs["state"]
    )
    times = {"t": ops.convert_to_tensor(0.4), "t_next": ops.convert_to_tensor(0.5)}
    outputs = function({**inputs, "state": state, **times})
    prediction = model.predict_params(state[0], np.full(EXAMPLE_ROWS, 0.4, "float32"))
    np.testing.assert_allclose(
        to_numpy(outputs["params"]), to_numpy(prediction.params), rtol=1e-5, atol=1e-5
    )
    assert set(outputs) == {"next_state", "params", "x"}
    keras.tree.assert_same_structure(outputs["next_state"], state)


@pytest.mark.parametrize("start", [0.0, 0.2])
def test_the_state_matters_after_the_first_step_alone(model, start):
    function, inputs = make_function(model, AncestralSampler(start=start), None, False)

    def params(t, value):
        state = value * ops.ones(inputs["state"].shape) * ops.arange(5, dtype="float32")
        times = {"t": ops.convert_to_tensor(t), "t_next": ops.convert_to_tensor(0.9)}
        return to_numpy(function({**inputs, "state": state, **times})["params"])

    np.testing.assert_array_equal(params(start, 1.0), params(start, 2.0))
    assert np.abs(params(start + 0.1, 1.0) - params(start + 0.1, 2.0)).max() > 1e-3


def test_the_network_alone_is_the_models_in_float32(model):
    function, inputs = make_function(model, None, None, False)
    assert set(inputs) == {"theta", "t"}
    rng = np.random.default_rng(0)
    theta = ops.convert_to_tensor(rng.random((*SHAPE, 5)).astype("float32"))
    t = ops.convert_to_tensor([0.2, 0.7])
    found = function({"theta": theta, "t": t})["params"]
    np.testing.assert_array_equal(
        to_numpy(found), to_numpy(model.network({"theta": theta, "t": t}))
    )


def test_conditions_are_inputs_and_a_scale_if_they_guide():
    flow = FLOWS["discrete"]()
    network = keras_bfn.networks.MLP(flow, (4, 4, 1), 8, 1, conditions=3)
    model = keras_bfn.BayesianFlowNetwork(flow, network, condition_dropout=0.1)
    for guided in (False, True):
        _, inputs = make_function(model, AncestralSampler(), None, guided)
        assert tuple(inputs["condition"].shape) == (EXAMPLE_ROWS,)
        assert ("guidance_scale" in inputs) is guided


def test_guidance_away_from_a_null_condition_that_was_not_learnt_warns():
    flow = FLOWS["discrete"]()
    network = keras_bfn.networks.MLP(flow, (4, 4, 1), 8, 1, conditions=3)
    model = keras_bfn.BayesianFlowNetwork(flow, network)
    make_function(model, AncestralSampler(), None, guided=False)
    with pytest.warns(UserWarning, match="`guided` guides away .* has not learnt it"):
        make_function(model, AncestralSampler(), None, guided=True)


def test_a_step_follows_the_rule_that_guides_it():
    class Difference(keras_bfn.guidance.ClassifierFreeGuidance):
        def combine(self, params, without, scale):
            return keras_bfn.flows.expand(scale, params) * (params - without)

    flow = FLOWS["discrete"]()
    network = keras_bfn.networks.MLP(flow, (4, 4, 1), 8, 1, conditions=3, shortcut=False)
    for weight in network.trainable_weights:
        weight.assign(keras.random.normal(weight.shape, seed=0))
    model = keras_bfn.BayesianFlowNetwork(flow, network, condition_dropout=0.1)
    function, inputs = make_function(model, SDE2Sampler(), None, Difference())
    times = {"t": ops.convert_to_tensor(0.4), "t_next": ops.convert_to_tensor(0.5)}
    found = function({**inputs, **times, "guidance_scale": ops.convert_to_tensor([1.0, 3.0])})
    s, t = inputs["state"][0], np.full(EXAMPLE_ROWS, 0.4, "float32")
    with_one, without = (
        to_numpy(model.predict_params(s, t, condition=ops.convert_to_tensor(c)).params)
        for c in (inputs["condition"], [3, 3])
    )
    assert np.abs(with_one - without).max() > 0.1
    expected = np.array([1.0, 3.0]).reshape(2, 1, 1, 1, 1) * (with_one - without)
    np.testing.assert_allclose(to_numpy(found["params"]), expected, rtol=1e-4, atol=1e-4)


def test_a_network_that_declares_no_condition_is_told_of_one_by_an_example():
    flow = FLOWS["discrete"]()
    network = ConditionNetwork(flow.output_size)
    model = keras_bfn.BayesianFlowNetwork(flow, network, event_shape=(4, 4, 1))
    function, inputs = make_function(model, None, np.array([2]), False)
    assert to_numpy(inputs["condition"]).tolist() == [2] * EXAMPLE_ROWS
    assert tuple(function(inputs)["params"].shape) == (*SHAPE, 5)
