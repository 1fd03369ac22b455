"""The optimizer's averages in the place of the weights: which they are, and for how long."""

import contextlib

import keras
import numpy as np
import pytest

from keras_bfn import BayesianFlowNetwork
from keras_bfn.flows import DiscreteFlow
from tests.models.small import FLOWS, make_data, make_model
from tests.models.states import renewable, state_of

FLOW = FLOWS["binary"]()
X = make_data(FLOW)


def make_averaging_model(momentum=0.9, dtype=None):
    model = make_model(FLOW, compiled=False, dtype=dtype)
    model.compile(keras.optimizers.AdamW(3e-2, use_ema=True, ema_momentum=momentum))
    return model


@pytest.fixture(scope="module")
def fresh():
    return renewable(make_averaging_model())


def assert_same(a, b):
    for x, y in zip(a, b, strict=True):
        np.testing.assert_array_equal(x, y)


def differ(a, b):
    return any(np.not_equal(x, y).any() for x, y in zip(a, b, strict=True))


def train(model, function=None, epochs=2):
    """Trains, and calls the function at the end of each epoch, when the weights are raw."""
    called = []

    def at_end(epoch, logs):
        called.append(epoch)
        if function is not None:
            function()

    callback = keras.callbacks.LambdaCallback(on_epoch_end=at_end)
    kwargs = {"batch_size": 8, "shuffle": False, "verbose": 0}
    model.fit(X, epochs=epochs, callbacks=[callback], **kwargs)
    assert called == list(range(epochs))
    return model


@pytest.mark.slow_to_compile
def test_training_that_fails_with_averages_can_go_on(fresh):
    """On JAX, weights that share their buffers with averages could not be trained again."""
    model = fresh()

    def fail():
        raise OSError("of a disk")

    with pytest.raises(OSError, match="of a disk"):
        train(model, fail)
    assert all(np.isfinite(weight).all() for weight in model.get_weights())
    train(model)


class MovingAverage(keras.callbacks.Callback):
    """The moving average of the weights, of those after the first step at first; in numpy."""

    def __init__(self, momentum):
        super().__init__()
        self.momentum = momentum
        self.steps = 0

    def on_train_batch_end(self, batch, logs=None):
        model = self.model
        self.weights = [weight.copy() for weight in model.get_weights()]
        if int(model.optimizer.iterations) == self.steps:  # gradients overflowed: there was no step
            return
        momentum = self.momentum if self.steps else 0.0
        self.steps += 1
        before = self.average if self.steps > 1 else self.weights
        self.average = [
            momentum * a + (1 - momentum) * w for a, w in zip(before, self.weights, strict=True)
        ]


@pytest.mark.slow_to_compile("tensorflow")
@pytest.mark.parametrize(
    ("momentum", "dtype"),
    [(0.9, None), pytest.param(0.5, None, marks=pytest.mark.once), (0.9, "mixed_float16")],
)
def test_averaged_weights_are_moving_averages_of_the_weights_after_each_step(momentum, dtype):
    model = make_averaging_model(momentum, dtype)
    oracle = MovingAverage(momentum)
    seen = []

    def prediction():
        with model.averaged_weights() as same:
            assert same is model
            inside = model.get_weights()
        for actual, expected in zip(inside, oracle.average, strict=True):
            np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-6)
        assert_same(model.get_weights(), oracle.weights)
        seen.append(differ(inside, oracle.weights))

    callback = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: prediction())
    model.fit(X, epochs=3, batch_size=8, callbacks=[oracle, callback], verbose=0)
    assert seen == [True] * 3
    assert oracle.steps >= 6


def test_the_raw_weights_come_back_after_an_exception_and_from_within(fresh):
    model = fresh()

    def prediction():
        raw = model.get_weights()
        with contextlib.suppress(InterruptedError), model.averaged_weights():
            raise InterruptedError
        assert_same(model.get_weights(), raw)
        with model.averaged_weights():
            average = model.get_weights()
            with model.averaged_weights():
                assert_same(model.get_weights(), average)
            assert_same(model.get_weights(), average)
        assert_same(model.get_weights(), raw)
        assert differ(raw, average)

    train(model, prediction)


@pytest.mark.slow_to_compile
def test_evaluate_generate_and_save_use_them(fresh, tmp_path):
    model = fresh()
    seed = np.array(model.seed_generator.state)
    answers = []

    def ask():
        model.seed_generator.state.assign(seed)
        evaluated = model.evaluate(X, batch_size=24, verbose=0)
        generated = model.generate(64, num_steps=5, seed=1, verbose=0)
        answers.append([evaluated, generated])

    def prediction():
        ask()
        with model.averaged_weights():
            ask()
            model.save(tmp_path / "averaged.keras")

    train(model, prediction, epochs=1)
    ask()  # Keras has left the averages in the model, at the end of training.
    raw, inside, after = answers
    assert_same(inside, after)
    assert all(differ([a], [b]) for a, b in zip(raw, inside, strict=True))
    loaded = keras.saving.load_model(tmp_path / "averaged.keras")
    assert_same(loaded.get_weights(), model.get_weights())


