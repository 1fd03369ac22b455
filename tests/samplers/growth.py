"""A sampler's loop, outside any model, with any function in the place of a network."""

import itertools

import numpy as np


def prediction(flow, network, s, t):
    """The output distribution at time `t`, a float, where `network(s, t)` answers."""
    times = np.full(len(s), t, "float32")
    return flow.output_distribution(network(s, times), s, times)


def grow(sampler, flow, network, shape, num_steps, seed):
    """The evidence at t = 1 after `num_steps` steps, shaped `(*shape, embedding_size)`."""
    state = sampler.init(flow, (*shape, flow.embedding_size), seed)
    times = sampler.times(flow, num_steps)
    for t, t_next in itertools.pairwise(times):
        distribution = prediction(flow, network, sampler.evidence(flow, state, t), t)
        state = sampler.step(flow, state, distribution, t, t_next, seed)
    return sampler.evidence(flow, state, 1.0)
