"""What Bob believes of numbers that go together."""

import keras
import numpy as np
from keras import ops

from keras_bfn._backend import one_by_one
from keras_bfn._config import Immutable
from keras_bfn._validation import check_numbers, refusal
from keras_bfn.flows.flow import expand

LEAST_STD = 0.01  # of a prior that is fitted: no number is certain before any message


@keras.saving.register_keras_serializable("keras_bfn")
class JointNormal(Immutable):
    """A prior of numbers that go together: a normal distribution of all variables at once.

    As a flow's `prior` it makes the input distribution of each variable the exact posterior given
    the evidence about *all* variables, if the data are normal: a network then has to learn only
    what means and covariances do not tell. Bob's evidence, the messages and their cost are the
    same. Units are those of e(x).

    Args:
        mean: array of shape `(size,)`.
        covariance: array of shape `(size, size)`, symmetric and positive definite.

    Raises:
        ValueError: if an array has another shape, or the covariance is none.

    Example:

    >>> x = np.random.default_rng(0).multivariate_normal([0, 0], [[0.04, 0.03], [0.03, 0.04]], 999)
    >>> prior = keras_bfn.flows.JointNormal.fit(x)
    >>> flow = keras_bfn.flows.ContinuousFlow(sigma_1=0.02, prediction="residual", prior=prior)
    """

    def __init__(self, mean, covariance):
        self.mean = check_numbers("mean", mean)
        self.covariance = check_numbers("covariance", covariance)
        size = self.mean.size
        if self.mean.shape != (size,) or self.covariance.shape != (size, size) or not size:
            raise ValueError(
                "Arguments `mean` and `covariance` must be of shapes (size,) and (size, size). "
                f"Received: {self.mean.shape} and {self.covariance.shape}"
            )
        if not np.isfinite(self.mean).all():
            raise refusal("mean", "must be finite", mean)
        matrix = self.covariance.astype("float64")
        is_symmetric = np.isfinite(matrix).all() and np.allclose(matrix, matrix.T, atol=1e-6)
        variances, axes = np.linalg.eigh(matrix) if is_symmetric else ([0.0], None)
        if min(variances) <= 0:
            raise refusal("covariance", "must be symmetric and positive definite", covariance)
        self._variances, self._axes = (x.astype("float32") for x in (variances, axes))
        for array in (self.mean, self.covariance):
            array.setflags(write=False)

    @classmethod
    def fit(cls, x):
        """The one of rows of numbers, an array `(num, size)`, NaN where a number is missing.

        Covariances are less than those of the rows by the share of them that is chance: of few rows
        of many numbers, nearly all.

        Raises:
            ValueError: if `x` is no such array.

        Reference: the shrinkage of correlations of Schäfer and Strimmer, 2005,
        "A shrinkage approach to large-scale covariance matrix estimation".
        """
        x = check_numbers("x", x).astype("float64")
        if x.ndim != 2 or not x.size:
            raise refusal("x", "must be of shape (num, size)", x)
        there = ~np.isnan(x)
        mean = np.where(there, x, 0.0).sum(axis=0) / np.maximum(there.sum(axis=0), 1)
        left, there = np.where(there, x - mean, 0.0), there.astype("float64")
        num = np.maximum(there.T @ there, 1.0)  # of rows that have both
        std = np.maximum(np.sqrt(np.diag(left.T @ left / num)), LEAST_STD)
        scores = left / std
        correlation = scores.T @ scores / num
        chance = (np.square(scores).T @ np.square(scores) / num - np.square(correlation)) / num
        apart = ~np.eye(len(std), dtype=bool)
        share = chance[apart].sum() / max(np.square(correlation)[apart].sum(), 1e-12)
        correlation[apart] *= 1.0 - min(share, 1.0)
        variances, axes = np.linalg.eigh(std[:, None] * correlation * std)
        return cls(mean, axes * np.maximum(variances, LEAST_STD**2) @ axes.T)

    def posterior_mean(self, s, beta):
        """The mean of each variable given evidence `(batch, size)`.

        Accuracies are `(batch,)`, or, which takes longer, of each variable, `(batch, size)`.
        """
        if len(beta.shape) == 2:
            return self._mean_given(s, beta)
        mean, axes = map(ops.convert_to_tensor, (self.mean, self._axes))
        beta = ops.expand_dims(beta, -1)
        left = ops.matmul(s - beta * mean, axes)
        return mean + ops.matmul(left * self._given(beta), ops.transpose(axes))

    def posterior_variance(self, beta):
        """The variance of each variable given evidence at accuracies as of `posterior_mean`."""
        if len(beta.shape) == 2:
            return self._variance_given(beta)
        squares = ops.convert_to_tensor(np.square(self._axes).T)
        return ops.matmul(self._given(ops.expand_dims(beta, -1)), squares)

    def _given(self, beta):
        """Variances along the axes."""
        variances = ops.convert_to_tensor(self._variances)
        return variances / (1.0 + beta * variances)

    def fill_in(self, s, beta, mask):
        """Evidence as before where `mask` is true; elsewhere that which says what this tells.

        Then the posterior given all of it is that given what was there.
        """
        mask, beta = ops.cast(mask, "float32"), expand(beta, s)
        return ops.where(mask > 0, s, beta * self._mean_given(s * mask, beta * mask))

    def _mean_given(self, s, beta):
        """m + C (1 + B C)^-1 (s - B m), m the mean, C the covariance, B the accuracies.

        All rows are divided by their size: what is known for sure is at accuracies of 1e7 and more,
        beside others of 0, and float32 has seven digits.
        """
        mean, covariance = map(ops.convert_to_tensor, (self.mean, self.covariance))
        size = 1.0 + beta * ops.diagonal(covariance)
        both = (beta / size)[:, :, None] * covariance + _diagonal(1.0 / size)
        weights = one_by_one(ops.solve)(both, ((s - beta * mean) / size)[:, :, None])
        return mean + ops.matmul(covariance, weights)[:, :, 0]

    def _variance_given(self, beta):
        """The diagonal of C - C (1/B + C)^-1 C, with rows and columns of one size, as above."""
        covariance = ops.convert_to_tensor(self.covariance)
        variances = ops.diagonal(covariance)
        size = 1.0 + beta * variances
        seen = ops.sqrt(beta / size)[:, :, None] * covariance
        both = seen * ops.sqrt(beta / size)[:, None, :] + _diagonal(1.0 / size)
        gained = ops.sum(seen * one_by_one(ops.solve)(both, seen), axis=1)
        # Between what is left if all others were known, and if none were.
        least = 1.0 / (beta + ops.sum(np.square(self._axes) / self._variances, axis=1))
        most = 1.0 / (beta + 1.0 / variances)
        return ops.minimum(ops.maximum(variances - gained, least), most)

    def __repr__(self):
        return f"JointNormal(size={self.mean.size})"


def _diagonal(values):
    """Matrices with these values, `(batch, size)`, on their diagonals."""
    return values[:, :, None] * ops.eye(values.shape[1])
