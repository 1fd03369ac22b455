"""The contract of samplers, the five samplers, and the mixin of second-order samplers."""

import math
from typing import TYPE_CHECKING, Any, Literal, Self

import keras
import numpy as np
from keras import ops

from keras_bfn._config import Immutable
from keras_bfn._parts import list_parts
from keras_bfn._random import normal, seed_of
from keras_bfn._typing import Array, Parts, Seed, Shape, Tensor
from keras_bfn._validation import (
    check_at_least_0,
    check_choice,
    check_int,
    check_positive,
    check_rate,
    is_number,
    lacks,
    refusal,
    resolve_identifier,
)

if TYPE_CHECKING:
    from keras_bfn.distributions import Distribution
    from keras_bfn.flows.flow import Flow

ENDS = ("mode", "sample", "last")
SPACINGS = ("t", "log_beta")
START_ACCURACY = 0.01  # times the gain: where steps of equal length in log(beta) start


class Sampler(Immutable):
    """Base class of samplers, which take evidence from the prior to a sample.

    A sampler is immutable. It carries an explicit state from step to step: a tensor or a nest of
    tensors of constant shapes and dtypes. For each step from `t` to `t_next`, the loop, which is
    `GenerationProgram` in `models/generation.py`, calls the network on `evidence(flow, state, t)`
    and passes the output distribution to `step`. `times` returns the times of these predictions.
    All random numbers come from the given seed. A sampler handles one flow. In a dict of flows,
    each part has its own state, and all parts take steps between the same times.

    Args:
        temperature: positive float. The output distribution p_O is raised to the power
            `1 / temperature` at every prediction: below 1, samples are likelier and less varied.
            It must be 1 for continuous data, whose p_O is a single point.
        top_k: int or None. At every prediction, after the temperature, p_O is restricted to its
            `top_k` likeliest values. For integers only.
        top_p: float in (0, 1], or None. p_O is then restricted to the fewest values whose total
            probability is at least `top_p`. For integers only.
        end: how the last prediction becomes data. `"mode"` takes the mode of p_O at t = 1;
            `"sample"` samples from it; `"last"` takes the mode of p_O one step earlier, which saves
            the network call at t = 1: `num_steps` calls instead of `num_steps + 1`.
        start: float in [0, 1), or None. The time of the first prediction. If it is above 0, the
            evidence starts as N(0, c beta(start)), that of messages about data whose embedding is
            zero. By default 0 for steps of equal length in time, and otherwise the time at which
            c beta is 0.01, so that the start suits every schedule.
        spacing: `"t"` for steps of equal length in time, `"log_beta"` for steps of equal length in
            the log of the accuracy, which needs a `start` above 0.

    Raises:
        ValueError: if an argument is out of its range.

    A custom sampler is one small class. This one is the paper's, with the mode of p_O instead of a
    sample from it:

    ```python
    class GreedySampler(keras_bfn.samplers.Sampler):
        def init(self, flow, shape, seed=None):
            return keras.ops.zeros(shape)

        def evidence(self, flow, state, t):
            return state

        def step(self, flow, state, distribution, t, t_next, seed=None):
            alpha = flow.schedule.beta(t_next) - flow.schedule.beta(t)
            return state + flow.observe(flow.embed(distribution.mode()), alpha, seed)

    model.generate(16, num_steps=20, sampler=GreedySampler())
    ```

    A sampler that predicts twice in each step repeats times. This one is Heun's, of order 2. From
    `t` to the same `t`, it corrects the step before. Times are tensors, so `where` tells the two
    apart, and the state holds what the second needs.

    ```python
    class HeunSampler(keras_bfn.samplers.ODE1Sampler):
        deterministic = False  # it takes no latents, and does not encode

        def times(self, flow, num_steps):  # t0, t1, t1, t2, t2, and so on
            return np.repeat(super().times(flow, num_steps), 2)[1:]

        def init(self, flow, shape, seed=None):
            u = super().init(flow, shape, seed)
            return u, u, keras.ops.zeros_like(u), keras.ops.zeros(())

        def evidence(self, flow, state, t):
            return super().evidence(flow, state[0], t)

        def step(self, flow, state, distribution, t, t_next, seed=None):
            u, before, first, t_before = state
            embedding = flow.expected_embedding(distribution)
            mean = 0.5 * (first + embedding)
            corrected = self.advance(flow, before, mean, t_before, t)
            predicted = self.advance(flow, u, embedding, t, t_next)
            u_next = keras.ops.where(t_next > t, predicted, corrected)
            return u_next, u, embedding, keras.ops.cast(t, "float32")

    model.generate(16, num_steps=10, sampler=HeunSampler())
    ```

    A sampler keeps further arguments as attributes of the same names. Compiled programs are reused
    for samplers whose arguments are equal by value, or the same Keras layers; with an argument of
    another kind, such as a function, each call compiles its program anew. A sampler whose
    `init` ignores `start` is correct only for `start=0`. A sampler without noise sets
    `deterministic = True` and defines `init_from` and `latents`, so that it can encode. A sampler
    that draws random numbers only by `flow.observe` and `distribution.sample` can be exported.
    `keras_bfn.testing.check_sampler` tests a sampler.

    Attributes:
        deterministic: bool. Whether samples are a function of the initial state.
    """

    deterministic = False

    def __init__(
        self,
        temperature: float = 1.0,
        end: Literal["mode", "sample", "last"] = "mode",
        start: float | None = None,
        spacing: Literal["t", "log_beta"] = "t",
        top_k: int | None = None,
        top_p: float | None = None,
    ) -> None:
        self.temperature = check_positive("temperature", temperature)
        self.top_k = top_k if top_k is None else check_int("top_k", top_k, 1)
        if top_p is not None and not (is_number(top_p) and 0 < top_p <= 1):
            raise refusal("top_p", "must be a number above 0 and at most 1, or None", top_p)
        self.top_p = top_p
        self.end = check_choice("end", end, ENDS)
        self.spacing = check_choice("spacing", spacing, SPACINGS)
        start = 0.0 if start is None and spacing == "t" else start
        self.start = None if start is None else check_rate("start", start)
        if spacing == "log_beta" and start == 0:
            expected = "must be above 0 for spacing='log_beta', since log(beta(0)) is infinite"
            raise refusal("start", expected, start)

    def starting_for(self, flow: "Parts[Flow]") -> Self:
        """Returns this sampler with a `start`: for a dict of flows, the mean of the parts'."""
        if self.start is not None:
            return self

        def start(flow):
            most = float(flow.schedule.beta(1.0))
            return float(flow.schedule.inverse(min(START_ACCURACY / flow.gain, 0.1 * most)))

        starts = [start(part) for (part,) in list_parts(flow)]
        return self.traced(start=sum(starts) / len(starts))

    def init(self, flow: "Flow", shape: Shape, seed: Seed = None) -> Any:
        """Returns the state at `start`.

        Args:
            flow: the data type.
            shape: the evidence's shape, `(batch, *event_shape, embedding_size)`.
            seed: the `SeedGenerator` of all random numbers. With an int, each step would have the
                same noise.

        Returns:
            A tensor, or a nest of tensors.
        """
        raise lacks(self, "init")

    def evidence(self, flow: "Flow", state: Any, t: Tensor) -> Tensor:
        """Returns the evidence `s` of a state at time `t`, a scalar."""
        raise lacks(self, "evidence")

    def step(
        self,
        flow: "Flow",
        state: Any,
        distribution: "Distribution",
        t: Tensor,
        t_next: Tensor,
        seed: Seed = None,
        shift: Tensor = None,
    ) -> Any:
        """Returns the state at `t_next`, given the output distribution at `t`; both are scalars.

        `shift`, shaped as the evidence, is what guidance adds to the expected embedding. It is only
        passed with a `guidance`, so samplers that are never guided need not take it.

        By default, the state is advanced by a message about the embedding that `message` returns.
        """
        embedding = self.message(flow, distribution, seed)
        embedding = embedding if shift is None else embedding + shift
        return self.advance(flow, state, embedding, t, t_next, seed)

    def message(self, flow: "Flow", distribution: "Distribution", seed: Seed = None) -> Tensor:
        """Returns the embedding that the next message is about; by default the expected one."""
        return flow.expected_embedding(distribution)

    def advance(
        self,
        flow: "Flow",
        state: Any,
        embedding: Tensor,
        t: Tensor,
        t_next: Tensor,
        seed: Seed = None,
    ) -> Any:
        """Returns the state at `t_next` if all messages from `t` on are about `embedding`."""
        raise lacks(self, "advance")

    def arrival(self, t_next: Tensor) -> Tensor:
        """Returns `"t_next"` for networks that take it, before a step to `t_next`."""
        return t_next

    def check_model(self, model: Any) -> None:
        """Raises a `ValueError` if this sampler cannot sample from a model."""
        if self.temperature != 1 or self.top_k is not None or self.top_p is not None:
            for (flow,) in list_parts(model.flow):  # sharpening raises an error
                sizes = flow.output_size, flow.embedding_size
                params, s = (ops.zeros((1, size), "float32") for size in sizes)
                self.sharpen(flow.output_distribution(params, s, ops.ones(1, "float32")))

    def sharpen(self, distribution: "Distribution") -> "Distribution":
        """Returns the output distribution after `temperature`, `top_k` and `top_p`."""
        if self.temperature != 1:
            distribution = distribution.tempered(self.temperature)
        if self.top_k is not None or self.top_p is not None:
            distribution = distribution.truncated(self.top_k, self.top_p)
        return distribution

    def finish(self, flow: "Flow", distribution: "Distribution", seed: Seed = None) -> Tensor:
        """Returns the data of the last prediction, `(batch, *event_shape)`."""
        return distribution.sample(seed) if self.end == "sample" else distribution.mode()

    def init_from(self, latents: Tensor) -> Any:
        """Returns the initial state of a deterministic sampler given latents, s / sqrt(beta)."""
        raise lacks(self, "init_from")

    def latents(self, state: Any) -> Tensor:
        """Returns the latents, s / sqrt(beta), of a deterministic sampler's state."""
        raise lacks(self, "latents")

    def times(self, flow: "Flow", num_steps: int) -> Array:
        """Returns the times of predictions from `start` to 1, float32, `(num_steps + 1,)`.

        There may be more, if the sampler predicts several times in a step.
        """
        start: Any = self.starting_for(flow).start
        if self.spacing == "t":
            return np.linspace(start, 1, num_steps + 1, dtype="float32")
        first, last = (float(flow.schedule.beta(t)) for t in (start, 1.0))
        beta = np.geomspace(first, last, num_steps + 1)
        times = np.array([float(flow.schedule.inverse(b)) for b in beta], "float32")
        times[0], times[-1] = start, 1
        return times


