"""Values for missing cells, which follow from the other cells of the row."""

import keras
import numpy as np

from keras_bfn.tables.numbers import Number

MOST_ENTRIES = 60  # with more, a prior takes long to fit
LEAST_PROBABILITY = 1e-3  # of a class


class Completion:
    """Draws values for missing cells from a joint normal distribution of a row's entries.

    They are sent in place of missing cells. They depend on the other cells as those of whole rows
    do, so messages about them mislead about no other.

    Each number is an entry. If a column is nullable, so is each level, and each class of a column
    but the last, as 0 or 1. Of too many, columns of few entries come first.

    Args:
        columns: dict from names to the table's columns.

    Attributes:
        places: dict from names of columns to the slices of their entries.
        size: int, the number of entries.
    """

    def __init__(self, columns):
        self.flows = {name: column.flow() for name, column in columns.items()}
        self.numbers = [name for name, column in columns.items() if isinstance(column, Number)]
        others = [name for name, flow in self.flows.items() if flow.discrete]
        if not any(column.nullable for column in columns.values()):
            others = []
        self.places, self.size = {}, 0
        for name in [*self.numbers, *sorted(others, key=self._num_entries)]:
            end = self.size + self._num_entries(name)
            if name in self.numbers or end <= MOST_ENTRIES:
                self.places[name], self.size = slice(self.size, end), end

    def _num_entries(self, name):
        flow = self.flows[name]
        return flow.embedding_size - 1 if flow.theta_is_probs else flow.embedding_size

    def entries(self, parts, lacking=None):
        """Returns the entries of rows, `(num, size)`, with NaN for missing and unknown cells.

        Args:
            parts: dict from names of columns to their data.
            lacking: None, or a dict from names of some columns to bools, `(num,)`: the missing
                cells.
        """
        found = {name: self._embed(name, parts[name]) for name in self.places}
        for name, rows in (lacking or {}).items():
            found[name][rows] = np.nan
        return np.concatenate(list(found.values()), axis=1)

    def _embed(self, name, x):
        """Returns the entries of a column, `(num, num_entries)`."""
        if name in self.numbers:
            return x.astype("float64")[:, None]
        known = keras.ops.convert_to_numpy(self.flows[name].embed(np.maximum(x, 0)))
        return np.where(x[:, None] < 0, np.nan, known[:, : self._num_entries(name)])

    def fill(self, prior, parts, lacking, rng):
        """Replaces the data of missing cells by draws, or without a generator by the likeliest.

        Numbers follow from the other numbers of the row. Then each other column follows from all
        columns before it, and from those without missing cells.

        Args:
            prior: a `keras_bfn.flows.JointNormal` of the entries.
            parts, lacking: as in `entries`.
            rng: None, or a NumPy generator.
        """
        x, num = self.entries(parts, lacking), len(self.numbers)
        numbers = {name: rows for name, rows in lacking.items() if name in self.numbers}
        if numbers:
            some = np.any(list(numbers.values()), axis=0)
            found = prior.marginal(num).complete(x[some, :num], rng)
            x[some, :num] = np.clip(found, -1.0, 1.0)
        for name, rows in numbers.items():
            parts[name][rows] = x[rows, self.places[name]][:, 0]
        for name, place in self.places.items():
            if name in lacking and name not in numbers:
                rows, flow = lacking[name], self.flows[name]
                # The mean of a class's entry is its probability.
                entries = prior.complete(x[rows], None if flow.theta_is_probs else rng)[:, place]
                draw = _draw_classes if flow.theta_is_probs else _nearest_levels
                parts[name][rows] = draw(flow, entries, rng)
                x[rows, place] = self._embed(name, parts[name][rows])


def _draw_classes(flow, entries, rng):
    """Returns classes by their probabilities, or the likeliest, given all entries but the last."""
    probs = np.concatenate([entries, 1.0 - entries.sum(axis=1, keepdims=True)], axis=1)
    probs = np.maximum(probs, LEAST_PROBABILITY)
    if rng is None:
        return probs.argmax(axis=1)
    shares = probs.cumsum(axis=1) / probs.sum(axis=1, keepdims=True)
    return (rng.uniform(size=(len(shares), 1)) > shares[:, :-1]).sum(axis=1)


def _nearest_levels(flow, entries, rng):
    return np.clip(np.round(keras.ops.convert_to_numpy(flow.input_mean(entries))), *flow.data_range)
