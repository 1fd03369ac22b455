"""The model itself: what it knows when it is made, what it predicts from, and what it says.

Its verbs are tested by what they do: `fit` and `evaluate` in `test_training.py`, `generate`,
`encode` and `code_length` beside this file, `inpaint` in `tests/guidance`, files and presets in
`test_saving.py`, `tests/presets` and `tests/saving`, and all of them in `tests/orders`.
"""

import keras
import numpy as np
import pytest

from keras_bfn import BayesianFlowNetwork, losses
from keras_bfn.flows import ContinuousFlow, DiscreteFlow
from keras_bfn.networks import MLP
from tests.models.parts import EVENT_SHAPES, FLOWS, NUM_VARIABLES
from tests.models.parts import make_model as make_parts_model
from tests.models.small import EVENT_SHAPE, ConditionNetwork, make_data, make_model
from tests.tensors import to_numpy

pytestmark = pytest.mark.once

FLOW = DiscreteFlow(3, beta_1=2.0)
X = make_data(FLOW, num=6)


@pytest.fixture(scope="module")
def model():
    return make_model(FLOW)


def test_the_shape_of_an_example_is_that_of_the_network_that_of_the_argument_or_that_of_data(model):
    assert model.event_shape == EVENT_SHAPE
    assert model.built
    given = BayesianFlowNetwork(FLOW, ConditionNetwork(3), event_shape=EVENT_SHAPE)
    assert (given.event_shape, given.built) == (EVENT_SHAPE, False)
    unknown = BayesianFlowNetwork(FLOW, ConditionNetwork(3))
    assert unknown.event_shape is None
    unknown.compile("sgd")
    unknown.fit(X, verbose=0)
    assert unknown.event_shape == EVENT_SHAPE
    with pytest.raises(ValueError, match=r"`x` must have shape .*\(4, 4, 1\)"):
        unknown.fit(X[:, :2], verbose=0)


def test_variables_are_counted_over_all_parts(model):
    assert model.num_variables == 16
    parts = make_parts_model()
    assert parts.event_shape == EVENT_SHAPES
    assert parts.num_variables == NUM_VARIABLES
    assert {f"{name}_nats_per_example" for name in FLOWS} < set(parts.trackers)


def test_the_network_is_told_the_input_distribution_and_the_time(model):
    t = np.linspace(0, 1, 6).astype("float32")
    s = model.sample_evidence(X, t)
    prediction = model.predict_params(s, t)
    theta = FLOW.input_params(s, FLOW.schedule.beta(t))
    np.testing.assert_allclose(to_numpy(prediction.theta), to_numpy(theta), rtol=1e-6)
    expected = model.network({"theta": prediction.theta, "t": keras.ops.convert_to_tensor(t)})
    np.testing.assert_array_equal(to_numpy(prediction.params), to_numpy(expected))


def test_outputs_of_a_network_in_half_precision_are_float32():
    half = make_model(FLOW, compiled=False, dtype="bfloat16")
    prediction = half.predict_params(np.zeros((2, *EVENT_SHAPE, 3), "float32"), np.zeros(2))
    assert keras.backend.standardize_dtype(prediction.params.dtype) == "float32"


def test_unobserved_variables_reach_the_network_as_before_the_first_message(model):
    t = np.linspace(0, 1, 6).astype("float32")
    observed = np.random.default_rng(0).random(X.shape) < 0.5
    prediction = model.predict_params(model.sample_evidence(X, t), t, observed=observed)
    np.testing.assert_array_equal(to_numpy(prediction.s)[~observed], 0)
    np.testing.assert_allclose(to_numpy(prediction.theta)[~observed], 1 / 3, rtol=1e-6)


def test_a_call_predicts_once_in_training_and_else_also_at_the_end(model):
    training, evaluated = model(X, training=True), model(X)
    assert set(evaluated) - set(training) == {"reconstruction"}
    assert len(np.unique(to_numpy(training["transmission"].t))) == 6  # one for each example
    assert (to_numpy(evaluated["reconstruction"].t) == 1).all()
    assert set(evaluated["states"]) == {"transmission", "reconstruction"}
    for name, state in evaluated["states"].items():
        np.testing.assert_array_equal(to_numpy(state.t), to_numpy(evaluated[name].t))


