"""Multi-step extrapolation: a second order for the price of the first."""

from keras import ops

from keras_bfn.samplers.sampler import shifted


class SecondOrder:
    """Mixed into a sampler of first order: the expected embedding goes on as it went.

    Between this prediction and the next, the expected embedding is taken to move along the line
    through this one and the last; its mean over the step takes the place of its value at the
    step's start.
    The state is the tuple of the first order's state, the last expected embedding and its time.
    """

    def begin(self, state):
        """The state before the first prediction, when there is no line yet."""
        return state, ops.zeros_like(state), ops.convert_to_tensor(-1.0, dtype="float32")

    def init(self, flow, shape, seed=None):
        return self.begin(super().init(flow, shape, seed))

    def evidence(self, flow, state, t):
        return super().evidence(flow, state[0], t)

    def step(self, flow, state, distribution, t, t_next, seed=None, shift=None):
        state, last, t_last = state
        t = ops.convert_to_tensor(t, dtype="float32")
        embedding = shifted(flow.expected_embedding(distribution), shift)
        ratio = flow.extrapolation(ops.maximum(t_last, 0.0), t, t_next, self.deterministic)
        ratio = ops.where(t_last < 0, 0.0, ratio)
        mean = embedding + ratio * (embedding - last)
        return self.advance(flow, state, mean, t, t_next, seed), embedding, t
