"""Files and folders are whole, and take each other's place, though disks are full."""

import contextlib
import errno
import os
import shutil
import subprocess

import pytest

import keras_bfn
from keras_bfn import BayesianFlowNetwork, callbacks
from keras_bfn import visualization as pictures
from keras_bfn.saving import files
from keras_bfn.saving.files import whole, write_atomically
from tests.models.small import FLOWS, make_data, make_model
from tests.wrong.things import IMAGES

pytestmark = pytest.mark.once

FLOW = FLOWS["binary"]()
X = make_data(FLOW, num=8)


def write_folder(path, content):
    (path / "inner").mkdir(parents=True)
    (path / "inner" / "file").write_text(content)


def contents(folder):
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def test_a_folder_takes_the_place_of_another(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "other").write_text("old")
    (tmp_path / "partial.model").write_text("of one that was killed")
    (tmp_path / "partial.old.model").symlink_to(tmp_path)
    for content in ("1", "2"):
        with whole(tmp_path / "model") as folder:
            write_folder(folder, content)
        assert contents(tmp_path) == {"model/inner/file": content.encode()}
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_file_does_not_take_the_place_of_a_folder(tmp_path):
    write_folder(tmp_path / "model", "1")
    with pytest.raises(OSError, match="model"):
        write_atomically(tmp_path / "model", lambda file: file.write(b"2"))
    assert contents(tmp_path) == {"model/inner/file": b"1"}


def test_a_process_leaves_alone_what_another_writes(tmp_path, monkeypatch):
    def write_both(file):
        file.write(b"first")
        monkeypatch.setattr(files, "process_of", lambda: (1, 2))
        write_atomically(path, lambda file: file.write(b"second"))
        file.write(b" and whole")

    path = tmp_path / "file"
    write_atomically(path, write_both)
    assert contents(tmp_path) == {"file": b"first and whole"}


@pytest.mark.parametrize("moment", ["in the write", "in the sync", "first name", "second name"])
def test_a_failure_leaves_the_folder_that_was_there(moment, tmp_path, monkeypatch):
    path = tmp_path / "model"
    with whole(path) as folder:
        write_folder(folder, "1")

    def fail(*args):
        monkeypatch.undo()
        raise KeyboardInterrupt

    called = {"in the sync": "fsync", "first name": "rename", "second name": "replace"}
    if moment in called:
        monkeypatch.setattr(os, called[moment], fail)
    with pytest.raises(KeyboardInterrupt), whole(path) as folder:
        write_folder(folder, fail() if moment == "in the write" else "2")
    assert contents(tmp_path) == {"model/inner/file": b"1"}


def test_what_a_kill_between_two_renames_left_comes_back_when_the_next_write_fails(tmp_path):
    write_folder(tmp_path / "partial.old.model", "1")
    write_folder(tmp_path / "partial.model", "2")
    with pytest.raises(ZeroDivisionError), whole(tmp_path / "model"):
        1 / 0  # noqa: B018
    assert contents(tmp_path) == {"model/inner/file": b"1"}


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


def test_what_is_written_where_no_file_can_be_says_so(tmp_path):
    model = make_model(FLOW)
    (tmp_path / "file").write_text("no folder")
    for write in SAVES:
        with pytest.raises(OSError, match="file"):
            write(model, tmp_path / "file")
    assert contents(tmp_path) == {"file": b"no folder"}


@pytest.mark.parametrize("write", [save, save_weights])
def test_a_folder_that_does_not_exist_is_named(write, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"There is no such folder: '.*absent'"):
        write(make_model(FLOW), tmp_path / "absent")
