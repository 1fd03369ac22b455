"""The von Mises distribution, the analogue of the normal distribution for angles."""

import math

import numpy as np
from keras import ops

from keras_bfn._random import uniform
from keras_bfn._typing import Seed, Tensor
from keras_bfn.distributions.continuous import Delta
from keras_bfn.distributions.distribution import Distribution

# With root = sqrt(9 + kappa^2) and y = 3 / root, log(2 pi I_0(kappa)) = root + log(y) / 2 + q(y).
# The polynomial q, lowest power first, is a least-squares fit to value and slope at Chebyshev
# points of y; both are exact to 2e-7 for all kappa.
_LOG_NORMALIZER_COEFFICIENTS = (
    0.369632234,
    -1.45829546,
    0.255422736,
    -0.328258513,
    -0.0484009848,
    0.619934753,
    -1.9070148,
    2.87253795,
    -2.40008133,
    1.06287362,
    -0.200473128,
)

# Samples invert the cumulative distribution, with a density that is linear in each of this many
# intervals of a half circle: exact to a probability of 2e-5, for every kappa.
_NUM_INTERVALS = 32
_HALF_ANGLES = np.linspace(0.0, 0.5 * np.pi, 2 * _NUM_INTERVALS + 1)
_COS_SQUARES = np.square(np.cos(_HALF_ANGLES)).astype("float32")
_SIN_SQUARES = np.square(np.sin(_HALF_ANGLES)).astype("float32")


