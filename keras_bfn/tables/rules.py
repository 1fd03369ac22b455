"""Rules between columns, which hold in every row because of how columns are sent."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import keras

from keras_bfn._config import Immutable
from keras_bfn._validation import lacks, refusal
from keras_bfn.tables.checks import is_finite
from keras_bfn.tables.columns import Column
from keras_bfn.tables.numbers import Number

DECIMALS = 10  # of sums and differences of decimal fractions, which are not exact as floats
DIGITS = 12  # of small ones, for which 10 decimals are too few
TOLERANCE = 1e-6  # relative to the largest term


class Rule(Immutable):
    """A column whose cells follow from those of other columns, with or without a remainder.

    A *remainder* is what is sent in place of the cell: for `AtLeast`, the difference of both cells.
    `SumOf` has none. Pass a rule as the column to `keras_bfn.tables.Table.from_dataframe`. All
    columns of a rule must be integers, or floats or times of one dtype. A rule may refer to a
    column that has a rule itself.

    If one of the other columns is unknown in a row, its cell follows from the rule. A rule without
    a remainder is solved first: the row is learnt, scored and sampled given the solution. A rule
    with a remainder is solved in sampling alone: candidates are sampled as if the column's cell
    were unknown. The one that comes nearest to the known cell, with a solution among the values of
    its column, gives the remainder, and the rest of the row is sampled given the solution. In
    training and scoring, the column's cell then counts as unknown. If several of the other columns
    are unknown, it does so, too, and no row can be sampled given the cell, nor if the unknown one
    is itself a sum whose terms are unknown. Solutions that the rule or their column does not allow
    are not used as known cells.

    Args:
        *others: the names of the other columns, at least one.

    Raises:
        ValueError: if a name is not a string, or occurs twice.

    Example, a rule that computes a product:

    ```python
    import math

    import pandas

    @keras.saving.register_keras_serializable("mine")
    class ProductOf(keras_bfn.tables.Rule):
        def remainder(self, cell, others):
            if cell != math.prod(others):
                raise ValueError(f"must be the product of {self.others}")

        def restore(self, remainder, others):
            return math.prod(others)

        def solve(self, cell, remainder, others):
            return cell / math.prod(others)

    df = pandas.DataFrame({"width": [2, 3], "height": [4, 5], "area": [8, 15]})
    table = keras_bfn.tables.Table.from_dataframe(df, area=ProductOf("width", "height"))
    ```

    Attributes:
        column: the column that sends the remainder; None if there is none.
    """

    column: Column | None = None

    def __init__(self, *others: str) -> None:
        is_named = others and all(isinstance(name, str) for name in others)
        if not is_named or len(set(others)) < len(others):
            raise refusal("others", "must be names of columns, all different", others)
        self.others = others

    def remainder(self, cell: Any, others: Sequence[Any]) -> Any:
        """Returns what is sent for a cell, given those of the other columns.

        Raises:
            ValueError: if the cell breaks the rule, with what it must be.
        """
        raise lacks(self, "remainder")

    def restore(self, remainder: Any, others: Sequence[Any]) -> Any:
        """Returns the cell for a remainder, which is None if the rule has none."""
        raise lacks(self, "restore")

    def solve(self, cell: Any, remainder: Any, others: Sequence[Any]) -> Any:
        """Returns the cell of one other column, given those of all the others in `others`."""
        raise lacks(self, "solve")

    def find_remainders(
        self,
        cells: Sequence[Any],
        others: Sequence[Sequence[Any]],
        show: Callable[[Any], str] = repr,
    ) -> list[Any]:
        """Finds the remainder in each row.

        Args:
            cells: list of the column's cells.
            others: lists of the other columns' cells.
            show: function from a cell to its text in errors.

        Returns:
            A list of remainders: None where a cell is unknown.

        Raises:
            ValueError: if a row breaks the rule.
        """
        rows = zip(cells, zip(*others, strict=True), strict=True)
        return [self._find_remainder(i, *cells, show) for i, cells in enumerate(rows)]

    def _find_remainder(self, row, cell, others, show):
        if cell is None or None in others:
            return None
        if not all(map(is_finite, (cell, *others))):
            expected = f"must contain finite numbers in row {row}, as in {list(self.others)}"
            raise ValueError(f"{expected}. Received: {cell!r}")
        try:
            return self.remainder(cell, others)
        except ValueError as error:
            pairs = zip(self.others, map(show, others), strict=True)
            came = f"{show(cell)} for {', '.join(f'{name}={other}' for name, other in pairs)}"
            expected = f"breaks {self!r} in row {row}, counted from 0: it {error}"
            raise ValueError(f"{expected}. Received: {came}") from error

    def find_unknown(
        self, cells: Sequence[Any], others: Sequence[Sequence[Any]]
    ) -> Iterator[tuple[int, str]]:
        """Finds the rows in which a cell of another column follows from the rule.

        Args:
            cells, others: as in `find_remainders`.

        Returns:
            An iterator of the number of the row, and the name of the other column.

        Raises:
            ValueError: if several cells of the others are unknown beside a known cell.
        """
        for row, (cell, values) in enumerate(zip(cells, zip(*others, strict=True), strict=True)):
            if cell is not None and None in values:
                unknown = [x for x, value in zip(self.others, values, strict=True) if value is None]
                if len(unknown) > 1:
                    expected = f"must only be given together with all but one of {self.others}"
                    came = f"row {row} without {unknown}. Remove the cell, to compute it from them"
                    raise ValueError(f"{expected}. Received: {came}")
                yield row, unknown[0]

    def restore_all(
        self, remainders: Sequence[Any] | None, others: Sequence[Sequence[Any]]
    ) -> list[Any]:
        """Restores the column's cells.

        Args:
            remainders: list of the remainders, or None if the rule has none.
            others: lists of the other columns' cells.

        Returns:
            A list of cells: None where a cell of the others, or the remainder, is missing.
        """
        rows = list(zip(*others, strict=True))
        if remainders is None:
            return [None if None in row else self.restore(None, row) for row in rows]
        return [
            None if rest is None or None in row else self.restore(rest, row)
            for rest, row in zip(remainders, rows, strict=True)
        ]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(repr, self.others))})"

    def get_config(self) -> dict[str, Any]:
        return {"others": list(self.others)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Rule":
        config = dict(config)
        return cls(*config.pop("others"), **config)


@keras.saving.register_keras_serializable("keras_bfn")
class AtLeast(Rule):
    """A number or time that is at least that of another column: an end after its start.

    The difference is sent. In all sampled and imputed rows it is at least 0. Where a sampled row
    misses the other cell, it misses this one, too.

    Args:
        other: the name of the other column.
        column: the `keras_bfn.tables.Column` that sends the difference, by default a `Number`. A
            difference of times is a number of their units, such as microseconds.

    Raises:
        ValueError: if an argument is invalid.

    Example:

    >>> import pandas
    >>> df = pandas.DataFrame({"start": [3.0, 5.0, 1.0], "end": [4.5, 5.0, 8.0]})
    >>> table = keras_bfn.tables.Table.from_dataframe(df, end=keras_bfn.tables.AtLeast("start"))
    >>> table.decode(table.encode(df)).equals(df)
    True
    """

    def __init__(self, other: str, column: Column | None = None) -> None:
        super().__init__(other)
        if column is not None and not isinstance(column, Column):
            raise refusal("column", "must be a `keras_bfn.tables.Column`, or None", column)
        self.column = Number() if column is None else column

    def remainder(self, cell: Any, others: Sequence[Any]) -> Any:
        (other,) = others
        if cell < other:
            raise ValueError(f"must be at least {self.others[0]!r}")
        return _rounded(cell - other, (cell, other))

    def restore(self, remainder: Any, others: Sequence[Any]) -> Any:
        (other,) = others
        return max(other, _rounded(other + remainder, (other, remainder)))

    def solve(self, cell: Any, remainder: Any, others: Sequence[Any]) -> Any:
        return min(cell, _rounded(cell - remainder, (cell, remainder)))

    def get_config(self) -> dict[str, Any]:
        column = keras.saving.serialize_keras_object(self.column)
        return {"other": self.others[0], "column": column}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "AtLeast":
        return cls(config["other"], keras.saving.deserialize_keras_object(config["column"]))


@keras.saving.register_keras_serializable("keras_bfn")
class SumOf(Rule):
    """A number that is the sum of other columns.

    It is not sent: in all sampled and imputed rows it is computed from the others. So it can only
    be known in rows that miss at most one of the others.

    Args:
        *others: the names of the other columns, at least one.

    Raises:
        ValueError: if a name is not a string, or occurs twice.

    Example:

    >>> import pandas
    >>> df = pandas.DataFrame({"net": [10.0, 20.0], "tax": [1.9, 3.8], "gross": [11.9, 23.8]})
    >>> gross = keras_bfn.tables.SumOf("net", "tax")
    >>> table = keras_bfn.tables.Table.from_dataframe(df, gross=gross)
    >>> list(table.columns), list(table.decode(table.encode(df)))
    (['net', 'tax'], ['net', 'tax', 'gross'])
    """

    def remainder(self, cell: Any, others: Sequence[Any]) -> Any:
        difference, largest = abs(cell - sum(others)), max(map(abs, (cell, *others)))
        tolerance = TOLERANCE if isinstance(difference, float) else 0
        if difference > tolerance * largest:
            raise ValueError(f"must be the sum of {list(self.others)}")
        return None

    def restore(self, remainder: Any, others: Sequence[Any]) -> Any:
        return _rounded(sum(others), others)

    def solve(self, cell: Any, remainder: Any, others: Sequence[Any]) -> Any:
        return _rounded(cell - sum(others), (cell, *others))


def _rounded(cell, terms):
    """Returns a float without the digits that rounding errors of its terms make."""
    if not isinstance(cell, float):
        return cell
    largest = max(map(abs, terms))
    size = math.floor(math.log10(largest)) if 0 < largest < math.inf else 0
    return round(cell, max(DECIMALS, DIGITS - 1 - size))


def in_order(rules: Mapping[str, Rule]) -> list[str]:
    """Returns the names of the columns with rules, each after those that its rule refers to.

    Raises:
        ValueError: if columns depend on each other in a circle.
    """
    found: list[str] = []
    for _ in rules:
        left = {*rules} - {*found}
        found += [name for name in rules if name in left and not left & {*rules[name].others}]
    if len(found) < len(rules):
        raise refusal("rules", "must not refer to each other in a circle", dict(rules))
    return found
