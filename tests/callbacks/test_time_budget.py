"""Training that takes as long as it is given."""

import keras
import numpy as np
import pytest

from keras_bfn import recipes
from keras_bfn.callbacks import Resume, TimeBudget, time_budget
from tests.callbacks.resumable import make_data, make_model
from tests.models.states import renewable


@pytest.fixture
def clock(monkeypatch):
    """A clock of a list of one number, which each reading leaves as it is."""
    now = [100.0]
    monkeypatch.setitem(time_budget.CLOCKS, "wall", lambda: now[0])
    return now


@pytest.fixture(scope="module")
def fresh():
    model = make_model()
    model.compile(recipes.adamw(peak_rate=0.01))
    return renewable(model)


def fit(model, budget, clock, seconds, more=()):
    """Trains, with so many seconds for each epoch, and returns the rate of each."""
    rates = []

    class Passing(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            rates.append(float(self.model.optimizer.learning_rate))

        def on_train_batch_end(self, batch, logs=None):
            clock[0] += seconds

    options = {"steps_per_epoch": 1, "epochs": 1000, "verbose": 0}
    history = model.fit(make_data(), callbacks=[budget, Passing(), *more], **options)
    return np.array(rates), history.history


@pytest.mark.slow_to_compile
def test_the_rate_rises_and_falls_as_the_seconds_are_used_up(clock, fresh):
    model = fresh()
    rates, history = fit(model, TimeBudget(20.0, rise=0.1, fall=0.5), clock, seconds=1.0)
    assert len(rates) == 20
    assert history["seconds"] == list(range(1, 21))
    assert 0 < rates[0] < rates[1] < rates[2]
    assert rates[2:11] == pytest.approx(0.01)
    assert rates[10:] == pytest.approx(0.001 * np.arange(10, 0, -1))
    assert float(model.optimizer.learning_rate) == pytest.approx(0.01)


@pytest.mark.slow_to_compile("tensorflow")
def test_after_an_interrupt_the_highest_rate_is_what_it_was(clock, fresh):
    class Interrupt(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 3:
                raise KeyboardInterrupt

    model = fresh()
    with pytest.raises(KeyboardInterrupt):
        fit(model, TimeBudget(5.0), clock, 1.0, more=[Interrupt()])
    assert float(model.optimizer.learning_rate) < 0.007
    rates, _ = fit(model, TimeBudget(5.0), clock, 1.0)
    assert max(rates) > 0.008
    model.optimizer.learning_rate = 0.002  # which is not undone
    rates, _ = fit(model, TimeBudget(5.0), clock, 1.0)
    assert max(rates) == pytest.approx(0.002)


@pytest.mark.slow_to_compile
def test_what_was_used_up_before_training_was_killed_counts(clock, fresh, tmp_path):
    class Kill(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 8:
                raise KeyboardInterrupt

    def run(*more):
        model, resume = fresh(), Resume(tmp_path, verbose=0)
        budget = TimeBudget(20.0, resume=resume)
        return fit(model, budget, clock, 1.0, more=[*more, resume])

    with pytest.raises(KeyboardInterrupt):
        run(Kill())
    clock[0] += 1000.0
    rates, _ = run()
    assert len(rates) == 12


@pytest.mark.slow_to_compile("tensorflow")
def test_when_all_of_the_time_was_used_one_epoch_more_changes_no_weight(clock, tmp_path):
    model, weights = make_model(), []
    model.compile(recipes.adamw(peak_rate=0.01, use_ema=False))
    fresh = renewable(model)
    for num_epochs in (3, 1, 1):
        model, resume = fresh(), Resume(tmp_path, verbose=0)
        rates, _ = fit(model, TimeBudget(3.0, resume=resume), clock, 1.0, [resume])
        assert len(rates) == num_epochs
        weights.append(model.get_weights())
    assert rates.tolist() == [0.0]
    for again in weights[1:]:
        for one, other in zip(weights[0], again, strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.once
@pytest.mark.parametrize("is_listed", [True, False])
def test_what_resumes_comes_after_the_budget(is_listed, clock, fresh, tmp_path):
    resume = Resume(tmp_path, verbose=0)
    for _ in range(2):  # the second time, it has a history
        model, budget = fresh(), TimeBudget(3.0, resume=resume)
        wrong = [resume, budget] if is_listed else [budget]
        with pytest.raises(ValueError, match="`resume` must be in the list of callbacks, after"):
            model.fit(make_data(), callbacks=wrong, epochs=10, verbose=0)
        fit(model, budget, clock, 1.0, [resume])


def test_seconds_of_the_processor_are_those_of_this_process(fresh):
    model = fresh()
    budget = TimeBudget(1e-3, clock="processor")
    model.fit(make_data(), steps_per_epoch=1, epochs=5, verbose=0, callbacks=[budget])
    assert 1e-3 <= budget.used < 100


def test_a_schedule_of_the_optimizers_own_is_refused():
    model = make_model()
    model.compile(recipes.adamw(100))
    with pytest.raises(TypeError, match="LearningRateSchedule"):
        model.fit(make_data(), steps_per_epoch=1, verbose=0, callbacks=[TimeBudget(1.0)])
