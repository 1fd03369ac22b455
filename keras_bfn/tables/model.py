"""A model of a table's rows."""

import math
import time
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import keras
import numpy as np
from keras import ops
from keras.callbacks import Callback, CallbackList

from keras_bfn import recipes
from keras_bfn._parts import count_examples, describe, map_parts, unzip_parts
from keras_bfn._random import seed_of, uniform
from keras_bfn._typing import Array, Data, Frame, Seed, Tensor, Verbose
from keras_bfn._validation import (
    check_int,
    check_rate,
    check_seed,
    check_steps,
    mismatch,
    refusal,
    refuse_details,
    warn,
)
from keras_bfn.distributions import Distribution
from keras_bfn.flows import Flow, expand
from keras_bfn.inputs.missing import is_missing
from keras_bfn.models.programs import check_batch_size
from keras_bfn.orders import AnyOrderNetwork
from keras_bfn.samplers import NUM_STEPS, AncestralSampler
from keras_bfn.tables.checks import MISSING, unmark
from keras_bfn.tables.chunks import batches_of, chunks_of
from keras_bfn.tables.frames import is_frame, make_series, read_frame, read_series

LEAST_BATCH, BATCHES_PER_EPOCH = 64, 8  # by default: larger batches of few rows overfit
TRAINING_STEPS, MANY_ROWS = 2000, 5000  # by default: more steps for more than so many rows
FIRST_STEPS = 20  # before the time is measured: the first ones compile programs
MOST_EPOCHS = 1000  # by default: with more epochs, a model of few rows overfits
PEAK_RATE = 3e-3
NUM_CANDIDATES = 16  # for a row whose start and difference are unknown beside a known end
ATTEMPTS = 4  # to find a candidate that the start's column allows
HISTORIES = 0.25  # of the examples in training: the rows before a random one are known
OPTIONS = {"batch_size": 1024, "verbose": 0}  # of sampling
RECIPE = "table_recipe"  # the name of the optimizer that `fit` chooses


def _count_steps(num_rows):
    return int(TRAINING_STEPS * max(1.0, num_rows / MANY_ROWS) ** 0.5)


class _Foretold(Callback):
    """Says how long the training will take, after some steps."""

    async_safe = True

    def __init__(self, num_steps):
        super().__init__()
        self.num_steps, self.step, self.start = num_steps, 0, None

    def on_train_batch_end(self, batch, logs=None):
        self.step += 1
        if self.step == FIRST_STEPS:
            self.start = time.monotonic()
        elif self.step == 2 * FIRST_STEPS:
            seconds = (time.monotonic() - self.start) / FIRST_STEPS * self.num_steps
            print(f"\n{self.num_steps} training steps, about {math.ceil(seconds / 60)} minutes")


class TableLike(Protocol):
    """A `keras_bfn.tables.Table` or `keras_bfn.tables.Sequences`."""

    def encode(self, df: Frame, /, seed: int | None = None) -> dict[str, Array]: ...

    def decode(self, parts: Mapping[str, Array], /) -> Frame: ...


class Expectation(AncestralSampler):
    """A sampler of expected values, by one network call: for classes the likeliest."""

    def __init__(self) -> None:
        super().__init__(end="last")

    def finish(self, flow: Flow, distribution: Distribution, seed: Seed = None) -> Tensor:
        if flow.num_values is None:
            return distribution.mode()
        return flow.nearest(flow.expected_embedding(distribution))


