"""Random numbers of flows, distributions and samplers: drawn from a seed, or given."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import keras
import numpy as np
from keras import ops

from keras_bfn._backend.randomness import SeedGenerator, draw_normal
from keras_bfn._validation import check_seed


def make_seed_generator(seed):
    """Returns a generator whose stream is unrelated to that of any other seed."""
    return SeedGenerator() if seed is None else SeedGenerator(_hash(seed))


def start_from(generator, seed):
    """Makes a generator draw the numbers of `make_seed_generator(seed)`.

    On TensorFlow, each new generator would leak 35 kB (Keras 3.15).
    """
    generator.state.assign(ops.convert_to_tensor([_hash(seed), 0], dtype=generator.state.dtype))


def _hash(seed, *more):
    """Returns an int that is far from that of any other seed.

    Keras 3.15 on PyTorch adds the two words of a generator's state (keras-team/keras-core#434), so
    the second draw from seed 1 is the first from seed 2.
    """
    word = np.random.SeedSequence((check_seed(seed), *more)).generate_state(1)[0]
    return int(word) >> 1


def seed_of(seed, draw):
    """Returns the seed for one of several draws with the same argument `seed`.

    From an int, `keras.random` draws the same numbers each time, so all draws would be equal.

    Args:
        seed: an int, from which each draw needs a seed of its own; any other value, such as a
            `SeedGenerator`, is returned unchanged.
        draw: string, the name of the draw.
    """
    if not isinstance(seed, int):
        return seed
    return _hash(seed, *draw.encode())


class Noise:
    """Given random numbers in place of a seed, of which results are then a function.

    Args:
        given: dict from names to tensors. A draw's name is its distribution and number:
            `"normal_0"`, `"uniform_1"`. If None, all numbers are 0.5.

    Attributes:
        shapes: dict from the names of the draws so far to their shapes.
    """

    def __init__(self, given: Mapping[str, Any] | None = None) -> None:
        self.given = given
        self.shapes: dict[str, Sequence[int]] = {}

    def draw(self, distribution: str, shape: Sequence[int]) -> Any:
        """Returns the next draw."""
        name = f"{distribution}_{len(self.shapes)}"
        self.shapes[name] = shape
        return ops.full(shape, 0.5, "float32") if self.given is None else self.given[name]


# `Noise` holds random numbers that are given.
Seed: TypeAlias = int | keras.random.SeedGenerator | Noise | None


def normal(shape: Sequence[int], seed: Seed = None) -> Any:
    """Draws from the standard normal distribution, in float32.

    Distributions and samplers draw only by this function and `uniform`, not by `keras.random`.
    Their random numbers can then be given, as exports and guidance by samples require.

    Args:
        shape: tuple of ints.
        seed: a `keras.random.SeedGenerator`, an int, None, or given random numbers.

    Returns:
        A tensor of that shape.

    Example:

    >>> tuple(keras_bfn.distributions.normal((2, 3), seed=0).shape)
    (2, 3)
    """
    if isinstance(seed, Noise):
        return seed.draw("normal", shape)
    return draw_normal(shape, seed=seed)


def uniform(shape: Sequence[int], seed: Seed = None) -> Any:
    """Draws from the uniform distribution over [0, 1), in float32; see `normal`.

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
