"""The published BFN-Solver code takes the same steps, given the same network and noise."""

import itertools
from unittest import mock

import numpy as np
import pytest
from keras import ops
from numpy.testing import assert_allclose

from keras_bfn import _random, samplers
from keras_bfn.flows import ContinuousFlow, DiscreteFlow
from keras_bfn.samplers.samplers import SAMPLERS
from tests.samplers import solver_cases as cases
from tests.samplers.solver_oracle import DATA
from tests.tensors import to_numpy, to_tensor

FLOWS = {
    "continuous": ContinuousFlow(cases.SIGMA_1),
    "discrete": DiscreteFlow(cases.NUM_CLASSES, cases.BETA_1),
}


def make_network(data_type):
    weights = {name: to_tensor(w) for name, w in cases.make_weights(data_type).items()}

    def network(theta, t):
        flat = ops.reshape(theta, (len(t), -1))
        answered = cases.answer(flat, ops.reshape(t, (-1, 1)), weights, ops.matmul, ops.tanh)
        return ops.reshape(answered, theta.shape)

    return network


@pytest.mark.parametrize("data_type", FLOWS)
@pytest.mark.parametrize("name", cases.SOLVERS)
def test_every_step_is_that_of_the_published_solver(data_type, name):
    flow, sampler = FLOWS[data_type], SAMPLERS[name](start=cases.ETA)
    network = make_network(data_type)
    published = np.load(DATA)
    noise = iter(to_tensor(cases.make_noise(data_type)))

    def prediction(s, t):
        times = ops.full((len(s),), float(t))
        theta = flow.input_params(s, flow.schedule.beta(times))
        return theta, flow.output_distribution(network(theta, times), s, times)

    times = sampler.times(flow, cases.NUM_STEPS)
    with mock.patch.object(_random, "draw_normal", side_effect=noise):
        state = sampler.init(flow, cases.SHAPES[data_type])
        for step, (t, t_next) in enumerate(itertools.pairwise(times)):
            theta, distribution = prediction(sampler.evidence(flow, state, t), t)
            state = sampler.step(flow, state, distribution, t, t_next)
            theta, _ = prediction(sampler.evidence(flow, state, t_next), t_next)
            assert_allclose(
                to_numpy(theta), published[f"{data_type}/{name}/theta"][step], atol=1e-4
            )
    last = published[f"{data_type}/{name}/last"]
    if data_type == "continuous":
        assert_allclose(to_numpy(distribution.mode())[..., None], last, atol=1e-4)
    else:
        shifted = last - last.max(axis=-1, keepdims=True)
        log_probs = to_numpy(distribution.log_probs())
        shifted_log_probs = log_probs - log_probs.max(axis=-1, keepdims=True)
        assert_allclose(shifted_log_probs, shifted, atol=1e-4)


def test_the_solvers_tell_themselves_apart():
    published = np.load(DATA)
    for data_type in FLOWS:
        thetas = [published[f"{data_type}/{name}/theta"][-1] for name in cases.SOLVERS]
        for i, theta in enumerate(thetas):
            assert all(np.abs(theta - other).max() > 1e-2 for other in thetas[:i])


def test_all_published_names_are_known():
    assert set(cases.SOLVERS) < set(SAMPLERS)
    assert all(isinstance(samplers.get(name), SAMPLERS[name]) for name in SAMPLERS)
