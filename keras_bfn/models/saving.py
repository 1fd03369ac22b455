"""Files of a model that are written wholly or not at all, though the disk be full."""

import os
import pathlib

from keras_bfn._files import whole_file, write_atomically
from keras_bfn._interrupts import in_turn
from keras_bfn._keras import WeightsFile


class WholeFiles:
    """Mixed into a Keras model: a save that fails leaves the file that was there."""

    @in_turn
    def save(self, filepath, overwrite=True, zipped=None, **kwargs):
        """Writes the model to a `.keras` file, as in Keras.

        The file gets its name when it is complete: a save that fails leaves the one before it.
        """
        if zipped is False or not _is_one_file(filepath, ".keras", overwrite):
            super().save(filepath, overwrite, zipped, **kwargs)
            return
        path = pathlib.Path(filepath)
        with whole_file(path) as partial:
            super().save(partial, zipped=zipped, **kwargs)

    @in_turn
    def save_weights(self, filepath, overwrite=True, max_shard_size=None):
        """Writes all weights to a `.weights.h5` file, as in Keras; else as `save`."""
        is_whole = max_shard_size is None
        if not is_whole or not _is_one_file(filepath, ".weights.h5", overwrite):
            super().save_weights(filepath, overwrite, max_shard_size)
            return
        weights = WeightsFile()
        super().save_weights(weights)
        write_atomically(filepath, lambda file: file.write(weights.getbuffer()))


def _is_one_file(path, suffix, overwrite):
    """Whether this is the path of a file on this machine, to be written without a question."""
    is_path = isinstance(path, (str, os.PathLike)) and "://" not in str(path)
    return is_path and str(path).endswith(suffix) and (overwrite or not os.path.exists(path))
