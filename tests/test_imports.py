"""Packages that are not there are asked for, where they are needed; what an import leaves alone."""

import os
import subprocess
import sys

import pytest

import keras_bfn
from keras_bfn import BayesianFlowNetwork, callbacks, checkpoints, datasets
from keras_bfn import visualization as pictures
from tests.datasets.test_folders import png
from tests.models.small import FLOWS, make_data
from tests.wrong.things import IMAGES, STEPS, Things

pytestmark = pytest.mark.once

FLOW = FLOWS["binary"]()
X = make_data(FLOW, num=8)


@pytest.fixture(scope="module")
def things(tmp_path_factory):
    return Things(tmp_path_factory.mktemp("things"))


def export_onnx(things, folder):
    things.model.export(folder / "step.onnx", "onnx")


# By the package that is missing: what needs it, and how it is asked for.
NEEDS = {
    "matplotlib": [lambda t, _: pictures.plot_samples(IMAGES, "a.png")],
    "PIL": [
        lambda t, folder: datasets.image_folder(t.folder / "images", (8, 8)),
        lambda t, _: pictures.animate_generation(FLOW, STEPS, "a.gif"),
        lambda t, _: t.model.fit(X, callbacks=[callbacks.SampleImages("a")], verbose=0),
    ],
    "sklearn": [lambda t, _: datasets.embedded_digits(), lambda t, _: datasets.embedded_images()],
    "narwhals": [
        lambda t, _: keras_bfn.tables.Table.from_dataframe(t.frame),
        lambda t, _: keras_bfn.series.make_model(t.frame, horizon=4),
    ],
    "constriction": [lambda t, _: t.codec.compress(X, verbose=0)],
    "tokenizers": [lambda t, _: datasets.Subwords("{}")],
    "tensorboard": [
        lambda t, _: t.model.fit(
            X, callbacks=[callbacks.SampleImages("a", tensorboard="b")], verbose=0
        )
    ],
    "huggingface_hub": [
        lambda t, _: BayesianFlowNetwork.from_preset("hf://user/repo"),
        lambda t, _: checkpoints.load_official(t.unet, "hf://user/repo/file.pt"),
        lambda t, _: t.model.upload_preset("hf://user/repo", "Noise.", "mit"),
    ],
    "kagglehub": [lambda t, _: BayesianFlowNetwork.from_preset("kaggle://a/b/c/d")],
    "tensorflow_datasets": [
        lambda t, _: datasets.mnist(),
        lambda t, _: datasets.fashion_mnist(),
        lambda t, _: datasets.cifar10(),
    ],
    "onnxscript": [export_onnx],
    "openvino": [lambda t, folder: t.model.export(folder / "step.xml", "openvino")],
}


@pytest.mark.parametrize("package", NEEDS)
def test_a_package_that_is_missing_is_asked_for(package, things, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (things.folder / "images").mkdir(exist_ok=True)
    for name in ("0.png", "1.png", "2.png"):
        (things.folder / "images" / name).write_bytes(png(8, 8, bytes(72)))
    for name in [name for name in sys.modules if name.split(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    for call in NEEDS[package]:
        with pytest.raises(ImportError, match="pip install"):
            call(things, tmp_path)


@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_a_backend_that_is_missing_is_asked_for(backend):
    code = f"import sys; sys.modules[{backend!r}] = None; import keras_bfn"
    environment = os.environ | {"KERAS_BACKEND": backend}
    found = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    said = found.stderr.strip().splitlines()
    assert said[-1].startswith(f"ImportError: The backend of Keras, {backend!r}, is not installed.")
    assert f'pip install "keras-bfn[{backend}]"' in said[-1]
    assert "KERAS_BACKEND" in said[-1]
    assert not any("site-packages/keras" in line for line in said)


@pytest.mark.once("jax")
def test_devices_are_configured_after_the_import():
    set_devices = "jax.config.update('jax_num_cpu_devices', 3)"  # refused once there are arrays
    code = f"import jax, keras_bfn; {set_devices}; assert len(jax.devices()) == 3"
    subprocess.run([sys.executable, "-c", code], check=True)
