"""What is known from the start: which variables of which parts."""

import numpy as np
import pytest

import keras_bfn
from tests.models.parts import FLOWS, NUM, make_data, make_model

X = make_data()

# Data are looked at as arrays, before any backend has them.
pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def timed():
    return make_model(times="variables")


@pytest.fixture(scope="module")
def plain():
    flow = FLOWS["image"]
    network = keras_bfn.networks.MLP(flow, (2, 3, 1), width=4, num_blocks=1, times="variables")
    return keras_bfn.AnyOrderNetwork(flow, network)


def test_all_may_be_given(timed):
    nats = timed.code_length(X, known=list(FLOWS), verbose=0)
    assert nats["parts"] == {}
    for name in ("transmission", "reconstruction"):
        np.testing.assert_array_equal(nats[name], np.zeros(NUM))
    x = timed.generate(NUM, 2, given=X, verbose=0)
    for name in FLOWS:
        np.testing.assert_array_equal(x[name], X[name])


def test_nothing_may_be_given(timed, plain):
    for known in (None, (), []):
        timed.code_length(X, known=known, verbose=0)
    for given in (None, {}):
        assert plain.generate(2, 2, given=given, verbose=0).shape == (2, 2, 3, 1)
