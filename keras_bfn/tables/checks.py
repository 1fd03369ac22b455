"""Checks of the arguments and cells of columns."""

import enum
import math
import numbers
from collections.abc import Hashable, Iterable

import numpy as np

from keras_bfn._validation import LARGEST, check_number, is_number, refusal


def check_list(name, values):
    """Returns values as a list, or raises a `ValueError` unless all are hashable."""
    is_list = isinstance(values, Iterable) and not isinstance(values, (str, dict))
    values = list(values) if is_list else values
    if not is_list or not all(isinstance(value, Hashable) for value in values):
        raise refusal(name, "must be a list of hashable values", values)
    return values


def check_two(name, values, ndim, expected):
    """Returns two numbers, or two lists of equal length, or raises a `ValueError`."""
    try:
        found = np.array(values, "float64")
    except (TypeError, ValueError, OverflowError):  # not numbers, or of different lengths
        found = np.zeros(())
    if found.ndim != ndim or len(found) != 2 or not found.size or not np.isfinite(found).all():
        raise refusal(name, f"must be two {expected}", values)
    return found.tolist()


def check_cycles(cycles, names):
    """Returns periods, or their names, as a list, or raises a `ValueError`."""
    cycles = check_list("cycles", cycles)
    for cycle in cycles:
        if cycle not in names and (not is_number(cycle) or not 0 < cycle <= LARGEST):
            expected = f"must contain positive numbers, or some of {list(names)}"
            raise refusal("cycles", expected, cycles)
    if len({names.get(cycle, cycle) for cycle in cycles}) < len(cycles):
        raise refusal("cycles", "must not contain duplicates", cycles)
    return cycles


def check_step(step):
    """Returns the grid of numbers, or raises a `ValueError` if it is invalid."""
    if isinstance(step, list):
        return [check_number("step", value) for value in step]
    if step is not None and not (is_number(step) and 0 < step <= LARGEST):
        raise refusal("step", "must be a positive number, a list of numbers, or None", step)
    return step


class Marker(enum.Enum):
    """What stands for a cell that has no value."""

    MISSING = "missing"

    def __repr__(self):
        return f"keras_bfn.tables.{self.name}"


MISSING = Marker.MISSING  # known to be missing; None is unknown


def unmark(cells):
    """Returns a dict from columns to lists of cells, with None for `MISSING`."""
    return {name: [None if x is MISSING else x for x in values] for name, values in cells.items()}


def is_finite(cell):
    """Whether a cell is a finite number, as a float."""
    try:
        return is_number(cell) and math.isfinite(cell)
    except OverflowError:  # an integer beyond floats
        return False


def is_whole(cell):
    """Whether a cell is an integer, of any type, and finite as a float."""
    return is_finite(cell) and float(cell).is_integer()


def is_value(cell):
    """Whether a cell is a string, a number or a bool."""
    return isinstance(cell, (str, numbers.Real, np.bool_))


def key_of(cell):
    """Returns a key for comparing cells: bools differ from numbers, although `True == 1`."""
    if not is_value(cell):
        return "no value", repr(cell)
    return isinstance(cell, (bool, np.bool_)), cell


def one_of(values):
    """Returns text for "one of these", with the first eight."""
    more = f" and {len(values) - 8} more" if len(values) > 8 else ""
    return f"one of {values[:8]}{more}"


def check_cells(cells, is_allowed, expected):
    """Returns the cells that are not missing; raises a `ValueError` for the first not allowed."""
    seen = [cell for cell in cells if cell is not None]
    for cell in seen:
        if not is_allowed(cell):
            raise ValueError(f"must contain {expected}. Received: {cell!r}")
    return seen
