"""A joint normal prior for correlated numbers."""

from typing import Self

import keras
import numpy as np
from keras import ops

from keras_bfn._backend.operations import one_by_one
from keras_bfn._config import Immutable
from keras_bfn._typing import Array, ArrayLike, Tensor
from keras_bfn._validation import check_numbers, refusal
from keras_bfn.flows.flow import expand

# Of a fitted prior:
LEAST_STD = 0.01  # no number is certain before any message
FACTORS = (0.0, 0.2, 0.4, 0.6, 0.8, 0.9, 0.95, 0.98, 0.99, 1.0)  # of correlations
NUM_FOLDS, MOST_HELD_OUT = 5, 100  # the rows of a fold
NUM_ITERATIONS, MOST_PRODUCTS = 10, 1e8  # of expectation maximization: some seconds


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

        Means and covariances are those of the numbers that are there. If some are missing, and
        their patterns are not too many, expectation maximization improves them. A number that few
        rows have is less certain. Then correlations are shrunk towards zero by the factor that
        makes held-out rows likeliest, by cross-validation: strongly for few rows of many numbers,
        slightly or not at all for many rows.

        Raises:
            ValueError: if `x` is not such an array.

        Reference: Dempster, Laird and Rubin, 1977, "Maximum likelihood from incomplete data via the
        EM algorithm".
        """
        x = check_rows(x)
        share = best_share(x, fit_moments, _log_likelihood)
        mean, covariance = fit_moments(x)
        return cls(mean, _limit(_shrink(covariance, share)))

    def complete(self, x: ArrayLike, rng: np.random.Generator | None = None) -> Array:
        """Fills in missing numbers, given the other numbers of the row.

        Args:
            x: array of shape `(num, size)`, with NaN for missing numbers.
            rng: None, or a NumPy generator. Missing numbers are drawn from their conditional
                distribution; by default, they are its mean.

        Returns:
            A float32 array of the same shape.

        Raises:
            ValueError: if `x` is not such an array.

        Example:

        >>> prior = keras_bfn.flows.JointNormal([0.0, 0.0], [[1.0, 0.5], [0.5, 1.0]])
        >>> prior.complete([[2.0, np.nan]]).tolist()
        [[2.0, 1.0]]
        """
        x = self.check_completed(x)
        covariance = self.covariance.astype("float64")
        for pattern, rows in zip(*_patterns(~np.isnan(x)), strict=True):
            seen, unseen = np.flatnonzero(pattern), np.flatnonzero(~pattern)
            both = covariance[np.ix_(unseen, seen)]
            gain = np.linalg.solve(covariance[np.ix_(seen, seen)], both.T).T
            found = self.mean[unseen] + (x[np.ix_(rows, seen)] - self.mean[seen]) @ gain.T
            if rng is not None:
                left = covariance[np.ix_(unseen, unseen)] - gain @ both.T
                found += rng.standard_normal(found.shape) @ np.linalg.cholesky(left).T
            x[np.ix_(rows, unseen)] = found
        return x.astype("float32")

    def check_completed(self, x: ArrayLike) -> Array:
        """Returns a float64 copy of rows, or raises a `ValueError` if `complete` cannot take it."""
        x = check_numbers("x", x).astype("float64")
        if x.ndim != 2 or x.shape[1] != self.mean.size or np.isinf(x).any():
            raise refusal("x", f"must have shape (num, {self.mean.size}), without infinity", x)
        return x

    def marginal(self, size: int) -> Self:
        """Returns the distribution of the first numbers alone."""
        return type(self)(self.mean[:size], self.covariance[:size, :size])

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


def check_rows(x):
    """Returns a float64 copy of rows, or raises a `ValueError` if no prior fits them."""
    x = check_numbers("x", x).astype("float64")
    if x.ndim != 2 or np.isinf(x).any():
        raise refusal("x", "must have shape (num, size), without infinity", x)
    if not x.size:
        raise refusal("x", "must have at least one row and one number", x)
    return x


def best_share(x, fit, score):
    """Returns which of `FACTORS` makes held-out rows likeliest.

    Args:
        x: the rows.
        fit: function from rows to what is fitted to them.
        score: function of held-out rows, what is fitted to the others, and one of `FACTORS`. It
            returns their log likelihood, up to a constant.
    """
    rows, found = np.random.default_rng(0).permutation(len(x)), np.zeros(len(FACTORS))
    for held_out in np.array_split(rows, NUM_FOLDS) if len(x) > 1 else ():
        fitted = fit(np.delete(x, held_out, axis=0))
        found += [score(x[held_out[:MOST_HELD_OUT]], fitted, share) for share in FACTORS]
    return FACTORS[found.argmax()]


def fit_moments(x):
    """Returns the mean and covariance of the numbers that are there, and of all, if not too many.

    The variance of a number that few rows have is that of these rows and, with the weight of one,
    the typical variance.
    """
    there = ~np.isnan(x)
    patterns, groups = ((), ()) if there.all() else _patterns(there)
    num = there.astype("float64").T @ there
    seen = np.maximum(np.diag(num), 1.0)
    mean = np.where(there, x, 0.0).sum(axis=0) / seen
    left = np.where(there, x - mean, 0.0)
    doubt = np.diag(np.square(left).sum() / seen.sum() * (1.0 / seen - 1.0 / len(x)))
    covariance = _limit(left.T @ left / np.maximum(num, 1.0) + doubt)
    is_small = len(patterns) * max(x.shape[1], 20) ** 3 <= MOST_PRODUCTS
    for _ in range(NUM_ITERATIONS if groups and is_small else 0):
        filled, unsure = np.empty_like(x), np.zeros_like(covariance)
        for rows, precision in zip(groups, _precisions(covariance, patterns), strict=True):
            gain = precision @ covariance
            filled[rows] = mean + np.where(there[rows], x[rows] - mean, 0.0) @ gain
            unsure += len(rows) / len(x) * (covariance - covariance @ gain)
        mean = filled.mean(axis=0)
        away = (filled - mean).T @ (filled - mean) / len(x)
        covariance = _limit(away + unsure + doubt * seen / len(x))
    return mean, covariance


def _patterns(there):
    """Returns the different rows of bools, and for each of them the numbers of its rows."""
    patterns, which, counts = np.unique(there, axis=0, return_inverse=True, return_counts=True)
    rows, ends = np.argsort(which.ravel(), kind="stable"), np.cumsum(counts)
    return patterns, [rows[end - num : end] for num, end in zip(counts, ends, strict=True)]


def _precisions(covariance, patterns):
    """Returns, for each pattern, the inverse covariance of its numbers, and zeros elsewhere."""
    both = patterns[:, :, None] & patterns[:, None, :]
    return np.linalg.inv(np.where(both, covariance, np.eye(len(covariance)))) * both


def _limit(covariance):
    """Returns the nearest covariance with at least the least deviation in each direction."""
    variances, axes = np.linalg.eigh(covariance)
    return axes * np.maximum(variances, LEAST_STD**2) @ axes.T


def _shrink(covariance, factor):
    return factor * covariance + (1.0 - factor) * np.diag(np.diag(covariance))


def _log_likelihood(x, moments, share):
    """Returns the log likelihood of rows, plus a constant."""
    mean, covariance, found = moments[0], _shrink(moments[1], share), 0.0
    for pattern, rows in zip(*_patterns(~np.isnan(x)), strict=True):
        left, own = (x[rows] - mean)[:, pattern], covariance[np.ix_(pattern, pattern)]
        found -= 0.5 * np.sum(left * np.linalg.solve(own, left.T).T)
        found -= 0.5 * len(rows) * np.linalg.slogdet(own)[1]
    return found
