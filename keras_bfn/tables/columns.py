"""Columns of a table: how cells are sent as data, and converted back."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from keras_bfn import flows
from keras_bfn._config import Immutable
from keras_bfn._typing import Array
from keras_bfn._validation import check_bool, check_int, lacks, refusal
from keras_bfn.flows.continuous import LEAST_STD
from keras_bfn.tables.checks import (
    check_cells,
    check_list,
    check_two,
    is_value,
    is_whole,
    key_of,
    one_of,
)

CATEGORY_ACCURACY = 3.0  # at t = 1, of few classes
LEAST_SHARE = 1e-6
CLEAR = 45.0  # accuracy times classes at which even many classes are told apart
LARGEST_LEVEL = 2**64  # no integer of 64 bits is larger


class Column(Immutable):
    """A column of a table, fitted to its cells.

    Cells are a list of Python values: numbers, strings or bools; None for a missing cell.

    Args:
        nullable: bool. If true, a missing cell is data: sampled rows miss cells as real rows do. If
            false, it is unknown: a model learns nothing from it, and samples a value for it. By
            default true if any of the cells that the column is fitted to is missing.

    Raises:
        ValueError: if `nullable` is neither a bool nor None.

    Example:

    >>> keras_bfn.tables.Number().fit([1.5, None, 2.5]).nullable
    True
    """

    nullable: bool | None = None  # for a subclass whose constructor does not call this one

    def __init__(self, nullable: bool | None = None) -> None:
        self.nullable = None if nullable is None else check_bool("nullable", nullable)

    def is_nullable(self, cells: Sequence[Any]) -> bool:
        """Whether the column is nullable after fitting to these cells."""
        return None in cells if self.nullable is None else self.nullable

    def fit(self, cells: Sequence[Any]) -> "Column":
        """Returns a column of the same kind, fitted to these cells.

        Raises:
            ValueError: if this kind of column does not suit them.
        """
        raise lacks(self, "fit")

    def encode(self, cells: Sequence[Any]) -> Array:
        """Converts cells to data of a flow: an array of shape `(num,)`, -1 or NaN where missing.

        Raises:
            ValueError: if the column does not allow a cell.
        """
        raise lacks(self, "encode")

    def decode(self, x: Array) -> list[Any]:
        """Converts data back to cells."""
        raise lacks(self, "decode")

    def flow(self) -> flows.Flow:
        """Returns the flow of this column alone."""
        raise lacks(self, "flow")


@keras.saving.register_keras_serializable("keras_bfn")
class Category(Column):
    """Values without an order, sent as classes.

    Equal numbers are one value, such as 1 and 1.0; True, 1 and "1" are three values.

    Args:
        values: list of different strings, numbers or bools; None until the column is fitted.
        counts: list of ints: how often each value was observed.
        **kwargs: `nullable`, as in `keras_bfn.tables.Column`.

    Raises:
        ValueError: if values occur twice, or their number differs from that of the counts.

    Example:

    >>> city = keras_bfn.tables.Category().fit(["Rome", "Oslo", None, "Rome"])
    >>> city.encode(["Rome", None]).tolist()
    [1, -1]
    >>> city.decode(np.array([0, 1]))
    ['Oslo', 'Rome']
    """

    values: Any
    counts: Any

    def __init__(
        self, values: Sequence[Any] | None = None, counts: Sequence[int] | None = None, **kwargs
    ) -> None:
        super().__init__(**kwargs)
        self.values = None if values is None else check_list("values", values)
        counts = None if counts is None else check_list("counts", counts)
        self.counts = counts and [check_int("counts", count, 0) for count in counts]
        if not all(map(is_value, self.values or ())):
            raise refusal("values", "must be strings, numbers or bools", values)
        if values is not None and len(set(map(key_of, self.values))) < len(self.values):
            raise refusal("values", "must not contain duplicates", values)
        if counts is not None and len(self.counts) != len(self.values or ()):
            expected = f"must contain one count for each of the values {self.values}"
            raise refusal("counts", expected, counts)

    def fit(self, cells: Sequence[Any]) -> "Category":
        seen = check_cells(cells, is_value, "a string, number or bool")
        values = self.values
        if values is None:
            ordered = sorted(seen, key=lambda value: (type(value).__name__, value))
            values = list({key_of(value): value for value in ordered}.values())
        found = Category(values, [0] * len(values)).encode(seen)
        counts = np.bincount(found, minlength=len(values)).tolist()
        return Category(values, counts, nullable=self.is_nullable(cells))

    def encode(self, cells: Sequence[Any]) -> Array:
        index = {key_of(value): i for i, value in enumerate(self.values)} | {key_of(None): -1}
        check_cells(cells, lambda cell: key_of(cell) in index, one_of(self.values))
        return np.array([index[key_of(cell)] for cell in cells], "int32")

    def decode(self, x: Array) -> list[Any]:
        if not self.values:
            return [None] * len(x)
        # A single value is one of two classes; the other class does not occur.
        last = len(self.values) - 1
        return [None if i < 0 else self.values[min(i, last)] for i in x.astype("int64").tolist()]

    def flow(self) -> flows.DiscreteFlow:
        return classes_flow(self.counts)

    def __repr__(self):
        values = self.values and [*self.values[:3], *(["..."] if len(self.values) > 3 else [])]
        return f"Category({'' if values is None else values})"


def classes_flow(*counts: Sequence[int]) -> flows.DiscreteFlow:
    """Returns the flow of a column of classes, or of several, `(num_columns,)`, from the counts."""
    num_classes = max(2, *map(len, counts))
    prior = np.full((len(counts), num_classes), LEAST_SHARE)  # of classes that a column lacks
    for row, own in zip(prior, counts, strict=True):
        own = np.append(own, [0] * (2 - len(own))) + 0.5
        row[: len(own)] = own / own.sum()
    accuracy = min(CATEGORY_ACCURACY, CLEAR / num_classes)
    return flows.DiscreteFlow(num_classes, accuracy, prior=prior if len(counts) > 1 else prior[0])


@keras.saving.register_keras_serializable("keras_bfn")
class Levels(Column):
    """Ordered integers between a lowest and a highest, sent as a discretised variable.

    Args:
        low, high: ints; by default the smallest and the largest that the column is fitted to.
        prior: mean and standard deviation of the observed values, with `low` to `high` mapped to
            [-1, 1].
        **kwargs: `nullable`, as in `keras_bfn.tables.Column`.

    Raises:
        ValueError: if `low` is not below `high`.

    Example:

    >>> age = keras_bfn.tables.Levels(0, 120).fit([31, 64, None])
    >>> age.encode([0, 120, None]).tolist()
    [0, 120, -1]
    """

    low: Any
    high: Any

    def __init__(
        self,
        low: int | None = None,
        high: int | None = None,
        prior: Sequence[Any] | None = None,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        ends = -LARGEST_LEVEL, LARGEST_LEVEL
        self.low = None if low is None else check_int("low", low, *ends)
        self.high = None if high is None else check_int("high", high, *ends)
        self.prior = None if prior is None else check_two("prior", prior, 1, "finite numbers")
        if None not in (low, high) and not self.low < self.high:
            raise refusal("low", f"must be less than high={high}", low)

    def fit(self, cells: Sequence[Any]) -> "Levels":
        seen = check_cells(cells, is_whole, "an integer")
        if not seen and None in (self.low, self.high):
            raise ValueError("must contain an integer, unless `low` and `high` are given")
        low = int(min(seen)) if self.low is None else self.low
        high = int(max(seen)) if self.high is None else self.high
        found = Levels(low, max(high, low + 1))
        x = found.flow().embed(found.encode(seen) if seen else np.zeros(1, "int32"))
        x = keras.ops.convert_to_numpy(x)
        prior = x.mean(), max(x.std(), LEAST_STD)
        return Levels(found.low, found.high, prior, nullable=self.is_nullable(cells))

    def encode(self, cells: Sequence[Any]) -> Array:
        low, high, expected = self.low, self.high, f"an integer from {self.low} to {self.high}"
        check_cells(cells, lambda cell: is_whole(cell) and low <= cell <= high, expected)
        return np.array([-1 if cell is None else cell - low for cell in cells], "int32")

    def decode(self, x: Array) -> list[Any]:
        return [None if i < 0 else i + self.low for i in x.astype("int64").tolist()]

    def flow(self) -> flows.DiscretizedFlow:
        num_bins = self.high - self.low + 1
        return flows.DiscretizedFlow(num_bins, sigma_1=0.5 / num_bins, prior=self.prior)
