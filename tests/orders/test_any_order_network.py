"""What a network is given of variables with times of their own, and what its answer costs."""

import numpy as np
import pytest

import keras_bfn
from keras_bfn import Prediction
from keras_bfn.flows import ContinuousFlow, DiscreteFlow, FactorNormal, JointNormal
from keras_bfn.losses import ContinuousTimeLoss
from keras_bfn.networks import MLP
from keras_bfn.orders import states
from keras_bfn.orders.any_order_network import hear_each
from keras_bfn.predictions import output_distributions
from tests.models.parts import PAIR_FLOWS, draw_pairs, make_pair_model
from tests.tensors import to_numpy, to_tensor

pytestmark = pytest.mark.once

RNG = np.random.default_rng(0)
FLOW, T = DiscreteFlow(3, beta_1=2.0), np.array([0.3, 0.8], "float32")
S = RNG.standard_normal((2, 4, 3)).astype("float32")
MASK = np.array([[1, 1, 0, 1], [0, 1, 1, 1]], bool)
KNOWN = np.array([[1, 0, 0, 0], [0, 0, 1, 0]], bool)


def test_what_is_known_is_certain_and_is_heard_as_at_the_end():
    """Its evidence is the mean of that at t = 1, c beta_1 e(x), and its own time is 1."""
    x = np.array([[2, 0, 0, 0], [0, 0, 1, 0]])
    s = np.where(KNOWN[..., None], to_numpy(FLOW.known_evidence(to_tensor(x))), S)
    heard = hear_each(FLOW, s, T, MASK, to_tensor(KNOWN) > 0)
    t, s, theta = (to_numpy(found) for found in heard)
    np.testing.assert_allclose(theta[KNOWN], np.eye(3)[x[KNOWN]], atol=1e-6)
    np.testing.assert_allclose(s[KNOWN], 3 * 2.0 * np.eye(3)[x[KNOWN]], rtol=1e-5)
    expected = np.where(KNOWN, 1.0, np.where(MASK, T[:, None], 0.0))
    np.testing.assert_allclose(t, expected, rtol=1e-6)


@pytest.mark.parametrize("kind", [JointNormal, FactorNormal])
def test_by_a_joint_prior_output_distributions_follow_from_what_is_known(kind):
    """Numbers that vary less, given others, than messages tell: they are not told by noisy ones."""
    loadings = RNG.standard_normal((4, 1)).astype("float32")
    parts = np.zeros(4, "float32"), loadings, np.full(4, 1e-4, "float32")
    prior = FactorNormal(*parts)
    prior = prior if kind is FactorNormal else JointNormal(prior.mean, prior.covariance)
    flow = ContinuousFlow(sigma_1=0.2, prediction="residual", prior=prior)
    x = np.where(KNOWN, 0.5, np.nan).astype("float32")
    s = np.where(KNOWN, to_numpy(flow.known_evidence(to_tensor(x)))[..., 0], 0.0)
    t, s, theta = hear_each(flow, s[..., None], 0.0 * T, None, to_tensor(KNOWN) > 0)
    output = flow.output_distribution(to_tensor(np.zeros((2, 4, 1), "float32")), s, t)
    expected = np.clip(prior.complete(x), -1.0, 1.0)
    np.testing.assert_allclose(to_numpy(output.mean()), expected, atol=2e-4)
    np.testing.assert_allclose(to_numpy(theta)[..., 0], prior.complete(x), atol=2e-4)


def test_what_is_coded_directly_costs_its_log_probability_and_what_is_not_sent_nothing():
    x = RNG.integers(0, 3, (2, 4))
    made = Prediction(to_tensor(T), to_tensor(S), None, to_tensor(RNG.standard_normal((2, 4, 3))))
    messages, coded = np.array([[1.0, 0, 0, 2.0]] * 2), np.array([[0, 1.0, 0, 0]] * 2)
    loss = ContinuousTimeLoss()
    found = states.cost(loss, FLOW, x, made, to_tensor(messages), to_tensor(coded), None)
    log_prob = to_numpy(output_distributions(FLOW, made).log_prob(to_tensor(x)))
    expected = messages * to_numpy(loss(FLOW, x, made)) - coded * log_prob
    np.testing.assert_allclose(to_numpy(found), expected, rtol=1e-5)


def test_a_network_with_times_of_variables_is_for_this_class_alone():
    own, shared = (MLP(FLOW, (4,), 8, 1, times=times) for times in ("variables", "shared"))
    assert keras_bfn.AnyOrderNetwork(FLOW, own).time_shape == (4,)
    assert keras_bfn.BayesianFlowNetwork(FLOW, shared).time_shape is None
    with pytest.raises(ValueError, match=r"'variables' are for `keras_bfn\.AnyOrderNetwork`"):
        keras_bfn.BayesianFlowNetwork(FLOW, own)
    with pytest.raises(ValueError, match=r"must take 't' of shape \(4,\) for each example"):
        keras_bfn.AnyOrderNetwork(FLOW, shared)


def test_costs_of_parts_are_those_of_the_variables_that_are_sent():
    """Those of a known part are none, in the state in which the other part is sent."""
    model, x = make_pair_model(times="variables"), draw_pairs(6)
    loss, u = ContinuousTimeLoss(), to_tensor(np.linspace(0.1, 0.9, 6))
    shape, known = model.event_shape, {"word": np.ones(6, bool), "flag": np.zeros((6, 1), bool)}
    x = {name: to_tensor(values) for name, values in x.items()}
    state = states.scored_state(
        shape,
        model.order,
        False,
        "transmission",
        loss,
        u,
        x,
        None,
        None,
        {name: to_tensor(values) > 0 for name, values in known.items()},
    )
    predictions = model.predict_state(state, loss, x, None, None)
    found = model.costs(loss, x, predictions, state)
    np.testing.assert_array_equal(to_numpy(found["word"]), 0.0)
    expected = loss(PAIR_FLOWS["flag"], x["flag"], predictions["flag"])
    np.testing.assert_allclose(to_numpy(found["flag"]), to_numpy(expected), rtol=1e-5)
