"""What does not suit the parts of a model is refused, and named, beside what was expected."""

import re

import numpy as np
import pytest

import keras_bfn
from keras_bfn.orders import Groups
from tests.models.parts import FLOWS, NUM, first, make_data, make_model, without

# Data are looked at as arrays, before any backend has them.
pytestmark = pytest.mark.once

X = make_data()
PARTS = re.escape("['size', 'image', 'label']")
CAME = "Received: a dict with the keys "
IMAGE, IMAGES = FLOWS["image"], X["image"]
VERBS = ("fit", "evaluate", "code_length", "loss_by_time", "encode")


@pytest.fixture(scope="module")
def model():
    model = make_model()
    model.compile("sgd")
    return model


def make_plain():
    network = keras_bfn.networks.MLP(IMAGE, IMAGES.shape[1:], width=4, num_blocks=1)
    model = keras_bfn.BayesianFlowNetwork(IMAGE, network)
    model.compile("sgd")
    return model


@pytest.fixture(scope="module")
def plain():
    return make_plain()


def refuses(message):
    return pytest.raises(ValueError, match=message)


BAD_DATA = {
    "missing": (without(X, "label"), rf"parts {PARTS}. {CAME}\['image', 'size'\]"),
    "extra": (
        {**X, "more": IMAGES},
        rf"parts {PARTS}. {CAME}\['image', 'label', 'more', 'size'\]",
    ),
    "numbered": (dict(enumerate(X.values())), rf"parts {PARTS}. {CAME}\['0', '1', '2'\]"),
    "array": (IMAGES, rf"`x` must be a dict with the parts {PARTS}. Received: a ndarray"),
    "none": (None, "`x` must contain data. Received: x=None"),
    "numbers": (
        {**X, "label": X["label"][:-1]},
        "`x` must have equally many examples of each part.*'size': 12, 'image': 12, 'label': 11",
    ),
    "shape": (
        {**X, "image": IMAGES[:, :1]},
        r"`x\['image'\]` must have shape .*\(2, 3, 1\). Received: shape \(12, 1, 3, 1\)",
    ),
    "one axis more": (
        {**X, "size": X["size"][:, None]},
        r"`x\['size'\]` must have shape .*event_shape=\(\). Received: shape \(12, 1\)",
    ),
    "integers": ({**X, "size": X["label"]}, r"`x\['size'\]` must contain floats.*dtype int32"),
    "floats": ({**X, "label": X["size"]}, r"`x\['label'\]` must contain integers.*dtype float32"),
    "range": (
        {**X, "label": X["label"] + 1},
        r"`x\['label'\]` must lie in \[0, 2\].*from 1 to 3",
    ),
    "nan": ({**X, "size": X["size"] * np.nan}, r"`x\['size'\]` must be finite"),
    "scalar": ({**X, "label": np.int32(1)}, r"`x\['label'\]` must be an array of examples"),
    "empty": (first(X, 0), r"`x\['size'\]` must contain data. Received: an empty array"),
    "nested": ({**X, "label": X}, r"`x\['label'\]` must be an array of examples"),
}


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("kind", BAD_DATA)
def test_data_that_are_not_of_these_parts_are_refused(model, verb, kind):
    x, message = BAD_DATA[kind]
    with refuses(message):
        getattr(model, verb)(x, verbose=0)


@pytest.mark.parametrize("kind", ["missing", "numbers", "shape", "floats", "range"])
def test_validation_data_are_checked_by_part(model, kind):
    x, message = BAD_DATA[kind]
    with refuses(message.replace("`x", "`validation_data")):
        model.fit(X, validation_data=x, verbose=0)


@pytest.mark.parametrize("verb", VERBS)
def test_a_dict_for_a_plain_flow_is_refused(plain, verb):
    with refuses(r"`x` must not be a dict, because the flow is Discr.* with the keys \['image'\]"):
        getattr(plain, verb)({"image": IMAGES}, verbose=0)