class VonMises(Distribution):
    """A density over angles, proportional to exp(m . (cos x, sin x)).

    The direction of `m` is the mean direction. Its length is the concentration kappa, which is
    1 / std^2 if large; at 0, all angles are equally likely, and gradients stay exact. Log densities
    are exact to 1e-6 for kappa up to 10, and to 3e-5 up to 10,000, where the rounding of angles
    matters. Their gradients are exact to 2e-6.

    Args:
        natural: float tensor of shape `(batch, *event_shape, 2)`, the natural parameters m.

    Example, angles near pi / 2:

    >>> angles = keras_bfn.distributions.VonMises(keras.ops.array([[[0.0, 25.0]]]))
    >>> angles.sample(seed=0).shape
    (1, 1)
    >>> round(float(angles.mean()[0, 0]), 4)
    1.5708
    """

    def __init__(self, natural: Tensor) -> None:
        self.natural = ops.cast(natural, "float32")

    def mean(self) -> Tensor:
        """Returns the mean direction in [-pi, pi], and 0 if kappa is 0."""
        natural = ops.where(self.natural == 0.0, 0.0, self.natural)  # -0.0 would give pi
        return ops.arctan2(natural[..., 1], natural[..., 0])

    def mode(self) -> Tensor:
        return self.mean()

    def mean_vector(self) -> Tensor:
        """Returns the mean of (cos x, sin x), of shape `(batch, *event_shape, 2)`.

        Its length is I_1(kappa) / I_0(kappa).
        """
        return self.natural * ops.expand_dims(self._shrinkage(), axis=-1)

    def variances(self) -> Tensor:
        """Returns the variances of cos x and sin x, of the shape of `natural`."""
        # Across the mean direction, the mean square is I_1(kappa) / (kappa I_0(kappa)).
        across = ops.expand_dims(self._shrinkage(), axis=-1)
        squares = ops.square(self.natural)
        total = ops.sum(squares, axis=-1, keepdims=True)
        # For large kappa, the difference has no digits; the series is exact to 2e-6.
        is_large = total > 1000.0
        inverse = ops.rsqrt(ops.where(is_large, total, 1000.0))
        series = ops.square(inverse) * (0.5 + inverse * (0.25 + 0.375 * inverse))
        along = ops.where(is_large, series, 1.0 - across - total * ops.square(across))
        share = ops.where(total > 1e-12, squares / ops.maximum(total, 1e-12), 0.5)
        return along * share + across * ops.flip(share, axis=-1)

    def sample(self, seed: Seed = None) -> Tensor:
        kappa = ops.sqrt(ops.sum(ops.square(self.natural), axis=-1))
        # In the angle 2 atan(tan(x / 2) / scale), the density is nearly flat around the mode, and
        # the same for all large kappa.
        square = 1.0 / (1.0 + 2.0 * kappa)
        cos_squares, sin_squares = map(ops.convert_to_tensor, (_COS_SQUARES, _SIN_SQUARES))
        stretch = cos_squares + square[..., None] * sin_squares
        exponent = 2.0 * (kappa * square)[..., None] * sin_squares / stretch
        density = ops.exp(-exponent) / stretch
        low, middle, high = density[..., :-1:2], density[..., 1::2], density[..., 2::2]
        mass = (low + 4.0 * middle + high) / 6.0  # Simpson's rule

        share = 2.0 * uniform(ops.shape(kappa), seed) - 1.0
        cumulative = ops.cumsum(mass, axis=-1)
        # Keep the product from rounding up to the total, which no cumulative mass exceeds.
        point = ops.minimum(ops.abs(share), 1.0 - 2.0**-22) * cumulative[..., -1]
        place = ops.sum(ops.cast(cumulative <= point[..., None], "float32"), axis=-1)
        # Not a gather, which PyTorch exports for a fixed batch size only.
        places = ops.arange(_NUM_INTERVALS, dtype="float32")
        is_there = ops.cast(place[..., None] == places, "float32")
        low, high, mass, cumulative = (
            ops.sum(values * is_there, axis=-1) for values in (low, high, mass, cumulative)
        )
        area = 0.5 * (low + high) * ops.clip((point - cumulative) / mass + 1.0, 0.0, 1.0)
        root = ops.sqrt(ops.maximum(ops.square(low) + 2.0 * (high - low) * area, 0.0))
        within = 2.0 * area / (low + root)

        half = (place + within) * (0.5 * math.pi / _NUM_INTERVALS)
        apart = 2.0 * ops.arctan2(ops.sqrt(square) * ops.sin(half), ops.cos(half))
        x = self.mean() + ops.where(share < 0, -apart, apart)
        x = ops.where(x > math.pi, x - 2.0 * math.pi, x)
        return ops.where(x < -math.pi, x + 2.0 * math.pi, x)

    def tempered(self, temperature: float) -> "VonMises":
        return VonMises(self.natural / temperature)

    truncated = Delta.truncated

    def log_prob(self, x: Tensor) -> Tensor:
        x = ops.cast(x, "float32")
        cos, sin = ops.cos(x), ops.sin(x)
        along = self.natural[..., 0] * cos + self.natural[..., 1] * sin
        across = self.natural[..., 1] * cos - self.natural[..., 0] * sin
        root, y = self._root()
        # root - along, without subtracting two large numbers.
        is_near = along > 0
        quotient = (9.0 + ops.square(across)) / (root + ops.where(is_near, along, 0.0))
        distance = ops.where(is_near, quotient, root - along)
        return -distance - 0.5 * ops.log(y) - _polynomial(y, y)[0]

    def log_normalizer_growth(self, evidence: Tensor) -> Tensor:
        """Returns the increase of the log normaliser when `natural` grows by a little evidence.

        It keeps its digits however little the evidence is.

        Args:
            evidence: tensor of the shape of `natural`, with vectors shorter than 1.

        Returns:
            A tensor of shape `(batch, *event_shape)`.
        """
        root, y = self._root()
        root_after, y_after = VonMises(self.natural + evidence)._root()
        grown = ops.sum(evidence * (2.0 * self.natural + evidence), axis=-1) / (root + root_after)
        share = grown / root_after
        return grown + 0.5 * ops.log1p(-share) - y * share * _polynomial(y, y_after)[1]

    def _root(self):
        root = ops.sqrt(9.0 + ops.sum(ops.square(self.natural), axis=-1))
        return root, 3.0 / root

    def _shrinkage(self):
        """Returns I_1(kappa) / (kappa I_0(kappa)), the slope of log(2 pi I_0) by kappa^2 / 2."""
        root, y = self._root()
        return (1.0 - (0.5 + y * _polynomial(y, y)[1]) / root) / root


def _polynomial(y, other):
    """Returns q(y) and its mean slope from y to `other`, or its derivative if they are equal."""
    value = slope = ops.zeros_like(y)
    for coefficient in reversed(_LOG_NORMALIZER_COEFFICIENTS):
        value, slope = coefficient + y * value, value + other * slope
    return value, slope
