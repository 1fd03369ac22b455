"""Tables larger than memory: frames that are read one after another, anew for each epoch."""

import collections
import itertools
import math
import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from keras_bfn._imports import tell_to_install
from keras_bfn._typing import Array, Frame
from keras_bfn._validation import refusal
from keras_bfn.tables import frames

CHUNK = 65_536  # rows read at a time
MOST_ROWS = 100_000  # drawn at random, to describe a larger table


def chunks_of(x: Any) -> Callable[[], Iterable[Frame]] | None:
    """Returns a function that reads a table's frames; None if `x` is no table in chunks.

    Args:
        x: the path of a Parquet file, or a list of paths; a lazy frame of polars; a list of frames;
            or a function without arguments that returns an iterable of frames.
    """
    if hasattr(x, "collect_batches"):
        return lambda: x.collect_batches(chunk_size=CHUNK, maintain_order=True)
    paths = [x] if isinstance(x, (str, os.PathLike)) else x
    if isinstance(paths, (list, tuple)) and paths:
        if all(isinstance(path, (str, os.PathLike)) for path in paths):
            return lambda: itertools.chain.from_iterable(map(_read_parquet, paths))
        return (lambda: paths) if all(map(frames.is_frame, paths)) else None
    return x if callable(x) else None


def _read_parquet(path):
    with tell_to_install("Parquet files need pyarrow: pip install pyarrow"):
        from pyarrow import parquet
    with parquet.ParquetFile(path) as file:
        for batch in file.iter_batches(CHUNK):
            yield batch.to_pandas()


def draw_rows(chunks: Iterable[Frame], few: int, most: int) -> Frame:
    """Draws rows, of which some may not be left out, so that they describe the whole table.

    Args:
        chunks: frames of the same columns.
        few, most: int. How many different numbers, or classes, of a column may not be left out.

    Returns:
        A frame of 100,000 random rows, or of all, and of those with a new class, a smaller or
        larger number, or a first missing cell.
    """
    rng = np.random.default_rng(0)
    seen: dict[str, dict] = collections.defaultdict(dict)
    found, places = None, np.empty(0)
    for chunk in chunks:
        frame = frames.read_frame(chunk)
        place = rng.uniform(size=len(frame))
        for name in frame.columns:
            place[_find_new(frame[name], seen[name], few, most)] = -1.0
        places = np.append(places, place)
        if found is not None:
            frame = frames.import_narwhals().concat([found, frame])
        num = max(MOST_ROWS, np.sum(places < 0))
        rows = np.sort(np.argsort(places, kind="stable")[:num])
        found, places = frame[rows.tolist()], places[rows]
    if found is None:
        raise refusal("df", "must have at least one frame", found)
    return found.to_native()


def _find_new(series, seen, few, most):
    """Returns the first rows of values that are not among `seen`, and adds them to these."""
    kind, new = frames.kind_of(series), []
    if kind is None:
        return new
    if None not in seen and series.null_count():
        seen[None] = None
        new.append(int(np.flatnonzero(series.is_null().to_numpy())[0]))
    limit = most if kind == "category" else few
    if len(seen) <= limit:
        rows = np.flatnonzero(series.is_first_distinct().to_numpy()).tolist()
        cells = dict(zip(frames.read_cells(series[rows]), rows, strict=True))
        others = [row for cell, row in cells.items() if cell not in seen]
        seen.update(cells)
        new += others if len(seen) <= limit else []
    if kind != "category" and series.null_count() < len(series):
        ends = [int(series.arg_min()), int(series.arg_max())]
        low, high = frames.read_cells(series[ends])
        least, largest = seen.get("limits", (math.inf, -math.inf))
        new += [ends[0]] * (low < least) + [ends[1]] * (high > largest)
        seen["limits"] = min(low, least), max(high, largest)
    return new


def batches_of(
    table: Any, read: Callable[[], Iterable[Frame]], batch_size: int
) -> Iterator[dict[str, Array]]:
    """Yields batches of a table's data without end. Rows are shuffled within a chunk."""
    rng, rest = np.random.default_rng(0), None
    while True:
        chunk = None
        for chunk in read():
            x = table.encode(chunk, seed=int(rng.integers(2**31)))
            order = rng.permutation(len(chunk))
            x = {name: part[order] for name, part in x.items()}
            if rest is not None:
                x = {name: np.concatenate([rest[name], part]) for name, part in x.items()}
            num = len(next(iter(x.values())))
            for start in range(0, num - batch_size + 1, batch_size):
                yield {name: part[start : start + batch_size] for name, part in x.items()}
            rest = {name: part[num - num % batch_size :] for name, part in x.items()}
        if chunk is None:
            raise refusal("x", "must be frames that can be read again for each epoch", read)
