"""Samples of text are scored by their words."""

import math
import unicodedata

import numpy as np
import pytest

from keras_bfn.datasets import Letters, embedded_text
from keras_bfn.metrics import spelling_rate

pytestmark = pytest.mark.once


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


def test_words_keep_their_combining_marks():
    real = "हिन्दी भाषा किताब"  # Hindi: vowels are marks
    wrong = "हिन्दु भूषि कीतिब"
    assert [spelling_rate([f"x {text} x"], real) for text in (real, wrong)] == [1, 0]
    assert spelling_rate(["x naïve x"], unicodedata.normalize("NFD", "naïve")) == 1