@keras.saving.register_keras_serializable("keras_bfn")
class TableModel(AnyOrderNetwork):
    """A Bayesian flow network that takes frames and returns frames.

    `fit`, `evaluate` and `code_length` take a frame, or data of the flow. The table is saved with
    the model, in `.keras` files and presets. The first call of a method compiles its program, which
    can take half a minute.

    Args:
        flow, network: as in `keras_bfn.AnyOrderNetwork`; `table.make_model()` chooses them.
        table: a `keras_bfn.tables.Table` or `keras_bfn.tables.Sequences`.
        **kwargs: as in `keras_bfn.AnyOrderNetwork`.

    Raises:
        ValueError: if an argument is out of its range.

    Example:

    >>> import pandas
    >>> df = pandas.DataFrame({"x": np.random.normal(size=90), "class": ["a", "b", "c"] * 30})
    >>> model = keras_bfn.tables.Table.from_dataframe(df).make_model(width=16, seed=0)
    >>> history = model.fit(df, epochs=1, verbose=0)
    >>> model.sample(5, given={"class": "a"}, num_steps=5)["class"].tolist()
    ['a', 'a', 'a', 'a', 'a']
    """

    def __init__(
        self, flow: Mapping[str, Flow], network: keras.Layer, table: TableLike, **kwargs
    ) -> None:
        super().__init__(flow, network, **kwargs)
        if not hasattr(table, "encode") or not hasattr(table, "decode"):
            raise refusal("table", "must be a `keras_bfn.tables.Table` or `Sequences`", table)
        self.table: Any = table

    def fit(
        self,
        x: Data | Frame = None,
        y: None = None,
        batch_size: int | None = None,
        epochs: int | None = None,
        validation_data: Data | Frame = None,
        **kwargs,
    ) -> keras.callbacks.History:
        """Trains the model as `keras_bfn.BayesianFlowNetwork.fit`, with a default recipe.

        Unless the model was compiled otherwise, each call compiles it with AdamW: the learning rate
        rises, then falls to zero at the last step, and the weights are averaged.

        Args:
            x: a frame; a table in chunks, as in `keras_bfn.tables.Table.from_dataframe`; or data as
                in `keras_bfn.BayesianFlowNetwork.fit`. Rows are shuffled within each chunk: write
                sorted files in random order. A warning names columns that the frame lacks.
            batch_size: int. By default an eighth of the rows, but at least 64 and at most 512; 64
                for `Sequences`.
            epochs: int. By default as many as give 2,000 steps, and with more than 5,000 rows more
                in proportion to their number's square root; but at most 1,000. A line says how long
                they will take, unless `verbose=0`.
            validation_data: a frame, or as in Keras, where a frame may stand for the data.
            y: must be None.
            **kwargs: other arguments of `keras.Model.fit`, such as `callbacks` and `verbose`.

        Returns:
            A `keras.callbacks.History`.

        Raises:
            ValueError: if the table does not allow a cell, or an argument is out of its range.
        """
        read = None if is_frame(x) else chunks_of(x)
        if is_frame(x) or read:
            first = next(iter(read()), None) if read else x
            x = x if read else self._encode(x, seed=0)
            num = sum(map(len, read())) if read else count_examples(x)
            if num < 1:
                raise refusal("x", "must have at least one row", first)
            self._warn_of_lacking(first)
            if kwargs.get("validation_split") is not None:  # these rows are not trained on
                num *= 1 - check_rate("validation_split", kwargs["validation_split"])
                if num < 1:
                    expected = "must leave at least one row for training"
                    raise refusal("validation_split", expected, kwargs["validation_split"])
            if batch_size is None:
                batch_size = max(LEAST_BATCH, int(num) // BATCHES_PER_EPOCH)
                batch_size = min(batch_size, self.table.largest_batch)
            steps = math.ceil(int(num) / check_int("batch_size", batch_size, 1))
            if kwargs.get("steps_per_epoch") is not None:
                steps = check_int("steps_per_epoch", kwargs["steps_per_epoch"], 1)
            if epochs is None:
                epochs = min(math.ceil(_count_steps(num) / steps), MOST_EPOCHS)
            check_int("epochs", epochs, 1)
            if read:
                x, batch_size = batches_of(self.table, read, batch_size), None
                kwargs |= {"steps_per_epoch": steps, "shuffle": False}
            if not self.compiled or self.optimizer.name == RECIPE:
                self.compile(recipes.adamw(epochs * steps, PEAK_RATE, name=RECIPE))
            callbacks = kwargs.get("callbacks")
            if kwargs.get("verbose", "auto") != 0 and not isinstance(callbacks, CallbackList):
                foretold = _Foretold(epochs * steps)
                kwargs["callbacks"] = [*filter(None, keras.tree.flatten(callbacks)), foretold]
        elif not self.compiled:
            raise refusal("x", "must be a DataFrame, because the model is not compiled", x)
        epochs = 1 if epochs is None else epochs
        x, validation_data = self._encode(x), self._encode(validation_data)
        return super().fit(x, y, batch_size, epochs, validation_data=validation_data, **kwargs)

    def evaluate(self, x: Data | Frame = None, *args, **kwargs) -> Any:
        """As `keras_bfn.BayesianFlowNetwork.evaluate`, but also takes a frame.

        Unlike in `log_likelihood`, the values of missing cells of nullable columns count.
        """
        return super().evaluate(self._encode(x), *args, **kwargs)

    def code_length(self, x: Data | Frame, *args, **kwargs) -> dict[str, Any]:
        """As `keras_bfn.BayesianFlowNetwork.code_length`, but also takes a frame.

        Unlike in `log_likelihood`, the values of missing cells of nullable columns count.
        """
        return super().code_length(self._encode(x), *args, **kwargs)

    def _encode(self, x, seed=None):
        """Encodes a frame, or the first of a tuple as in Keras."""
        if isinstance(x, tuple) and x:
            return self._encode(x[0], seed), *x[1:]
        if not is_frame(x):
            if hasattr(x, "shape"):
                expected = "must be a frame, or a dict of the parts of the flow"
                raise mismatch("x", expected, describe(x))
            return x
        if not len(x):
            raise refusal("x", "must have at least one row", x)
        return self.table.encode(x, seed)

    def _warn_of_lacking(self, df):
        cells = self.table.read(read_frame(df).head(100).to_native())
        settled = self.table.settle(cells).items()
        lacking = [name for name, values in settled if name not in cells and set(values) == {None}]
        if lacking:
            warn(f"The columns {lacking} are not in `x`, so the model learns nothing of them")

    def log_likelihood(
        self,
        df: Frame,
        num_repeats: int = 100,
        known: Sequence[str] = (),
        **options,
    ) -> Array:
        """Estimates the log likelihood of each row, in nats: low for outliers.

        For numbers, it is the log density of their scores, as the table sends them; for angles, a
        log density; for all other columns, a log probability. Whether a cell of a nullable column
        is missing is part of the row, and counts; unknown values do not count.

        Args:
            df: a frame.
            num_repeats, **options: as in `code_length`.
            known: names of columns. The likelihood is of the other cells, given these: with all
                columns but a class, the log probability of the class. In `Sequences`, a column of
                rows makes the length known, too.

        Returns:
            An array of shape `(num,)`: minus the code length, a lower bound. For rows with missing
            cells of nullable columns it is the difference of two bounds, and so only an estimate.

        Raises:
            ValueError: if the table does not allow a cell, or an argument is out of its range.
        """
        masks, there = self.table.masks(known), {}
        if known or is_frame(df):
            x = self.table.encode_cells(self.table.read(df), missing=1)
            there = {name: ~is_missing(part) for name, part in x.items()}
        options = {"num_repeats": num_repeats, "verbose": 0, **options}
        if known:
            options["known"] = {name: masks[name] & mask for name, mask in there.items()}
        nats = self.code_length(df, **options)
        found = -(nats["transmission"] + nats["reconstruction"])
        if all(mask.all() for mask in there.values()):
            return found
        # By the chain rule, subtract the values of missing cells, given everything else.
        nats = self.code_length(df, **{**options, "known": there})
        return found + nats["transmission"] + nats["reconstruction"]

    def sample(
        self,
        num_rows: int,
        given: Mapping[str, Any] | None = None,
        num_steps: int = NUM_STEPS,
        **options,
    ) -> Frame:
        """Samples rows.

        Args:
            num_rows: int, at least 1.
            given: None, or a dict from some columns to one value for all rows, or to a list or
                series with a value for each row. Unknown values, None or NaN, are sampled, and may
                be missing in nullable columns. With `keras_bfn.tables.MISSING` as a value, rows
                whose cell is missing are sampled.
            num_steps, **options: as in `generate`.

        Returns:
            A frame. Its index is that of the given pandas series, if any.

        Raises:
            ValueError: if there is no such column or value, or an argument is out of its range.
        """
        num_rows, names = check_int("num_rows", num_rows, 1), self.table.names
        refuse_details(options, self.generate)
        given = {} if given is None else given
        if not isinstance(given, dict) or not set(given) <= set(names):
            expected = f"must be a dict from some of the columns {names} to values"
            raise refusal("given", expected, given)
        if not given:
            options = {**OPTIONS, "num_steps": num_steps, **options}
            return self.table.decode(self.generate(num_rows, **options))
        cells: dict[str, list[Any]] = {name: [None] * num_rows for name in names}
        indexes: list[Any] = []
        for name, value in given.items():
            if isinstance(value, (set, frozenset, dict)):
                raise refusal(f"given[{name!r}]", "must be a single value, or a list", value)
            if isinstance(value, np.ndarray) and value.ndim == 0:
                value = value.item()
            series, marks = read_series(value), [False] * num_rows
            if series is None:
                is_list = hasattr(value, "__len__") and not isinstance(value, (str, bytes))
                values = list(value) if is_list else [value] * num_rows
                marks = [cell is MISSING for cell in values]
                if any(marks) and name not in self.table.nullable:
                    raise refusal(f"given[{name!r}]", "must be a value: no cell is missing", value)
                values = [None if cell is MISSING else cell for cell in values]
                series = make_series(self.table.library, values)
            elif hasattr(value, "index"):
                indexes.append(value.index)
            if len(series) != num_rows:
                raise refusal(f"given[{name!r}]", f"must be one value, or {num_rows} values", value)
            pairs = zip(marks, self.table.read_column(name, series), strict=True)
            cells[name] = [MISSING if mark else cell for mark, cell in pairs]
        if not all(index.equals(indexes[0]) for index in indexes):
            raise refusal("given", "must contain series with the same index", given)
        filled = self._fill(cells, -1, num_steps=num_steps, **options)
        return self.table.write(filled, **({"index": indexes[0]} if indexes else {}))

    def impute(
        self,
        df: Frame,
        num_draws: int | None = None,
        num_steps: int = NUM_STEPS,
        **options,
    ) -> Any:
        """Fills in the missing cells of rows, given the other cells of the row.

        That a cell of a nullable column is missing is known, and informs the unknown cells: those
        of other columns, and of columns that the frame lacks. These are sampled first. Then the
        missing cells follow, column by column, given that those of later columns are missing.

        Args:
            df: a frame. Columns that it lacks are unknown.
            num_draws: None, or int. The number of returned frames, each an independent sample.
            num_steps, **options: as in `generate`.

        Returns:
            A frame of the table's columns, in the order of `df`, or a list of `num_draws` frames.
            The other cells, and a pandas index, are those of `df`.

        Raises:
            ValueError: if the table does not allow a cell, or an argument is out of its range.
        """
        num = 1 if num_draws is None else check_int("num_draws", num_draws, 1)
        refuse_details(options, self.generate)
        check_steps(num_steps)
        filled = self._fill_in(df, num, num_steps=num_steps, **options)
        found = []
        for i in range(num):
            own = {name: x[i * len(x) // num :][: len(x) // num] for name, x in filled.items()}
            found.append(self.table.write(own, like=df))
        return found[0] if num_draws is None else found

    def impute_expected(
        self,
        df: Frame,
        seed: int | None = None,
        batch_size: int = 1024,
        verbose: Verbose = 0,
    ) -> Frame:
        """Fills in each missing cell by its expected value, given the row's known cells.

        This takes one network call. It errs less than a sample, but cells filled in one row need
        not go together, and their spread is lost. For a number, the expected value is that of its
        score, near the median; for a level, the nearest to the mean; for a class or an angle, the
        likeliest. If a rule's end is known, but neither its start nor the difference, the start is
        sampled.

        Args:
            df: a frame. Columns that it lacks are missing.
            seed, batch_size, verbose: as in `generate`.

        Returns:
            A frame of the table's columns, in the order of `df`. The other cells, and a pandas
            index, are those of `df`.

        Raises:
            ValueError: if the table does not allow a cell, or an argument is out of its range.

        Example:

        >>> import pandas
        >>> df = pandas.DataFrame({"x": np.random.normal(size=90), "class": ["a", "b", "c"] * 30})
        >>> model = keras_bfn.tables.Table.from_dataframe(df).make_model(width=16, seed=0)
        >>> history = model.fit(df, epochs=1, verbose=0)
        >>> model.impute_expected(df[["x"]]).isna().sum().tolist()
        [0, 0]
        """
        options = {"seed": seed, "batch_size": batch_size, "verbose": verbose}
        return self.table.write(self._fill_in(df, 1, expected=True, **options), like=df)

    def _fill_in(self, df, num, **options):
        """Returns the cells of a frame's rows, `num` times, without missing ones."""
        read = self.table.read(df)
        if not len(df):
            raise refusal("df", "must have at least one row", df)
        self.table.check_rules(read)  # of all rows, so that a message has the row's number
        cells = {name: num * values for name, values in self.table.complete(read).items()}
        nullable = self.table.nullable
        cells |= self._mark(cells, read)
        owners = {name: self.table.owners(cells, name) for name in cells}
        total = 1 + max(max(numbers) for numbers in owners.values())
        size = check_batch_size(options.get("batch_size", OPTIONS["batch_size"]), total)
        seed = options.pop("seed", None)
        for target in (None, *nullable):
            if target is not None:
                cells |= unmark({target: cells[target]})
            pairs = (zip(owners[name], cells[name], strict=True) for name in cells)
            rows = {i for column in pairs for i, cell in column if cell is None}
            if not rows:
                continue
            own = seed if seed is None else seed_of(check_seed(seed), f"missing {target!r}")
            missing = -1 if target is None else 1
            # Whole batches, all of one size: one program is compiled.
            drawn = np.resize(sorted(rows), -(-len(rows) // size) * size).tolist()
            some = self.table.take(cells, drawn)
            filled = self._fill(some, missing, seed=own, **options)
            for name, values in filled.items():
                gone = MISSING if name in nullable else None
                new = iter(gone if cell is None else cell for cell in values)
                pairs = zip(owners[name], cells[name], strict=True)
                cells[name] = [next(new) if i in rows else cell for i, cell in pairs]
        return unmark(cells)

    def _mark(self, cells, read):
        """Returns the cells of nullable columns, `MISSING` where a frame's cell is missing."""
        names = {*self.table.nullable} & {*read}
        return {x: [MISSING if cell is None else cell for cell in cells[x]] for x in names}

    def _fill(self, cells, missing, expected=False, **options):
        """Fills in the cells that are None, given the others, in lists of cells.

        Args:
            cells, missing: as in `keras_bfn.tables.Table.encode_cells`.
            expected: bool. Whether by expected values instead of samples.
            **options: as in `generate`.
        """
        options = {**OPTIONS, **options}

        def draw(x, **options):
            return self.generate(count_examples(x), given=x, **options)

        def encode(cells):
            pairs = {name: zip(cells[name], marked[name], strict=True) for name in cells}
            marks = {name: [y if y is MISSING else x for x, y in of] for name, of in pairs.items()}
            return self.table.encode_cells(marks, missing=missing)

        marked = self.table.settle(cells)
        x, known = encode(marked), unmark(marked)
        self.table.check_cells(unmark(cells))  # before sampling, rather than after it
        if self.table.tied(known):
            for attempt in range(ATTEMPTS):
                if tied := self.table.tied(known):
                    seed = options.get("seed")
                    seed = None if seed is None else seed_of(int(seed), f"candidates {attempt}")
                    some = self.table.take(known, tied)
                    some = {name: NUM_CANDIDATES * values for name, values in some.items()}
                    drawn = self.table.encode_cells(some, missing=missing)
                    drawn = draw(drawn, **{**options, "seed": seed})
                    known = self.table.untie(known, tied, self.table.decode_cells(drawn))
            known = self.table.untie(known, self.table.tied(known))
            x = encode(known)
        if expected:
            options |= {"num_steps": 1, "sampler": Expectation()}
        return self.table.decode_cells(draw(x, **options), known)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "table": keras.saving.serialize_keras_object(self.table)}


@keras.saving.register_keras_serializable("keras_bfn")
class SequencesModel(TableModel):
    """A model of `keras_bfn.tables.Sequences`, which also samples the rows that follow others.

    In a quarter of the training examples, an entity's rows before a random one are known, and each
    static column with a probability of a half.

    Args:
        flow, network, table, **kwargs: as in `keras_bfn.tables.TableModel`.

    Raises:
        ValueError: if an argument is out of its range.

    Example:

    >>> import pandas
    >>> df = pandas.DataFrame({"patient": [7, 7, 7, 9, 9], "pain": [3, 2, 1, 5, 4]})
    >>> model = keras_bfn.tables.Sequences.from_dataframe(df, "patient").make_model(width=16)
    >>> history = model.fit(df, epochs=1, verbose=0)
    >>> model.extend(df[3:4], num_rows=1, num_steps=5)["patient"].tolist()
    [9]
    """

    def draw_state(self, name, loss, u, x, observed, training=False):
        state = super().draw_state(name, loss, u, x, observed, training)
        if not training:
            return state
        num = ops.shape(u)[0]
        chosen, share = (uniform((num,), self.seed_generator) for _ in range(2))
        observed = map_parts(ops.ones_like, state.known) if observed is None else observed

        def change(name, t, known, messages, coded, observed):
            if name in self.table.row_parts.values():
                steps = np.arange(self.table.num_steps, dtype="float32") / self.table.num_steps
                given = ops.less(steps, share[:, None])
            else:
                given = uniform((num,), self.seed_generator) < 0.5
            given = ops.logical_and(expand(given, t) > 0, ops.cast(observed, "bool"))
            here = expand(chosen, t) < HISTORIES
            new = expand(loss.times(u), t), given, ops.cast(~given, "float32"), 0.0
            old = t, known, messages, coded
            return tuple(ops.where(here, a, b) for a, b in zip(new, old, strict=True))

        names = {name: name for name in self.flow}
        found = unzip_parts(map_parts(change, names, *state[:4], observed))
        return type(state)(*found, state.causal)

    def extend(
        self,
        df: Frame,
        num_rows: int | None = None,
        num_draws: int | None = None,
        num_steps: int = NUM_STEPS,
        **options,
    ) -> Any:
        """Samples the rows that follow those of each entity.

        Whether another row follows at all is the fraction of draws in which one does.

        Args:
            df: a frame with all rows of each entity so far.
            num_rows: int, or None. The number of rows that follow; by default as many as the model
                expects, perhaps none.
            num_draws: None, or int. The number of returned frames, each an independent sample.
            num_steps, **options: as in `generate`.

        Returns:
            A frame of the new rows, in the columns' order of `df`, or a list of `num_draws` frames.

        Raises:
            ValueError: if the table does not allow a cell or a length, or an argument is out of its
                range.
        """
        num = 1 if num_draws is None else check_int("num_draws", num_draws, 1)
        num_rows = None if num_rows is None else check_int("num_rows", num_rows, 1)
        refuse_details(options, self.generate)
        read = self.table.read(df)
        cells = self.table.complete(read)
        x = self.table.encode_start(cells | self._mark(cells, read), num_rows)
        count = count_examples(x)
        x = {name: np.concatenate([part] * num) for name, part in x.items()}
        options = {**OPTIONS, "num_steps": num_steps, **options}
        drawn = self.generate(num * count, given=x, **options)
        found = []
        for i in range(num):
            own = {name: part[i * count :][:count] for name, part in drawn.items()}
            found.append(self.table.write(self.table.decode_next(own, cells), after=df))
        return found[0] if num_draws is None else found
