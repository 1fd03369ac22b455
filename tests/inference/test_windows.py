"""Series go on to any horizon, window by window: by exact networks, as the process does."""

import keras
import numpy as np
import pytest
from keras import ops
from numpy.testing import assert_allclose, assert_array_equal, assert_equal

from keras_bfn import BayesianFlowNetwork
from keras_bfn._backend.operations import one_by_one
from keras_bfn.flows import ContinuousFlow, DiscreteFlow, DiscretizedFlow
from tests.checks import assert_draws_follow
from tests.models import parts
from tests.models.small import FLOWS, make_model
from tests.tensors import to_tensor

once = pytest.mark.once

# An autoregressive process: what stays from step to step, and the standard deviation in the end.
STAYS, STD = 0.8, 0.2
WINDOW = 6


class NormalSeriesPosterior(keras.layers.Layer):
    """The exact mean of normal variables, `(length, 1)`, of this covariance, given evidence."""

    def __init__(self, flow, covariance):
        super().__init__()
        self.flow, self.precision = flow, np.linalg.inv(covariance)

    def call(self, inputs):
        beta = self.flow.schedule.beta(inputs["t"])
        s = (1.0 + beta[..., None]) * inputs["theta"]
        precision = to_tensor(self.precision) + beta * to_tensor(np.eye(len(self.precision)))
        return one_by_one(ops.solve)(precision, s[..., 0])[..., None]


@once
def test_numbers_go_on_as_their_process_does():
    """Far beyond the window: means, variances, and correlations from each step to the next.

    In 60 messages the variances of all steps are a tenth too small, and they do not drift.
    """
    num, horizon, last = 4000, 16, 0.4
    steps = np.arange(WINDOW)
    covariance = STD**2 * STAYS ** np.abs(steps[:, None] - steps)
    flow = ContinuousFlow(sigma_1=0.02, prediction="data")
    network = NormalSeriesPosterior(flow, covariance)
    model = BayesianFlowNetwork(flow, network, (WINDOW, 1), times="variables", seed=0)
    past = np.full((num, 9, 1), last, "float32")
    x = model.forecast(past, horizon, 60, seed=0, batch_size=num, verbose=0)
    assert x.shape == (num, horizon, 1)
    x, ahead = x[..., 0], np.arange(1, horizon + 1)
    variance = STD**2 * (1 - STAYS ** (2 * ahead))
    assert_allclose(x.mean(axis=0), last * STAYS**ahead, atol=4.5 * STD / num**0.5 + 0.002)
    assert_allclose(x.var(axis=0), variance, rtol=0.2)
    found = [np.corrcoef(x[:, i], x[:, i + 1])[0, 1] for i in range(horizon - 1)]
    assert_allclose(found, STAYS * np.sqrt(variance[:-1] / variance[1:]), atol=0.035)


CHANCES = np.array([[0.7, 0.2, 0.1], [0.1, 0.6, 0.3], [0.3, 0.1, 0.6]])  # from row to column
FIRST = np.linalg.matrix_power(CHANCES, 100)[0]
LENGTH = 4


class ChainPosterior(keras.layers.Layer):
    """The exact marginals of `LENGTH` classes of a Markov chain, given the evidence about all."""

    def call(self, inputs):
        log_joint, s = np.log(FIRST), ops.log(ops.maximum(inputs["theta"], 1e-30))
        for _ in range(LENGTH - 1):
            log_joint = log_joint[..., None] + np.log(CHANCES)
        axes = range(1, LENGTH + 1)
        log_joint = to_tensor(log_joint)[None]
        for i in axes:
            shape = [3 if axis == i else 1 for axis in axes]
            log_joint = log_joint + ops.reshape(s[:, i - 1], (-1, *shape))
        marginals = [ops.logsumexp(log_joint, [a for a in axes if a != i]) for i in axes]
        return ops.stack(marginals, axis=1)


