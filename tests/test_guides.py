"""Every guide runs from its first line to its last: on one backend, and if asked on all."""

import os
import pathlib
import subprocess
import sys

import keras
import pytest

from tests.__main__ import BACKENDS

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


def in_turn(*scripts):
    """Parameters of a test: each script on one backend, in turn, and on the others as a slow test.

    They would take longer than all other tests, and what they call is tested on each backend.
    """
    turn = BACKENDS.index(keras.backend.backend())
    return [
        pytest.param(
            *script,
            marks=[pytest.mark.slow] if i % len(BACKENDS) != turn else [],
            id=pathlib.Path(script[0]).stem,
        )
        for i, script in enumerate(scripts)
    ]


def test_there_are_guides():
    assert {guide.stem for guide in GUIDES} >= {
        "getting_started",
        "switching_backends",
        "networks_and_presets",
        "sampling",
        "long_runs",
        "lossless_compression",
    }


@pytest.mark.parametrize("guide", in_turn(*((guide,) for guide in GUIDES)))
def test_a_guide_runs(guide, tmp_path):
    assert run_script(guide, cwd=tmp_path).strip()


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
