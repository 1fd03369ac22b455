"""Continuous data: real numbers (section 4 of the paper)."""

import math
from collections.abc import Callable
from typing import Any, Literal, TypeAlias

import keras
import numpy as np
from keras import ops

from keras_bfn._typing import Array, ArrayLike, Seed, Shape, Tensor
from keras_bfn._validation import check_choice, check_int, check_positive, mismatch, refusal
from keras_bfn.distributions import Delta, DiscretizedNormal, Distribution, Normal
from keras_bfn.distributions.discrete import bin_number
from keras_bfn.flows import scaling
from keras_bfn.flows.flow import Flow, expand
from keras_bfn.flows.joint_normal import JointNormal
from keras_bfn.flows.priors import check_prior_shape
from keras_bfn.flows.scaling import check_scaling, check_scaling_shape
from keras_bfn.schedules import ExponentialSchedule, Schedule

NormalPrior: TypeAlias = ArrayLike | tuple[ArrayLike, ArrayLike] | JointNormal | None

# Before this time there is no evidence, and predicted noise does not determine the data.
T_MIN = 1e-6
# Of a fitted prior: a narrower one hides the evidence, from which networks learn to predict noise.
LEAST_STD = 0.05
# Numbers that are known better, below a standard deviation of 1e-6, are lost in float32 evidence:
# at 1e14, costs are 0.1 nats too large, and at 1e16 several nats.
MOST_ACCURACY = 2e12


