"""Whatever a call was doing when it was interrupted, the model keeps its weights and can go on."""

import importlib
import signal
import time

import keras
import numpy as np
import pytest
from keras.src.backend.common import global_state
from numpy.testing import assert_allclose, assert_array_equal

from tests.models.small import FLOWS, make_data, make_model
from tests.models.states import NotesWeights, renewable

pytestmark = [
    # An interrupt is lost in a destructor, and where Keras 3.15 takes it for a wrong input.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore:[^$]*The structure of `inputs` doesn't match"),
]

survives = pytest.mark.skipif(
    keras.backend.backend() == "tensorflow",
    reason="TensorFlow 2.21 dies of some interrupts, in any program: see tests/attacks",
)

FLOW = FLOWS["discrete"]()
X = make_data(FLOW, num=64)
RATE, EPOCHS = 1e-2, 2
MOMENTS = 3  # more in a process of their own: see tests/attacks


def interrupt(number, frame):
    raise KeyboardInterrupt


class Starts(keras.callbacks.Callback):
    """Calls a function once training begins."""

    def __init__(self, start):
        super().__init__()
        self.start = start

    def on_train_begin(self, logs=None):
        self.start()


def interrupt_after(seconds, call):
    """Calls, and raises a KeyboardInterrupt meanwhile, which is caught.

    `call` is given a function that starts the time.
    """
    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        try:
            call(lambda: signal.setitimer(signal.ITIMER_REAL, seconds))
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    except KeyboardInterrupt:
        pass
    finally:
        signal.signal(signal.SIGALRM, before)
        if keras.backend.backend() == "torch":  # off if `torch.no_grad` itself was interrupted
            importlib.import_module("torch").set_grad_enabled(True)
        # They are left on if Keras was interrupted while it leaves them.
        for scope in ("stateless_scope", "symbolic_scope"):
            global_state.set_global_attribute(scope, None)


def fit(model, callbacks=()):
    options = {"epochs": EPOCHS, "batch_size": 8, "shuffle": False, "verbose": 0}
    model.fit(X, validation_data=X[:8], callbacks=list(callbacks), **options)


def seconds(call):
    call()
    start = time.monotonic()
    call()
    return time.monotonic() - start


def moments(call):
    """Random moments of a call."""
    return np.random.default_rng(0).uniform(0.0, seconds(call), MOMENTS)


@pytest.fixture(scope="module")
def fresh():
    model = make_model(FLOW)
    model.compile(keras.optimizers.AdamW(RATE))
    return renewable(model)


@survives
def test_training_that_is_interrupted_keeps_the_steps_that_were_made(fresh):
    """All but that in which it was interrupted, which may have changed some weights and not all."""
    note = NotesWeights()
    fit(fresh(), [note])
    for moment in moments(lambda: fit(fresh())):
        model = fresh()
        # The time runs from where training begins.
        interrupt_after(moment, lambda start, model=model: fit(model, [Starts(start)]))
        steps = int(model.optimizer.iterations)
        for found, whole in zip(model.get_weights(), note.weights[steps], strict=True):
            assert_allclose(found, whole, atol=2 * RATE)
        assert np.isfinite(model.evaluate(X, verbose=0)).all()
        assert np.isfinite(model.code_length(X, 3, verbose=0)["transmission"]).all()
        fit(model)
        assert int(model.optimizer.iterations) == steps + EPOCHS * 8


@survives
@pytest.mark.parametrize("verb", ["generate", pytest.param("evaluate", marks=pytest.mark.slow)])
def test_other_verbs_that_are_interrupted_cost_no_weights(fresh, verb):
    calls = {
        "generate": lambda model: model.generate(8, 20, seed=0, batch_size=4, verbose=0),
        "evaluate": lambda model: model.evaluate(X, batch_size=4, verbose=0),
    }
    model, call = fresh(), calls[verb]
    weights, expected = model.get_weights(), call(model)
    for moment in moments(lambda: call(model)):
        interrupt_after(moment, lambda start: (start(), call(model)))
        assert_same(model.get_weights(), weights)
        assert_array_equal(call(model), expected)


def assert_same(found, expected):
    for one, other in zip(found, expected, strict=True):
        assert_array_equal(one, other)


class Refuse(keras.callbacks.Callback):
    def on_train_batch_begin(self, batch, logs=None):
        raise InterruptedError


class GoesBad(keras.utils.PyDataset):
    """A batch that is of another shape when it is looked at again."""

    num_batches = 1
    is_new = True

    def __getitem__(self, index):
        x, self.is_new = X[:8] if self.is_new else X[:8, :2], False
        return (x,)


def test_an_error_before_the_first_step_costs_no_weights_and_is_seen(fresh):
    model = fresh()
    weights = model.get_weights()
    with pytest.raises(InterruptedError):
        fit(model, [Refuse()])
    assert_same(model.get_weights(), weights)
    with pytest.raises(ValueError, match=r"`x` must have shape .* 2, 4, 1\)"):
        model.fit(GoesBad(), shuffle=False, verbose=0)
    assert_same(model.get_weights(), weights)
