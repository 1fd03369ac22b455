"""A table: its columns, and the conversion between frames and data of flows."""

import contextlib
import functools
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Literal, Self

import keras
import numpy as np

from keras_bfn import networks
from keras_bfn._config import Immutable
from keras_bfn._parts import describe
from keras_bfn._typing import Array, Frame
from keras_bfn._validation import check_choice, check_seed, mismatch, refusal, warn
from keras_bfn.flows import CircularFlow, DiscreteFlow, FactorNormal, Flow, JointNormal
from keras_bfn.flows.flow import RESERVED
from keras_bfn.tables import frames, ties
from keras_bfn.tables.checks import MISSING, is_finite, unmark
from keras_bfn.tables.chunks import MOST_ROWS, chunks_of, draw_rows
from keras_bfn.tables.columns import CATEGORY_ACCURACY, Category, Column, Levels, classes_flow
from keras_bfn.tables.completion import Completion
from keras_bfn.tables.model import TableModel
from keras_bfn.tables.numbers import Number, number_flow
from keras_bfn.tables.rules import Rule, in_order

MOST_PARTS = 32  # more columns of classes share parts; more columns of integers are numbers
MOST_SHARED = 64  # columns of more classes have parts of their own
FEW_VALUES = 10  # numbers with at most this many values are classes
MOST_LEVELS = 256
SEEN_WELL = 50  # cells for each different integer: their distribution need not be smooth
MOST_CLASSES = 5000
FEW_NAMES = 1000  # so many different values may be in as many cells
IDENTIFIERS = 0.9  # the ratio of different values to cells from which many values are identifiers
MOST_JOINT = 64  # numbers: posteriors of more of them by a `JointNormal` take long
MOST_NAMES = 20  # warn of strings with more values than this, and more than half the cells' number


