"""Fréchet distances: the closed form, and with features that are given."""

import keras
import numpy as np
import pytest
from scipy import linalg

import keras_bfn
from keras_bfn.metrics import FrechetDistance, frechet_distance
from tests.models.small import FLOWS, make_model
from tests.test_docstrings import python_blocks

SHAPE = (4, 4, 3)


def colours(images):
    """Made-up features: the mean of each channel."""
    return images.mean(axis=(1, 2))


def draw_images(num=100, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (num, *SHAPE))


def random_normal(rng, size):
    root = rng.normal(size=(size, size))
    return rng.normal(size=size), root @ root.T


@pytest.mark.once
def test_the_distance_is_that_of_the_closed_form():
    rng = np.random.default_rng(0)
    (m_1, c_1), (m_2, c_2) = random_normal(rng, 5), random_normal(rng, 5)
    expected = np.sum((m_1 - m_2) ** 2) + np.trace(c_1 + c_2 - 2 * np.real(linalg.sqrtm(c_1 @ c_2)))
    assert frechet_distance(m_1, c_1, m_2, c_2) == pytest.approx(expected)
    assert frechet_distance(m_1, c_1, m_1, c_1) == pytest.approx(0, abs=1e-6)
    means = [np.full(2, mean, "uint8") for mean in (3, 20)]  # whose difference is not of this dtype
    assert frechet_distance(means[0], np.eye(2), means[1].tolist(), np.eye(2)) == 2 * 17**2


@pytest.mark.once
def test_the_distance_is_that_of_the_features_moments():
    images, samples = draw_images(), draw_images(50, seed=1) // 2
    both = [colours(x) for x in (samples, images)]
    moments = [(x.mean(axis=0), np.cov(x, rowvar=False)) for x in both]
    distance = FrechetDistance(colours, images)
    assert distance(samples) == pytest.approx(frechet_distance(*moments[0], *moments[1]))
    assert distance(images) == pytest.approx(0, abs=1e-6)
    np.testing.assert_allclose(distance.features(samples), both[0])


@pytest.mark.once
def test_one_feature_is_enough():
    images = draw_images()
    brightness = images.mean(axis=(1, 2, 3))
    distance = FrechetDistance(lambda x: x.mean(axis=(1, 2, 3))[:, None], images)
    expected = (10.0 / 2) ** 2 + (brightness.std(ddof=1) / 2) ** 2
    darker = images / 2 + (brightness.mean() - 10.0) / 2
    assert distance(darker) == pytest.approx(expected)


@pytest.mark.once
def test_images_come_in_batches_as_they_are():
    sizes = []

    def extractor(images):
        assert images.dtype == "uint8"
        sizes.append(len(images))
        return colours(images)

    images = draw_images().astype("uint8")
    distance = FrechetDistance(extractor, images, batch_size=30)
    assert sizes == [30, 30, 30, 10]
    assert distance(images[:40]) == pytest.approx(FrechetDistance(colours, images)(images[:40]))


def test_an_extractor_is_a_keras_model_or_returns_tensors():
    """On each backend: its tensors become arrays."""
    images = draw_images(20).astype("float32")
    inputs = keras.Input(SHAPE)
    model = keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(inputs))
    expected = FrechetDistance(colours, images)(images[:10])
    for extractor in (model, lambda x: keras.ops.mean(keras.ops.convert_to_tensor(x), (1, 2))):
        distance = FrechetDistance(extractor, images)
        assert distance(images[:10]) == pytest.approx(expected, rel=1e-3)


@pytest.mark.once
def test_the_docstrings_example_runs(monkeypatch):
    def inception(include_top, pooling):
        inputs = keras.Input((299, 299, 3))
        return keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(inputs))

    monkeypatch.setattr(keras.applications, "InceptionV3", inception)
    (block,) = python_blocks(FrechetDistance.__doc__)
    model = make_model(FLOWS["discretized"]())
    model.generate = lambda num: draw_images(8, seed=1)
    exec(
        block,
        {"keras": keras, "keras_bfn": keras_bfn, "model": model, "test_images": draw_images(8)},
    )
