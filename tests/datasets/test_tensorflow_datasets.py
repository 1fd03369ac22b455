"""MNIST, Fashion-MNIST and CIFAR-10: mocked, missing, and, where it is at hand, real."""

import sys

import numpy as np
import pytest

import keras_bfn
from keras_bfn import datasets
from tests.models.small import ConditionNetwork
from tests.test_guides import ROOT

pytestmark = pytest.mark.once

DATA_DIR = ROOT.parent / "shared" / "data" / "tensorflow_datasets"
CASES = {
    "mnist": ((28, 28, 1), keras_bfn.flows.DiscreteFlow(num_classes=2, beta_1=3.0), {}),
    "fashion_mnist": (
        (28, 28, 1),
        keras_bfn.flows.ContinuousFlow(sigma_1=0.02),
        {"form": "numbers"},
    ),
    "cifar10": (
        (32, 32, 3),
        keras_bfn.flows.DiscretizedFlow(num_bins=16, sigma_1=0.02),
        {"num_bins": 16},
    ),
}


@pytest.fixture
def mocked():
    """Twenty random images in the place of each part."""
    tfds = pytest.importorskip("tensorflow_datasets")
    with tfds.testing.mock_data(num_examples=20):
        yield tfds


@pytest.mark.parametrize("name", CASES)
def test_a_step_is_trained_on_images_with_and_without_labels(name, mocked):
    shape, flow, options = CASES[name]
    for labels in (False, True):
        splits = getattr(datasets, name)(batch_size=8, labels=labels, limit=10, **options)
        assert [len(part.examples) for part in splits] == [9, 1, 10]
        if labels:
            ((images, classes),) = splits.train[0]
            assert classes.dtype == "int32"
            assert classes.shape == (8,)
        else:
            images = splits.train[0]
        assert images.shape == (8, *shape)
        flow.check_data(images)
    network = ConditionNetwork(flow.output_size, conditions=10)
    model = keras_bfn.BayesianFlowNetwork(flow, network, seed=0)
    model.compile(optimizer="sgd")
    history = model.fit(splits.train, verbose=0).history
    assert np.isfinite(history["loss"]).all()


def test_labels_are_those_of_the_images(mocked):
    part = next(iter(mocked.load("cifar10", split="test", batch_size=20)))
    ((images, labels),) = datasets.cifar10(labels=True).test[0]
    np.testing.assert_array_equal(images, part["image"])
    np.testing.assert_array_equal(labels, part["label"])


def test_missing_data_are_said_to_be_missing_in_one_line(monkeypatch, tmp_path):
    tfds = pytest.importorskip("tensorflow_datasets")

    def load(*args, **kwargs):
        raise ConnectionError("no route\nto host")

    monkeypatch.setattr(tfds, "load", load)
    message = rf"'cifar10' is not in data_dir='{tmp_path}'.*Set `data_dir` .*, or connect to"
    with pytest.raises(FileNotFoundError, match=message) as error:
        datasets.cifar10(data_dir=str(tmp_path))
    assert str(error.value).endswith("(ConnectionError: no route)")


@pytest.mark.parametrize("package", ["tensorflow_datasets", "tensorflow"])
def test_without_its_packages_the_extras_are_named(package, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    message = r'needs tensorflow_datasets.*pip install "keras-bfn\[datasets,tensorflow\]"'
    with pytest.raises(ImportError, match=message):
        datasets.mnist()


@pytest.mark.skipif(not DATA_DIR.exists(), reason="MNIST is not at hand")
@pytest.mark.slow
def test_mnist_is_as_in_the_paper():
    pytest.importorskip("tensorflow_datasets")
    splits = datasets.mnist(form="bins", labels=True, data_dir=DATA_DIR, download=False)
    assert [len(part.examples) for part in splits] == [59_400, 600, 10_000]
    levels = [part.examples.mean(dtype="float64") for part in splits]
    # The means of MNIST's levels that are known: 0.1307 and 0.1325 of 255.
    assert np.average(levels[:2], weights=[59_400, 600]) / 255 == pytest.approx(0.1307, abs=5e-5)
    assert levels[2] / 255 == pytest.approx(0.1325, abs=5e-5)
    counts = sum(np.bincount(part.labels) for part in splits[:2])
    assert counts.tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