@keras.saving.register_keras_serializable("keras_bfn")
class Table(Immutable):
    """The columns of a table, which convert frames to data of flows, and back.

    All numbers form one part of the data, of shape `(num_numbers,)`. Every other column is a part,
    of shape `()`, under its name. The cycles of a number form one more part, of angles. If there
    are more than 32 columns of classes, those of about as many classes share a part, too.

    If columns are nullable, one more part states which of their cells are present, 1, and which are
    missing, 0. The value of a missing cell is meaningless.

    Args:
        columns: dict from names, in order, to a fitted `keras_bfn.tables.Column`: those that are
            sent.
        dtypes: dict from names to the dtypes of the frame's columns, as text.
        library: `"pandas"` or `"polars"`: the library of returned frames.
        prior: None, or a `keras_bfn.flows.JointNormal` of the numbers, such as a `FactorNormal`,
            which `from_dataframe` fits to more than 64 numbers. If columns are nullable, levels and
            classes have entries after the numbers.
        rules: None, or a dict from names of columns to a `keras_bfn.tables.Rule`. What is sent of
            such a column is the rule's remainder.

    Attributes:
        names: list of the names of the frame's columns, in order.
        numbers: list of the names of the columns of numbers.
        numbers_part: the name of the numbers' part: `"numbers"`, unless a column has it.
        cycles_parts: dict from the columns that have cycles to the names of the cycles' parts.
        nullable: list of the names of the nullable columns.
        present_part: the name of the part that states which cells are present: `"present"`, unless
            a column has it.
        largest_batch: 512, the most examples of a batch in `fit`, by default.

    Raises:
        ValueError: if names of columns and dtypes differ, the prior is of other numbers, or a rule
            refers to other columns.

    Example:

    >>> import pandas
    >>> df = pandas.DataFrame({"height": [1.62, 1.75, 1.81], "city": ["Oslo", None, "Rome"]})
    >>> table = keras_bfn.tables.Table.from_dataframe(df, height=keras_bfn.tables.Number())
    >>> table.columns["city"]
    Category(['Oslo', 'Rome'])
    >>> parts = table.encode(df)
    >>> parts["city"].tolist(), parts["present"].tolist(), parts["numbers"].shape
    ([0, 0, 1], [[1], [0], [1]], (3, 1))
    >>> table.decode(parts).equals(df)
    True
    """

    largest_batch = 512

    def __init__(
        self,
        columns: Mapping[str, Column],
        dtypes: Mapping[str, str],
        library: Literal["pandas", "polars"],
        prior: JointNormal | None = None,
        rules: Mapping[str, Rule] | None = None,
    ) -> None:
        rules = {} if rules is None else rules
        for name, value in (("columns", columns), ("dtypes", dtypes), ("rules", rules)):
            if not isinstance(value, dict):
                raise refusal(name, "must be a dict", value)
        self.columns: dict[str, Any] = dict(columns)
        self.dtypes = dict(dtypes)
        self.library = check_choice("library", library, ("pandas", "polars"))
        _check_columns(columns)
        _check_rules(rules, dtypes)
        self.rules = {name: rules[name] for name in in_order(rules)}
        unsent = {name for name, rule in rules.items() if rule.column is None}
        if not columns or list(columns) != [name for name in dtypes if name not in unsent]:
            expected = f"must have the same keys as `columns`, at least one: {list(columns)}"
            raise refusal("dtypes", expected, dtypes)
        self.names = list(dtypes)
        self.numbers = [name for name, column in columns.items() if isinstance(column, Number)]
        self.numbers_part = free_name("numbers", dtypes)
        self.shared = {self.numbers_part: self.numbers} if self.numbers else {}
        few = [x for x, column in columns.items() if 0 < _count_classes(column) <= MOST_SHARED]
        if len(few) > MOST_PARTS:
            for name in few:
                room = 2 ** math.ceil(math.log2(max(_count_classes(columns[name]), 2)))
                part = free_name(f"classes up to {room}", dtypes)
                self.shared.setdefault(part, []).append(name)
        self._sharing = {name for names in self.shared.values() for name in names}
        cyclic = [name for name in self.numbers if self.columns[name].cycles]
        self.cycles_parts = {name: free_name(f"{name} cycles", dtypes) for name in cyclic}
        self.nullable = [name for name, column in columns.items() if column.nullable]
        self.present_part = free_name("present", dtypes)
        self.prior = prior
        size = Completion(columns).size
        if prior is not None and prior.mean.size != size:
            raise refusal("prior", f"must have a size of {size} for these columns", prior)

    @classmethod
    def from_dataframe(cls, df: Frame, /, **columns: Column | Rule) -> Self:
        """Chooses and fits the columns of a frame.

        Strings, bools, categories, and numbers of at most 10 values become `Category`; integers
        whose range is at most 255 become `Levels`; all other numbers and dates become `Number`. So
        do integers if there are more than 32 columns, or at least 50 cells for each different one.
        Warns of strings more than half of which are different: names, or dates read as text. There
        may be 5,000 different strings, but no more than 1,000 if nearly all cells differ.

        Of more than 100,000 rows, the columns are fitted to so many at random, and to those that
        have a new class, a smallest or a largest number.

        Args:
            df: a frame of pandas or polars, with at least one row. Or a table in chunks, which need
                not fit into memory: the path of a Parquet file, or a list of paths; a lazy frame of
                polars; a list of frames; or a function that returns an iterable of frames.
            **columns: by name, a `keras_bfn.tables.Column` that replaces the default choice, or a
                `keras_bfn.tables.Rule`, such as `AtLeast("start")` or `SumOf("net", "tax")`, that
                holds in every row.

        Returns:
            A `Table`.

        Raises:
            ValueError: if there is no such column, or a column's values cannot be sent.
            ImportError: if `narwhals` is not installed.
        """
        read = chunks_of(df)
        if read or (frames.is_frame(df) and len(df) > MOST_ROWS):
            df = draw_rows(read() if read else [df], FEW_VALUES, MOST_CLASSES)
        frame = frames.read_frame(df)
        if not len(frame) or not frame.columns:
            raise refusal("df", "must have at least one row and one column", df)
        if not set(columns) <= set(frame.columns):
            raise mismatch("columns", f"must name some of {frame.columns}", f"{list(columns)}")
        rules = {name: rule for name, rule in columns.items() if isinstance(rule, Rule)}
        own: dict[str, Any] = {name: x for name, x in columns.items() if name not in rules}
        _check_columns(own)
        remainders = _remainders_of(frame, rules)
        fitted, dtypes = {}, {}
        has_many = len(frame.columns) - len(columns) > MOST_PARTS
        for name in frame.columns:
            series, dtypes[name] = frame[name], frames.dtype_of(frame[name])
            if name in rules and rules[name].column is None:
                continue
            with _naming(name):
                cells = remainders[name] if name in rules else frames.read_cells(series)
            column = rules[name].column if name in rules else own.get(name)
            column = column or _infer(name, series, cells, has_many)
            if dtypes[name] is None or column is None:
                cell = next((cell for cell in cells if cell is not None), None)
                came = f"column {name!r} of {series.to_native().dtype}, such as {cell!r:.100}"
                expected = "must contain numbers, strings, bools, categories or times"
                how = "dates by `pandas.to_datetime`, decimals by `astype(float)`"
                how = f"Convert others: {how}, intervals by `astype(str)`"
                raise mismatch("df", f"{expected}. {how}", came)
            if isinstance(column, Number):
                column = column.counted_in(frames.ticks_of(series))
            elif isinstance(column, Category) and column.values is None:
                column = Category(frames.categories_of(series), nullable=column.nullable)
            with _naming(name):
                fitted[name] = column.fit(cells)
        table = cls(fitted, dtypes, frame.implementation.name.lower(), None, rules)
        if {"", *RESERVED} & {*table.event_shape()} or {*RESERVED} <= {*dtypes}:
            expected = f"must not have columns named '', {RESERVED[0]!r} or {RESERVED[1]!r}"
            raise refusal("df", f"{expected}: rename them", table.names)
        completion = Completion(fitted)
        if not completion.size:
            return table
        parts = table._split(table.encode_cells(table.read(df), seed=0, missing=1))
        prior = fit_joint(completion.entries(parts), len(table.numbers))
        return cls(fitted, dtypes, table.library, prior, rules)

    def encode(self, df: Frame, seed: int | None = None) -> dict[str, Array]:
        """Converts the rows of a frame to data of the flow, a dict of arrays.

        Columns that the frame lacks, and missing cells of columns that are not nullable, are
        unknown: -1 or NaN. Columns that are not the table's are ignored. Times must have a time
        zone, of any name, if the column's had one, and none otherwise.

        Args:
            df: a frame.
            seed: None, or int. By default, a number that a `Number` sends as an interval of scores
                is encoded as its median, so that a row's code depends only on the row. With a seed,
                as for training, the code is drawn from the interval. Missing cells of nullable
                columns have values, too, which mean nothing. With a seed, numbers are drawn from
                the prior given the other numbers of the row, and classes and levels given all other
                cells; those of angles, of numbers with cycles and of columns of very many classes
                are values of other rows.

        Returns:
            A dict of arrays, `(num_rows, *event_shape)`, one for each part of `flow`.

        Raises:
            ValueError: if no column is the table's, or the table does not allow a cell.
        """
        return self.encode_cells(self.read(df), seed)

    def decode(self, parts: Mapping[str, Array]) -> Frame:
        """Converts data of the flow back to a frame, with the original columns and dtypes.

        Where cells are missing, NumPy dtypes of integers and bools become the nullable ones of
        pandas. Where a rule computes integers beyond a column's dtype, such as a sum of columns of
        8 bits, the column has 64 bits. Rows are numbered from 0.
        """
        return self.write(self.decode_cells(parts))

    def read(self, df: Frame) -> dict[str, list[Any]]:
        """Returns the cells of a frame: a dict of lists, for the table's columns in the frame."""
        frame = frames.read_frame(df)
        shared = [name for name in self.names if name in frame.columns]
        if not shared:
            raise refusal("df", f"must have some of the columns {self.names}", frame.columns)
        return {name: self.read_column(name, frame[name]) for name in shared}

    def complete(self, cells: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
        """Returns the cells of all columns: None in those that `cells` lacks."""
        unknown = [None] * len(next(iter(cells.values()), ()))
        return {**dict.fromkeys(self.names, unknown), **cells}

    def settle(
        self, cells: Mapping[str, Sequence[Any]], kept: Collection[str] = ()
    ) -> dict[str, Any]:
        """Fills in the cells that follow from others by rules without a remainder.

        Args:
            cells: a dict from columns to lists of cells.
            kept: names of columns in which None stays.

        Returns:
            The cells of all columns.
        """
        found = {name: list(values) for name, values in self.complete(cells).items()}
        rules = {name: rule for name, rule in self.rules.items() if rule.column is None}
        for _ in rules:  # what follows from one rule may be what another needs
            for name, rule in rules.items():
                rows = zip(found[name], *(found[other] for other in rule.others), strict=True)
                for row, (cell, *values) in enumerate(rows):
                    known = [value for value in values if value is not None]
                    if not all(is_finite(x) for x in (cell, *known) if x is not None):
                        continue
                    if cell is None and len(known) == len(values):
                        found[name][row] = rule.restore(None, values)
                    elif cell is not None and len(known) == len(values) - 1:
                        place = values.index(None)
                        other = rule.others[place]
                        with contextlib.suppress(ArithmeticError):
                            values[place] = rule.solve(cell, None, known)
                            if other not in kept and self._takes(other, rule, cell, values):
                                found[other][row] = values[place]
        return found

    def tied(self, cells: Mapping[str, Sequence[Any]]) -> list[int]:
        """Returns the numbers of rows in which a cell follows from a known one and a remainder.

        The cells are those that `settle` returns, with None where a cell is unknown.
        """
        return list(ties.find_ties(self.rules, cells))

    def owners(self, cells: Mapping[str, Sequence[Any]], name: str) -> list[int]:
        """Returns the number of the row to which each cell of a column belongs."""
        return list(range(len(cells[name])))

    def take(self, cells: Mapping[str, Sequence[Any]], rows: Iterable[int]) -> dict[str, Any]:
        """Returns the cells of some rows."""
        rows = list(rows)
        return {name: [values[row] for row in rows] for name, values in cells.items()}

    def untie(
        self,
        cells: Mapping[str, Sequence[Any]],
        rows: Sequence[int],
        candidates: Mapping[str, Sequence[Any]] | None = None,
    ) -> dict[str, Any]:
        """Fills in unknown cells of tied rows: see `keras_bfn.tables.ties.untie`."""
        return ties.untie(self.columns, self.rules, cells, rows, candidates)

    def _takes(self, name, rule, cell, others):
        """Whether a rule allows the cells, and column `name` can be sent with its own of them."""
        try:
            rule.remainder(cell, others)
            if name in self.columns and name not in self.numbers:  # it may take few values
                self.columns[name].encode([others[rule.others.index(name)]])
        except (ValueError, ArithmeticError):
            return False
        return True

    def read_column(self, name: str, series: Any) -> list[Any]:
        """Returns the cells of a `narwhals.Series` for a column of the table: a list."""
        with _naming(name):
            return frames.read_cells(series, frames.narwhals_dtype(self.library, self.dtypes[name]))

    def write(
        self, cells: Mapping[str, Sequence[Any]], like: Any = None, index: Any = None
    ) -> Frame:
        """Returns the frame of a dict from columns to lists of cells.

        Args:
            cells: the dict.
            like: None, or a frame with as many rows, whose order of columns and index the result
                has.
            index: None, or the index of the result, for pandas.

        Returns:
            A frame.

        Raises:
            ValueError: if the dtypes of the columns cannot hold the cells.
        """
        if like is not None:
            order, index = [*like.columns, *cells], getattr(like, "index", None)
            cells = {name: cells[name] for name in sorted(cells, key=order.index)}
        return frames.write_frame(self.library, cells, self.dtypes_for(cells), index)

    def dtypes_for(self, cells: Mapping[str, Sequence[Any]]) -> dict[str, str]:
        """Returns the dtypes, as text, with 64 bits where a rule computed larger integers."""
        ruled = _names_of(self.rules) & {*cells}
        wider = {name: frames.with_room(self.dtypes[name], cells[name]) for name in ruled}
        return {**self.dtypes, **wider}

    def check_cells(self, cells: Mapping[str, Sequence[Any]]) -> None:
        """Raises a `ValueError` unless sampled rows can have these cells.

        The frame's dtypes must hold them, and rules must determine the cells beside them.
        """
        self.check_rules(cells)
        frames.write_frame(self.library, cells, self.dtypes)

    def check_rules(self, cells: Mapping[str, Sequence[Any]]) -> None:
        """Raises a `ValueError` unless rules determine the unknown cells beside their columns."""
        everything = self.settle(cells)
        for name, rule in self.rules.items():
            others = [everything[other] for other in rule.others]
            with _naming(name):
                for row, other in rule.find_unknown(everything[name], others):
                    if other not in self.columns:
                        expected = f"must only be given together with {other!r}, for {rule!r}"
                        raise ValueError(f"{expected}. Received: row {row} without {other!r}")

    def encode_cells(
        self, cells: Mapping[str, Sequence[Any]], seed: int | None = None, missing: int = 0
    ) -> dict[str, Array]:
        """As `encode`, for a dict from columns to lists of cells.

        Args:
            cells: the dict. Columns that it lacks are unknown.
            seed: as in `encode`.
            missing: the meaning of None in a nullable column. 0: the cell is missing. 1: it is
                present, with an unknown value. -1: whether it is present is unknown, too. In any
                case, a cell that is `MISSING` is missing.

        Returns:
            As `encode`.

        Raises:
            ValueError: if the table does not allow a cell, or the seed is not an int.
        """
        rng = None if seed is None else np.random.default_rng(check_seed(seed))
        # That a cell of a nullable column is missing is part of the row, even if its value follows.
        marked = self.settle(cells, [name for name in self.nullable if name in cells])
        everything = unmark(marked)
        remainders = self._find_remainders(everything)
        found: dict[str, Array] = {}
        present: list[list[int]] = []
        lacking: dict[str, Array] = {}
        completion = Completion(self.columns)
        for name, column in self.columns.items():
            values = remainders.get(name, everything[name])
            code = missing if name in cells else -1
            drawn = (rng,) if isinstance(column, Number) else ()
            with _naming(name):
                own = {name: column.encode(values, *drawn)}
            if name in self.cycles_parts:
                own[self.cycles_parts[name]] = column.encode_cycles(values)
            if column.nullable:
                codes = {None: code, MISSING: 0}
                present.append([codes.get(cell, 1) for cell in marked[name]])
                absent = np.array(present[-1]) == 0
                if absent.any():
                    _put_values(own.values(), absent, rng)
                    if name in completion.places and name not in self.cycles_parts:
                        lacking[name] = absent
            found |= own
        if lacking and self.prior is not None:
            completion.fill(self.prior, found, lacking, rng)
        for part, names in self.shared.items():
            found[part] = np.stack([found[name] for name in names], axis=-1)
        if present:
            found[self.present_part] = np.array(present, "int32").T
        return {name: found[name] for name in self.event_shape()}

    def _find_remainders(self, cells):
        """Returns a dict from the columns with rules to the remainders.

        Raises:
            ValueError: if a row breaks a rule.
        """
        found = {}
        for name, rule in self.rules.items():
            others = [cells[other] for other in rule.others]
            with _naming(name):
                dtype = frames.narwhals_dtype(self.library, self.dtypes[name])
                show = functools.partial(frames.show_cell, dtype=dtype)
                found[name] = rule.find_remainders(cells[name], others, show)
        return found

    def decode_cells(
        self, parts: Mapping[str, Array], known: Mapping[str, Sequence[Any]] | None = None
    ) -> dict[str, list[Any]]:
        """As `decode`, but returns a dict from columns to lists of cells.

        Args:
            parts: data of the flow.
            known: None, or the cells that `settle` returned, which replace decoded ones unless they
                are None. Columns with rules are then restored from these.

        Returns:
            A dict from all columns to lists of cells.

        Raises:
            ValueError: if `parts` lacks a part.
        """
        check_parts(parts, self.event_shape())
        own = self._split(parts)
        present = iter(np.asarray(parts.get(self.present_part, ())).T)
        cells = {}
        for name, column in self.columns.items():
            angles = [parts[self.cycles_parts[name]]] if name in self.cycles_parts else []
            cells[name] = column.decode(np.asarray(own[name]), *angles)
            if column.nullable:
                pairs = zip(next(present), cells[name], strict=True)
                cells[name] = [None if code == 0 else cell for code, cell in pairs]
        remainders = {name: cells.pop(name, None) for name in self.rules}
        if known is not None:
            cells = {name: _fill(known[name], drawn) for name, drawn in cells.items()}
            self._solve(known, cells, remainders)
        for name, rule in self.rules.items():
            restored = rule.restore_all(remainders[name], [cells[other] for other in rule.others])
            cells[name] = restored if known is None else _fill(known[name], restored)
        return {name: cells[name] for name in self.names}

    def _solve(self, known, cells, remainders):
        """Replaces sampled cells by those that follow from known cells of columns with rules."""
        for name, rule in self.rules.items():
            others = [known[other] for other in rule.others]
            for row, other in rule.find_unknown(known[name], others):
                rest = None if remainders[name] is None else remainders[name][row]
                values = [known[x][row] for x in rule.others if x != other]
                cells[other][row] = rule.solve(known[name][row], rest, values)

    def _split(self, parts):
        """Returns the parts, with those that columns share as one array for each column."""
        found = dict(parts)
        for part, names in self.shared.items():
            found |= dict(zip(names, np.asarray(parts[part]).T, strict=True))
        return found

    def flow(self) -> dict[str, Flow]:
        """Returns the dict of flows, with the priors of the observed values."""
        found: dict[str, Flow] = {}
        if self.numbers:
            prior = self.prior and self.prior.marginal(len(self.numbers))
            found[self.numbers_part] = number_flow(prior)
        for part, names in self.shared.items():
            if part != self.numbers_part:
                found[part] = classes_flow(*(self.columns[name].counts for name in names))
        found |= {name: x.flow() for name, x in self.columns.items() if name not in self._sharing}
        found |= {part: CircularFlow() for part in self.cycles_parts.values()}
        if self.nullable:
            found[self.present_part] = DiscreteFlow(2, CATEGORY_ACCURACY)
        return found

    def event_shape(self) -> dict[str, tuple[int, ...]]:
        """Returns the dict of the parts' shapes."""
        found: dict[str, tuple[int, ...]] = {part: (len(x),) for part, x in self.shared.items()}
        found |= {name: () for name in self.columns if name not in self._sharing}
        for name, part in self.cycles_parts.items():
            found[part] = (len(self.columns[name].cycles),)
        if self.nullable:
            found[self.present_part] = (len(self.nullable),)
        return found

    def masks(self, names: Sequence[str]) -> dict[str, Array]:
        """Returns which variables send these columns: a dict of bool arrays, one for each part.

        Raises:
            ValueError: if there is no such column, or one has a rule and lacks another of the rule.
        """
        names = list_known(names, self.names)
        found = {part: np.zeros(shape, bool) for part, shape in self.event_shape().items()}
        for name in names:
            others = self.rules[name].others if name in self.rules else ()
            if not {*others} <= {*names}:
                expected = f"must name {list(others)} beside {name!r}, for {self.rules[name]!r}"
                raise refusal("known", expected, names)
            for part, shared in self.shared.items():
                if name in shared:
                    found[part][shared.index(name)] = True
            if name in found:
                found[name][...] = True
            if name in self.cycles_parts:
                found[self.cycles_parts[name]][...] = True
            if name in self.nullable:
                found[self.present_part][self.nullable.index(name)] = True
        return found

    def make_model(
        self, width: int = 128, num_blocks: int = 2, dropout: float = 0.1, seed: int | None = None
    ) -> TableModel:
        """Makes an untrained model of the table.

        Args:
            width, num_blocks, dropout: as in `keras_bfn.networks.MultiPart`.
            seed: int or None. As in `keras_bfn.BayesianFlowNetwork`; initial weights follow
                `keras.utils.set_random_seed`.

        Returns:
            An untrained `keras_bfn.tables.TableModel`.

        Raises:
            ValueError: if an argument is out of its range.
        """
        options = {"width": width, "num_blocks": num_blocks, "dropout": dropout}
        return make_table_model(self, seed, mixer="mlp", **options)

    def __repr__(self):
        return f"Table({self.columns | self.rules})"


def _count_classes(column):
    return len(column.values or ()) if isinstance(column, Category) else 0


def free_name(name, taken):
    """Returns the name, with underscores after it if it is taken."""
    while name in taken:
        name += "_"
    return name


def list_known(known, names):
    """Returns known columns as a list, or raises a `ValueError` unless they are some of `names`."""
    found = [known] if isinstance(known, str) else known
    if not isinstance(found, (list, tuple, set)) or not all(name in names for name in found):
        raise refusal("known", f"must name some of the columns {names}", known)
    return list(found)


def check_parts(parts, names):
    """Raises a `ValueError` unless data are a dict with parts of these names."""
    if not isinstance(parts, dict) or not set(names) <= set(parts):
        raise mismatch("parts", f"must be a dict with the parts {list(names)}", describe(parts))
    if len({len(parts[name]) for name in names}) > 1:
        raise mismatch("parts", "must have the same number of rows in each part", describe(parts))


def make_table_model(table, seed, model=TableModel, **options):
    """Makes an untrained model of a table, or of anything with its methods.

    Args:
        table: the table.
        seed: as in `keras_bfn.BayesianFlowNetwork`.
        model: the class of the model.
        **options: as in `keras_bfn.networks.MultiPart`.
    """
    flow = table.flow()
    states = {"together": 0.4, "given": 0.4}
    if any(part.can_be_coded_directly for part in flow.values()):
        states["random"] = 0.2
    network = networks.MultiPart(flow, table.event_shape(), times="variables", **options)
    return model(flow, network, table, states=states, allow_missing=True, seed=seed)


def fit_joint(entries, num_numbers):
    """Returns the joint normal prior of rows of entries, so many of which are numbers of a flow."""
    return (JointNormal if num_numbers <= MOST_JOINT else FactorNormal).fit(entries)


def _put_values(arrays, missing, rng):
    """Replaces the values of missing cells, in the arrays of a column's data.

    With a generator, the value is that of a random other row, so it carries no information about
    its own row, not even that the cell is missing. Without one, it is the same in all rows. Where
    the prior knows the column, it fills the cell in after this.
    """
    present = np.flatnonzero(~missing)
    is_drawn = rng is not None and len(present)
    rows = rng.choice(present, missing.sum()) if is_drawn else None
    for x in arrays:
        x[missing] = x[rows] if is_drawn else 0


def _check_rules(rules, names):
    for name, rule in rules.items():
        if not isinstance(rule, Rule):
            raise refusal(f"rules[{name!r}]", "must be a `keras_bfn.tables.Rule`", rule)
        if name not in names or name in rule.others or not set(rule.others) <= set(names):
            expected = f"must refer to other columns of the table, {list(names)}"
            raise refusal(f"rules[{name!r}]", expected, rule)


def _names_of(rules):
    """Returns the names of the columns with rules, and of those that they refer to."""
    return {name for key, rule in rules.items() for name in (key, *rule.others)}


def _fill(known, drawn):
    """Returns the known cells, and where there is none the drawn ones."""
    return [new if cell is None else cell for cell, new in zip(known, drawn, strict=True)]


def _remainders_of(frame, rules):
    """Returns a dict from the columns with rules to the remainders to which a column is fitted.

    Rows whose remainder is unknown, because another column misses a cell, are left out.
    """
    _check_rules(rules, frame.columns)
    in_order(rules)  # raises an error if they refer to each other
    cells, kinds = {}, {}
    for name in _names_of(rules):
        kinds[name] = frames.kind_of(frame[name])
        if kinds[name] not in ("integer", "float", "time"):
            expected = "must be numbers or times, for a rule (dates are to be parsed before)"
            raise refusal(f"df[{name!r}]", expected, str(frame[name].to_native().dtype))
        with _naming(name):
            cells[name] = frames.read_cells(frame[name])
    found = {}
    for name, rule in rules.items():
        dtypes = [str(frame[other].to_native().dtype) for other in (name, *rule.others)]
        if len(set(dtypes)) > 1 and {kinds[other] for other in (name, *rule.others)} != {"integer"}:
            expected = "must be of integers, or of floats or times of one dtype"
            raise refusal(f"rules[{name!r}]", expected, dtypes)
        with _naming(name):
            show = functools.partial(frames.show_cell, dtype=frames.dtype_in(frame[name]))
            others = [cells[other] for other in rule.others]
            rest = rule.find_remainders(cells[name], others, show)
        pairs = zip(rest, cells[name], strict=True)
        found[name] = [one for one, cell in pairs if one is not None or cell is None]
    return found


def _check_columns(columns):
    for name, column in columns.items():
        if not isinstance(column, Column):
            raise refusal(f"columns[{name!r}]", "must be a `keras_bfn.tables.Column`", column)


def _infer(name, series, cells, has_many):
    """Returns an unfitted column that suits these cells, one of many or not; None if none does."""
    kind = frames.kind_of(series)
    if kind is None:
        return None
    seen = {cell for cell in cells if cell is not None}
    if kind == "time" and seen:
        return Number()
    if kind == "category" or len(seen) <= FEW_VALUES:
        num_cells = sum(cell is not None for cell in cells)
        are_identifiers = len(seen) > max(FEW_NAMES, IDENTIFIERS * num_cells)
        if len(seen) > MOST_CLASSES or are_identifiers:
            expected = f"must have at most {MOST_CLASSES} distinct values in a categorical column"
            expected += f", and less than {IDENTIFIERS:.0%} of its cells"
            came = f"{len(seen)} in {num_cells} cells of column {name!r}. Remove the column"
            raise mismatch("df", expected, f"{came}, or pass its `Category()`")
        has_names = len(seen) > max(MOST_NAMES, num_cells / 2)
        if has_names and frames.categories_of(series) is None:
            warn(
                f"Column {name!r} has {len(seen)} distinct values in {num_cells} cells, and each "
                "becomes a class. If they are names, remove the column. If they are dates, parse "
                "them (`pandas.read_csv(..., parse_dates=[...])`); if they are numbers, too "
                "(`pandas.to_numeric`). Otherwise, pass its `Category()`"
            )
        return Category()
    are_well_known = has_many or SEEN_WELL * len(seen) <= sum(cell is not None for cell in cells)
    if kind == "integer" and max(seen) - min(seen) < MOST_LEVELS and not are_well_known:
        return Levels()
    return Number()


@contextlib.contextmanager
def _naming(name):
    """Adds the column's name to errors about its cells."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"Column {name!r} of `df` {error}") from error
