"""Whatever the noise of the SDE, evidence at each time is distributed as it was."""

import numpy as np
import pytest

from keras_bfn import testing
from keras_bfn.samplers import ODE1Sampler, SDE1Sampler, SDE2Sampler
from tests.checks import assert_draws_follow
from tests.samplers.growth import (
    PAIR_FLOW,
    PAIR_PRIOR,
    assert_evidence_is_that_of_data,
    convergence_order,
    evidence_variance,
    exact_variance,
    grow,
    pair_network,
    prediction,
)
from tests.samplers.test_convergence import pairs
from tests.tensors import to_numpy, to_tensor

pytestmark = pytest.mark.once

NUM_DRAWS = 10_000


@pytest.mark.slow
@pytest.mark.parametrize("sampler", [SDE1Sampler(noise) for noise in (0.0, 0.7, 2.0)], ids=repr)
def test_samples_of_dependent_variables_follow_their_distribution(sampler, seed):
    s = grow(sampler, PAIR_FLOW, pair_network, (NUM_DRAWS, 2), 200, seed)
    assert_draws_follow(PAIR_PRIOR, pairs(prediction(PAIR_FLOW, pair_network, s, 1.0).sample(seed)))


@pytest.mark.parametrize("noise", [0.5, 2.0])
def test_a_sampler_with_less_or_more_noise_keeps_its_contract(noise, seed):
    testing.check_sampler(SDE2Sampler(noise=noise), num_steps=60)
    assert_evidence_is_that_of_data(SDE2Sampler(noise=noise), 60, seed)


@pytest.mark.parametrize("noise", [0.0, 0.3, 0.7, 1.0, 1.5])
@pytest.mark.parametrize(("kind", "order"), [(SDE1Sampler, 1), (SDE2Sampler, 2)])
def test_the_variance_converges_at_the_order_of_the_sampler(kind, order, noise):
    found = convergence_order(kind(noise=noise, start=0.05), (16, 32, 64))
    assert found == pytest.approx(order, abs=0.25)


@pytest.mark.parametrize("noise", [0.0, 0.5, 2.0])
def test_the_variance_of_the_data_is_reached_from_time_0(noise):
    expected = exact_variance(0.0, noise)
    assert evidence_variance(SDE1Sampler(noise), 400) == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("num_steps", [3, 40])
def test_without_noise_the_steps_are_those_of_the_ode(num_steps):
    """From the same evidence: after the first step, which draws it, that of `ODE1Sampler`."""
    flow, t, t_next = PAIR_FLOW, 0.4, 0.4 + 0.6 / num_steps
    s = to_tensor(np.random.default_rng(0).standard_normal((4, 2, 3)))
    output = prediction(flow, pair_network, s, t)
    found = to_numpy(SDE1Sampler(0.0).step(flow, s, output, t, t_next))
    u = s / float(flow.schedule.beta(t)) ** 0.5
    ode = ODE1Sampler()
    expected = to_numpy(ode.evidence(flow, ode.step(flow, u, output, t, t_next), t_next))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("with_noise", "plain"), [(SDE1Sampler, SDE1Sampler), (SDE2Sampler,) * 2])
def test_all_noise_is_as_it_was(with_noise, plain, seed):
    one = with_noise(noise=1.0)
    assert one == plain()
    np.testing.assert_array_equal(
        to_numpy(grow(one, PAIR_FLOW, pair_network, (8, 2), 5, seed=3)),
        to_numpy(grow(plain(), PAIR_FLOW, pair_network, (8, 2), 5, seed=3)),
    )
