"""A table: its columns, and the way from a frame to data of flows and back."""

import contextlib

import keras
import numpy as np

from keras_bfn import networks
from keras_bfn._config import Immutable
from keras_bfn._parts import describe
from keras_bfn._validation import check_choice, check_seed, mismatch, refusal, warn
from keras_bfn.flows import CircularFlow, DiscreteFlow, JointNormal
from keras_bfn.tables import frames
from keras_bfn.tables.columns import CATEGORY_ACCURACY, Category, Column, Levels
from keras_bfn.tables.model import TableModel
from keras_bfn.tables.numbers import Number, number_flow

FEW_VALUES = 10  # numbers of at most so many values are classes
MOST_LEVELS = 256
MOST_CLASSES = 1000
MOST_NAMES = 20  # of more different values than these, and half of the cells, none is a class


@keras.saving.register_keras_serializable("keras_bfn")
class Table(Immutable):
    """The columns of a table: what each is sent as, and how frames become data and data frames.

    All numbers are one part of the data, of shape `(num_numbers,)`; every other column is a part of
    its own, of shape `()`, under its name. A number's cycles are one more part, of its angles.

    If columns are nullable, one more part says which of their cells are present, 1, and which are
    missing, 0. A missing cell has a value, too, which means nothing.

    Args:
        columns: dict from names, in order, to a fitted `keras_bfn.tables.Column`.
        dtypes: dict from names to the dtypes of the frame's columns, as text.
        library: `"pandas"` or `"polars"`: what frames are made with.
        prior: a `keras_bfn.flows.JointNormal` of the numbers, or None.

    Raises:
        ValueError: if columns and dtypes differ in their names, or the prior is of other numbers.

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

    def __init__(self, columns, dtypes, library, prior=None):
        for name, value in (("columns", columns), ("dtypes", dtypes)):
            if not isinstance(value, dict):
                raise refusal(name, "must be a dict", value)
        self.columns, self.dtypes = dict(columns), dict(dtypes)
        self.library = check_choice("library", library, ("pandas", "polars"))
        _check_columns(columns)
        if not columns or list(columns) != list(dtypes):
            raise refusal(
                "dtypes", f"must be those of at least one column, {list(columns)}", dtypes
            )
        self.prior = prior
        if self.numbers:
            number_flow(prior).check_event_shape((len(self.numbers),))

    @classmethod
    def from_dataframe(cls, df, /, **columns):
        """The table that suits a frame.

        Strings, bools, categories, and numbers of at most 10 values are `Category`; integers from a
        lowest to at most 255 more are `Levels`; all other numbers and dates are `Number`. Warns of
        strings more than half of which are different: names, or dates that were read as text.

        Args:
            df: a frame of pandas or polars, with at least one row.
            **columns: by name, a `keras_bfn.tables.Column` for each that is to be another.

        Returns:
            A `Table`.

        Raises:
            ValueError: if there is no such column, or what one holds cannot be sent.
            ImportError: if `narwhals` is not installed.
        """
        frame = frames.read_frame(df)
        if not set(columns) <= set(frame.columns) or not len(frame):
            expected = f"must name some of {frame.columns}, and `df` must have rows"
            raise mismatch("columns", expected, f"{list(columns)}, and {len(frame)} rows")
        _check_columns(columns)
        fitted, dtypes = {}, {}
        for name in frame.columns:
            series, dtypes[name] = frame[name], frames.dtype_of(frame[name])
            with _naming(name):
                cells = frames.read_cells(series)
            column = columns.get(name) or _infer(name, series, cells)
            if dtypes[name] is None or column is None:
                came = f"column {name!r} of {series.to_native().dtype}"
                expected = "must hold numbers, strings, bools, categories or times"
                raise mismatch("df", expected, came)
            if isinstance(column, Number):
                column = column.counted_in(frames.ticks_of(series))
            elif isinstance(column, Category) and column.values is None:
                column = Category(frames.categories_of(series), nullable=column.nullable)
            with _naming(name):
                fitted[name] = column.fit(cells)
        table = cls(fitted, dtypes, frame.implementation.name.lower())
        if not table.numbers:
            return table
        prior = JointNormal.fit(table.encode(df, seed=0)[table.numbers_part])
        return cls(fitted, dtypes, table.library, prior)

    @property
    def numbers(self):
        """The names of the columns that are numbers."""
        return [name for name, column in self.columns.items() if isinstance(column, Number)]

    @property
    def numbers_part(self):
        """What the part of the numbers is called: `"numbers"`, unless a column is."""
        return self._free("numbers")

    @property
    def cycles_parts(self):
        """What the part of a number's cycles is called: a dict from columns that have such."""
        return {
            name: self._free(f"{name} cycles") for name in self.numbers if self.columns[name].cycles
        }

    @property
    def nullable(self):
        """The names of the columns that are nullable."""
        return [name for name, column in self.columns.items() if column.nullable]

    @property
    def present_part(self):
        """What the part is called that says which cells are present: `"present"`, if it is free."""
        return self._free("present")

    def _free(self, name):
        """A name that no column has."""
        while name in self.columns:
            name += "_"
        return name

    def encode(self, df, seed=None):
        """The rows of a frame as data of the flow, a dict of arrays.

        Columns that the frame lacks, and missing cells of columns that are not nullable, are
        unknown: -1 or NaN. Other columns than the table's are left out. Times must have a time zone
        if those of the column had one, whichever it is, and none if they had none.

        Args:
            df: a frame.
            seed: None, or int. A number that a `Number` sends as an interval of scores is encoded
                as the middle of the interval, so that a cell's code depends on the cell alone. With
                a seed, codes are drawn from the interval, and the values of missing cells from the
                column: what a model is to be trained with.

        Returns:
            A dict of arrays, `(num_rows, *event_shape)`, one for each part of `flow`.

        Raises:
            ValueError: if none of its columns is the table's, or a cell is not such as it has.
        """
        return self.encode_cells(self.read(df), seed)

    def decode(self, parts):
        """The frame that data of the flow stand for, with the columns and dtypes of the first.

        Where cells are missing, integers and bools of NumPy become the nullable ones of pandas.
        Its rows are numbered from 0.
        """
        return self.write(self.decode_cells(parts))

    def read(self, df):
        """The cells of a frame: a dict from those of the table's columns that it has to lists."""
        frame = frames.read_frame(df)
        if not set(self.columns) & set(frame.columns):
            raise refusal(
                "df", f"must have some of the columns {list(self.columns)}", frame.columns
            )
        return {
            name: self.read_column(name, frame[name])
            for name in self.columns
            if name in frame.columns
        }

    def read_column(self, name, series):
        """The cells of a `narwhals.Series` for one of the table's columns: a list."""
        with _naming(name):
            return frames.read_cells(series, frames.narwhals_dtype(self.library, self.dtypes[name]))

    def write(self, cells, index=None):
        """The frame of a dict from columns to lists of cells, with this index, if it is pandas'."""
        return frames.write_frame(self.library, cells, self.dtypes, index)

    def encode_cells(self, cells, seed=None, missing=0):
        """As `encode`, of a dict from columns to lists of cells.

        Args:
            cells: the dict. Columns that it lacks are unknown.
            seed: as in `encode`.
            missing: what None means in a nullable column: 0, the cell is missing; 1, it is present,
                and its value unknown; -1, whether it is present is unknown, too.

        Returns:
            As `encode`.

        Raises:
            ValueError: if a cell is not such as the table has, or the seed is no int.
        """
        rng = None if seed is None else np.random.default_rng(check_seed(seed))
        unknown = [None] * len(next(iter(cells.values())))
        found, present = {}, []
        for name, column in self.columns.items():
            values, code = cells.get(name, unknown), missing if name in cells else -1
            drawn = (rng,) if isinstance(column, Number) else ()
            with _naming(name):
                own = {name: column.encode(values, *drawn)}
            if name in self.cycles_parts:
                own[self.cycles_parts[name]] = column.encode_cycles(values)
            if column.nullable:
                present.append([code if cell is None else 1 for cell in values])
                if code == 0:
                    _put_values(own.values(), np.array(present[-1]) == 0, rng)
            found |= own
        numbers = [found.pop(name) for name in self.numbers]
        if numbers:
            found[self.numbers_part] = np.stack(numbers, axis=-1)
        if present:
            found[self.present_part] = np.array(present, "int32").T
        return {name: found[name] for name in self.event_shape()}

    def decode_cells(self, parts):
        """As `decode`, as a dict from columns to lists of cells."""
        names = list(self.event_shape())
        if not isinstance(parts, dict) or not set(names) <= set(parts):
            raise mismatch("parts", f"must be a dict with the parts {names}", describe(parts))
        found = {name: (np.asarray(parts[name]),) for name in self.columns if name in parts}
        if self.numbers:
            numbers = np.asarray(parts[self.numbers_part]).T
            found |= {name: (x,) for name, x in zip(self.numbers, numbers, strict=True)}
        for name, part in self.cycles_parts.items():
            found[name] += (np.asarray(parts[part]),)
        cells = {name: column.decode(*found[name]) for name, column in self.columns.items()}
        if self.nullable:
            present = np.asarray(parts[self.present_part]).T
            for name, codes in zip(self.nullable, present, strict=True):
                pairs = zip(codes, cells[name], strict=True)
                cells[name] = [None if code == 0 else cell for code, cell in pairs]
        return cells

    def flow(self):
        """The dict of flows, each with the prior of what was seen."""
        found = {
            name: column.flow()
            for name, column in self.columns.items()
            if not isinstance(column, Number)
        }
        found |= {part: CircularFlow() for part in self.cycles_parts.values()}
        if self.nullable:
            found[self.present_part] = DiscreteFlow(2, CATEGORY_ACCURACY)
        return {self.numbers_part: number_flow(self.prior), **found} if self.numbers else found

    def event_shape(self):
        """The dict of the parts' shapes."""
        shapes = {name: () for name in self.columns if name not in self.numbers}
        for name, part in self.cycles_parts.items():
            shapes[part] = (len(self.columns[name].cycles),)
        if self.nullable:
            shapes[self.present_part] = (len(self.nullable),)
        return {self.numbers_part: (len(self.numbers),), **shapes} if self.numbers else shapes

    def make_model(self, width=128, num_blocks=2, dropout=0.1, seed=None):
        """A model of the table, to be trained.

        Args:
            width, num_blocks, dropout: of its `keras_bfn.networks.MultiPart`.
            seed: int or None. As in `keras_bfn.BayesianFlowNetwork`; first weights follow
                `keras.utils.set_random_seed`.

        Returns:
            A `keras_bfn.tables.TableModel` that has learnt nothing yet.

        Raises:
            ValueError: if an argument is out of its range.
        """
        flow = self.flow()
        options = {"width": width, "num_blocks": num_blocks, "dropout": dropout, "mixer": "mlp"}
        options["times"] = "variables"  # any cells can be given
        orders = {"together": 0.4, "given": 0.4}
        if any(part.can_be_told for part in flow.values()):
            orders["random"] = 0.2
        network = networks.MultiPart(flow, self.event_shape(), **options)
        return TableModel(
            flow,
            network,
            self,
            times="variables",
            orders=orders,
            allow_missing=True,
            seed=seed,
        )

    def __repr__(self):
        return f"Table({self.columns})"


