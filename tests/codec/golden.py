"""A model whose outputs are the same to the bit on every machine, and data.

    KERAS_BACKEND=jax python -m tests.codec.golden

writes the files that `tests/codec/test_golden.py` reads, if they are not there: what has been
written must be read.
"""

import pathlib

import numpy as np

import keras_bfn
from keras_bfn.codec import Codec, container
from keras_bfn.flows import DiscreteFlow, DiscretizedFlow
from keras_bfn.orders import Groups
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


NUMBERS = {"levels": np.array([[0, 0, 0], [0, 2, 2], [2, 2, 2]]), "classes": 1}
ORDERS = {"direct": Groups(NUMBERS), "mixed": Groups(NUMBERS, coded_directly=[False, True, False])}
PARTS = {"levels": X, "classes": (np.arange(24) ** 2 * 3 % 4).reshape(12, 2)}


def path_of(order):
    return FOLDER / f"format_{container.VERSION}_{order}.bfn"


def make_codec_in(order):
    """The network says of classes that all four are alike."""
    schedule = QuadraticSchedule(1024.0)
    flow = {
        "levels": DiscretizedFlow(NUM_BINS, prediction="data", schedule=schedule),
        "classes": DiscreteFlow(4, beta_1=1.0),
    }
    output, shapes = (
        {"levels": [0.25, 0.0], "classes": [0.0] * 4},
        {"levels": (3, 3), "classes": (2,)},
    )
    model = constant_model(flow, output, shapes, keras_bfn.AnyOrderNetwork)
    return Codec(model, num_steps=4, batch_size=2, order=ORDERS[order])


if __name__ == "__main__":
    if not PATH.exists():
        PATH.write_bytes(make_codec().compress(X, verbose=0))
    for order in ORDERS:
        if not path_of(order).exists():
            path_of(order).write_bytes(make_codec_in(order).compress(PARTS, verbose=0))
