"""The grid on which the numbers of a column lie."""

import collections
import math

import numpy as np

MOST_DIGITS = 6  # after the point, of numbers on a grid
SEEN_AGAIN = 0.5  # up to this ratio of different numbers to cells, only numbers seen are returned
FEWEST = 8  # different floats, whose common divisor is no accident
MOST_LISTED = 100  # different numbers that are few
MOST_AGAIN = 1000  # the same, if hardly one of them was seen only once
SINGLE = 0.05  # the ratio of these
SEEN_OFTEN = 10  # cells for each of a few numbers, between which gaps are no accident


def find_grid(seen, origin=None):
    """Returns the grid of numbers: the tuple of its step and its offset.

    A grid consists of the numbers `offset + i * step`, for integers i. Instead of a step, it may
    have a list of numbers: if these fill less than half of their grid and were seen often; or if
    they are on no grid and were seen at least twice on average. Integers and floats stay such.

    Args:
        seen: list of numbers.
        origin: None, or an int that is to be on a grid of integers, too.

    Returns:
        `(step, offset)`: an int, a float with at most six digits after the point, a list of
        numbers, or None for numbers without a grid.
    """
    values = sorted({*seen})
    are_integers = all(isinstance(value, int) for value in [*values, origin or 0])
    numbers = values if origin is None or not are_integers else [origin, *values]
    digits = 0 if are_integers else _count_digits(numbers)
    if digits is None:
        return (values if len(values) <= SEEN_AGAIN * len(seen) else None), 0
    # In integers, steps and remainders are exact.
    units = [round(value * 10**digits) if digits else int(value) for value in numbers]
    step = math.gcd(*(unit - units[0] for unit in units)) or 1
    step = step if are_integers or len(values) >= FEWEST else 1
    num_single = sum(count == 1 for count in collections.Counter(seen).values())
    listed = MOST_AGAIN if num_single <= SINGLE * len(values) else MOST_LISTED
    most = min(listed, len(seen) // SEEN_OFTEN, (max(units) - min(units)) // step // 2)
    if len(values) <= most:
        return values, 0
    offset = units[0] if are_integers else units[0] % step
    return (step, offset) if are_integers else (step / 10**digits, offset / 10**digits)


def to_grid(x, start, step, offset=0):
    """Returns the nearest cells on a grid to numbers minus `start`; None for NaN.

    Args:
        x: float64 array.
        start: a number; of integers, on the grid.
        step, offset: as `find_grid` returns them.
    """
    known = np.nan_to_num(x)
    if isinstance(step, list):
        values = np.array([value - start for value in step], "float64")
        places = np.searchsorted(0.5 * (values[1:] + values[:-1]), known)
        found = [step[i] for i in places.tolist()]
    elif isinstance(step, int):
        found = [start + step * int(i) for i in np.round(known / step).tolist()]
    elif step is not None:
        digits = _count_digits([step, offset])
        found = np.round(offset + step * np.round((start + known - offset) / step), digits) + 0.0
        found = found.tolist()  # 0.0, not -0.0
    else:
        found = (start + known).tolist()
    return [None if gone else cell for cell, gone in zip(found, np.isnan(x), strict=True)]


def _count_digits(numbers):
    """Returns how many digits after the point all numbers have; None if more than `MOST_DIGITS`."""
    x = np.array(numbers, "float64")
    digits = range(MOST_DIGITS + 1)
    return next((n for n in digits if (x == np.round(x, n)).all()), None)
