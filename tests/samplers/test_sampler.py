"""The ancestral sampler with the exact posterior in the place of a network."""

import itertools

import numpy as np
import pytest
from numpy.testing import assert_allclose

from keras_bfn import samplers
from keras_bfn.flows import ContinuousFlow, DiscreteFlow
from keras_bfn.samplers import AncestralSampler
from tests import exact
from tests.checks import (
    MIN_P_VALUE,
    assert_draws_are_normal,
    assert_draws_follow,
    chi_squared_p_value,
)
from tests.tensors import to_numpy

NUM_DRAWS = 20_000

PAIR_FLOW = DiscreteFlow(3, beta_1=12.0)
PAIR_PRIOR = np.array([[0.25, 0.02, 0.03], [0.05, 0.2, 0.05], [0.02, 0.08, 0.3]])
PRODUCT_OF_MARGINALS = np.outer(PAIR_PRIOR.sum(axis=1), PAIR_PRIOR.sum(axis=0))


def pair_network(s, t):
    return exact.pair_logits(s, PAIR_PRIOR)


def look(flow, network, s, t):
    times = np.full(len(s), t, "float32")
    return flow.output_distribution(network(s, times), s, times)


def grow(flow, network, event_shape, num_steps, seed):
    """The evidence at t = 1 after `num_steps` steps."""
    sampler = AncestralSampler()
    state = sampler.init(flow, (NUM_DRAWS, *event_shape, flow.embedding_size), seed)
    for step in range(num_steps):
        t, t_next = step / num_steps, (step + 1) / num_steps
        distribution = look(flow, network, sampler.evidence(flow, state, t), t)
        state = sampler.step(flow, state, distribution, t, t_next, seed)
    return sampler.evidence(flow, state, 1.0)


def pairs(draws):
    return to_numpy(draws).astype("int64") @ [3, 1]


def test_many_steps_sample_the_joint_distribution(seed):
    s = grow(PAIR_FLOW, pair_network, (2,), num_steps=100, seed=seed)
    distribution = look(PAIR_FLOW, pair_network, s, 1.0)
    assert_draws_follow(PAIR_PRIOR, pairs(distribution.sample(seed)))
    assert_draws_follow(PAIR_PRIOR, pairs(distribution.mode()))


def test_few_steps_do_not(seed):
    s = grow(PAIR_FLOW, pair_network, (2,), num_steps=3, seed=seed)
    draws = pairs(look(PAIR_FLOW, pair_network, s, 1.0).sample(seed))
    assert chi_squared_p_value(draws, PAIR_PRIOR) < MIN_P_VALUE**2


def test_the_first_look_gives_the_product_of_the_marginals(seed):
    s = grow(PAIR_FLOW, pair_network, (2,), num_steps=0, seed=seed)
    draws = pairs(look(PAIR_FLOW, pair_network, s, 0.0).sample(seed))
    assert_draws_follow(PRODUCT_OF_MARGINALS, draws)


def test_one_step_gives_messages_about_the_product_of_the_marginals(seed):
    s = to_numpy(grow(PAIR_FLOW, pair_network, (2,), num_steps=1, seed=seed))
    # At this accuracy a message leaves no doubt which class it was sent about.
    sent = s.argmax(axis=-1)
    assert_draws_follow(PRODUCT_OF_MARGINALS, sent @ [3, 1])
    precision = 3 * 12.0
    noise = (s - precision * np.eye(3)[sent]) / np.sqrt(precision)
    for column in noise.reshape(NUM_DRAWS, -1).T:
        assert_draws_are_normal(0, 1, column)
    correlation = np.corrcoef(noise.reshape(NUM_DRAWS, -1), rowvar=False)
    assert_allclose(correlation, np.eye(6), atol=6 * NUM_DRAWS**-0.5)


SIGMA_1, TAU = 0.1, 0.2


def evidence_variances(num_steps):
    """Of normal data: each step multiplies the evidence by 1 + alpha / (beta + 1 / tau^2)."""
    beta = SIGMA_1 ** (-2 * np.arange(num_steps + 1) / num_steps) - 1
    variance = 0.0
    for now, then in itertools.pairwise(beta):
        variance = variance * (1 + (then - now) / (now + TAU**-2)) ** 2 + (then - now)
    return variance


@pytest.mark.parametrize("prediction", ["noise", "data"])
@pytest.mark.parametrize("num_steps", [1, 3, 20])
def test_evidence_about_normal_data_has_the_variance_of_the_recursion(num_steps, prediction, seed):
    flow = ContinuousFlow(SIGMA_1, prediction)

    def network(s, t):
        mean = exact.normal_mean(flow, s, t, TAU)
        # At t = 0 there is no noise to predict, and the answer is ignored.
        return mean if prediction == "data" or t[0] == 0 else exact.as_noise(flow, mean, s, t)

    s = to_numpy(grow(flow, network, (1,), num_steps, seed))
    assert_draws_are_normal(0, evidence_variances(num_steps) ** 0.5, s)


def test_the_recursion_tends_to_the_evidence_of_the_data():
    beta_1 = SIGMA_1**-2 - 1
    assert_allclose(evidence_variances(100_000), beta_1 + beta_1**2 * TAU**2, rtol=1e-3)


def test_get_takes_names_and_samplers():
    assert isinstance(samplers.get("ancestral"), AncestralSampler)
    sampler = AncestralSampler()
    assert samplers.get(sampler) is sampler


@pytest.mark.parametrize("value", ["euler", None, 3])
def test_get_refuses_the_unknown_and_lists_the_known(value):
    with pytest.raises(ValueError, match=f"`sampler`.*'ancestral'.*Received: sampler={value!r}"):
        samplers.get(value)


def test_config_round_trip():
    sampler = AncestralSampler.from_config(AncestralSampler().get_config())
    assert isinstance(sampler, AncestralSampler)
