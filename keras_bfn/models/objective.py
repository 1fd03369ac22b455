"""The objective: what examples cost by a loss, and how repeats and weights count."""

import keras
from keras import ops

from keras_bfn._parts import map_parts
from keras_bfn.models.missing import sum_variables


class WeightedMean(keras.losses.Loss):
    """Keras's own reduction: sample weights, and the scaling of replicas, of given values."""

    def __init__(self):
        super().__init__(reduction="mean_with_sample_weight", dtype="float32")

    def call(self, y_true, y_pred):
        return y_pred


def nats_per_example(loss, flow, x, predictions, seed, counts=None):
    """What examples cost by a loss: `(batch,)`, or a dict of that for each part.

    Args:
        loss: a `keras_bfn.losses.BFNLoss`.
        flow: the flow, or a dict of flows.
        x: data, or a dict of the parts' data.
        predictions: a `keras_bfn.Prediction` for evidence about `x`, or a dict of them.
        seed: the `SeedGenerator` of losses that draw.
        counts: how much each variable counts, shaped as `x`; by default 1.
    """

    def cost(flow, x, prediction, counts=1.0):
        return loss(flow, x, prediction, seed) * counts

    counts = () if counts is None else (counts,)
    return sum_variables(map_parts(cost, flow, x, predictions, *counts))


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
