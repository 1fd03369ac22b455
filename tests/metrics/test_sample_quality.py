"""Samples are scored by their distance from real images in a classifier's features."""

import keras
import numpy as np
import pytest

import keras_bfn
from keras_bfn.metrics import SampleQuality
from tests.models.small import FLOWS, make_model
from tests.test_docstrings import python_blocks

load_digits = pytest.importorskip("sklearn.datasets").load_digits

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def digits():
    data = load_digits()
    order = np.random.default_rng(0).permutation(len(data.images))
    return data.images[order][..., None], data.target[order]


@pytest.fixture(scope="module")
def quality(digits):
    images, labels = digits
    keras.utils.set_random_seed(0)
    return SampleQuality(images[:1200], labels[:1200], num_features=32, epochs=16)


def test_the_classifier_reads_digits(digits, quality):
    images, labels = digits
    assert quality.accuracy(images[1200:], labels[1200:]) > 0.95


def test_noise_and_a_single_class_are_further_than_other_digits(digits, quality):
    images, labels = digits
    rng = np.random.default_rng(0)
    real = quality.frechet_distance(images[1200:])
    noisy = np.clip(images[1200:] + rng.normal(0, 4, images[1200:].shape), 0, 16)
    shuffled = rng.permuted(images[1200:].reshape(-1, 64), axis=1).reshape(-1, 8, 8, 1)
    distances = [quality.frechet_distance(x) for x in (noisy, images[labels == 1], shuffled)]
    assert 0 < 2 * real < min(distances)


def test_class_imbalance_is_the_share_in_the_wrong_class(digits, quality):
    images, labels = digits
    assert quality.class_imbalance(images[1200:]) < 0.1
    threes = images[:1200][labels[:1200] == 3]
    threes = threes[quality.classes(threes) == 3]
    frequency = np.mean(labels[:1200] == 3)
    assert quality.class_imbalance(threes) == pytest.approx(1 - frequency)


def test_the_docstrings_example_runs(digits):
    images, labels = (part[:200] for part in digits)
    (block,) = python_blocks(SampleQuality.__doc__)
    model = make_model(FLOWS["discretized"]())
    model.generate = lambda num: images[:num]
    names = {"images": images, "labels": labels, "test_images": images, "test_labels": labels}
    exec(block, {"keras_bfn": keras_bfn, "model": model, **names})
