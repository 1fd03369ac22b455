"""What the losses look at, and what they refuse."""

import json

import keras
import numpy as np
import pytest
from keras import ops
from numpy.testing import assert_allclose, assert_array_equal

from keras_bfn import Prediction, losses, testing
from keras_bfn.flows import CircularFlow, ContinuousFlow, DiscreteFlow, DiscretizedFlow
from keras_bfn.losses import (
    ContinuousTimeLoss,
    CrossEntropyLoss,
    DiscreteTimeLoss,
    ReconstructionLoss,
)
from tests.backends import everywhere
from tests.tensors import to_numpy, to_tensor, value_and_gradient


@pytest.mark.parametrize("num_steps", [1, 2, 3, 7, 20, 100, 1000])
def test_n_step_times_are_the_starts_of_the_steps_each_as_often(num_steps):
    uniform = (np.arange(10 * num_steps) + 0.5) / (10 * num_steps)
    times = to_numpy(DiscreteTimeLoss(num_steps).times(to_tensor(uniform)))
    assert_allclose(times, np.repeat(np.arange(num_steps), 10) / num_steps, atol=1e-7)


def test_n_step_times_stay_on_the_grid_next_to_1():
    for num_steps in range(1, 200):
        last = DiscreteTimeLoss(num_steps).times(to_tensor([1 - 2.0**-24]))
        assert_allclose(to_numpy(last), [(num_steps - 1) / num_steps], atol=1e-7)


def test_continuous_time_looks_everywhere_and_the_reconstruction_at_the_end():
    uniform = to_tensor([0.0, 0.25, 0.9])
    assert_array_equal(to_numpy(ContinuousTimeLoss().times(uniform)), to_numpy(uniform))
    assert_array_equal(to_numpy(ReconstructionLoss().times(uniform)), 1)


@pytest.mark.parametrize("num_steps", everywhere({str(n): n for n in (1, 3, 20, 1000)}, "20"))
def test_every_step_is_charged_for_its_own_accuracy(num_steps):
    flow = ContinuousFlow(sigma_1=0.1, prediction="data")
    loss = DiscreteTimeLoss(num_steps)
    t = loss.times(to_tensor((np.arange(num_steps) + 0.5) / num_steps))
    # The error is 1 throughout.
    zeros = ops.zeros((num_steps, 1, 1))
    nats = to_numpy(loss(flow, np.ones((num_steps, 1)), Prediction(t, zeros, None, zeros)))[:, 0]
    beta = 0.1 ** (-2 * np.arange(num_steps + 1) / num_steps) - 1
    # The more steps, the more digits the difference of two accuracies loses.
    rounding = 1e-5 + 3e-7 * num_steps
    assert_allclose(nats, num_steps * 0.5 * np.diff(beta), rtol=rounding)


def test_continuous_time_loss_is_the_formula():
    flow, t = DiscreteFlow(3, beta_1=2.0), np.float32([0.0, 0.5, 1.0])
    params = np.log([[[0.2, 0.3, 0.5]]] * 3)
    prediction = Prediction(t, None, None, to_tensor(params))
    nats = ContinuousTimeLoss()(flow, np.ones((3, 1), "int32"), prediction)
    squared_error = 0.2**2 + 0.7**2 + 0.5**2
    assert_allclose(to_numpy(nats)[:, 0], 1.5 * 4.0 * t * squared_error, rtol=1e-5)


@pytest.mark.once
def test_more_messages_vary_less_about_the_same_mean(seed):
    flow, num = DiscreteFlow(3, beta_1=2.0), 20_000
    x, t = np.zeros((num, 1), "int32"), np.zeros(num, "float32")
    prediction = Prediction(t, None, None, ops.zeros((num, 1, 3)))
    one, ten = (
        to_numpy(DiscreteTimeLoss(4, num_samples)(flow, x, prediction, seed))
        for num_samples in (1, 10)
    )
    assert_allclose(one.var() / ten.var(), 10, rtol=0.1)
    assert abs(one.mean() - ten.mean()) < 5 * one.std() * num**-0.5


