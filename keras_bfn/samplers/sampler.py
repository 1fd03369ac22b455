"""The contract of samplers, and the paper's own."""

import keras
from keras import ops

from keras_bfn._validation import resolve_identifier


class Sampler:
    """Base class: how evidence grows from the prior to a sample.

    A sampler is immutable; what it carries from step to step is an explicit state, a tensor or a
    nest of tensors whose shapes and dtypes stay the same. For step i of n, the loop asks the
    network about `evidence(flow, state, t)` at time `t = (i - 1) / n` and hands its answer to
    `step`. An own sampler is a subclass with these three methods and, if it has options,
    `get_config`.
    """

    def init(self, flow, shape, seed=None):
        """The state at t = 0.

        Args:
            flow: the data type.
            shape: the evidence's shape, `(batch, *event_shape, embedding_size)`.
            seed: the `SeedGenerator` of all draws.
        """
        raise NotImplementedError

    def evidence(self, flow, state, t):
        """The evidence `s` that the state stands for at time `t`, a scalar."""
        raise NotImplementedError

    def step(self, flow, state, distribution, t, t_next, seed=None):
        """The state at `t_next`, given the output distribution at `t`, both scalars."""
        raise NotImplementedError

    def get_config(self):
        return {}

    @classmethod
    def from_config(cls, config):
        return cls(**config)


@keras.saving.register_keras_serializable("keras_bfn")
class AncestralSampler(Sampler):
    """Draws data from the output distribution, a message about them from the sender, and updates.

    With `d = beta(t_next) - beta(t)`: `s += c d e(x') + sqrt(c d) z`, z standard normal.

    Example:

    >>> images = model.generate(16, num_steps=100, sampler="ancestral")

    Reference: "Pseudocode" in sections 4, 5 and 6 of
    [Graves et al., 2023](https://arxiv.org/abs/2308.07037).
    """

    def init(self, flow, shape, seed=None):
        return ops.zeros(shape, dtype="float32")

    def evidence(self, flow, state, t):
        return state

    def step(self, flow, state, distribution, t, t_next, seed=None):
        x = distribution.sample(seed)
        alpha = flow.schedule.beta(t_next) - flow.schedule.beta(t)
        return state + flow.observe(flow.embed(x), alpha, seed)


SAMPLERS = {"ancestral": AncestralSampler}


def get(identifier):
    """Returns the sampler that `identifier` names.

    Args:
        identifier: a `Sampler` or a string: `"ancestral"`.

    Raises:
        ValueError: if `identifier` is neither; the message lists the known names.
    """
    return resolve_identifier("sampler", identifier, Sampler, SAMPLERS)
