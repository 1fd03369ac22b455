"""Classes: labels dropped in training, and guidance in sampling."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_bfn
from tests.models.small import EVENT_SHAPE, FLOWS, ConditionNetwork, make_data
from tests.tensors import to_numpy, to_tensor, value_and_gradient

NULL = 3


@pytest.fixture(scope="module")
def binary():
    """For tests that change nothing in it."""
    return make_class_model("binary", condition_dropout=0.1)


def make_class_model(name="discrete", **kwargs):
    flow = FLOWS[name]()
    keras.utils.set_random_seed(0)
    network = keras_bfn.networks.MLP(flow, EVENT_SHAPE, width=16, num_blocks=1, conditions=3)
    # New networks answer nothing, and so the same for all classes.
    for weight in network.trainable_weights:
        weight.assign(keras.random.normal(weight.shape, stddev=0.3))
    return keras_bfn.BayesianFlowNetwork(flow, network, seed=0, **kwargs)


def guide_of(scale):
    return keras_bfn.guidance.ClassifierFreeGuidance().calling(to_tensor(scale))


@pytest.mark.once
def test_guidance_goes_on_from_no_class_through_the_class():
    model = make_class_model()
    theta = to_tensor(np.random.default_rng(0).dirichlet(np.ones(5), (4, *EVENT_SHAPE)))
    t = to_tensor([0.1, 0.3, 0.5, 0.9])
    condition = ops.convert_to_tensor([0, 1, 2, 0], dtype="int32")
    scale = np.array([0.0, 1.0, 2.0, -1.0])
    s = ops.log(theta)
    with_class = to_numpy(model.predict_params(s, t, condition).params)
    without = to_numpy(model.predict_params(s, t, ops.full_like(condition, NULL)).params)
    assert np.abs(with_class - without).max() > 0.1
    guided = to_numpy(model.predict_params(s, t, condition, guide=guide_of(scale)).params)
    expected = without + scale.reshape(-1, 1, 1, 1, 1) * (with_class - without)
    np.testing.assert_allclose(guided, expected, rtol=1e-4, atol=1e-5)


ONE_NUMBER = np.array([[0.3], [-0.2], [0.1], [0.4]], "float32")  # two with a class, two without


def guide_one_number(outputs, rescale):
    guidance = keras_bfn.guidance.ClassifierFreeGuidance(2.0, rescale=rescale)
    return guidance.of_both(outputs, to_tensor([2.0, 2.0]))


@pytest.mark.parametrize("rescale", [0.0, 1.0])
def test_one_number_is_guided_and_not_rescaled(rescale):
    found = to_numpy(guide_one_number(to_tensor(ONE_NUMBER), rescale))
    np.testing.assert_allclose(found, [[0.5], [-0.8]], rtol=1e-5)


@pytest.mark.parametrize("rescale", [0.0, 0.5, 1.0])
def test_the_gradient_of_one_number_is_finite(rescale):
    _, gradient = value_and_gradient(
        lambda outputs: ops.sum(guide_one_number(outputs, rescale), axis=1), ONE_NUMBER
    )
    np.testing.assert_allclose(gradient, [[2.0], [2.0], [-1.0], [-1.0]], rtol=1e-5)


@pytest.mark.once
def test_guidance_is_one_call_of_the_network_on_a_batch_twice_as_large(monkeypatch):
    model = make_class_model()
    batches = []
    ask = type(model.network).__call__

    def counted(network, inputs, *args, **kwargs):
        batches.append(len(inputs["theta"]))
        return ask(network, inputs, *args, **kwargs)

    monkeypatch.setattr(type(model.network), "__call__", counted)
    s, t = ops.ones((4, *EVENT_SHAPE, 5)), ops.zeros((4,))
    model.predict_params(s, t, ops.zeros((4,), "int32"), guide=guide_of(np.ones(4)))
    assert batches == [8]


@pytest.mark.slow_to_compile
def test_scale_1_is_the_class_and_scale_0_is_none(binary):
    condition = np.array([0, 1, 2, 1])
    kwargs = {"num_steps": 4, "sampler": "ode1", "seed": 0, "verbose": 0}

    def generate(condition, **more):
        trajectory = binary.generate(
            4, condition=condition, return_details=True, **kwargs, **more
        ).trajectory
        return trajectory.params

    plain = generate(condition)
    guided = {scale: generate(condition, guidance_scale=scale) for scale in (0.0, 1.0 + 1e-6, 3.0)}
    np.testing.assert_allclose(guided[1.0 + 1e-6], plain, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(guided[0.0], generate(np.full(4, NULL)), rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(guided[0.0], generate(None), rtol=1e-3, atol=1e-3)
    assert np.abs(guided[3.0] - plain).max() > 0.1


def test_another_scale_compiles_nothing_anew():
    model = make_class_model("binary", condition_dropout=0.1)
    for scale in (2.0, 3.0):
        model.generate(2, 2, condition=[0, 1], guidance_scale=scale, verbose=0)
    assert len(model.programs.kept) == 1


@pytest.mark.once
def test_labels_are_dropped_at_the_rate_asked_for_and_in_training_alone(monkeypatch):
    model = make_class_model(condition_dropout=0.25)
    seen = []
    prediction = keras_bfn.BayesianFlowNetwork.predict_params

    def watched(self, s, t, condition, *args, **kwargs):
        seen.append(to_numpy(condition))
        return prediction(self, s, t, condition, *args, **kwargs)

    monkeypatch.setattr(keras_bfn.BayesianFlowNetwork, "predict_params", watched)
    x = make_data(model.flow, 2000)
    condition = np.arange(2000, dtype="int32") % 3
    model((x, condition), training=True)
    model((x, condition), training=False)
    dropped = seen[0] == NULL
    np.testing.assert_array_equal(seen[0][~dropped], condition[~dropped])
    assert dropped.mean() == pytest.approx(0.25, abs=5 * np.sqrt(0.25 * 0.75 / 2000))
    for conditions in seen[1:]:
        np.testing.assert_array_equal(conditions, condition)


@pytest.mark.once
def test_a_conditional_model_trains_and_keeps_its_dropout(tmp_path):
    model = make_class_model("binary", condition_dropout=0.5)
    model.compile(keras.optimizers.AdamW(1e-2))
    x, condition = make_data(model.flow, 24), np.arange(24, dtype="int32") % 3

    def output_without_condition():
        s, t = ops.zeros((1, *EVENT_SHAPE, 2)), ops.zeros((1,))
        return to_numpy(model.predict_params(s, t, ops.full((1,), NULL, dtype="int32")).params)

    before = output_without_condition()
    model.fit((x, condition), epochs=2, batch_size=8, verbose=0)
    after = output_without_condition()
    assert np.abs(after - before).max() > 1e-3
    model.save(tmp_path / "model.keras")
    assert keras.saving.load_model(tmp_path / "model.keras").condition_dropout == 0.5


def test_an_own_network_with_a_null_condition_is_guided():
    flow = FLOWS["binary"]()
    network = ConditionNetwork(flow.output_size, conditions=4)
    network.null_condition = NULL
    model = keras_bfn.BayesianFlowNetwork(flow, network, EVENT_SHAPE, condition_dropout=0.1, seed=0)
    samples = model.generate(2, 2, condition=[0, 1], guidance_scale=2.0, verbose=0)
    assert samples.shape == (2, *EVENT_SHAPE)


class Sum(keras.layers.Layer):
    """Returns the sum of its conditions."""

    def __init__(self):
        super().__init__()
        self.null_condition = {"label": 5, "style": 7}

    def call(self, inputs):
        told = inputs["condition"]
        total = ops.cast(told["label"] + 10 * told["style"], "float32")
        return ops.zeros((*ops.shape(inputs["theta"])[:-1], 1)) + total[:, None, None]


def make_sum_model(dropout):
    flow = keras_bfn.flows.DiscreteFlow(2, beta_1=3.0)
    return keras_bfn.AnyOrderNetwork(
        flow, Sum(), event_shape=(2,), condition_dropout=dropout, seed=0
    )


@pytest.mark.once
@pytest.mark.parametrize(
    ("dropout", "expected"),
    [
        (0.5, 75 + 2 * (21 - 75)),
        ({"label": 0.5, "style": 0.1}, 75 + 2 * (21 - 75)),
        ({"label": 0.5}, 25 + 2 * (21 - 25)),
        ({"label": 0.0, "style": 0.5}, 71 + 2 * (21 - 71)),
    ],
)
def test_conditions_that_training_never_drops_are_not_strengthened(dropout, expected):
    """The network has not learnt what their null conditions mean."""
    model = make_sum_model(dropout)
    told = {"label": ops.ones((1,), "int32"), "style": ops.full((1,), 2, "int32")}
    s, t = ops.zeros((1, 2, 2)), ops.full((1, 2), 0.5)
    params = model.predict_params(s, t, told, guide=guide_of([2.0])).params
    np.testing.assert_allclose(to_numpy(params), expected)


@pytest.mark.once
@pytest.mark.parametrize("given", [None, [[1, -1]]])
@pytest.mark.parametrize("dropout", [0.0, {"label": 0.0}])
def test_a_null_condition_that_was_never_learnt_is_warned_of(dropout, given):
    told = {"label": [1], "style": [2]}
    with pytest.warns(UserWarning, match="has not learnt it"):
        make_sum_model(dropout).generate(
            1, 1, condition=told, guidance_scale=2.0, given=given, verbose=0
        )


@pytest.mark.once
@pytest.mark.parametrize("verb", ["generate", "encode"])
@pytest.mark.parametrize(
    ("dropout", "told", "missing"),
    [
        (0.0, {"label": [1]}, ["style"]),
        (0.0, None, ["label", "style"]),
        ({"label": 0.5}, None, ["style"]),
        ({"style": 0.5}, {"label": [1]}, None),
        (0.0, {"label": [1], "style": [2]}, None),
    ],
)
def test_a_condition_left_out_is_warned_of_if_its_null_was_never_learnt(
    dropout, told, missing, verb, recwarn
):
    model = make_sum_model(dropout)
    if verb == "generate":
        model.generate(1, 1, condition=told, verbose=0)
    else:
        x = np.zeros((1, *model.event_shape), "int32")
        model.encode(x, 1, condition=told, verbose=0)
    found = [str(each.message) for each in recwarn if "leaves out" in str(each.message)]
    assert len(found) == (missing is not None)
    assert missing is None or str(missing) in found[0]


@pytest.mark.once
@pytest.mark.parametrize("dropout", [0.0, 0.1])
def test_a_student_learnt_the_null_condition_if_its_teacher_did(dropout, recwarn):
    student = keras_bfn.distillation.make_student(make_class_model(condition_dropout=dropout))
    student.generate(1, 1, verbose=0)
    assert any("leaves out" in str(each.message) for each in recwarn) == (dropout == 0.0)
