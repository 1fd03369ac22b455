"""A model is built for its first data; what cannot be built is refused by name."""

import keras
import numpy as np
import pytest

import keras_bfn

FLOW = keras_bfn.flows.DiscreteFlow(3, beta_1=3.0)
X = np.random.default_rng(0).integers(0, 3, (8, 4))


@keras.saving.register_keras_serializable("keras_bfn_tests")
class TakesTheta(keras.layers.Layer):
    """The first layer of a `Sequential`, which takes the dict."""

    def call(self, inputs):
        return inputs["theta"]


@pytest.mark.slow_to_compile
def test_the_event_shape_is_that_of_the_first_data():
    network = keras.Sequential([TakesTheta(), keras.layers.Dense(3)])
    model = keras_bfn.BayesianFlowNetwork(FLOW, network, seed=0)
    assert not model.built
    assert model.event_shape is None
    model.compile("sgd")
    model.fit(X, epochs=1, verbose=0)
    assert model.event_shape == (4,)
    assert model.generate(2, 2, verbose=0).shape == (2, 4)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([keras.layers.Dense(3)], "must be a `Sequential` whose first layer takes the dict"),
        ([keras.Input((4, 3)), keras.layers.Dense(3)], "must take a dict of 'theta' and 't'"),
    ],
)
def test_a_sequential_that_takes_one_tensor_is_refused(layers, message):
    with pytest.raises(ValueError, match=f"Argument `network` {message}"):
        keras_bfn.BayesianFlowNetwork(FLOW, keras.Sequential(layers)).build((8, 4))


def test_symbolic_inputs_are_those_that_the_network_takes():
    network = keras_bfn.networks.Transformer(
        FLOW, (4,), width=8, num_layers=1, num_heads=2, masked=True, causal=True, times="variables"
    )
    model = keras_bfn.AnyOrderNetwork(FLOW, network, seed=0)
    found = {name: x.shape[1:] for name, x in model.symbolic_inputs().items()}
    assert found == {"theta": (4, 3), "t": (4,), "mask": (4,), "causal": ()}
    with pytest.raises(ValueError, match=r"for `keras_bfn\.AnyOrderNetwork`"):
        keras_bfn.BayesianFlowNetwork(FLOW, network)
