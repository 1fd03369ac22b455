"""What is large enough for a backend to rearrange it."""

import keras
import numpy as np
import pytest

import keras_bfn
from keras_bfn.samplers.samplers import SAMPLERS

NUM_CLASSES, LENGTH = 5000, 64
X = np.random.default_rng(0).integers(0, NUM_CLASSES, (4, LENGTH))
OPTIONS = {"num_steps": 10, "batch_size": 4, "verbose": 0}


@pytest.fixture(scope="module")
def model():
    flow = keras_bfn.flows.DiscreteFlow(NUM_CLASSES, beta_1=0.56)
    network = keras_bfn.networks.Transformer(flow, LENGTH, width=768, num_layers=2, num_heads=12)
    model = keras_bfn.BayesianFlowNetwork(flow, network, seed=0)
    model.compile("adam")
    return model


def guide(x):
    return -keras.ops.mean(keras.ops.square(x), axis=(1, 2))


VERBS = {
    **{
        name: lambda model, name=name: model.generate(4, sampler=name, **OPTIONS)
        for name in SAMPLERS
    },
    "guided": lambda model: model.generate(4, guidance=guide, **OPTIONS),
    "inpaint": lambda model: model.inpaint(X, np.arange(LENGTH) < 32, num_particles=2, **OPTIONS),
    "encode": lambda model: model.encode(X, **OPTIONS),
    "code_length": lambda model: model.code_length(X, **OPTIONS)["transmission"],
}


@pytest.mark.slow
@pytest.mark.parametrize("verb", VERBS)
def test_many_classes_are_told_of_again_and_again(verb, model):
    for _ in range(2):
        assert np.isfinite(VERBS[verb](model)).all()