@pytest.fixture(scope="module")
def chain():
    flow = DiscreteFlow(3, beta_1=8.0)
    return BayesianFlowNetwork(flow, ChainPosterior(), (LENGTH,), times="variables", seed=0)


@once
@pytest.mark.parametrize("stride", [None, 1, 3])
def test_classes_that_are_told_go_on_by_the_chances_of_their_chain(chain, stride):
    num, horizon = 3000, 9
    past = np.tile([2, 2, 0, 1, 0], (num, 1)).astype("int8")
    options = {"order": "left_to_right", "batch_size": num, "seed": 0, "verbose": 0}
    x = chain.forecast(past, horizon, stride=stride, **options)
    assert (x.shape, x.dtype) == ((num, horizon), "int32")
    chances = CHANCES[past[0, -1]]
    assert_draws_follow(chances, x[:, 0])
    for i in range(1, horizon):
        pairs = chances[:, None] * CHANCES
        assert_draws_follow(pairs.ravel(), 3 * x[:, i - 1] + x[:, i])
        chances = pairs.sum(axis=0)


def test_of_one_window_it_is_what_inpainting_draws(chain):
    x = np.array([[0, 1, -1, -1], [2, 0, -1, -1], [-1, 0, -1, -1]])
    options = {"num_steps": 5, "seed": 3, "verbose": 0}
    known = np.arange(LENGTH) < 2
    completed = chain.inpaint(x, known & (x >= 0), **options)
    assert_array_equal(chain.forecast(x[:, :2], 2, **options), completed[:, 2:])
    # A shorter horizon is the beginning of a longer one.
    longer = chain.forecast(x[:, :2], 11, **options)
    assert_array_equal(longer[:, :2], completed[:, 2:])
    assert_array_equal(chain.forecast(x[:, :2], 7, **options), longer[:, :7])


@once
@pytest.mark.parametrize("times", ["shared", "variables"])
def test_parts_go_on_side_by_side(times):
    """Of any shape, if they have one length."""
    flow = {
        "word": DiscreteFlow(3, 1.0),
        "size": ContinuousFlow(),
        "image": DiscretizedFlow(5, sigma_1=0.2),
    }
    shapes = {"word": (4,), "size": (4, 2), "image": (4, 2, 1)}
    model = parts.make_model(flow, shapes, times=times)
    past = parts.make_data(flow, {name: (6, *shape[1:]) for name, shape in shapes.items()}, num=5)
    options = {"num_steps": 3, "verbose": 0}
    found = model.forecast(past, 5, stride=3, seed=0, **options)
    assert {name: x.shape for name, x in found.items()} == {
        name: (5, 5, *shape[1:]) for name, shape in shapes.items()
    }
    seen = {
        name: np.pad(x[:, -1:], [(0, 0), (0, 3), *[(0, 0)] * (x.ndim - 2)])
        for name, x in past.items()
    }
    mask = {
        name: np.reshape(np.arange(4) < 1, (4, *[1] * (len(shape) - 1)))
        for name, shape in shapes.items()
    }
    first = model.inpaint(seen, mask, seed=0, **options)
    assert_equal(
        {name: x[:, :3] for name, x in found.items()}, {n: x[:, 1:] for n, x in first.items()}
    )
    assert (model.forecast(past, 5, **options)["size"] != found["size"]).any()


@once
def test_models_of_no_series_are_told():
    flow = {"word": DiscreteFlow(3, 1.0), "tag": DiscreteFlow(3, 1.0)}
    for shapes in (
        {"word": (4,), "tag": ()},
        {"word": (4,), "tag": (3,)},
        {"word": (1,), "tag": (1,)},
    ):
        model = parts.make_model(flow, shapes)
        with pytest.raises(
            ValueError, match=r"`event_shape` must be \(length, ...\) for a forecast"
        ):
            model.forecast(parts.make_data(flow, shapes, num=2), 3)
    images = make_model(FLOWS["binary"](), compiled=False)
    assert images.forecast(np.zeros((2, 3, 4, 1), "int32"), 9, 2, verbose=0).shape == (2, 9, 4, 1)
