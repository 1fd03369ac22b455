"""Resuming training where it was interrupted."""

import csv
import json
import zlib
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_bfn._backend.collectives import of_all_processes
from keras_bfn._backend.generators import torch_generators
from keras_bfn._backend.processes import process_of
from keras_bfn._typing import Path
from keras_bfn._validation import check_int, check_path, mismatch, refusal, to_numpy
from keras_bfn.saving.files import whole, write_atomically


class Resume(keras.callbacks.Callback):
    """Saves the whole state of training at the end of every epoch, and resumes from it.

    If the script is killed, at any moment, run it again: `fit` resumes with the unfinished epoch,
    with the same weights, optimizer, averages, seeds and data as if nothing had happened. A
    checkpoint is written under another name and renamed when it is complete, so that an incomplete
    one is never mistaken for a whole one; the last two are kept. One that cannot be read is
    skipped, with a message. The callback should be the last in a list: what later ones change is
    not saved.

    As with Keras's `BackupAndRestore`, what other callbacks remember is not saved: `EarlyStopping`,
    `ReduceLROnPlateau` and `ModelCheckpoint` begin anew when a run is resumed, with no best value
    so far. A run that `EarlyStopping` has ended trains on if the script is run again.

    If several processes train one model, each keeps its own checkpoints, those after the first in
    `process-1` and so on in the directory. All resume with the first epoch that any of them lacks.

    Args:
        directory: where to keep the checkpoints, `checkpoint-<epoch>.npz`, and `metrics.csv`, the
            logs of each epoch.
        data: the `keras_bfn.datasets.Batches` given to `fit`, or any object with an attribute
            `epoch`, which is set at the start of each epoch; or None. (The order into which `fit`
            shuffles arrays is not saved.) Each epoch must use all batches of `data`: give
            `steps_per_epoch` to `Batches`, not to `fit`.
        verbose: 0 or 1. Whether to print where training resumes.

    Attributes:
        history: a list of dicts, one for each epoch: its number `"epoch"`, from 1, and its logs.

    Raises:
        ValueError: if an argument is invalid; at the start of `fit`, if the directory holds a
            checkpoint of another model, which has another flow, or variables of other shapes or
            others that train; or of other processes; or if an epoch is not all batches of `data`.

    Example:

    ```python
    train, validation, test = keras_bfn.datasets.mnist()
    model.fit(train, epochs=100, callbacks=[keras_bfn.callbacks.Resume("run/", data=train)])
    ```
    """

    needs_raw_weights = True  # at the end of an epoch

    def __init__(self, directory: Path, data: Any = None, verbose: int = 1) -> None:
        super().__init__()
        self.directory = self._own = check_path("directory", directory)
        if data is not None and not hasattr(data, "epoch"):
            raise refusal("data", "must have an attribute `epoch`", data)
        self.data = data
        self.verbose = check_int("verbose", verbose, 0, 1)
        self.history: list[dict[str, Any]] = []

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        # In a loop of one's own, there may be no `params`.
        steps = (self.params or {}).get("steps")
        num_batches = getattr(self.data, "num_batches", None)
        if None not in (steps, num_batches) and steps != num_batches:
            # With `steps_per_epoch`, Keras 3.15 goes on where the last epoch ended.
            expected = "must have as many batches as an epoch of `fit` has steps: give it the "
            came = f"{num_batches} batches, and {steps} steps"
            raise mismatch("data", f"{expected}`steps_per_epoch`, and not `fit`", came)
        self.history = []
        strategy = getattr(self.model, "distribute_strategy", None)
        process, _ = process_of(strategy)
        self._own = self.directory / f"process-{process}" if process else self.directory
        self._own.mkdir(parents=True, exist_ok=True)
        if not self.model.optimizer.built:
            self.model.optimizer.build(self.model.trainable_variables)
        epoch, state, path = self._find_newest()
        epochs = of_all_processes(epoch, strategy)
        if epoch > min(epochs):  # another process was killed before it had saved this epoch
            epoch, state, path = self._find_newest(up_to=min(epochs))
        if epoch != min(epochs) or max(epochs) - min(epochs) > 1:
            expected = "must contain checkpoints from which all processes can resume at the same "
            came = f"directory={str(self.directory)!r}, where their last epochs are {epochs}"
            raise mismatch("directory", f"{expected}epoch", came)
        if state is not None:
            self._restore(state, path)

    def _find_newest(self, up_to=None):
        """Returns the epoch of the newest checkpoint that can be read, its arrays and its path."""
        for path in self._checkpoints():
            if up_to is not None and path > self._file_of(up_to):
                continue
            try:
                state = _read(path)
                return json.loads(str(state["meta"]))["epoch"], state, path
            except Exception as error:  # of any kind: a broken file fails anywhere
                print(f"Skipped the unreadable checkpoint {path}: {error}", flush=True)
        return 0, None, None

    def _file_of(self, epoch):
        return self._own / f"checkpoint-{epoch:06}.npz"

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.model._initial_epoch = None  # for the next `fit`, even if this one fails
        if self.data is not None:
            # Set, not counted: Keras 3.15 ends an epoch before the first one begins.
            self.data.epoch = epoch

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        self.model._initial_epoch = None  # also if no epoch was left

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        logs = {name: float(value) for name, value in (logs or {}).items()}
        self.history.append({"epoch": epoch + 1, **logs})
        arrays: dict[str, Any] = {}
        for i, variable in enumerate(self._all_variables()):
            arrays[f"variable_{i}"] = to_numpy(ops.convert_to_tensor(variable))
        for i, generator in enumerate(torch_generators()):
            arrays[f"generator_{i}"] = generator.get_state().numpy()
        meta = {"epoch": epoch + 1, "history": self.history, "num_arrays": len(arrays)}
        meta = json.dumps({**meta, "model": self._describe_model()})
        path = self._file_of(epoch + 1)
        write_atomically(path, lambda file: np.savez(file, meta=meta, **arrays))
        self._write_metrics()
        # Keeps one whole checkpoint before this one. Newer ones, which could not be read, do not
        # count.
        for old in [old for old in self._checkpoints() if old < path][1:]:
            old.unlink()

    def _all_variables(self):
        """Returns what training changes, with seed generators' states, which .keras files lack."""
        return [*self.model.variables, *self.model.optimizer.variables]

    def _describe_model(self):
        """Returns what a checkpoint is of, beside the variables' shapes, as a checksum."""
        trainable = [variable.trainable for variable in self.model.variables]
        flow = keras.saving.serialize_keras_object(getattr(self.model, "flow", None))
        # Keras numbers the names of layers in each process.
        flow = json.loads(
            json.dumps(flow), object_hook=lambda x: {k: x[k] for k in x if k != "name"}
        )
        return zlib.crc32(json.dumps([flow, trainable], sort_keys=True).encode())

    def _checkpoints(self):
        return sorted(self._own.glob("checkpoint-*.npz"), reverse=True)

    def _restore(self, state, path):
        variables, meta = self._all_variables(), json.loads(str(state["meta"]))
        arrays = [array for name, array in state.items() if name.startswith("variable_")]
        shapes = [tuple(variable.shape) for variable in variables]
        is_alike = meta["model"] == self._describe_model()
        if [array.shape for array in arrays] != shapes or not is_alike:
            others = f"whose {path.name} has another flow, other variables, or others that train"
            came = f"directory={str(self.directory)!r}, {others}"
            expected = "must contain checkpoints of the same model and optimizer"
            raise mismatch("directory", expected, came)
        for variable, array in zip(variables, arrays, strict=True):
            variable.assign(array)
        for i, generator in enumerate(torch_generators()):
            if f"generator_{i}" in state:  # else the checkpoint comes from a machine without a GPU
                generator.set_state(ops.convert_to_tensor(state[f"generator_{i}"]).cpu())
        self.history = meta["history"]
        # Keras's own callback sets this, too: without it, `fit` would repeat the first epochs.
        # Keras 3.15 does not reset it, and would start all later calls of `fit` there.
        self.model._initial_epoch = meta["epoch"]
        self._write_metrics()
        if self.verbose:
            print(f"Resuming after epoch {meta['epoch']} from {path}", flush=True)

    def _write_metrics(self):
        names = list(dict.fromkeys(name for row in self.history for name in row))
        path = self._own / "metrics.csv"
        with whole(path) as partial, open(partial, "x", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, names)
            writer.writeheader()
            writer.writerows(self.history)


def _read(path):
    """Returns all arrays of a checkpoint, each verified by the checksum in the file."""
    with open(path, "rb") as file, np.load(file) as arrays:
        # NumPy reads only as much as an array's header says, and verifies the checksum only if that
        # is everything.
        broken = arrays.zip.testzip()
        if broken is not None:
            raise ValueError(f"its entry {broken} is damaged")
        state = dict(arrays)
    if len(state) != 1 + json.loads(str(state["meta"]))["num_arrays"]:
        raise ValueError("it has the wrong number of arrays")
    return state
