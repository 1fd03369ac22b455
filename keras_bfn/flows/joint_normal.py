"""A joint normal prior for correlated numbers."""

from typing import Self

import keras
import numpy as np
from keras import ops

from keras_bfn._backend.operations import one_by_one
from keras_bfn._config import Immutable
from keras_bfn._typing import ArrayLike, Tensor
from keras_bfn._validation import check_numbers, refusal
from keras_bfn.flows.flow import expand

LEAST_STD = 0.01  # of a fitted prior: no number is certain before any message


@keras.saving.register_keras_serializable("keras_bfn")
class JointNormal(Immutable):
    """A prior for correlated numbers: a multivariate normal distribution of all variables.

    As a flow's `prior`, it makes the input distribution of each variable the exact posterior given
    the evidence about *all* variables, if the data are normal. A network then has to learn only
    what means and covariances do not capture. The evidence, the messages and their cost are the
    same. Units are those of e(x). Use it with `prediction="residual"`: with `"noise"`, a network
    cannot learn directions in which the data hardly vary.

    Args:
        mean: array of shape `(size,)`.
        covariance: array of shape `(size, size)`, symmetric and positive definite.

    Raises:
        ValueError: if an array has another shape, or `covariance` is not a covariance matrix.

    Example:

    >>> x = np.random.default_rng(0).multivariate_normal([0, 0], [[0.04, 0.03], [0.03, 0.04]], 999)
    >>> prior = keras_bfn.flows.JointNormal.fit(x)
    >>> flow = keras_bfn.flows.ContinuousFlow(sigma_1=0.02, prediction="residual", prior=prior)
    """

    def __init__(self, mean: ArrayLike, covariance: ArrayLike) -> None:
        self.mean = check_numbers("mean", mean)
        self.covariance = check_numbers("covariance", covariance)
        size = self.mean.size
        if self.mean.shape != (size,) or self.covariance.shape != (size, size) or not size:
            expected = "Arguments `mean` and `covariance` must have shapes (size,) and (size, size)"
            came = f"shapes {self.mean.shape} and {self.covariance.shape}"
            raise ValueError(f"{expected}. Received: {came}")
        if not np.isfinite(self.mean).all():
            raise refusal("mean", "must be finite", mean)
        matrix = self.covariance.astype("float64")
        is_symmetric = np.isfinite(matrix).all() and np.allclose(matrix, matrix.T, atol=1e-6)
        variances, axes = np.linalg.eigh(matrix) if is_symmetric else (np.zeros(1), matrix)
        if variances.min() <= 0:
            raise refusal("covariance", "must be symmetric and positive definite", covariance)
        self._variances, self._axes = variances.astype("float32"), axes.astype("float32")
        for array in (self.mean, self.covariance):
            array.setflags(write=False)

    @classmethod
    def fit(cls, x: ArrayLike) -> Self:
        """Fits the prior to rows of numbers, an array `(num, size)`, with NaN for missing numbers.

        Correlations are shrunk towards zero by the fraction of them that is sampling noise: nearly
        to zero for few rows of many numbers.

        Raises:
            ValueError: if `x` is not such an array.

        Reference: the shrinkage of correlations of Schäfer and Strimmer, 2005,
        "A shrinkage approach to large-scale covariance matrix estimation".
        """
        x = check_numbers("x", x).astype("float64")
        if x.ndim != 2 or not x.size:
            raise refusal("x", "must have shape (num, size)", x)
        there = ~np.isnan(x)
        mean = np.where(there, x, 0.0).sum(axis=0) / np.maximum(there.sum(axis=0), 1)
        left, there = np.where(there, x - mean, 0.0), there.astype("float64")
        num = np.maximum(there.T @ there, 1.0)  # number of rows with both observed
        std = np.maximum(np.sqrt(np.diag(left.T @ left / num)), LEAST_STD)
        scores = left / std
        correlation = scores.T @ scores / num
        chance = (np.square(scores).T @ np.square(scores) / num - np.square(correlation)) / num
        apart = ~np.eye(len(std), dtype=bool)
        share = chance[apart].sum() / max(np.square(correlation)[apart].sum(), 1e-12)
        correlation[apart] *= 1.0 - min(share, 1.0)
        variances, axes = np.linalg.eigh(std[:, None] * correlation * std)
        return cls(mean, axes * np.maximum(variances, LEAST_STD**2) @ axes.T)

    def posterior_mean(self, s: Tensor, beta: Tensor) -> Tensor:
        """Returns the mean of each variable given evidence `(batch, size)`.

        Accuracies are `(batch,)`, or per variable `(batch, size)`, which takes longer.
        """
        if len(beta.shape) == 2:
            return self._mean_given(s, beta)
        mean, axes = map(ops.convert_to_tensor, (self.mean, self._axes))
        beta = ops.expand_dims(beta, -1)
        left = ops.matmul(s - beta * mean, axes)
        return mean + ops.matmul(left * self._given(beta), ops.transpose(axes))

    def posterior_variance(self, beta: Tensor) -> Tensor:
        """Returns the variance of each variable; accuracies are as in `posterior_mean`."""
        if len(beta.shape) == 2:
            return self._variance_given(beta)
        squares = ops.convert_to_tensor(np.square(self._axes).T)
        return ops.matmul(self._given(ops.expand_dims(beta, -1)), squares)

    def _given(self, beta):
        """Returns the posterior variances along the principal axes."""
        variances = ops.convert_to_tensor(self._variances)
        return variances / (1.0 + beta * variances)

    def fill_in(self, s: Tensor, beta: Tensor, mask: Tensor) -> Tensor:
        """Returns `s` where `mask` is true, and elsewhere the evidence that it implies.

        The implied evidence is `beta` times the posterior mean given the observed evidence. It
        leaves the posterior mean unchanged.
        """
        mask, beta = ops.cast(mask, "float32"), expand(beta, s)
        return ops.where(mask > 0, s, beta * self._mean_given(s * mask, beta * mask))

    def _mean_given(self, s, beta):
        """Returns m + C (1 + B C)^-1 (s - B m), with mean m, covariance C and accuracies B.

        Each row is divided by `1 + beta C_ii`: known variables have accuracies of 1e7 and more,
        others 0, and float32 has seven digits.
        """
        mean, covariance = map(ops.convert_to_tensor, (self.mean, self.covariance))
        size = 1.0 + beta * ops.diagonal(covariance)
        both = (beta / size)[:, :, None] * covariance + _diagonal(1.0 / size)
        weights = one_by_one(ops.solve)(both, ((s - beta * mean) / size)[:, :, None])
        return mean + ops.matmul(covariance, weights)[:, :, 0]

    def _variance_given(self, beta):
        """Returns the diagonal of C - C (1/B + C)^-1 C; rows and columns are scaled as above."""
        covariance = ops.convert_to_tensor(self.covariance)
        variances = ops.diagonal(covariance)
        size = 1.0 + beta * variances
        seen = ops.sqrt(beta / size)[:, :, None] * covariance
        both = seen * ops.sqrt(beta / size)[:, None, :] + _diagonal(1.0 / size)
        gained = ops.sum(seen * one_by_one(ops.solve)(both, seen), axis=1)
        # The bounds: the variance if all other variables were known, and if none were.
        least = 1.0 / (beta + ops.sum(np.square(self._axes) / self._variances, axis=1))
        most = 1.0 / (beta + 1.0 / variances)
        return ops.minimum(ops.maximum(variances - gained, least), most)

    def __repr__(self):
        return f"JointNormal(size={self.mean.size})"


def _diagonal(values):
    """Returns diagonal matrices with these values, `(batch, size)`."""
    return values[:, :, None] * ops.eye(values.shape[1], dtype="float32")
