"""Discretised data: integers that stand for points on a line (section 5 of the paper)."""

import keras
import numpy as np
from keras import ops

from keras_bfn._validation import check_choice, check_int
from keras_bfn.distributions import DiscretizedNormal
from keras_bfn.distributions.discrete import bin_centre
from keras_bfn.flows.channels import Line
from keras_bfn.flows.continuous import NumberFlow, exponential_schedule

# The output distribution's standard deviation stays in this range, as in the paper's experiments;
# above 256 bins the lower end shrinks with the bins.
MIN_STD, MAX_STD = 1e-3, 10.0
# And its mean in this one: further out all mass is in an end bin, and squares would overflow.
MOST_MEAN = 1e6


@keras.saving.register_keras_serializable("keras_bfn")
class DiscretizedFlow(NumberFlow):
    """Integers 0..K-1 in their natural order, such as grey levels: bins that fill [-1, 1].

    | input distribution | N(mu, 1 / (1 + beta)), mu = s / (1 + beta), but for a `prior` |
    |---|---|
    | network output | 2 numbers per variable: mean and log standard deviation |
    | output distribution | that normal, integrated over the bins, its tails into the end bins |

    Args:
        num_bins: int, at least 2. K.
        sigma_1: float in (0, 1). The standard deviation of the input distribution at t = 1; 0.001
            by default. Well below the width of a bin, 2 / K, little is left for the reconstruction
            loss to pay. It is short for `schedule=ExponentialSchedule(sigma_1)`.
        prediction: `"noise"` or `"data"`: what the network's mean and deviation stand for.
        schedule: a `keras_bfn.schedules.Schedule`, in the place of `sigma_1`.
        prior: what Bob believes before any message, in the place of N(0, 1): a mean and a standard
            deviation, numbers or arrays of shape `event_shape` (a tuple of both, or one array).
            `keras_bfn.flows.fit_prior` finds them. Grey levels count from -1 to 1, as
            `embed` has them.

    With `prediction="noise"` the output distribution before the first message is the `prior`, cut
    into bins, whatever the network says, as in the paper: a prior that does not fit the data costs
    a first large message more than it must. In continuous time this does not matter.

    Raises:
        ValueError: if an argument is out of its range, or both `sigma_1` and `schedule` are given.

    Example:

    >>> flow = keras_bfn.flows.DiscretizedFlow(num_bins=256)
    >>> [float(e) for e in flow.embed(np.array([[0, 255]]))[0, :, 0]]
    [-0.99609375, 0.99609375]

    Reference: section 5 of [Graves et al., 2023](https://arxiv.org/abs/2308.07037).
    """

    shorthands = ("sigma_1",)
    output_size = 2
    discrete = True

    def __init__(self, num_bins, sigma_1=None, prediction="noise", schedule=None, prior=None):
        self.num_bins = check_int("num_bins", num_bins, 2)
        super().__init__(exponential_schedule(sigma_1, schedule), prior)
        self.prediction = check_choice("prediction", prediction, ("noise", "data"))

    @property
    def data_range(self):
        return (0, self.num_bins - 1)

    @property
    def can_be_told(self):
        # Before any message, predicted noise says nothing: the output is the prior's.
        return self.prediction == "data"

    def embed(self, x):
        return ops.expand_dims(bin_centre(x, self.num_bins), axis=-1)

    def input_mean(self, theta):
        # The inverse of bin_centre.
        return 0.5 * (self.num_bins * (ops.squeeze(theta, axis=-1) + 1.0) - 1.0)

    def output_distribution(self, params, s, t):
        mean, log_std = params[..., :1], params[..., 1:]
        min_std = min(MIN_STD, MIN_STD * 256 / self.num_bins)
        # Clipped before exp, which would overflow; log beta stays within +-14.
        std = ops.exp(ops.clip(log_std, -30.0, 30.0))
        if self.prediction == "noise":
            mean, scale, known = self.noise_to_data(mean, s, t)
            std = scale * ops.where(known, std, 1.0)
        mean, std = ops.clip(mean, -MOST_MEAN, MOST_MEAN), ops.clip(std, min_std, MAX_STD)
        return DiscretizedNormal(ops.squeeze(mean, -1), ops.squeeze(std, -1), self.num_bins)

    def expected_embedding(self, distribution):
        return ops.expand_dims(bin_centre(distribution.mean(), self.num_bins), axis=-1)

    def channel(self):
        return Line((2 * np.arange(self.num_bins) + 1) / self.num_bins - 1)
