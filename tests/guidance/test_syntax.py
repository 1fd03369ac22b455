"""Likelihoods of syntax, against all sequences counted one by one."""

import itertools

import keras
import numpy as np
import pytest
from keras import ops
from scipy import stats

from keras_bfn import BayesianFlowNetwork
from keras_bfn.flows import DiscreteFlow
from keras_bfn.guidance import Automaton
from tests.guidance.cases import generate
from tests.tensors import to_numpy, to_tensor

LENGTH, NUM_CLASSES = 6, 4


BALANCED = {0: [1, 2, 3, -1], 1: [-1, 0, 1, 2]}  # of up to three open brackets
TWO_EVEN = {0: [1, 0, 3, 2], 2: [2, 3, 0, 1]}


def is_balanced(tokens):
    depth = 0
    for token in tokens:
        depth += (token == 0) - (token == 1)
        if not 0 <= depth <= 3:
            return False
    return depth == 0


def is_even(*symbols):
    return lambda tokens: all(tokens.count(symbol) % 2 == 0 for symbol in symbols)


def up_to(end, accepts):
    return lambda tokens: accepts(tokens[: tokens.index(end)] if end in tokens else tokens)


CASES = {
    "balanced": (Automaton(BALANCED, [0]), is_balanced),
    "to the end": (Automaton(BALANCED, [0], end=3), up_to(3, is_balanced)),
    "even": (Automaton({2: [1, 0]}, {0}), is_even(2)),
    "two even": (Automaton(TWO_EVEN, [0]), is_even(0, 2)),
    "even to the end": (Automaton(TWO_EVEN, [0], end=1), up_to(1, is_even(0, 2))),
    "odd": (Automaton({2: [1, 0]}, [1]), lambda tokens: tokens.count(2) % 2 == 1),
    "no 2 after 1": (
        Automaton({1: [1, 1], 2: [0, -1]}, accept=[0, 1]),
        lambda tokens: not (1 in tokens and 2 in tokens[tokens.index(1) :]),
    ),
}


@pytest.mark.slow_to_compile
@pytest.mark.parametrize("name", CASES)
def test_h_is_the_probability_of_all_sequences_that_are_accepted(name):
    likelihood, accepts = CASES[name]
    rng = np.random.default_rng(0)
    probs = rng.dirichlet(np.ones(NUM_CLASSES), size=(3, LENGTH)).astype("float32")
    expected = np.zeros(3)
    for tokens in itertools.product(range(NUM_CLASSES), repeat=LENGTH):
        if accepts(tokens):
            expected += np.prod(probs[:, np.arange(LENGTH), tokens], axis=1)
    found = np.exp(to_numpy(likelihood.likelihood(to_tensor(probs))))
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_sure_sequences_are_accepted_or_not_and_what_is_missing_is_not_read():
    sequences = np.array([[0, 0, 1, 1, 2], [0, 1, 1, 0, 2], [0, 2, 2, 2, 2], [0, 1, 2, 2, 0]])
    probs = np.eye(NUM_CLASSES, dtype="float32")[sequences]
    probs[3, 4] = 0.0  # missing
    found = to_numpy(Automaton(BALANCED, [0]).likelihood(to_tensor(probs)))
    np.testing.assert_allclose(found, np.log([1.0, 1e-30, 1e-30, 1.0]), rtol=1e-6)


@pytest.mark.slow_to_compile
def test_sequences_of_a_network_that_knows_no_syntax_are_balanced():
    """As often as in the posterior, for h is exact."""
    flow = DiscreteFlow(num_classes=3, beta_1=12.0)

    class Uniform(keras.layers.Layer):
        def call(self, inputs):
            return ops.log(ops.maximum(inputs["theta"], 1e-30))

    model = BayesianFlowNetwork(flow, Uniform(), event_shape=(4,), seed=0)
    texts = generate(
        model, 600, guidance=Automaton(BALANCED, [0]), num_steps=40, sampler="sde1", seed=0
    )
    balanced = texts[[is_balanced(tuple(text)) for text in texts.tolist()]]
    assert len(balanced) > 0.95 * 600  # unguided, 9 of 81
    counts = np.unique(balanced, axis=0, return_counts=True)[1]
    assert len(counts) == 9
    assert stats.chisquare(counts).pvalue > 1e-3
