"""Whatever a network returns, at any time: losses and gradients are finite, samples are data."""

import keras
import numpy as np
import pytest
from hypothesis import strategies as st

from keras_bfn import Prediction
from keras_bfn.losses import ContinuousTimeLoss, DiscreteTimeLoss, ReconstructionLoss
from tests.backends import everywhere
from tests.numbers.cases import (
    EDGE_OUTPUTS,
    EDGE_TIMES,
    KINDS,
    ROWS,
    cases,
    check_many,
    how_many,
    powers,
)
from tests.tensors import to_numpy, to_tensor, value_and_gradient

LOSSES = {
    "continuous time": ContinuousTimeLoss(),
    "1 step": DiscreteTimeLoss(1),
    "a million steps": DiscreteTimeLoss(1_000_000),
    "reconstruction": ReconstructionLoss(),
}
OUTPUTS = st.one_of(
    st.sampled_from([sign * size for size in EDGE_OUTPUTS for sign in (1, -1)]),
    st.floats(-30, 30, width=32),
)
TIMES = st.one_of(st.sampled_from(EDGE_TIMES), st.floats(0, 1, width=32))


def as_float32(values):
    assert keras.backend.standardize_dtype(values.dtype) == "float32"
    values = to_numpy(values)
    assert values.shape[0] == ROWS
    return values


def rounding(flow):
    """Of a sum of all probabilities: PyTorch's softmax of 65,536 is off by 3e-5."""
    return 3e-6 + 1e-9 * flow.num_values


def check_losses(case):
    flow, x, t, params = case[:4]
    for name, loss in LOSSES.items():
        looked = loss.times(to_tensor(np.minimum(t, 1 - 2.0**-24)))
        s = flow.sample_evidence(x, looked, case.noise()["evidence"])

        def nats(params, loss=loss, looked=looked, s=s):
            return loss(flow, x, Prediction(looked, s, None, params), case.noise()["evidence"])

        value, gradient = value_and_gradient(nats, params)
        assert np.isfinite(value).all(), name
        assert np.isfinite(gradient).all(), name
        if name == "continuous time":
            assert value.min() >= 0


def check_outputs(case):
    flow, x, t, params = case[:4]
    s = flow.sample_evidence(x, to_tensor(t), case.noise()["evidence"])
    theta = as_float32(flow.input_params(s, flow.schedule.beta(t)))
    assert np.isfinite(as_float32(s)).all()
    low, high = flow.theta_range
    if flow.discrete and low == 0:
        assert low <= theta.min() <= theta.max() <= high
        if flow.theta_size > 1:
            np.testing.assert_allclose(theta.sum(axis=-1), 1, atol=rounding(flow))
    assert np.isfinite(theta).all()

    output = flow.output_distribution(to_tensor(params), s, to_tensor(t))
    assert np.isfinite(as_float32(output.mean())).all()
    assert np.isfinite(as_float32(flow.expected_embedding(output))).all()
    for drawn in (output.mode(), output.sample(case.noise()["sample"])):
        flow.check_data(keras.ops.convert_to_numpy(drawn))
    if flow.discrete:
        log_probs = as_float32(output.log_probs())
        # None of the differences of cumulative probabilities is negative, or above 1.
        assert log_probs.max() <= 1e-6
        assert not np.isnan(log_probs).any()
        probs = as_float32(output.probs())
        np.testing.assert_allclose(probs.sum(axis=-1), 1, atol=rounding(flow))


@pytest.fixture(autouse=True)
def policy():
    yield
    keras.config.set_dtype_policy("float32")


@pytest.mark.slow_to_compile("jax")
@how_many
@pytest.mark.parametrize("kind", everywhere(KINDS, "discretized"))
def test_what_is_said_of_data_is_finite(kind, num, num_values):
    def check(case):
        keras.config.set_dtype_policy(case.policy)  # that of networks: it changes nothing of flows
        check_losses(case)
        check_outputs(case)

    check_many(cases(kind, num_values, OUTPUTS, TIMES, powers(1e-6, 0.999)), check, num)
