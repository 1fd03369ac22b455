"""Discretised data: integers that represent points on a line (section 5 of the paper)."""

from typing import Any, Literal

import keras
import numpy as np
from keras import ops

from keras_bfn._typing import Tensor
from keras_bfn._validation import check_choice, check_int
from keras_bfn.distributions import DiscretizedNormal, Distribution
from keras_bfn.distributions.discrete import bin_centre
from keras_bfn.flows.channels import Line
from keras_bfn.flows.continuous import NormalPrior, NumberFlow, exponential_schedule
from keras_bfn.schedules import Schedule

# The output distribution's standard deviation is clipped to this range, as in the paper's
# experiments. Above 256 bins, the lower bound shrinks with the bins.
MIN_STD, MAX_STD = 1e-3, 10.0
# The absolute value of its mean is clipped to this: beyond, all mass is in an end bin, and squares
# would overflow.
MOST_MEAN = 1e6


@keras.saving.register_keras_serializable("keras_bfn")
class DiscretizedFlow(NumberFlow):
    """Ordered integers 0..K-1, such as grey levels, represented by K equal bins of [-1, 1].

    | input distribution | N(mu, 1 / (1 + beta)), mu = s / (1 + beta), unless there is a `prior` |
    |---|---|
    | network output | 2 numbers per variable: mean and log standard deviation |
    | output distribution | a normal integrated over the bins; its tails belong to the end bins |

    Args:
        num_bins: int, at least 2. K.
        sigma_1: float in (0, 1). The standard deviation of the input distribution at t = 1; 0.001
            by default. If it is well below the width of a bin, 2 / K, the reconstruction loss is
            small. Short for `schedule=ExponentialSchedule(sigma_1)`.
        prediction: `"noise"` or `"data"`: what the network predicts the mean and deviation of.
        schedule: a `keras_bfn.schedules.Schedule`, instead of `sigma_1`.
        prior: the input distribution before any message, instead of N(0, 1): a mean and a standard
            deviation, numbers or arrays of shape `event_shape` (a tuple of both, or one array), in
            units of `embed`, where grey levels lie in [-1, 1]. `keras_bfn.flows.fit_prior` fits
            them to data.

    With `prediction="noise"`, the output distribution before the first message is the `prior`, cut
    into bins, whatever the network returns, as in the paper. If the prior does not fit the data, a
    large first message costs more than necessary. In continuous time this does not matter.

    Raises:
        ValueError: if an argument is out of its range, or both `sigma_1` and `schedule` are given.

    Example:

    >>> flow = keras_bfn.flows.DiscretizedFlow(num_bins=256)
    >>> [float(e) for e in flow.embed(np.array([[0, 255]]))[0, :, 0]]
    [-0.99609375, 0.99609375]

    Reference: section 5 of [Graves et al., 2023](https://arxiv.org/abs/2308.07037).
    """

    shorthands = (("sigma_1", "schedule"),)
    output_size = 2
    discrete = True
    range_advice = ". Levels 0..K-1 need `num_bins=K`, such as 256 for 8-bit pixels"

    def __init__(
        self,
        num_bins: int,
        sigma_1: float | None = None,
        prediction: Literal["noise", "data"] = "noise",
        schedule: Schedule | None = None,
        prior: NormalPrior = None,
    ) -> None:
        self.num_bins = check_int("num_bins", num_bins, 2)
        super().__init__(exponential_schedule(sigma_1, schedule), prior)
        self.prediction = check_choice("prediction", prediction, ("noise", "data"))

    @property
    def data_range(self) -> tuple[Any, Any]:
        return (0, self.num_bins - 1)

    @property
    def can_be_coded_directly(self) -> bool:
        # Before any message, predicted noise has no effect: the output distribution is the prior.
        return self.prediction == "data"

    def embed(self, x: Tensor) -> Tensor:
        return ops.expand_dims(bin_centre(x, self.num_bins), axis=-1)

    def input_mean(self, theta: Tensor) -> Tensor:
        # The inverse of `bin_centre`.
        return 0.5 * (self.num_bins * (ops.squeeze(theta, axis=-1) + 1.0) - 1.0)

    def output_distribution(self, params: Tensor, s: Tensor, t: Tensor) -> DiscretizedNormal:
        mean, log_std = params[..., :1], params[..., 1:]
        min_std = min(MIN_STD, MIN_STD * 256 / self.num_bins)
        # Clipped so that exp does not overflow; log beta stays within +-14.
        std = ops.exp(ops.clip(log_std, -30.0, 30.0))
        if self.prediction == "noise":
            mean, scale, known = self.noise_to_data(mean, s, t)
            std = scale * ops.where(known, std, 1.0)
        mean, std = ops.clip(mean, -MOST_MEAN, MOST_MEAN), ops.clip(std, min_std, MAX_STD)
        return DiscretizedNormal(ops.squeeze(mean, -1), ops.squeeze(std, -1), self.num_bins)

    def expected_embedding(self, distribution: Distribution) -> Tensor:
        return ops.expand_dims(bin_centre(distribution.mean(), self.num_bins), axis=-1)

    def channel(self) -> Line:
        return Line((2 * np.arange(self.num_bins) + 1) / self.num_bins - 1)
