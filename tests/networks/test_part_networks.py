"""Any network that takes and returns dicts of parts serves, by their names, from a file, too."""

import importlib.util
import os
import pathlib
import re
import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import layers, ops
from numpy.testing import assert_allclose

import keras_bfn
from tests.__main__ import BACKENDS
from tests.injected_noise import injected_noise
from tests.models import parts
from tests.models.parts import (
    EVENT_SHAPES,
    FLOWS,
    IS_TORCH,
    NUM,
    NUM_CLASSES,
    PartsLayer,
    make_data,
    without,
)
from tests.models.small import predict_at
from tests.networks.own_parts import NETWORKS, functional

X, CLASSES = make_data(), np.arange(NUM) % NUM_CLASSES
PARTS = re.escape("['size', 'image', 'label']")


def make_model(name, times="shared", conditional=False):
    keras.utils.set_random_seed(0)
    network = NETWORKS[name](times, conditional)
    return parts.CLASSES[times](FLOWS, network, seed=0)


CASES = [
    ("functional", "variables", True),
    ("functional", "shared", False),
    ("subclassed", "shared", False),
    ("subclassed-built", "variables", True),
    ("plain_layer", "shared", True),
    ("plain_layer-built", "variables", False),
]


@pytest.mark.slow_to_compile
@pytest.mark.parametrize(("name", "times", "conditional"), CASES if IS_TORCH else CASES[:1])
def test_a_network_of_ones_own_serves_in_every_verb(name, times, conditional, tmp_path):
    model = make_model(name, times, conditional)
    model.compile("adam", loss_weights={"image": 0.5})
    condition = CLASSES if conditional else None
    data = (X, CLASSES) if conditional else X
    before = model.network.get_weights() if model.network.built else None
    history = model.fit(data, batch_size=NUM, verbose=0).history
    assert all(np.isfinite(values).all() for values in history.values())
    if before is not None:
        after = model.network.get_weights()
        assert any((a != b).any() for a, b in zip(before, after, strict=True))

    def say(model):
        kwargs = {"batch_size": NUM, "seed": 0, "verbose": 0}
        given, known = {}, {}
        if times == "variables":
            given, known = {"given": {"label": X["label"]}}, {"known": ["label"]}
        samples = model.generate(NUM, 2, "sde2", condition=condition, **given, **kwargs)
        if not IS_TORCH:
            return samples
        nats = model.code_length(data, 2, **known, **kwargs)
        completed = model.inpaint(X, {"image": True}, 2, condition=condition, **kwargs)
        return samples, nats, completed

    said = say(model)
    model.save(tmp_path / "model.keras")
    copies = [keras.saving.load_model(tmp_path / "model.keras")]
    if IS_TORCH:
        model.save_to_preset(tmp_path / "preset")
        copies.append(keras_bfn.BayesianFlowNetwork.from_preset(tmp_path / "preset"))
    for loaded in copies:
        assert list(loaded.flow) == list(FLOWS)
        assert dict(loaded.event_shape) == EVENT_SHAPES
        assert (type(loaded), loaded.loss_weights) == (parts.CLASSES[times], {"image": 0.5})
        keras.tree.map_structure(lambda a, b: assert_allclose(a, b, rtol=1e-4), said, say(loaded))
    if IS_TORCH:
        loaded.fit(data, batch_size=NUM, verbose=0)


def swapped(times, order):
    """A functional model that returns each part's mean, or, with times of their own, its time."""
    inputs = {"t": keras.Input((), name="t"), "theta": {n: keras.Input((1,)) for n in order}}
    if times == "variables":
        inputs["t"] = {name: keras.Input(()) for name in order}
    outputs = inputs["theta"]
    if times == "variables":
        outputs = {name: layers.Reshape((1,))(t) for name, t in inputs["t"].items()}
    return keras.Model(inputs, {n: layers.Rescaling(1.0)(x) for n, x in outputs.items()})


