"""What is large enough for a backend to rearrange it."""

import pytest

import keras_bfn
from keras_bfn.samplers.registry import SAMPLERS


@pytest.mark.slow
@pytest.mark.parametrize("name", SAMPLERS)
def test_many_classes_are_drawn_again_and_again(name):
    flow = keras_bfn.flows.DiscreteFlow(5000, beta_1=0.56)
    network = keras_bfn.networks.Transformer(flow, 64, width=768, num_layers=2, num_heads=12)
    model = keras_bfn.BayesianFlowNetwork(flow, network, seed=0)
    model.compile("adam")
    for _ in range(2):
        assert model.generate(4, 10, name, batch_size=4, verbose=0).max() < 5000
