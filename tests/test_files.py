"""Folders are whole, and take each other's place."""

import os

import pytest

from keras_bfn import _files
from keras_bfn._files import write_atomically, write_folder_atomically

pytestmark = pytest.mark.once


def write(content):
    def write(folder):
        (folder / "inner").mkdir(parents=True)
        (folder / "inner" / "file").write_text(content)

    return write


def contents(folder):
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_text() for path in paths}


def test_a_folder_takes_the_place_of_another(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "other").write_text("old")
    (tmp_path / "partial.model").write_text("of one that was killed")
    (tmp_path / "partial.old.model").symlink_to(tmp_path)
    for content in ("1", "2"):
        write_folder_atomically(tmp_path / "model", write(content))
        assert contents(tmp_path) == {"model/inner/file": content}
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_process_leaves_alone_what_another_writes(tmp_path, monkeypatch):
    def write_both(file):
        file.write(b"first")
        monkeypatch.setattr(_files, "process_of", lambda: (1, 2))
        write_atomically(path, lambda file: file.write(b"second"))
        file.write(b" and whole")

    path = tmp_path / "file"
    write_atomically(path, write_both)
    assert contents(tmp_path) == {"file": "first and whole"}


@pytest.mark.parametrize("moment", range(4))
def test_a_failure_leaves_the_folder_that_was_there(moment, tmp_path, monkeypatch):
    """In the write, in waiting for the disk, before either renaming."""
    path = tmp_path / "model"
    write_folder_atomically(path, write("1"))

    def fail(*args):
        raise KeyboardInterrupt

    def write_and_fail(folder):
        write("2")(folder)
        if moment == 0:
            fail()
        if moment == 1:
            monkeypatch.setattr(os, "fsync", fail)

    rename, times = type(path).rename, []

    def rename_or_fail(self, target):
        times.append(target)
        if len(times) == moment - 1:
            fail()
        return rename(self, target)

    monkeypatch.setattr(type(path), "rename", rename_or_fail)
    with pytest.raises(KeyboardInterrupt):
        write_folder_atomically(path, write_and_fail)
    assert contents(tmp_path) == {"model/inner/file": "1"}


def test_what_a_kill_between_two_renames_left_comes_back_when_the_next_write_fails(tmp_path):
    write("1")(tmp_path / "partial.old.model")
    write("2")(tmp_path / "partial.model")
    with pytest.raises(ZeroDivisionError):
        write_folder_atomically(tmp_path / "model", lambda folder: 1 / 0)
    assert contents(tmp_path) == {"model/inner/file": "1"}
