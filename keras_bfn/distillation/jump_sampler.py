"""The sampler of students."""

from typing import TYPE_CHECKING, Any, Literal

import keras
from keras import ops

from keras_bfn._random import seed_of
from keras_bfn._typing import Seed, Tensor
from keras_bfn._validation import check_bool, check_real, refusal
from keras_bfn.samplers import ODE1Sampler

if TYPE_CHECKING:
    from keras_bfn.distributions import Distribution
    from keras_bfn.flows.flow import Flow


@keras.saving.register_keras_serializable("keras_bfn")
class JumpSampler(ODE1Sampler):
    """Deterministic sampler of few long steps, for models made by `keras_bfn.distillation`.

    The network predicts the mean of the expected embedding along the teacher's path from `t` to
    `t_next`, so that one step of `ODE1Sampler` goes all the way. At `t_next=1` it predicts the data
    at the path's end, so that `num_steps` steps take `num_steps` network calls. Samples are the
    data whose embedding is nearest to the last predicted mean, which is all that a student learns.

    Args:
        fresh_noise: bool. Whether each step goes to the data and then back to `t_next`, with new
            noise. Samples then are not a function of the initial state.
        start: float in (0, 1). The first jump leaves from t = 0, where u is exactly N(0, c). Since
            evidence at t = 0 is zero, the network receives u as evidence at `start` instead.
        spacing: as in `keras_bfn.samplers.Sampler`.
        noise_scale: float in (0, 1], with `fresh_noise`. The standard deviation of the new noise,
            relative to that of messages. Below 1, samples are likelier and less varied.
        **kwargs: `temperature`, `top_k` and `top_p`, as in `keras_bfn.samplers.Sampler`, with
            `fresh_noise`: without it, predictions are means along paths, not distributions of data.

    Raises:
        ValueError: if an argument is out of its range.

    Example:

    >>> keras_bfn.distillation.JumpSampler().deterministic
    True

    Reference: flow maps, of [Boffi et al., 2024](https://arxiv.org/abs/2406.07507); with fresh
    noise, Algorithm 1 of [Song et al., 2023](https://arxiv.org/abs/2303.01469).
    """

    shorthands = (("end", None),)  # it is always "last"

    def __init__(
        self,
        fresh_noise: bool = False,
        start: float = 0.02,
        spacing: Literal["t", "log_beta"] = "log_beta",
        noise_scale: float = 1.0,
        **kwargs,
    ) -> None:
        super().__init__(start=start, spacing=spacing, end="last", **kwargs)
        if start == 0:
            raise refusal("start", "must be above 0 for jumps", start)
        self.fresh_noise = check_bool("fresh_noise", fresh_noise)
        in_range = "a number in (0, 1]"
        self.noise_scale = check_real("noise_scale", noise_scale, lambda x: 0 < x <= 1, in_range)
        defaults = {"temperature": 1, "top_k": None, "top_p": None, "noise_scale": 1}
        for name, default in defaults.items():
            if getattr(self, name) != default and not fresh_noise:
                expected = f"must be {default} for jumps, unless `fresh_noise` is True"
                raise refusal(name, expected, getattr(self, name))
        self.deterministic = not fresh_noise

    def check_model(self, model: Any) -> None:
        if not getattr(model, "jumps", False):
            expected = "must not jump unless the model is a student of `keras_bfn.distillation`"
            raise refusal("sampler", expected, self)
        super().check_model(model)

    def arrival(self, t_next: Tensor) -> Tensor:
        return ops.ones_like(t_next) if self.fresh_noise else t_next

    def finish(self, flow: "Flow", distribution: "Distribution", seed: Seed = None) -> Tensor:
        if flow.num_values is None:
            return distribution.mode()
        return flow.nearest(flow.expected_embedding(distribution))

    def step(self, flow, state, distribution, t, t_next, seed=None):
        """As in `Sampler`, without a `shift`: jumps cannot be guided by a likelihood."""
        return super().step(flow, state, distribution, t, t_next, seed)

    def advance(self, flow, state, embedding, t, t_next, seed=None):
        if self.fresh_noise:
            noise = self.init(flow, ops.shape(state), seed_of(seed, "message"))
            t, state = 0.0, self.noise_scale * noise
        else:
            t = ops.where(t > self.start, t, 0.0)
        return super().advance(flow, state, embedding, t, t_next, seed)
