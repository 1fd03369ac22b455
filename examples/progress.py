"""Lines of progress: what an example does, for how long, and how long training still takes."""

import threading
import time

import keras

SECONDS_PER_LINE = 5.0
SHOWN = ("loss", "val_nats_per_example", "val_bits_per_character")


class Progress(keras.callbacks.Callback):
    """Within this context, prints a line every five seconds; less often after five minutes.

    As a callback of `fit`, the lines also have the epoch, the remaining time, and the
    latest metrics:

        with Progress("Training") as progress:
            model.fit(x, epochs=20, callbacks=[progress], verbose=0)

    Args:
        task: string, what is being done.
        budget: the `keras_bfn.callbacks.TimeBudget` that ends the training, or None if all
            epochs are trained.
    """

    def __init__(self, task, budget=None):
        super().__init__()
        self.task, self.budget = task, budget
        self.state, self.metrics = "", {}
        self._is_over = threading.Event()
        # A thread, because lines are also due while a model is compiled.
        self._thread = threading.Thread(target=self._print_lines, daemon=True)

    def __enter__(self):
        self.start = time.monotonic()
        print(f"{self.task} ...", flush=True)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._is_over.set()
        self._thread.join()

    def _print_lines(self):
        while not self._is_over.wait(max(SECONDS_PER_LINE, self.seconds() / 60)):
            self._print_line()

    def _print_line(self):
        metrics = "".join(f", {name} {x:.4g}" for name, x in self.metrics.items())
        print(f"  {self.seconds():.0f} s{self.state}{metrics}", flush=True)

    def seconds(self):
        return time.monotonic() - self.start

    def on_train_begin(self, logs=None):
        self.state, self.first_step = ", compiling", None

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        epochs, steps = self.params["epochs"], self.params["steps"]
        now, step = time.monotonic(), self.epoch * steps + batch
        if self.first_step is None:  # which includes compiling
            self.first_step, self.compiled = step, now
            return
        if self.budget is None:
            seconds = (now - self.compiled) / (step - self.first_step)
            left = seconds * (epochs * steps - step - 1)
            self.state = f", epoch {self.epoch + 1} of {epochs}, {left:.0f} s left"
        else:
            used, seconds = self.budget.used, self.budget.seconds
            self.state = f", step {step + 1}, {used:.0f} of {seconds:.0f} s of training"

    def on_test_begin(self, logs=None):
        self.state_in_training = self.state
        self.state += ", validating"

    def on_test_end(self, logs=None):
        self.state = self.state_in_training

    def on_epoch_end(self, epoch, logs=None):
        self.metrics |= {name: logs[name] for name in SHOWN if name in logs}

    def on_train_end(self, logs=None):
        self._print_line()