class SecondOrder(Sampler):
    """Mixin that extrapolates the expected embedding of a first-order sampler.

    The expected embedding is assumed to move along the line through the last two predictions. Its
    mean over the step replaces its value at the start of the step. The state is the tuple of the
    first-order sampler's state, the last expected embedding and its time.
    """

    def begin(self, state: Any) -> Any:
        """Returns the state before the first prediction, when there is no line yet."""
        return state, ops.zeros_like(state), ops.convert_to_tensor(-1.0, dtype="float32")

    def init(self, flow: "Flow", shape: Shape, seed: Seed = None) -> Any:
        return self.begin(super().init(flow, shape, seed))

    def evidence(self, flow: "Flow", state: Any, t: Tensor) -> Tensor:
        return super().evidence(flow, state[0], t)

    def step(self, flow, state, distribution, t, t_next, seed=None, shift=None):
        state, last, t_last = state
        t = ops.convert_to_tensor(t, dtype="float32")
        embedding = flow.expected_embedding(distribution)
        embedding = embedding if shift is None else embedding + shift
        ratio = flow.extrapolation(ops.maximum(t_last, 0.0), t, t_next, self.deterministic)
        ratio = ops.where(t_last < 0, 0.0, ratio)
        mean = embedding + ratio * (embedding - last)
        return self.advance(flow, state, mean, t, t_next, seed), embedding, t


