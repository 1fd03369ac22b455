"""Matrices of low rank beside frozen kernels, and kernels of eight bits."""

import keras
import numpy as np
import pytest

import keras_bfn
from keras_bfn import flows, networks
from tests.backends import everywhere

FLOW = flows.DiscreteFlow(num_classes=3, beta_1=2.0)
SMALL = {"width": 8, "num_layers": 1, "num_heads": 0}

NETWORKS = {
    "sequence": lambda: networks.Transformer(FLOW, 6, **SMALL),
    "patches": lambda: networks.PatchTransformer(FLOW, (4, 4, 1), patch_size=2, **SMALL),
    "image": lambda: networks.UNet(FLOW, (4, 4, 1), width=8, width_multipliers=(1,)),
    "vector": lambda: networks.MLP(FLOW, (6,), width=8, num_blocks=1),
}


def nats(model, x):
    return model.code_length(x, seed=0, verbose=0)["transmission"]


def make_model(make):
    """A model of this network with random weights, some of which are zeros at first, and data."""
    network = make()
    for weight in network.trainable_weights:
        weight.assign_add(keras.random.normal(weight.shape, stddev=0.1, seed=0))
    model = keras_bfn.BayesianFlowNetwork(FLOW, network, seed=0)
    return model, np.random.default_rng(0).integers(0, 3, (16, *model.event_shape))


@pytest.mark.slow_to_compile
@pytest.mark.parametrize("make", everywhere(NETWORKS, "sequence"))
def test_lora_trains_little_starts_from_nothing_and_is_in_the_kernels_of_a_file(make, tmp_path):
    model, x = make_model(make)
    network = model.network
    before, kernels = nats(model, x), [w for w in network.weights if w.name == "kernel"]
    values = [keras.ops.convert_to_numpy(kernel).copy() for kernel in kernels]

    network.enable_lora(2)
    np.testing.assert_allclose(nats(model, x), before, rtol=1e-6)
    names = {weight.name for weight in model.trainable_weights}
    assert names == {"lora_kernel_a", "lora_kernel_b", "bias"}
    model.compile(keras.optimizers.Adam(0.05))
    model.fit(x, epochs=2, verbose=0)
    after = nats(model, x)
    assert np.abs(after - before).max() > 0.01
    for kernel, value in zip(kernels, values, strict=True):
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(kernel), value)

    model.save_to_preset(tmp_path)
    loaded = keras_bfn.BayesianFlowNetwork.from_preset(tmp_path)
    np.testing.assert_allclose(nats(loaded, x), after, rtol=1e-4)
    assert loaded.count_params() == make().count_params()
    for layer in loaded.network.layers:
        layer.trainable = True
    assert len(loaded.trainable_weights) == len(make().trainable_weights)


@pytest.mark.slow
@pytest.mark.parametrize("make", everywhere(NETWORKS, "patches"))
def test_all_kernels_but_those_of_images_convolutions_have_eight_bits(make, tmp_path):
    model, x = make_model(make)
    before = nats(model, x)
    model.quantize("int8")
    kernels = [weight for weight in model.network.weights if weight.name == "kernel"]
    assert len(kernels) > 3
    for kernel in kernels:
        assert len(kernel.shape) == 4 or keras.backend.standardize_dtype(kernel.dtype) == "int8"
    after = nats(model, x)
    assert 0 < np.abs(after - before).mean() < 0.02 * before.mean()
    model.save_to_preset(tmp_path)
    loaded = keras_bfn.BayesianFlowNetwork.from_preset(tmp_path)
    np.testing.assert_allclose(nats(loaded, x), after, rtol=1e-5)


@pytest.mark.slow_to_compile
@pytest.mark.parametrize("mode", ["int4", "float8"])
def test_kernels_of_fewer_bits_cost_little_and_are_saved(mode, tmp_path):
    model, x = make_model(NETWORKS["patches"])
    before = nats(model, x)
    model.quantize(mode)
    after = nats(model, x)
    assert 0 < np.abs(after - before).mean() < 0.1 * before.mean()
    model.save_to_preset(tmp_path)
    loaded = keras_bfn.BayesianFlowNetwork.from_preset(tmp_path)
    np.testing.assert_allclose(nats(loaded, x), after, rtol=1e-5)


@pytest.mark.once
@pytest.mark.parametrize("kind", [keras.quantizers.GPTQConfig, keras.quantizers.AWQConfig])
def test_modes_that_calibrate_on_tokens_are_refused_before_anything_changes(kind):
    model, x = make_model(NETWORKS["patches"])
    before, weights = nats(model, x), len(model.weights)
    config = kind(dataset=["a b"], tokenizer=str.split)
    with pytest.raises(ValueError, match=r"`mode` must be one of .*int8.* Received: mode='"):
        model.quantize(config=config)
    assert len(model.weights) == weights
    np.testing.assert_array_equal(nats(model, x), before)


@pytest.mark.once
def test_lora_twice_is_refused():
    network = NETWORKS["vector"]()
    network.enable_lora(1)
    with pytest.raises(ValueError, match="already enabled"):
        network.enable_lora(1)


@pytest.mark.once
def test_a_layer_that_trains_within_a_frozen_one_is_saved_so(tmp_path):
    network = NETWORKS["vector"]()
    block = next(layer for layer in network.layers if hasattr(layer, "widen"))
    block.trainable = False
    block.widen.trainable = True
    copy = type(network).from_config(network.get_config())
    trainable = [weight.trainable for weight in network.weights]
    assert [weight.trainable for weight in copy.weights] == trainable
    assert 0 < sum(trainable) < len(trainable)


@pytest.mark.once
def test_training_new_matrices_by_an_older_optimizer_is_refused():
    model = keras_bfn.BayesianFlowNetwork(FLOW, NETWORKS["vector"](), seed=0)
    model.compile("adam")
    x = np.zeros((4, 6), "int32")
    model.fit(x, verbose=0)
    model.network.enable_lora(1)
    with pytest.raises(ValueError, match="Call `compile` after"):
        model.fit(x, verbose=0)
