"""What the costs of variables add up to: per example, per variable, and in the metrics."""

import math
from typing import Any, NamedTuple

import keras
from keras import ops

from keras_bfn._parts import map_parts, sum_counted, sum_parts, sum_variables
from keras_bfn.inputs.missing import count_variables


class Weights(NamedTuple):
    """How much variables and examples count; None stands for 1.

    The mean per variable is sum(in_means * cost / num_variables) / sum(in_means) over examples, the
    mean per example sum(of_examples * cost) / sum(of_examples).

    Attributes:
        of_variables: in the sum over an example, shaped as the data.
        num_variables: the number of variables of an example, by weight: an int, or `(batch,)`.
        in_means: of examples in means over variables, `(batch,)`: proportional to that number.
        of_examples: in means over examples, `(batch,)`.
    """

    of_variables: Any
    num_variables: Any
    in_means: Any
    of_examples: Any


def weigh(x, observed, sample_weight, num_variables):
    """Returns the `Weights` of data, their observed variables and the `sample_weight` of `fit`."""
    of_variables, of_examples = count_variables(x, observed, sample_weight)
    if of_variables is None:
        return Weights(None, num_variables, of_examples, of_examples)
    size = sum_parts(map_parts(sum_variables, of_variables))
    in_means = size if of_examples is None else size * of_examples
    counted = ops.cast(in_means > 0, "float32")  # without any counted variable: ignored
    of_examples = counted if of_examples is None else counted * of_examples
    return Weights(of_variables, size, in_means, of_examples)


def repeat(values, num_repeats):
    """Returns a nest of tensors, each repeated `num_repeats` times along its first axis."""
    return keras.tree.map_structure(
        lambda x: None if x is None else ops.concatenate([x] * num_repeats), values
    )


def spread(u, num_repeats):
    """Returns numbers in [0, 1) for repeats: each in its own part, evenly spaced for an example."""
    part = ops.arange(num_repeats, dtype="float32")[:, None]
    u = ops.reshape(part + u, (-1,)) / num_repeats
    return ops.minimum(u, 1.0 - 2.0**-24)  # float32 can round up to 1


def per_example(costs, of_variables, num_repeats):
    """Returns the mean over repeats of the sums over an example's variables, for each part."""
    if num_repeats == 1:
        return map_parts(sum_counted, costs, of_variables)
    nats = map_parts(sum_counted, costs, repeat(of_variables, num_repeats))
    return map_parts(lambda x: ops.mean(ops.reshape(x, (num_repeats, -1)), axis=0), nats)


def track(trackers, nats, weights):
    """Updates the metrics of evaluation.

    Args:
        trackers: dict of Keras metrics by name.
        nats: dict of the costs `"transmission"` and `"reconstruction"`, in nats per example.
        weights: `Weights`.
    """
    by_part = map_parts(lambda first, second: first + second, *nats.values())
    per_example, size = sum_parts(by_part), weights.num_variables
    reconstruction = ops.divide_no_nan(sum_parts(nats["reconstruction"]), size)
    trackers["reconstruction"].update_state(reconstruction, weights.in_means)
    bits = ops.divide_no_nan(per_example, size) / math.log(2.0)
    trackers["bits_per_dim"].update_state(bits, weights.in_means)
    trackers["nats_per_example"].update_state(per_example, weights.of_examples)
    for name in by_part if isinstance(by_part, dict) else ():
        trackers[f"{name}_nats_per_example"].update_state(by_part[name], weights.of_examples)