@pytest.mark.parametrize("interval", [(0.2, 0.9), (0.0, 1.0), (0.0, 0.3)])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.7])
def test_times_of_cross_entropy_have_its_density(interval, share):
    loss = CrossEntropyLoss(interval, share)
    uniform = (np.arange(100_000) + 0.5) / 100_000
    shares, edges = np.histogram(to_numpy(loss.times(to_tensor(uniform))), 50, (0, 1))
    density = to_numpy(loss.density(to_tensor((edges[1:] + edges[:-1]) / 2)))
    # Linear within bins, but for the one at the tip.
    assert np.mean(np.abs(shares / 2000 - density)) < 0.005


def test_cross_entropy_is_worth_the_continuous_time_loss_and_has_its_own_gradient():
    flow, t = DiscreteFlow(3, beta_1=2.0), np.float32([0.1, 0.55, 0.95])
    x, params = np.int32([[0], [1], [2]]), np.float32([[[0.3, -1.0, 0.5]]] * 3)
    loss = CrossEntropyLoss()

    def cost(loss):
        return lambda params: loss(flow, x, Prediction(to_tensor(t), None, None, params))

    found, slopes = value_and_gradient(cost(loss), params)
    bound, _ = value_and_gradient(cost(ContinuousTimeLoss()), params)
    assert_allclose(found[:, 0], bound[:, 0] / [0.3, 2.3, 0.3], rtol=1e-5)
    probs = np.exp(params[0, 0]) / np.exp(params[0, 0]).sum()
    expected = 2 * t[:, None] * (probs - np.eye(3))
    assert_allclose(slopes[:, 0], expected, rtol=1e-4)
    # By the probability of each class, the gradient at the true posterior is 0.
    at_the_posterior = (probs[:, None] * (probs - np.eye(3))).sum(axis=0)
    assert_allclose(at_the_posterior, 0, atol=1e-7)


def test_cross_entropy_of_what_is_not_classes_is_learnt_by_the_continuous_time_loss():
    flow, t = DiscretizedFlow(4, sigma_1=0.1, prediction="data"), np.float32([0.55])
    x, params = np.int32([[1]]), np.float32([[[0.3, -1.0]]])

    def cost(loss):
        return lambda params: loss(flow, x, Prediction(to_tensor(t), None, None, params))

    _, slopes = value_and_gradient(cost(CrossEntropyLoss()), params)
    _, expected = value_and_gradient(cost(ContinuousTimeLoss()), params)
    assert_allclose(slopes, expected / 2.3, rtol=1e-5)


LOSSES = [ContinuousTimeLoss(), CrossEntropyLoss((0.1, 0.8), 0.6), DiscreteTimeLoss(20, 3)]


@pytest.mark.parametrize("loss", [*LOSSES, ReconstructionLoss()])
def test_config_and_serialisation_round_trip(loss):
    saved = json.dumps(keras.saving.serialize_keras_object(loss))
    for other in (
        type(loss).from_config(loss.get_config()),
        keras.saving.deserialize_keras_object(json.loads(saved)),
    ):
        assert type(other) is type(loss)
        assert other.get_config() == loss.get_config()


def test_get_takes_names_and_losses():
    assert isinstance(losses.get("continuous_time"), ContinuousTimeLoss)
    assert losses.get("cross_entropy") == CrossEntropyLoss()
    loss = DiscreteTimeLoss(3)
    assert losses.get(loss) is loss


CLASSES, NUMBERS = DiscreteFlow(num_classes=2, beta_1=3.0), ContinuousFlow(sigma_1=0.1)


@pytest.mark.parametrize(
    ("flow", "expected"),
    [
        (CLASSES, CrossEntropyLoss()),
        ({"a": CLASSES, "b": CLASSES}, CrossEntropyLoss()),
        (NUMBERS, ContinuousTimeLoss()),
        (DiscretizedFlow(num_bins=4, sigma_1=0.1), ContinuousTimeLoss()),
        (CircularFlow(), ContinuousTimeLoss()),
        ({"a": CLASSES, "b": NUMBERS}, ContinuousTimeLoss()),
    ],
    ids=["classes", "parts of classes", "numbers", "bins", "angles", "classes and numbers"],
)
def test_the_default_loss_is_the_cross_entropy_for_classes_alone(flow, expected):
    assert losses.get("auto", flow) == losses.get(None, flow) == expected


@pytest.mark.once
@pytest.mark.parametrize(
    "loss", [ContinuousTimeLoss(), CrossEntropyLoss(), DiscreteTimeLoss(7)], ids=repr
)
def test_losses_keep_the_contract(loss):
    testing.check_loss(loss)
