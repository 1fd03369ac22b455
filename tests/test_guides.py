"""Every guide runs from its first line to its last."""

import pathlib

import numpy as np
import pytest

from tests.brief import make_brief
from tests.models.small import FLOWS, make_model

ROOT = pathlib.Path(__file__).parents[1]
GUIDES = sorted((ROOT / "guides").glob("*.py"))
HEADER = ["Title", "Author", "Date created", "Last modified", "Description", "Accelerator"]
NAMES = [guide.stem for guide in GUIDES]

# What these are about is JAX's; the others run where there is nothing to compile.
ON_JAX = ("several_devices", "switching_backends")


@pytest.fixture
def brief(monkeypatch):
    make_brief(monkeypatch)


@pytest.mark.once
def test_briefly_each_verb_runs_one_batch(brief):
    """The others are copies of it."""
    model = make_model(FLOWS["binary"]())
    x = model.generate(12, 9, "sde1", batch_size=4, seed=0, verbose=0)
    given = np.tile(x[:4], (3, 1, 1, 1))
    nats = model.code_length(given, batch_size=4, seed=0, verbose=0)["transmission"]
    for rows in (x, nats):
        assert len(rows) == 12
        np.testing.assert_array_equal(rows[:4], rows[4:8])
        np.testing.assert_array_equal(rows[:4], rows[8:])


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.once("jax" if name in ON_JAX else "torch"))
        for name in NAMES
    ],
)
def test_a_guide_runs_briefly(name, brief, script):
    assert script(ROOT / "guides" / f"{name}.py").strip()


@pytest.mark.nightly
@pytest.mark.parametrize("name", NAMES)
def test_a_guide_runs(name, script):
    assert script(ROOT / "guides" / f"{name}.py").strip()


@pytest.mark.once
@pytest.mark.parametrize("guide", GUIDES, ids=lambda path: path.stem)
def test_a_guide_has_the_header_of_a_keras_guide(guide):
    header = guide.read_text().split('"""')[1].strip().splitlines()
    keys = [line.split(":")[0] for line in header]
    assert keys == HEADER
