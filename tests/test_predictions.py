"""What a network is given at a time, and what it declares to take."""

import keras
import numpy as np
import pytest

from keras_bfn import AnyOrderNetwork, BayesianFlowNetwork
from keras_bfn.flows import DiscreteFlow
from keras_bfn.predictions import Signature, input_distribution
from tests.tensors import to_numpy

pytestmark = pytest.mark.once

RNG = np.random.default_rng(0)
FLOW, T = DiscreteFlow(3, beta_1=2.0), np.array([0.3, 0.8], "float32")
S = RNG.standard_normal((2, 4, 3)).astype("float32")
MASK = np.array([[1, 1, 0, 1], [0, 1, 1, 1]], bool)
# What a model of one time for all variables gives, and one of a time for each.
NAMES, OWN_NAMES = BayesianFlowNetwork.input_names, AnyOrderNetwork.input_names


def softmax(s):
    return np.exp(s) / np.exp(s).sum(axis=-1, keepdims=True)


def test_all_evidence_becomes_the_input_distribution():
    t, s, theta = input_distribution(FLOW, S, T)
    np.testing.assert_array_equal(to_numpy(t), T.astype("float64"))
    np.testing.assert_array_equal(to_numpy(s), S.astype("float64"))
    np.testing.assert_allclose(to_numpy(theta), softmax(S), rtol=1e-5)


def test_of_what_is_not_observed_nothing_has_been_heard():
    _, s, theta = (to_numpy(x) for x in input_distribution(FLOW, S, T, MASK))
    np.testing.assert_array_equal(s[~MASK], 0.0)
    np.testing.assert_allclose(theta[~MASK], 1 / 3, rtol=1e-6)
    np.testing.assert_allclose(theta[MASK], softmax(S)[MASK], rtol=1e-5)


def network_of(**inputs):
    seen = keras.layers.Concatenate()([keras.layers.Flatten()(inputs["theta"]), inputs["t"]])
    return keras.Model(inputs, keras.layers.Dense(3)(seen))


def symbolic(**more):
    theta, t = keras.Input((4, 3), name="theta"), keras.Input((1,), name="t")
    return {"theta": theta, "t": t, **more}


def test_a_functional_network_declares_what_it_takes():
    plain = Signature(network_of(**symbolic()), None, NAMES)
    assert (plain.conditional, plain.optional, plain.allow_missing) == (False, set(), False)
    with pytest.raises(ValueError, match=r"takes no condition\. .* in `x`\. Build it with"):
        plain.check_conditional(True)
    more = {
        "condition": keras.Input((2,), name="condition"),
        "mask": keras.Input((4,), dtype="bool", name="mask"),
        "causal": keras.Input((), dtype="bool", name="causal"),
        "t_next": keras.Input((), name="t_next"),
    }
    full = Signature(network_of(**symbolic(**more)), None, OWN_NAMES)
    assert full.conditional
    assert full.allow_missing
    assert full.optional == {"mask", "causal", "t_next"}
    assert full.condition is more["condition"]
    with pytest.raises(ValueError, match=r"takes a condition: numbers of shape \(2,\)"):
        full.check_conditional(False)
    with pytest.raises(ValueError, match="`allow_missing` must be True, False or None, and not F"):
        Signature(network_of(**symbolic(**more)), False, OWN_NAMES)
    with pytest.raises(ValueError, match=r"'causal' is for `keras_bfn\.AnyOrderNetwork`"):
        Signature(network_of(**symbolic(**more)), None, NAMES)


def test_a_layer_declares_nothing_and_takes_what_it_is_given():
    own = Signature(keras.layers.Dense(3), True, NAMES)
    assert (own.inputs, own.conditional, own.condition) == (None, None, None)
    assert own.optional == {"mask"}
    for conditional in (False, True):
        own.check_conditional(conditional)
