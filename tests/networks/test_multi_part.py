"""One network for all parts: each part's output hangs on the evidence about every part."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_bfn import flows, networks, testing
from keras_bfn.networks.patch_transformer import join_squares
from tests.backends import everywhere
from tests.tensors import run

FLOW = {
    "image": flows.DiscretizedFlow(17, sigma_1=0.05),
    "label": flows.DiscreteFlow(3, beta_1=2.0),
    "flag": flows.DiscreteFlow(2, beta_1=2.0),
    "numbers": flows.ContinuousFlow(sigma_1=0.05, num_bins=9),
}
SHAPE = {"image": (4, 6, 3), "label": (), "flag": (1,), "numbers": (5,)}
SMALL = {"width": 16, "num_blocks": 1, "num_heads": 2}


def make_network(mixer="transformer", **kwargs):
    return networks.MultiPart(FLOW, SHAPE, mixer=mixer, **{**SMALL, **kwargs})


def own_image_network():
    image = networks.UNet(
        FLOW["image"], SHAPE["image"], width=8, num_blocks=1, num_heads=2, conditions=(16,)
    )
    return {"image": image}


VARIANTS = {
    "tokens": {},
    "tokens-own_times": {"times": "variables"},
    "tokens-patches": {"patch_size": 2},
    "tokens-own_network": {"networks": "image"},
    "mlp": {"mixer": "mlp"},
    "mlp-own_times": {"mixer": "mlp", "times": "variables"},
    "mlp-own_network": {"mixer": "mlp", "networks": "image"},
}


def make_variant(name):
    kwargs = dict(VARIANTS[name])
    if "networks" in kwargs:
        kwargs["networks"] = own_image_network()
    return make_network(**kwargs)


def make_inputs(times="shared", num=2):
    rng = np.random.default_rng(0)
    theta = {
        name: rng.uniform(size=(num, *SHAPE[name], flow.theta_size)).astype("float32")
        for name, flow in FLOW.items()
    }
    t = np.linspace(0.2, 0.8, num).astype("float32")
    return {"theta": theta, "t": spread(t) if times == "variables" else t}


def spread(t, **others):
    """Times of all variables: those of their examples, or of some parts others."""
    return {
        name: np.broadcast_to(
            np.reshape(others.get(name, t), (-1, *(1,) * len(shape))), (len(t), *shape)
        ).astype("float32")
        for name, shape in SHAPE.items()
    }


def randomize(network):
    """Gives every weight a value of its own: zero initialisers hide what lies before them."""
    rng = np.random.default_rng(0)
    network.set_weights([0.3 * rng.standard_normal(w.shape) for w in network.get_weights()])


@pytest.mark.once
@pytest.mark.parametrize("name", [name for name in VARIANTS if name != "mlp-own_network"])
def test_a_network_of_several_parts_keeps_its_contract(name):
    times = VARIANTS[name].get("times", "shared")
    testing.check_network(make_variant(name), FLOW, times=times)


@pytest.mark.slow_to_compile
@pytest.mark.parametrize("name", everywhere(list(VARIANTS), "tokens-patches", "mlp"))
def test_each_parts_output_hangs_on_the_evidence_about_every_part(name):
    network = make_variant(name)
    randomize(network)
    inputs = make_inputs(VARIANTS[name].get("times", "shared"))
    before = run(network, inputs)
    for part in FLOW:
        moved = {**inputs["theta"], part: 0.5 * inputs["theta"][part]}
        after = run(network, {**inputs, "theta": moved})
        for other in FLOW:
            assert np.abs(after[other] - before[other]).max() > 1e-6, (part, other)


@pytest.mark.parametrize("mixer", everywhere(["transformer", "mlp"], "transformer"))
def test_each_parts_time_matters_to_every_part(mixer):
    network = make_network(mixer, times="variables")
    randomize(network)
    inputs = make_inputs("variables")
    before = run(network, inputs)
    for part in FLOW:
        t = {**inputs["t"], part: np.ones((2, *SHAPE[part]), "float32")}
        after = run(network, {**inputs, "t": t})
        for other in FLOW:
            assert np.abs(after[other] - before[other]).max() > 1e-6, (part, other)


@pytest.mark.parametrize("mixer", everywhere(["transformer", "mlp"], "transformer"))
def test_it_matters_whose_time_is_whose(mixer):
    network = make_network(mixer, times="variables")
    randomize(network)
    inputs = make_inputs("variables")
    early, late = np.full(2, 0.2, "float32"), np.ones(2, "float32")
    outputs = [run(network, {**inputs, "t": spread(early, **{known: late})}) for known in FLOW]
    for i, first in enumerate(outputs):
        for second in outputs[:i]:
            for name in FLOW:
                assert np.abs(first[name] - second[name]).max() > 1e-6


@pytest.mark.parametrize("mixer", everywhere(["transformer", "mlp"], "transformer"))
def test_a_condition_matters_to_every_part(mixer):
    network = make_network(mixer, conditions=3)
    randomize(network)
    outputs = [run(network, {**make_inputs(), "condition": np.full(2, c, "int32")}) for c in (0, 3)]
    for name in FLOW:
        assert np.abs(outputs[0][name] - outputs[1][name]).max() > 1e-6


@pytest.mark.once
@pytest.mark.parametrize("name", VARIANTS)
def test_a_network_survives_its_config(name):
    network = make_variant(name)
    config = keras.saving.serialize_keras_object(network)
    copy = keras.saving.deserialize_keras_object(config)
    assert copy.get_config() == network.get_config()
    copy.set_weights(network.get_weights())
    inputs = make_inputs(VARIANTS[name].get("times", "shared"))
    outputs, again = run(network, inputs), run(copy, inputs)
    for part, params in outputs.items():
        np.testing.assert_allclose(again[part], params, rtol=1e-5)


def test_patches_are_squares_of_the_image():
    """With weights that only look at a patch's own pixels, a pixel moves the patch around it."""
    theta = ops.reshape(ops.arange(4 * 6, dtype="float32"), (1, 4, 6, 1, 1))
    patches = ops.convert_to_numpy(join_squares(theta, 2, "float32"))
    np.testing.assert_array_equal(patches[0, 0], [0, 1, 6, 7])
    np.testing.assert_array_equal(patches[0, 5], [16, 17, 22, 23])