def _put_values(arrays, missing, rng):
    """Puts a value in the place of each missing cell, in arrays of a column's data.

    With a generator, it is that of another row, drawn at random: so it tells nothing of its own
    row, not even that the cell is missing. Without one, it is the same in all rows.
    """
    present = np.flatnonzero(~missing)
    is_drawn = rng is not None and len(present)
    rows = rng.choice(present, missing.sum()) if is_drawn else None
    for x in arrays:
        x[missing] = x[rows] if is_drawn else 0


def _check_columns(columns):
    for name, column in columns.items():
        if not isinstance(column, Column):
            raise refusal(f"columns[{name!r}]", "must be a `keras_bfn.tables.Column`", column)


def _infer(name, series, cells):
    """The column, not fitted yet, that suits these cells; None if there is none."""
    kind = frames.kind_of(series)
    if kind is None:
        return None
    seen = {cell for cell in cells if cell is not None}
    if kind == "time" and seen:
        return Number()
    if kind == "category" or len(seen) <= FEW_VALUES:
        if len(seen) > MOST_CLASSES:
            expected = (
                f"must have at most {MOST_CLASSES} different values in a column of categories"
            )
            came = f"{len(seen)} in column {name!r}. Leave it out, or give its `Category()`"
            raise mismatch("df", expected, came)
        categories = frames.categories_of(series)
        num_cells = sum(cell is not None for cell in cells)
        if categories is None and len(seen) > max(MOST_NAMES, num_cells / 2):
            warn(
                f"Column {name!r} has {len(seen)} different values in {num_cells} cells, and each "
                "becomes a class. If they are names, leave the column out; if they are dates, read "
                "them as such (`pandas.read_csv(..., parse_dates=[...])`); or give its "
                "`Category()`"
            )
        return Category(categories)
    if kind == "integer" and max(seen) - min(seen) < MOST_LEVELS:
        return Levels()
    return Number()


@contextlib.contextmanager
def _naming(name):
    """Lets an error about a column's cells name the column."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"Column {name!r} of `df` {error}") from error
