"""Small models of every type of data, made once in a process, and data for them.

Cases use the same models again, with other weights: compiling takes longer than all else, and
a model that has been used must give what a new one gives.
"""

import functools
import math
import types
from typing import Any, NamedTuple

import keras
import numpy as np

import keras_bfn
from keras_bfn import flows, networks

NUM = 6  # examples in the data of a case: one number, so that programs are compiled for one shape


@keras.saving.register_keras_serializable("keras_bfn_metamorphic")
class Words(keras_bfn.datasets.Letters):
    """A tokenizer of the user's own."""


class Kind(NamedTuple):
    """What a model of the pool is made of.

    Attributes:
        flow: the flow, or a dict of flows.
        event_shape: the shape of an example, or a dict of shapes.
        conditions: as networks take them, or None.
        options: of the model.
        network: of the network.
        network_class: a class of `keras_bfn.networks`.
        model_class: the model's class.
    """

    flow: Any
    event_shape: Any
    conditions: Any = None
    options: Any = types.MappingProxyType({})
    network: Any = types.MappingProxyType({})
    network_class: Any = networks.MLP
    model_class: Any = keras_bfn.BayesianFlowNetwork


def _chain():
    counts = np.random.default_rng(0).integers(1, 9, (27, 27))
    return flows.MarkovChain(counts)


KINDS = {
    "binary": lambda: Kind(flows.DiscreteFlow(2, beta_1=4.0), (4,)),
    "classes": lambda: Kind(flows.DiscreteFlow(3, beta_1=3.0, prior=[0.5, 0.3, 0.2]), (2, 2)),
    "bins": lambda: Kind(flows.DiscretizedFlow(200, sigma_1=0.1), (3,)),
    "continuous": lambda: Kind(
        flows.ContinuousFlow(0.1, prediction="data", prior=(0.2, 0.5)), (3,)
    ),
    "joint": lambda: Kind(
        flows.ContinuousFlow(
            0.1,
            prediction="residual",
            num_bins=9,
            prior=flows.JointNormal([0.1, -0.1], [[0.2, 0.1], [0.1, 0.3]]),
        ),
        (2,),
    ),
    "angles": lambda: Kind(flows.CircularFlow(0.1), (2,)),
    "text": lambda: Kind(
        flows.DiscreteFlow(27, beta_1=1.0, prior=_chain()), (5,), options={"tokenizer": Words()}
    ),
    "conditional": lambda: Kind(
        flows.DiscreteFlow(3, beta_1=3.0), (4,), 256, options={"condition_dropout": 0.25}
    ),
    "vectors": lambda: Kind(
        flows.DiscretizedFlow(4, sigma_1=0.2, prediction="data"),
        (2,),
        {"z_class": 3, "a_vector": (2,)},
        options={
            "condition_dropout": {"z_class": 0.25},
            "null_condition": {"a_vector": np.array([0.5, -0.5], "float32")},
        },
    ),
    "missing": lambda: Kind(
        flows.DiscreteFlow(4, beta_1=3.0),
        (5,),
        network={"width": 8, "num_layers": 1, "num_heads": 2, "masked": True},
        network_class=networks.Transformer,
    ),
    "gaps": lambda: Kind(
        flows.ContinuousFlow(0.1, prediction="data"), (3,), 3, options={"allow_missing": True}
    ),
    # Not in alphabetical order.
    "parts": lambda: Kind(
        {
            "size": flows.ContinuousFlow(0.1),
            "image": flows.DiscretizedFlow(5, sigma_1=0.2),
            "label": flows.DiscreteFlow(3, beta_1=3.0),
        },
        {"size": (), "image": (2, 1, 1), "label": (2,)},
        2,
        options={"allow_missing": True, "condition_dropout": 0.25},
        network={"width": 8, "num_blocks": 1, "mixer": "mlp", "times": "variables"},
        network_class=networks.MultiPart,
        model_class=keras_bfn.AnyOrderNetwork,
    ),
}
DISCRETE = ("binary", "classes", "bins", "text", "conditional", "vectors", "missing")


@functools.cache
def kind_of(name):
    """The `Kind` of that name."""
    return KINDS[name]()


