"""Sums of many terms."""

import keras
from keras import ops

from keras_bfn._backend.devices import is_on_cpu


def sum_of(term, num):
    """The sum of `term(i)`, which works on vectors, for i = 0, 1, ..., num - 1.

    Args:
        term: takes a float32 tensor that broadcasts against vectors, and returns a tensor.
        num: int, at least 1.

    Returns:
        A float32 vector.
    """
    if keras.backend.backend() == "jax" and is_on_cpu():
        # Without a loop, XLA computes all terms again for each thing that is made of the sum.
        def add(i, total):
            return total + term(ops.cast(i, "float32"))

        return ops.fori_loop(1, num, add, term(ops.zeros(())))
    return ops.sum(term(ops.arange(num, dtype="float32")[:, None]), axis=0)
