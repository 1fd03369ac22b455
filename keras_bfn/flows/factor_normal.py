"""A joint normal prior for many correlated numbers."""

from typing import Self

import keras
import numpy as np
from keras import ops

from keras_bfn._backend.operations import one_by_one
from keras_bfn._typing import Array, ArrayLike, Tensor
from keras_bfn._validation import check_int, check_numbers, refusal
from keras_bfn.flows.flow import expand
from keras_bfn.flows.joint_normal import (
    LEAST_STD,
    JointNormal,
    best_share,
    check_rows,
    fit_moments,
)

NUM_ITERATIONS = 10  # of the fit to a covariance
MOST_ROWS = 1024  # that are completed at once: each takes a matrix of factors


@keras.saving.register_keras_serializable("keras_bfn")
class FactorNormal(JointNormal):
    """A `keras_bfn.flows.JointNormal` of many numbers that share a few factors.

    Each number is its mean, plus a weighted sum of independent standard normal factors, plus a
    normal part of its own: the covariance is `loadings @ loadings.T + diag(variances)`. Posteriors
    given the evidence about all numbers take `size * num_factors**2` operations for an example,
    those of `JointNormal` `size**3`. Everything else is as there.

    Args:
        mean: array of shape `(size,)`.
        loadings: array of shape `(size, num_factors)`.
        variances: array of shape `(size,)`, positive: those of the numbers' own parts.

    Raises:
        ValueError: if an array has another shape, is not finite, or a variance is not positive.

    Example:

    >>> rng = np.random.default_rng(0)
    >>> x = 0.2 * rng.normal(size=(500, 3)) @ rng.normal(size=(3, 90)) + 0.1 * rng.normal(size=90)
    >>> prior = keras_bfn.flows.FactorNormal.fit(x, num_factors=8)
    >>> flow = keras_bfn.flows.ContinuousFlow(sigma_1=0.02, prediction="residual", prior=prior)

    Reference: Rubin and Thayer, 1982, "EM algorithms for ML factor analysis".
    """

    def __init__(self, mean: ArrayLike, loadings: ArrayLike, variances: ArrayLike) -> None:
        self.mean = check_numbers("mean", mean)
        self.loadings = check_numbers("loadings", loadings)
        self.variances = check_numbers("variances", variances)
        size = self.mean.size
        for name, shape in (("mean", (size,)), ("variances", (size,))):
            if getattr(self, name).shape != shape or not np.isfinite(getattr(self, name)).all():
                raise refusal(name, f"must be finite and have shape {shape}", getattr(self, name))
        if self.loadings.shape[:1] != (size,) or not self.loadings.size or self.loadings.ndim != 2:
            raise refusal("loadings", f"must have shape ({size}, num_factors)", loadings)
        if not np.isfinite(self.loadings).all():
            raise refusal("loadings", "must be finite", loadings)
        if not (self.variances > 0).all():
            raise refusal("variances", "must be positive", variances)
        self.covariance = self.loadings @ self.loadings.T + np.diag(self.variances)
        for array in (self.mean, self.loadings, self.variances, self.covariance):
            array.setflags(write=False)

    @classmethod
    def fit(cls, x: ArrayLike, num_factors: int = 32) -> Self:
        """Fits the prior to rows of numbers, an array `(num, size)`, with NaN for missing numbers.

        Means and covariances are those of the numbers that are there. The factors explain as much
        of the covariance as they can. Then correlations are shrunk as by `JointNormal.fit`, and the
        variances of the numbers stay the same.

        Args:
            x: the array.
            num_factors: int, at least 1. At most `size - 1` are fitted.

        Returns:
            A `FactorNormal`.

        Raises:
            ValueError: if an argument is out of its range.
        """
        x = check_rows(x)
        num_factors = max(1, min(check_int("num_factors", num_factors, 1), x.shape[1] - 1))

        def fit_some(x):
            mean, covariance = fit_moments(x)
            return mean, *_find_factors(covariance, num_factors)

        def score(x, found, share):
            return cls(*_shrink(found, share))._log_likelihood(x)

        return cls(*_shrink(fit_some(x), best_share(x, fit_some, score)))

    def complete(self, x: ArrayLike, rng: np.random.Generator | None = None) -> Array:
        x = self.check_completed(x)
        parts = [
            self._complete_some(x[i : i + MOST_ROWS], rng) for i in range(0, len(x), MOST_ROWS)
        ]
        return np.concatenate([x[:0], *parts]).astype("float32")

    def _complete_some(self, x, rng):
        latent, precision = self._factors_given(x)
        if rng is not None:
            noise = rng.standard_normal((*latent.shape, 1))
            root = np.linalg.cholesky(precision).transpose(0, 2, 1)
            latent = latent + np.linalg.solve(root, noise)[:, :, 0]
        found = self.mean + latent @ self.loadings.T
        if rng is not None:
            found = found + rng.standard_normal(x.shape) * np.sqrt(self.variances)
        return np.where(np.isnan(x), found, x)

    def marginal(self, size: int) -> Self:
        return type(self)(self.mean[:size], self.loadings[:size], self.variances[:size])

    def posterior_mean(self, s: Tensor, beta: Tensor) -> Tensor:
        return self._mean_given(s, expand(beta, s) * ops.ones_like(s))

    def posterior_variance(self, beta: Tensor) -> Tensor:
        if len(beta.shape) == 1:
            beta = ops.expand_dims(beta, -1) * ops.ones(self.mean.shape)
        return self._variance_given(beta)

    def _factors_given(self, x):
        """Returns the mean of each row's factors given its numbers, and their precision."""
        weights = ~np.isnan(x) / self.variances
        left = np.where(np.isnan(x), 0.0, x - self.mean) * weights
        loadings = self.loadings.astype("float64")
        precision = np.eye(loadings.shape[1]) + (loadings.T * weights[:, None]) @ loadings
        return np.linalg.solve(precision, (left @ loadings)[:, :, None])[:, :, 0], precision

    def _log_likelihood(self, x):
        """Returns the log likelihood of rows, plus a constant."""
        latent, precision = self._factors_given(x)
        there = ~np.isnan(x)
        left = np.where(there, x - self.mean, 0.0)
        squares = left / self.variances * (left - there * (latent @ self.loadings.T))
        logs = np.linalg.slogdet(precision)[1].sum() + (there * np.log(self.variances)).sum()
        return -0.5 * (squares.sum() + logs)

    def _precision_given(self, beta):
        """Returns what accuracies are divided by, and the precision of the factors."""
        loadings, variances = map(ops.convert_to_tensor, (self.loadings, self.variances))
        size = 1.0 + beta * variances
        weighted = ops.transpose(loadings) * (beta / size)[:, None, :]
        return size, ops.matmul(weighted, loadings) + ops.eye(loadings.shape[1], dtype="float32")

    def _mean_given(self, s, beta):
        mean, loadings, variances = map(
            ops.convert_to_tensor, (self.mean, self.loadings, self.variances)
        )
        size, precision = self._precision_given(beta)
        left = ops.matmul((s - beta * mean) / size, loadings)
        latent = one_by_one(ops.solve)(precision, left[:, :, None])[:, :, 0]
        common = mean + ops.matmul(latent, ops.transpose(loadings))
        return common + variances * ((s - beta * common) / size)

    def _variance_given(self, beta):
        loadings, variances = map(ops.convert_to_tensor, (self.loadings, self.variances))
        size, precision = self._precision_given(beta)
        seen = ops.transpose(loadings) / size[:, None, :]
        return variances / size + ops.sum(seen * one_by_one(ops.solve)(precision, seen), axis=1)

    def __repr__(self):
        return f"FactorNormal(size={self.mean.size}, num_factors={self.loadings.shape[1]})"


def _find_factors(covariance, num_factors):
    """Returns loadings and variances that make up a covariance as well as they can."""
    whole = np.diag(covariance)
    variances = 0.5 * whole
    for _ in range(NUM_ITERATIONS):
        strengths, axes = np.linalg.eigh(covariance - np.diag(variances))
        loadings = axes[:, -num_factors:] * np.sqrt(np.maximum(strengths[-num_factors:], 0.0))
        variances = np.maximum(whole - np.square(loadings).sum(axis=1), LEAST_STD**2)
    return loadings, variances


def _shrink(found, share):
    mean, loadings, variances = found
    lost = (1.0 - share) * np.square(loadings).sum(axis=1)
    return mean, np.sqrt(share) * loadings, variances + lost
