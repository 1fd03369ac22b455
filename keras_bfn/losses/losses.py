"""The contract of losses, the paper's three losses for every data type, and random times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import keras
from keras import ops

from keras_bfn._config import Immutable
from keras_bfn._random import seed_of, uniform
from keras_bfn._typing import Parts, Seed, Tensor
from keras_bfn._validation import (
    check_int,
    check_interval,
    check_rate,
    lacks,
    refusal,
    resolve_identifier,
)
from keras_bfn.flows.flow import Flow, expand

if TYPE_CHECKING:
    from keras_bfn.predictions import Prediction


class BFNLoss(Immutable):
    """Base class of losses, which choose the times of predictions and score them.

    A loss is stateless and needs no trainer:

    ```python
    loss, seed = keras_bfn.losses.ContinuousTimeLoss(), keras.random.SeedGenerator(0)
    t = loss.times(keras_bfn.losses.stratified_uniform(len(x), seed))
    s = flow.sample_evidence(x, t, seed)
    theta = flow.input_params(s, flow.schedule.beta(t))
    prediction = keras_bfn.Prediction(t, s, theta, network({"theta": theta, "t": t}))
    nats = loss(flow, x, prediction, seed)
    ```

    A custom loss is a subclass, whose arguments are attributes of the same names; for classes, of
    `CrossEntropyLoss`, which is their default. This one counts late times twice. `evaluate` reports
    all costs so weighted; `code_length` has losses of its own. A loss that changes `times` divides
    by their density, as `CrossEntropyLoss` does.

    ```python
    @keras.saving.register_keras_serializable("my_package")
    class LateLoss(keras_bfn.losses.ContinuousTimeLoss):
        def __call__(self, flow, x, prediction, seed=None):
            weight = keras.ops.where(prediction.t > 0.5, 2.0, 1.0)
            nats = super().__call__(flow, x, prediction, seed)
            return keras_bfn.flows.expand(weight, x) * nats

    model.compile("adamw", loss=LateLoss())
    ```
    """

    def times(self, uniform: Tensor) -> Tensor:
        """Maps uniform numbers in [0, 1) to the times of predictions, element by element.

        Their shape is `(batch,)`, or another if each variable has its own time.
        """
        raise lacks(self, "times")

    def next_times(self, t: Tensor) -> Tensor:
        """Returns the times after the messages that are scored at the times `t`, for networks that
        take `"t_next"`: by default the same, because messages are infinitely small.
        """
        return t

    def __call__(self, flow: Flow, x: Tensor, prediction: Prediction, seed: Seed = None) -> Tensor:
        """Scores a prediction.

        Args:
            flow: the data type, a `keras_bfn.flows.Flow`.
            x: data, of shape `(batch, *event_shape)`.
            prediction: a `keras_bfn.Prediction` from evidence about `x`.
            seed: a `SeedGenerator`, an int or None, for losses that sample messages.

        Returns:
            Nats per variable, of shape `(batch, *event_shape)`.
        """
        raise lacks(self, "__call__")


def stratified_uniform(batch_size: Tensor, seed: Seed = None) -> Tensor:
    """Returns uniform numbers in [0, 1), one in each of `batch_size` equal strata, in random order.

    One random offset is used for all strata. Each number alone is uniform, so a mean over the batch
    is unbiased, with lower variance than for independent numbers.

    Args:
        batch_size: int or integer tensor.
        seed: a `SeedGenerator`, an int or None.

    Returns:
        A float32 tensor of shape `(batch_size,)`.

    Example, one of four numbers in each quarter:

    >>> numbers = keras_bfn.losses.stratified_uniform(4, seed=0)
    >>> sorted(int(4 * number) for number in keras.ops.convert_to_numpy(numbers))
    [0, 1, 2, 3]
    """
    size = ops.cast(batch_size, "float32")
    offset = uniform((1,), seed_of(seed, "offset"))
    order = ops.argsort(uniform((batch_size,), seed_of(seed, "order")))
    # In float32, the last stratum can round up to 1.
    return ops.minimum((ops.cast(order, "float32") + offset) / size, 1.0 - 2.0**-24)


@keras.saving.register_keras_serializable("keras_bfn")
class ContinuousTimeLoss(BFNLoss):
    """The cost of infinitely many messages: (c / 2) beta'(t) |e(x) - e_hat|^2, t uniform in [0, 1).

    Example:

    >>> model.compile(loss=keras_bfn.losses.ContinuousTimeLoss())

    Reference: "Continuous-time loss" in sections 4, 5 and 6 of
    [Graves et al., 2023](https://arxiv.org/abs/2308.07037).
    """

    def times(self, uniform: Tensor) -> Tensor:
        return uniform

    def __call__(self, flow: Flow, x: Tensor, prediction: Prediction, seed: Seed = None) -> Tensor:
        output = flow.output_distribution(prediction.params, prediction.s, prediction.t)
        return _cost_rate(flow, x, output, expand(flow.schedule.derivative(prediction.t), x))


def _cost_rate(flow, x, output, rate):
    """Returns the nats per unit of time of messages whose accuracy increases at this rate."""
    error = flow.embed(x) - flow.expected_embedding(output)
    return 0.5 * flow.gain * rate * ops.sum(error * error, axis=-1)


@keras.saving.register_keras_serializable("keras_bfn")
class CrossEntropyLoss(BFNLoss):
    """The continuous-time loss with the gradient of a cross-entropy, mostly at middle times.

    Its expected value is that of `ContinuousTimeLoss`, so curves and code lengths are comparable.
    For classes, its gradient is that of -beta'(t) / beta(1) log p_O(x). Both gradients vanish at
    the same output distribution, the posterior given the evidence. For all other data, the gradient
    is that of the continuous-time loss. Some of the times are drawn from a triangular density.

    It is the default for classes, because networks learn faster with it: see the figures in
    `benchmarks/speedrun/RECORDS.md`. Numbers, angles and bins, alone or beside classes in a dict,
    gain nothing, so `ContinuousTimeLoss` is the default for them.

    Args:
        interval: two times, (t0, t1), the ends of the triangular density.
        share: float in [0, 1). The probability that a time is drawn from the triangular density
            rather than uniformly.

    Raises:
        ValueError: if an argument is out of its range.

    Example:

    >>> model.compile(loss=keras_bfn.losses.CrossEntropyLoss(share=0.5))

    Reference: for the value, "Continuous-time loss" in sections 4, 5 and 6 of
    [Graves et al., 2023](https://arxiv.org/abs/2308.07037). Any proper scoring rule, such as the
    cross-entropy, has the same optimal output distribution.
    """

    def __init__(self, interval: Sequence[float] = (0.2, 0.9), share: float = 0.7) -> None:
        self.interval = check_interval("interval", interval)
        self.share = check_rate("share", share)

    def times(self, uniform: Tensor) -> Tensor:
        (low, high), share = self.interval, self.share
        if share == 0:
            return uniform
        half, place = (high - low) / 2, ops.minimum(uniform / share, 1.0)
        rise, fall = low + half * ops.sqrt(2 * place), high - half * ops.sqrt(2 * (1 - place))
        rest = ops.clip((uniform - share) / (1 - share), 0.0, 1.0 - 2.0**-24)
        return ops.where(uniform < share, ops.where(place < 0.5, rise, fall), rest)

    def density(self, t: Tensor) -> Tensor:
        """Returns the probability density of `times` at `t`, which is 1 for uniform times."""
        low, high = self.interval
        half, distance = (high - low) / 2, ops.abs(t - (low + high) / 2)
        return 1 - self.share + self.share * ops.maximum(1 - distance / half, 0.0) / half

    def __call__(self, flow: Flow, x: Tensor, prediction: Prediction, seed: Seed = None) -> Tensor:
        output = flow.output_distribution(prediction.params, prediction.s, prediction.t)
        t = expand(prediction.t, x)
        rate = flow.schedule.derivative(t)
        value = _cost_rate(flow, x, output, rate / self.density(t))
        if not flow.theta_is_probs:  # not classes
            return value
        # Not divided by the density: its gradient is weighted by how often a time is drawn.
        learnt = -rate / flow.schedule.beta(1.0) * output.log_prob(x)
        return ops.stop_gradient(value) + (learnt - ops.stop_gradient(learnt))


@keras.saving.register_keras_serializable("keras_bfn")
class DiscreteTimeLoss(BFNLoss):
    """The cost of n messages: n KL(sender || receiver) at one step sampled from 1..n.

    The divergence is that of a variable's whole message (K numbers for discrete data).

    Args:
        num_steps: int, at least 1. n.
        num_samples: int, at least 1. The number of messages sampled to estimate the divergence. It
            has no effect on continuous data, where the divergence has a closed form.

    Raises:
        ValueError: if an argument is out of its range.

    Example:

    >>> model.compile(loss=keras_bfn.losses.DiscreteTimeLoss(num_steps=20))

    Reference: "Discrete-time loss" in sections 4, 5 and 6 of
    [Graves et al., 2023](https://arxiv.org/abs/2308.07037).
    """

    fed = ("num_steps",)  # an input of compiled programs, which are the same for all values

    def __init__(self, num_steps: int, num_samples: int = 1) -> None:
        self.num_steps = check_int("num_steps", num_steps, 1, 2**24)  # float32 counts up to this
        self.num_samples = check_int("num_samples", num_samples, 1)

    def times(self, uniform: Tensor) -> Tensor:
        """Returns the time (i - 1) / n of the prediction before step i."""
        step = ops.minimum(ops.floor(uniform * self.num_steps), self.num_steps - 1)
        return step / self.num_steps

    def next_times(self, t: Tensor) -> Tensor:
        return ops.minimum(t + 1.0 / self.num_steps, 1.0)

    def __call__(self, flow: Flow, x: Tensor, prediction: Prediction, seed: Seed = None) -> Tensor:
        distribution = flow.output_distribution(prediction.params, prediction.s, prediction.t)
        # A known part is at t = 1, after the last message; schedules have no step beyond.
        step = ops.minimum(ops.round(prediction.t * self.num_steps) + 1.0, self.num_steps)
        alpha = flow.schedule.alpha(step, self.num_steps)
        seeds = [seed_of(seed, f"message {i}") for i in range(self.num_samples)]
        draws = [flow.sender_receiver_kl(x, distribution, alpha, each) for each in seeds]
        return self.num_steps * sum(draws) / self.num_samples


@keras.saving.register_keras_serializable("keras_bfn")
class ReconstructionLoss(BFNLoss):
    """The cost of the data after all messages: -log p_O(x) at t = 1.

    Example, nats per variable given the evidence `s` at t = 1:

    >>> flow, t = keras_bfn.flows.DiscreteFlow(num_classes=2, beta_1=9.0), np.ones(16)
    >>> s = flow.sample_evidence(images, t, seed=0)
    >>> theta = flow.input_params(s, flow.schedule.beta(t))
    >>> prediction = keras_bfn.Prediction(t, s, theta, s[..., 1:])
    >>> keras_bfn.losses.ReconstructionLoss()(flow, images, prediction).shape
    (16, 4, 4, 1)

    Reference: "Reconstruction loss" in sections 4, 5 and 6 of
    [Graves et al., 2023](https://arxiv.org/abs/2308.07037).
    """

    def times(self, uniform: Tensor) -> Tensor:
        return ops.ones_like(uniform)

    def __call__(self, flow: Flow, x: Tensor, prediction: Prediction, seed: Seed = None) -> Tensor:
        return flow.reconstruction_loss(x, prediction.params, prediction.s, prediction.t)


def get(identifier: str | BFNLoss | None, flow: Parts[Flow] | None = None) -> BFNLoss:
    """Returns the transmission loss that `identifier` names.

    Args:
        identifier: a `BFNLoss`, `"cross_entropy"`, `"continuous_time"`, or `"auto"` or None, which
            stand for `"cross_entropy"` if all variables of `flow` are classes, and otherwise for
            `"continuous_time"`.
        flow: None, a flow, or a dict of flows.

    Returns:
        A `BFNLoss`.

    Raises:
        ValueError: if `identifier` is none of these, or is a `ReconstructionLoss`.

    Example:

    >>> keras_bfn.losses.get("auto", keras_bfn.flows.DiscreteFlow(num_classes=2, beta_1=6.0))
    CrossEntropyLoss(interval=(0.2, 0.9), share=0.7)
    >>> keras_bfn.losses.get("auto", keras_bfn.flows.ContinuousFlow(sigma_1=0.02))
    ContinuousTimeLoss()
    """
    known = {"continuous_time": ContinuousTimeLoss(), "cross_entropy": CrossEntropyLoss()}
    parts = flow.values() if isinstance(flow, Mapping) else [flow]
    all_classes = all(part is not None and part.theta_is_probs for part in parts)
    known["auto"] = known["cross_entropy" if all_classes else "continuous_time"]
    identifier = "auto" if identifier is None else identifier
    if isinstance(identifier, ReconstructionLoss):
        expected = "must be the cost of messages. `evaluate` reports the reconstruction loss, too"
        raise refusal("loss", expected, identifier)
    return resolve_identifier("loss", identifier, BFNLoss, known)