def test_training_goes_on_as_if_the_weights_had_stayed(fresh):
    expected = state_of(train(fresh(), epochs=3))
    model = fresh()

    def prediction():
        with model.averaged_weights():
            model.generate(8, num_steps=5, seed=1, verbose=0)

    assert_same(state_of(train(model, prediction, epochs=3)), expected)


def test_a_model_without_averages_is_refused():
    model = make_model(FLOW, compiled=False)
    optimizers = (None, keras.optimizers.AdamW(1e-3), keras.optimizers.AdamW(1e-3, use_ema=True))
    for optimizer in optimizers:
        if optimizer is not None:
            model.compile(optimizer)
        with pytest.raises(ValueError, match="use_ema=True"), model.averaged_weights():
            pass
    before = model.get_weights()
    model.optimizer.build(model.trainable_variables)  # to averages of nothing, zeros
    with pytest.raises(ValueError, match="use_ema=True"), model.averaged_weights():
        pass
    assert_same(model.get_weights(), before)


@pytest.mark.once
def test_averages_of_weights_that_were_quantised_since_are_refused(tmp_path):
    model = make_averaging_model()
    for _ in range(2):
        model.train_on_batch(X)
    with model.averaged_weights():
        averages = model.get_weights()
        with pytest.raises(ValueError, match="`quantize` must not be called within"):
            model.quantize("int8")
        assert_same(model.get_weights(), averages)
        model.save(tmp_path / "averaged.keras")
    model.quantize("int8")
    quantized = model.get_weights()
    with pytest.raises(ValueError, match="weights that were quantized"), model.averaged_weights():
        pass
    assert_same(model.get_weights(), quantized)
    loaded = keras.saving.load_model(tmp_path / "averaged.keras")
    loaded.quantize("int8")  # as the message says
    assert any(weight.dtype == "int8" for weight in loaded.network.weights)


@pytest.mark.once
def test_averages_stay_with_their_weights_when_others_train_next(fresh):
    model = fresh()

    def differences():
        with model.averaged_weights():
            inside = model.get_weights()
        return [a - b for a, b in zip(inside, model.get_weights(), strict=True)]

    def freeze_first():
        expected = differences()
        assert all(difference.any() for difference in expected[:2])
        first, *_ = (layer for layer in model.network.layers if layer.weights)
        first.trainable = False
        assert_same(differences(), expected)
        first.trainable = True

    train(model, freeze_first, epochs=1)


@pytest.mark.once("tensorflow")
def test_training_is_refused_if_other_weights_are_averaged_than_train():
    """On TensorFlow, each layer would get the average of the one before, of the same shape."""
    inputs = {"theta": keras.Input((6, 3), name="theta"), "t": keras.Input((), name="t")}
    x = inputs["theta"]
    for name in ("first", "second", "third"):
        x = keras.layers.Dense(3, use_bias=False, name=name)(x)
    flow = DiscreteFlow(num_classes=3, beta_1=1.0)
    model = BayesianFlowNetwork(flow, keras.Model(inputs, x), seed=0)
    x = np.zeros((4, 6), "int32")
    model.compile(keras.optimizers.AdamW(1e-3, use_ema=True))
    model.fit(x, verbose=0)
    model.network.get_layer("first").trainable = False
    before = model.get_weights()
    for train_again in (lambda: model.fit(x, verbose=0), lambda: model.train_on_batch(x)):
        with pytest.raises(ValueError, match=r"Call `compile` after you freeze.*and give each"):
            train_again()
    assert_same(model.get_weights(), before)
    model.compile(keras.optimizers.AdamW(1e-3, use_ema=True))
    model.fit(x, verbose=0)
    changes = [(a != b).any() for a, b in zip(model.get_weights(), before, strict=True)]
    assert changes == [False, True, True]


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="for JAX")
def test_training_is_refused_if_a_layer_was_frozen_since():
    """On JAX, where Keras's own error is of the step within."""
    model = make_model(FLOW)
    model.fit(X, verbose=0)
    layer = next(layer for layer in model.network.layers if layer.weights)
    layer.trainable = False
    with pytest.raises(ValueError, match=r"Call `compile` after you freeze.*and give each"):
        model.fit(X, verbose=0)
    model.compile("adam")
    before = layer.get_weights()
    model.fit(X, verbose=0)
    assert_same(layer.get_weights(), before)


@pytest.mark.once
def test_averages_begin_at_loaded_weights_unless_they_are_loaded_too(fresh, tmp_path):
    other = make_averaging_model()
    train(other)
    other.save_weights(tmp_path / "all.weights.h5")
    plain = make_model(FLOW, compiled=False)
    plain.set_weights(other.get_weights())
    plain.save_to_preset(tmp_path / "plain")
    with other.averaged_weights():
        averages = other.get_weights()
    model = train(fresh())
    with pytest.warns(UserWarning, match="Skipping variable loading for optimizer"):
        model.load_weights(tmp_path / "plain" / "model.weights.h5")
    with model.averaged_weights():
        assert_same(model.get_weights(), plain.get_weights())
    train(model)
    for _ in range(2):  # the second time, nothing changes
        model.load_weights(tmp_path / "all.weights.h5")
        with model.averaged_weights():
            assert_same(model.get_weights(), averages)
    with pytest.raises((ValueError, OSError)):
        model.load_weights(tmp_path / "none.weights.h5")
    with model.averaged_weights():
        assert_same(model.get_weights(), averages)
