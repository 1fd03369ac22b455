"""Checks that a data type defines what it must, before anything is computed."""

import numbers

import numpy as np
from keras import ops

from keras_bfn._random import Noise
from keras_bfn._validation import is_number
from keras_bfn.distributions import Distribution
from keras_bfn.flows import Flow
from keras_bfn.flows.flow import NOT_INTEGERS
from keras_bfn.testing.claims import require, require_shape, requiring

SHAPE = (4, 3)  # of the data


def check_definitions(flow):
    """Claims that a flow defines everything that has no default."""
    name = type(flow).__name__
    for size in ("embedding_size", "theta_size", "output_size"):
        value = getattr(flow, size, None)
        is_size = is_number(value, numbers.Integral) and value > 0
        require(is_size, f"{name} must have `{size}`, an int of at least 1. It is {value!r}")
    data_range = getattr(flow, "data_range", None)
    is_range = isinstance(data_range, tuple) and len(data_range) == 2
    expected = "the smallest and the largest value"
    require(is_range, f"{name} must have `data_range`, {expected}. It is {data_range!r}")
    _require_own(flow, Flow, ("embed", "input_params", "output_distribution"))
    if flow.num_values is None:
        _require_own(flow, Flow, ("expected_embedding", "log_receiver_ratio"), NOT_INTEGERS)
    elif data_range[0] != 0:
        require(False, f"{name} must have a `data_range` of (0, K - 1). It is {data_range!r}")


def _require_own(made, base, methods, why=""):
    cls = type(made)
    for method in methods:
        is_own = getattr(cls, method) is not getattr(base, method)
        require(is_own, f"{cls.__name__} must define `{method}`{why}")


def check_output_distribution(flow):
    """Claims that an output distribution has all its methods, and samples from given noise."""
    s, params = (ops.zeros((*SHAPE, size)) for size in (flow.embedding_size, flow.output_size))
    output = flow.output_distribution(params, s, np.full(SHAPE[0], 0.5, "float32"))
    name, kind = f"{type(flow).__name__}.output_distribution(params, s, t)", type(output).__name__
    is_distribution = isinstance(output, Distribution)
    expected = "must be a `keras_bfn.distributions.Distribution`"
    require(is_distribution, f"{name} {expected}. It is a {kind}")
    why = f", as the result of {name}"
    _require_own(output, Distribution, ("mean", "mode", "sample", "log_prob"), why)
    require_shape(output.mode(), SHAPE, f"{name}.mode()")
    if flow.num_values is not None:
        _require_own(output, Distribution, ("log_probs",), why)
        require_shape(output.log_probs(), (*SHAPE, flow.num_values), f"{name}.log_probs()")
    draw = f"{name}.sample(seed) must use `keras_bfn.distributions.normal` or `uniform`"
    with requiring(f"{draw}, because the seed may be given noise", TypeError, ValueError):
        drawn = output.sample(Noise())
    require_shape(drawn, SHAPE, f"{name}.sample(seed)")
