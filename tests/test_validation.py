"""Values are taken in many types and returned in one, or refused; refusals of calls: `wrong`."""

import warnings
from fractions import Fraction

import keras
import numpy as np
import pandas
import pytest

from keras_bfn import _validation
from keras_bfn._validation import (
    check_axes,
    check_between,
    check_fits,
    check_int,
    check_interval,
    check_numbers,
    check_positive,
    check_scale,
    check_shape,
    refusal,
    resolve_identifier,
    to_numpy,
)

pytestmark = pytest.mark.once


@pytest.mark.parametrize(
    ("check", "value", "expected"),
    [
        (lambda x: check_int("n", x, 1), np.int64(3), 3),
        (lambda x: check_int("n", x, -1, 2), 2, 2),
        (lambda x: check_between("x", x, 0, 1), Fraction(1, 4), 0.25),
        (lambda x: check_positive("x", x), np.float32(2.0), 2.0),
        (lambda x: check_interval("x", x), [0, 1], (0.0, 1.0)),
        (lambda x: check_shape("x", x), [np.int32(2), 3], (2, 3)),
        (lambda x: check_shape("x", x), (), ()),
        (lambda x: check_scale("x", x), 3, 3.0),
        (lambda x: check_scale("x", x), abs, abs),
    ],
)
def test_numbers_of_all_types_become_pythons(check, value, expected):
    found = check(value)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("check", "expected"),
    [
        (lambda: check_int("n", True, 0), "must be an integer of at least 0.*n=True"),
        (lambda: check_int("n", 2**31, 0), "at least 0 and at most 2147483647.*n=2147483648"),
        (lambda: check_int("n", 5, 1, 4), "at least 1 and at most 4.*n=5"),
        (lambda: check_between("x", 0, 0, 1), "strictly between 0 and 1.*x=0"),
        (lambda: check_positive("x", 1e31), r"finite number, from 1e-30 to 1e\+30.*x=1e\+31"),
        (lambda: check_axes("x", (2, 3), 3), r"`x` must have 3 axes.*x of shape \(2, 3\)"),
        (lambda: check_axes("x", (2,), 2, 3), r"`x` must have 2 to 3 axes.*\(2,\)"),
    ],
)
def test_a_refusal_says_what_was_expected_and_what_came(check, expected):
    with pytest.raises(ValueError, match=expected):
        check()


def test_of_a_long_value_the_beginning_is_told():
    message = str(refusal("x", "must be short", "a" * 10_000))
    assert message.startswith("Argument `x` must be short. Received: x='aaa")
    assert message.endswith("a...")
    assert len(message) < 600


def test_an_identifier_is_an_instance_or_the_name_of_one():
    known = {"one": 1, "two": 2}
    assert resolve_identifier("x", 7, int, known) == 7
    assert resolve_identifier("x", "two", int, known) == 2
    with pytest.raises(ValueError, match=r"`x` must be a `int` or one of \['one', 'two'\].*'3'"):
        resolve_identifier("x", "3", int, known)


@pytest.mark.parametrize(
    ("x", "dtype"),
    [
        ([1, 2], "int64"),
        (np.array([1, 2], dtype=object), "int64"),
        (np.array([1.5, 2], ">f4"), "float32"),
        (np.array([1, 2], "uint64"), "int64"),
        (np.array([True]), "bool"),
        (keras.ops.ones((2,), "bfloat16"), "float32"),
        (keras.ops.ones((2,), "int32"), "int32"),
    ],
)
def test_arrays_have_a_dtype_that_every_backend_has(x, dtype):
    found = to_numpy(x)
    assert found.dtype == np.dtype(dtype)
    assert found.dtype.isnative
    assert found.tolist() == keras.ops.convert_to_numpy(x).tolist()


def test_missing_values_of_pandas_become_nan():
    for x in (pandas.array([1, None], "Int64"), pandas.Series([1, None], dtype="Int64")):
        np.testing.assert_array_equal(to_numpy(x), [1.0, np.nan])


@pytest.mark.parametrize(
    "x", [[[1], [1, 2]], np.array([2**63], "uint64"), np.ma.array([1, 2], mask=[False, True])]
)
def test_what_is_no_array_of_such_numbers_is_refused(x):
    with pytest.raises(ValueError, match="`it` must"):
        to_numpy(x, "it")


def test_numbers_fit_a_dtype_by_their_values():
    check_fits(np.array([0, 255]), "uint8", "x")
    check_fits(np.array([], "int64"), "bool", "x")
    for x, dtype in (([-1, 0], "uint8"), ([2], "bool"), ([1e39], "float32")):
        with pytest.raises(ValueError, match=f"`x` must contain numbers that fit {dtype}, from"):
            check_fits(np.array(x), dtype, "x")


def test_numbers_may_be_too_large_for_float32_but_not_strings():
    assert check_numbers("x", [1e300]).tolist() == [np.inf]
    with pytest.raises(ValueError, match=r"`x` must be an array of numbers\. Received: a list"):
        check_numbers("x", ["a"])


def test_a_warning_is_of_the_line_that_called_the_package():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        keras.tree.map_structure(lambda x: _validation.warn("look"), [1])
    assert [warning.filename for warning in caught] == [__file__]
