"""Files that are whole or not there."""

import contextlib
import os
import pathlib


@contextlib.contextmanager
def whole_file(path, partial):
    """Names a file `path` when it is complete, and on the disk. One that fails is taken away.

    Args:
        path: where the file shall be.
        partial: the `pathlib.Path` where it is written first, beside it.
    """
    partial.unlink(missing_ok=True)  # perhaps a link to elsewhere
    try:
        yield
        with open(partial, "rb+") as file:
            os.fsync(file.fileno())
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
    path = pathlib.Path(path)
    partial = path.with_name(path.name + ".partial")
    with whole_file(path, partial), open(partial, "xb") as file:
        write(file)
