"""What works with a plain Keras model works with a Bayesian flow network: each row is done to both.

The plain model learns to give back its input, by layers of Keras alone.
"""

import warnings

import keras
import numpy as np
import pytest
from keras import layers, ops

from keras_bfn import BayesianFlowNetwork
from keras_bfn.flows import ContinuousFlow
from keras_bfn.networks import MLP
from tests.backends import everywhere
from tests.models.test_use_as_keras_model import Rows, data_loader, tf_data

X = np.random.default_rng(0).uniform(-1, 1, (48, 6)).astype("float32")
WEIGHTS = np.random.default_rng(1).uniform(size=48).astype("float32")
QUIET = {"batch_size": 16, "verbose": 0}


class Plain:
    """A model of layers of Keras, whose targets are its data."""

    @staticmethod
    def make():
        keras.utils.set_random_seed(0)
        inputs = keras.Input((6,))
        hidden = layers.Dense(8, "relu", name="hidden")(inputs)
        model = keras.Model(inputs, layers.Dense(6, name="out")(hidden))
        model.compile(keras.optimizers.Adam(0.01), "mse")
        return model

    data = staticmethod(lambda x: (x, x))

    @staticmethod
    def network(model):
        return model


class Flow:
    """A Bayesian flow network, whose data are all there is."""

    make_network = staticmethod(lambda flow: MLP(flow, (6,), width=8, num_blocks=1))

    @classmethod
    def make(cls):
        keras.utils.set_random_seed(0)
        flow = ContinuousFlow(sigma_1=0.1)
        model = BayesianFlowNetwork(flow, cls.make_network(flow), seed=0)
        model.compile(keras.optimizers.Adam(0.01))
        return model

    data = staticmethod(lambda x: (x,))

    @staticmethod
    def network(model):
        return model.network


class OwnFlow(Flow):
    """The same with a functional network of Keras's layers."""

    @staticmethod
    def make_network(flow):
        theta, t = keras.Input((6, 1), name="theta"), keras.Input((), name="t")
        x = layers.Concatenate()([layers.Flatten()(theta), layers.Reshape((1,))(t)])
        x = layers.Dense(6, name="out")(layers.Dense(8, "relu", name="hidden")(x))
        return keras.Model({"theta": theta, "t": t}, layers.Reshape((6, 1))(x))


def reload(kind, model, path):
    model.save(path / "model.keras")
    return keras.saving.load_model(path / "model.keras")


def evaluate(kind, model):
    return model.evaluate(*kind.data(X), return_dict=True, **QUIET)["loss"]


def is_saved(kind, path):
    model = kind.make()
    model.fit(*kind.data(X), **QUIET)
    np.testing.assert_allclose(
        evaluate(kind, reload(kind, model, path)), evaluate(kind, model), rtol=1e-5
    )


def keeps_frozen_layers(kind, path):
    model = kind.make()
    first = next(la for la in kind.network(model).layers if isinstance(la, layers.Dense))
    first.trainable = False
    model.compile("adam", *(["mse"] if kind is Plain else []))
    model.fit(*kind.data(X), **QUIET)
    loaded = reload(kind, model, path)
    assert 0 < len(loaded.trainable_weights) < len(loaded.weights)
    assert len(loaded.trainable_weights) == len(model.trainable_weights)


def is_quantized_and_saved(kind, path):
    model = kind.make()
    with warnings.catch_warnings():  # of layers with nothing to quantize, and Adam's averages
        warnings.simplefilter("ignore", UserWarning)
        model.quantize("int8")
        loaded = reload(kind, model, path)
    dtypes = [keras.backend.standardize_dtype(w.dtype) for w in loaded.weights]
    assert "int8" in dtypes
    np.testing.assert_allclose(evaluate(kind, loaded), evaluate(kind, model), rtol=1e-4)


def takes_lists(kind, path):
    losses = []
    for x in (X, X.tolist()):
        data = (np.asarray(x, "float32") if kind is Plain else x for x in kind.data(x))
        losses.append(kind.make().fit(*data, shuffle=False, **QUIET).history["loss"])
    np.testing.assert_allclose(*losses, rtol=1e-5)


