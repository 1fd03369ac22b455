"""Batches of a data set, each determined by a seed, the epoch and the batch's number."""

import contextlib
import functools
import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import keras
import numpy as np

from keras_bfn._typing import Array
from keras_bfn._validation import (
    MOST_COUNTED,
    check_bool,
    check_int,
    check_seed,
    mismatch,
    refusal,
    to_numpy,
)

HELD_OUT = 0.01  # the fraction of the training data held out for validation, as in the paper


class Epochs(keras.utils.PyDataset):
    """Batches that differ from epoch to epoch, numbered by `epoch` in training."""

    def __init__(self, training: bool, seed: int) -> None:
        # With more workers, Keras 3.15 carries batches that were prefetched in one epoch into the
        # next (keras-team/keras#20123).
        super().__init__(workers=1, use_multiprocessing=False)
        self.training, self.seed = check_bool("training", training), check_seed(seed)
        self.epoch = 0
        self._within_epoch = False
        self._is_evaluated = False

    def on_epoch_begin(self) -> None:
        if not self._is_evaluated:
            self._within_epoch = True

    def on_epoch_end(self) -> None:
        if self._is_evaluated:
            return
        # In Keras 3.15, `fit` also calls this before the first epoch.
        if self.training and self._within_epoch:
            self.epoch += 1
        self._within_epoch = False

    @contextlib.contextmanager
    def evaluated(self) -> Iterator[None]:
        """Within this context, passes over the batches are no epochs of training."""
        before, self._is_evaluated = self._is_evaluated, True
        try:
            yield
        finally:
            self._is_evaluated = before

    def check_index(self, index: int) -> None:
        """Raises an `IndexError` if there is no such batch."""
        if not 0 <= index < self.num_batches:
            raise IndexError(
                f"There are {self.num_batches} batches, numbered from 0. Received: index={index}"
            )


def evaluation_of(x):
    """Returns a context in which `evaluate` leaves the epoch of `x` as it is, if it has one."""
    return x.evaluated() if isinstance(x, Epochs) else contextlib.nullcontext()


class Batches(Epochs):
    """Examples held in memory, in batches that `fit` takes on every backend.

    The order of an epoch and all random numbers of a batch depend only on `seed`, `epoch` and the
    batch's number. A run that is resumed at an epoch sees the same batches as an uninterrupted one.

    Args:
        examples: array, or any object with a length that an integer array can index.
        transform: function that takes rows of `examples` and a `numpy.random.Generator`, and
            returns a batch of data.
        batch_size: int.
        labels: int array of shape `(len(examples),)`, or None. With labels, batches have the form
            that a conditional model takes: `((data, labels),)`.
        training: bool. If True, each epoch has its own order and noise, and an incomplete last
            batch is dropped. If False, order and noise are always the same, and the last batch may
            be smaller.
        seed: int.
        steps_per_epoch: int or None. The number of batches in an epoch; by default one pass over
            the data. With `training=False`, at most one pass.

    Attributes:
        num_batches: int. The number of batches in an epoch.
        epoch: int. The number of the training epoch. `fit` increments it; set it to resume there.
            `BayesianFlowNetwork.evaluate` scores the batches of this epoch, and does not count.

    Raises:
        ValueError: if there are too few examples for one batch, the numbers of labels and examples
            differ, or an argument is out of range.

    Example:

    >>> rows = np.arange(12).reshape(6, 2)
    >>> batches = keras_bfn.datasets.Batches(rows, lambda rows, rng: rows, batch_size=3)
    >>> [batch.shape for batch in batches]
    [(3, 2), (3, 2)]
    """

    shuffles_itself = True  # tells `fit` not to shuffle the batches as well

    def __init__(
        self,
        examples: Any,
        transform: Callable[[Any, np.random.Generator], Any],
        batch_size: int,
        labels: Array | None = None,
        training: bool = True,
        seed: int = 0,
        steps_per_epoch: int | None = None,
    ) -> None:
        super().__init__(training, seed)
        examples = _by_rows("examples", examples)
        labels = None if labels is None else _by_rows("labels", labels)
        if labels is not None and len(labels) != len(examples):
            expected = f"must have one label for each of {len(examples)} examples"
            raise mismatch("labels", expected, f"{len(labels)} labels")
        if not callable(transform):
            raise refusal("transform", "must be a function", transform)
        self.examples, self.transform, self.labels = examples, transform, labels
        self.batch_size = check_int("batch_size", batch_size, 1)
        if len(examples) < (batch_size if training else 1):
            expected = f"must be at most the number of examples, {len(examples)}"
            raise refusal("batch_size", expected, batch_size)
        per_pass = len(examples) / batch_size
        self._per_pass = math.floor(per_pass) if training else math.ceil(per_pass)
        if steps_per_epoch is not None:
            most = MOST_COUNTED if training else self._per_pass
            check_int("steps_per_epoch", steps_per_epoch, 1, most)
        self.steps_per_epoch = steps_per_epoch

    @property
    def num_batches(self) -> int:
        return self.steps_per_epoch or self._per_pass

    def __getitem__(self, index: int) -> Any:
        self.check_index(index)
        rows = self._rows(index)
        epoch = self.epoch if self.training else 0
        rng = np.random.default_rng((self.seed, epoch, 1, index))
        x = self.transform(self.examples[rows], rng)
        return x if self.labels is None else ((x, self.labels[rows]),)

    def _rows(self, index):
        num = len(self.examples)
        start = index * self.batch_size
        if not self.training:
            return np.arange(start, min(start + self.batch_size, num))
        # With steps_per_epoch an epoch may be several passes over the data, or part of one.
        number = self.epoch * self.num_batches + index
        this_pass, place = divmod(number, self._per_pass)
        order = _order(self.seed, this_pass, num)
        return order[place * self.batch_size : (place + 1) * self.batch_size]


def _by_rows(name, values):
    """Returns values that can be indexed by an array of rows."""
    has_rows = hasattr(values, "__getitem__") and hasattr(values, "__len__")
    if not has_rows or getattr(values, "shape", None) == ():
        raise refusal(name, "must be an array, or support indexing by rows", values)
    # Indices of pandas are labels of rows, not positions.
    is_array = not isinstance(values, (list, tuple)) and not hasattr(values, "iloc")
    return values if is_array else to_numpy(values, name)


@functools.lru_cache(maxsize=2)
def _order(seed, this_pass, num):
    return np.random.default_rng((seed, this_pass, 0)).permutation(num)


class Splits(NamedTuple):
    """The parts of a data set, each in batches for `fit` and `evaluate`.

    Example:

    >>> splits = keras_bfn.datasets.embedded_digits(batch_size=50, limit=100)
    >>> splits.train[0].shape
    (50, 28, 28, 1)

    Attributes:
        train: batches with a new order and new random numbers in every epoch.
        validation: batches held out of the training data, always the same.
        test: batches that are always the same.
    """

    train: Batches
    validation: Batches
    test: Batches


@contextlib.contextmanager
def loading(name, expected):
    """Turns an error in loading a data set into one that names it and says what is needed."""
    try:
        yield
    except Exception as error:  # of many types: no network, no file, a wrong checksum
        reason = str(error).partition("\n")[0]
        came = f"({type(error).__name__}: {reason})"
        raise FileNotFoundError(f"The dataset {name!r} {expected}. {came}") from error


def hold_out(num_examples, share=HELD_OUT):
    """Returns the row numbers kept and those held out, chosen at random with a fixed seed."""
    order = np.random.default_rng(0).permutation(num_examples)
    num_held_out = max(1, round(share * num_examples))
    return order[num_held_out:], order[:num_held_out]
