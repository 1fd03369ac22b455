"""How repeats and weights of examples count in the objective."""

import keras
from keras import ops

from keras_bfn import losses


class WeightedMean(keras.losses.Loss):
    """Keras's own reduction: sample weights, and the scaling of replicas, of given values."""

    def __init__(self):
        super().__init__(reduction="mean_with_sample_weight", dtype="float32")

    def call(self, y_true, y_pred):
        return y_pred


def uniform_of_repeats(batch_size, num_repeats, seed):
    """Uniform numbers, a batch for each repeat, each in its own part of [0, 1)."""
    uniform = [losses.stratified_uniform(batch_size, seed) + i for i in range(num_repeats)]
    return ops.concatenate(uniform) / num_repeats if num_repeats > 1 else uniform[0]


def repeat(values, num_repeats):
    """Rows of a tensor, or of a nest of tensors, so many times, one after the other."""
    if num_repeats == 1:
        return values
    return keras.tree.map_structure(
        lambda x: None if x is None else ops.concatenate([x] * num_repeats), values
    )


def mean_of_repeats(values, num_repeats):
    """The mean of what rows that were repeated cost, `(batch,)`, of a nest of tensors."""
    if num_repeats == 1:
        return values
    return keras.tree.map_structure(
        lambda x: ops.mean(ops.reshape(x, (num_repeats, -1)), axis=0), values
    )
