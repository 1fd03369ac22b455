"""Training that goes on where it was killed."""

import csv
import json
import os
import pathlib
import zipfile

import keras
import numpy as np
from keras import ops


class Resume(keras.callbacks.Callback):
    """Keeps the whole state of training at the end of every epoch, and goes on from it.

    Run the same script again after it was killed, at any moment, and `fit` goes on with the epoch
    that was not finished, with the same weights, optimizer, averages, seeds and data as if nothing
    had happened. A checkpoint is written beside the last one and then takes its name, so that one
    that was cut short is never mistaken for a whole one; the last two are kept. One that cannot be
    read is skipped, with a line that says so.

    Args:
        directory: where to keep the checkpoints, `checkpoint-<epoch>.npz`, and `metrics.csv`, what
            was logged in each epoch.
        data: the `keras_bfn.datasets.Batches` that `fit` is given, or any object with an attribute
            `epoch` that is set when training goes on; or None.
        verbose: 0 or 1. Whether to say where training goes on.

    Attributes:
        history: a list of dicts, for each epoch its number `"epoch"`, from 1, and its logs.

    Raises:
        ValueError: at the start of `fit`, if the directory holds a checkpoint of another model.

    Example:

    ```python
    train, validation, test = keras_bfn.datasets.mnist()
    model.fit(train, epochs=100, callbacks=[keras_bfn.callbacks.Resume("run/", data=train)])
    ```
    """

    def __init__(self, directory, data=None, verbose=1):
        super().__init__()
        self.directory = pathlib.Path(directory)
        self.data = data
        self.verbose = verbose
        self.history = []

    def on_train_begin(self, logs=None):
        self.directory.mkdir(parents=True, exist_ok=True)
        if not self.model.optimizer.built:
            self.model.optimizer.build(self.model.trainable_variables)
        for path in self._checkpoints():
            try:
                state = _read(path)
            except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
                print(f"Skipped {path}, which cannot be read: {error}", flush=True)
                continue
            self._restore(state, path)
            return

    def on_train_end(self, logs=None):
        # Keras would begin the next `fit` there, too.
        self.model._initial_epoch = None

    def on_epoch_end(self, epoch, logs=None):
        values = {name: float(value) for name, value in (logs or {}).items()}
        self.history.append({"epoch": epoch + 1, **values})
        arrays = {
            f"variable_{i}": ops.convert_to_numpy(variable)
            for i, variable in enumerate(self._variables())
        }
        meta = json.dumps({"epoch": epoch + 1, "history": self.history})
        path = self.directory / f"checkpoint-{epoch + 1:06}.npz"
        _write_atomically(path, lambda file: np.savez(file, meta=meta, **arrays))
        _write_atomically(self.directory / "metrics.csv", self._write_metrics)
        for old in self._checkpoints()[2:]:
            old.unlink()

    def _variables(self):
        """All that training changes, the states of random number generators among it."""
        return [*self.model.variables, *self.model.optimizer.variables]

    def _checkpoints(self):
        return sorted(self.directory.glob("checkpoint-*.npz"), reverse=True)

    def _restore(self, state, path):
        variables = self._variables()
        arrays = [state.get(f"variable_{i}") for i in range(len(variables))]
        fits = len(state) == len(variables) + 1 and all(
            array is not None and array.shape == tuple(variable.shape)
            for array, variable in zip(arrays, variables, strict=True)
        )
        if not fits:
            raise ValueError(
                "Argument `directory` must be that of the same model and optimizer. Received: "
                f"directory={str(self.directory)!r}, whose {path.name} has other variables"
            )
        for variable, array in zip(variables, arrays, strict=True):
            variable.assign(array)
        meta = json.loads(str(state["meta"]))
        self.history = meta["history"]
        self.model._initial_epoch = meta["epoch"]
        if self.data is not None:
            self.data.epoch = meta["epoch"]
        if self.verbose:
            print(f"Going on after epoch {meta['epoch']}, from {path}", flush=True)

    def _write_metrics(self, file):
        names = list(dict.fromkeys(name for row in self.history for name in row))
        lines = _Lines()
        writer = csv.DictWriter(lines, names)
        writer.writeheader()
        writer.writerows(self.history)
        file.write("".join(lines).encode())


class _Lines(list):
    """A text file in memory, for csv."""

    write = list.append


def _read(path):
    """All arrays of a checkpoint, each checked by the sum that the file keeps of it."""
    with np.load(path) as file:
        return {name: file[name] for name in file.files}


def _write_atomically(path, write):
    """Writes a file under another name, waits until it is on the disk, and then names it `path`."""
    partial = path.with_name(path.name + ".partial")
    with open(partial, "wb") as file:
        write(file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, path)
