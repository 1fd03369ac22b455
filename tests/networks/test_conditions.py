"""Conditions of networks: classes, numbers, numbers for each position, and several of these."""

import keras
import numpy as np
import pytest

from keras_bfn.flows import ContinuousFlow, DiscreteFlow
from keras_bfn.networks import MultiPart, PatchTransformer, Transformer, UNet, VDMUNet
from tests.backends import everywhere
from tests.networks.cases import NETWORKS, make_inputs, randomize
from tests.tensors import run

FLOW = DiscreteFlow(2, beta_1=4.0)
PARTS = {"b": DiscreteFlow(3, beta_1=2.0), "a": ContinuousFlow(sigma_1=0.1)}
PART_SHAPES = {"b": (4,), "a": ()}
KINDS = ("class", "vector", "matrix", "places")
MIXED = [f"MultiPart, {mixer}" for mixer in ("transformer", "mlp")]


def make_network(name, conditions, **kwargs):
    if name in MIXED:
        sizes = {"width": 8, "num_blocks": 1, "num_heads": 2, "mixer": name.split(", ")[1]}
        return MultiPart(PARTS, PART_SHAPES, **sizes, conditions=conditions, **kwargs)
    return NETWORKS[name](FLOW, conditions=conditions, **kwargs)


def places(name):
    """Two numbers for each position of what a network is for; of several parts, as for one."""
    return (4, 2) if name in MIXED else (12, 2) if name == "Transformer" else (4, 4, 2)


def of_kind(kind, name):
    return {"class": 3, "vector": (5,), "matrix": (3, 2), "places": places(name)}[kind]


def several(name):
    """All kinds at once; not in alphabetical order, nor in that of what follows."""
    return {kind: of_kind(kind, name) for kind in reversed(KINDS)}


def ask(name):
    """Inputs of a network, without a condition."""
    if name not in MIXED:
        return make_inputs(name, FLOW)
    rng = np.random.default_rng(0)
    theta = {
        part: rng.uniform(size=(2, *PART_SHAPES[part], flow.theta_size)).astype("float32")
        for part, flow in PARTS.items()
    }
    return {"theta": theta, "t": np.array([0.1, 0.9], "float32")}


def tell(conditions, seed=0):
    """Conditions of two examples, in alphabetical order."""
    if isinstance(conditions, dict):
        return {kind: tell(conditions[kind], seed) for kind in sorted(conditions)}
    if isinstance(conditions, int):
        return np.array([seed % conditions] * 2, "int32")
    rng = np.random.default_rng(seed)
    return rng.standard_normal((2, *conditions)).astype("float32")


def run_told(network, name, condition):
    """All numbers of what a network returns, `(2, ...)`."""
    if isinstance(condition, dict):  # in the network's own order, as a model gives it
        condition = {kind: condition[kind] for kind in network.input["condition"]}
    outputs = keras.tree.flatten(run(network, {**ask(name), "condition": condition}))
    return np.concatenate([output.reshape(2, -1) for output in outputs], axis=1)


@pytest.mark.slow_to_compile
@pytest.mark.parametrize("name", everywhere([*NETWORKS, *MIXED], "Transformer"))
def test_each_of_several_conditions_matters_to_every_output(name):
    network = make_network(name, several(name))
    randomize(network)
    told = tell(several(name))
    output = run_told(network, name, told)
    for kind in KINDS:
        other = {**told, kind: tell(of_kind(kind, name), seed=1)}
        assert (np.abs(run_told(network, name, other) - output) > 1e-6).all(), kind


@pytest.mark.once
@pytest.mark.parametrize(
    ("name", "kind"),
    # All kinds of one network, and one or two of each other.
    [("MLP", kind) for kind in KINDS]
    + [(name, KINDS[i % 4]) for i, name in enumerate([*NETWORKS, *MIXED])],
)
def test_a_condition_alone_matters_and_is_the_dict_of_it(name, kind):
    """One condition computes what a dict of one does, of the same weights."""
    alone = make_network(name, of_kind(kind, name))
    named = make_network(name, {"it": of_kind(kind, name)})
    randomize(alone)
    named.set_weights(alone.get_weights())
    outputs = [run_told(alone, name, tell(of_kind(kind, name), seed)) for seed in (0, 1)]
    assert (np.abs(outputs[1] - outputs[0]) > 1e-6).all()
    of_dict = run_told(named, name, {"it": tell(of_kind(kind, name))})
    np.testing.assert_allclose(of_dict, outputs[0], rtol=1e-5, atol=1e-6)
    assert alone.null_condition == (3 if kind == "class" else None)
    assert named.null_condition == ({"it": 3} if kind == "class" else None)


LOCAL = {
    "Transformer": (
        lambda **kwargs: Transformer(FLOW, 12, 8, num_layers=1, num_heads=0, **kwargs),
        (12,),
        2,  # of a kernel of 5
    ),
    "PatchTransformer": (
        lambda **kwargs: PatchTransformer(FLOW, (12, 12, 1), 1, 8, num_layers=1, **kwargs),
        (12, 12),
        2,  # of a kernel of 3, and of the last layer
    ),
    "UNet": (lambda **kwargs: UNet(FLOW, (12, 12, 1), 8, (1,), 1, num_heads=1, **kwargs), None, 2),
    "VDMUNet": (lambda **kwargs: VDMUNet(FLOW, (12, 12, 1), 8, 1, **kwargs), None, 2),
}


@pytest.mark.parametrize("name", everywhere(list(LOCAL), "Transformer"))
def test_what_is_told_of_a_place_is_seen_there(name):
    keras.utils.set_random_seed(0)
    make, positions, reach = LOCAL[name]
    is_strict = positions is not None  # attention and normalisation see all of the image
    positions = positions or (12, 12)
    network = make(conditions=(*positions, 2))
    if is_strict:
        randomize(network)
    else:
        projection = network.get_layer("output_projection")
        shape = projection.kernel.shape
        projection.kernel.assign(np.random.default_rng(0).standard_normal(shape))
    theta = np.full((1, *network.output.shape[1:-1], 1), 0.3, "float32")
    inputs = {"theta": theta, "t": np.full(1, 0.5, "float32")}
    told = np.zeros((1, *positions, 2), "float32")
    before = run(network, {**inputs, "condition": told})
    for place in ((3,) * len(positions), (7, 2)[-len(positions) :]):
        there = told.copy()
        there[(0, *place, 1)] = 1.0
        changes = np.abs(run(network, {**inputs, "condition": there}) - before)
        changes = changes.reshape(positions)
        steps = np.ix_(*(np.abs(np.arange(12) - i) for i in place))
        distance = np.max(np.broadcast_arrays(*steps), axis=0)
        if is_strict:
            assert (changes[distance <= reach] > 1e-6).all()
            assert changes[distance > reach].max() < 1e-6
        else:
            assert changes[place] > 3 * changes[distance > reach].mean()


@pytest.mark.once
@pytest.mark.parametrize("name", [*NETWORKS, *MIXED])
def test_several_conditions_survive_the_config(name):
    network = make_network(name, several(name))
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(network))
    assert copy.get_config() == network.get_config()
    assert copy.conditions == several(name)
    assert list(copy.conditions) == list(several(name))
    randomize(network)
    copy.set_weights(network.get_weights())
    told = tell(several(name))
    np.testing.assert_array_equal(run_told(copy, name, told), run_told(network, name, told))
    assert network.null_condition == {"class": 3}
