"""A trained model takes other conditions: only what embeds them is new."""

import keras
import numpy as np
import pytest

import keras_bfn
from keras_bfn import flows, networks
from keras_bfn.presets import with_conditions
from tests.backends import everywhere
from tests.models.small import save_and_load

FLOW = flows.DiscreteFlow(num_classes=3, beta_1=2.0)
SMALL = {"width": 8, "num_layers": 1, "num_heads": 0}
PARTS = {"a": FLOW, "b": flows.DiscretizedFlow(4, 0.1)}

NETWORKS = {
    "sequence": lambda **o: networks.Transformer(FLOW, 6, **SMALL, **o),
    "patches": lambda **o: networks.PatchTransformer(FLOW, (4, 4, 1), patch_size=2, **SMALL, **o),
    "image": lambda **o: networks.UNet(FLOW, (4, 4, 1), width=8, width_multipliers=(1,), **o),
    "vector": lambda **o: networks.MLP(FLOW, (6,), width=8, num_blocks=1, **o),
    "parts": lambda **o: networks.MultiPart(PARTS, {"a": (3,), "b": ()}, width=8, **o),
}


def make_trained(network, cls=keras_bfn.BayesianFlowNetwork):
    """A model of this network with random weights, some of which are zeros at first."""
    for weight in network.trainable_weights:
        weight.assign_add(keras.random.normal(weight.shape, stddev=0.1, seed=0))
    return cls(network.flow, network, seed=0)


def without_embedding(model, condition):
    """The output on the same inputs, with zeros for what embeds the condition."""
    for layer in model.network.layers:
        if layer.name.startswith("condition_embedding"):
            layer.set_weights([np.zeros(weight.shape) for weight in layer.weights])
    rng = np.random.default_rng(0)
    inputs = dict(model.network.input)
    inputs.pop("condition", None)
    inputs = keras.tree.map_structure(lambda x: rng.random((4, *x.shape[1:])), inputs)
    if condition is not None:
        inputs["condition"] = condition
    return keras.tree.flatten(keras.tree.map_structure(np.ravel, to_numpy(model.network(inputs))))


def to_numpy(outputs):
    return keras.tree.map_structure(keras.ops.convert_to_numpy, outputs)


@pytest.mark.slow_to_compile
@pytest.mark.parametrize("make", everywhere(NETWORKS, "image"))
@pytest.mark.parametrize("old", [None, 2])
def test_all_but_the_embedding_stays(make, old):
    model = make_trained(make(conditions=old))
    new = with_conditions(model, 5)
    assert new.null_condition == 5
    before = without_embedding(model, None if old is None else np.zeros(4))
    after = without_embedding(new, np.array([0, 3, 4, 5]))
    for a, b in zip(before, after, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
        assert np.ptp(a) > 0.01


CONDITIONS = {
    "classes": (5, np.arange(8) % 5, 0.1),
    "numbers": ((2,), np.ones((8, 2)), 0.0),
    "several": ({"a": 3, "b": 2}, {"a": np.arange(8) % 3, "b": np.arange(8) % 2}, 0.1),
}


@pytest.mark.slow_to_compile
@pytest.mark.parametrize("name", everywhere(list(CONDITIONS), "classes"))
def test_it_is_trained_and_saved_as_any_other(name, tmp_path):
    model = make_trained(NETWORKS["vector"](conditions=2))
    model.network.layers[-1].trainable = False
    conditions, values, dropout = CONDITIONS[name]
    new = with_conditions(model, conditions, dropout)
    assert all(layer.trainable for layer in new.network.layers)
    new.compile(keras_bfn.recipes.adamw(2))
    new.fit((np.zeros((8, 6), "int32"), values), epochs=1, batch_size=4, verbose=0)
    loaded = save_and_load(new, "file", tmp_path)
    options = {"condition": values, "seed": 0, "verbose": 0}
    if dropout:
        options["guidance_scale"] = 2.0
    x = new.generate(8, 3, **options)
    np.testing.assert_array_equal(loaded.generate(8, 3, **options), x)
    assert model.network.conditions == 2


@pytest.mark.once
def test_the_class_of_the_model_its_states_and_its_tokenizer_stay():
    network = NETWORKS["sequence"](times="variables")
    model = make_trained(network, keras_bfn.AnyOrderNetwork)
    model.tokenizer = keras_bfn.datasets.Letters("abc")
    new = with_conditions(model, 2)
    assert type(new) is keras_bfn.AnyOrderNetwork
    assert new.states == model.states
    assert new.tokenizer is model.tokenizer
    assert new.generate(2, 3, condition=[0, 1], order="random", verbose=0).shape == (2, 6)
