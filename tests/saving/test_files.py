"""Files and folders are whole, and take each other's place."""

import os

import pytest

from keras_bfn.saving import files
from keras_bfn.saving.files import whole, write_atomically

pytestmark = pytest.mark.once


def write_folder(path, content):
    (path / "inner").mkdir(parents=True)
    (path / "inner" / "file").write_text(content)


def contents(folder):
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_text() for path in paths}


def test_a_folder_takes_the_place_of_another(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "other").write_text("old")
    (tmp_path / "partial.model").write_text("of one that was killed")
    (tmp_path / "partial.old.model").symlink_to(tmp_path)
    for content in ("1", "2"):
        with whole(tmp_path / "model") as folder:
            write_folder(folder, content)
        assert contents(tmp_path) == {"model/inner/file": content}
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_file_does_not_take_the_place_of_a_folder(tmp_path):
    write_folder(tmp_path / "model", "1")
    with pytest.raises(OSError, match="model"):
        write_atomically(tmp_path / "model", lambda file: file.write(b"2"))
    assert contents(tmp_path) == {"model/inner/file": "1"}


def test_a_process_leaves_alone_what_another_writes(tmp_path, monkeypatch):
    def write_both(file):
        file.write(b"first")
        monkeypatch.setattr(files, "process_of", lambda: (1, 2))
        write_atomically(path, lambda file: file.write(b"second"))
        file.write(b" and whole")

    path = tmp_path / "file"
    write_atomically(path, write_both)
    assert contents(tmp_path) == {"file": "first and whole"}


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
    assert contents(tmp_path) == {"model/inner/file": "1"}


def test_what_a_kill_between_two_renames_left_comes_back_when_the_next_write_fails(tmp_path):
    write_folder(tmp_path / "partial.old.model", "1")
    write_folder(tmp_path / "partial.model", "2")
    with pytest.raises(ZeroDivisionError), whole(tmp_path / "model"):
        1 / 0  # noqa: B018
    assert contents(tmp_path) == {"model/inner/file": "1"}
