"""A call that fails leaves the model as it was: refused, interrupted, or fed a bad batch."""

import keras
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from keras_bfn.samplers import SDE2Sampler
from tests.models.small import FLOWS, make_data, make_model

FLOW = FLOWS["continuous"]()
X = make_data(FLOW, num=8)


@pytest.fixture(scope="module")
def model():
    return make_model(FLOW)


class SecondIsBad(keras.utils.PyDataset):
    """Batches of four examples, the second of which is of another shape."""

    num_batches = 2

    def __getitem__(self, index):
        return (X[:4] if index == 0 else X[:4, :2],)


class Interrupt(keras.callbacks.Callback):
    def __init__(self, batch):
        super().__init__()
        self.batch = batch

    def on_train_batch_end(self, batch, logs=None):
        if batch == self.batch:
            raise KeyboardInterrupt


def assert_is_whole(model, weights):
    for weight, before in zip(model.get_weights(), weights, strict=True):
        assert_array_equal(weight, before)
    samples = model.generate(2, 2, seed=0, verbose=0)
    assert_array_equal(samples, model.generate(2, 2, seed=0, verbose=0))


def test_a_sampler_that_is_refused_costs_no_weights(model):
    weights = model.get_weights()
    with pytest.raises(ValueError, match="`temperature` must be 1 for continuous data"):
        model.generate(2, 2, SDE2Sampler(temperature=0.5), verbose=0)
    assert_is_whole(model, weights)


def test_a_bad_batch_of_evaluation_costs_no_weights(model):
    weights = model.get_weights()
    with pytest.raises(ValueError, match=r"`x` must have shape .*\(4, 4, 1\)"):
        model.evaluate(SecondIsBad(), verbose=0)
    assert_is_whole(model, weights)


def test_training_that_is_interrupted_keeps_the_steps_that_were_made(model):
    weights = model.get_weights()
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, batch_size=4, callbacks=[Interrupt(0)], verbose=0)
    assert int(model.optimizer.iterations) == 1
    after = model.get_weights()
    assert any((a != b).any() for a, b in zip(weights, after, strict=True))
    assert_is_whole(model, after)
    model.fit(X, batch_size=4, verbose=0)
    assert int(model.optimizer.iterations) == 3


def test_training_that_meets_a_bad_batch_can_go_on(model):
    with pytest.raises(ValueError, match=r"`x` must have shape .*\(4, 4, 1\)"):
        model.fit(SecondIsBad(), shuffle=False, verbose=0)
    weights, steps = model.get_weights(), int(model.optimizer.iterations)
    assert all(np.isfinite(weight).all() for weight in weights)
    assert_is_whole(model, weights)
    model.fit(X, batch_size=4, verbose=0)
    assert int(model.optimizer.iterations) == steps + 2


def test_a_first_fit_that_meets_a_bad_batch_can_be_followed_by_another():
    model = make_model(FLOW)
    with pytest.raises(ValueError, match="`x` must have shape"):
        model.fit(SecondIsBad(), shuffle=False, verbose=0)
    steps = int(model.optimizer.iterations)
    model.fit(X, batch_size=4, verbose=0)
    assert int(model.optimizer.iterations) == steps + 2


def test_a_step_on_a_batch_that_is_interrupted_is_whole(model, monkeypatch):
    model.train_on_batch(X[:4])
    weights, steps, step = (
        model.get_weights(),
        int(model.optimizer.iterations),
        model.train_function,
    )

    def interrupted(*args):
        step(*args)
        raise KeyboardInterrupt

    monkeypatch.setattr(model, "train_function", interrupted)
    with pytest.raises(KeyboardInterrupt):
        model.train_on_batch(X[:4])
    assert int(model.optimizer.iterations) == steps + 1
    after = model.get_weights()
    assert any((a != b).any() for a, b in zip(weights, after, strict=True))
    assert_is_whole(model, after)