def make_model(name, seed=0, optimizer=None, **network_options):
    """A new model, compiled; its weights are Keras's, see `set_weights`."""
    kind = kind_of(name)
    options = kind.network or {"width": 8, "num_blocks": 1}
    network = kind.network_class(
        kind.flow, kind.event_shape, conditions=kind.conditions, **options, **network_options
    )
    model = kind.model_class(kind.flow, network, seed=seed, **kind.options)
    model.compile(optimizer or keras.optimizers.SGD(0.1))
    return model


@functools.cache
def model_of(name, **network_options):
    """The one model of this name that all cases of a process share."""
    return make_model(name, **network_options)


def draw_weights(model, seed):
    """Weights with which every input matters; the output layers' are zeros at first."""
    rng = np.random.default_rng(seed)

    def draw(weight):
        noise = rng.normal(0.0, 1.0, weight.shape)
        if weight.path.endswith(("gamma", "scale")):
            return 1.0 + 0.2 * noise
        return noise * (0.8 / math.sqrt(weight.shape[0]) if len(weight.shape) > 1 else 0.3)

    return [draw(weight).astype("float32") for weight in model.network.weights]


def set_weights(model, seed):
    """Gives a model the weights of a seed, and a seed generator's first state. Returns it."""
    model.network.set_weights(draw_weights(model, seed))
    return model


def draw_data(name, seed, num=NUM, missing=True):
    """Data of a kind; where variables may be missing, a third of them are."""
    rng = np.random.default_rng([seed, 5])
    kind = kind_of(name)
    gaps = missing and bool(name == "missing" or kind.options.get("allow_missing"))

    def draw(flow, shape):
        shape = (num, *shape)
        if flow.discrete:
            x = rng.integers(0, flow.data_range[1] + 1, shape).astype("int32")
            return np.where(rng.uniform(size=shape) < 0.3, -1, x) if gaps else x
        low, high = flow.data_range
        x = rng.uniform(np.maximum(low, -1.0), np.minimum(high, 1.0), shape).astype("float32")
        return np.where(rng.uniform(size=shape) < 0.3, np.float32("nan"), x) if gaps else x

    x = keras_bfn._parts.map_parts(draw, kind.flow, kind.event_shape)
    return x


def draw_condition(name, seed, num=NUM):
    """Conditions of a kind, or None."""
    rng = np.random.default_rng([seed, 6])

    def draw(one):
        if isinstance(one, int):
            return rng.integers(0, one, num).astype("int32")
        return rng.integers(-1, 3, (num, *one)).astype("float32")

    conditions = kind_of(name).conditions
    if isinstance(conditions, dict):
        return {key: draw(one) for key, one in conditions.items()}
    return None if conditions is None else draw(conditions)


def with_condition(x, condition):
    """Data as `fit` and `code_length` take them."""
    return x if condition is None else (x, condition)


def map_arrays(function, nest):
    """`function` of each array of a nest; None stays."""
    return keras.tree.map_structure(lambda x: None if x is None else function(x), nest)


def assert_same(found, expected, what, tolerance=1e-5):
    """Raises an `AssertionError` unless two results are the same, floats up to a tolerance."""
    if isinstance(expected, dict):
        assert list(found) == list(expected), f"{what}: {list(found)} for {list(expected)}"
        for name, value in expected.items():
            assert_same(found[name], value, f"{what}[{name!r}]", tolerance)
        return
    if isinstance(expected, (tuple, list)) and not isinstance(expected, str):
        assert len(found) == len(expected), f"{what}: {len(found)} for {len(expected)}"
        for i, pair in enumerate(zip(found, expected, strict=True)):
            assert_same(*pair, f"{what}[{i}]", tolerance)
        return
    if isinstance(expected, (str, bytes)) or expected is None:
        assert found == expected, f"{what}: {found!r} for {expected!r}"
        return
    found, expected = np.asarray(found), np.asarray(expected)
    assert found.shape == expected.shape, f"{what}: shape {found.shape} for {expected.shape}"
    if expected.dtype.kind == "f":
        scale = np.maximum(1.0, np.abs(np.nan_to_num(expected, posinf=0, neginf=0)))
        same = np.isclose(found / scale, expected / scale, 0, tolerance, equal_nan=True)
    else:
        same = found == expected
    assert np.all(same), (
        f"{what}: {np.ravel(found)[np.ravel(~same)][:4]} for "
        f"{np.ravel(expected)[np.ravel(~same)][:4]}, {np.sum(~same)} of {same.size}"
    )
