"""Every guide runs from its first line to its last."""

import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[1]
GUIDES = sorted((ROOT / "guides").glob("*.py"))


def run_script(path, *arguments, cwd):
    """Runs a script on this test's backend and returns what it printed."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    result = subprocess.run(
        [sys.executable, str(path), *arguments],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    return result.stdout


def test_there_are_guides():
    assert {guide.stem for guide in GUIDES} >= {
        "getting_started",
        "switching_backends",
        "networks_and_presets",
        "sampling",
        "long_runs",
        "lossless_compression",
    }


# The others train for longer.
SHORT = ("networks_and_presets", "switching_backends")


@pytest.mark.once
@pytest.mark.parametrize(
    "name",
    [pytest.param(g.stem, marks=[] if g.stem in SHORT else pytest.mark.slow) for g in GUIDES],
)
def test_a_guide_runs(name, tmp_path):
    assert run_script(ROOT / "guides" / f"{name}.py", cwd=tmp_path).strip()


@pytest.mark.parametrize("guide", GUIDES, ids=lambda path: path.stem)
def test_a_guide_has_the_header_of_a_keras_guide(guide):
    header = guide.read_text().split('"""')[1].strip().splitlines()
    keys = [line.split(":")[0] for line in header]
    assert keys == [
        "Title",
        "Author",
        "Date created",
        "Last modified",
        "Description",
        "Accelerator",
    ]
