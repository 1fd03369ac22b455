"""Distributions over 0..K-1 against scipy and brute force in float64."""

from functools import partial

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import special, stats

from keras_bfn._random import Noise
from keras_bfn.distributions import Bernoulli, Categorical, DiscretizedNormal
from keras_bfn.distributions.discrete import bin_centre, bin_number
from tests.backends import everywhere
from tests.checks import assert_draws_follow
from tests.tensors import gradient, to_numpy, to_tensor

NUM_DRAWS = 20_000
LOG_ODDS = np.float32([-20, -3, -0.1, 0.2, 2.5, 30])
# Mean and standard deviation: inside, narrow, on an edge, beside an end, far outside, wide.
MEAN, STD = np.float32([[0.1, 0.3], [-0.43, 0.02], [0.5, 0.1], [0.97, 0.2], [1.6, 0.4], [0.2, 5]]).T


def logits(k):
    return (2 * np.random.default_rng(k).standard_normal((6, k))).astype("float32")


def bernoulli_log_probs():
    log_odds = LOG_ODDS.astype("float64")
    return np.stack([special.log_expit(-log_odds), special.log_expit(log_odds)], axis=-1)


def discretized_normal_log_probs(k):
    edges = 2 * np.arange(k + 1) / k - 1
    edges[[0, -1]] = -np.inf, np.inf
    z = (edges - MEAN.astype("float64")[:, None]) / STD.astype("float64")[:, None]
    # In the upper half, masses are differences of upper tails, which are small there.
    right = z[:, :-1] > 0
    near = special.log_ndtr(np.where(right, -z[:, :-1], z[:, 1:]))
    far = special.log_ndtr(np.where(right, -z[:, 1:], z[:, :-1]))
    return near + np.log(-np.expm1(far - near))


# Each distribution: how it is made, of which parameters, and its log probabilities, (6, K).
CASES = {
    "bernoulli": (Bernoulli, (LOG_ODDS,), bernoulli_log_probs()),
    **{
        f"categorical-{k}": (
            Categorical,
            (logits(k),),
            special.log_softmax(logits(k).astype("float64"), axis=-1),
        )
        for k in (3, 27, 600)
    },
    **{
        f"discretized_normal-{k}": (
            partial(DiscretizedNormal, num_bins=k),
            (MEAN, STD),
            discretized_normal_log_probs(k),
        )
        for k in (2, 17, 256)
    },
}

# Whose code is that of other numbers of classes or bins.
SELDOM = ("categorical-3", "discretized_normal-17")
every_distribution = pytest.mark.parametrize(
    ("make", "params", "log_probs"),
    [
        pytest.param(*case, marks=[pytest.mark.once] * (name in SELDOM), id=name)
        for name, case in CASES.items()
    ],
)


@pytest.mark.slow_to_compile
@every_distribution
def test_log_probs_are_the_oracles(make, params, log_probs):
    assert_allclose(
        to_numpy(make(*map(to_tensor, params)).log_probs()), log_probs, rtol=3e-6, atol=3e-6
    )


