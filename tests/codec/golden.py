"""A model whose outputs are the same to the bit on every machine, and data.

    KERAS_BACKEND=jax python -m tests.codec.golden

writes the file that `tests/codec/test_golden.py` reads. Once a version of the format is out, write
it no more: what has been written must be read.
"""

import pathlib

import numpy as np

from keras_bfn.codec import Codec, container
from keras_bfn.flows import DiscretizedFlow
from keras_bfn.schedules import QuadraticSchedule
from tests.codec.small import constant_model

FOLDER = pathlib.Path(__file__).parent
PATH = FOLDER / f"format_{container.VERSION}.bfn"
NUM_BINS = 64
X = (np.arange(12 * 9) ** 2 * 7 % NUM_BINS).reshape(12, 3, 3).astype("uint8")


def make_codec():
    """The network says a mean of 1/4 and, as exp(0), a deviation of 1."""
    flow = DiscretizedFlow(NUM_BINS, prediction="data", schedule=QuadraticSchedule(1024.0))
    return Codec(constant_model(flow, [0.25, 0.0], (3, 3)), num_steps=4, batch_size=2)


if __name__ == "__main__":
    PATH.write_bytes(make_codec().compress(X, verbose=0))
