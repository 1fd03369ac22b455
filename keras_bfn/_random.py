"""Seeds: streams that do not overlap, and draws from another seed for a while."""

import contextlib

import keras
import numpy as np
from keras import ops

from keras_bfn._validation import check_int


def make_seed_generator(seed):
    """A generator whose stream is unrelated to that of any other seed.

    The torch backend adds the words of a generator's state, so that the streams of seeds 1 and 2
    would overlap. Hashing the seed keeps them apart.
    """
    if seed is None:
        return keras.random.SeedGenerator()
    word = np.random.SeedSequence(check_int("seed", seed, 0)).generate_state(1)[0]
    return keras.random.SeedGenerator(int(word) >> 1)


@contextlib.contextmanager
def seeded(generator, seed):
    """Lets `generator` draw from `seed` within, if one is given, and go on as before after it."""
    if seed is None:
        yield
        return
    before = ops.copy(generator.state)
    generator.state.assign(make_seed_generator(seed).state)
    try:
        yield
    finally:
        generator.state.assign(before)
