"""Functions of matrices."""

import keras

from keras_bfn._backend.devices import is_on_cpu


def one_by_one(function):
    """`function` of matrices, which calls LAPACK, for batches of them.

    JAX on CPUs takes one matrix after another: jaxlib 0.10 splits a large batch among the threads
    that run the program, and two such calls at once, on two cores, wait for each other forever.

    Args:
        function: takes matrices, with or without a batch axis, and returns one of the like.

    Returns:
        A function of tensors `(batch, rows, columns)`.
    """
    if keras.backend.backend() != "jax" or not is_on_cpu():
        return function
    import jax

    return lambda *batches: jax.lax.map(lambda matrices: function(*matrices), batches)
