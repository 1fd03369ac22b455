"""The attacks, at a few moments each: `python -m tests.attacks.NAME` makes many."""

import importlib.util
import os

import numpy as np
import pytest

from tests.attacks import interrupts, kills, long_life, reproducible

pytestmark = [
    # An interrupt is lost in a destructor, and where Keras 3.15 takes it for a wrong input.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore:[^$]*The structure of `inputs` doesn't match"),
]

VERBS = ["train_on_batch", "decompress"]


def assert_no_harm(found):
    assert {name: counts["harmed"] for name, counts in found.items() if counts["harmed"]} == {}


@pytest.mark.once
def test_interrupts_harm_nothing():
    assert_no_harm(interrupts.run(3, VERBS))


@pytest.mark.nightly
def test_more_interrupts_harm_nothing():
    assert_no_harm(interrupts.run(20))


@pytest.mark.nightly
@pytest.mark.filterwarnings("ignore")  # of the kernel's own
def test_a_cell_that_is_interrupted_can_be_followed_by_another(tmp_path):
    for package in ("jupyter_client", "ipykernel"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"needs a Jupyter kernel: pip install {package}")
    counts = interrupts.attack_kernel(3, tmp_path, np.random.default_rng(0))
    assert counts["interrupted"] == 3
    assert not counts["harmed"]


needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="processes cannot be forked here")


@pytest.mark.once
@needs_fork
def test_kills_harm_nothing():
    assert_no_harm(kills.run(3, ["save_weights"]))


@pytest.mark.once
@pytest.mark.nightly
@needs_fork
def test_more_kills_harm_nothing():
    assert_no_harm(kills.run(20))


@pytest.mark.nightly
def test_a_long_life_compiles_no_more_and_changes_nothing():
    bad = long_life.run(200)
    assert not any(bad.values()), bad


@pytest.mark.nightly
def test_another_process_finds_the_same():
    assert max(reproducible.differences().values()) < 1e-6
