"""Distributions over the integers 0..K-1."""

import math

from keras import ops

from keras_bfn._backend.operations import find_largest
from keras_bfn._random import normal, uniform
from keras_bfn._typing import Seed, Tensor
from keras_bfn.distributions.distribution import Distribution
from keras_bfn.distributions.expected_bin import expected_bin
from keras_bfn.distributions.normal_interval import log_normal_interval

ROUNDING = 1e-4  # relative error of a sum of 1000 probabilities in float32
MANY = 512  # from this number of classes on, samples are drawn in two stages


class Categorical(Distribution):
    """Any distribution over K classes (section 6 of the paper).

    Args:
        logits: float tensor of shape `(batch, *event_shape, K)`.

    Example:

    >>> letters = keras_bfn.distributions.Categorical(keras.ops.zeros((2, 5, 4)))
    >>> letters.sample(seed=0).shape
    (2, 5)
    >>> round(float(letters.probs()[0, 0, 0]), 4)
    0.25
    """

    def __init__(self, logits: Tensor) -> None:
        self.logits = ops.cast(logits, "float32")

    def mean(self) -> Tensor:
        return ops.sum(self.probs() * ops.arange(self.logits.shape[-1], dtype="float32"), axis=-1)

    def mode(self) -> Tensor:
        return find_largest(self.logits)

    def sample(self, seed: Seed = None) -> Tensor:
        *shape, num_classes = ops.shape(self.logits)
        if num_classes < MANY:
            # One random number per variable; the Gumbel-max trick needs one per class.
            return find(self.probs(), uniform(shape, seed))
        # Sample a row of about sqrt(K) classes, then a class of it: sums of rows are faster than a
        # cumulative sum over all classes.
        width = math.isqrt(num_classes - 1) + 1
        num_rows = -(-num_classes // width)
        probs = ops.reshape(self.probs(), (-1, num_classes))
        weights = ops.reshape(ops.pad(probs, ((0, 0), (0, -num_classes % width))), (-1, width))
        shares = ops.reshape(uniform((*shape, 2), seed), (-1, 2))
        row = find(ops.reshape(ops.sum(weights, axis=-1), (-1, num_rows)), shares[:, 0])
        before = num_rows * ops.arange(ops.shape(row)[0], dtype="int32")
        column = find(ops.take(weights, before + row, axis=0), shares[:, 1])
        return ops.reshape(row * width + column, shape)

    def tempered(self, temperature: float) -> "Categorical":
        return Categorical(self.logits / temperature)

    def truncated(self, top_k: int | None = None, top_p: float | None = None) -> "Categorical":
        log_probs = self.log_probs()
        # The sort is stable: equally likely classes keep their order.
        order = ops.cast(ops.argsort(-log_probs, axis=-1), "int32")
        num_kept = min(top_k or self.logits.shape[-1], self.logits.shape[-1])
        last = order[..., num_kept - 1 : num_kept]
        if top_p is not None and top_p < 1:
            probs = ops.exp(ops.take_along_axis(log_probs, order, axis=-1)[..., :num_kept])
            # Summed from the least likely class on, which keeps more digits for `top_p` near 1.
            from_here = ops.flip(ops.cumsum(ops.flip(probs, axis=-1), axis=-1), axis=-1)
            spared = (1.0 - top_p) * (1.0 + ROUNDING) * from_here[..., :1]
            num_needed = ops.sum(ops.cast(from_here > spared, "int32"), axis=-1, keepdims=True)
            last = ops.take_along_axis(order, ops.maximum(num_needed, 1) - 1, axis=-1)
        least = ops.take_along_axis(log_probs, last, axis=-1)
        classes = ops.arange(self.logits.shape[-1], dtype="int32")
        is_kept = (log_probs > least) | (log_probs == least) & (classes < last) | (classes == last)
        return Categorical(ops.where(is_kept, log_probs, -1e30))

    def log_prob(self, x: Tensor) -> Tensor:
        x = ops.expand_dims(ops.cast(x, "int32"), axis=-1)
        return ops.squeeze(ops.take_along_axis(self.log_probs(), x, axis=-1), axis=-1)

    def log_probs(self) -> Tensor:
        return ops.log_softmax(self.logits, axis=-1)

    def probs(self) -> Tensor:
        return ops.softmax(self.logits, axis=-1)


def find(weights, share):
    """Returns the first index whose cumulative weight exceeds a fraction of the total weight.

    The fraction, `share`, is in [0, 1).
    """
    cumulative = ops.cumsum(weights, axis=-1)
    # Keep the product from rounding up to the total, which no cumulative weight exceeds.
    point = ops.minimum(share[..., None], 1.0 - 2.0**-22) * cumulative[..., -1:]
    # A sum of floats: PyTorch takes twice as long to sum integers.
    return ops.cast(ops.sum(ops.cast(cumulative <= point, "float32"), axis=-1), "int32")


class Bernoulli(Distribution):
    """A distribution over {0, 1} (section 6 of the paper, K = 2).

    Args:
        logits: float tensor of shape `(batch, *event_shape)`, the log odds of 1.

    Example:

    >>> pixels = keras_bfn.distributions.Bernoulli(keras.ops.zeros((2, 8, 8)))
    >>> pixels.sample(seed=0).shape
    (2, 8, 8)
    >>> float(pixels.mean()[0, 0, 0])
    0.5
    """

    def __init__(self, logits: Tensor) -> None:
        self.logits = ops.cast(logits, "float32")

    def mean(self) -> Tensor:
        return ops.sigmoid(self.logits)

    def mode(self) -> Tensor:
        return ops.cast(self.logits > 0, "int32")

    def sample(self, seed: Seed = None) -> Tensor:
        return ops.cast(uniform(ops.shape(self.logits), seed) < self.mean(), "int32")

    def tempered(self, temperature: float) -> "Bernoulli":
        return Bernoulli(self.logits / temperature)

    def truncated(self, top_k: int | None = None, top_p: float | None = None) -> Categorical:
        return Categorical(self.log_probs()).truncated(top_k, top_p)

    def log_prob(self, x: Tensor) -> Tensor:
        return -ops.softplus((1.0 - 2.0 * ops.cast(x, "float32")) * self.logits)

    def log_probs(self) -> Tensor:
        return ops.stack([-ops.softplus(self.logits), -ops.softplus(-self.logits)], axis=-1)


class DiscretizedNormal(Distribution):
    """A normal distribution discretised into K equal bins of [-1, 1], numbered from 0.

    The mass below -1 belongs to the first bin, that above 1 to the last (section 5 of the paper).

    Args:
        mean: float tensor of shape `(batch, *event_shape)`.
        std: float or tensor that broadcasts against `mean`.
        num_bins: int, K.

    Example:

    >>> levels = keras_bfn.distributions.DiscretizedNormal(keras.ops.zeros((2, 3)), 0.1, 5)
    >>> levels.probs().shape
    (2, 3, 5)
    >>> int(levels.mode()[0, 0])
    2
    """

    def __init__(self, mean: Tensor, std: Tensor, num_bins: int) -> None:
        self.location = ops.cast(mean, "float32")
        self.std = ops.cast(std, "float32") + ops.zeros_like(self.location)
        self.num_bins = num_bins

    def mean(self) -> Tensor:
        """Returns the expected bin number."""
        return expected_bin(self.location, self.std, self.num_bins)

    def mode(self) -> Tensor:
        # The inner bin at the location has the most mass, unless the end bin on its side has more.
        inner, last = bin_number(self.location, self.num_bins), self.num_bins - 1
        unit = 0.5**0.5 / self.std
        centre = bin_centre(inner, self.num_bins) - self.location
        # Not erf, which TensorFlow cannot read in JAX's exports.
        above_low, above_high = (ops.erfc((centre + way / self.num_bins) * unit) for way in (-1, 1))
        beyond = ops.erfc((1.0 - 2.0 / self.num_bins - ops.abs(self.location)) * unit)
        end = ops.where(self.location > 0.0, last, 0)
        return ops.where(beyond > above_low - above_high, end, inner)

    def sample(self, seed: Seed = None) -> Tensor:
        noise = normal(ops.shape(self.location), seed)
        return bin_number(self.location + self.std * noise, self.num_bins)

    def tempered(self, temperature: float) -> Categorical:
        return Categorical(self.log_probs() / temperature)

    def truncated(self, top_k: int | None = None, top_p: float | None = None) -> Categorical:
        return Categorical(self.log_probs()).truncated(top_k, top_p)

    def log_prob(self, x: Tensor) -> Tensor:
        return self._log_mass(ops.cast(x, "float32"), self.location, self.std)

    def log_probs(self) -> Tensor:
        bins = ops.arange(self.num_bins, dtype="float32")
        return self._log_mass(bins, self.location[..., None], self.std[..., None])

    def _log_mass(self, bins, location, std):
        # In units of half a bin, edges are whole numbers: only the location is rounded.
        location = ops.clip(location, -1e30, 1e30) * self.num_bins
        edge, std = 2.0 * bins - self.num_bins, std * self.num_bins
        is_first, is_last = bins < 0.5, bins > self.num_bins - 1.5
        # The outer edges are finite; beyond them there is no mass in float32.
        low = ops.where(is_first, -1e10, edge - location) / std
        high = ops.where(is_last, 1e10, edge + 2.0 - location) / std
        # Not `high - low`, which has few digits if bins are many and narrow.
        return log_normal_interval(low, high, ops.where(is_first | is_last, high - low, 2.0 / std))


def bin_number(value, num_bins):
    """Returns the number of the bin that holds `value`, with [-1, 1] cut into `num_bins` bins."""
    number = ops.floor(0.5 * (value + 1.0) * num_bins)
    return ops.cast(ops.clip(number, 0, num_bins - 1), "int32")


def bin_centre(number, num_bins):
    """Returns the centre in [-1, 1] of bin `number`."""
    # For whole numbers, the sum is exact and the quotient is the float32 nearest to the centre.
    return (2.0 * ops.cast(number, "float32") + (1.0 - num_bins)) / num_bins
