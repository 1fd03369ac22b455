"""Which arguments and cells of columns are what they are to be."""

from fractions import Fraction

import numpy as np
import pytest

from keras_bfn.tables.checks import (
    check_cells,
    check_cycles,
    check_list,
    check_step,
    check_two,
    is_finite,
    is_value,
    is_whole,
    key_of,
    one_of,
)

pytestmark = pytest.mark.once


@pytest.mark.parametrize(
    ("is_so", "yes", "no"),
    [
        (
            is_finite,
            [1, 2.5, np.float32(3), Fraction(1, 2)],
            [np.float32(np.inf), np.nan, 10**400, True, "1"],
        ),
        (is_whole, [1, 2.0, np.int8(3), np.float64(4)], [2.5, np.inf, 10**400, True, None]),
        (is_value, ["a", 1, 2.5, True, np.bool_(False)], [None, (1,), b"a"]),
    ],
)
def test_cells_are_told_apart(is_so, yes, no):
    assert [bool(is_so(cell)) for cell in yes] == [True] * len(yes)
    assert [bool(is_so(cell)) for cell in no] == [False] * len(no)


def test_true_is_another_cell_than_one_and_equal_numbers_are_one():
    assert key_of(True) != key_of(1)
    assert key_of(True) == key_of(np.bool_(True))
    assert key_of(1) == key_of(1.0) == key_of(np.int8(1))
    assert key_of([1]) == key_of([1]) != key_of("[1]")


def test_good_arguments_come_back_as_plain_values():
    assert check_list("x", ("b", 1)) == ["b", 1]
    assert check_two("x", np.array([[0, 1], [2, 3]]), 2, "lists") == [[0.0, 1.0], [2.0, 3.0]]
    assert check_cycles(["day", 7], {"day": 86_400}) == ["day", 7]
    assert check_step([0.5, 2]) == [0.5, 2]
    assert check_step(None) is None


@pytest.mark.parametrize(
    ("check", "expected"),
    [
        (lambda: check_list("x", "ab"), "`x` must be a list of hashable values.*'ab'"),
        (lambda: check_list("x", [[1]]), r"`x` must be a list of hashable values.*\[\[1\]\]"),
        (lambda: check_two("x", [[1], [1, 2]], 2, "lists"), "`x` must be two lists"),
        (lambda: check_two("x", [[1, np.nan]] * 2, 2, "lists"), "`x` must be two lists"),
        (lambda: check_two("x", [1, 2, 3], 1, "numbers"), "`x` must be two numbers"),
        (lambda: check_cycles([0], {}), r"`cycles` must contain positive numbers.*\[0\]"),
        (lambda: check_cycles(["day", 86_400], {"day": 86_400}), "not contain duplicates"),
        (lambda: check_step(0), "`step` must be a positive number.*step=0"),
        (lambda: check_step([1, "a"]), "`step` must be a finite number.*'a'"),
    ],
)
def test_bad_arguments_are_refused_by_name(check, expected):
    with pytest.raises(ValueError, match=expected):
        check()


def test_the_first_of_bad_cells_is_named_and_of_many_values_eight():
    assert check_cells([1, None, 2], is_finite, "numbers") == [1, 2]
    with pytest.raises(ValueError, match=r"must contain numbers\. Received: 'b'"):
        check_cells([1, "b", "c"], is_finite, "numbers")
    assert one_of([1, 2]) == "one of [1, 2]"
    assert one_of(list(range(10))) == "one of [0, 1, 2, 3, 4, 5, 6, 7] and 2 more"
