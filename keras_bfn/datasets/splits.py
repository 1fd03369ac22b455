"""What every data set comes as."""

from typing import NamedTuple

import numpy as np

from keras_bfn.datasets.batches import Batches

HELD_OUT = 0.01  # the share of the training data that validates, as in the paper


class Splits(NamedTuple):
    """The parts of a data set, each in batches for `fit` and `evaluate`.

    Example:

    >>> splits = keras_bfn.datasets.embedded_digits(batch_size=50, limit=100)
    >>> splits.train[0].shape
    (50, 28, 28, 1)

    Attributes:
        train: in a new order, with what is random drawn anew, in every epoch.
        validation: held out of the training data, always the same.
        test: always the same.
    """

    train: Batches
    validation: Batches
    test: Batches


def hold_out(num_examples, share=HELD_OUT):
    """Row numbers at random, but always alike: the tuple of those kept and those held out."""
    order = np.random.default_rng(0).permutation(num_examples)
    num_held_out = max(1, round(share * num_examples))
    return order[num_held_out:], order[:num_held_out]
