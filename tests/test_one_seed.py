"""From one int as a seed, different draws are independent, as they are from a generator."""

import numpy as np
import pytest
from keras import ops
from scipy import stats

from keras_bfn import Prediction
from keras_bfn.distributions import Categorical
from keras_bfn.flows import DiscreteFlow, DiscretizedFlow
from keras_bfn.losses import DiscreteTimeLoss, stratified_uniform
from keras_bfn.samplers import AncestralSampler, SDE1Sampler
from tests.backends import everywhere
from tests.checks import MIN_P_VALUE
from tests.tensors import to_numpy, to_tensor

NUM = 4000


@pytest.mark.slow_to_compile("tensorflow")
@pytest.mark.parametrize("batch_size", everywhere({"1": 1, "2": 2, "4": 4}, "4"))
def test_stratified_numbers_are_uniform_over_seeds(batch_size):
    """Offset and order are two draws."""
    numbers = np.stack([to_numpy(stratified_uniform(batch_size, seed=i)) for i in range(1000)])
    for column in numbers.T:
        assert stats.kstest(column, "uniform").pvalue > MIN_P_VALUE


def assert_independent(first, second):
    """Neither the values nor their squares are correlated."""
    for power in (1, 2):
        assert stats.pearsonr(np.ravel(first) ** power, np.ravel(second) ** power).pvalue > 1e-4


@pytest.mark.parametrize("seed", [0, 7])
def test_messages_are_independent_of_the_evidence(seed):
    flow = DiscretizedFlow(2, prediction="data")
    x = np.zeros((NUM, 1), "int32")
    noise = to_numpy(flow.sample_evidence(x, np.full(NUM, 0.1, "float32"), seed))[:, 0, 0]
    output = flow.output_distribution(ops.zeros((NUM, 1, 2)), None, None)
    nats = flow.sender_receiver_kl(x, output, np.full(NUM, 3.0, "float32"), seed)
    # What is odd in the noise of a message cancels in its cost.
    distance = np.abs(noise - noise.mean())
    assert stats.spearmanr(distance, to_numpy(nats)[:, 0]).pvalue > 1e-4


def test_more_messages_tell_more():
    """The variance of a loss falls with the number of messages drawn."""
    flow = DiscreteFlow(3, beta_1=4.0)
    x, t = np.zeros((NUM, 1), "int32"), np.zeros(NUM, "float32")
    prediction = Prediction(t, ops.zeros((NUM, 1, 3)), None, ops.zeros((NUM, 1, 3)))
    one, four = (
        to_numpy(DiscreteTimeLoss(1, n)(flow, x, prediction, seed=0)).var() for n in (1, 4)
    )
    assert four == pytest.approx(one / 4, rel=0.2)


def test_a_class_is_drawn_independently_of_the_noise_of_its_message():
    flow, state = DiscreteFlow(2, beta_1=2.0), ops.zeros((NUM, 1, 2))
    output = Categorical(to_tensor(np.zeros((NUM, 1, 2))))
    after = to_numpy(AncestralSampler().step(flow, state, output, 0.0, 1.0, seed=3))
    # A message is 4 e(x) + 2 noise: of both classes together 4 + 2 (noise_0 + noise_1).
    noise = after.sum(axis=-1) - 4.0
    # The class is the sign of the difference, nearly always, if its noise is independent.
    difference = after[..., 1] - after[..., 0]
    np.testing.assert_allclose(difference.var(), 16.0 + 8.0, rtol=0.1)
    assert_independent(noise, difference)


def test_the_start_is_independent_of_the_first_step():
    flow, sampler = DiscretizedFlow(4, prediction="data"), SDE1Sampler(start=0.1)
    start = sampler.init(flow, (NUM, 1, 1), seed=5)
    output = flow.output_distribution(ops.zeros((NUM, 1, 2)), None, None)
    step = sampler.step(flow, start, output, 0.1, 0.2, seed=5) - start
    assert_independent(to_numpy(start), to_numpy(step))
