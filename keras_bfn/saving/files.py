"""Atomic writes: a file or folder is complete or absent."""

import contextlib
import errno
import io
import os
import pathlib
import shutil

from keras_bfn._backend.processes import process_of


@contextlib.contextmanager
def whole(path):
    """Names a file or folder `path` once it is complete and on disk; removes it on failure.

    A folder cannot replace a non-empty folder, so the old one is renamed first. For that moment the
    name does not exist: a process killed then leaves both folders beside it.

    Args:
        path: the final path of the file or folder, which replaces an existing one.

    Yields:
        A temporary path beside it, with the same suffix, to write to. If several processes train
        one model, each has its own.

    Raises:
        FileNotFoundError: if the folder that is to hold it does not exist.
    """
    path = pathlib.Path(path).absolute()
    process, _ = process_of()
    start = f"partial.{process}" if process else "partial"
    partial = path.with_name(f"{start}.{path.name}")
    old = path.with_name(f"{start}.old.{path.name}")
    if not path.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, "There is no such folder", str(path.parent))
    _remove(partial)  # it may be a link to another place
    try:
        yield partial
        for file in (partial, *partial.rglob("*")):
            if file.is_file():
                _sync(file)
        if partial.is_dir() and path.exists():
            _remove(old)
            path.rename(old)
        partial.replace(path)
    except BaseException:
        if old.exists() and not path.exists():
            old.rename(path)
        _remove(partial)
        raise
    _remove(old)


def write_atomically(path, write):
    """Writes a file atomically, by a function that takes the open binary file."""
    with whole(path) as partial, open(partial, "xb") as file:
        write(file)


def is_one_file(path, suffix, overwrite):
    """Whether `path` is a local file with this suffix that may be written without asking."""
    is_path = isinstance(path, (str, os.PathLike)) and "://" not in str(path)
    return is_path and str(path).endswith(suffix) and (overwrite or not os.path.exists(path))


class WeightsFile(io.BytesIO):
    """A weights file in memory, in the form that Keras 3.15 takes.

    On a full disk, h5py terminates the process.
    """

    def __str__(self):
        return "memory.weights.h5"


def write_weights(path, save_weights):
    """Writes a file atomically, by a model's `save_weights`."""
    weights = WeightsFile()
    save_weights(weights)
    write_atomically(path, lambda file: file.write(weights.getbuffer()))


def _sync(path):
    with open(path, "rb+") as file:
        os.fsync(file.fileno())


def _remove(path):
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