@pytest.mark.once
@pytest.mark.parametrize(("shape", "size"), [((8, 8, 1), 1), ((28, 28, 1), 4), ((32, 32, 3), 4)])
def test_there_are_at_most_64_patches_by_default(shape, size):
    flow = {"image": FLOW["image"], "label": FLOW["label"]}
    network = networks.MultiPart(flow, {"image": shape, "label": ()}, width=8, num_blocks=1)
    embedding = next(layer for layer in network.layers if "token_embedding" in layer.name)
    assert embedding.gain.shape[0] == shape[0] * shape[1] / size**2


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
@pytest.mark.parametrize("mixer", ["transformer", "mlp"])
def test_outputs_are_float32_under_every_policy(mixer, policy):
    network = make_network(mixer, dtype=policy)
    for name, output in network.output.items():
        assert output.dtype == "float32"
        assert output.shape == (None, *SHAPE[name], FLOW[name].output_size)


@pytest.mark.slow_to_compile
@pytest.mark.parametrize("mixer", everywhere(["transformer", "mlp"], "transformer"))
def test_many_classes_are_seen_by_their_embeddings(mixer):
    """As many inputs of the mixer, and nearly as large ones, as if there were few classes."""
    flow = {"few": flows.DiscreteFlow(3, beta_1=3.0), "many": flows.DiscreteFlow(900, beta_1=0.05)}
    network = networks.MultiPart(flow, {"few": (), "many": (2,)}, 16, 1, mixer=mixer)
    shapes = [tuple(weight.shape) for weight in network.weights]
    assert ((2, 900, 16) if mixer == "mlp" else (900, 16)) in shapes  # each variable has its own
    assert not [shape for shape in shapes if len(shape) == 2 and shape[0] > 900]
    theta = {"few": np.full((2, 3), 1 / 3), "many": np.full((2, 2, 900), 1 / 900)}
    params = network({"theta": theta, "t": np.zeros(2)})
    assert tuple(params["many"].shape) == (2, 2, 900)
