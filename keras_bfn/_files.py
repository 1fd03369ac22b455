"""Files that are whole or not there."""

import os
import pathlib


def write_atomically(path, write):
    """Writes a file under another name, waits until it is on the disk, and then names it `path`.

    Args:
        path: where the file shall be.
        write: function of the open binary file.
    """
    path = pathlib.Path(path)
    partial = path.with_name(path.name + ".partial")
    partial.unlink(missing_ok=True)  # perhaps a link to elsewhere
    with open(partial, "xb") as file:
        write(file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, path)
