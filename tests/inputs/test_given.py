"""What is known from the start: which variables of which parts, and what is no such thing."""

import numpy as np
import pytest

from tests.inputs.test_arrays_of_parts import IMAGES, PARTS, X, make_plain, refuses
from tests.models.parts import FLOWS, NUM, make_model

# Data are looked at as arrays, before any backend has them.
pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def model():
    return make_model()


@pytest.fixture(scope="module")
def timed():
    return make_model(times="variables")


@pytest.fixture(scope="module")
def plain():
    return make_plain()


NAMES = rf"`given` must name some of {PARTS}, or be a dict of their masks. Received: given="
MASKS = "must be a boolean array, true for known variables, that broadcasts to "


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["lab"], NAMES + r"\['lab'\]"),
        ("lab", NAMES + "'lab'"),
        (["label", 3], NAMES + r"\['label', 3\]"),
        ({"lab": True}, NAMES + "{'lab': True}"),
        (3, NAMES + "3"),
        (X["label"], NAMES + r"array\("),
        (X["label"] > 0, NAMES + r"array\("),
        ({"label": X["label"]}, rf"`given\['label'\]` {MASKS}\(12,\).*dtype int32"),
        ({"image": np.ones((3, 2), bool)}, rf"`given\['image'\]` {MASKS}.*shape \(3, 2\)"),
        ({"image": None}, rf"`given\['image'\]` {MASKS}"),
    ],
)
def test_bad_masks_of_what_is_given_are_refused(timed, given, message):
    with refuses(message):
        timed.code_length(X, given=given, verbose=0)


NO_DICT = rf"`given` must be a dict from some of the parts {PARTS} to data. Received: given="


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"lab": X["label"][:2]}, NO_DICT + "{'lab': "),
        ({"label": X["label"][:3]}, r"`given\['label'\]` must contain 2 examples. Received: 3"),
        ({"label": X["size"][:2]}, r"`given\['label'\]` must contain integers.*float32"),
        ({"label": X["label"][:2] + 3}, r"`given\['label'\]` must lie in \[0, 2\]"),
        ({"image": IMAGES[:2, :1]}, r"`given\['image'\]` must have shape.*\(2, 1, 3, 1\)"),
        ({"label": 1}, r"`given\['label'\]` must be an array of examples"),
        ({"label": None}, r"`given\['label'\]` must contain data"),
        (X["label"][:2], NO_DICT + r"array\("),
        (["label"], NO_DICT + r"\['label'\]"),
        ("label", NO_DICT + "'label'"),
    ],
)
def test_bad_data_of_what_is_given_are_refused(timed, given, message):
    with refuses(message):
        timed.generate(2, 2, given=given, verbose=0)


def test_what_is_given_needs_times_of_the_variables(model, plain):
    message = "`given` requires a model with times=\"variables\".*times='shared'"
    with refuses(message):
        model.code_length(X, given=["label"], verbose=0)
    with refuses(message):
        model.generate(2, 2, given={"label": X["label"][:2]}, verbose=0)
    with refuses(message):
        plain.code_length(IMAGES, given=IMAGES > 2, verbose=0)
    with refuses(message):
        plain.generate(2, 2, given=IMAGES[:2], verbose=0)


def test_all_may_be_given(timed):
    nats = timed.code_length(X, given=list(FLOWS), verbose=0)
    assert nats["parts"] == {}
    for name in ("transmission", "reconstruction"):
        np.testing.assert_array_equal(nats[name], np.zeros(NUM))
    x = timed.generate(NUM, 2, given=X, verbose=0)
    for name in FLOWS:
        np.testing.assert_array_equal(x[name], X[name])


def test_nothing_may_be_given(model, plain):
    for given in (None, (), []):
        model.code_length(X, given=given, verbose=0)
    for given in (None, {}):
        assert plain.generate(2, 2, given=given, verbose=0).shape == (2, 2, 3, 1)
