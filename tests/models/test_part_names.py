"""Parts may be called what one likes, and dicts of them have any order."""

import keras
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import keras_bfn
from keras_bfn.flows import DiscreteFlow
from tests.models.parts import IS_TORCH, first, make_data, make_model

# Words that the package, Keras and numpy have a use for, and what is no word.
NAMES = ("x", "theta", "condition", "a b", "a.b/c", "ünï☃", "file")
FLOWS = {name: DiscreteFlow(2, beta_1=2.0) for name in NAMES}
EVENT_SHAPES = dict.fromkeys(NAMES, ())
X = make_data(FLOWS, EVENT_SHAPES, num=8)
REVERSED = dict(reversed(X.items()))


@pytest.fixture(scope="module")
def model():
    model = make_model(FLOWS, EVENT_SHAPES)
    model.compile("adam", loss_weights={"a.b/c": 2.0})
    model.fit(X, batch_size=8, verbose=0)
    return model


def say(model, x):
    """Samples, costs and completions, all by name."""
    kwargs = {"batch_size": 8, "seed": 0, "verbose": 0}
    samples = model.generate(8, 2, "ode1", **kwargs)
    assert list(samples) == list(NAMES)
    if not IS_TORCH:
        return samples
    nats = model.code_length(x, 2, **kwargs)
    completed = model.inpaint(first(x, 4), {"a b": True, "x": False}, 2, **kwargs)
    assert_array_equal(completed["a b"], x["a b"][:4])
    assert list(nats["parts"]) == list(completed) == list(NAMES)
    return samples, nats, completed


@pytest.mark.once
def test_every_name_is_reported(model):
    logs = model.evaluate(X, batch_size=8, return_dict=True, verbose=0)
    parts = [logs.pop(f"{name}_nats_per_example") for name in NAMES]
    assert_allclose(sum(parts), logs["nats_per_example"], rtol=1e-5)
    assert set(logs) == {"loss", "reconstruction", "bits_per_dim", "nats_per_example"}


@pytest.mark.once
def test_every_name_and_their_order_survive_a_file(model, tmp_path):
    said = say(model, X)
    keras.tree.map_structure(assert_array_equal, said, say(model, REVERSED))
    model.save(tmp_path / "model.keras")
    model.save_to_preset(tmp_path / "preset")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    keras.tree.map_structure(lambda a, b: assert_allclose(a, b, rtol=1e-4), said, say(loaded, X))
    from_preset = keras_bfn.BayesianFlowNetwork.from_preset(tmp_path / "preset")
    for other in (loaded, from_preset):
        assert list(other.flow) == list(NAMES)
        assert other.loss_weights == {"a.b/c": 2.0}
        for a, b in zip(model.get_weights(), other.get_weights(), strict=True):
            assert_array_equal(a, b)


@pytest.mark.once
def test_networks_of_parts_of_any_name_survive_a_file(tmp_path):
    flow = {"a/b c": DiscreteFlow(3, beta_1=2.0), "theta": DiscreteFlow(3, beta_1=2.0)}
    shapes = {"a/b c": (2, 2), "theta": (2, 2)}
    networks = {
        name: keras_bfn.networks.MLP(part, (2, 2), width=4, num_blocks=1, conditions=(8,))
        for name, part in reversed(flow.items())
    }
    network = keras_bfn.networks.MultiPart(
        flow, shapes, width=8, num_blocks=1, mixer="mlp", networks=networks
    )
    model = keras_bfn.BayesianFlowNetwork(flow, network)
    rng = np.random.default_rng(0)
    network.set_weights([rng.standard_normal(w.shape) for w in network.get_weights()])
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    for a, b in zip(model.get_weights(), loaded.get_weights(), strict=True):
        assert_array_equal(a, b)
    s = {name: rng.standard_normal((2, *shapes[name], 3)).astype("float32") for name in flow}
    predictions = [m.predict_params(s, np.full(2, 0.5, "float32")) for m in (model, loaded)]
    for name in flow:
        a, b = (keras.ops.convert_to_numpy(prediction[name].params) for prediction in predictions)
        assert_allclose(a, b, rtol=1e-4, atol=1e-4)


@pytest.mark.once
def test_the_flows_of_a_model_make_another(model):
    network = keras_bfn.networks.MultiPart(model.flow, model.event_shape, width=8, num_blocks=1)
    other = keras_bfn.BayesianFlowNetwork(model.flow, network, model.event_shape)
    assert dict(other.flow) == FLOWS
    assert dict(other.event_shape) == EVENT_SHAPES
    again = keras_bfn.BayesianFlowNetwork.from_config(other.get_config())
    assert dict(again.flow) == FLOWS
