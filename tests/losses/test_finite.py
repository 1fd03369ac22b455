"""No loss, gradient or sample is NaN or infinite, whatever the network answers, at any time."""

import itertools

import numpy as np
import pytest
from keras import ops

from keras_bfn.flows import ContinuousFlow, DiscreteFlow, DiscretizedFlow
from keras_bfn.losses import ContinuousTimeLoss, DiscreteTimeLoss, ReconstructionLoss
from tests.tensors import to_numpy, to_tensor, value_and_gradient

TIMES = [0, 1e-8, 1e-6, 1e-3, 0.5, 0.999, 1]
OUTPUTS = [0, 1, -1, 1e4, -1e4]
LOSSES = {
    "continuous_time": (ContinuousTimeLoss(), TIMES),
    "1_step": (DiscreteTimeLoss(1), [0]),
    "20_steps": (DiscreteTimeLoss(20), [0, 0.05, 0.5, 0.95]),
    "reconstruction": (ReconstructionLoss(), [1]),
}

FLOWS = {
    **{
        f"continuous-{prediction}-{num_bins}-{sigma_1}": ContinuousFlow(
            sigma_1, prediction, num_bins
        )
        for sigma_1 in (1e-3, 0.1)
        for prediction in ("noise", "data")
        for num_bins in (None, 256)
    },
    **{
        f"discretized-{k}-{prediction}-{sigma_1}": DiscretizedFlow(k, sigma_1, prediction)
        for k in (2, 27, 256, 50_000)
        for sigma_1 in (1e-3, 0.1)
        for prediction in ("noise", "data")
    },
    **{
        f"discrete-{k}-{beta_1}": DiscreteFlow(k, beta_1)
        for k in (2, 27, 256, 50_000)
        for beta_1 in (0.01, 9.0)
    },
}

every_flow = pytest.mark.parametrize("flow", FLOWS.values(), ids=FLOWS)


def outputs(flow):
    """Combinations of extreme answers; of many classes, each answer at one class in five."""
    if flow.output_size > 2:
        answers = np.resize(OUTPUTS, flow.output_size)
        return np.array([answers, -answers[::-1], np.zeros_like(answers)])
    answers = np.array(list(itertools.product(OUTPUTS, repeat=flow.output_size)))
    # With very many bins, four of them: both numbers go to either extreme.
    return answers[::8] if flow.data_range[1] >= 10_000 else answers


def extremes(flow, times):
    """All combinations of times, answers and both ends of the data, in batches of one size."""
    low, high = flow.data_range
    answers = outputs(flow)
    times = np.resize(times, len(TIMES))
    t, row, x = np.array(list(itertools.product(times, range(len(answers)), (low, high)))).T
    x = x[:, None].astype("int32" if flow.discrete else "float32")
    return x, answers[row.astype("int64")][:, None], t.astype("float32")


@every_flow
@pytest.mark.parametrize(("loss", "times"), LOSSES.values(), ids=LOSSES)
def test_losses_and_gradients_are_finite(flow, loss, times, seed):
    x, params, t = extremes(flow, times)
    s = flow.sample_evidence(x, t, seed)
    nats, slope = value_and_gradient(lambda params: loss(flow, x, params, s, t, seed), params)
    assert nats.shape == x.shape
    assert np.isfinite(nats).all()
    assert np.isfinite(slope).all()


@every_flow
def test_samples_and_modes_are_data(flow, seed):
    x, params, t = extremes(flow, TIMES)
    s = flow.sample_evidence(x, t, seed)
    distribution = flow.output_distribution(to_tensor(params), s, t)
    for draw in (distribution.sample(seed), distribution.mode()):
        flow.check_data(ops.convert_to_numpy(draw))
    assert np.isfinite(to_numpy(distribution.mean())).all()
    assert np.isfinite(to_numpy(flow.input_params(s, flow.schedule.beta(t)))).all()
