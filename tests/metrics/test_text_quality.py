"""Samples of text are scored by their words, and by n-grams that are those of the definition."""

import collections
import math
import unicodedata

import numpy as np
import pytest

from keras_bfn.datasets import Bytes, Letters, embedded_text
from keras_bfn.metrics import NgramModel, spelling_rate

pytestmark = pytest.mark.once

K, ORDER = 4, 3


def markov_text(num, length, seed=0):
    """Rows in which one of two tokens is likely after each."""
    rng = np.random.default_rng(seed)
    rows = rng.integers(0, K, (num, length))
    for i in range(1, length):
        rows[:, i] = np.where(rng.random(num) < 0.7, (2 * rows[:, i - 1] + 1) % K, rows[:, i])
    return rows


def windows(rows, size):
    """All runs of `size` tokens."""
    return [tuple(row[i : i + size]) for row in rows for i in range(len(row) - size + 1)]


def probability(rows, context, token, top=True):
    """By the definition of Kneser and Ney, counting anew each time."""
    grams = windows(rows, len(context) + 1)
    if not top:
        # How many different tokens come before each.
        grams = [gram[1:] for gram in set(windows(rows, len(context) + 2))]
    after = collections.Counter(gram[-1] for gram in grams if gram[:-1] == context)
    shorter = probability(rows, context[1:], token, top=False) if context else 1 / K
    if not after:
        return shorter
    rest = 0.75 * len(after) * shorter
    return (max(after[token] - 0.75, 0) + rest) / after.total()


@pytest.mark.parametrize("shape", [(1, 60), (12, 5), (40, 2)])
def test_probabilities_are_those_of_the_definition(shape):
    rows = markov_text(*shape)
    model = NgramModel(rows, K, ORDER)
    for size in range(ORDER + 1):
        found = model.probabilities(size)
        expected = [
            probability([tuple(row) for row in rows.tolist()], place[:-1], place[-1])
            for place in np.ndindex(found.shape)
        ]
        np.testing.assert_allclose(found.ravel(), expected, rtol=1e-12)


def test_the_first_token_is_as_frequent_as_in_the_text():
    """Less the discount, which is divided evenly: (3 - 0.75 + 2 * 0.75 / 2) / 4 of 0."""
    model = NgramModel([0, 0, 0, 1], num_classes=2, order=2)
    assert model.bits_per_token([0]) == pytest.approx(-np.log2(0.75))
    assert model.bits_per_token([1]) == pytest.approx(-np.log2(0.25))


def test_probabilities_are_above_zero_and_sum_to_one():
    data = embedded_text(batch_size=1000, seq_length=50)
    model = NgramModel(data.test[0], 27, order=3)
    for size in range(4):
        probabilities = model.probabilities(size)
        assert probabilities.shape == (27,) * (size + 1)
        assert probabilities.dtype == "float64"
        assert probabilities.min() > 0
        np.testing.assert_allclose(probabilities.sum(axis=-1), 1, rtol=1e-12)


@pytest.mark.parametrize("order", [0, 1, 3, None])
def test_bits_are_those_of_the_probabilities(order):
    model = NgramModel(markov_text(3, 40), K, ORDER)
    new = markov_text(5, 30, seed=1)
    new[0] = 3  # what was hardly seen
    tables = [model.probabilities(size) for size in range(ORDER + 1)]
    most = ORDER if order is None else order
    bits = [
        -np.log2(tables[min(i, most)][tuple(row[max(0, i - most) : i + 1])])
        for row in new
        for i in range(len(row))
    ]
    assert model.bits_per_token(new, order) == pytest.approx(np.mean(bits), rel=1e-12)
    assert model.bits_per_token(new[1], order) == pytest.approx(np.mean(bits[30:60]), rel=1e-12)
    assert model.perplexity(new) == pytest.approx(2 ** model.bits_per_token(new))


def test_longer_contexts_help_with_prose_and_noise_is_worse():
    data = embedded_text(batch_size=1000, seq_length=64)
    model = NgramModel(data.validation[0].ravel(), 27, order=4)
    bits = [model.bits_per_token(data.test[0], order) for order in range(5)]
    assert math.log2(27) > bits[0] > bits[1] > bits[2] > bits[3]
    noise = np.random.default_rng(0).integers(0, 27, (50, 64))
    assert model.bits_per_token(noise) > math.log2(27)


def test_many_classes_need_no_table_of_all_n_grams():
    tokens = np.random.default_rng(0).integers(0, 32_000, (20, 50))
    model = NgramModel(tokens, 32_000)
    assert model.bits_per_token(tokens) < 2 < model.bits_per_token((tokens + 1) % 32_000)


def test_texts_shorter_than_the_order_are_counted_too():
    model = NgramModel([[0, 1], [0, 1]], 2, order=3)
    assert model.bits_per_token([0, 1, 0, 1]) < 1
    np.testing.assert_array_equal(model.probabilities(3)[0], model.probabilities(3)[1])


def test_words_are_spelt_as_in_the_reference():
    reference = "Call me Ishmael; some years ago, naïve!"
    assert spelling_rate(["l me some yrs ag"], reference) == 2 / 3
    assert spelling_rate(["x ME, naïve 1851 ishmael... x", "x years x"], reference) == 1
    assert math.isnan(spelling_rate(["call", "call me", ""], reference))
    assert math.isnan(spelling_rate([], reference))


def test_real_text_is_spelt_better_than_shuffled():
    data = embedded_text(batch_size=1000, seq_length=64)
    reference = Letters().decode(data.validation[0].ravel())
    real = data.test[0]
    shuffled = np.random.default_rng(0).permuted(real, axis=1)
    rates = [spelling_rate(Letters().decode(tokens), reference) for tokens in (real, shuffled)]
    assert rates[0] > 0.8 > 0.3 > rates[1]


def test_bytes_are_counted_as_letters_are():
    tokens = Bytes().encode("Ω and the other Ω and the other")
    model = NgramModel(tokens, Bytes().num_classes, order=6)
    assert model.bits_per_token(tokens) < 2


def test_words_keep_their_combining_marks():
    real = "हिन्दी भाषा किताब"  # Hindi: vowels are marks
    wrong = "हिन्दु भूषि कीतिब"
    assert [spelling_rate([f"x {text} x"], real) for text in (real, wrong)] == [1, 0]
    assert spelling_rate(["x naïve x"], unicodedata.normalize("NFD", "naïve")) == 1
