"""Any Keras model or layer is a network, in every verb, from a file and from a preset."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_bfn
from tests.backends import everywhere
from tests.networks.own import NETWORKS, NUM_CONDITIONS, SHAPE


def make_model(name, conditional):
    keras.utils.set_random_seed(0)
    flow = keras_bfn.flows.DiscreteFlow(3, beta_1=2.0)
    network = NETWORKS[name](flow, conditional)
    return keras_bfn.BayesianFlowNetwork(flow, network, seed=0)


CASES = {
    f"{name}{condition}": (name, bool(condition))
    for name in NETWORKS
    for condition in ("", "-conditional")
}
# With and without a condition, built and unbuilt; plain layers train, generate and are saved in
# `tests/models`.
EVERYWHERE = ("subclassed",)


@pytest.mark.slow_to_compile
@pytest.mark.parametrize("case", everywhere(CASES, *EVERYWHERE))
def test_a_network_of_ones_own_serves_in_every_verb(case, tmp_path):
    name, conditional = case
    model = make_model(name, conditional)
    model.compile("adam")
    x = np.random.default_rng(0).integers(0, 3, (16, *SHAPE))
    condition = np.arange(16) % NUM_CONDITIONS if conditional else None
    data = (x, condition) if conditional else x
    validation = (data,) if conditional else data
    before = None if not model.network.built else model.network.get_weights()

    history = model.fit(data, validation_data=validation, epochs=2, batch_size=8, verbose=0)
    assert np.isfinite(history.history["val_loss"]).all()
    if before is not None:
        after = model.network.get_weights()
        assert any((a != b).any() for a, b in zip(before, after, strict=True))

    def say(model):
        kwargs = {"num_steps": 3, "condition": condition, "seed": 0, "verbose": 0}
        samples = model.generate(16, **kwargs)
        np.testing.assert_array_equal(samples, model.generate(16, **kwargs))
        return samples, model.code_length(data, seed=0, verbose=0)["transmission"]

    samples, nats = say(model)
    assert samples.shape == (16, *SHAPE)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    samples_again, nats_again = say(loaded)
    np.testing.assert_array_equal(samples_again, samples)
    np.testing.assert_allclose(nats_again, nats, rtol=1e-4)
    if keras.backend.backend() != "torch":  # on which nothing is compiled
        return
    model.save_to_preset(tmp_path / "preset")
    loaded = keras_bfn.BayesianFlowNetwork.from_preset(tmp_path / "preset")
    for again, weight in zip(loaded.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(again, weight)
    loaded.fit(data, epochs=1, verbose=0)


@keras.saving.register_keras_serializable("tests")
class Lookup(keras.layers.Layer):
    """Takes the row of its table that the condition counts: not for floats."""

    def build(self, input_shape):
        self.table = self.add_weight((6, 3), name="table")

    def call(self, inputs):
        return inputs["theta"] + ops.take(self.table, inputs["condition"], axis=0)[:, None]


@pytest.mark.slow_to_compile
@pytest.mark.parametrize("null", [None, 5])
def test_a_network_may_count_by_its_condition(null, tmp_path):
    flow = keras_bfn.flows.DiscreteFlow(3, beta_1=2.0)
    x, labels = np.arange(24).reshape(8, 3) % 3, np.arange(8) % 5
    model = keras_bfn.BayesianFlowNetwork(flow, Lookup(), null_condition=null, seed=0)
    expected = model.code_length((x, labels), 3, seed=0, verbose=0)["transmission"]
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    found = loaded.code_length((x, labels), 3, seed=0, verbose=0)["transmission"]
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    other = model.code_length((x, labels + 1), 3, seed=0, verbose=0)["transmission"]
    assert (other != expected).any()