def takes_pipelines(kind, path):
    losses = [kind.make().fit(*kind.data(X), shuffle=False, **QUIET).history["loss"]]
    for make in (Rows, tf_data, data_loader):
        batches = make(X) if kind is not Plain else _pairs(make)
        losses.append(kind.make().fit(batches, verbose=0, shuffle=False).history["loss"])
    np.testing.assert_allclose(losses, [losses[0]] * 4, rtol=1e-5)


class _Pairs(Rows):
    """Batches that are tuples of data and targets."""

    def __getitem__(self, i):
        return tuple(array[16 * i : 16 * (i + 1)] for array in self.arrays)


def _pairs(make):
    if make is Rows:
        return _Pairs(X, X)
    if make is tf_data:
        import tensorflow as tf

        return tf.data.Dataset.from_tensor_slices((X, X)).batch(16)
    from torch.utils.data import DataLoader

    return DataLoader(list(zip(X, X, strict=True)), batch_size=16)


def weighs_examples(kind, path):
    """What counts nothing could be anything."""
    losses = []
    for x in (X, np.where(WEIGHTS[:, None] < 0.5, X, -X)):
        weights = (WEIGHTS < 0.5).astype("float32")
        model = kind.make()
        model.fit(*kind.data(x), sample_weight=weights, shuffle=False, **QUIET)
        losses.append(ops.convert_to_numpy(model.trainable_weights[-2]))
    np.testing.assert_allclose(*losses, rtol=1e-5)


def stops_early(kind, path):
    stop = keras.callbacks.EarlyStopping("val_loss", min_delta=1e9, patience=1)
    best = keras.callbacks.ModelCheckpoint(path / "best.keras", "val_loss", save_best_only=True)
    model = kind.make()
    data = kind.data(X)
    validation = data if kind is Plain else X
    history = model.fit(
        *data, validation_data=validation, epochs=9, callbacks=[stop, best], **QUIET
    )
    assert len(history.epoch) == 2
    keras.saving.load_model(path / "best.keras")


def evaluates_alike(kind, path):
    model = kind.make()
    assert evaluate(kind, model) == evaluate(kind, model)


def trains_by_batches(kind, path):
    model = kind.make()
    before = ops.convert_to_numpy(model.trainable_weights[-1])
    assert np.isfinite(model.train_on_batch(*kind.data(X)))
    assert np.isfinite(model.test_on_batch(*kind.data(X), return_dict=True)["loss"])
    assert not np.array_equal(before, ops.convert_to_numpy(model.trainable_weights[-1]))


def is_cloned_by_its_config(kind, path):
    model = kind.make()
    twin = type(model).from_config(model.get_config())
    twin.set_weights(model.get_weights())
    assert [w.path.split("/")[-1] for w in twin.weights] == [
        w.path.split("/")[-1] for w in model.weights
    ]


def survives_an_error_in_a_callback(kind, path):
    class Fails(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            raise RuntimeError("stopped")

    model = kind.make()
    with pytest.raises(RuntimeError, match="stopped"):
        model.fit(*kind.data(X), callbacks=[Fails()], **QUIET)
    assert np.isfinite(evaluate(kind, model))


ROWS = [
    is_saved,
    keeps_frozen_layers,
    is_quantized_and_saved,
    takes_lists,
    takes_pipelines,
    weighs_examples,
    stops_early,
    evaluates_alike,
    trains_by_batches,
    is_cloned_by_its_config,
    survives_an_error_in_a_callback,
]
# Forms of data are fed on each backend in test_use_as_keras_model.py.
BY_BACKEND = ["evaluates_alike", "survives_an_error_in_a_callback"]
# On JAX, a plain model has no weights left.
OURS_ALONE = {"jax": [survives_an_error_in_a_callback]}


KINDS = {"plain Keras": Plain, "ours": Flow, "ours, of an own network": OwnFlow}


@pytest.mark.parametrize("name", everywhere(list(KINDS), "plain Keras", "ours"))
@pytest.mark.parametrize("row", everywhere({row.__name__: row for row in ROWS}, *BY_BACKEND))
def test_what_keras_can_do_we_can(row, name, tmp_path):
    kind = KINDS[name]
    if kind is Plain and row in OURS_ALONE.get(keras.backend.backend(), []):
        pytest.skip("Plain Keras cannot do it on this backend")
    row(kind, tmp_path)
