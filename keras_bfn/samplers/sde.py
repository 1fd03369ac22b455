"""Samplers that add a noisy message at every step: the paper's own, and solvers of its SDE."""

import keras
from keras import ops

from keras_bfn._random import normal, seed_of
from keras_bfn._validation import is_number, refusal
from keras_bfn.samplers.sampler import Sampler, SecondOrder


class MessageSampler(Sampler):
    """Base class of samplers whose state is the evidence, which starts with no message."""

    def init(self, flow, shape, seed=None):
        nothing = ops.zeros(shape, dtype="float32")
        if self.start == 0:
            return nothing
        return flow.observe(nothing, flow.schedule.beta(self.start), seed_of(seed, "start"))

    def evidence(self, flow, state, t):
        return state

    def advance(self, flow, state, embedding, t, t_next, seed=None):
        alpha = flow.schedule.beta(t_next) - flow.schedule.beta(t)
        return state + flow.observe(embedding, alpha, seed)


@keras.saving.register_keras_serializable("keras_bfn")
class AncestralSampler(MessageSampler):
    """Draws data from the output distribution, a message about them from the sender, and updates.

    With `d = beta(t_next) - beta(t)`: `s += c d e(x') + sqrt(c d) z`, z standard normal.

    Args:
        **kwargs: `temperature`, `top_k`, `top_p`, `end`, `start` and `spacing`, as in
            `keras_bfn.samplers.Sampler`.

    Raises:
        ValueError: if an argument is out of its range.

    Example:

    >>> images = model.generate(16, num_steps=100, sampler="ancestral")

    Reference: "Pseudocode" in sections 4, 5 and 6 of
    [Graves et al., 2023](https://arxiv.org/abs/2308.07037).
    """

    def message(self, flow, distribution, seed=None):
        return flow.embed(distribution.sample(seed_of(seed, "message")))


@keras.saving.register_keras_serializable("keras_bfn")
class SDE1Sampler(MessageSampler):
    """Messages about the expected embedding.

    With `d = beta(t_next) - beta(t)`: `s += c d e_hat + sqrt(c d) z`, z standard normal. The state
    is the evidence `s`.

    Args:
        noise: float in [0, 1]. With less than 1, each step adds less noise, and in its place
            spreads out what there is, so that the evidence at each time is distributed as before.
            With 0 there is none after the first step, as in `ODE1Sampler`. For `r = beta(t) /
            beta(t_next)`, the standard deviation of what is added is `noise` times as large for
            small steps: `s' = r^((noise^2 - 1) / 2) s + c beta' (1 - r^((1 + noise^2) / 2)) e_hat +
            sqrt(c beta' (1 - r^(noise^2))) z`.
        **kwargs: `temperature`, `top_k`, `top_p`, `end`, `start` and `spacing`, as in
            `keras_bfn.samplers.Sampler`.

    Raises:
        ValueError: if an argument is out of its range.

    Example:

    >>> images = model.generate(16, num_steps=20, sampler="sde1")

    Reference: SDE-BFN-Solver1 of [Xue et al., 2024](https://arxiv.org/abs/2404.15766). That less
    noise leaves the distribution at each time as it is: section 4.3 and appendix D of
    [Song et al., 2021](https://arxiv.org/abs/2011.13456).
    """

    def __init__(self, noise=1.0, **kwargs):
        super().__init__(**kwargs)
        if not is_number(noise) or not 0 <= noise <= 1:
            raise refusal("noise", "must be a number in [0, 1]", noise)
        self.noise = float(noise)

    def advance(self, flow, state, embedding, t, t_next, seed=None):
        if self.noise == 1:
            return super().advance(flow, state, embedding, t, t_next, seed)
        beta, beta_next = flow.schedule.beta(t), flow.schedule.beta(t_next)
        # Before the first message there is nothing to spread out: all noise is new.
        has_begun, square = beta > 0, self.noise**2
        ratio = ops.where(has_begun, beta / beta_next, 1.0)

        def kept(power):
            return ops.where(has_begun, ratio**power, 0.0)

        precision = flow.gain * beta_next
        return (
            kept(0.5 * (square - 1.0)) * state
            + precision * (1.0 - kept(0.5 * (1.0 + square))) * embedding
            + ops.sqrt(precision * (1.0 - kept(square))) * normal(ops.shape(embedding), seed)
        )


@keras.saving.register_keras_serializable("keras_bfn")
class SDE2Sampler(SecondOrder, SDE1Sampler):
    """As `SDE1Sampler`, with the expected embedding extrapolated from the last two predictions.

    Args:
        noise: as in `SDE1Sampler`.
        **kwargs: `temperature`, `top_k`, `top_p`, `end`, `start` and `spacing`, as in
            `keras_bfn.samplers.Sampler`.

    Raises:
        ValueError: if an argument is out of its range.

    Example:

    >>> images = model.generate(16, num_steps=10, sampler="sde2")

    Reference: SDE-BFN-Solver2 of [Xue et al., 2024](https://arxiv.org/abs/2404.15766).
    """
