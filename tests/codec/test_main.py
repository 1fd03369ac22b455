"""The command line: files in, files out, and a reason where that cannot be."""

import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from keras_bfn import BayesianFlowNetwork, networks
from keras_bfn.codec import Codec, CodecError, __main__, container
from tests.codec.crafting import crafted
from tests.models.small import FLOWS, make_data, make_model

pytest.importorskip("constriction")

pytestmark = pytest.mark.once

ROOT = pathlib.Path(__file__).parents[2]
ARGUMENTS = ["--num-steps", "4", "--batch-size", "4"]


def run(*arguments):
    """In a process of its own, on this test's backend."""
    return subprocess.run(
        [sys.executable, "-m", "keras_bfn.codec", *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )


@pytest.fixture(scope="module")
def model():
    return make_model(FLOWS["discrete"](), compiled=False)


@pytest.fixture(scope="module")
def folder(model, tmp_path_factory):
    """A model and data, and what another process made of them."""
    folder = tmp_path_factory.mktemp("command_line")
    model.save(folder / "model.keras")
    np.save(folder / "x.npy", make_data(model.flow, 10).astype("uint8"))
    paths = (folder / "x.npy", folder / "x.bfn", "--model", folder / "model.keras")
    result = run("compress", *paths, *ARGUMENTS, "--report", "--verify", "--quiet")
    assert result.returncode == 0, result.stderr[-3000:]
    (folder / "report.txt").write_text(result.stdout)
    return folder


@pytest.fixture
def command(folder, monkeypatch):
    """Runs the command in this process."""

    def run(command, source, target, *arguments, model=folder / "model.keras"):
        arguments = [command, source, target, "--model", model, *arguments]
        monkeypatch.setattr(sys, "argv", ["codec", *map(str, arguments)])
        __main__.main()

    return run


def test_a_file_that_another_process_made_decodes_here(folder, model):
    x = np.load(folder / "x.npy")
    back = Codec(model).decompress((folder / "x.bfn").read_bytes(), verbose=0)
    assert back.dtype == x.dtype
    assert_array_equal(back, x)


def test_another_process_makes_the_same_bytes(folder, model):
    codec = Codec(model, num_steps=4, batch_size=4)
    assert codec.compress(np.load(folder / "x.npy"), verbose=0) == (folder / "x.bfn").read_bytes()


def test_the_report_adds_up(folder):
    lines = (folder / "report.txt").read_text().splitlines()
    rows = {line[:20].strip(): float(line[20:32]) for line in lines[1:5]}
    assert list(rows) == ["examples", "initial bits", "header and checksum", "file"]
    assert rows["file"] == (folder / "x.bfn").stat().st_size
    assert abs(sum(rows.values()) - 2 * rows["file"]) < 10
    assert lines[5].startswith("10 examples in ")
    assert len(lines) == 6


def test_data_come_back_from_the_command_line(folder, command, tmp_path, capsys):
    command("decompress", folder / "x.bfn", tmp_path / "back.npy", "--quiet")
    assert capsys.readouterr().out == ""
    back, x = np.load(tmp_path / "back.npy"), np.load(folder / "x.npy")
    assert back.dtype == x.dtype
    assert_array_equal(back, x)
    assert [path.name for path in tmp_path.iterdir()] == ["back.npy"]


@pytest.mark.slow
def test_a_preset_of_digits_is_a_model(command, tmp_path):
    x = np.random.default_rng(0).integers(0, 17, (3, 8, 8, 1)).astype("uint8")
    np.save(tmp_path / "x.npy", x)
    command("compress", tmp_path / "x.npy", tmp_path / "x.bfn", *ARGUMENTS, model="bfn_digits")
    command("decompress", tmp_path / "x.bfn", tmp_path / "back.npy", model="bfn_digits")
    assert_array_equal(np.load(tmp_path / "back.npy"), x)


@pytest.mark.slow
def test_a_process_that_fails_says_why_and_leaves_nothing(folder, tmp_path):
    data = (folder / "x.bfn").read_bytes()
    (tmp_path / "cut.bfn").write_bytes(data[:-7])
    paths = (tmp_path / "cut.bfn", tmp_path / "x.npy", "--model", folder / "model.keras")
    result = run("decompress", *paths)
    assert result.returncode == 1
    reason = "CodecError: The file is truncated or damaged: its checksum does not match"
    assert result.stderr.strip().splitlines()[-1] == reason
    assert "Traceback" not in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["cut.bfn"]


def _with_other_checksum(path):
    """A file whose data are said to be others, by the word at the bottom of the stack."""
    data = path.read_bytes()
    words = container.read(data)[1]
    words[0] ^= 1
    return crafted(data, words=words)


def _flip_last(data):
    return data[:-1] + bytes([data[-1] ^ 1])


def _save_floats(folder, path):
    with open(path, "wb") as file:
        np.save(file, np.zeros((2, 4, 4, 1)))


def _save_objects(folder, path):
    with open(path, "wb") as file:
        np.save(file, np.array([{}]), allow_pickle=True)


def _save_several(folder, path):
    with open(path, "wb") as file:
        np.savez(file, a=np.zeros((2, 4, 4, 1), "uint8"))


FAILURES = {
    "no-file": ("decompress", None, [], "FileNotFoundError: .*input"),
    "no-data": ("compress", None, [], "FileNotFoundError: .*input"),
    "empty-file": ("decompress", lambda f, p: p.write_bytes(b""), [], "CodecError: Not a file"),
    "empty-data": ("compress", lambda f, p: p.write_bytes(b""), [], "EOFError: "),
    "not-numpy": ("compress", lambda f, p: p.write_bytes(b"text"), [], "ValueError: "),
    "floats": ("compress", _save_floats, [], "ValueError: Argument `x` must contain integers"),
    "objects": ("compress", _save_objects, [], "ValueError: "),
    "several": ("compress", _save_several, [], "ValueError: "),
    "another-file": (
        "decompress",
        lambda folder, path: path.write_bytes((folder / "model.keras").read_bytes()),
        [],
        "CodecError: Not a file of keras_bfn.codec",
    ),
    "damaged": (
        "decompress",
        lambda folder, path: path.write_bytes(_flip_last((folder / "x.bfn").read_bytes())),
        [],
        "CodecError: The file is truncated or damaged",
    ),
    "other-data": (
        "decompress",
        lambda folder, path: path.write_bytes(_with_other_checksum(folder / "x.bfn")),
        [],
        "CodecError: The decoded data differ",
    ),
    "no-steps": (
        "compress",
        lambda folder, path: path.write_bytes((folder / "x.npy").read_bytes()),
        ["--num-steps", "0"],
        "ValueError: Argument `num_steps` must be an integer",
    ),
    "no-condition": (
        "compress",
        lambda folder, path: path.write_bytes((folder / "x.npy").read_bytes()),
        ["--condition", "nowhere.npy"],
        "FileNotFoundError: .*nowhere.npy",
    ),
}


@pytest.mark.slow_to_compile
@pytest.mark.parametrize(("name", "make", "more", "reason"), FAILURES.values(), ids=FAILURES)
def test_a_failure_says_why_and_leaves_what_there_was(
    name, make, more, reason, folder, command, tmp_path
):
    if make:
        make(folder, tmp_path / "input")
    target = tmp_path / "output"
    before = sorted(tmp_path.iterdir())
    with pytest.raises(SystemExit, match=f"^{reason}"):
        command(name, tmp_path / "input", target, "--quiet", *more)
    assert sorted(tmp_path.iterdir()) == before
    target.write_bytes(b"precious")
    with pytest.raises(SystemExit, match=f"^{reason}"):
        command(name, tmp_path / "input", target, "--quiet", *more)
    assert target.read_bytes() == b"precious"
    assert len(list(tmp_path.iterdir())) == len(before) + 1


def test_a_model_that_there_is_not_is_named(folder, command, tmp_path):
    for model in ("nowhere.keras", "bfn_nothing"):
        with pytest.raises(SystemExit, match=f"ValueError: .*{model}"):
            command("compress", folder / "x.npy", tmp_path / "x.bfn", model=model)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_there_is_not_is_named(folder, command, tmp_path):
    with pytest.raises(SystemExit, match=r"FileNotFoundError: .*nowhere"):
        command("decompress", folder / "x.bfn", tmp_path / "nowhere" / "x.npy", "--quiet")


@pytest.mark.parametrize("fails", ["differs", "raises"])
def test_what_does_not_verify_is_not_written(fails, folder, command, tmp_path, monkeypatch):
    def decompress(self, data, condition=None, verbose="auto"):
        if fails == "raises":
            raise CodecError("does not decompress")
        return np.load(folder / "x.npy")[::-1]

    monkeypatch.setattr(Codec, "decompress", decompress)
    with pytest.raises(SystemExit, match=r"CodecError: .*do(es)? not decompress"):
        command("compress", folder / "x.npy", tmp_path / "x.bfn", "--verify", "--quiet", *ARGUMENTS)
    assert not list(tmp_path.iterdir())


def test_a_condition_is_read_from_a_file(folder, command, tmp_path):
    np.save(tmp_path / "classes.npy", np.zeros(10, "int32"))
    arguments = ("--condition", tmp_path / "classes.npy", "--quiet")
    with pytest.raises(SystemExit, match="ValueError: The network takes no condition"):
        command("compress", folder / "x.npy", tmp_path / "x.bfn", *arguments)


def test_conditions_of_several_parts_are_read_from_a_file(folder, command, tmp_path):
    flow = FLOWS["discrete"]()
    conditions = {"a": 3, "b": (2,)}
    network = networks.MLP(flow, (4, 4, 1), width=8, num_blocks=1, conditions=conditions)
    BayesianFlowNetwork(flow, network, seed=0).save(tmp_path / "model.keras")
    rng = np.random.default_rng(0)
    given = {"a": rng.integers(0, 3, 10), "b": rng.normal(size=(10, 2))}
    np.savez(tmp_path / "given.npz", **given)
    options = ("--model", tmp_path / "model.keras", "--condition", tmp_path / "given.npz")
    options = (*options, "--num-steps", "2", "--quiet")
    command("compress", folder / "x.npy", tmp_path / "x.bfn", *options)
    command("decompress", tmp_path / "x.bfn", tmp_path / "back.npy", *options)
    assert_array_equal(np.load(tmp_path / "back.npy"), np.load(folder / "x.npy"))
