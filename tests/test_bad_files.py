"""Files that are broken, disks that are full, and packages that are not there: each is named."""

import contextlib
import errno
import json
import os
import shutil
import struct
import subprocess
import sys
import zlib

import pytest

import keras_bfn
from keras_bfn import BayesianFlowNetwork, callbacks, checkpoints, codec, datasets, presets
from keras_bfn import visualization as pictures
from keras_bfn.presets.folder import CONFIG, METADATA, WEIGHTS
from tests.models.small import FLOWS, make_data, make_model
from tests.wrong.things import IMAGES, STEPS, Things

pytestmark = pytest.mark.once

FLOW = FLOWS["binary"]()
X = make_data(FLOW, num=8)


@pytest.fixture(scope="module")
def things(tmp_path_factory):
    return Things(tmp_path_factory.mktemp("things"))


@pytest.fixture(scope="module")
def preset(tmp_path_factory):
    """A preset whose metadata tell of any files."""
    folder = tmp_path_factory.mktemp("presets") / "preset"
    network = keras_bfn.networks.MLP(FLOW, (4, 4, 1), 8, 1)
    model = BayesianFlowNetwork(FLOW, network)
    model.compile("adamw")
    model.save_to_preset(folder)
    metadata = json.loads((folder / METADATA).read_text())
    del metadata["sha256"]
    (folder / METADATA).write_text(json.dumps(metadata))
    return folder


def paths_of(config, *path):
    for name, value in config.items():
        yield (*path, name)
        if isinstance(value, dict):
            yield from paths_of(value, *path, name)


NEEDED = [
    "config/flow",
    "config/flow/config/num_classes",
    "config/flow/config/schedule/config/beta_1",
    "config/flow/registered_name",
    "config/network",
    "config/network/config/flow",
    "config/network/config/event_shape",
    "config/network/registered_name",
    "registered_name",
]


@pytest.mark.parametrize("path", NEEDED)
@pytest.mark.parametrize("change", ["without", "null", "text"])
def test_a_config_that_lacks_what_is_needed_is_refused_with_its_folder(
    path, change, preset, tmp_path
):
    shutil.copytree(preset, tmp_path, dirs_exist_ok=True)
    config = json.loads((preset / CONFIG).read_text())
    *parents, last = path.split("/")
    place = config
    for name in parents:
        place = place[name]
    if change == "without":
        del place[last]
    else:
        place[last] = None if change == "null" else "x"
    (tmp_path / CONFIG).write_text(json.dumps(config))
    with pytest.raises(ValueError, match="`preset` must be a folder") as caught:
        BayesianFlowNetwork.from_preset(tmp_path)
    assert f"preset='{tmp_path}'" in str(caught.value)


@pytest.mark.slow
def test_a_config_of_which_anything_is_changed_gives_a_model_or_is_refused(preset, tmp_path):
    shutil.copytree(preset, tmp_path, dirs_exist_ok=True)
    written = (preset / CONFIG).read_text()
    refused = []
    for path in paths_of(json.loads(written)):
        for other in (None, "x", 3, -1.5, [], {}):
            config = place = json.loads(written)
            for name in path[:-1]:
                place = place[name]
            place[path[-1]] = other
            (tmp_path / CONFIG).write_text(json.dumps(config))
            try:
                BayesianFlowNetwork.from_preset(tmp_path)
            except ValueError as error:
                refused.append(str(error))
    assert len(refused) > 50
    assert all("Received" in message for message in refused)


@pytest.mark.parametrize("content", ["", "[]", "3", "null", "{}", '{"a": 1}'])
def test_a_config_that_is_none_is_refused(content, preset, tmp_path):
    shutil.copytree(preset, tmp_path, dirs_exist_ok=True)
    (tmp_path / CONFIG).write_text(content)
    with pytest.raises(ValueError, match=r"`preset` must be|must hold a JSON object") as caught:
        BayesianFlowNetwork.from_preset(tmp_path)
    assert str(tmp_path) in str(caught.value)


BROKEN = {
    "empty": lambda data: b"",
    "cut": lambda data: data[:1000],
    "end cut": lambda data: data[:-100],
    "zeros": lambda data: bytes(len(data)),
    "text": lambda data: b"weights",
}


@pytest.mark.parametrize("kind", BROKEN)
def test_weights_that_are_broken_are_refused_with_their_folder(kind, preset, tmp_path):
    shutil.copytree(preset, tmp_path, dirs_exist_ok=True)
    (tmp_path / WEIGHTS).write_bytes(BROKEN[kind]((preset / WEIGHTS).read_bytes()))
    with pytest.raises(ValueError, match=rf"a folder with a {WEIGHTS} that.*Received: preset="):
        BayesianFlowNetwork.from_preset(tmp_path)


def test_a_small_checkpoint_of_large_tensors_is_refused_by_their_shapes(things, tmp_path):
    torch = pytest.importorskip("torch")
    large = torch.zeros(1, dtype=torch.float16).expand(2**37)
    for name in ("net.input_projection.weight", "net.input_adapter.pos_feats", "other"):
        path = tmp_path / "large.pt"
        torch.save({name: large}, path)
        assert path.stat().st_size < 2000
        with pytest.raises(ValueError, match=r"large.pt'.*(has shape|does not fit)"):
            checkpoints.load_official(things.unet, path)


