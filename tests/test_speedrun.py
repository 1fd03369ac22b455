"""A record's log says what was trained, for how long, and what the saved model costs."""

import json

import keras
import pytest

from benchmarks.speedrun import __main__ as speedrun
from benchmarks.speedrun.tracks import TRACKS

pytestmark = pytest.mark.once("jax")

TINY = ["--set", "width=8", "--set", "blocks=1", "--set", "rate=0.01"]


def test_a_run_ends_with_its_budget_and_its_log_is_of_the_model_that_it_saves(tmp_path):
    path = tmp_path / "log.json"
    args = ["digits", "--seconds", "4", "--seed", "1", *TINY, "--output", str(path)]
    log = speedrun.main(args)
    assert json.loads(path.read_text()) == json.loads(json.dumps(log))
    curve = log["curve"]
    assert [point["seconds"] for point in curve] == sorted(point["seconds"] for point in curve)
    assert 4 <= curve[-1]["seconds"] < 12
    assert curve[-1]["steps"] % speedrun.EPOCH == 0
    assert log["recipe"]["width"] == 8
    assert log["git"]
    make, recipe = TRACKS["digits"]
    track = make(recipe | {"width": 8, "blocks": 1}, None, 1)
    again = track._replace(model=keras.saving.load_model(path.with_suffix(".keras")))
    assert speedrun.costs(again, track.validation, track.orders, 8) == log["validation"]
    assert path.with_suffix(".png").exists()


def test_the_rate_rises_and_falls_with_the_seconds_used(monkeypatch):
    budget = speedrun.Budget(100.0, 2.0, lambda: {})
    budget.set_model(keras.Sequential())
    budget.model.optimizer = keras.optimizers.SGD()
    rates = []
    for used in (0.0, 1.5, 3.0, 50.0, 99.0, 130.0):
        monkeypatch.setattr(budget, "used", lambda used=used: used)
        budget.on_epoch_begin(0)
        rates.append(float(budget.model.optimizer.learning_rate))
    assert 0 < rates[0] < rates[1] < rates[2] == pytest.approx(2.0, rel=0.01)
    assert rates[3] == pytest.approx(1.0)
    assert rates[4] < 0.01
    assert rates[5] == 0


@pytest.mark.parametrize("args", [["text"], ["digits", "--set", "depth=3"], ["cifar"]])
def test_what_is_not_in_a_recipe_is_refused(args):
    with pytest.raises(SystemExit):
        speedrun.main(args)
