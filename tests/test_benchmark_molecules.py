"""The benchmark of molecules encodes, trains, samples and judges what it says, at a toy's size."""

import csv
import gzip

import numpy as np
import pytest

from benchmarks import logp, molecules
from keras_bfn import datasets

pytestmark = pytest.mark.once("jax")

SMILES = ["CCO", "c1ccccc1Br", "CC(C)c1ccc(C(=O)NC2CC2)cc1", "Cc1ccc(N)cc1-c1cc[nH]n1", "CCN"]
SYMBOLS = datasets.Symbols.fit(SMILES, datasets.SMILES)


@pytest.fixture
def data(tmp_path):
    for name in ("train", "test"):
        with gzip.open(tmp_path / f"{name}.csv.gz", "wt") as file:
            rows = csv.writer(file)
            rows.writerows([["SMILES"], *([text] for text in 20 * SMILES), ["C" * 48]])
    path = tmp_path / "data.npz"
    molecules.main([str(path), "--export", str(tmp_path)])
    return path


def test_molecules_are_encoded_and_split(data):
    symbols, train, validation, test = molecules.load(data)
    assert symbols.symbols == SYMBOLS.symbols
    assert (len(train), len(validation), len(test)) == (90, 10, 100)  # none of 48 symbols
    assert sorted(symbols.decode(np.concatenate([train, validation]))) == sorted(20 * SMILES)


def test_the_scaffold_is_kept_and_side_chains_are_sampled():
    pytest.importorskip("rdkit")
    for smiles, expected in {
        "CC(C)c1ccc(C(=O)NC2CC2)cc1": ".....c1ccc(C(=O)NC2CC2)cc1",
        "Cc1ccc(N)cc1-c1cc[nH]n1": ".c1ccc...cc1-c1cc[nH]n1",
        "CC(CCc1ccccc1C)Nc1ccccc1": ".C(CCc1ccccc1.)Nc1ccccc1",
        "c1ccc2c(c1)Cc1ccccc1-2": "c1ccc2c(c1)Cc1ccccc1-2",
    }.items():
        given = molecules.keep_scaffold(smiles, SYMBOLS)
        shown = ["." if i < 0 else (*SYMBOLS.symbols, "")[i] for i in given]
        assert "".join(shown) == expected


def test_molecules_are_judged():
    pytest.importorskip("rdkit")
    found = molecules.judge(["CCO", "OCC", "CCN", "C(", ""], {"CCO"})
    assert [text.split()[0] for text in found] == ["60.0", "66.7", "50.0"]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["bfn", "gru"])
def test_a_model_is_trained_and_sampled_in_all_ways(kind, data, tmp_path, capsys):
    pytest.importorskip("rdkit")
    path, small = tmp_path / "model.keras", ["--set", "width=16", "--set", "batch=4"]
    if kind == "gru":
        small += ["--gru"]
    else:
        small += ["--set", "layers=1", "--set", "heads=2", "--set", "order=1"]
    train = ["--train", str(path), "--seconds", "1", "--num", "0", "--score", "0"]
    molecules.main([str(data), *train, *small])
    shown = tmp_path / "samples"
    sample = ["--load", str(path), "--num", "4", "--steps", "2", "--score", "8"]
    molecules.main([str(data), *sample, "--output", str(shown)])
    told = capsys.readouterr().out
    assert "processor seconds" in told
    assert "nan" not in told
    names = {"gru"} if kind == "gru" else {way.replace(" ", "_") for way in molecules.WAYS}
    assert {file.stem for file in shown.iterdir()} == names
    for file in shown.iterdir():
        assert len(file.read_text().split("\n")) == 5


def test_the_logp_of_a_molecule_is_that_of_crippen():
    pytest.importorskip("rdkit")
    ethanol, invalid = logp.logp_of(["CCO", "C("])
    assert ethanol == pytest.approx(-0.0014, abs=1e-4)
    assert np.isnan(invalid)
    np.testing.assert_allclose(logp.condition_of(np.array([logp.MEAN + logp.STD])), [[1.0, 1.0]])


@pytest.mark.slow
def test_a_logp_is_asked_for_by_condition_and_by_guidance(data, tmp_path, monkeypatch, capsys):
    pytest.importorskip("rdkit")
    small = {"width": 16, "batch": 4, "layers": 1, "heads": 2, "order": 1}
    monkeypatch.setattr(logp, "RECIPE", logp.RECIPE | small)
    path = tmp_path / "model.keras"
    options = ["--load", str(path), "--num", "40", "--steps", "2"]
    logp.main([str(data), "--train", str(path), "--seconds", "5", *options])
    logp.main([str(data), "--regressor", *options])
    rows = [row for row in capsys.readouterr().out.splitlines() if row.startswith("logP ")]
    assert [float(row.split()[1].rstrip(":")) for row in rows] == [*logp.ASKED, *logp.ASKED]
