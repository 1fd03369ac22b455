"""A sampler's loop, outside any model, with any function in the place of a network.

With the exact posterior of normal data, the variance of evidence is known: its error measures how
fast a sampler converges. On the way, evidence is distributed as messages about data.
"""

import itertools
import math
from unittest import mock

import numpy as np

from keras_bfn import _random
from keras_bfn.flows import ContinuousFlow, DiscreteFlow
from tests import exact
from tests.tensors import to_numpy, to_tensor

PAIR_FLOW = DiscreteFlow(3, beta_1=12.0)
PAIR_PRIOR = np.array([[0.25, 0.02, 0.03], [0.05, 0.2, 0.05], [0.02, 0.08, 0.3]])
SIGMA_1, TAU = 0.1, 0.2  # data that are hardly ever clipped to [-1, 1]
NORMAL_FLOW = ContinuousFlow(SIGMA_1, "data")
NUM_DRAWS = 8000
VARIANCE_TOLERANCE = 0.05  # 0.01 for chance, and 0.035 for the first-order error of 60 steps


def pair_network(s, t):
    return exact.pair_logits(s, PAIR_PRIOR)


def normal_network(s, t):
    return exact.normal_mean(NORMAL_FLOW, s, t, TAU)


def prediction(flow, network, s, t):
    """The output distribution at time `t`, a float, where `network(s, t)` answers."""
    times = np.full(len(s), t, "float32")
    return flow.output_distribution(network(s, times), s, times)


def grow_by_steps(sampler, flow, network, shape, num_steps, seed):
    """Yields each time, and the evidence then, shaped `(*shape, embedding_size)`."""
    state = sampler.init(flow, (*shape, flow.embedding_size), seed)
    times = sampler.times(flow, num_steps)
    for t, t_next in itertools.pairwise(times):
        s = sampler.evidence(flow, state, t)
        yield t, s
        state = sampler.step(flow, state, prediction(flow, network, s, t), t, t_next, seed)
    yield times[-1], sampler.evidence(flow, state, 1.0)


def grow(sampler, flow, network, shape, num_steps, seed):
    """The evidence at t = 1 after `num_steps` steps, shaped `(*shape, embedding_size)`."""
    for _, s in grow_by_steps(sampler, flow, network, shape, num_steps, seed):
        evidence = s
    return evidence


def evidence_variance(sampler, num_steps):
    """The variance at t = 1, without draws: with this network, evidence is linear in the noise."""
    # Row i is moved by the i-th draw alone, and little enough never to be clipped.
    unit = 0.01
    rows = iter(unit * np.eye(num_steps + 1))

    def normal(shape, **kwargs):
        return to_tensor(next(rows).reshape(shape))

    with mock.patch.object(_random, "draw_normal", normal):
        s = grow(sampler, NORMAL_FLOW, normal_network, (num_steps + 1, 1), num_steps, seed=None)
    return np.sum(np.square(to_numpy(s) / unit))


def exact_variance(start, noise):
    """The same with infinitely many steps, from a start at N(0, beta_0).

    What the start lacks of the data's own, (beta_0 tau)^2, grows as s does, by
    `(1 - noise^2) / (2 beta) + (1 + noise^2) / (2 (beta + 1 / tau^2))` for each accuracy.
    """
    beta_0, beta_1 = (float(NORMAL_FLOW.schedule.beta(t)) for t in (start, 1.0))
    growth = (beta_1 / beta_0) ** (1 - noise**2) if beta_0 else 0.0
    growth *= ((beta_1 + TAU**-2) / (beta_0 + TAU**-2)) ** (1 + noise**2)
    return beta_1 + (beta_1 * TAU) ** 2 - (beta_0 * TAU) ** 2 * growth


def convergence_order(sampler, num_steps=(16, 32, 64, 128)):
    """The power of 1 / steps by which the error of the variance falls."""
    exact_one = exact_variance(sampler.start, 0.0 if sampler.deterministic else sampler.noise)
    errors = [abs(evidence_variance(sampler, n) / exact_one - 1) for n in num_steps]
    slope = np.polyfit(np.log(num_steps), np.log(errors), 1)[0]
    print(f"{sampler!r}: errors {errors}, slope {slope:.2f}")
    return -slope


def assert_evidence_is_that_of_data(sampler, num_steps, seed):
    """On the way, evidence has the variance of N(c beta e(x), c beta), and builds on itself."""
    shares = np.stack([PAIR_PRIOR.sum(axis=1), PAIR_PRIOR.sum(axis=0)])
    for flow, network, variance in (
        (PAIR_FLOW, pair_network, shares * (1 - shares)),
        (NORMAL_FLOW, normal_network, TAU**2),
    ):
        steps = list(grow_by_steps(sampler, flow, network, (NUM_DRAWS, 2), num_steps, seed))
        for i in (num_steps // 4, num_steps // 2, 3 * num_steps // 4, num_steps):
            t, s = steps[i]
            c_beta = flow.gain * float(flow.schedule.beta(t))
            s = to_numpy(s).astype("float64")
            ratio = np.mean(s.var(axis=0) / (c_beta**2 * variance + c_beta))
            came = f"the variance of {flow!r} at t = {t:.3g} is {ratio:.3f} times that of data"
            assert abs(ratio - 1) < VARIANCE_TOLERANCE, came
    # Of N(beta x, beta) at two accuracies, with independent noise of what is between. With less
    # noise, the correlation is higher; with more, it is a little lower.
    (early, late), s = zip(*steps[-2:], strict=True)
    beta, beta_late = (float(NORMAL_FLOW.schedule.beta(t)) for t in (early, late))
    of_early, of_late = (b + (b * TAU) ** 2 for b in (beta, beta_late))
    expected = (beta + beta * beta_late * TAU**2) / math.sqrt(of_early * of_late)
    correlation = np.corrcoef(*(to_numpy(each).ravel() for each in s))[0, 1]
    assert correlation > expected - 0.05, f"an example's evidence forgets: {correlation:.2f}"