@every_distribution
def test_log_prob_picks_out_of_log_probs(make, params, log_probs):
    k = log_probs.shape[-1]
    for x in (0, 1, k // 2, k - 1):
        result = to_numpy(make(*map(to_tensor, params)).log_prob(np.full(6, x, "int32")))
        assert_allclose(result, log_probs[:, x], rtol=3e-6, atol=3e-6)


@every_distribution
def test_probs_sum_to_1(make, params, log_probs):
    assert_allclose(to_numpy(make(*map(to_tensor, params)).probs()).sum(axis=-1), 1, atol=2e-6)


@every_distribution
@pytest.mark.parametrize("temperature", [0.3, 2.0])
def test_a_temperature_is_a_power_of_the_probabilities(make, params, log_probs, temperature):
    tempered = make(*map(to_tensor, params)).tempered(temperature)
    expected = special.log_softmax(log_probs / temperature, axis=-1)
    assert_allclose(to_numpy(tempered.log_probs()), expected, rtol=2e-5, atol=2e-5)


@every_distribution
def test_mean_is_the_expected_class(make, params, log_probs):
    classes = np.arange(log_probs.shape[-1])
    mean = (np.exp(log_probs) * classes).sum(axis=-1)
    assert_allclose(
        to_numpy(make(*map(to_tensor, params)).mean()), mean, rtol=3e-6, atol=1e-7 * classes.size
    )


@every_distribution
def test_mode_is_the_likeliest_class(make, params, log_probs):
    mode = to_numpy(make(*map(to_tensor, params)).mode()).astype("int64")
    # Compared by what they have, for a normal on an edge has two modes.
    chosen = np.take_along_axis(log_probs, mode[:, None], axis=-1)[:, 0]
    assert_allclose(chosen, log_probs.max(axis=-1), atol=1e-6)


@pytest.mark.once
@every_distribution
def test_samples_follow_probs(make, params, log_probs, seed):
    for row in range(6):
        repeated = [np.repeat(values[row : row + 1], NUM_DRAWS, axis=0) for values in params]
        draws = to_numpy(make(*map(to_tensor, repeated)).sample(seed))
        assert draws.shape == (NUM_DRAWS,)
        assert_draws_follow(np.exp(log_probs[row]), draws)


@pytest.mark.parametrize("k", [5, 600])
def test_what_cannot_be_is_never_drawn(k):
    # All but two: the last ones, those next to the two, and of many classes whole rows.
    row = np.full(k, -np.inf, "float32")
    row[[1, k // 2]] = 0.0, 3.0
    # From end to end of [0, 1).
    shares = np.float32([0.0, 0.03, 1.0 - 2.0**-24])
    shares = shares if k == 5 else np.stack(np.meshgrid(shares, shares), axis=-1).reshape(-1, 2)
    logits = to_tensor(np.tile(row, (len(shares), 1)))
    draws = to_numpy(Categorical(logits).sample(Noise({"uniform_0": to_tensor(shares)})))
    assert set(draws) == {1, k // 2}


def test_discretized_normal_gradients_are_the_slopes_of_the_oracle():
    # One bin near each mean, and both end bins.
    x, step = np.array([0, 4, 13, 16, 16, 9]), 1e-5

    def log_prob(mean, std):
        low, high = np.where(x == 0, -np.inf, 2 * x / 17 - 1), 2 * (x + 1) / 17 - 1
        high[x == 16] = np.inf
        return np.log(np.diff(special.ndtr((np.stack([low, high]) - mean) / std), axis=0)[0])

    def slope(function, at):
        return (function(at + step) - function(at - step)) / (2 * step)

    assert_allclose(
        gradient(lambda mean: DiscretizedNormal(mean, to_tensor(STD), 17).log_prob(x), MEAN),
        slope(lambda mean: log_prob(mean, STD), MEAN.astype("float64")),
        rtol=1e-4,
        atol=1e-4,
    )
    assert_allclose(
        gradient(lambda std: DiscretizedNormal(to_tensor(MEAN), std, 17).log_prob(x), STD),
        slope(lambda std: log_prob(MEAN, std), STD.astype("float64")),
        rtol=1e-4,
        atol=1e-4,
    )


@pytest.mark.parametrize("k", [2, 17, 256, 50_000])
def test_bins_fill_the_interval_and_hold_their_centres(k):
    numbers = np.arange(k)
    centres = to_numpy(bin_centre(numbers, k))
    assert_allclose(centres, (2 * numbers + 1) / k - 1, atol=1e-7)
    assert_array_equal(to_numpy(bin_number(centres.astype("float32"), k)), numbers)


@pytest.mark.parametrize(
    ("mean", "std"),
    [
        (40.0, 10.0),
        pytest.param(-8.0, 1.0, marks=pytest.mark.once),
        pytest.param(3.0, 0.3, marks=pytest.mark.once),
        (0.1, 0.1),
    ],
)
def test_many_bins_have_their_mass_however_far_they_are(mean, std):
    """So narrow a bin has the density at its centre; float32 resolves a part in 8 million."""
    k = 65_536
    x = np.array([1, 9_000, 30_000, 50_000, 65_534])
    mean, std = np.float32(mean), np.float32(std)
    found = DiscretizedNormal(to_tensor(np.full(5, mean)), to_tensor(std), k).log_prob(to_tensor(x))
    centre = (2.0 * x + 1.0) / k - 1.0
    expected = stats.norm.logpdf(centre, float(mean), float(std)) + np.log(2.0 / k)
    assert_allclose(to_numpy(found), expected, rtol=5e-7, atol=2e-6)


def test_values_beyond_the_ends_fall_into_the_end_bins():
    values = np.float32([-1e9, -1.5, -1, 1, 1.5, 1e9])
    assert_array_equal(to_numpy(bin_number(values, 17)), [0, 0, 0, 16, 16, 16])


def truncated(probs, top_k, top_p):
    """In float64, one row after the other; of equally likely classes the first are kept."""
    found = np.zeros_like(probs)
    for place in np.ndindex(probs.shape[:-1]):
        order = np.argsort(-probs[place], kind="stable")[:top_k]
        if top_p is not None and top_p < 1:
            shares = np.cumsum(probs[place][order]) / probs[place][order].sum()
            order = order[: 1 + np.sum(shares < top_p * (1 - 1e-9))]
        found[place][order] = probs[place][order]
    return found / found.sum(axis=-1, keepdims=True)


@pytest.mark.once
@pytest.mark.parametrize("num_classes", [2, 7])
@pytest.mark.parametrize(
    ("top_k", "top_p"),
    [(1, None), (3, None), (99, None), (None, 0.7), (None, 1e-6), (None, 1.0), (3, 0.6), (1, 0.99)],
)
def test_the_likeliest_values_are_kept(num_classes, top_k, top_p):
    probs = np.random.default_rng(0).dirichlet(np.ones(num_classes), (4, 5))
    logits = np.log(probs)
    if num_classes == 2:
        distribution = Bernoulli(to_tensor(logits[..., 1] - logits[..., 0]))
    else:
        distribution = Categorical(to_tensor(logits))
    found = distribution.truncated(top_k, top_p)
    expected = truncated(probs, top_k, top_p)
    assert_allclose(to_numpy(found.probs()), expected, atol=1e-5)
    np.testing.assert_array_equal(to_numpy(found.mode()), probs.argmax(axis=-1))
    if top_k == 1 or top_p == 1e-6:
        np.testing.assert_array_equal(to_numpy(found.sample(0)), probs.argmax(axis=-1))


TIES = {
    "pair": [0.4, 0.2, 0.2, 0.2],
    "four": [0.25] * 4,
    "ten": [0.1] * 10,
    "1000": [0.001] * 1000,
    "tail": [(1 - 9e-8) / 901] * 901 + [9e-10] * 99,
}


@pytest.mark.parametrize("name", everywhere(list(TIES), "four", "tail"))
@pytest.mark.parametrize(
    "top_k", everywhere({str(k): k for k in (1, 2, 3, 500, None)}, "2", "None")
)
@pytest.mark.parametrize(
    "top_p", everywhere({str(p): p for p in (None, 1e-9, 0.3, 0.5, 0.7501, 1.0)}, "None", "0.5")
)
def test_of_classes_as_likely_the_first_are_kept_and_no_more_than_needed(name, top_k, top_p):
    probs = np.array([TIES[name], TIES[name][::-1]])
    found = to_numpy(Categorical(to_tensor(np.log(probs))).truncated(top_k, top_p).probs())
    expected = truncated(probs, top_k, top_p)
    np.testing.assert_array_equal(found > 0, expected > 0)
    assert_allclose(found, expected, rtol=1e-4)


@pytest.mark.parametrize("num_classes", everywhere({"3": 3, "27": 27, "1000": 1000}, "27"))
@pytest.mark.parametrize(
    "top_p", everywhere({str(p): p for p in (0.01, 0.3, 0.9, 0.999, 1 - 1e-5)}, "0.3", "0.99999")
)
def test_what_is_kept_reaches_top_p_and_without_the_last_does_not(num_classes, top_p):
    """To the precision of sums in float32, whatever the order of the classes."""
    probs = np.random.default_rng(0).dirichlet(np.full(num_classes, 0.3), 50)
    logits = np.log(np.maximum(probs, 1e-20))
    found = to_numpy(Categorical(to_tensor(logits)).truncated(top_p=top_p).probs()) > 0
    kept = np.where(found, probs, 0.0)
    # What is left out, which of a `top_p` near 1 is known to more digits.
    left_out = np.where(found, 0.0, probs).sum(axis=-1)
    assert (left_out <= (1 - top_p) * 1.0001).all()
    last = np.where(found, probs, 1.0).min(axis=-1)
    is_one = found.sum(axis=-1) == 1
    assert (is_one | (left_out + last > (1 - top_p) * 0.9999)).all()
    assert (kept.max(axis=-1) == probs.max(axis=-1)).all()


@pytest.mark.once
def test_bins_are_cut_to_the_likeliest():
    found = DiscretizedNormal(to_tensor([0.1]), 0.3, 9).truncated(top_k=2)
    probs = to_numpy(found.probs())[0]
    assert (probs > 0).sum() == 2
    assert probs.argmax() == 4
