"""Networks keep the contract: shapes, float32 outputs, configs, precision, data formats."""

import math

import keras
import numpy as np
import pytest

import keras_bfn
from keras_bfn import testing
from keras_bfn._keras import layers_with_kernels
from keras_bfn.networks.network import make_symbolic_inputs
from tests.backends import everywhere
from tests.models.small import FLOWS
from tests.networks.cases import NETWORKS, event_shape, make_inputs, random_network, randomize
from tests.tensors import run

REMATERIALISED = [name for name in NETWORKS if name != "MLP"]  # which has no `remat`


@pytest.mark.slow_to_compile("tensorflow")
@pytest.mark.parametrize("name", everywhere(list(NETWORKS), "MLP"))
def test_a_conditional_network_keeps_its_contract(name):
    flow, extra = FLOWS["discretized"](), {"remat": True} if name in REMATERIALISED else {}
    network = NETWORKS[name](flow, conditions=3, **extra)
    testing.check_network(network, flow, condition=np.array([0, 1, 2, 3]))


@pytest.mark.once
@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_without_conditions_and_with_times_of_the_variables_keeps_its_contract(name):
    flow = FLOWS["discretized"]()
    testing.check_network(NETWORKS[name](flow, times="variables"), flow, times="variables")


@pytest.mark.parametrize("flow_name", everywhere(["discretized", "binary"], "discretized"))
@pytest.mark.parametrize("name", everywhere(list(NETWORKS), "UNet"))
def test_the_time_of_each_number_is_seen_where_theta_does_not_tell_it(name, flow_name):
    flow = FLOWS[flow_name]()
    network = NETWORKS[name](flow, times="variables")
    randomize(network)
    theta, t = make_inputs(name, flow)["theta"], np.full((2, *event_shape(name)), 0.5, "float32")
    t.reshape(2, -1)[:, [0, -1]] = 0.2, 0.8
    swapped = t.copy()
    swapped.reshape(2, -1)[:, [0, -1]] = 0.8, 0.2  # of one mean
    one, other = (run(network, {"theta": theta, "t": each}) for each in (t, swapped))
    if flow.theta_tells_all:
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)
    else:
        assert np.abs(one - other).max() > 1e-4


def assert_is_of_the_flows_size(network, name, flow):
    assert network.output.shape == (None, *event_shape(name), flow.output_size)
    assert network.output.dtype == "float32"


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
@pytest.mark.parametrize("name", everywhere(list(NETWORKS), "Transformer"))
def test_outputs_and_weights_are_float32_in_half_precision(name, policy):
    flow = FLOWS["discretized"]()
    network = NETWORKS[name](flow, dtype=policy)
    assert_is_of_the_flows_size(network, name, flow)
    assert all(keras.backend.standardize_dtype(w.dtype) == "float32" for w in network.weights)


@pytest.mark.once
@pytest.mark.parametrize("name", NETWORKS)
def test_half_precision_stays_close_to_full(name):
    flow = FLOWS["binary"]()
    full, half = random_network(name), NETWORKS[name](flow, dtype="mixed_bfloat16")
    half.set_weights(full.get_weights())
    outputs = [run(n, make_inputs(name, flow)) for n in (full, half)]
    assert outputs[1].dtype == "float32"
    assert np.abs(outputs[0] - outputs[1]).max() < 0.05 * np.abs(outputs[0]).max()


KEPT_IN_FLOAT32 = ("input_projection", "time_projection", "output_projection")


@pytest.mark.once
@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_follows_its_own_dtype_policy(name):
    network = NETWORKS[name](FLOWS["binary"](), dtype="mixed_bfloat16")
    for layer in layers_with_kernels(network):
        expected = "float32" if layer.name in KEPT_IN_FLOAT32 else "bfloat16"
        assert layer.compute_dtype == expected, layer.name


@pytest.mark.once
@pytest.mark.parametrize(
    ("name", "flow_name"),
    [(name, "binary") for name in NETWORKS] + [("MLP", name) for name in FLOWS if name != "binary"],
)
def test_a_network_without_the_shortcut_begins_with_zeros(name, flow_name):
    flow = FLOWS[flow_name]()
    output = run(NETWORKS[name](flow, shortcut=False), make_inputs(name, flow))
    np.testing.assert_array_equal(output, 0)


@pytest.mark.once
@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_survives_its_config(name):
    flow = FLOWS["discretized"]()
    network = NETWORKS[name](flow, dropout=0.1, dtype="mixed_bfloat16")
    config = keras.saving.serialize_keras_object(network)
    copy = keras.saving.deserialize_keras_object(config)
    assert copy.get_config() == network.get_config()
    copy.set_weights(network.get_weights())
    outputs = [run(n, make_inputs(name, flow)) for n in (network, copy)]
    np.testing.assert_allclose(*outputs, rtol=1e-5)


@pytest.mark.slow_to_compile
@pytest.mark.parametrize("name", everywhere(list(NETWORKS), "UNet", "Transformer"))
def test_every_part_of_the_input_matters_to_every_output(name):
    network, inputs = random_network(name), make_inputs(name, FLOWS["binary"]())
    output = run(network, inputs)
    later = run(network, {**inputs, "t": inputs["t"] + 0.05})
    assert (np.abs(later - output) > 1e-6).all()
    theta = inputs["theta"].copy()
    theta.reshape(2, 12, -1)[:, 0] += 3.0
    moved = run(network, {**inputs, "theta": theta})
    farthest = np.abs(moved - output).reshape(2, 12, -1)[:, -1]
    assert (farthest > 1e-5 * np.abs(output).max()).all()