@pytest.mark.parametrize("kind", ["sparse", "complex", "number"])
def test_a_checkpoint_of_other_tensors_is_refused(kind, things, tmp_path):
    torch = pytest.importorskip("torch")
    other = {
        "sparse": lambda: torch.zeros(4, 4).to_sparse(),
        "complex": lambda: torch.zeros(4, dtype=torch.complex64),
        "number": lambda: torch.zeros(4),
    }[kind]()
    torch.save({3 if kind == "number" else "net.out": other}, tmp_path / "other.pt")
    with pytest.raises(ValueError, match=r"`path` must be .*Received: path=.*other.pt"):
        checkpoints.load_official(things.unet, tmp_path / "other.pt")


def png(width, height, pixels=b""):
    """A file of a picture, of which there is no more than is given."""

    def chunk(kind, content):
        told = kind + content
        return struct.pack(">I", len(content)) + told + struct.pack(">I", zlib.crc32(told))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    data = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(pixels)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + data


PICTURES = {
    "too large": (png(12_000, 12_000), "pixels"),
    "far too large": (png(60_000, 60_000), "pixels"),
    "cut": (png(8, 8, bytes(20)), "whole image"),
    "text": (b"no picture", "whole image"),
    "empty": (b"", "whole image"),
    "no header": (png(8, 8, bytes(72))[:20], "whole image"),
}


@pytest.mark.parametrize("kind", PICTURES)
def test_a_picture_that_is_broken_is_refused_with_its_file(kind, tmp_path):
    pytest.importorskip("PIL")
    content, match = PICTURES[kind]
    for name in ("0.png", "1.png", "2.png"):
        (tmp_path / name).write_bytes(png(8, 8, bytes(72)))
    datasets.image_folder(tmp_path, (8, 8))
    (tmp_path / "bad.png").write_bytes(content)
    with pytest.raises(ValueError, match=rf"bad\.png' must be a whole image.*{match}|{match}"):
        datasets.image_folder(tmp_path, (8, 8))


def test_a_text_of_other_bytes_is_refused_with_its_file(tmp_path):
    (tmp_path / "text.txt").write_bytes(b"call me ishmael \xff" * 100)
    with pytest.raises(ValueError, match=r"text\.txt' must be text in UTF-8.*0xff"):
        datasets.text_file(tmp_path / "text.txt")


def save(model, folder):
    model.save(folder / "model.keras")


def save_weights(model, folder):
    model.save_weights(folder / "model.weights.h5")


def save_preset(model, folder):
    model.save_to_preset(folder / "preset")


def train(model, folder):
    model.fit(X, epochs=1, verbose=0, callbacks=[callbacks.Resume(folder, verbose=0)])


def picture(model, folder):
    pictures.plot_samples(IMAGES, folder / "samples.png")


def samples(model, folder):
    callback = callbacks.SampleImages(folder)
    callback.set_model(model)
    callback.write(FLOW, X, 1)


SAVES = [save, save_weights, save_preset, train]


def contents(folder):
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


@pytest.mark.parametrize("write", [*SAVES, picture, samples])
def test_a_save_that_fails_leaves_what_was_there(write, tmp_path, monkeypatch):
    model = make_model(FLOW)
    model.fit(X, epochs=1, verbose=0)
    write(model, tmp_path)
    before = contents(tmp_path)
    assert before
    model.fit(X, epochs=1, verbose=0)

    def fsync(number):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(OSError, match="No space left"):
        write(model, tmp_path)
    assert contents(tmp_path) == before


@contextlib.contextmanager
def small_disk(folder, size):
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(folder)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("no disk can be mounted here")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("write", SAVES)
def test_a_disk_that_is_full_costs_no_file_and_no_process(write, tmp_path):
    model = BayesianFlowNetwork(FLOW, keras_bfn.networks.MLP(FLOW, (4, 4, 1), 128))
    model.compile("adamw")
    model.fit(X, epochs=1, verbose=0)
    with small_disk(tmp_path, "300k"):
        (tmp_path / "model.keras").write_text("old")
        (tmp_path / "model.weights.h5").write_text("old")
        before = contents(tmp_path)
        with pytest.raises(OSError, match="No space left"):
            write(model, tmp_path)
        assert contents(tmp_path) == before


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
    "sklearn": [
        lambda t, _: datasets.embedded_digits(),
        lambda t, _: datasets.embedded_images(),
    ],
    "narwhals": [lambda t, _: keras_bfn.tables.Table.from_dataframe(t.frame)],
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


def test_what_is_written_where_no_file_can_be_says_so(things, tmp_path):
    (tmp_path / "file").write_text("no folder")
    for write in SAVES:
        with pytest.raises(OSError, match="file"):
            write(things.model, tmp_path / "file")
    assert contents(tmp_path) == {"file": b"no folder"}


def test_what_is_loaded_from_a_file_that_is_none_of_ours_is_refused(things, tmp_path):
    path = tmp_path / "blob"
    for content in (b"", b"KBFN", os.urandom(200)):
        path.write_bytes(content)
        with pytest.raises(codec.CodecError):
            things.codec.decompress(path.read_bytes(), verbose=0)
        with pytest.raises(ValueError, match="`preset` must be"):
            presets.upload_preset("hf://user/repo", path)
