"""A record's log says what was trained, for how long, and what the saved model costs."""

import itertools
import json

import keras
import pytest

from benchmarks.speedrun import __main__ as speedrun
from benchmarks.speedrun import tracks
from benchmarks.speedrun.tracks import TRACKS

pytestmark = pytest.mark.once

TINY = ["--set", "width=8", "--set", "blocks=1", "--set", "rate=0.01"]


@pytest.fixture
def fast_digits(monkeypatch):
    """The track of digits with 50 validation images, scored three times, and its recipe."""
    make_digits, recipe = TRACKS["digits"]

    def make(*args):
        track = make_digits(*args)
        return track._replace(validation=track.validation[:50])

    monkeypatch.setitem(TRACKS, "digits", (make, recipe))
    monkeypatch.setattr(speedrun, "NUM_COSTS", 3)
    for module in (speedrun, tracks):
        monkeypatch.setattr(module, "EPOCH", 5)
    return make, recipe


def test_a_run_ends_with_its_budget_and_its_log_is_of_the_model_that_it_saves(
    tmp_path, fast_digits
):
    make, recipe = fast_digits
    path = tmp_path / "log.json"
    args = ["digits", "--seconds", "1", "--seed", "1", *TINY, "--output", str(path)]
    log = speedrun.main(args)
    assert json.loads(path.read_text()) == json.loads(json.dumps(log))
    curve = log["curve"]
    assert [point["seconds"] for point in curve] == sorted(point["seconds"] for point in curve)
    *before, last = (point["seconds"] for point in curve)
    assert last >= 1
    assert all(seconds <= 1 for seconds in before)  # the log rounds to a tenth
    assert curve[-1]["steps"] % speedrun.EPOCH == 0
    assert log["recipe"]["width"] == 8
    assert log["git"]
    track = make(recipe | {"width": 8, "blocks": 1}, None, 1)
    again = track._replace(model=keras.saving.load_model(path.with_suffix(".keras")))
    assert speedrun.costs(again, track.validation, track.orders, 8) == log["validation"]
    assert path.with_suffix(".png").exists()


@pytest.mark.slow
def test_a_killed_run_goes_on_with_its_seconds_and_curve(tmp_path, monkeypatch, fast_digits):
    scored = speedrun.costs
    calls = itertools.count(1)

    def killed(*args):
        if next(calls) == 3:
            raise KeyboardInterrupt
        return scored(*args)

    args = ["digits", "--seconds", "2", *TINY, "--resume", str(tmp_path)]
    monkeypatch.setattr(speedrun, "costs", killed)
    with pytest.raises(KeyboardInterrupt):
        speedrun.main(args)
    lines = (tmp_path / "metrics.csv").read_text().splitlines()
    log = speedrun.main(args)
    assert (tmp_path / "metrics.csv").read_text().splitlines()[: len(lines)] == lines
    seconds = [point["seconds"] for point in log["curve"]]
    assert len(seconds) >= 3
    assert seconds == sorted(seconds)
    assert seconds[-1] >= 2
    again = speedrun.main(args)["curve"]
    assert again[: len(seconds)] == log["curve"]


@pytest.mark.parametrize("args", [["text"], ["digits", "--set", "depth=3"], ["cifar"]])
def test_what_is_not_in_a_recipe_is_refused(args):
    with pytest.raises(SystemExit):
        speedrun.main(args)
