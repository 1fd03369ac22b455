"""Statistical claims about draws, strict enough to fail and rare enough to fail by chance."""

import numpy as np
from scipy import stats

MIN_P_VALUE = 1e-4


def assert_mean_is(expected, draws, precision, within=4):
    """The mean of `draws` is `expected` `within` standard errors, each below `precision` of it."""
    draws = np.ravel(draws)
    standard_error = draws.std() / np.sqrt(draws.size)
    assert standard_error < precision * abs(expected), standard_error / abs(expected)
    rounding = 1e-5 * abs(expected)
    assert abs(draws.mean() - expected) < within * standard_error + rounding, (
        f"mean {draws.mean():.5f} +- {standard_error:.5f}, expected {expected:.5f}"
    )


def chi_squared_p_value(draws, probs):
    """Of integers in 0..K-1 against their probabilities; rare values share one cell."""
    draws, probs = np.ravel(draws).astype("int64"), np.ravel(probs)
    counts = np.bincount(draws, minlength=probs.size)
    rare = probs * draws.size < 5
    observed = np.append(counts[~rare], counts[rare].sum())
    expected = np.append(probs[~rare], probs[rare].sum()) * draws.size
    if expected[-1] < 1e-3:
        assert observed[-1] == 0
        observed, expected = observed[:-1], expected[:-1]
    statistic = np.sum((observed - expected) ** 2 / expected)
    return stats.chi2.sf(statistic, df=max(1, expected.size - 1))


def assert_draws_follow(probs, draws):
    """Integers in 0..K-1 are distributed as `probs`."""
    assert chi_squared_p_value(draws, probs) > MIN_P_VALUE


def assert_draws_are_normal(mean, std, draws):
    assert stats.kstest(np.ravel(draws), stats.norm(mean, std).cdf).pvalue > MIN_P_VALUE
