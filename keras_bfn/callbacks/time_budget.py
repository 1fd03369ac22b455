"""Training for a given time."""

import time
import weakref
from typing import Any, Literal

import keras

from keras_bfn._validation import check_between, check_choice, check_positive, refusal
from keras_bfn.callbacks.resume import Resume

CLOCKS = {"wall": time.perf_counter, "processor": time.process_time}
# Optimizers that an interrupt left at a lower rate: that rate, and the highest.
_INTERRUPTED: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()


class TimeBudget(keras.callbacks.Callback):
    """Trains for a number of seconds, with a learning rate that rises and falls as they pass.

    Give `fit` more epochs than the time allows. The rate is set at the start of each epoch, and the
    clock is read at its end: make an epoch a small part of the budget, by `steps_per_epoch` of
    `keras_bfn.datasets.Batches` or, without a `Resume`, of `fit`. The highest rate is the
    optimizer's when `fit` starts. It is restored when `fit` ends, or, after an interrupt, when the
    next budget begins.

    Args:
        seconds: positive float.
        rise: float in (0, 1). The fraction of the time in which the rate rises.
        fall: float in (0, 1). The fraction of the time, at the end, in which it falls to zero.
        clock: `"wall"`, or `"processor"`, for the processor time of all threads of this process, so
            that runs on a busy machine can be compared.
        resume: the `Resume` of the same `fit`, or None. With it, the time used before an
            interruption counts when training resumes. It must come after this callback in the list.
            Keras ends training after an epoch at the earliest: if all of the time was used, each
            further `fit` trains one epoch at a rate of 0. This moves only averages of the weights.

    Attributes:
        used: float, the seconds used at the end of the last epoch. Also logged, as `"seconds"`.

    Raises:
        ValueError: if an argument is invalid; in `fit`, if `resume` comes before this callback, or
            is not in the list.
        TypeError: by Keras, in `fit`, if the optimizer has a learning rate schedule of its own.

    Example, a tenth of a second:

    >>> model.compile(keras_bfn.recipes.adamw())
    >>> budget = keras_bfn.callbacks.TimeBudget(seconds=0.1)
    >>> history = model.fit(images, epochs=1000, callbacks=[budget], verbose=0)
    >>> 0.1 <= budget.used, len(history.epoch) < 1000
    (True, True)
    """

    def __init__(
        self,
        seconds: float,
        rise: float = 0.03,
        fall: float = 0.6,
        clock: Literal["wall", "processor"] = "wall",
        resume: Resume | None = None,
    ) -> None:
        super().__init__()
        self.seconds = check_positive("seconds", seconds)
        self.rise = check_between("rise", rise, 0, 1)
        self.fall = check_between("fall", fall, 0, 1)
        self.clock = CLOCKS[check_choice("clock", clock, list(CLOCKS))]
        if resume is not None and not isinstance(resume, Resume):
            raise refusal("resume", "must be a `Resume`, or None", resume)
        self.resume = resume
        self.used = 0.0

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        rate = float(self.model.optimizer.learning_rate)
        left, highest = _INTERRUPTED.get(self.model.optimizer, (None, None))
        self.peak_rate = highest if rate == left else rate
        self.start: Any = None
        self._history = self.resume and self.resume.history  # `Resume` will begin with another list

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if self.start is None:  # all callbacks have begun, and `Resume` has read its history
            if self.resume is not None and self.resume.history is self._history:
                expected = "must be in the list of callbacks, after this one"
                raise refusal("resume", expected, self.resume)
            history = self.resume.history if self.resume is not None else []
            before = history[-1].get("seconds", 0.0) if history else 0.0
            self.start = self.clock() - before
        share = min(1.0, (self.clock() - self.start) / self.seconds)
        level = min(1.0, (share + 1e-3) / self.rise, (1.0 - share) / self.fall)
        optimizer = self.model.optimizer
        optimizer.learning_rate = self.peak_rate * level
        _INTERRUPTED[optimizer] = float(optimizer.learning_rate), self.peak_rate

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.used = self.clock() - self.start
        if logs is not None:
            logs["seconds"] = self.used
        self.model.stop_training = self.model.stop_training or self.used >= self.seconds

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        self.model.optimizer.learning_rate = self.peak_rate
        _INTERRUPTED.pop(self.model.optimizer, None)
