"""Probabilities of n-grams are those of the definition."""

import collections

import numpy as np
import pytest

from benchmarks.ngrams import NgramModel

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


def test_many_classes_need_no_table_of_all_n_grams():
    tokens = np.random.default_rng(0).integers(0, 32_000, (20, 50))
    model = NgramModel(tokens, 32_000)
    assert model.bits_per_token(tokens) < 2 < model.bits_per_token((tokens + 1) % 32_000)


def test_texts_shorter_than_the_order_are_counted_too():
    model = NgramModel([[0, 1], [0, 1]], 2, order=3)
    assert model.bits_per_token([0, 1, 0, 1]) < 1
    np.testing.assert_array_equal(model.probabilities(3)[0], model.probabilities(3)[1])
