"""Threads that share a model get what each would get alone."""

import copy
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import pytest

import keras_bfn
from tests.models.small import FLOWS, make_data, make_model

FLOW = FLOWS["discrete"]()
X = make_data(FLOW, num=8)


@pytest.fixture(scope="module")
def model():
    return make_model(FLOW)


def generating(model):
    return [lambda seed=seed: model.generate(4, 20, seed=seed, verbose=0) for seed in range(4)]


def all_verbs(model):
    codec = keras_bfn.codec.Codec(model, num_steps=2)
    return [
        *generating(model),
        lambda: model.code_length(X, seed=0, verbose=0)["transmission"],
        lambda: model.loss_by_time(X, num_intervals=2, seed=0, verbose=0)["loss"],
        lambda: model.encode(X, num_steps=3, seed=0, verbose=0),
        lambda: model.inpaint(X, True, num_steps=3, seed=0, verbose=0),
        lambda: np.array(model.evaluate(X, verbose=0)),
        lambda: codec.decompress(codec.compress(X, verbose=0), verbose=0),
    ]


def in_threads(calls):
    """What the calls return, each in a thread of its own, all begun at once."""
    begin = threading.Barrier(len(calls))

    def run(call):
        begin.wait()
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


@pytest.mark.parametrize("verbs", [generating, pytest.param(all_verbs, marks=pytest.mark.slow)])
def test_verbs_in_threads_give_what_they_give_one_by_one(verbs, model):
    calls = verbs(model)
    expected = [call() for call in calls]
    for _ in range(3):
        for found, alone in zip(in_threads(calls), expected, strict=True):
            np.testing.assert_array_equal(found, alone)


class Generate(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        self.model.generate(4, 20, seed=0, verbose=0)  # a verb within a verb


@pytest.mark.once
def test_threads_wait_while_a_model_has_its_averages(model):
    model.compile(keras.optimizers.Adam(0.1, use_ema=True, ema_momentum=0.9))
    model.fit(X, validation_data=X, callbacks=[Generate()], verbose=0)
    for weight in model.trainable_weights:
        weight.assign(weight + 1.0)
    raw = model.evaluate(X, verbose=0)
    with ThreadPoolExecutor(1) as pool:
        with model.averaged_weights():
            averaged = model.evaluate(X, verbose=0)
            other = pool.submit(model.evaluate, X, verbose=0)
            with pytest.raises(TimeoutError):
                other.result(timeout=0.2)
        assert other.result() == raw != averaged


@pytest.mark.once
@pytest.mark.parametrize("again", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_a_model_is_copied_without_its_lock(again, model):
    with model.turn:
        other = again(model)
    assert other.turn is not model.turn
    found, expected = (x.generate(4, 20, seed=0, verbose=0) for x in (other, model))
    np.testing.assert_array_equal(found, expected)
