"""Statistical claims about draws, strict enough to fail and rare enough to fail by chance."""

import numpy as np
from keras import ops
from scipy import stats

MIN_P_VALUE = 1e-4


def to_numpy(x):
    return ops.convert_to_numpy(x).astype("float64")


def assert_mean_is(expected, draws, precision):
    """The mean of `draws` is `expected` within 4 standard errors of at most `precision` of it."""
    draws = np.ravel(draws)
    standard_error = draws.std() / np.sqrt(draws.size)
    assert standard_error < precision * abs(expected), standard_error / abs(expected)
    assert abs(draws.mean() - expected) < 4 * standard_error, (
        f"mean {draws.mean():.5f} +- {standard_error:.5f}, expected {expected:.5f}"
    )


def chi_squared_p_value(draws, probs):
    """Of integers in 0..K-1 against their probabilities; rare values share one cell."""
    probs = np.ravel(probs)
    draws = np.ravel(draws)
    counts = np.bincount(draws.astype("int64"), minlength=probs.size)
    rare = probs * draws.size < 5
    expected = np.append(probs[~rare], probs[rare].sum()) * draws.size
    observed = np.append(counts[~rare], counts[rare].sum())
    if expected[-1] < 1:
        # Too rare to weigh in: at most a handful may have come.
        assert observed[-1] < 10
        expected, observed = expected[:-1], observed[:-1]
    expected = expected * observed.sum() / expected.sum()
    return stats.chisquare(observed, expected).pvalue


def assert_draws_follow(probs, draws):
    """Integers in 0..K-1 are distributed as `probs`."""
    assert chi_squared_p_value(draws, probs) > MIN_P_VALUE


def assert_draws_are_normal(mean, std, draws):
    assert stats.kstest(np.ravel(draws), stats.norm(mean, std).cdf).pvalue > MIN_P_VALUE
