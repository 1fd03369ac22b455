"""Files that are whole or not there."""

import contextlib
import os
import pathlib
import shutil

from keras_bfn._backend import process_of


@contextlib.contextmanager
def whole_file(path):
    """Names a file `path` when it is complete, and on the disk. One that fails is taken away.

    Args:
        path: `pathlib.Path`, where the file shall be.

    Yields:
        The path where it is to be written first, beside it, with the same suffix: of several
        processes that train one model, each has its own.
    """
    partial = _beside(path, "partial")
    partial.unlink(missing_ok=True)  # perhaps a link to elsewhere
    try:
        yield partial
        _sync(partial)
        os.replace(partial, path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def write_atomically(path, write):
    """Writes a file under another name, waits until it is on the disk, and then names it `path`.

    Args:
        path: where the file shall be.
        write: function of the open binary file.
    """
    with whole_file(pathlib.Path(path)) as partial, open(partial, "xb") as file:
        write(file)


def write_folder_atomically(path, write):
    """Writes a folder under another name, waits until it is on the disk, and then names it `path`.

    A folder cannot take the name of another that has files. So that one is renamed first, and for
    that moment there is none of the name: a process that is killed just then leaves both beside it.

    Args:
        path: where the folder shall be, in the place of all that is there.
        write: function of the path of a folder that is not there yet.
    """
    path = pathlib.Path(path).absolute()
    partial, old = _beside(path, "partial"), _beside(path, "partial.old")
    _remove(partial)
    try:
        write(partial)
        for file in partial.rglob("*"):
            if file.is_file():
                _sync(file)
        if path.exists():
            _remove(old)
            path.rename(old)
        partial.rename(path)
    except BaseException:
        if old.exists() and not path.exists():
            old.rename(path)
        _remove(partial)
        raise
    _remove(old)


def _beside(path, kind):
    """Where a process writes first what is to be at `path`: another place than other processes."""
    process, _ = process_of()
    return path.with_name(f"{kind}.{process}.{path.name}" if process else f"{kind}.{path.name}")


def _sync(path):
    with open(path, "rb+") as file:
        os.fsync(file.fileno())


def _remove(path):
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
