"""Circular data: angles."""

import math
from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from keras_bfn._typing import ArrayLike, Tensor
from keras_bfn._validation import refusal
from keras_bfn.distributions import VonMises
from keras_bfn.flows.continuous import check_accuracy, exponential_schedule
from keras_bfn.flows.flow import Flow
from keras_bfn.schedules import Schedule

MOST_ACCURACY = 1e18  # so that the square of the evidence fits into float32
MOST = 1e7  # largest natural parameter: a standard deviation of 0.0003; float32 resolves 2e-7


@keras.saving.register_keras_serializable("keras_bfn")
class CircularFlow(Flow):
    """Angles in radians in [-pi, pi], whose ends are the same angle: torsions, directions, times.

    | embedding | e(x) = (cos x, sin x), a point in the plane |
    |---|---|
    | input distribution | von Mises, proportional to exp(s . e(x)) |
    | network input | 2 numbers per variable, s / (1/2 + sqrt(9/4 + s^2)), in the unit disc |
    | network output | 2 numbers per variable, natural parameters |
    | output distribution | von Mises, proportional to exp(params . e(x)) |

    All points of the circle are equally far from the origin. The posterior given normal messages
    about e(x) is therefore exactly von Mises, with the evidence as its natural parameter: messages
    and accuracies add up, and no lookup table is needed. The von Mises messages of CrysBFN approach
    these as they get weaker: a message of concentration alpha approaches one of accuracy
    alpha^2 / 2. The cost of an angle is the same with either.

    The continuous-time loss depends on the output distribution only through the mean of e(x), and a
    von Mises distribution can have any such mean. For an angle with two likely values, it is too
    wide until the evidence decides between them, which costs more if messages are few and large.

    The reconstruction loss is the negative log density of x per radian, and may be negative. The
    error of samples is about `sigma_1`; it depends on the evidence at t = 1 and on the network.

    Args:
        sigma_1: float in (0, 1). The standard deviation of the input distribution at t = 1, in
            radians; 0.01 by default. Short for `schedule=ExponentialSchedule(sigma_1)`, with which
            the cost of an angle is nearly uniform in time.
        schedule: a `keras_bfn.schedules.Schedule`, instead of `sigma_1`.

    Raises:
        ValueError: if an argument is out of its range, or both are given.

    Example:

    >>> flow = keras_bfn.flows.CircularFlow(sigma_1=0.02)
    >>> s = flow.sample_evidence(np.zeros((2, 5)), t=np.array([0.1, 0.9]), seed=0)
    >>> tuple(flow.input_params(s, beta=np.array([0.1, 0.5])).shape)
    (2, 5, 2)

    Reference: circular data in Bayesian flow networks,
    [Wu et al., 2025](https://arxiv.org/abs/2502.02016). The bound that makes the length of
    s / (1/2 + sqrt(9/4 + s^2)) at most 0.034 less than that of the mean of e(x): Amos, "Computation
    of modified Bessel functions and their ratios", Mathematics of Computation 28, 1974.
    """

    shorthands = (("sigma_1", "schedule"),)
    embedding_size = theta_size = output_size = 2
    theta_tells_all = True
    data_range = (-math.pi, math.pi)
    range_advice = ". Write `np.deg2rad(x)` for degrees, then `(x + np.pi) % (2 * np.pi) - np.pi`"

    def __init__(self, sigma_1: float | None = None, schedule: Schedule | None = None) -> None:
        super().__init__(exponential_schedule(sigma_1, schedule, default=0.01))
        check_accuracy(MOST_ACCURACY, self, sigma_1, schedule)

    def embed(self, x: Tensor) -> Tensor:
        x = ops.cast(x, "float32")
        return ops.stack([ops.cos(x), ops.sin(x)], axis=-1)

    def sure_data(self, x: Tensor) -> Tensor:
        return self.embed(x)

    def input_params(self, s: Tensor, beta: Tensor) -> Tensor:
        s = ops.convert_to_tensor(s)
        square = ops.sum(ops.square(s), axis=-1, keepdims=True)
        return s / (0.5 + ops.sqrt(2.25 + square))

    def input_mean(self, theta: Tensor) -> Tensor:
        """Returns the mean direction in radians."""
        return VonMises(theta).mean()

    def evidence_params(self, theta: Tensor) -> Tensor:
        """Returns the evidence, the inverse of `input_params`."""
        left = 1.0 - ops.sum(ops.square(theta), axis=-1, keepdims=True)
        left = ops.maximum(left, 1e-7)  # the length of theta can round to 1 in float32
        return theta * (1.0 + ops.sqrt(1.0 + 8.0 * left)) / (2.0 * left)

    def output_distribution(self, params: Tensor, s: Tensor, t: Tensor) -> VonMises:
        return VonMises(ops.clip(params, -MOST, MOST))

    def expected_embedding(self, distribution: Any) -> Tensor:
        return distribution.mean_vector()

    expected_data = expected_embedding

    def expected_variance(self, distribution: Any, t: Tensor) -> Tensor:
        return distribution.variances()

    def tilted(self, distribution: Any, evidence: Tensor, t: Tensor) -> VonMises:
        return VonMises(distribution.natural + evidence)

    def log_receiver_ratio(
        self, x: Tensor, distribution: Any, alpha: Tensor, noise: Tensor
    ) -> Tensor:
        """Returns log p_R(y) - log p_S(y | x) by Bayes' rule, as log p(x) - log p(x | y)."""
        e_x = self.embed(x)
        evidence = self.receive(e_x, alpha, noise)
        after = VonMises(distribution.natural + evidence)
        ratio = distribution.log_prob(x) - after.log_prob(x)
        # For very weak messages, that difference loses most of its digits.
        is_little = ops.sum(ops.square(evidence), axis=-1, keepdims=True) < 1.0
        little = ops.where(is_little, evidence, 0.0)
        growth = distribution.log_normalizer_growth(little) - ops.sum(little * e_x, axis=-1)
        return ops.where(ops.squeeze(is_little, axis=-1), growth, ratio)

    def remaining_cost(
        self, x: ArrayLike, num_draws: int = 10_000, seed: int = 0
    ) -> Callable[[Any], Any]:
        why = "No finite accuracy determines a real number, so `sigma_1` cannot be fitted"
        raise refusal("flow", f"must not be a flow of angles. {why}", self)
