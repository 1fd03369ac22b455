"""The stack takes -log2(p) bits for a symbol, gives it back, and pops draws off random bits."""

import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats

from keras_bfn.codec import CodecError
from keras_bfn.codec.stack import LONGEST_WAY, SHARE_BITS, TAIL, Stack
from tests.checks import assert_draws_follow
from tests.codec.crafting import random_words

pytest.importorskip("constriction")

pytestmark = pytest.mark.once

NUM = 20_000
SPACING, STD = 0.25, 1.0
MEAN = np.random.default_rng(1).uniform(-1e6, 1e6, (NUM // 2, 2))


def random_probs(num_classes, num=NUM):
    return np.random.default_rng(2).dirichlet(np.full(num_classes, 0.5), num)


def of_classes(num_classes):
    probs = random_probs(num_classes)
    return (lambda stack: stack.pop_classes(probs), lambda stack, x: stack.push_classes(x, probs))


BINS_MEAN = np.random.default_rng(3).uniform(-50, 300, NUM)
BINS_STD = np.exp(np.random.default_rng(4).uniform(-3, 5, NUM))
BOUNDS = np.sort(np.random.default_rng(5).integers(0, 2**SHARE_BITS, (NUM, 8)), axis=1)
BOUNDS[:, 0], BOUNDS[:, -1] = 0, 2**SHARE_BITS


def shares(k):
    """Of seven integers: some have none."""
    return np.take_along_axis(BOUNDS, k[:, None], axis=1)[:, 0]


# Of each kind: what pops, and what pushes the same.
KINDS = {
    **{f"classes-{k}": of_classes(k) for k in (2, 3, 256)},
    "near": (
        lambda stack: stack.pop_near(MEAN, STD, SPACING),
        lambda stack, x: stack.push_near(x, MEAN, STD, SPACING),
    ),
    "near-wide": (
        lambda stack: stack.pop_near(MEAN, 1000.0, SPACING),
        lambda stack, x: stack.push_near(x, MEAN, 1000.0, SPACING),
    ),
    "anywhere": (
        lambda stack: stack.pop_anywhere(MEAN, STD, SPACING),
        lambda stack, x: stack.push_anywhere(x, MEAN, STD, SPACING),
    ),
    "bins": (
        lambda stack: stack.pop_bins(BINS_MEAN, BINS_STD, 256),
        lambda stack, x: stack.push_bins(x, BINS_MEAN, BINS_STD, 256),
    ),
    "shares": (
        lambda stack: stack.pop_shares(shares, NUM, 7),
        lambda stack, x: stack.push_shares(x, shares),
    ),
}
every_kind = pytest.mark.parametrize(("pop", "push"), KINDS.values(), ids=KINDS)


@every_kind
def test_what_is_popped_and_pushed_again_leaves_the_same_bits(pop, push):
    words = random_words(20_000)
    stack = Stack(words)
    symbols = pop(stack)
    assert stack.num_bits() < 32 * len(words)
    push(stack, symbols)
    assert_array_equal(stack.words(), words)


@every_kind
def test_what_is_pushed_is_popped(pop, push):
    symbols = pop(Stack(random_words(20_000, seed=5)))
    words = random_words(20_000)
    stack = Stack(words)
    push(stack, symbols)
    assert_array_equal(pop(stack), symbols)
    assert_array_equal(stack.words(), words)


def test_things_of_all_kinds_are_popped_in_the_reverse_order_of_their_pushing():
    words, symbols = random_words(100_000), []
    stack = Stack(words)
    for pop, _ in KINDS.values():
        symbols.append(pop(stack))
    for (_, push), x in zip(reversed(KINDS.values()), reversed(symbols), strict=True):
        push(stack, x)
    assert_array_equal(stack.words(), words)


def test_a_class_costs_minus_log2_of_its_probability():
    probs = random_probs(5)
    classes = np.random.default_rng(3).integers(0, 5, NUM)
    stack = Stack(random_words(10))
    before = stack.num_bits()
    stack.push_classes(classes, probs)
    chosen = np.maximum(np.take_along_axis(probs, classes[:, None], axis=1), 2.0**-24)
    assert_allclose(stack.num_bits() - before, -np.log2(chosen).sum(), rtol=1e-3)


def test_however_probabilities_lie_in_memory_they_are_the_same():
    probs, classes = random_probs(5), np.arange(NUM) % 5
    words = []
    for each in (probs, np.asfortranarray(probs)):
        stack = Stack(random_words(10))
        stack.push_classes(classes, each)
        words.append(stack.words())
    assert_array_equal(*words)


def test_a_class_of_no_probability_costs_24_bits():
    stack = Stack(random_words(10))
    before = stack.num_bits()
    stack.push_classes(np.ones(1000, "int64"), np.tile([1.0, 0.0, 0.0], (1000, 1)))
    assert abs(stack.num_bits() - before - 24 * 1000) <= 1


@pytest.mark.parametrize("spacing", [0.05, 0.25, 0.9])
@pytest.mark.parametrize("method", ["near", "anywhere"])
def test_a_number_costs_minus_log2_of_the_normal_mass_about_it(method, spacing):
    stack = Stack(random_words(20_000))
    before = stack.num_bits()
    x = getattr(stack, f"pop_{method}")(MEAN, STD, spacing)
    z = x - MEAN
    mass = stats.norm.cdf(z + spacing / 2) - stats.norm.cdf(z - spacing / 2)
    assert_allclose(before - stack.num_bits(), -np.log2(mass).sum(), rtol=1e-3)


@pytest.mark.parametrize("method", ["near", "anywhere"])
def test_numbers_popped_off_random_bits_follow_the_normal_distribution(method):
    stack = Stack(random_words(20_000))
    mean = np.full(NUM, 0.1)
    x = getattr(stack, f"pop_{method}")(mean, STD, SPACING)
    points = SPACING * np.arange(-30, 31)
    assert np.isin(x, points).all()
    mass = np.diff(stats.norm(0.1, STD).cdf(np.append(points, 7.75) - SPACING / 2))
    assert_draws_follow(mass, np.rint(x / SPACING) + 30)
    assert abs(x.mean() - 0.1) < 4 / NUM**0.5
    # Sheppard's correction: what lies on a lattice varies by a twelfth of a square more.
    assert_allclose(x.var(), STD**2 + SPACING**2 / 12, rtol=4 * (2 / NUM) ** 0.5)


def test_classes_popped_off_random_bits_follow_their_probabilities():
    probs = np.array([0.5, 0.3, 0.15, 0.05])
    draws = Stack(random_words(20_000)).pop_classes(np.tile(probs, (NUM, 1)))
    assert_draws_follow(probs, draws)


def test_bins_cost_minus_log2_of_their_mass_and_the_ends_have_the_tails():
    stack = Stack(random_words(60_000))
    before = stack.num_bits()
    x = stack.pop_bins(BINS_MEAN, BINS_STD, 256)
    low = np.where(x == 0, -np.inf, (x - 0.5 - BINS_MEAN) / BINS_STD)
    high = np.where(x == 255, np.inf, (x + 0.5 - BINS_MEAN) / BINS_STD)
    mass = np.maximum(stats.norm.cdf(high) - stats.norm.cdf(low), 2.0**-24)
    assert_allclose(before - stack.num_bits(), -np.log2(mass).sum(), rtol=1e-3)


def test_integers_popped_off_random_bits_follow_their_shares_at_their_cost():
    bounds = np.array([0, 0, 100, 10_000, 10_001, 20_000, 32_768])
    stack = Stack(random_words(20_000))
    before = stack.num_bits()
    draws = stack.pop_shares(lambda k: bounds[k], NUM, 6)
    share = np.diff(bounds) / 2**SHARE_BITS
    assert_draws_follow(share, draws)
    assert_allclose(before - stack.num_bits(), -np.log2(share[draws]).sum(), rtol=1e-3)


def test_an_integer_without_a_share_cannot_be_pushed():
    with pytest.raises(CodecError, match="no encoder"):
        Stack(random_words(10)).push_shares(np.array([1]), lambda k: np.array([0, 5, 5, 9])[k])


@pytest.mark.parametrize("std", [0.7, 4.0, 100.0, 3000.0])
def test_the_mean_of_a_normal_number_is_rounded_for_next_to_no_bits(std):
    """Numbers drawn elsewhere, by the mean itself, cost their entropy."""
    rng = np.random.default_rng(0)
    mean = rng.uniform(-1, 1, NUM)
    x = np.rint(np.clip(rng.standard_normal(NUM), -5, 5) * std + mean)
    stack = Stack(random_words(10))
    before = stack.num_bits()
    stack.push_anywhere(x, mean, std, 1.0)
    z = (x[:, None] + np.array([-0.5, 0.5]) - mean[:, None]) / std
    bits = -np.log2(np.diff(stats.norm.cdf(z), axis=1)).sum()
    assert_allclose(stack.num_bits() - before, bits, rtol=2e-4)


WAYS = [6.0, 100.0, 1e5, (LONGEST_WAY - 1) * SPACING + TAIL * STD]


@pytest.mark.parametrize("way", WAYS)
def test_a_number_that_lies_far_off_costs_20_bits_more_and_comes_back(way):
    mean = np.linspace(-1, 1, 5)
    x = SPACING * np.rint((mean + way * np.array([1, -1, 0, 1, -1])) / SPACING)
    words = random_words(100)
    stack = Stack(words)
    stack.push_anywhere(x, mean, STD, SPACING)
    # Each of four ends, at 5.3 to 5.8 standard deviations, has a probability near 1e-7.
    assert 4 * (20 + 22) < stack.num_bits() - 32 * len(words) < 4 * (20 + 25) + 5
    assert_array_equal(stack.pop_anywhere(mean, STD, SPACING), x)
    assert_array_equal(stack.words(), words)


@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize("way", [(LONGEST_WAY + 1) * SPACING + (TAIL + 1) * STD, 1e15])
def test_beyond_the_longest_way_nothing_is_pushed(way, sign):
    words = random_words(10)
    stack = Stack(words)
    with pytest.raises(CodecError, match="too far"):
        stack.push_anywhere(np.array([sign * way]), np.zeros(1), STD, SPACING)
    assert_array_equal(stack.words(), words)


@pytest.mark.parametrize("x", [7.0, -7.0, 1e6, -1e300])
def test_what_pop_near_cannot_have_popped_cannot_be_pushed(x):
    with pytest.raises(CodecError, match="no encoder"):
        Stack(random_words(10)).push_near(np.array([x]), np.zeros(1), STD, SPACING)


@pytest.mark.parametrize("x", [-1, 3, 1000])
def test_a_class_that_there_is_not_cannot_be_pushed(x):
    with pytest.raises(CodecError, match="no encoder"):
        Stack(random_words(10)).push_classes(np.array([x]), np.full((1, 3), 1 / 3))


@pytest.mark.parametrize("num_words", [0, 1, 2, 10])
@every_kind
def test_no_more_is_popped_than_there_is(pop, push, num_words):
    with pytest.raises(CodecError, match="no bits are left"):
        pop(Stack(random_words(num_words)))


def test_bits_do_not_end_in_a_zero_word():
    with pytest.raises(CodecError, match="zero"):
        Stack(np.array([1, 2, 0], "uint32"))


@every_kind
def test_the_words_below_the_lowest_point_have_not_been_touched(pop, push):
    words = random_words(20_000)
    stack = Stack(words)
    x = pop(stack)
    lowest = stack.fewest_words
    assert lowest < len(words)
    push(stack, x)
    assert stack.fewest_words == lowest
    pop(stack)
    stack.push_classes(np.arange(1000) % 7, np.full((1000, 7), 1 / 7))
    assert_array_equal(stack.words()[: lowest - 2], words[: lowest - 2])


def test_without_constriction_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "constriction", None)
    with pytest.raises(ImportError, match=r"pip install .*\[io\]"):
        Stack(random_words(3))