class NumberFlow(Flow):
    """Base class of continuous and discretised data, whose input distribution is normal.

    A subclass passes on `schedule` and `prior`, and defines `embed`, `output_size`, `data_range`
    and `output_distribution`, for which `noise_to_data` turns predicted noise into data.
    """

    embedding_size = theta_size = 1

    def __init__(self, schedule: Schedule, prior: NormalPrior) -> None:
        super().__init__(schedule)
        self.prior = None if prior is None else _check_prior(prior)

    def input_params(self, s: Tensor, beta: Tensor) -> Tensor:
        """Returns mu, the mean of N(mu, 1 / (1 / std^2 + beta)); without a prior s / (1 + beta)."""
        s = ops.convert_to_tensor(s)
        if isinstance(self.prior, JointNormal):
            return ops.reshape(self.prior.posterior_mean(_flat(s), _flat(beta)), ops.shape(s))
        mean, std = self._prior_moments(s)
        return (s + mean / std**2) / (1.0 / std**2 + expand(beta, s))

    def input_variance(self, t: Tensor, like: Tensor) -> Tensor:
        """Returns the variance of the input distribution, which broadcasts to the shape of data.

        Args:
            t: time, of shape `(batch,)`, or `(batch, *event_shape)` if each variable has its own.
            like: data; only the shape is used.
        """
        beta = self.schedule.beta(t)
        if isinstance(self.prior, JointNormal):
            return ops.reshape(self.prior.posterior_variance(_flat(beta)), (-1, *like.shape[1:]))
        std = 1.0 if self.prior is None else ops.convert_to_tensor(self.prior[1])
        return 1.0 / (expand(beta, like) + std**-2)

    def noise_to_data(self, noise: Tensor, s: Tensor, t: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Returns the data that predicted noise implies, and the noise's scale 1 / sqrt(beta).

        The evidence is `s = beta x + sqrt(beta) noise`, so `x = (s / sqrt(beta) - noise) /
        sqrt(beta)`. This is the paper's `mu / gamma - sqrt((1 - gamma) / gamma) noise` with
        `gamma = beta / (1 + beta)`, and holds for every prior.

        Returns:
            The tuple `(x, scale, known)`. `known` is false for t < 1e-6, where `x` and `scale` are
            the prior's mean and standard deviation.
        """
        given = self.input_params(s, self.schedule.beta(t))
        t = expand(t, noise)
        known = t >= T_MIN
        root = ops.sqrt(self.schedule.beta(ops.maximum(t, T_MIN)))
        mean, std = self._prior_moments(noise)
        # Give it the gradient of the posterior mean by evidence: guidance also acts at t = 0.
        mean = mean + (given - ops.stop_gradient(given))
        x = ops.where(known, (s / root - noise) / root, mean)
        return x, ops.where(known, 1.0 / root, std), known

    def _prior_moments(self, like):
        """Returns the prior's mean and standard deviation, which broadcast to evidence."""
        if self.prior is None:
            return 0.0, 1.0
        moments = self.prior
        if isinstance(moments, JointNormal):
            moments = moments.mean, np.sqrt(np.diag(moments.covariance))
            moments = [np.reshape(x, like.shape[1:-1]) for x in moments]
        return [ops.convert_to_tensor(x[..., None], "float32") for x in moments]

    def hear(self, s: Tensor, beta: Tensor, observed: Tensor) -> tuple[Tensor, Tensor]:
        if not isinstance(self.prior, JointNormal):
            return super().hear(s, beta, observed)
        s = ops.reshape(self.prior.fill_in(_flat(s), _flat(beta), _flat(observed)), ops.shape(s))
        return s, self.input_params(s, beta)

    def find_prior(self, x: Array, there: Array, per_variable: bool, order: int) -> Array:
        """Returns the `prior` fitted to data, for `keras_bfn.flows.fit_prior`."""
        if order:
            raise mismatch("order", "must be 0 for numbers", f"order={order}, flow={self!r}")
        x = ops.convert_to_numpy(self.embed(x))[..., 0].astype("float64")
        axes = {"axis": 0 if per_variable else None, "where": there}
        return np.stack([x.mean(**axes), np.maximum(x.std(**axes), LEAST_STD)])

    def check_event_shape(self, event_shape: Shape) -> None:
        if isinstance(self.prior, JointNormal):
            if math.prod(event_shape) != self.prior.mean.size:
                expected = f"must have {self.prior.mean.size} variables, like the flow's `prior`"
                raise mismatch("event_shape", expected, f"{tuple(event_shape)}")
        elif self.prior is not None:
            check_prior_shape(self.prior.shape[1:], event_shape)


def _flat(x):
    """Returns values per variable as `(batch, size)`, and those per example as they are."""
    return x if len(x.shape) == 1 else ops.reshape(x, (-1, math.prod(x.shape[1:])))


def _check_prior(prior):
    if isinstance(prior, JointNormal):
        return prior
    try:
        found = np.stack(np.broadcast_arrays(*prior)).astype("float32")
    except (TypeError, ValueError, OverflowError):  # not a sequence, of one shape, or of numbers
        found = np.zeros(())
    if not found.ndim or len(found) != 2 or not np.isfinite(found).all() or (found[1] <= 0).any():
        expected = "(mean, standard deviation): finite numbers or arrays of shape `event_shape`"
        raise refusal("prior", f"must be {expected}, with positive deviations", prior)
    found.setflags(write=False)
    return found


def exponential_schedule(sigma_1, schedule, default=0.001):
    """Returns `schedule` if given, else the `ExponentialSchedule` that ends at `sigma_1`."""
    if schedule is None:
        return ExponentialSchedule(default if sigma_1 is None else sigma_1)
    if sigma_1 is not None:
        expected = "Only one of the arguments `sigma_1` and `schedule` can be given"
        raise ValueError(f"{expected}. Received: sigma_1={sigma_1}, schedule={schedule}")
    return schedule


def check_accuracy(most, flow, sigma_1, schedule):
    """Raises a `ValueError` if messages to a flow are more accurate than `most` in all."""
    if float(flow.schedule.beta(1.0)) > most:
        name, given = ("sigma_1", sigma_1) if schedule is None else ("schedule", schedule)
        raise refusal(name, f"must give an accuracy of at most {most:g} at t = 1", given)


@keras.saving.register_keras_serializable("keras_bfn")
class ContinuousFlow(NumberFlow):
    """Real numbers, in [-1, 1] or in units of their own.

    | embedding | e(x) = (x - center) / scale, in [-1, 1] |
    |---|---|
    | input distribution | N(mu, 1 / (1 + beta)), mu = s / (1 + beta), unless there is a `prior` |
    | network output | 1 number per variable |
    | output distribution | a delta at x_hat, clipped to [center - scale, center + scale] |

    Data, samples and means are in the data's own units. `sigma_1`, `reconstruction_std`, `prior`,
    evidence, and network inputs and outputs are in units of e(x). The cost of messages does not
    depend on units.

    Args:
        sigma_1: float in (0, 1). The standard deviation of the input distribution at t = 1; 0.001
            by default. Short for `schedule=ExponentialSchedule(sigma_1)`.
        prediction: `"noise"`, `"data"` or `"residual"`: what the network predicts. With `"noise"`,
            x_hat before the first message is the prior's mean, whatever the network returns.
            `"residual"` is the difference of the data from the mean of the input distribution, in
            units of its standard deviation: if the network returns zeros, x_hat is that mean.
        num_bins: int or None. By default the reconstruction loss is the negative log density of x
            under N(x_hat, (scale sigma_1)^2), in the data's own units. In units a thousand times
            smaller, it and `bits_per_dim` are log(1000) and log2(1000) more per variable; both may
            be negative. With `num_bins`, the range is cut into so many bins, and the loss is the
            negative log of that normal's mass in the bin of x. It does not depend on units, and
            bits per dimension are comparable with those of a `DiscretizedFlow`.
        reconstruction_std: positive float or None: the normal's standard deviation in the
            reconstruction loss, instead of that of the input distribution at t = 1.
        schedule: a `keras_bfn.schedules.Schedule`, instead of `sigma_1`.
        prior: the input distribution before any message, instead of N(0, 1): a mean and a standard
            deviation, numbers or arrays of shape `event_shape` (a tuple of both, or one array).
            `keras_bfn.flows.fit_prior` fits them to data. Or a `keras_bfn.flows.JointNormal`, with
            which evidence about one variable informs all.
        center, scale: the data's own units: numbers, or arrays that broadcast to the event shape,
            such as one per channel. Data must lie within `scale` of `center`.
            `keras_bfn.flows.fit_scaling` fits them to data. Data are float32: if the center is more
            than 10,000 times the scale, subtract it from the data yourself.

    Raises:
        ValueError: if an argument is out of its range, or both `sigma_1` and `schedule` are given.

    Example:

    >>> flow = keras_bfn.flows.ContinuousFlow(sigma_1=0.02, center=15.0, scale=25.0)
    >>> flow.data_range
    (-10.0, 40.0)
    >>> s = flow.sample_evidence(np.zeros((2, 3)), t=np.array([0.1, 0.9]), seed=0)
    >>> tuple(s.shape)
    (2, 3, 1)

    Reference: section 4 of [Graves et al., 2023](https://arxiv.org/abs/2308.07037).
    """

    shorthands = (("sigma_1", "schedule"),)
    range_advice = ". For other units, write `flow = keras_bfn.flows.fit_scaling(flow, x)`"
    output_size = 1

    def __init__(
        self,
        sigma_1: float | None = None,
        prediction: Literal["noise", "data", "residual"] = "noise",
        num_bins: int | None = None,
        reconstruction_std: float | None = None,
        schedule: Schedule | None = None,
        prior: NormalPrior = None,
        center: ArrayLike = 0.0,
        scale: ArrayLike = 1.0,
    ) -> None:
        super().__init__(exponential_schedule(sigma_1, schedule), prior)
        check_accuracy(MOST_ACCURACY, self, sigma_1, schedule)
        self.prediction = check_choice("prediction", prediction, ("noise", "data", "residual"))
        self.num_bins = num_bins if num_bins is None else check_int("num_bins", num_bins, 2)
        self.reconstruction_std = reconstruction_std
        if reconstruction_std is not None:
            check_positive("reconstruction_std", reconstruction_std)
        self.center, self.scale = check_scaling(center, scale)

    def find_scaling(
        self, x: Array, by: str, per: str, margin: float
    ) -> tuple[ArrayLike, ArrayLike]:
        """Returns `center` and `scale` fitted to data, for `keras_bfn.flows.fit_scaling`."""
        precision, x = np.finfo(x.dtype).eps, x.astype("float64")
        channels = tuple(range(np.ndim(x) - 1)) or None
        axes = {"all": None, "channel": channels, "variable": 0}[per]
        if np.isnan(x).all(axis=axes).any():
            expected = "must contain observed values, for each channel or variable as `per` says"
            raise refusal("x", expected, x)
        low, high = np.nanmin(x, axis=axes), np.nanmax(x, axis=axes)
        center = 0.5 * (low + high) if by == "range" else np.nanmean(x, axis=axes)
        scale = (1.0 + margin) * np.maximum(high - center, center - low)
        if by == "deviation":
            scale = np.maximum(scale, scaling.DEVIATIONS * np.nanstd(x, axis=axes))
        least = scaling.FINEST * np.abs(center)
        if ((scale < least) & (scale > scaling.ROUNDING * precision * np.abs(center))).any():
            expected = f"must vary by more than {scaling.FINEST} of its values: subtract a constant"
            raise refusal("x", expected, x)
        return center, np.maximum(np.where(low < high, scale, 1.0), least)

    @property
    def data_range(self) -> tuple[Any, Any]:
        return self.center - self.scale, self.center + self.scale

    def check_data(self, x: ArrayLike, name: str = "x") -> None:
        check_scaling_shape(name, self.center, self.scale, np.shape(x)[1:])
        super().check_data(x, name)

    def check_event_shape(self, event_shape: Shape) -> None:
        super().check_event_shape(event_shape)
        check_scaling_shape("event_shape", self.center, self.scale, event_shape)

    def _to_range(self, x):
        """Returns e(x) without its last axis."""
        return (ops.cast(x, "float32") - _float32(self.center)) / _float32(self.scale)

    def _to_units(self, e):
        return _float32(self.center) + _float32(self.scale) * e

    def embed(self, x: Tensor) -> Tensor:
        return ops.expand_dims(self._to_range(x), axis=-1)

    def input_mean(self, theta: Tensor) -> Tensor:
        return self._to_units(ops.squeeze(theta, axis=-1))

    def output_distribution(self, params: Tensor, s: Tensor, t: Tensor) -> Delta:
        x_hat = params
        if self.prediction == "noise":
            x_hat, _, _ = self.noise_to_data(params, s, t)
        elif self.prediction == "residual":
            mean = self.input_params(s, self.schedule.beta(t))
            std = ops.sqrt(self.input_variance(t, ops.squeeze(mean, -1)))
            x_hat = mean + ops.expand_dims(std, -1) * params
        x_hat = self._to_units(ops.squeeze(x_hat, axis=-1))
        return Delta(ops.clip(x_hat, *map(_float32, self.data_range)))

    def expected_embedding(self, distribution: Distribution) -> Tensor:
        return self.embed(distribution.mean())

    def expected_variance(self, distribution: Distribution, t: Tensor) -> Tensor:
        """Returns the variance of the input distribution, since p_O is a single point."""
        mean = distribution.mean()
        variance = ops.square(_float32(self.scale)) * self.input_variance(t, mean)
        return ops.broadcast_to(variance, ops.shape(mean))

    def log_expected(self, x: Tensor, distribution: Distribution, t: Tensor) -> Tensor:
        std = ops.sqrt(self.expected_variance(distribution, t))
        return Normal(distribution.mean(), std).log_prob(x)

    def tilted(self, distribution: Distribution, evidence: Tensor, t: Tensor) -> Delta:
        mean = distribution.mean()
        moved = self.input_variance(t, mean) * ops.squeeze(evidence, -1)
        return Delta(mean + _float32(self.scale) * moved)

    def sender_receiver_kl(
        self, x: Tensor, distribution: Distribution, alpha: Tensor, seed: Seed = None
    ) -> Tensor:
        """Returns the closed form for normals of equal variance: (c / 2) alpha |e(x) - e_hat|^2."""
        error = self._to_range(x) - self._to_range(distribution.mean())
        return 0.5 * expand(alpha, error) * ops.square(error)

    def log_receiver_ratio(
        self, x: Tensor, distribution: Distribution, alpha: Tensor, noise: Tensor
    ) -> Tensor:
        error = self._to_range(distribution.mean()) - self._to_range(x)
        scaled = ops.sqrt(expand(alpha, error)) * error
        return scaled * (ops.squeeze(noise, axis=-1) - 0.5 * scaled)

    def reconstruction_loss(self, x: Tensor, params: Tensor, s: Tensor, t: Tensor) -> Tensor:
        x_hat = self.output_distribution(params, s, t).mean()
        std = self.reconstruction_std or ops.rsqrt(1.0 + self.schedule.beta(1.0))
        if self.num_bins is None:
            return -Normal(x_hat, _float32(self.scale) * std).log_prob(x)
        bins = bin_number(self._to_range(x), self.num_bins)
        return -DiscretizedNormal(self._to_range(x_hat), std, self.num_bins).log_prob(bins)

    def remaining_cost(
        self, x: ArrayLike, num_draws: int = 10_000, seed: int = 0
    ) -> Callable[[Any], Any]:
        if self.num_bins is None:
            why = "No finite accuracy determines a real number, so `sigma_1` cannot be fitted"
            raise refusal("flow", f"must have `num_bins`. {why} without bins", self)
        return super().remaining_cost(x, num_draws, seed)

    def _cost_after_evidence(self, x, beta, log_prior, rng):
        """Returns the reconstruction loss of mu = s / (1 + beta), for numbers in [-1, 1]."""
        s = beta * x + math.sqrt(beta) * rng.standard_normal(len(x))
        mean = ops.convert_to_tensor(np.clip(s / (1.0 + beta), -1.0, 1.0), "float32")
        std = self.reconstruction_std or (1.0 + beta) ** -0.5
        output = DiscretizedNormal(mean, std, self.num_bins)
        bins = bin_number(ops.convert_to_tensor(x, "float32"), self.num_bins)
        return -ops.convert_to_numpy(output.log_prob(bins))


def _float32(value):
    """Returns a float as it is, and an array as a tensor."""
    return value if isinstance(value, float) else ops.convert_to_tensor(value, "float32")