def test_a_prediction_from_data_is_refused_by_the_names_of_what_to_call(model):
    for predict in (model.predict, model.predict_on_batch):
        with pytest.raises(
            TypeError, match=r"`generate`.*`inpaint`.*`code_length`.*`predict_params`"
        ):
            predict(X)


class SeesTheNextTime(keras.layers.Layer):
    """Adds up the time and the time after the next message."""

    jumps = True

    def call(self, inputs):
        t, t_next = (keras.ops.expand_dims(inputs[name], (1, 2, 3, 4)) for name in ("t", "t_next"))
        return keras.ops.zeros_like(inputs["theta"]) + t + 100.0 * t_next


@pytest.mark.parametrize(
    ("loss", "steps"), [(losses.DiscreteTimeLoss(4), 4), (losses.ContinuousTimeLoss(), None)]
)
def test_a_network_can_take_the_time_after_the_next_message(loss, steps):
    model = BayesianFlowNetwork(FLOW, SeesTheNextTime(), EVENT_SHAPE, seed=0)
    model.compile(loss=loss)
    outputs = model(X)
    for name, times in (("transmission", steps), ("reconstruction", None)):
        t, seen = (to_numpy(x) for x in (outputs[name].t, outputs[name].params[:, 0, 0, 0, 0]))
        expected = t if times is None else t + 1 / times
        np.testing.assert_allclose(seen, t + 100 * expected, rtol=1e-5)
    trajectory = model.generate(2, 4, seed=0, return_details=True, verbose=0).trajectory
    t, seen = trajectory.t, trajectory.params[:, 0, 0, 0, 0, 0]
    np.testing.assert_allclose(seen, t + 100 * np.append(t[1:], 1.0), rtol=1e-5)


def test_a_model_that_is_made_of_its_config_is_the_same_but_for_its_weights():
    network = MLP(FLOW, EVENT_SHAPE, 8, 1, conditions=3)
    options = {"condition_dropout": 0.25, "null_condition": 1, "seed": 7, "name": "mine"}
    model = BayesianFlowNetwork(FLOW, network, **options)
    config = keras.saving.serialize_keras_object(model)
    again = keras.saving.deserialize_keras_object(config)
    assert again.get_config() == model.get_config()
    assert (again.condition_dropout, again.null_condition, again.seed) == (0.25, 1, 7)
    assert (again.flow, again.name, again.conditional) == (FLOW, "mine", True)
    again.set_weights(model.get_weights())
    kwargs = {"condition": [0, 1], "seed": 0, "verbose": 0}
    np.testing.assert_array_equal(*(made.generate(2, 3, **kwargs) for made in (model, again)))


@pytest.mark.parametrize(
    ("flow", "loss"),
    [(FLOW, losses.CrossEntropyLoss()), (ContinuousFlow(0.1), losses.ContinuousTimeLoss())],
)
def test_a_model_is_compiled_by_the_loss_of_its_data(flow, loss):
    model = make_model(flow, compiled=False)
    assert model.transmission_loss == loss
    model.compile(loss=losses.DiscreteTimeLoss(3), num_repeats=2)
    assert model.transmission_loss == losses.DiscreteTimeLoss(3)
    assert model.num_repeats == 2
    model.compile()
    assert (model.transmission_loss, model.num_repeats) == (loss, 1)
    assert isinstance(model.optimizer, keras.optimizers.AdamW)


@pytest.mark.parametrize("num_repeats", [4, 500])
def test_the_repeats_of_an_example_are_evenly_spaced_in_time(num_repeats):
    model = make_model(ContinuousFlow(0.1), compiled=False)
    model.compile(num_repeats=num_repeats)
    outputs = model(np.zeros((3, *EVENT_SHAPE), "float32"))
    t = to_numpy(outputs["transmission"].t).reshape(num_repeats, 3)
    np.testing.assert_allclose(np.diff(t, axis=0), 1 / num_repeats, atol=1e-6)
    places = np.sort(t.ravel()) * 3 * num_repeats
    np.testing.assert_allclose(np.diff(places), 1, atol=1e-2)
    assert t.min() >= 0
    assert t.max() < 1