def test_a_dict_of_masks_or_latents_for_a_plain_flow_is_refused(plain):
    with refuses("`mask` must be a boolean array.*dtype object"):
        plain.inpaint(IMAGES, {"image": True}, verbose=0)
    with refuses(r"`latents` must not be a dict.*\['image'\]"):
        plain.generate(2, sampler="ode1", latents={"image": IMAGES[:2]}, verbose=0)


@pytest.mark.parametrize(
    ("weights", "came"),
    [
        ([1.0] * NUM, "a list"),
        (np.ones(NUM - 1), r"shape \(11,\)"),
        (np.ones(IMAGES.shape), r"shape \(12, 2, 3, 1\)"),
    ],
)
def test_weights_that_are_not_one_for_each_example_are_refused(model, weights, came):
    message = rf"`sample_weight` must be an array with .* shape \(12,\). Received: {came}"
    with refuses(message):
        model.fit(X, sample_weight=weights, verbose=0)
    with refuses(message):
        model.evaluate(X, sample_weight=weights, verbose=0)
    with refuses(message):
        model.fit(X, validation_data=(X, None, weights), verbose=0)


@pytest.mark.parametrize("order", ["random", Groups(dict.fromkeys(FLOWS, 0), told=False)])
def test_an_order_needs_times_of_the_variables(model, plain, order):
    message = "`order` requires a model with times=\"variables\".*order=.*times='shared'"
    with refuses(message):
        model.code_length(X, order=order, verbose=0)
    with refuses(message):
        model.generate(2, 2, order=order, verbose=0)
    with refuses(message):
        plain.inpaint(IMAGES, True, 2, order="left_to_right", verbose=0)
    model.code_length(X, order="together", verbose=0)


SOME = rf"must be a dict with some of the parts {PARTS}. Received: "


@pytest.mark.parametrize(
    ("x", "mask", "message"),
    [
        (X, True, f"`mask` {SOME}a bool"),
        (X, np.ones(IMAGES.shape, bool), f"`mask` {SOME}a ndarray"),
        (X, {}, rf"`mask` {SOME}a dict .*\[\]"),
        (X, {"imag": True}, rf"`mask` {SOME}a dict .*\['imag'\]"),
        (IMAGES, {"image": True}, f"`x` {SOME}a ndarray"),
        ({**X, "more": IMAGES}, {"image": True}, f"`x` {SOME}.*'more'"),
        (
            without(X, "label"),
            {"label": True},
            r"`x` must contain the parts .* without \['label'\]",
        ),
        (
            X,
            {"image": np.ones((2, 3), bool)},
            r"`mask\['image'\]` must be a boolean array.*shape \(2, 3\)",
        ),
        (
            X,
            {"image": np.ones(IMAGES.shape)},
            r"`mask\['image'\]` must be a boolean array.*float64",
        ),
        (X, {"label": np.ones((NUM, 1), bool)}, r"`mask\['label'\]` must.*shape \(12, 1\)"),
        ({**X, "label": X["label"][:5]}, {"label": True}, "equally many examples.*'label': 5"),
        ({"label": 1}, {"label": True}, r"`x\['label'\]` must be an array of examples"),
        ({"label": X["label"] + 9}, {"label": True}, r"`x\['label'\]` must lie in"),
    ],
)
def test_bad_masks_and_what_they_mask_are_refused(model, x, mask, message):
    with refuses(message):
        model.inpaint(x, mask, 2, verbose=0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda u: u["image"], f"`latents` must be a dict with the parts {PARTS}.*a ndarray"),
        (lambda u: without(u, "size"), f"`latents` must be a dict with the parts {PARTS}"),
        (lambda u: {**u, "size": u["image"]}, r"`latents\['size'\]` must .* shape \(2, 1\)"),
        (lambda u: {**u, "size": np.full((2, 1), np.inf)}, r"`latents\['size'\]` must be finite"),
    ],
)
def test_bad_latents_are_refused(model, change, message):
    latents = model.encode(first(X, 2), 1, verbose=0)
    with refuses(message):
        model.generate(2, 2, "ode1", latents=change(latents), verbose=0)
