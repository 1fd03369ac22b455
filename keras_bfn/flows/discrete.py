"""Discrete data: unordered classes (section 6 of the paper)."""

from typing import Any

import keras
import numpy as np
from keras import ops

from keras_bfn._typing import Array, ArrayLike, Shape, Tensor
from keras_bfn._validation import check_int, check_numbers, mismatch, refusal
from keras_bfn.distributions import Bernoulli, Categorical, Distribution
from keras_bfn.flows.channels import Line, Simplex
from keras_bfn.flows.flow import Flow, expand
from keras_bfn.flows.priors import MarkovChain, check_prior_shape
from keras_bfn.schedules import QuadraticSchedule, Schedule


@keras.saving.register_keras_serializable("keras_bfn")
class DiscreteFlow(Flow):
    """Unordered classes 0..K-1, such as letters, tokens or binary pixels.

    | input distribution | categorical: softmax(s), or proportional to prior times exp(s) |
    |---|---|
    | network input | K probabilities per variable; for K = 2, only the probability of class 1 |
    | network output | K logits per variable; for K = 2, only the log odds of class 1 |
    | output distribution | categorical |

    Args:
        num_classes: int, at least 2. K.
        beta_1: positive float. The accuracy at t = 1; required unless `schedule` is given. The
            paper uses 9 for binary pixels and 0.75^2 for 27 letters. Short for
            `schedule=QuadraticSchedule(beta_1)`.
        schedule: a `keras_bfn.schedules.Schedule`, instead of `beta_1`.
        prior: the input distribution before any message, instead of 1 / K for each class: an array
            of positive weights, `(num_classes,)`, or `(*event_shape, num_classes)` for a prior per
            variable; or, for sequences, a `keras_bfn.flows.MarkovChain`, with which evidence about
            one variable informs all. `keras_bfn.flows.fit_prior` fits them to data.

    Raises:
        ValueError: if an argument is out of its range, or if not exactly one of `beta_1` and
            `schedule` is given.

    Example:

    >>> flow = keras_bfn.flows.DiscreteFlow(num_classes=27, beta_1=0.5625)
    >>> s = flow.sample_evidence(np.zeros((2, 5), "int32"), t=np.array([0.1, 0.9]), seed=0)
    >>> tuple(flow.input_params(s, beta=np.array([0.1, 0.5])).shape)
    (2, 5, 27)

    Reference: section 6 of [Graves et al., 2023](https://arxiv.org/abs/2308.07037).
    """

    shorthands = (("beta_1", "schedule"),)
    discrete = True
    range_advice = ". Classes 0..K-1 need `num_classes=K`"
    theta_tells_all = True
    theta_range = (0, 1)
    theta_is_probs = True

    def __init__(
        self,
        num_classes: int,
        beta_1: float | None = None,
        schedule: Schedule | None = None,
        prior: ArrayLike | MarkovChain | None = None,
    ) -> None:
        self.num_classes = check_int("num_classes", num_classes, 2)
        if (beta_1 is None) == (schedule is None):
            expected = "Exactly one of the arguments `beta_1` and `schedule` must be given"
            advice = "Write `beta_1=3.0`, for example; `keras_bfn.schedules.fit` fits it to data"
            came = f"beta_1={beta_1}, schedule={schedule}"
            raise ValueError(f"{expected}. Received: {came}. {advice}")
        if beta_1 is not None:
            schedule = QuadraticSchedule(beta_1)
        super().__init__(schedule)  # type: ignore[arg-type]
        self.prior = self._check_prior(prior)

    def _check_prior(self, prior):
        if prior is None:
            return None
        if isinstance(prior, MarkovChain):
            num_classes = prior.num_classes
        else:
            prior = check_numbers("prior", prior).astype("float64")
            num_classes = prior.shape[-1] if prior.ndim else 0
            are_positive = np.isfinite(prior) & (prior > 0)
            if are_positive.all():
                prior = (prior / prior.sum(axis=-1, keepdims=True)).astype("float32")
                are_positive = prior > 0  # also in float32
            if not (prior.size and are_positive.all()):
                came = f"{prior.size} weights, {np.sum(~are_positive)} of them invalid"
                raise mismatch("prior", "must contain positive, finite weights", came)
            prior.setflags(write=False)
        if num_classes != self.num_classes:
            expected = f"must have {self.num_classes} classes"
            raise mismatch("prior", expected, f"a prior with {num_classes} classes")
        return prior

    def find_prior(
        self, x: Array, there: Array, per_variable: bool, order: int
    ) -> Array | MarkovChain:
        """Returns the `prior` fitted to data, for `keras_bfn.flows.fit_prior`."""
        x = np.where(there, x.astype("int64"), -1)  # also for bools
        if order:
            if per_variable:
                raise refusal("per_variable", "must be False for an `order` above 0", per_variable)
            return MarkovChain.fit(x, self.num_classes, order)
        # Add half a count to each class, so that none is impossible.
        if not per_variable:
            return np.bincount(x[there], minlength=self.num_classes) + 0.5
        return np.stack([np.sum(x == k, axis=0) + 0.5 for k in range(self.num_classes)], axis=-1)

    def check_event_shape(self, event_shape: Shape) -> None:
        if isinstance(self.prior, MarkovChain):
            if len(event_shape) != 1 or event_shape[0] < self.prior.order:
                least = f"must be (length,), with a length of at least {self.prior.order}"
                raise mismatch("event_shape", f"{least}, for {self.prior}", f"{tuple(event_shape)}")
        elif self.prior is not None:
            check_prior_shape(self.prior.shape[:-1], event_shape)

    @property
    def scans(self) -> bool:
        return isinstance(self.prior, MarkovChain)

    @property
    def gain(self) -> float:
        return float(self.num_classes)

    @property
    def embedding_size(self) -> int:
        return self.num_classes

    @property
    def theta_size(self) -> int:
        return 1 if self.num_classes == 2 else self.num_classes

    @property
    def output_size(self) -> int:
        return self.theta_size

    @property
    def data_range(self) -> tuple[Any, Any]:
        return (0, self.num_classes - 1)

    def embed(self, x: Tensor) -> Tensor:
        # Not `ops.one_hot`, which on PyTorch allocates int64 values first.
        x = ops.expand_dims(ops.cast(x, "int32"), axis=-1)
        return ops.cast(ops.equal(x, ops.arange(self.num_classes, dtype="int32")), "float32")

    def sure_data(self, x: Tensor) -> Tensor:
        return self.embed(x)

    def input_params(self, s: Tensor, beta: Tensor) -> Tensor:
        if isinstance(self.prior, MarkovChain):
            return self.prior.marginals(s)[..., -self.theta_size :]
        if self.prior is not None:
            s = ops.convert_to_tensor(s) + ops.convert_to_tensor(np.log(self.prior))
        if self.num_classes == 2:
            return ops.sigmoid(s[..., 1:] - s[..., :1])
        return ops.softmax(s, axis=-1)

    def known_params(self, x: Tensor) -> Tensor:
        return self.embed(x)[..., -self.theta_size :]

    def input_mean(self, theta: Tensor) -> Tensor:
        if self.num_classes == 2:
            return ops.squeeze(theta, axis=-1)
        return ops.sum(theta * ops.arange(self.num_classes, dtype="float32"), axis=-1)

    def evidence_params(self, theta: Tensor) -> Tensor:
        if self.num_classes == 2:
            # In float32, the sigmoid rounds to 1 for log odds above 17.
            theta = ops.clip(theta, 1e-7, 1.0 - 1e-7)
            return ops.log(theta) - ops.log1p(-theta)
        return ops.log(ops.maximum(theta, 1e-30))

    def output_distribution(self, params: Tensor, s: Tensor, t: Tensor) -> Distribution:
        if self.num_classes == 2:
            return Bernoulli(ops.squeeze(params, axis=-1))
        return Categorical(params)

    def expected_embedding(self, distribution: Distribution) -> Tensor:
        return distribution.probs()

    expected_data = expected_embedding

    def expected_variance(self, distribution: Distribution, t: Tensor) -> Tensor:
        probs = distribution.probs()
        return probs * (1.0 - probs)

    def tilted(self, distribution: Distribution, evidence: Tensor, t: Tensor) -> Categorical:
        return Categorical(distribution.log_probs() + evidence)

    def extrapolation(
        self, t_last: Tensor, t: Tensor, t_next: Tensor, deterministic: bool
    ) -> Tensor:
        """As in the base class, with a line in sqrt(beta), which is linear in the paper's t."""
        last, now, then = (ops.sqrt(self.schedule.beta(time)) for time in (t_last, t, t_next))
        step, move = then - now, ops.where(now == last, 1.0, now - last)
        if deterministic:
            return 0.5 * step / move
        # The mean of the line over beta rather than over sqrt(beta).
        return step * (now + 2.0 * then) / (3.0 * (now + then) * move)

    def log_likelihood_ratios(self, x: Tensor, alpha: Tensor, noise: Tensor) -> Tensor:
        # One-hot embeddings of different classes have a squared distance of 2.
        e_x = self.embed(x)
        noise = noise - ops.sum(noise * e_x, axis=-1, keepdims=True)
        precision = self.gain * expand(alpha, e_x)
        return ops.sqrt(precision) * noise - precision * (1.0 - e_x)

    def channel(self) -> Line | Simplex:
        if self.num_classes > 2:
            return Simplex(self.num_classes)
        # The component of the evidence that both classes share carries no information.
        half = 0.5**0.5
        return Line((-half, half), direction=(-half, half))