@pytest.mark.parametrize("times", ["shared", "variables"])
@pytest.mark.parametrize("order", [("b", "a", "c"), ("c", "a", "b"), ("a", "b", "c")])
def test_a_functional_network_is_shown_each_part_under_its_name(order, times, tmp_path):
    flow = {name: keras_bfn.flows.ContinuousFlow(0.1, "data") for name in ("b", "c", "a")}
    model = parts.CLASSES[times](flow, swapped(times, order))
    model.save(tmp_path / "model.keras")
    s = {name: np.full((2, 1), i, "float32") for i, name in enumerate(flow)}
    t = {name: np.full(2, (i + 1) / 4, "float32") for i, name in enumerate(flow)}
    if times == "shared":
        t = t["c"]
    for each in (model, keras.saving.load_model(tmp_path / "model.keras")):
        for prediction in each.predict_params(s, t).values():
            shown = prediction.theta if times == "shared" else prediction.t[:, None]
            assert_allclose(*map(ops.convert_to_numpy, (prediction.params, shown)), rtol=1e-6)


@keras.saving.register_keras_serializable("keras_bfn_tests")
class Says(layers.Layer):
    """A plain layer that says what it is told to."""

    def __init__(self, change):
        super().__init__()
        self.change, self.built = change, True

    def call(self, inputs):
        theta = inputs["theta"]
        if not isinstance(theta, dict):
            return {"part": theta}
        return self.change({**theta, "image": ops.concatenate([theta["image"]] * 2, axis=-1)})


RETURN = f"`network` must return a dict with the parts {PARTS}. Received: a network with "


@pytest.mark.once
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x: x["label"], RETURN + "a KerasTensor"),
        (lambda x: list(x.values()), RETURN + "a list"),
        (lambda x: without(x, "size"), RETURN + r"a dict with the keys \['image', 'label'\]"),
        (lambda x: {**x, "more": x["size"]}, RETURN + ".*'more'"),
        (
            lambda x: {**x, "image": x["label"]},
            r"must return a tensor of shape \(None, 2, 3, 1, 2\).*\(.*3\)",
        ),
        (
            lambda x: {**x, "size": {"a": x["size"]}},
            r"return a tensor of shape \(None, 1\).*a dict",
        ),
    ],
)
def test_what_a_network_must_not_return_is_refused(change, message):
    model = keras_bfn.BayesianFlowNetwork(FLOWS, Says(change), EVENT_SHAPES)
    with pytest.raises(ValueError, match=message):
        model.generate(2, 2, verbose=0)
    model.compile("sgd")
    with pytest.raises(ValueError, match=message):
        model.evaluate(X, verbose=0)


@pytest.mark.once
def test_a_dict_that_is_returned_for_a_plain_flow_is_refused():
    model = keras_bfn.BayesianFlowNetwork(FLOWS["image"], Says(None), (2, 3, 1))
    with pytest.raises(ValueError, match=r"must return one tensor.*the keys \['part'\]"):
        model.generate(2, 2, verbose=0)


def make_times(kind):
    """A functional model whose `"t"` is not what it should be."""
    names = {"less": ["size", "image"], "others": ["size", "image", "more"]}.get(kind, list(FLOWS))
    t = {name: keras.Input(EVENT_SHAPES.get(name, ())) for name in names}
    inputs = {"t": list(t.values()) if kind == "list" else t}
    inputs["theta"] = {
        name: keras.Input((*EVENT_SHAPES[name], flow.theta_size)) for name, flow in FLOWS.items()
    }
    outputs = {**inputs["theta"]}
    outputs["image"] = layers.Concatenate()([outputs["image"]] * 2)
    return keras.Model(inputs, outputs)


