"""Samplers without noise of their own: solvers of the probability flow ODE."""

import math

import keras
from keras import ops

from keras_bfn._random import normal
from keras_bfn.samplers.sampler import Sampler, SecondOrder


@keras.saving.register_keras_serializable("keras_bfn")
class ODE1Sampler(Sampler):
    """The same samples at every run, given where they start.

    The state is `u = s / sqrt(beta)`, of which a step adds `c e_hat` times the growth of
    `sqrt(beta)`. At t = 0 it is distributed as N(0, c), and so starts exactly at the prior. It is
    also what `BayesianFlowNetwork.encode` returns, and `generate` takes as `latents`.

    Args:
        **kwargs: `temperature`, `top_k`, `top_p`, `end`, `start` and `spacing`, as in
            `keras_bfn.samplers.Sampler`.

    Raises:
        ValueError: if an argument is out of its range.

    Example:

    >>> images = model.generate(16, num_steps=20, sampler="ode1")

    Reference: BFN-Solver1 of [Xue et al., 2024](https://arxiv.org/abs/2404.15766), which carries
    `s` itself and so must start after t = 0.
    """

    deterministic = True

    def init(self, flow, shape, seed=None):
        return math.sqrt(flow.gain) * normal(shape, seed)

    def init_from(self, latents):
        return latents

    def latents(self, state):
        return state

    def evidence(self, flow, state, t):
        return state * ops.sqrt(flow.schedule.beta(t))

    def advance(self, flow, state, embedding, t, t_next, seed=None):
        """The state after a step with a constant expected embedding; time may run backwards."""
        root, next_root = (ops.sqrt(flow.schedule.beta(time)) for time in (t, t_next))
        return state + flow.gain * (next_root - root) * embedding


@keras.saving.register_keras_serializable("keras_bfn")
class ODE2Sampler(SecondOrder, ODE1Sampler):
    """As `ODE1Sampler`, with the expected embedding extrapolated from the last two predictions.

    Args:
        **kwargs: `temperature`, `top_k`, `top_p`, `end`, `start` and `spacing`, as in
            `keras_bfn.samplers.Sampler`.

    Raises:
        ValueError: if an argument is out of its range.

    Example:

    >>> images = model.generate(16, num_steps=10, sampler="ode2")

    Reference: BFN-Solver2 (multi-step) of [Xue et al., 2024](https://arxiv.org/abs/2404.15766).
    """

    def init_from(self, latents):
        return self.begin(latents)

    def latents(self, state):
        return state[0]
