"""`fit` and `evaluate` see the same parts of the same examples, however these come."""

import itertools

import keras
import numpy as np
import pytest
from numpy.testing import assert_allclose

from keras_bfn import BayesianFlowNetwork
from tests.injected_noise import injected_noise
from tests.models.parts import (
    EVENT_SHAPES,
    FLOWS,
    NUM,
    NUM_CLASSES,
    PartsLayer,
    make_data,
    make_model,
)

X = make_data()
REVERSED = dict(reversed(X.items()))
CLASSES = np.arange(NUM, dtype="int32") % NUM_CLASSES
WEIGHTS = np.linspace(0.0, 2.0, NUM).astype("float32")
SIZE = 4


def rows_of(x, rows):
    return keras.tree.map_structure(lambda values: values[rows], x)


class Batches(keras.utils.PyDataset):
    num_batches = NUM // SIZE

    def __init__(self, data):
        super().__init__()
        self.data = data

    def __getitem__(self, index):
        return rows_of(self.data, slice(SIZE * index, SIZE * (index + 1)))


def data_set(x):
    tf = pytest.importorskip("tensorflow")
    return tf.data.Dataset.from_tensor_slices(x).batch(SIZE)


def data_loader(x):
    torch = pytest.importorskip("torch")
    x = keras.tree.map_structure(torch.as_tensor, x)
    examples = [rows_of(x, i) for i in range(NUM)]
    return torch.utils.data.DataLoader(examples, batch_size=SIZE)


def generator(x):
    return (Batches(x)[i % Batches.num_batches] for i in itertools.count())


PIPELINES = {
    "array": lambda x: x[0],
    "PyDataset": lambda x: Batches(x[0]),
    "PyDataset of tuples": Batches,
    "tf.data": lambda x: data_set(x[0]),
    "tf.data of tuples": data_set,
    "DataLoader": lambda x: data_loader(x[0]),
    "DataLoader of tuples": data_loader,
    "generator of tuples": generator,  # Keras takes no other
}


def fit(model, data, **kwargs):
    """The loss, and what validation reports, of one epoch."""
    is_array = isinstance(data, (dict, tuple))
    options = {"batch_size": SIZE} if is_array else {"steps_per_epoch": Batches.num_batches}
    history = model.fit(data, shuffle=False, verbose=0, **options, **kwargs).history
    return {name: values[0] for name, values in history.items()}


@pytest.fixture(scope="module")
def plain():
    """A model that does not change, and the loss of the data as a dict of arrays."""
    model = make_model()
    model.compile(keras.optimizers.SGD(0.0))
    with injected_noise():
        yield model, fit(model, X)["loss"]


@pytest.fixture(scope="module")
def conditional():
    model = make_model(conditions=NUM_CLASSES)
    model.compile(keras.optimizers.SGD(0.0))
    with injected_noise():
        logs = fit(
            model,
            (X, CLASSES),
            sample_weight=WEIGHTS,
            validation_data=((X, CLASSES), None, WEIGHTS),
            validation_batch_size=SIZE,
        )
        yield model, logs


@pytest.mark.slow_to_compile
@pytest.mark.parametrize("kind", PIPELINES)
def test_every_kind_of_pipeline_trains_on_the_same(plain, kind):
    model, loss = plain
    assert fit(model, PIPELINES[kind]((REVERSED,)))["loss"] == pytest.approx(loss, rel=1e-5)


@pytest.mark.slow_to_compile
@pytest.mark.parametrize("kind", [kind for kind in PIPELINES if "tuples" in kind])
def test_conditions_and_sample_weights_come_by_every_pipeline(conditional, kind):
    model, logs = conditional
    data = ((REVERSED, CLASSES), WEIGHTS, WEIGHTS)
    validation = data_set(data) if kind == "tf.data of tuples" else Batches(data)
    again = fit(model, PIPELINES[kind](data), validation_data=validation)
    assert again.keys() == logs.keys()
    for name, value in logs.items():
        assert_allclose(again[name], value, rtol=1e-5)


@pytest.mark.slow_to_compile("tensorflow")
def test_classes_and_weights_matter(conditional):
    model, logs = conditional
    for data, weights in (((X, CLASSES[::-1]), WEIGHTS), ((X, CLASSES), WEIGHTS[::-1])):
        loss = fit(model, data, sample_weight=weights.copy())["loss"]
        assert abs(loss / logs["loss"] - 1) > 1e-3


@pytest.mark.once
def test_the_last_examples_validate(plain):
    model, _ = plain
    logs = fit(model, X, validation_split=1 / 3)
    for part, expected in (("loss", slice(0, 8)), ("val_loss", slice(8, 12))):
        assert logs[part] == pytest.approx(fit(model, rows_of(X, expected))["loss"], rel=1e-5)


def test_a_network_that_is_not_built_is_built_for_the_first_batch():
    model = BayesianFlowNetwork(FLOWS, PartsLayer(), seed=0)
    model.compile(keras.optimizers.SGD(0.0))
    assert np.isfinite(fit(model, PIPELINES["DataLoader"]((REVERSED,)))["loss"])
    assert dict(model.event_shape) == EVENT_SHAPES


@pytest.mark.once
def test_data_of_other_dtypes_are_the_same_data(plain):
    model, loss = plain
    x = {"size": X["size"].astype("float64"), "image": X["image"].astype("uint8")}
    for dtype in ("int8", "int64"):
        x["label"] = X["label"].astype(dtype)
        assert fit(model, x)["loss"] == pytest.approx(loss, rel=1e-5)
    nats = model.code_length(x, batch_size=NUM, verbose=0)["transmission"]
    lists = {name: values.tolist() for name, values in X.items()}
    again = model.code_length(lists, batch_size=NUM, verbose=0)["transmission"]
    assert_allclose(again, nats, rtol=1e-5)
