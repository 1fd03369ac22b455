"""The same noise on every backend, in the place of random numbers."""

import contextlib
from unittest import mock

import keras
import numpy as np
from keras import ops

from keras_bfn import _random, losses

LARGEST_BATCH, LARGEST_SIZE = 64, 16


def _injected(draw):
    def function(shape, *args, dtype="float32", seed=None, **kwargs):
        # The size of the batch may be a tensor: the noise depends on the other sizes alone.
        values = draw(np.random.default_rng(len(shape)), (LARGEST_BATCH, *shape[1:]))
        return ops.convert_to_tensor(values.astype("float32"))[: shape[0]]

    return function


@contextlib.contextmanager
def injected_noise():
    """Within, normal and uniform numbers are fixed ones for each shape."""
    normal = _injected(lambda rng, shape: rng.standard_normal(shape))
    uniform = _injected(lambda rng, shape: rng.uniform(size=shape))
    with (
        mock.patch.object(_random, "draw_normal", normal),
        mock.patch.object(keras.random, "uniform", uniform),
    ):
        yield


@contextlib.contextmanager
def noise_of_places(time):
    """Within, the noise hangs on the place of a variable alone, and all looks are at one time.

    It is the same for all examples, and for data of other sizes. With repeats, the time is that in
    each part of [0, 1].
    """

    def normal(shape, dtype="float32", seed=None):
        rng, sizes = np.random.default_rng(len(shape)), tuple(shape[1:])
        values = rng.standard_normal((1,) + (LARGEST_SIZE,) * len(sizes)).astype("float32")
        values = values[(slice(None), *(slice(size) for size in sizes))]
        return ops.broadcast_to(ops.convert_to_tensor(values), (shape[0], *sizes))

    def times(batch_size, seed=None):
        return time * ops.ones((batch_size,))

    with (
        mock.patch.object(_random, "draw_normal", normal),
        mock.patch.object(losses, "stratified_uniform", times),
    ):
        yield


@contextlib.contextmanager
def one_draw_for_each_row(unit):
    """Within, the j-th draw of normal numbers is `unit` in row j and 0 in all others.

    What is linear in the noise then is known of each draw by itself, and its covariance without
    chance. Draws are counted by the state of the seed generator, in compiled loops, too.
    """

    def normal(shape, dtype="float32", seed=None):
        draw = ops.cast(seed.next()[1], "int32")
        chosen = ops.cast(ops.arange(shape[0], dtype="int32") == draw, "float32")
        return unit * ops.reshape(chosen, (-1,) + (1,) * (len(shape) - 1)) * ops.ones(shape)

    with mock.patch.object(_random, "draw_normal", normal):
        yield
