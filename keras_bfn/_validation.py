"""Validation of arguments. Messages name the argument, what it must be, and its value."""

import inspect
import math
import numbers
import os
import pathlib
import sys
import warnings
from collections.abc import Callable, Collection, Sequence
from typing import Any

import keras
import numpy as np

MOST_COUNTED = 2**31 - 1  # of counts: the largest int32
MOST_STEPS = 2**20  # from the prior to a sample, or in a file
LARGEST = 1e30  # of numbers in computations: float32 reaches 3e38


def refusal(name: str, expected: str, value: Any) -> ValueError:
    """Returns a `ValueError` with what the argument `name` must be, and its value."""
    came = repr(value)
    if isinstance(value, np.ndarray) and value.size > 20:
        came = f"an array of shape {value.shape}, dtype {value.dtype}"
    return mismatch(name, expected, f"{name}={came[:500]}{'...' if len(came) > 500 else ''}")


def mismatch(name: str, expected: str, came: str) -> ValueError:
    """Returns the same, with a description of the value received."""
    return ValueError(f"Argument `{name}` {expected}. Received: {came}")


def warn(message: str) -> None:
    """Warns at the line that called the package, directly or through Keras."""
    inner = tuple(os.path.dirname(file) + os.sep for file in (__file__, keras.__file__))
    frame, level = sys._getframe(), 1
    while frame.f_back is not None and frame.f_code.co_filename.startswith(inner):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, stacklevel=level)


def lacks(made: Any, name: str, why: str = "") -> NotImplementedError:
    """Returns a `NotImplementedError` with what a user's class must define."""
    return NotImplementedError(f"{type(made).__name__} must define `{name}`{why}")


def tell_arguments(error: TypeError, function: Callable[..., Any]) -> None:
    """Adds the names of a function's arguments to the error of a call that does not fit them."""
    if error.__traceback__.tb_next is None:  # type: ignore[union-attr]  # not raised within it
        names = [name for name in inspect.signature(function).parameters if name != "self"]
        error.args = (f"{error}. The arguments are {', '.join(names)}",)


def is_number(value: Any, kind: type = numbers.Real) -> bool:
    """Whether a value is a number of this kind, and not a bool."""
    return isinstance(value, kind) and not isinstance(value, bool)


def check_int(name: str, value: Any, minimum: int, maximum: float = MOST_COUNTED) -> int:
    """Returns `value` as an int, or raises a `ValueError` unless it is one in this range."""
    if type(value) is int and minimum <= value <= maximum:
        return value
    is_int = is_number(value, numbers.Integral)
    if not is_int or not minimum <= value <= maximum:
        is_told = maximum not in (MOST_COUNTED, math.inf) or (is_int and value > maximum)
        at_most = f" and at most {maximum}" if is_told else ""
        raise refusal(name, f"must be an integer of at least {minimum}{at_most}", value)
    return int(value)


def check_steps(value: Any) -> int:
    """Returns a number of steps as an int, or raises a `ValueError` unless it is one in range."""
    return check_int("num_steps", value, 1, MOST_STEPS)


def check_seed(value: Any) -> int:
    """Returns `value` as an int, or raises a `ValueError` unless it is one of at least 0."""
    return check_int("seed", value, 0, math.inf)


def check_real(name: str, value: Any, suits: Callable[[Any], bool], expected: str) -> float:
    """Returns `value` as a float, or raises a `ValueError` unless it is a number that `suits`."""
    if not is_number(value) or not suits(value):
        raise refusal(name, f"must be {expected}", value)
    return float(value)


def check_between(name: str, value: Any, low: float, high: float) -> float:
    """Returns `value` as a float, or raises a `ValueError` if it is not a number in (low, high)."""
    expected = f"a number strictly between {low} and {high}"
    return check_real(name, value, lambda x: low < x < high, expected)


def check_positive(name: str, value: Any) -> float:
    """Returns `value` as a float, or raises a `ValueError` unless it is positive and finite."""
    expected = f"a positive, finite number, from {1.0 / LARGEST:g} to {LARGEST:g}"
    return check_real(name, value, lambda x: 1.0 / LARGEST <= x <= LARGEST, expected)


def check_at_least_0(name: str, value: Any) -> float:
    """Returns `value` as a float, or raises a `ValueError` unless it is finite and at least 0."""
    return check_real(name, value, lambda x: 0 <= x <= LARGEST, "a finite number of at least 0")


def check_rate(name: str, value: Any) -> float:
    """Returns `value` as a float, or raises a `ValueError` if it is not a number in [0, 1)."""
    return check_real(name, value, lambda x: 0 <= x < 1, "a number in [0, 1)")


def check_shape(name: str, shape: Any) -> tuple[int, ...]:
    """Returns `shape` as a tuple, or raises a `ValueError` if it is not a sequence of sizes."""
    is_shape = isinstance(shape, (tuple, list))
    if not is_shape or not all(
        is_number(size, numbers.Integral) and 0 < size <= MOST_COUNTED for size in shape
    ):
        raise refusal(name, "must be a tuple of integers of at least 1", shape)
    return tuple(int(size) for size in shape)


def check_axes(name: str, shape: Sequence[Any], least: int, most: int | None = None) -> None:
    """Raises a `ValueError` unless a shape has this many axes, including that of examples."""
    most = least if most is None else most
    if not least <= len(shape) <= most:
        numbers = str(least) if least == most else f"{least} to {most}"
        raise mismatch(name, f"must have {numbers} axes", f"{name} of shape {tuple(shape)}")


