"""Distributions over real numbers."""

import math

from keras import ops

from keras_bfn._random import normal
from keras_bfn._typing import Seed, Tensor
from keras_bfn._validation import refusal
from keras_bfn.distributions.distribution import Distribution


class Delta(Distribution):
    """A point mass: the output distribution of continuous data (section 4 of the paper).

    Args:
        value: float tensor of shape `(batch, *event_shape)`.

    Example:

    >>> point = keras_bfn.distributions.Delta(np.array([[0.5, -0.5]]))
    >>> [float(point.mode()[0, 0]), float(point.log_prob(np.zeros((1, 2)))[0, 0])]
    [0.5, -inf]
    """

    def __init__(self, value: Tensor) -> None:
        self.value = ops.cast(value, "float32")

    def mean(self) -> Tensor:
        return self.value

    mode = mean

    def sample(self, seed: Seed = None) -> Tensor:
        return self.value

    def tempered(self, temperature: float) -> Distribution:
        expected = "must be 1 for continuous data, whose output distribution is a single point"
        raise refusal("temperature", expected, temperature)

    def truncated(
        self: Distribution, top_k: int | None = None, top_p: float | None = None
    ) -> Distribution:
        expected = "must be None for continuous data, which have no categories"
        came = f"top_k={top_k}, top_p={top_p}"
        raise ValueError(f"Arguments `top_k` and `top_p` {expected}. Received: {came}")

    def log_prob(self, x: Tensor) -> Tensor:
        return ops.where(ops.equal(ops.cast(x, "float32"), self.value), 0.0, -math.inf)


class Normal(Distribution):
    """The normal distribution.

    Args:
        mean: float tensor of shape `(batch, *event_shape)`.
        std: float or tensor that broadcasts against `mean`.

    Example:

    >>> normal = keras_bfn.distributions.Normal(keras.ops.zeros((2, 3)), std=0.1)
    >>> normal.sample(seed=0).shape
    (2, 3)
    >>> round(float(normal.log_prob(np.zeros((2, 3)))[0, 0]), 4)
    1.3836
    """

    def __init__(self, mean: Tensor, std: Tensor) -> None:
        self._mean = ops.cast(mean, "float32")
        self.std = ops.cast(std, "float32") + ops.zeros_like(self._mean)

    def mean(self) -> Tensor:
        return self._mean

    mode = mean

    def sample(self, seed: Seed = None) -> Tensor:
        return self._mean + self.std * normal(ops.shape(self._mean), seed)

    def tempered(self, temperature: float) -> "Normal":
        return Normal(self._mean, math.sqrt(temperature) * self.std)

    truncated = Delta.truncated

    def log_prob(self, x: Tensor) -> Tensor:
        z = (ops.cast(x, "float32") - self._mean) / self.std
        return -0.5 * ops.square(z) - ops.log(self.std) - 0.5 * math.log(2 * math.pi)
