"""Layers of positions, one by one."""

from keras import ops


def at_positions(dense, x):
    """A dense layer of `(batch, ..., channels)`, as the product of two matrices.

    Of more axes, XLA on CPUs takes three times as long for the gradients.
    """
    flat = dense(ops.reshape(x, (-1, x.shape[-1])))
    return ops.reshape(flat, (-1, *x.shape[1:-1], dense.units))
