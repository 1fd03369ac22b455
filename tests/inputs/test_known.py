"""Data of which only some variables are known."""

import numpy as np
import pytest

import keras_bfn
from keras_bfn.inputs.known import check_partly_known
from tests.models.small import FLOWS, make_model

PARTS = {"a": keras_bfn.flows.DiscreteFlow(3, beta_1=1.0), "b": keras_bfn.flows.ContinuousFlow(0.1)}


def make_parts_model():
    network = keras_bfn.networks.MultiPart(PARTS, {"a": (2,), "b": (3,)}, width=8, num_blocks=1)
    return keras_bfn.BayesianFlowNetwork(PARTS, network)


def test_what_is_not_known_may_hold_anything():
    model, x = make_model(FLOWS["discrete"]()), np.full((2, 4, 4, 1), 99)
    x[:, 0] = 4
    known = np.arange(4).reshape(4, 1, 1) == 0
    found, mask = check_partly_known(model, x, known)
    assert found.dtype == "int32"
    assert (found[:, 0] == 4).all()
    assert ((found >= 0) & (found < 5)).all()
    np.testing.assert_array_equal(mask, np.broadcast_to(known, x.shape).astype("float32"))


def test_by_default_all_is_known_but_what_is_missing():
    x = np.zeros((2, 4, 4, 1), "float32")
    x[:, 1] = np.nan
    _, mask = check_partly_known(make_model(FLOWS["continuous"]()), x, None)
    np.testing.assert_array_equal(mask, ~np.isnan(x))


def test_parts_that_are_left_out_are_unknown():
    found, mask = check_partly_known(make_parts_model(), {"a": np.ones((5, 2), "int32")}, None)
    assert list(found) == ["a", "b"]
    assert found["b"].shape == (5, 3)
    assert mask["a"].all()
    assert not mask["b"].any()


def test_what_is_missing_is_not_known():
    x = np.full((2, 4, 4, 1), -1)
    with pytest.raises(ValueError, match="`known` must be false where `x` is missing"):
        check_partly_known(make_model(FLOWS["discrete"]()), x, True)
