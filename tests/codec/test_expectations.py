"""By the mean and deviation of a normal distribution, bins cost what they cost by a table."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats

from keras_bfn.codec import expectations
from keras_bfn.codec.chain import Chain
from keras_bfn.codec.expectations import Bins, Expectation
from keras_bfn.codec.stack import SHARE_BITS
from keras_bfn.flows import DiscretizedFlow
from tests.codec.crafting import coded

pytest.importorskip("constriction")

pytestmark = pytest.mark.once("jax")

K, NUM, NUM_STEPS = 256, 2000, 12
CHAIN = Chain(DiscretizedFlow(K, sigma_1=1e-3), NUM_STEPS, resolution=0.25)


def table(location, std):
    """All log probabilities of a normal distribution that is cut into K bins of [-1, 1]."""
    edges = np.concatenate([[-np.inf], np.arange(1, K) * 2.0 / K - 1.0, [np.inf]])
    z = (edges - location[..., None].astype("float64")) / std[..., None].astype("float64")
    left = np.where(z[..., :-1] > 0, -z[..., 1:], z[..., :-1])
    right = np.where(z[..., :-1] > 0, -z[..., :-1], z[..., 1:])
    return np.log(np.maximum(stats.norm.cdf(right) - stats.norm.cdf(left), 1e-300))


def draw():
    """Normal beliefs of all widths, many beyond the ends, and values that they are true of."""
    rng = np.random.default_rng(0)
    mean, std = rng.uniform(-1.2, 1.2, NUM), np.exp(rng.uniform(np.log(0.004), 0, NUM))
    x = np.floor((mean + std * rng.standard_normal(NUM) + 1.0) * K / 2)
    return mean, std, np.clip(x, 0, K - 1).astype("int64")


def belief(mean, std, s, precision):
    """Location and deviation once evidence has come."""
    total = 1.0 / std**2 + precision
    location, deviation = (mean / std**2 + s) / total, np.maximum(total**-0.5, 1e-3)
    return location.astype("float32"), deviation.astype("float32")


def test_the_posterior_of_a_message_is_that_of_a_table_at_all_precisions():
    """What a draw from it costs more, in bits, is the divergence."""
    mean, std, x = draw()
    rng, points = np.random.default_rng(1), CHAIN.channel.points
    s, rough = np.zeros(NUM), 0
    for i in range(1, NUM_STEPS + 1):
        told, precision = belief(mean, std, s, CHAIN.precision[i - 1]), CHAIN.gained[i]
        gained = precision * points[x] + np.sqrt(precision) * rng.standard_normal(NUM)
        logits = table(*told) - 0.5 * precision * (gained[:, None] / precision - points) ** 2
        exact = logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
        bins = Bins(CHAIN.channel, *told)
        probs = np.zeros((NUM, K))
        first, posterior = bins._posterior(gained[:, None], precision)
        places = first[:, None] + np.arange(posterior.shape[1])
        np.put_along_axis(probs, places, posterior, axis=1)
        is_rough = bins._is_rough(gained[:, None], precision)
        if is_rough.any():
            rough += 1
            weights, shares = bins._rough_posterior(gained[:, None], precision)
            below = shares(np.ones(NUM, bool))
            below = np.stack([below(np.full(NUM, k)) for k in range(K - 1)], axis=1)
            assert_array_equal(below[:, 0], 0)
            assert_array_equal(below[:, -1], 2**SHARE_BITS)
            inner = np.diff(below, axis=1) / 2**SHARE_BITS
            assert (inner >= 0).all()
            closed = np.hstack([weights[:, :1], weights[:, 1:2] * inner, weights[:, 2:]])
            # The others' is that of a table, on which nothing is impossible.
            probs, exact = closed[is_rough], exact[is_rough]
        seen = probs > 1e-9  # none of these adds more than 1e-6 bits
        ratios = np.log2(probs, where=seen, out=np.zeros_like(probs)) - exact / np.log(2)
        divergence = np.sum(probs * ratios, axis=1, where=seen)
        assert divergence.mean() < 3e-4
        s = s + gained
    assert 0 < rough < NUM_STEPS


@pytest.mark.slow_to_compile
@pytest.mark.parametrize("most", [20, 48, K])
def test_bins_cost_what_a_table_of_all_bins_says(most, monkeypatch):
    """Whichever posterior is taken, the evidence differs and the cost does not."""
    monkeypatch.setattr(expectations, "MOST_CANDIDATES", most)
    mean, std, x = draw()
    bits = []
    for tell in (lambda *told: dict(zip(("location", "std"), told, strict=True)), table):

        def expect(s, i, tell=tell):
            return tell(*belief(mean, std, s[..., 0], CHAIN.precision[i]))

        bits.append(coded(CHAIN, x, expect))
    assert_allclose(bits[0], bits[1], rtol=0.02)


def test_beliefs_that_are_sure_and_wrong_cost_what_a_table_says():
    """No value is impossible on the stack: a message about one is not taken for another's."""
    rng = np.random.default_rng(0)
    x = rng.integers(0, K, NUM)
    location = rng.uniform(-1, 1, NUM).astype("float32")
    std = np.full(NUM, 1e-3, "float32")
    by_bins = coded(CHAIN, x, lambda s, i: {"location": location, "std": std})
    by_table = coded(CHAIN, x, lambda s, i: table(location, std))
    assert_allclose(by_bins, by_table, rtol=0.02)


@pytest.mark.parametrize("end", [0, K - 1])
def test_a_message_of_an_end_bin_is_no_surprise_to_beliefs_beyond_it(end):
    """As of a picture's background; most take the closed form, which is quick."""
    rng, points, precision = np.random.default_rng(0), CHAIN.channel.points, 30.0
    gained = precision * points[end] + np.sqrt(precision) * rng.standard_normal((NUM, 1))
    told = np.full(NUM, 3.0 * np.sign(points[end]), "float32"), np.full(NUM, 1e-3, "float32")
    bins = Bins(CHAIN.channel, *told)
    assert bins._is_rough(gained, precision).mean() > 0.9
    other_end = -gained
    assert not bins._is_rough(other_end, precision).any()


@pytest.mark.parametrize("told", [(np.inf, 1e-3), (-3e38, 10.0), (0.0, 1e-3), (1.0, 10.0)])
def test_beliefs_that_are_immense_or_certain_still_code_all_bins(told):
    x = np.arange(K)
    location, std = (np.full(K, value, "float32") for value in told)
    coded(CHAIN, x, lambda s, i: {"location": location, "std": std})


def test_a_dict_tells_bins_and_an_array_all_probabilities():
    told = {"location": np.zeros(3, "float32"), "std": np.ones(3, "float32")}
    assert isinstance(expectations.expectation(CHAIN.channel, told), Bins)
    probs = np.log(np.full((3, K), 1 / K))
    assert type(expectations.expectation(CHAIN.channel, probs)) is Expectation
