"""Tables whose rows form sequences: several rows for each entity, in order."""

import contextlib
import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self

import keras
import numpy as np

from keras_bfn._config import Immutable
from keras_bfn._typing import Array, Frame
from keras_bfn._validation import check_int, mismatch, refusal
from keras_bfn.flows import Flow, JointNormal
from keras_bfn.tables import frames
from keras_bfn.tables.checks import key_of
from keras_bfn.tables.columns import Category, Column, Levels
from keras_bfn.tables.model import SequencesModel
from keras_bfn.tables.numbers import number_flow
from keras_bfn.tables.rules import Rule
from keras_bfn.tables.table import (
    FEW_VALUES,
    Table,
    check_parts,
    fit_joint,
    free_name,
    list_known,
    make_table_model,
)

MOST_STEPS_OF_NUMBERS = 1000  # of an entity: more are not modelled jointly, which would take long


@keras.saving.register_keras_serializable("keras_bfn")
class Sequences(Immutable):
    """A table with several rows for each entity: visits of patients, or months of accounts.

    One example is an entity with all its rows, in the frame's order. *Static* columns have one
    value per entity; the others have one per row. The number of an entity's rows is one more static
    column, `"length"`. If there are at most ten different lengths, sampled entities have one of
    these, otherwise any length from the smallest to the largest. A model made by `make_model` takes
    such frames, and returns them.

    An *ascending* column, such as a date, never decreases from one row of an entity to the next. It
    is sent as the first row's value, which is a static column, `"first day"` for `"day"`, and the
    differences between rows.

    The parts of rows have one more axis than those of a `Table`, of `num_steps`: the shape of the
    numbers is `(num_steps, num_numbers)`. All numbers of an entity have a joint normal prior, so
    that a row follows from those before and after it. The values after an entity's last row are
    meaningless: their numbers are the prior's means, given those of its rows.

    Args:
        entity: the name of the column that says to which entity a row belongs.
        entities: a `keras_bfn.tables.Table` of the static columns and the length.
        rows: a `keras_bfn.tables.Table` of the other columns.
        num_steps: int. The largest number of rows of an entity.
        order: list of the frame's columns, in order.
        ascending: dict from the names of ascending columns to those of their first values.
        prior: None, or a `keras_bfn.flows.JointNormal` of the numbers of all rows, in the order of
            rows.

    Attributes:
        names: list of the names of the columns that can be given to `sample`: static ones, first
            values, and the length.
        length: the name of the column of lengths: `"length"`, unless a column has it.
        nullable: list of the names of the columns that can miss cells.
        library: as in `keras_bfn.tables.Table`.
        largest_batch: 64, the most entities of a batch in `fit`, by default.

    Raises:
        ValueError: if the arguments do not fit each other.

    Example:

    >>> import pandas
    >>> df = pandas.DataFrame(
    ...     {"patient": [7, 7, 7, 9, 9], "sex": list("fffmm"), "pain": [3, 2, 1, 5, 4]}
    ... )
    >>> visits = keras_bfn.tables.Sequences.from_dataframe(df, "patient", ["sex"])
    >>> visits.encode(df)["length"].tolist(), visits.event_shape()["pain"]
    ([1, 0], (3,))
    >>> visits.decode(visits.encode(df))["pain"].tolist()
    [3, 2, 1, 5, 4]
    """

    largest_batch = 64  # an example has all rows of an entity

    def __init__(
        self,
        entity: str,
        entities: Table,
        rows: Table,
        num_steps: int,
        order: Sequence[str],
        ascending: Mapping[str, str] | None = None,
        prior: JointNormal | None = None,
    ) -> None:
        for name, table in (("entities", entities), ("rows", rows)):
            if not isinstance(table, Table):
                raise refusal(name, "must be a `keras_bfn.tables.Table`", table)
        self.entity, self.entities, self.rows = entity, entities, rows
        self.num_steps = check_int("num_steps", num_steps, 1)
        self.order, self.library = list(order), rows.library
        self.names, self.length = entities.names, entities.names[-1]
        self.nullable = [*entities.nullable, *rows.nullable]
        self.ascending = dict(ascending or {})
        firsts = self.ascending.values()
        self.static = [name for name in entities.names[:-1] if name not in firsts]
        columns = [entity, *self.static, *rows.names]
        if sorted(self.order) != sorted(columns):
            raise refusal("order", f"must contain each of the columns {columns} once", order)
        self.prior, size = prior, self.num_steps * len(rows.numbers)
        if prior is not None and prior.mean.size != size:
            raise refusal("prior", f"must have a size of {size} for these columns", prior)

    @classmethod
    def from_dataframe(
        cls,
        df: Frame,
        entity: str,
        static: Sequence[str] = (),
        columns: Mapping[str, Column | Rule] | None = None,
        ascending: Sequence[str] = (),
    ) -> Self:
        """Chooses and fits the columns of a frame, as `keras_bfn.tables.Table.from_dataframe` does.

        Args:
            df: a frame of pandas or polars, with at least one row. Rows of an entity may lie apart,
                but must be in order.
            entity: the name of the column that identifies the entity. It is not learnt: sampled
                entities are numbered from 0.
            static: names of columns that have the same value in all rows of an entity.
            columns: None, or a dict from names to a `keras_bfn.tables.Column` or a
                `keras_bfn.tables.Rule`, between static columns or between the others.
            ascending: names of other columns, of numbers or times without missing cells, that never
                decrease from one row of an entity to the next.

        Returns:
            A `Sequences`.

        Raises:
            ValueError: if there is no such column, a static column varies within an entity, or a
                column's values cannot be sent.
            ImportError: if `narwhals` is not installed.
        """
        frame, columns = frames.read_frame(df), {} if columns is None else columns
        static = [static] if isinstance(static, str) else list(static)
        names = [name for name in frame.columns if name not in (entity, *static)]
        if not isinstance(columns, dict) or not set(columns) <= {*static, *names}:
            raise refusal("columns", f"must be a dict from some of {[*static, *names]}", columns)
        if entity not in frame.columns:
            raise refusal("entity", f"must be one of the columns {frame.columns}", entity)
        if len({entity, *static}) <= len(static) or not set(static) <= set(frame.columns):
            expected = f"must contain different columns of {frame.columns}, without {entity!r}"
            raise refusal("static", expected, static)
        ascending = [ascending] if isinstance(ascending, str) else list(ascending)
        if not set(ascending) <= set(names) - set(columns):
            expected = f"must contain columns of {names} without an entry in `columns`"
            raise refusal("ascending", expected, ascending)
        if not names or not len(frame):
            expected = "must have rows, and a column that is neither the entity nor static"
            raise refusal("df", expected, f"{len(frame)} rows of {frame.columns}")
        groups, library = _group(frame, entity), frame.implementation.name.lower()
        length, lengths = free_name("length", frame.columns), [len(group) for group in groups]
        series = frames.make_series(library, lengths).alias(length)
        firsts = frame[[group[0] for group in groups]].with_columns(series)
        first_names = {name: free_name(f"first {name}", frame.columns) for name in ascending}
        firsts = firsts.with_columns(*(firsts[a].alias(b) for a, b in first_names.items()))
        firsts = firsts.select(*static, *first_names.values(), length).to_native()
        num_steps, few = max(lengths), len(set(lengths)) <= FEW_VALUES
        range_of_lengths = Category() if few else Levels(min(lengths), num_steps)
        own = {**_some(columns, static), length: range_of_lengths}
        entities = Table.from_dataframe(firsts, **own)

        differences = []
        for name in ascending:
            found = _differences(name, frames.read_cells(frame[name]), groups)
            places = np.argsort([row for group in groups for row in group])
            found = [found[place] for place in places]
            differences.append(frames.make_series(library, found).alias(name))
        of_rows = frame.select(names).with_columns(*differences).to_native()
        rows = Table.from_dataframe(of_rows, **_some(columns, names))

        made = cls(entity, entities, rows, num_steps, frame.columns, first_names)
        cells, part = made.read(df), made.row_parts.get(rows.numbers_part)
        if part is None or num_steps * len(rows.numbers) > MOST_STEPS_OF_NUMBERS:
            return made
        x = made._encode_rows(cells, seed=0, missing=-1)[part]
        x[~made._steps_of(lengths)] = np.nan
        prior = fit_joint(x.reshape(len(x), -1), x[0].size)
        return cls(entity, entities, rows, num_steps, frame.columns, first_names, prior)

    @property
    def row_parts(self) -> dict[str, str]:
        """The names of the parts of rows: a dict from those in `rows`, which entities may have."""
        own, taken = list(self.rows.event_shape()), {*self.entities.event_shape()}
        found: dict[str, str] = {}
        for name in own:
            others = taken.union(own, found.values())
            found[name] = free_name(name, others) if name in taken else name
        return found

    def encode(self, df: Frame, seed: int | None = None) -> dict[str, Array]:
        """Converts a frame to data of the flow, as `keras_bfn.tables.Table.encode` does.

        Raises:
            ValueError: if an entity has too many rows, a static column varies within an entity, or
                the tables do not allow a cell.
        """
        return self.encode_cells(self.read(df), seed)

    def decode(self, parts: Mapping[str, Array]) -> Frame:
        """Converts data of the flow to a frame. Entities are numbered from 0."""
        return self.write(self.decode_cells(parts))

    def read(self, df: Frame) -> dict[str, list[Any]]:
        """Returns the cells of a frame, entity by entity.

        Returns:
            A dict of lists, for the columns in the frame and the length: of a cell per entity for
            static columns and the length, and of a cell per row for the others.
        """
        frame = frames.read_frame(df)
        if self.entity not in frame.columns:
            raise refusal("df", f"must have the column {self.entity!r}", frame.columns)
        groups, entities = _group(frame, self.entity), frames.read_cells(frame[self.entity])
        for group in groups:
            if len(group) > self.num_steps:
                expected = f"must have at most {self.num_steps} rows for each entity"
                raise mismatch("df", expected, f"{len(group)} for {entities[group[0]]!r}")
        cells = {self.length: [len(group) for group in groups]}
        order = [row for group in groups for row in group]
        for name in (*self.static, *self.rows.names):
            if name not in frame.columns:
                continue
            if name in self.ascending:
                first = self.ascending[name]
                found = self.entities.read_column(first, frame[name])
                cells[name] = _differences(name, found, groups)
                cells[first] = [found[group[0]] for group in groups]
                continue
            table = self.rows if name in self.rows.names else self.entities
            found = table.read_column(name, frame[name])
            if table is self.rows:
                cells[name] = [found[row] for row in order]
                continue
            for group in groups:
                if len({key_of(found[row]) for row in group}) > 1:
                    expected = f"must have one value of the static column {name!r} for each entity"
                    raise mismatch("df", expected, f"several for {entities[group[0]]!r}")
            cells[name] = [found[group[0]] for group in groups]
        return cells

    def complete(self, cells: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
        """Returns the cells of all columns: None in those that `cells` lacks."""
        counts = cells[self.length]
        static = dict.fromkeys(self.entities.names, [None] * len(counts))
        return {**static, **dict.fromkeys(self.rows.names, [None] * sum(counts)), **cells}

    def settle(self, cells: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
        """As `keras_bfn.tables.Table.settle`, for cells as `read` returns them."""
        found = dict(cells)
        for table in (self.entities, self.rows):
            own = _some(cells, table.names)
            found |= table.settle(own) if own else {}
        return found

    def tied(self, cells: Mapping[str, Sequence[Any]]) -> list[int]:
        """As `keras_bfn.tables.Table.tied`, but returns the numbers of entities."""
        found = set(self.entities.tied(_some(cells, self.entities.names)))
        if own := _some(cells, self.rows.names):
            owners = np.repeat(np.arange(len(cells[self.length])), cells[self.length])
            found |= {int(owners[row]) for row in self.rows.tied(own)}
        return sorted(found)

    def owners(self, cells: Mapping[str, Sequence[Any]], name: str) -> list[int]:
        """Returns the number of the entity to which each cell of a column belongs."""
        counts = cells[self.length]
        if name not in self.rows.names:
            return list(range(len(counts)))
        return np.repeat(np.arange(len(counts)), counts).tolist()

    def take(self, cells: Mapping[str, Sequence[Any]], entities: Iterable[int]) -> dict[str, Any]:
        """Returns the cells of some entities, as `read` returns them."""
        entities = list(entities)
        found = self.entities.take(_some(cells, self.entities.names), entities)
        if own := _some(cells, self.rows.names):
            found |= self.rows.take(own, self._rows_of(cells, entities))
        return found

    def untie(
        self,
        cells: Mapping[str, Sequence[Any]],
        entities: Sequence[int],
        candidates: Mapping[str, Sequence[Any]] | None = None,
    ) -> dict[str, Any]:
        """As `keras_bfn.tables.Table.untie`, for cells and entities as `read` returns them.

        The candidate of each row is chosen by itself.
        """
        found: dict[str, Any] = {}
        for table in (self.entities, self.rows):
            if own := _some(cells, table.names):
                rows = entities if table is self.entities else self._rows_of(cells, entities)
                drawn = None if candidates is None else _some(candidates, table.names)
                found |= table.untie(own, rows, drawn)
        return found

    def _rows_of(self, cells, entities):
        """Returns the numbers of the rows of some entities."""
        ends = np.cumsum([0, *cells[self.length]]).tolist()
        return [row for i in entities for row in range(ends[i], ends[i + 1])]

    def read_column(self, name: str, series: Any) -> list[Any]:
        """Returns the cells of a `narwhals.Series` for a static column or the length: a list."""
        return self.entities.read_column(name, series)

    def encode_start(
        self, cells: Mapping[str, Sequence[Any]], num_rows: int | None = None
    ) -> dict[str, Array]:
        """As `encode_cells`, but rows may follow: `num_rows`, or so many as is unknown."""
        counts = cells[self.length]
        lengths = [None if num_rows is None else count + num_rows for count in counts]
        own = {**_some(cells, self.entities.names), self.length: lengths}
        found = self.entities.encode_cells(own, missing=-1) | self._encode_rows(cells, None, -1)
        follows = True if num_rows is None else self._steps_of(lengths)
        for part in self.row_parts.values():
            unknown = np.nan if found[part].dtype.kind == "f" else -1
            found[part][follows & ~self._steps_of(counts)] = unknown
        return found

    def decode_next(
        self, parts: Mapping[str, Array], cells: Mapping[str, Sequence[Any]]
    ) -> dict[str, list[Any]]:
        """As `decode_cells`, for entities whose first cells are these."""
        counts, own = cells[self.length], _some(cells, self.entities.names)
        found = self.entities.decode_cells(parts, {**own, self.length: [None] * len(counts)})
        lengths = list(map(max, found[self.length], counts))
        there, starts = self._steps_of(lengths), np.cumsum([0, *lengths])
        rows = {name: np.asarray(parts[part])[there] for name, part in self.row_parts.items()}
        drawn = self.rows.decode_cells(rows)
        places = [start + i for start, n in zip(starts, counts, strict=False) for i in range(n)]
        for name, values in drawn.items():
            for place, cell in zip(places, cells[name], strict=True):
                values[place] = cell
        return {**found, **drawn, self.length: lengths}

    def write(
        self,
        cells: Mapping[str, Sequence[Any]],
        like: Any = None,
        index: Any = None,
        after: Any = None,
    ) -> Frame:
        """Returns the frame of a dict of cells, as `read` returns it.

        Args:
            cells: the dict.
            like: None, or a frame of the same entities and rows, whose order, index and entities
                the result has. By default, entities are numbered from 0.
            index: not used: it would be of entities, not of their rows.
            after: None, or a frame of the same entities, whose rows are left out of the result.

        Returns:
            A frame.

        Raises:
            ValueError: if the dtypes of the columns cannot hold the cells.
        """
        # pandas stores given integers next to missing ones as floats.
        counts = np.array(cells[self.length], "int64")
        entities, ids = range(len(counts)), frames.make_series(self.library, [0])
        names, order, index = self.order, np.arange(counts.sum()), None
        given = after if like is None else like
        if given is not None:
            frame = frames.read_frame(given)
            names = sorted(names, key=[*given.columns, *names].index)
            ids, groups = frame[self.entity], _group(frame, self.entity)
            own = frames.read_cells(ids)
            entities = [own[group[0]] for group in groups]
        if like is not None:
            order, index = (
                np.argsort([row for of in groups for row in of]),
                getattr(like, "index", None),
            )
        elif after is not None:
            seen = np.repeat([len(group) for group in groups], counts)
            order = np.flatnonzero(np.concatenate([*map(np.arange, counts)]) >= seen)
        owners = np.repeat(np.arange(len(counts)), counts)[order]
        cells, ends = dict(cells), np.cumsum([0, *counts]).tolist()
        for name, first in self.ascending.items():
            parts = [cells[name][a + 1 : b] for a, b in itertools.pairwise(ends)]
            sums = map(
                itertools.accumulate, ([x, *y] for x, y in zip(cells[first], parts, strict=True))
            )
            cells[name] = [cell for part in sums for cell in part]
        found = {}
        for name in names:
            values = entities if name == self.entity else cells[name]
            places = order if name in self.rows.names else owners
            found[name] = [values[place] for place in places]
        dtypes = self.entities.dtypes_for(found) | self.rows.dtypes_for(found)
        dtypes |= {name: dtypes[first] for name, first in self.ascending.items()}
        dtypes[self.entity] = self._dtype_for(ids, entities)
        return frames.write_frame(self.library, found, dtypes, index)

    def _dtype_for(self, ids, entities):
        """Returns the text of a dtype of the table's library for entities, as the series `ids`."""
        text = frames.dtype_of(ids)
        if text is not None and ids.implementation.name.lower() == self.library:
            return text
        if frames.kind_of(ids) != "time":
            with contextlib.suppress(TypeError, ValueError):
                text = frames.dtype_of(frames.make_series(self.library, list(entities)))
                if text is not None:
                    return text
        expected = f"must have entities that {self.library} can hold in column {self.entity!r}"
        raise mismatch("df", expected, f"a column of {ids.to_native().dtype}")

    def check_cells(self, cells: Mapping[str, Sequence[Any]]) -> None:
        """Raises a `ValueError` unless the frame's dtypes can hold these cells."""
        self.entities.check_cells(_some(cells, self.entities.names))
        self.rows.check_cells(_some(cells, self.rows.names))

    def check_rules(self, cells: Mapping[str, Sequence[Any]]) -> None:
        """As `keras_bfn.tables.Table.check_rules`."""
        self.entities.check_rules(_some(cells, self.entities.names))
        self.rows.check_rules(_some(cells, self.rows.names))

    def encode_cells(
        self, cells: Mapping[str, Sequence[Any]], seed: int | None = None, missing: int = 0
    ) -> dict[str, Array]:
        """As `keras_bfn.tables.Table.encode_cells`, for cells as `read` returns them.

        After the last row of an entity, no cell is present. Values are 0 there if `missing` is 0,
        else unknown. With `missing=-1`, lengths may be unknown, and without the columns of rows,
        all rows are.
        """
        found = self.entities.encode_cells(_some(cells, self.entities.names), seed, missing)
        return found | self._encode_rows(cells, seed, missing)

    def _encode_rows(self, cells, seed, missing):
        found = {}
        own, lengths = _some(cells, self.rows.names), cells[self.length]
        rows = self.rows.encode_cells(own, seed, missing) if own else {}
        has_lengths = own or missing != -1
        if has_lengths:
            there = self._steps_of(lengths)
        parts, shapes = self.row_parts, self.event_shape()
        for name, flow in self.rows.flow().items():
            unknown, dtype = (-1, "int32") if flow.discrete else (np.nan, "float32")
            x = np.full((len(lengths), *shapes[parts[name]]), unknown, dtype)
            if name in rows:
                x[there] = rows[name]
            if has_lengths and (missing == 0 or name == self.rows.present_part):
                x[~there] = 0
            found[parts[name]] = x
        if own and missing == 0 and self.prior is not None:
            self._fill(found, there, seed)
        return found

    def _fill(self, parts, there, seed):
        """Fills in numbers: draws of missing cells, and means, given all others, of absent rows."""
        rows, x = self.rows, parts[self.row_parts[self.rows.numbers_part]]
        missing = np.zeros(x.shape, "bool")
        for i, name in enumerate(rows.numbers):
            if name in rows.nullable and name not in rows.cycles_parts:
                present = parts[self.row_parts[rows.present_part]]
                missing[:, :, i] = there & (present[:, :, rows.nullable.index(name)] == 0)
        x[~there] = np.nan
        rng = None if seed is None else np.random.default_rng(seed)
        for lacking, draw in ((missing, rng), (np.broadcast_to(~there[:, :, None], x.shape), None)):
            if lacking.any():
                known = np.where(lacking, np.nan, x).reshape(len(x), -1)
                filled = np.clip(self.prior.complete(known, draw), -1.0, 1.0)
                x[lacking] = filled.reshape(x.shape)[lacking]

    def _steps_of(self, lengths):
        """Returns which steps entities of these lengths have: bool, `(num, num_steps)`."""
        return np.arange(self.num_steps) < np.array(lengths)[:, None]

    def decode_cells(
        self, parts: Mapping[str, Array], known: Mapping[str, Sequence[Any]] | None = None
    ) -> dict[str, list[Any]]:
        """As `keras_bfn.tables.Table.decode_cells`, for cells as `read` returns them."""
        check_parts(parts, self.event_shape())
        own, of_rows = (_some(known or {}, t.names) or None for t in (self.entities, self.rows))
        cells = self.entities.decode_cells(parts, own)
        there = self._steps_of(cells[self.length])
        rows = {name: np.asarray(parts[part])[there] for name, part in self.row_parts.items()}
        return {**cells, **self.rows.decode_cells(rows, of_rows)}

    def flow(self) -> dict[str, Flow]:
        """Returns the dict of flows, with the priors of the observed values."""
        rows = self.rows.flow()
        if self.rows.numbers:  # their own prior is of one row
            rows[self.rows.numbers_part] = number_flow(self.prior)
        parts = self.row_parts
        return {**self.entities.flow(), **{parts[name]: flow for name, flow in rows.items()}}

    def event_shape(self) -> dict[str, tuple[int, ...]]:
        """Returns the dict of the parts' shapes."""
        shapes = self.rows.event_shape()
        rows = {part: (self.num_steps, *shapes[name]) for name, part in self.row_parts.items()}
        return {**self.entities.event_shape(), **rows}

    def masks(self, names: Sequence[str]) -> dict[str, Array]:
        """As `keras_bfn.tables.Table.masks`. With a column of rows, the length is known, too."""
        names = list_known(names, [*self.entities.names, *self.rows.names])
        own = [name for name in names if name in self.rows.names]
        static = {name for name in names if name not in own} | ({self.length} if own else set())
        static |= {self.ascending[name] for name in own if name in self.ascending}
        found, rows = self.entities.masks([*static]), self.rows.masks(own)
        shapes, parts = self.event_shape(), self.row_parts
        return {**found, **{parts[x]: np.broadcast_to(rows[x], shapes[parts[x]]) for x in rows}}

    def make_model(
        self, width: int = 128, num_blocks: int = 2, dropout: float = 0.0, seed: int | None = None
    ) -> SequencesModel:
        """Makes an untrained model, as `keras_bfn.tables.Table.make_model` does.

        Its `fit`, `evaluate`, `code_length`, `log_likelihood` (of each entity) and `impute` take
        frames with the entity's column. `sample` returns all rows of as many entities as asked for;
        static columns, and the length, can be given. `extend` returns the rows that follow.

        Args:
            width, num_blocks, dropout, seed: as in `keras_bfn.tables.Table.make_model`.

        Returns:
            An untrained `keras_bfn.tables.SequencesModel`.

        Raises:
            ValueError: if an argument is out of its range.
        """
        steps = list(self.row_parts.values())
        options = {"width": width, "num_blocks": num_blocks, "dropout": dropout, "steps": steps}
        return make_table_model(self, seed, SequencesModel, mixer="sequence", **options)

    def __repr__(self):
        return f"Sequences({self.entity!r}, {self.entities}, {self.rows}, {self.num_steps})"


def _differences(name, cells, groups):
    """Returns each row's difference to the one before it of an entity, 0 for first rows."""
    found = []
    for group in groups:
        own = [cells[row] for row in group]
        if None in own:
            expected = f"must have no missing cell in the ascending column {name!r}"
            raise mismatch("df", expected, f"one in row {group[own.index(None)]}")
        found += [0, *(after - before for before, after in itertools.pairwise(own))]
        if min(found) < 0:
            expected = f"must not decrease in column {name!r} from one row of an entity to the next"
            raise mismatch("df", expected, f"{own}")
    return found


def _some(columns, names):
    return {name: column for name, column in columns.items() if name in names}


def _group(frame, entity):
    """Returns the numbers of each entity's rows, entities in the order of their first rows."""
    groups: dict[Any, list[int]] = {}
    for row, cell in enumerate(frames.read_cells(frame[entity])):
        if cell is None:
            expected = f"must have an entity in column {entity!r} of each row"
            raise mismatch("df", expected, f"none in row {row}")
        groups.setdefault(key_of(cell), []).append(row)
    return list(groups.values())
