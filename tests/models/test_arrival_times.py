"""A network that declares "t_next" gets the time after the next message in every verb."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from keras_bfn import AnyOrderNetwork, BayesianFlowNetwork
from keras_bfn.flows import ContinuousFlow, DiscreteFlow
from keras_bfn.losses import DiscreteTimeLoss
from keras_bfn.networks import MLP, Transformer
from keras_bfn.orders import Blocks, Groups
from keras_bfn.samplers import AncestralSampler
from tests.tensors import to_numpy

FLOW = ContinuousFlow(sigma_1=0.5, prediction="data")
SIZE, NUM_STEPS, VALUE = 3, 4, 0.7
X = np.full((NUM_STEPS, SIZE), VALUE, "float32")  # stratified times are those of all messages
OPTIONS = {"batch_size": NUM_STEPS, "seed": 0, "verbose": 0}
MODELS = {"shared": BayesianFlowNetwork, "variables": AnyOrderNetwork}


def make_model(times):
    """A model whose network answers with the time that a message takes, for each variable."""
    shape = (SIZE,) if times == "variables" else ()
    theta, t = keras.Input((SIZE, 1), name="theta"), keras.Input(shape, name="t")
    t_next = keras.Input((), name="t_next")
    own = t if times == "variables" else ops.repeat(t[:, None], SIZE, axis=1)
    taken = ops.repeat(t_next[:, None], SIZE, axis=1) - own
    outputs = layers.Dense(1, use_bias=False, kernel_initializer="ones")(taken[..., None])
    network = keras.Model({"theta": theta, "t": t, "t_next": t_next}, outputs + 0.0 * theta)
    model = MODELS[times](FLOW, network, seed=0)
    model.compile(keras.optimizers.SGD(0.0), loss=DiscreteTimeLoss(NUM_STEPS))
    return model


def cost(prediction):
    """Nats of all messages about a variable, if each is predicted as this."""
    return 0.5 * float(FLOW.schedule.beta(1.0)) * (VALUE - prediction) ** 2


@pytest.fixture(scope="module", params=MODELS)
def model(request):
    return make_model(request.param)


@pytest.mark.slow_to_compile
def test_each_message_arrives_where_the_next_one_leaves(model):
    """In training, evaluation and scoring: of n messages, each takes 1 / n."""
    if isinstance(model, AnyOrderNetwork):  # whose training has other states, too
        model.states = {"together": 1.0}
    expected = cost(1 / NUM_STEPS)
    assert model.train_on_batch(X) == pytest.approx(expected, rel=1e-4)
    logs = model.evaluate(X, batch_size=NUM_STEPS, return_dict=True, verbose=0)
    assert logs["loss"] == pytest.approx(expected, rel=1e-4)
    for num_steps in (NUM_STEPS, 2):
        nats = model.code_length(X, num_steps, **OPTIONS)["transmission"].mean()
        assert nats == pytest.approx(SIZE * cost(1 / num_steps), rel=1e-4)


@pytest.mark.slow_to_compile
def test_of_infinitely_many_messages_each_takes_no_time(model):
    x = np.repeat(X, 100, axis=0)
    nats = model.code_length(x, batch_size=len(x), seed=0, verbose=0)
    assert nats["transmission"].mean() == pytest.approx(SIZE * cost(0.0), rel=0.01)


@pytest.mark.slow_to_compile
def test_samples_are_predicted_knowing_the_next_time(model):
    sampler = AncestralSampler(start=0.1)
    result = model.generate(2, NUM_STEPS, sampler, return_details=True, seed=0, verbose=0)
    taken = result.trajectory.params[..., 0]
    np.testing.assert_allclose(taken[:-1], 0.9 / NUM_STEPS, rtol=1e-4)
    np.testing.assert_allclose(taken[-1], 0.0, atol=1e-6)


@pytest.mark.once
def test_and_by_default_that_messages_take_no_time(model):
    t = np.full(NUM_STEPS, 0.3, "float32")
    s = model.sample_evidence(X, t)
    np.testing.assert_allclose(to_numpy(model.predict_params(s, t).params), 0.0, atol=1e-6)
    later = to_numpy(model.predict_params(s, t, t_next=t + 0.2).params)
    np.testing.assert_allclose(later, 0.2, rtol=1e-5)


@pytest.mark.once
def test_in_an_order_messages_arrive_for_the_group_that_is_sent():
    model = make_model("variables")
    for order in (Blocks(1), Blocks(2)):
        num_groups = order.count_groups((SIZE,))
        options = {"num_repeats": num_groups, "order": order, **OPTIONS}
        nats = model.code_length(X, NUM_STEPS, **options)["transmission"].mean()
        assert nats == pytest.approx(SIZE * cost(1 / NUM_STEPS), rel=1e-4)
        assert np.isfinite(model.generate(2, NUM_STEPS, order=order, seed=0, verbose=0)).all()
    known = np.arange(SIZE) < 1
    nats = model.code_length(X, NUM_STEPS, known=known, **OPTIONS)["transmission"].mean()
    assert nats == pytest.approx((SIZE - 1) * cost(1 / NUM_STEPS), rel=1e-4)


class Arrival(layers.Layer):
    """Log odds by the time of arrival: class 1 is certain at 0, and class 0 at any other."""

    jumps = True

    def call(self, inputs):
        odds = ops.where(inputs["t_next"] == 0.0, 50.0, -50.0)
        return odds[:, None, None] + 0.0 * inputs["theta"]


@pytest.mark.once
def test_what_is_coded_directly_has_no_messages_that_arrive():
    flow = DiscreteFlow(2, beta_1=2.0)
    model = AnyOrderNetwork(flow, Arrival(), event_shape=(SIZE,), seed=0)
    ones = np.ones((4, SIZE), "int32")
    for order in ("random", "left_to_right", Groups([0, 1, 1])):
        assert (model.generate(4, order=order, seed=0, verbose=0) == 1).all()
        nats = model.code_length(ones, order=order, num_repeats=SIZE, **OPTIONS)
        np.testing.assert_allclose(nats["reconstruction"], 0.0, atol=1e-4)
    model.states = {"random": 1.0}
    outputs = model(ops.convert_to_tensor(ones), training=True)
    loss = model.compute_loss(ones, y_pred=outputs, training=True)
    np.testing.assert_allclose(to_numpy(loss), 0.0, atol=1e-4)


@pytest.mark.once
def test_networks_of_this_package_learn_and_draw_by_it():
    flow = DiscreteFlow(3, beta_1=3.0)
    x = np.random.default_rng(0).integers(0, 3, (16, 4))
    small = {"width": 8, "num_layers": 1, "num_heads": 2, "times": "variables", "causal": True}
    for model in (
        BayesianFlowNetwork(flow, MLP(flow, (4,), 8, 1, jumps=True), seed=0),
        AnyOrderNetwork(flow, Transformer(flow, 4, jumps=True, **small), seed=0),
    ):
        model.compile("adam", loss=DiscreteTimeLoss(5))
        history = model.fit(x, validation_data=x, verbose=0).history
        assert all(np.isfinite(values).all() for values in history.values())
        flow.check_data(model.generate(4, 3, verbose=0))
        flow.check_data(model.inpaint(x, np.arange(4) < 2, 3, verbose=0))
    flow.check_data(model.generate(4, 3, order="left_to_right", verbose=0))
