"""What a network is given at a time, and what its answer costs."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_bfn import Prediction
from keras_bfn.flows import ContinuousFlow, DiscreteFlow
from keras_bfn.losses import ContinuousTimeLoss
from keras_bfn.predictions import (
    Signature,
    input_distribution,
    nats_per_example,
    output_distributions,
)
from tests.tensors import to_numpy, to_tensor

pytestmark = pytest.mark.once

RNG = np.random.default_rng(0)
FLOW, T = DiscreteFlow(3, beta_1=2.0), np.array([0.3, 0.8], "float32")
S = RNG.standard_normal((2, 4, 3)).astype("float32")
MASK = np.array([[1, 1, 0, 1], [0, 1, 1, 1]], bool)
KNOWN = np.array([[1, 0, 0, 0], [0, 0, 1, 0]], bool)


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


def test_what_is_known_is_certain_and_is_heard_as_at_the_end():
    """Its evidence is the mean of that at t = 1, c beta_1 e(x), and its own time is 1."""
    x = np.array([[2, 0, 0, 0], [0, 0, 1, 0]])
    s = np.where(KNOWN[..., None], to_numpy(FLOW.known_evidence(to_tensor(x))), S)
    t, s, theta = (
        to_numpy(found)
        for found in input_distribution(FLOW, s, T, MASK, to_tensor(KNOWN) > 0, True)
    )
    np.testing.assert_allclose(theta[KNOWN], np.eye(3)[x[KNOWN]], atol=1e-6)
    np.testing.assert_allclose(s[KNOWN], 3 * 2.0 * np.eye(3)[x[KNOWN]], rtol=1e-5)
    expected = np.where(KNOWN, 1.0, np.where(MASK, T[:, None], 0.0))
    np.testing.assert_allclose(t, expected, rtol=1e-6)


def predictions():
    """Of two parts, from evidence about their data."""
    flow = {"word": FLOW, "size": ContinuousFlow(0.1, "data")}
    x = {"word": RNG.integers(0, 3, (2, 4)), "size": RNG.uniform(-1, 1, 2).astype("float32")}
    made = {}
    for name, part in flow.items():
        s = to_tensor(RNG.standard_normal((*x[name].shape, part.embedding_size)))
        params = to_tensor(RNG.standard_normal((*x[name].shape, part.output_size)))
        made[name] = Prediction(to_tensor(T), s, None, params)
    return flow, x, made


def test_the_cost_of_an_example_is_the_sum_over_variables_weighed_and_by_part():
    flow, x, made = predictions()
    loss = ContinuousTimeLoss()
    nats = {name: to_numpy(loss(flow[name], x[name], made[name])) for name in flow}
    found = nats_per_example(loss, flow, x, made, None)
    np.testing.assert_allclose(to_numpy(found["word"]), nats["word"].sum(axis=1), rtol=1e-5)
    np.testing.assert_allclose(to_numpy(found["size"]), nats["size"], rtol=1e-5)
    counts = {"word": RNG.random((2, 4)), "size": np.array([0.0, 2.0])}
    found = nats_per_example(
        loss, flow, x, made, None, {name: to_tensor(weights) for name, weights in counts.items()}
    )
    expected = (counts["word"] * nats["word"]).sum(axis=1)
    np.testing.assert_allclose(to_numpy(found["word"]), expected, rtol=1e-5)
    np.testing.assert_allclose(to_numpy(found["size"]), counts["size"] * nats["size"], rtol=1e-5)


def test_what_is_told_costs_its_log_probability_and_what_is_not_sent_nothing():
    flow, x, made = predictions()
    flow, x, made = (values["word"] for values in (flow, x, made))
    messages, told = np.array([[1.0, 0, 0, 2.0]] * 2), np.array([[0, 1.0, 0, 0]] * 2)
    loss = ContinuousTimeLoss()
    found = nats_per_example(
        loss, flow, x, made, None, messages=to_tensor(messages), told=to_tensor(told)
    )
    log_prob = to_numpy(output_distributions(flow, made).log_prob(to_tensor(x)))
    expected = messages * to_numpy(loss(flow, x, made)) - told * log_prob
    np.testing.assert_allclose(to_numpy(found), expected.sum(axis=1), rtol=1e-5)


def network_of(**inputs):
    seen = keras.layers.Concatenate()([keras.layers.Flatten()(inputs["theta"]), inputs["t"]])
    return keras.Model(inputs, keras.layers.Dense(3)(seen))


def symbolic(**more):
    theta, t = keras.Input((4, 3), name="theta"), keras.Input((1,), name="t")
    return {"theta": theta, "t": t, **more}


def test_a_functional_network_declares_what_it_takes():
    plain = Signature(network_of(**symbolic()), None)
    assert (plain.conditional, plain.takes_mask, plain.allow_missing) == (False, False, False)
    with pytest.raises(ValueError, match=r"takes no condition\. Received: a condition in `x`"):
        plain.check_conditional(True)
    more = {
        "condition": keras.Input((2,), name="condition"),
        "mask": keras.Input((4,), dtype="bool", name="mask"),
        "causal": keras.Input((), dtype="bool", name="causal"),
        "t_next": keras.Input((), name="t_next"),
    }
    full = Signature(network_of(**symbolic(**more)), None)
    assert full.conditional
    assert full.takes_mask
    assert full.allow_missing
    assert full.takes_causal
    assert full.takes_jumps
    assert full.condition is more["condition"]
    with pytest.raises(ValueError, match=r"takes a condition\. Received: no condition in `x`"):
        full.check_conditional(False)
    with pytest.raises(ValueError, match="`allow_missing` must be True, False or None, and not F"):
        Signature(network_of(**symbolic(**more)), False)


def test_a_layer_declares_nothing_and_takes_what_it_is_given():
    own = Signature(keras.layers.Dense(3), True)
    assert (own.inputs, own.conditional, own.condition) == (None, None, None)
    assert own.takes_mask
    assert not own.takes_jumps
    for conditional in (False, True):
        own.check_conditional(conditional)


def test_outputs_of_a_network_in_half_precision_are_float32():
    network = keras.layers.Dense(3, dtype="bfloat16")
    found = Signature(network, None).call(lambda x, training: network(x["theta"]), {"theta": S})
    assert keras.backend.standardize_dtype(found.dtype) == "float32"
    assert tuple(ops.shape(found)) == (2, 4, 3)
