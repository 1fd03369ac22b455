"""Models go to hubs with a card, and come from hubs."""

import dataclasses
import json
import sys

import keras
import numpy as np
import pytest

import keras_bfn
from keras_bfn import BayesianFlowNetwork
from keras_bfn.presets import upload_preset
from tests.models.small import EVENT_SHAPE, FLOWS, make_data, make_model
from tests.presets.folders import output, replace_config
from tests.saving.hubs import ABOUT
from tests.test_docstrings import python_blocks

pytest.importorskip("matplotlib")


@dataclasses.dataclass
class Response:
    status_code: int


@pytest.mark.once
def test_a_model_goes_to_the_hub_and_comes_back(hub):
    model = make_model(FLOWS["discretized"]())
    model.upload_preset("hf://user/model", samples=make_data(model.flow), **ABOUT)
    _, files = hub.files("user/model")
    assert set(files) == {
        "README.md",
        "config.json",
        "metadata.json",
        "model.weights.h5",
        "samples.png",
    }
    assert files["samples.png"].startswith(b"\x89PNG")
    loaded = BayesianFlowNetwork.from_preset("hf://user/model")
    np.testing.assert_allclose(output(loaded), output(model), rtol=1e-5)
    assert loaded.compiled


@pytest.mark.once
def test_a_revision_stays_what_it_was(hub):
    model = make_model(FLOWS["binary"]())
    before = output(model)
    samples = make_data(model.flow)
    model.upload_preset("hf://user/model", samples=samples, **ABOUT)
    first, _ = hub.files("user/model")
    model.fit(make_data(model.flow), epochs=1, verbose=0)
    model.upload_preset("hf://user/model", samples=samples, **ABOUT)
    for preset, expected in (
        (f"hf://user/model@{first}", before),
        ("hf://user/model", output(model)),
        ("hf://user/model@main", output(model)),
    ):
        loaded = BayesianFlowNetwork.from_preset(preset)
        np.testing.assert_allclose(output(loaded), expected, rtol=1e-5)


@pytest.mark.once
def test_only_files_that_are_needed_are_asked_for_and_only_once(hub):
    make_model(FLOWS["binary"]()).upload_preset("hf://user/model", **ABOUT)

    def downloaded():
        return sorted(
            path.rpartition("/")[-1]
            for method, path in hub.requests
            if method == "GET" and "/resolve/" in path
        )

    BayesianFlowNetwork.from_preset("hf://user/model", load_weights=False)
    assert downloaded() == ["config.json", "metadata.json"]
    for _ in range(2):
        BayesianFlowNetwork.from_preset("hf://user/model")
    assert downloaded() == ["config.json", "metadata.json", "model.weights.h5"]


@pytest.mark.once
def test_what_the_hub_does_not_show_is_refused(hub):
    hub.commit("user/other", {"model.safetensors": b""})
    with pytest.raises(ValueError, match=r"`preset` must be a model that.*='hf://user/none'.*404"):
        BayesianFlowNetwork.from_preset("hf://user/none")
    with pytest.raises(ValueError, match=r"`preset` must be a model that.*='hf://user/other@v9'"):
        BayesianFlowNetwork.from_preset("hf://user/other@v9")
    with pytest.raises(ValueError, match=r"'hf://user/other', which has no config\.json"):
        BayesianFlowNetwork.from_preset("hf://user/other")


@pytest.mark.once
def test_no_code_comes_from_a_hub(hub, tmp_path):
    flow = FLOWS["binary"]()
    inputs = {
        "theta": keras.Input((*EVENT_SHAPE, flow.theta_size), name="theta"),
        "t": keras.Input((), name="t"),
    }
    outputs = keras.layers.Lambda(lambda x: 2 * x)(inputs["theta"])
    model = BayesianFlowNetwork(flow, keras.Model(inputs, outputs))
    make_model(flow).save_to_preset(tmp_path / "preset")
    config = json.dumps(keras.saving.serialize_keras_object(model))
    replace_config(tmp_path / "preset", config)
    upload_preset("hf://user/model", tmp_path / "preset")
    with pytest.raises(ValueError, match="Python lambda"):
        BayesianFlowNetwork.from_preset("hf://user/model")


@pytest.mark.once
def test_the_docstrings_examples_run(hub, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = make_model(FLOWS["binary"]())
    model.upload_preset("hf://user/repo", **ABOUT)
    for function in (BayesianFlowNetwork.from_preset, model.upload_preset, upload_preset):
        (block,) = python_blocks(function.__doc__)
        images = make_data(model.flow)
        exec(block, {"keras_bfn": keras_bfn, "model": model, "test_images": images})
    assert set(hub.commits) == {"user/repo", "user/digits"}


@pytest.mark.once
def test_kaggle_gets_and_sends_the_same_folder(kaggle, tmp_path):
    model = make_model(FLOWS["binary"]())
    model.upload_preset("kaggle://user/model/keras/small", **ABOUT)
    files = kaggle.models["user/model/keras/small"]
    assert 'from_preset("kaggle://user/model/keras/small")' in files["README.md"].decode()
    asked = []

    def model_download(handle):
        asked.append(handle)
        for name, data in files.items():
            (tmp_path / name).write_bytes(data)
        return str(tmp_path)

    kaggle.model_download = model_download
    for version in ("", "/3"):
        preset = f"kaggle://user/model/keras/small{version}"
        loaded = BayesianFlowNetwork.from_preset(preset)
        np.testing.assert_allclose(output(loaded), output(model), rtol=1e-5)
    assert asked == ["user/model/keras/small", "user/model/keras/small/3"]


@pytest.mark.once
@pytest.mark.parametrize(("status", "kind"), [(403, ValueError), (500, OSError)])
def test_what_kaggle_does_not_show_is_refused(status, kind, kaggle):
    def model_download(handle):
        error = OSError(f"{status} Client Error")
        error.response = Response(status)
        raise error

    kaggle.model_download = model_download
    with pytest.raises(kind, match=f"{status} Client Error"):
        BayesianFlowNetwork.from_preset("kaggle://user/model/keras/none")


@pytest.mark.once
@pytest.mark.parametrize(
    ("handle", "library"),
    [("hf://user/repo", "huggingface_hub"), ("kaggle://user/model/keras/small", "kagglehub")],
)
def test_a_missing_library_is_named(handle, library, monkeypatch):
    monkeypatch.setitem(sys.modules, library, None)
    message = rf'needs {library}: `pip install "keras-bfn\[io\]"`.*{handle}'
    with pytest.raises(ImportError, match=message):
        BayesianFlowNetwork.from_preset(handle)
    with pytest.raises(ImportError, match=message):
        make_model(FLOWS["binary"]()).upload_preset(handle, **ABOUT)
