"""Files and folders that are whole or not there."""

import contextlib
import io
import os
import pathlib
import shutil

from keras_bfn._backend import process_of


@contextlib.contextmanager
def whole(path):
    """Names a file or folder `path` once it is complete, and on the disk; removes it if it fails.

    A folder cannot take the name of another that has files. So that one is renamed first, and for
    that moment there is none of the name: a process that is killed just then leaves both beside it.

    Args:
        path: where the file or folder shall be, in the place of what is there.

    Yields:
        The path where it is to be written first, beside it, with the same suffix: of several
        processes that train one model, each has its own.
    """
    path = pathlib.Path(path).absolute()
    process, _ = process_of()
    start = f"partial.{process}" if process else "partial"
    partial = path.with_name(f"{start}.{path.name}")
    old = path.with_name(f"{start}.old.{path.name}")
    _remove(partial)  # perhaps a link to elsewhere
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
    """Writes a whole file by a function of the open binary file."""
    with whole(path) as partial, open(partial, "xb") as file:
        write(file)


def is_one_file(path, suffix, overwrite):
    """Whether this is the path of a file on this machine, to be written without a question."""
    is_path = isinstance(path, (str, os.PathLike)) and "://" not in str(path)
    return is_path and str(path).endswith(suffix) and (overwrite or not os.path.exists(path))


class WeightsFile(io.BytesIO):
    """A file in memory, as Keras 3.15 takes it. Where a disk is full, h5py ends the process."""

    def __str__(self):
        return "memory.weights.h5"


def write_weights(path, save_weights):
    """Writes a whole file by a model's `save_weights`."""
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
