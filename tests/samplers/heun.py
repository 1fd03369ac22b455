"""A sampler of a user's own that predicts twice in each step."""

import numpy as np
from keras import ops

from keras_bfn.samplers import ODE1Sampler


class HeunSampler(ODE1Sampler):
    """Heun's method for the path of `ODE1Sampler`: a step, and its correction where it arrived.

    The state is that of `ODE1Sampler`; and where the last step started: the state, the expected
    embedding and the time, which is below 0 before the first step.
    """

    def times(self, flow, num_steps):
        times = super().times(flow, num_steps)
        return np.append(times[:1], np.repeat(times[1:], 2))

    def init(self, flow, shape, seed=None):
        return self.init_from(super().init(flow, shape, seed))

    def init_from(self, latents):
        return latents, latents, ops.zeros_like(latents), ops.convert_to_tensor(-1.0, "float32")

    def latents(self, state):
        return state[0]

    def evidence(self, flow, state, t):
        return super().evidence(flow, state[0], t)

    def step(self, flow, state, distribution, t, t_next, seed=None, shift=None):
        u, start, first, t_start = state
        t, t_next = (ops.convert_to_tensor(time, "float32") for time in (t, t_next))
        embedding = flow.expected_embedding(distribution)
        embedding = embedding if shift is None else embedding + shift
        step = self.advance(flow, u, embedding, t, t_next), u, embedding, t
        mean = 0.5 * (first + embedding)
        # After a correction, the next step starts anew.
        correction = self.advance(flow, start, mean, t_start, t_next), start, first, t_start
        corrects = ops.logical_and(t == t_next, t_start >= 0)
        return tuple(ops.where(corrects, a, b) for a, b in zip(correction, step, strict=True))