class MessageSampler(Sampler):
    """Base class of samplers whose state is the evidence, which is zero at t = 0."""

    def init(self, flow: "Flow", shape: Shape, seed: Seed = None) -> Any:
        nothing = ops.zeros(shape, dtype="float32")
        start = self.starting_for(flow).start
        if start == 0:
            return nothing
        return flow.observe(nothing, flow.schedule.beta(start), seed_of(seed, "start"))

    def evidence(self, flow: "Flow", state: Any, t: Tensor) -> Tensor:
        return state

    def advance(self, flow, state, embedding, t, t_next, seed=None):
        alpha = flow.schedule.beta(t_next) - flow.schedule.beta(t)
        return state + flow.observe(embedding, alpha, seed)


@keras.saving.register_keras_serializable("keras_bfn")
class AncestralSampler(MessageSampler):
    """The paper's sampler: it samples data from p_O, then a message about them.

    With `d = beta(t_next) - beta(t)`, a step is `s += c d e(x') + sqrt(c d) z`, with x' sampled
    from p_O and z standard normal.

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

    def message(self, flow: "Flow", distribution: "Distribution", seed: Seed = None) -> Tensor:
        return flow.embed(distribution.sample(seed_of(seed, "message")))


@keras.saving.register_keras_serializable("keras_bfn")
class SDE1Sampler(MessageSampler):
    """Sampler whose messages are about the expected embedding.

    With `d = beta(t_next) - beta(t)`, a step is `s += c d e_hat + sqrt(c d) z`, with z standard
    normal. The state is the evidence `s`.

    Args:
        noise: float, at least 0. With 1, each step only adds evidence. Below 1, it adds less noise
            and scales the evidence up; above 1, it adds more noise and scales the evidence down, so
            that errors of earlier steps are forgotten. If steps are small, this multiplies the
            standard deviation of the noise by `noise`, and the distribution of the evidence at each
            time stays the same. With 0, there is no noise after the first step, as in
            `ODE1Sampler`. With `beta' = beta(t_next)` and `r = beta(t) / beta'`, a step is
            `s' = r^((noise^2 - 1) / 2) s + c beta' (1 - r^((1 + noise^2) / 2)) e_hat +
            sqrt(c beta' (1 - r^(noise^2))) z`.
        **kwargs: `temperature`, `top_k`, `top_p`, `end`, `start` and `spacing`, as in
            `keras_bfn.samplers.Sampler`.

    Raises:
        ValueError: if an argument is out of its range.

    Example:

    >>> images = model.generate(16, num_steps=20, sampler="sde1")

    Reference: SDE-BFN-Solver1 of [Xue et al., 2024](https://arxiv.org/abs/2404.15766). For the
    distribution at each time, which `noise` does not change, section 4.3 and appendix D of
    [Song et al., 2021](https://arxiv.org/abs/2011.13456).
    """

    def __init__(self, noise: float = 1.0, **kwargs) -> None:
        super().__init__(**kwargs)
        self.noise = check_at_least_0("noise", noise)

    def advance(self, flow, state, embedding, t, t_next, seed=None):
        if self.noise == 1:
            return super().advance(flow, state, embedding, t, t_next, seed)
        beta, beta_next = flow.schedule.beta(t), flow.schedule.beta(t_next)
        # Before the first message there is no evidence to scale up: all noise is new.
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


@keras.saving.register_keras_serializable("keras_bfn")
class ODE1Sampler(Sampler):
    """Deterministic sampler: samples are a function of the initial state.

    The state is `u = s / sqrt(beta)`. A step adds `c e_hat` times the increase of `sqrt(beta)`.
    At t = 0, u is distributed as N(0, c), so sampling starts exactly at the prior. u is also what
    `BayesianFlowNetwork.encode` returns and `generate` takes as `latents`.

    Args:
        **kwargs: `temperature`, `top_k`, `top_p`, `end`, `start` and `spacing`, as in
            `keras_bfn.samplers.Sampler`.

    Raises:
        ValueError: if an argument is out of its range.

    Example:

    >>> images = model.generate(16, num_steps=20, sampler="ode1")

    Reference: BFN-Solver1 of [Xue et al., 2024](https://arxiv.org/abs/2404.15766), whose state is
    `s` itself and which therefore must start after t = 0.
    """

    deterministic = True

    def init(self, flow: "Flow", shape: Shape, seed: Seed = None) -> Any:
        return math.sqrt(flow.gain) * normal(shape, seed)

    def init_from(self, latents: Tensor) -> Any:
        return latents

    def latents(self, state: Any) -> Tensor:
        return state

    def evidence(self, flow: "Flow", state: Any, t: Tensor) -> Tensor:
        return state * ops.sqrt(flow.schedule.beta(t))

    def advance(self, flow, state, embedding, t, t_next, seed=None):
        """Returns the state after a step with constant `embedding`; time may run backwards."""
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

    def init_from(self, latents: Tensor) -> Any:
        return self.begin(latents)

    def latents(self, state: Any) -> Tensor:
        return state[0]


SAMPLERS = {
    "ancestral": AncestralSampler,
    "sde1": SDE1Sampler,
    "sde2": SDE2Sampler,
    "ode1": ODE1Sampler,
    "ode2": ODE2Sampler,
}
# The default, for every verb of every model; the figures are in benchmarks/results/sampling.md.
DEFAULT = SDE2Sampler(spacing="log_beta")
DEFAULT_DETERMINISTIC = ODE2Sampler(spacing="log_beta")
NUM_STEPS = 20
WITH_DEFAULTS = {name: made() for name, made in SAMPLERS.items()}


def get(identifier: str | Sampler | None) -> Sampler:
    """Returns the sampler that `identifier` names.

    Args:
        identifier: a `Sampler`; a string: `"ancestral"`, `"sde1"`, `"sde2"`, `"ode1"`, `"ode2"`; or
            None for the default, `SDE2Sampler(spacing="log_beta")`.

    Returns:
        A `Sampler`.

    Raises:
        ValueError: if `identifier` is neither; the message lists the known names.

    Example:

    >>> keras_bfn.samplers.get("sde2").end
    'mode'
    """
    identifier = DEFAULT if identifier is None else identifier
    return resolve_identifier("sampler", identifier, Sampler, WITH_DEFAULTS)


def check_deterministic(sampler):
    """Raises a `ValueError` unless the sampler's samples are a function of its start."""
    if not sampler.deterministic:
        expected = "must be deterministic, such as 'ode1' or 'ode2', to map latents to samples"
        raise refusal("sampler", expected, sampler)
