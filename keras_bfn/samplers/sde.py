"""Samplers that add a noisy message at every step: the paper's own, and solvers of its SDE."""

import keras
from keras import ops

from keras_bfn.samplers.sampler import Sampler
from keras_bfn.samplers.second_order import SecondOrder


@keras.saving.register_keras_serializable("keras_bfn")
class SDE1Sampler(Sampler):
    """Messages about the expected embedding.

    With `d = beta(t_next) - beta(t)`: `s += c d e_hat + sqrt(c d) z`, z standard normal. The state
    is the evidence `s`.

    Args:
        **kwargs: options of every `keras_bfn.samplers.Sampler`.

    Example:

    >>> images = model.generate(16, num_steps=20, sampler="sde1")

    Reference: SDE-BFN-Solver1 of [Xue et al., 2024](https://arxiv.org/abs/2404.15766).
    """

    def init(self, flow, shape, seed=None):
        nothing = ops.zeros(shape, dtype="float32")
        if self.start == 0:
            return nothing
        return flow.observe(nothing, flow.schedule.beta(self.start), seed)

    def evidence(self, flow, state, t):
        return state

    def step(self, flow, state, distribution, t, t_next, seed=None):
        embedding = flow.expected_embedding(distribution)
        return self.advance(flow, state, embedding, t, t_next, seed)

    def advance(self, flow, state, embedding, t, t_next, seed=None):
        """The state after one message about `embedding`."""
        alpha = flow.schedule.beta(t_next) - flow.schedule.beta(t)
        return state + flow.observe(embedding, alpha, seed)


@keras.saving.register_keras_serializable("keras_bfn")
class AncestralSampler(SDE1Sampler):
    """Draws data from the output distribution, a message about them from the sender, and updates.

    With `d = beta(t_next) - beta(t)`: `s += c d e(x') + sqrt(c d) z`, z standard normal.

    Args:
        **kwargs: options of every `keras_bfn.samplers.Sampler`.

    Example:

    >>> images = model.generate(16, num_steps=100, sampler="ancestral")

    Reference: "Pseudocode" in sections 4, 5 and 6 of
    [Graves et al., 2023](https://arxiv.org/abs/2308.07037).
    """

    def step(self, flow, state, distribution, t, t_next, seed=None):
        return self.advance(flow, state, flow.embed(distribution.sample(seed)), t, t_next, seed)


@keras.saving.register_keras_serializable("keras_bfn")
class SDE2Sampler(SecondOrder, SDE1Sampler):
    """As `SDE1Sampler`, with the expected embedding extrapolated from this look and the last.

    Args:
        **kwargs: options of every `keras_bfn.samplers.Sampler`.

    Example:

    >>> images = model.generate(16, num_steps=10, sampler="sde2")

    Reference: SDE-BFN-Solver2 of [Xue et al., 2024](https://arxiv.org/abs/2404.15766).
    """
