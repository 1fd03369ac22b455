"""Whatever a call is told, it gives a result or says what was wrong, and loses nothing.

`python -m tests.fuzz 1000` tells how many calls ended in which way.
"""

import collections

import pytest

pytest.importorskip("hypothesis")

from tests import fuzz


@pytest.mark.slow_to_compile("tensorflow")
def test_constructors_make_something_or_say_what_was_wrong():
    counts = collections.Counter()
    fuzz.make(60, counts)
    assert counts["constructors", "ValueError"] > 10
    assert counts["constructors", "result"] > 10


@pytest.mark.once
def test_methods_give_a_result_or_say_what_was_wrong():
    counts = collections.Counter()
    fuzz.ask(90, counts)
    assert {name for name, _ in counts} == set(fuzz.METHODS)


@pytest.mark.parametrize(
    "seed",
    [
        pytest.param(0, marks=pytest.mark.slow),
        *(pytest.param(i, marks=pytest.mark.nightly) for i in (1, 2)),
    ],
)
def test_many_calls_give_a_result_or_say_what_was_wrong(seed):
    counts = collections.Counter()
    fuzz.make(1000, counts, seed)
    fuzz.ask(900, counts, seed)
    assert counts.total() >= 1000 + 900 // len(fuzz.METHODS) * len(fuzz.METHODS)