@pytest.mark.slow_to_compile
@pytest.mark.parametrize("name", everywhere(list(NETWORKS), "MLP", "PatchTransformer"))
def test_a_class_matters_and_there_is_a_null_condition(name):
    flow = FLOWS["binary"]()
    network = NETWORKS[name](flow, conditions=3)
    assert network.null_condition == 3
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(network))
    assert copy.get_config() == network.get_config()
    randomize(network)
    inputs = make_inputs(name, flow)
    outputs = [run(network, {**inputs, "condition": np.full(2, c, "int32")}) for c in range(4)]
    for i in range(4):
        for j in range(i):
            assert (np.abs(outputs[i] - outputs[j]) > 1e-6).all()


@pytest.mark.once
def test_networks_without_classes_have_no_null_condition():
    assert NETWORKS["MLP"](FLOWS["binary"]()).null_condition is None


@pytest.mark.slow_to_compile
@pytest.mark.parametrize("name", everywhere(REMATERIALISED, "Transformer"))
def test_rematerialised_networks_train_alike(name):
    flow = FLOWS["binary"]()
    x = np.random.default_rng(0).integers(0, 2, (8, *event_shape(name)))
    losses = []
    for remat in (False, True):
        keras.utils.set_random_seed(0)
        network = NETWORKS[name](flow, remat=remat, dropout=0.3)
        randomize(network)
        model = keras_bfn.BayesianFlowNetwork(flow, network, seed=0)
        model.compile(keras.optimizers.SGD(0.01))
        history = model.fit(x, epochs=2, batch_size=8, shuffle=False, verbose=0)
        losses.append(history.history["loss"])
    np.testing.assert_allclose(*losses, rtol=1e-4)


@pytest.mark.slow_to_compile
@pytest.mark.parametrize(
    ("name", "policy"),
    [
        ("Transformer", "mixed_bfloat16"),
        pytest.param("Transformer", "mixed_float16", marks=pytest.mark.once),
        pytest.param("UNet", "mixed_bfloat16", marks=pytest.mark.once),
        pytest.param("UNet", "mixed_float16", marks=pytest.mark.once),
    ],
)
def test_networks_train_in_half_precision(name, policy):
    if policy == "mixed_float16" and keras.backend.backend() == "jax":
        pytest.skip("JAX has no float16 products on the CPU")
    flow = FLOWS["binary"]()
    network = NETWORKS[name](flow, dtype=policy, dropout=0.1)
    model = keras_bfn.BayesianFlowNetwork(flow, network, seed=0)
    model.compile(keras.optimizers.AdamW(3e-2))
    x = np.zeros((8, *event_shape(name)), "int32")
    losses = [float(model.train_on_batch(x)) for _ in range(8)]
    assert np.isfinite(losses).all()
    assert np.mean(losses[-2:]) < 0.8 * np.mean(losses[:2])


@pytest.mark.once
@pytest.mark.parametrize("name", NETWORKS)
def test_a_part_of_a_network_is_a_model_of_keras(name, tmp_path):
    network = random_network(name)
    part = keras.Model(network.input, network.layers[-3].output)
    part.save(tmp_path / "part.keras")
    loaded = keras.saving.load_model(tmp_path / "part.keras")
    inputs = make_inputs(name, FLOWS["binary"]())
    np.testing.assert_allclose(run(loaded, inputs), run(part, inputs), rtol=1e-5)


@pytest.mark.once
def test_symbolic_inputs_have_the_shapes_of_a_batch():
    words = keras_bfn.flows.DiscreteFlow(3, beta_1=2.0)
    flow = {"word": words, "size": keras_bfn.flows.ContinuousFlow(0.1)}
    shapes = {"word": (4,), "size": ()}
    found = make_symbolic_inputs(flow, shapes, shapes, {"mask", "causal", "t_next"})
    expected = {
        "theta": {"word": (None, 4, 3), "size": (None, 1)},
        "t": {"word": (None, 4), "size": (None,)},
        "mask": {"word": (None, 4), "size": (None,)},
        "causal": (None,),
        "t_next": (None,),
    }
    sizes = keras.tree.map_structure(lambda x: tuple(x.shape), found)
    assert sizes == expected
    plain = make_symbolic_inputs(words, (4,), None)
    assert {name: tuple(x.shape) for name, x in plain.items()} == {
        "theta": (None, 4, 3),
        "t": (None,),
    }


@pytest.mark.once
@pytest.mark.parametrize("conditions", [3, (2,), {"a": (4, 1), "b": 3}])
def test_a_network_that_leaves_out_a_condition_is_refused(conditions):
    class Choosing(keras_bfn.networks.Network):
        def __init__(self, flow, use, **kwargs):
            def connect(inputs, found, policy):
                x = keras.layers.Flatten()(inputs["theta"])
                for one in keras.tree.flatten(inputs["condition"])[:use]:  # not by `add_to`
                    one = keras.ops.cast(one, "float32")
                    one = keras.ops.reshape(one, (-1, math.prod(one.shape[1:])))
                    x = keras.layers.Add()([x, keras.layers.Dense(x.shape[-1])(one)])
                return [keras.layers.Reshape(inputs["theta"].shape[1:])(x)]

            super().__init__(flow, (4,), connect, **kwargs)

    num = len(conditions) if isinstance(conditions, dict) else 1
    with pytest.raises(ValueError, match="`connect` must return an output that depends on each"):
        Choosing(FLOWS["binary"](), num - 1, conditions=conditions)
    Choosing(FLOWS["binary"](), num, conditions=conditions)