def check_numbers(name: str, values: Any, dtype: str = "float32") -> np.ndarray:
    """Returns `values` as an array of floats, or raises a `ValueError` if they are not numbers."""
    try:
        found = to_numpy(values)
    except ValueError:
        found = np.array(None)
    if found.dtype.kind not in "biuf":
        raise mismatch(name, "must be an array of numbers", f"a {type(values).__name__}")
    with np.errstate(over="ignore"):
        return found.astype(dtype)


def check_path(name: str, value: Any) -> pathlib.Path:
    """Returns `value` as a `pathlib.Path`, or raises a `ValueError` if it is not a path."""
    if not isinstance(value, (str, os.PathLike)):
        raise refusal(name, "must be a path", value)
    return pathlib.Path(value)


def check_number(name: str, value: Any) -> Any:
    """Returns `value`, or raises a `ValueError` if it is not a finite number."""
    if not is_number(value) or not abs(value) <= LARGEST:
        raise refusal(name, f"must be a finite number, at most {LARGEST:g} in magnitude", value)
    return value


def check_verbose(verbose: Any) -> None:
    """Raises a `ValueError` unless Keras accepts `verbose`."""
    if not isinstance(verbose, (str, int)) or verbose not in ("auto", 0, 1, 2):
        raise refusal("verbose", "must be 'auto', 0, 1 or 2", verbose)


def check_scale(name: str, scale: Any) -> Any:
    """Returns a scale, or raises a `ValueError` unless it is a finite number or a function."""
    expected = f"a finite number, at most {LARGEST:g} in magnitude, or a function of t"
    if callable(scale):
        return scale
    return check_real(name, scale, lambda x: abs(x) <= LARGEST, expected)


def check_interval(name: str, interval: Any) -> tuple[float, ...]:
    """Returns an interval as a tuple of two times, or raises a `ValueError`."""
    is_pair = isinstance(interval, (tuple, list)) and len(interval) == 2
    if not is_pair or not all(map(is_number, interval)) or not 0 <= interval[0] < interval[1] <= 1:
        raise refusal(name, "must be a pair (t0, t1) with 0 <= t0 < t1 <= 1", interval)
    return tuple(map(float, interval))


def check_bool(name: str, value: Any) -> bool:
    """Returns `value`, or raises a `ValueError` if it is neither True nor False."""
    if not isinstance(value, bool):
        raise refusal(name, "must be True or False", value)
    return value


def check_choice(name: str, value: Any, choices: Collection[str]) -> Any:
    """Returns `value`, or raises a `ValueError` that lists the choices."""
    if not isinstance(value, (str, type(None))) or value not in choices:
        raise refusal(name, f"must be one of {list(choices)}", value)
    return value


def refuse_details(options, function):
    """Raises a `ValueError` if the options for this function request details beside its result."""
    if options.get("return_details"):
        expected = f"must be False. For details, use `{function.__name__}`"
        raise refusal("return_details", expected, options["return_details"])


def resolve_identifier(name, identifier, base_class, known):
    """Turns a string or an instance into an instance of `base_class`.

    Args:
        name: the argument's name, for the message.
        identifier: an instance of `base_class`, or a key of `known`.
        base_class: the class of the result.
        known: dict from identifiers to instances.
    """
    if isinstance(identifier, base_class):
        return identifier
    if isinstance(identifier, str) and identifier in known:
        return known[identifier]
    raise refusal(name, f"must be a `{base_class.__name__}` or one of {sorted(known)}", identifier)


def to_numpy(x: Any, name: str = "x") -> np.ndarray:
    """Returns an array, a tensor, a list or a frame as a numpy array that every backend accepts."""
    if isinstance(x, np.ma.MaskedArray) and np.ma.is_masked(x):
        raise mismatch(name, "must mark missing values by NaN, or -1 in integers", "a masked array")
    try:
        x = keras.ops.convert_to_numpy(x) if keras.ops.is_tensor(x) else np.asarray(x)
        if x.dtype == object:  # as for nullable columns of pandas
            found = np.asarray(x.tolist())
            x = found if found.dtype.kind in "biuf" else x
    except (TypeError, ValueError) as error:
        expected = "must be an array, with rows of equal length"
        is_pair = name == "x" and isinstance(x, tuple)
        advice = ". Write (x, y) as `x, condition=y`" if is_pair else ""
        raise mismatch(name, expected, f"{name}={type(x).__name__!r}{advice}") from error
    if x.dtype.name == "bfloat16":  # not a float dtype to numpy
        return x.astype("float32")
    dtype = x.dtype.newbyteorder("=")
    if dtype != "uint64":
        return x.astype(dtype, copy=False)
    # PyTorch has no unsigned 64-bit integers.
    check_fits(x, "int64", name)
    return x.astype("int64")


def standard_dtype(dtype: str) -> str:
    """Returns the dtype in which the package computes with numbers of `dtype`: float32 or int32."""
    return "float32" if "float" in dtype else "int32"


def check_fits(x, dtype, name):
    """Raises a `ValueError` if a numpy array of numbers has values outside a dtype's range."""
    if np.can_cast(x.dtype, dtype) or not x.size:
        return
    low, high = 0, 1
    if dtype != "bool":
        limits = (np.finfo if "float" in dtype else np.iinfo)(dtype)
        low, high = limits.min, limits.max
    if ((x < low) | (x > high)).any():
        expected = f"must contain numbers that fit {dtype}, from {low} to {high}"
        raise mismatch(name, expected, f"values from {x.min()} to {x.max()}")
