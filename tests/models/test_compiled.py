"""Programs of XLA and torch.compile give what others give, and are not compiled anew."""

import keras
import numpy as np
import pytest
from keras import layers

from keras_bfn import BayesianFlowNetwork
from keras_bfn.flows import DiscreteFlow

pytestmark = pytest.mark.nightly if keras.backend.backend() == "torch" else pytest.mark.slow
X = np.random.default_rng(0).integers(0, 3, (64, 5)).astype("int32")
VERBS = {
    "fit": lambda model: model.fit(X, batch_size=32, shuffle=False, verbose=0).history["loss"],
    "generate": lambda model: model.generate(8, 4, "sde2", seed=0, verbose=0),
    "code_length": lambda model: model.code_length(X[:8], seed=0, verbose=0)["transmission"],
    "n messages": lambda model: model.code_length(X[:8], 3, seed=0, verbose=0)["transmission"],
}


class Counted(layers.Layer):
    """Nothing; counts how often it is called, which is once for each program that XLA compiles."""

    num_calls = 0

    def call(self, x):
        Counted.num_calls += 1
        return x


def num_compiled():
    if keras.backend.backend() == "torch":
        import torch

        return torch._dynamo.utils.counters["stats"]["unique_graphs"]
    return Counted.num_calls


def make_model(jit_compile):
    keras.utils.set_random_seed(0)
    flow = DiscreteFlow(3, beta_1=3.0)
    inputs = {
        "theta": keras.Input((5, flow.theta_size), name="theta"),
        "t": keras.Input((), name="t"),
    }
    x = layers.Concatenate()([layers.Flatten()(inputs["theta"]), layers.Reshape((1,))(inputs["t"])])
    x = layers.Dense(5 * flow.output_size)(layers.Dense(16, "relu")(x))
    x = layers.Reshape((5, flow.output_size))(x)
    x = x if keras.backend.backend() == "torch" else Counted()(x)
    model = BayesianFlowNetwork(flow, keras.Model(inputs, x), seed=0)
    model.compile(keras.optimizers.Adam(1e-2), jit_compile=jit_compile)
    return model


@pytest.mark.usefixtures("xla")
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")  # of PyTorch
@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_is_not_compiled_anew_and_gives_the_same(verb):
    compiled, plain = make_model(True), make_model(False)
    call, before = VERBS[verb], num_compiled()
    found, expected = call(compiled), call(plain)
    # For the same seed, TensorFlow draws other uniform numbers in programs of XLA.
    if keras.backend.backend() != "tensorflow":
        np.testing.assert_allclose(found, expected, rtol=1e-4)
    call(compiled)  # torch.compile makes one more program when a number has changed
    call(plain)
    num = num_compiled()
    assert num > before
    for _ in range(3):
        call(compiled)
    assert num_compiled() == num
