"""Guided by what is given, away from not knowing it: p(x)^(1 - scale) p(x | given)^scale."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_bfn
from keras_bfn.flows import DiscreteFlow
from tests.checks import assert_draws_follow
from tests.tensors import to_tensor

JOINT = np.array([[[0.16, 0.04], [0.1, 0.1]], [[0.05, 0.25], [0.1, 0.2]]])
NUM = 5000
GIVEN = np.full((NUM, 3), -1)
GIVEN[:, 2] = 1


class TriplePosterior(keras.layers.Layer):
    """The exact log odds of three dependent bits."""

    def call(self, inputs):
        theta = ops.clip(inputs["theta"][..., 0], 0.0, 1.0)
        first, second, third = (
            ops.log(ops.clip(ops.stack([1.0 - bit, bit], axis=-1), 1e-30, 1.0))
            for bit in ops.unstack(theta, 3, axis=1)
        )
        log_joint = to_tensor(np.log(JOINT)) + first[:, :, None, None]
        log_joint = log_joint + second[:, None, :, None] + third[:, None, None, :]
        marginals = [ops.logsumexp(log_joint, axis=axes) for axes in ((2, 3), (1, 3), (1, 2))]
        return ops.stack([log[:, 1:] - log[:, :1] for log in marginals], axis=1)


@pytest.fixture(scope="module")
def model():
    flow = DiscreteFlow(2, beta_1=12.0)
    return keras_bfn.AnyOrderNetwork(flow, TriplePosterior(), event_shape=(3,), seed=0)


def guided(given, without, scale):
    """Of probabilities with what is given, and without it."""
    found = without ** (1.0 - scale) * given**scale
    return found / found.sum(axis=-1, keepdims=True)


@pytest.mark.slow_to_compile
@pytest.mark.parametrize("scale", [0.0, 1.0, 2.0])
def test_what_was_drawn_stays_known_where_what_is_given_is_forgotten(model, scale):
    x = model.generate(
        NUM,
        order=np.arange(3),
        given=GIVEN,
        guidance_scale=scale,
        seed=0,
        batch_size=NUM,
        verbose=0,
    )
    assert (x[:, 2] == 1).all()
    both, alone = JOINT[:, :, 1] / JOINT[:, :, 1].sum(), JOINT.sum(axis=2)
    first = guided(both.sum(axis=1), alone.sum(axis=1), scale)
    second = guided(
        both / both.sum(axis=1, keepdims=True), alone / alone.sum(axis=1, keepdims=True), scale
    )
    assert_draws_follow((first[:, None] * second).ravel(), 2 * x[:, 0] + x[:, 1])


@pytest.mark.slow_to_compile
@pytest.mark.parametrize("scale", [1.0, 2.0])
def test_messages_are_guided_too(model, scale):
    given = GIVEN.copy()
    given[:, 1] = 0
    x = model.generate(
        NUM, 50, "sde2", given=given, guidance_scale=scale, seed=0, batch_size=NUM, verbose=0
    )
    probs = guided(JOINT[:, 0, 1] / JOINT[:, 0, 1].sum(), JOINT.sum(axis=(1, 2)), scale)
    assert_draws_follow(probs, x[:, 0])
