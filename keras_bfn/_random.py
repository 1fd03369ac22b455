"""Random numbers of flows, distributions and samplers: drawn from a seed, or given."""

import keras
import numpy as np
from keras import ops

from keras_bfn._backend import SeedGenerator, draw_normal
from keras_bfn._validation import check_seed


def make_seed_generator(seed):
    """A generator whose stream is unrelated to that of any other seed."""
    return SeedGenerator() if seed is None else SeedGenerator(_hash(seed))


def start_from(generator, seed):
    """Lets a generator draw what `make_seed_generator(seed)` draws.

    On TensorFlow, each new generator would leave 35 kB behind (Keras 3.15).
    """
    generator.state.assign(ops.convert_to_tensor([_hash(seed), 0], dtype=generator.state.dtype))


def _hash(seed, *more):
    """An int that is far from that of another seed.

    Keras 3.15 on PyTorch adds the two words of a generator's state (keras-team/keras-core#434): the
    second draw from seed 1 is the first from seed 2.
    """
    word = np.random.SeedSequence((check_seed(seed), *more)).generate_state(1)[0]
    return int(word) >> 1


def seed_of(seed, draw):
    """The seed of one of several draws that are made from the same argument `seed`.

    From one int, `keras.random` draws the same numbers each time: two draws would be one.

    Args:
        seed: an int, whose draws each need a seed of their own; or anything else, such as a
            `SeedGenerator`, which is returned as it is.
        draw: string, the name of the draw.
    """
    if not isinstance(seed, int):
        return seed
    return _hash(seed, *draw.encode())


class Noise:
    """Draws that are given, in the place of a seed: what draws from it is a function of them.

    Args:
        given: dict from names to tensors. Each draw is named by its distribution and its number:
            `"normal_0"`, `"uniform_1"`. If None, all are 0.5.

    Attributes:
        shapes: dict from the names of the draws that were made to their shapes.
    """

    def __init__(self, given=None):
        self.given = given
        self.shapes = {}

    def draw(self, distribution, shape):
        """The next draw."""
        name = f"{distribution}_{len(self.shapes)}"
        self.shapes[name] = shape
        return ops.full(shape, 0.5) if self.given is None else self.given[name]


def normal(shape, seed=None):
    """Draws from the standard normal distribution, in float32.

    Distributions and samplers draw by this and `uniform` alone, not by `keras.random`: then what
    they draw can be given, which exports and guidance by draws do.

    Args:
        shape: tuple of ints.
        seed: a `keras.random.SeedGenerator`, an int, None, or draws that are given.

    Returns:
        A tensor of that shape.

    Example:

    >>> tuple(keras_bfn.distributions.normal((2, 3), seed=0).shape)
    (2, 3)
    """
    if isinstance(seed, Noise):
        return seed.draw("normal", shape)
    return draw_normal(shape, seed=seed)


def uniform(shape, seed=None):
    """Draws from [0, 1), in float32, as `normal` does from its distribution.

    Args:
        shape: tuple of ints.
        seed: as in `normal`.

    Returns:
        A tensor of that shape.

    Example:

    >>> tuple(keras_bfn.distributions.uniform((2, 3), seed=0).shape)
    (2, 3)
    """
    if isinstance(seed, Noise):
        return seed.draw("uniform", shape)
    return keras.random.uniform(shape, dtype="float32", seed=seed)
