"""Rows of weight 0 count in no reported metric: as if they were left out."""

import keras
import numpy as np
import pytest
from keras import layers

from keras_bfn import BayesianFlowNetwork
from keras_bfn.flows import ContinuousFlow
from keras_bfn.losses import DiscreteTimeLoss
from tests.backends import everywhere

NUM, SHAPE = 12, (3,)
RNG = np.random.default_rng(0)
X = {name: RNG.uniform(-1, 1, (NUM, *SHAPE)).astype("float32") for name in ("a", "b")}
KEPT = np.arange(NUM) % 3 != 1
FLOW = ContinuousFlow(0.5, prediction="data", num_bins=4)


def make_model(flow, num_repeats=1):
    """One that predicts 0.25 whatever it receives, and sends one message: costs have no noise."""
    names = ("a", "b") if isinstance(flow, dict) else ("theta",)
    thetas = {name: keras.Input((*SHAPE, 1), name=name) for name in names}
    output = {name: layers.Rescaling(0.0, 0.25)(theta) for name, theta in thetas.items()}
    if not isinstance(flow, dict):
        thetas, output = thetas["theta"], output["theta"]
    inputs = {"theta": thetas, "t": keras.Input((), name="t")}
    network = keras.Model(inputs, output)
    model = BayesianFlowNetwork(flow, network, allow_missing=True, seed=0)
    model.compile("sgd", loss=DiscreteTimeLoss(1), num_repeats=num_repeats)
    return model


def evaluate(model, x, weight=None):
    batches = keras.tree.map_structure(lambda x: x, x)
    return model.evaluate(batches, sample_weight=weight, batch_size=5, return_dict=True, verbose=0)


def rows(weight, kept):
    return keras.tree.map_structure(lambda values: values[kept], weight)


OF_ROWS = KEPT.astype("float32")
OF_VARIABLES = np.repeat(OF_ROWS[:, None], SHAPE[0], axis=1) * RNG.uniform(0.5, 2, (NUM, *SHAPE))
WEIGHTS = {
    "one part, rows": (False, OF_ROWS),
    "one part, uneven rows": (False, OF_ROWS * RNG.uniform(0.5, 2, NUM)),
    "one part, variables": (False, OF_VARIABLES),
    "two parts, rows": (True, OF_ROWS),
    "two parts, rows of each": (True, {"a": OF_ROWS, "b": OF_ROWS}),
    "two parts, variables of each": (True, {"a": OF_VARIABLES, "b": OF_ROWS}),
}


@pytest.mark.slow_to_compile
@pytest.mark.parametrize("num_repeats", everywhere({"1": 1, "2": 2}, "2"))
@pytest.mark.parametrize("case", everywhere(list(WEIGHTS), "two parts, variables of each"))
def test_rows_of_weight_0_are_as_if_left_out(case, num_repeats):
    of_parts, weight = WEIGHTS[case]
    x = X if of_parts else X["a"]
    model = make_model({"a": FLOW, "b": FLOW} if of_parts else FLOW, num_repeats)
    found = evaluate(model, x, weight)
    expected = evaluate(model, rows(x, KEPT), rows(weight, KEPT))
    assert found.keys() == expected.keys()
    for name in expected:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-5, err_msg=name)


@pytest.mark.once
@pytest.mark.parametrize("of_parts", [False, True], ids=["one", "parts"])
def test_rows_without_any_variable_are_as_if_left_out(of_parts):
    x = {name: np.where(KEPT[:, None], part, np.nan) for name, part in X.items()}
    x = x if of_parts else x["a"]
    model = make_model({"a": FLOW, "b": FLOW} if of_parts else FLOW)
    found, expected = evaluate(model, x), evaluate(model, rows(x, KEPT))
    for name in expected:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-5, err_msg=name)


@pytest.mark.once
def test_nats_of_parts_sum_to_those_of_examples_where_a_part_has_weight_0():
    """The mean of each part is over the examples of which anything counts."""
    model = make_model({"a": FLOW, "b": FLOW})
    weight = {"a": OF_ROWS, "b": np.ones(NUM, "float32")}
    found = evaluate(model, X, weight)
    parts = found["a_nats_per_example"] + found["b_nats_per_example"]
    np.testing.assert_allclose(found["nats_per_example"], parts, rtol=1e-5)
    nats = model.code_length(X, num_steps=1, sample_weight=weight, verbose=0)
    mean = (nats["transmission"] + nats["reconstruction"]).mean()
    np.testing.assert_allclose(found["nats_per_example"], mean, rtol=1e-5)