SHARED = (
    r"`network` must take 't' of shape \(\) for each example.*times='variables' are for "
    "`keras_bfn.AnyOrderNetwork`. Received: .* takes "
)
TIMES = (
    r"`network` must take 't' of shape {'size': \(\), 'image': \(2, 3, 1\), 'label': \(\)} for .* "
)
IMAGE = keras_bfn.networks.MLP(FLOWS["image"], (2, 3, 1), width=4, num_blocks=1)
REFUSED = {
    "dict of t": (lambda: make_times(""), {}, SHARED + "{'size': .*'image'"),
    "list of t": (lambda: make_times("list"), {}, SHARED + r"\[\(\), \(2, 3, 1\), \(\)\]"),
    "one t": (functional, {"times": "variables"}, TIMES + r"takes \(\)"),
    "less t": (
        lambda: make_times("less"),
        {"times": "variables"},
        TIMES + r"takes {'size': \(\), 'image': \(2, 3, 1\)}",
    ),
    "other t": (lambda: make_times("others"), {"times": "variables"}, TIMES + ".*'more'"),
    "plain": (lambda: IMAGE, {}, rf"`network.input\['theta'\]` must be a dict .* {PARTS}.*Keras"),
    "less": (lambda: functional(order=("size", "label")), {}, f"{PARTS}.*'label', 'size'"),
    "shape": (
        functional,
        {"event_shape": {**EVENT_SHAPES, "image": (3, 2, 1)}},
        r"take 'theta' as a tensor of shape \(None, 3, 2, 1, 1\),.*\(None, 2, 3, 1, 1\)",
    ),
    "plain times": (
        lambda: IMAGE,
        {"flow": FLOWS["image"], "times": "variables"},
        r"must take 't' of shape \(2, 3, 1\) for each example.*takes \(\)",
    ),
    "dict for plain": (
        functional,
        {"flow": FLOWS["image"]},
        r"`network.input\['theta'\]` must not be a dict, because the flow is D",
    ),
}


@pytest.mark.once
@pytest.mark.parametrize("kind", REFUSED)
def test_a_network_that_does_not_suit_the_flows_is_refused(kind):
    make_network, kwargs, message = REFUSED[kind]
    arguments = {"flow": FLOWS, "network": make_network(), "times": "shared", **kwargs}
    make_model = parts.CLASSES[arguments.pop("times")]
    with pytest.raises(ValueError, match=message):
        make_model(**arguments)


@pytest.mark.once
@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"][: 1 + IS_TORCH])
def test_mixed_precision_trains_and_scores_in_float32(policy):
    keras.utils.set_random_seed(0)
    model = keras_bfn.AnyOrderNetwork(
        FLOWS, PartsLayer(dtype=policy), event_shape=EVENT_SHAPES, seed=0
    )
    model.build_for({name: part.shape for name, part in X.items()})
    model.compile("adam")
    for prediction in predict_at(model, X, np.full(NUM, 0.999, "float32")).values():
        assert all(
            keras.backend.standardize_dtype(values.dtype) == "float32" for values in prediction
        )
    is_scaled = isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
    assert is_scaled == (policy == "mixed_float16")
    history = model.fit(X, batch_size=NUM, validation_data=X, verbose=0).history
    assert all(np.isfinite(values).all() for values in history.values())


def score(model):
    """Samples, code lengths and more of a model, under injected noise."""
    with injected_noise():
        samples = model.generate(4, 3, "ode2", verbose=0)
        nats = model.code_length(X, 3, batch_size=NUM, verbose=0)
    return [*samples.values(), *(part["transmission"] for part in nats["parts"].values())]


@pytest.mark.once
@pytest.mark.slow
def test_another_backend_finds_the_same(tmp_path):
    other = BACKENDS[BACKENDS.index(keras.backend.backend()) - 1]
    if importlib.util.find_spec(other) is None:
        pytest.skip(f"{other} is not installed")
    model = make_model("functional")
    model.compile("adam", loss_weights={"label": 3.0})
    model.save(tmp_path / "model.keras")
    subprocess.run(
        [sys.executable, "-m", "tests.networks.test_part_networks", str(tmp_path)],
        env={**os.environ, "KERAS_BACKEND": other},
        cwd=pathlib.Path(__file__).parents[2],
        check=True,
    )
    with np.load(tmp_path / "scores.npz") as there:
        for here, array in zip(score(model), there.values(), strict=True):
            assert_allclose(here, array, rtol=1e-4, atol=1e-4)


if __name__ == "__main__":
    folder = pathlib.Path(sys.argv[1])
    loaded = keras.saving.load_model(folder / "model.keras")
    assert loaded.loss_weights == {"label": 3.0}
    assert list(loaded.flow) == list(FLOWS)
    np.savez(folder / "scores.npz", *score(loaded))
