"""The Fréchet distance between samples and real images, in the features of any network."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from keras_bfn._typing import Array, ArrayLike
from keras_bfn._validation import check_int, check_numbers, mismatch, refusal, to_numpy


class FrechetDistance:
    """The squared Fréchet distance between features of samples and of real images.

    It is 0 if the features have equal means and covariances. With `InceptionV3` it is the Fréchet
    inception distance, up to the weights and the resizing that others use. Compare only values of
    one extractor and of equally many samples: fewer samples give larger values.

    Args:
        extractor: function or `keras.Model` that turns images into features. It takes a batch of
            images, `(batch, height, width, channels)`, with values as in the data, and returns
            numbers of shape `(batch, num_features)`, as a tensor or anything that NumPy reads. It
            must do its own scaling and resizing.
        images: real images, an array of shape `(num, height, width, channels)`, at least two.
        batch_size: int. The number of images in each call of the extractor.

    Call arguments:
        samples: array like `images`, at least two.

    Returns:
        A float, in squared units of the features.

    Raises:
        ValueError: if the arrays are not images, the samples have another shape than the real
            images, or the extractor does not return a vector of finite numbers for each image.

    Example:

    ```python
    inception = keras.applications.InceptionV3(include_top=False, pooling="avg")

    def features(images):  # of levels 0..255
        images = keras.ops.image.resize(keras.ops.cast(images, "float32"), (299, 299))
        images = keras.applications.inception_v3.preprocess_input(images)
        return inception.predict_on_batch(images)

    distance = keras_bfn.metrics.FrechetDistance(features, test_images)
    distance(model.generate(10_000))
    ```

    Reference: [Heusel et al., 2017](https://arxiv.org/abs/1706.08500).
    """

    def __init__(
        self, extractor: Callable[[Any], Any], images: ArrayLike, batch_size: int = 64
    ) -> None:
        if not callable(extractor):
            raise refusal("extractor", "must be a function or a Keras model", extractor)
        self.extractor = extractor
        self.batch_size = check_int("batch_size", batch_size, 1)
        images = check_images("images", images)
        self._image_shape = images.shape[1:]
        self._real_moments = moments(self._features(images))

    def features(self, images: ArrayLike) -> Array:
        """Returns the features of images, a float64 array of shape `(num, num_features)`."""
        images = check_images("images", images, self._image_shape)
        return self._features(images)

    def __call__(self, samples: ArrayLike) -> float:
        samples = check_images("samples", samples, self._image_shape)
        return frechet_distance(*moments(self._features(samples)), *self._real_moments)

    def _features(self, images):
        starts = range(0, len(images), self.batch_size)
        batches = (images[start : start + self.batch_size] for start in starts)
        return np.concatenate([self._extract(batch) for batch in batches])

    def _extract(self, batch):
        is_model = isinstance(self.extractor, keras.Model)
        features = self.extractor.predict_on_batch(batch) if is_model else self.extractor(batch)
        features = keras.ops.convert_to_numpy(features)
        if features.ndim != 2 or len(features) != len(batch):
            came = f"features of shape {features.shape} for {len(batch)} images"
            expected = "must return features of shape (batch, num_features)"
            raise mismatch("extractor", expected, came)
        features = features.astype("float64")
        if not np.isfinite(features).all():
            came = f"features with {100 * np.mean(~np.isfinite(features)):.3g}% NaN or infinity"
            raise mismatch("extractor", "must return finite numbers", came)
        return features


def check_images(name, images, shape=None, least=2):
    """Returns images as a numpy array of the shape `(num,) + shape`, of any if it is None."""
    images = to_numpy(images, name)
    form = "(num, height, width, channels)" if shape is None else f"(num, {str(shape)[1:]}"
    wrong = images.ndim != 4 if shape is None else images.shape[1:] != shape
    if wrong or len(images) < least:
        expected = f"must have shape {form}, with num at least {least}"
        raise mismatch(name, expected, f"shape {images.shape}")
    return images


def frechet_distance(
    mean_1: Array, covariance_1: Array, mean_2: Array, covariance_2: Array
) -> float:
    """The squared Fréchet (2-Wasserstein) distance between two normal distributions.

    `|m_1 - m_2|^2 + tr(C_1) + tr(C_2) - 2 tr((C_1^(1/2) C_2 C_1^(1/2))^(1/2))`.

    Args:
        mean_1, mean_2: numpy arrays of shape `(size,)`.
        covariance_1, covariance_2: numpy arrays of shape `(size, size)`.

    Returns:
        A float, in squared units of the arguments.

    Raises:
        ValueError: if the means are not vectors of one size, or the covariances not matrices of
            that size.

    Example:

    >>> keras_bfn.metrics.frechet_distance(np.zeros(2), np.eye(2), np.ones(2), np.eye(2))
    2.0
    """
    size = check_numbers("mean_1", mean_1).size
    mean_1 = _check_finite("mean_1", mean_1, (size,))
    mean_2 = _check_finite("mean_2", mean_2, (size,))
    covariance_1 = _check_finite("covariance_1", covariance_1, (size, size))
    covariance_2 = _check_finite("covariance_2", covariance_2, (size, size))
    values, vectors = np.linalg.eigh(covariance_1)
    root = (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T
    cross = np.linalg.eigvalsh(root @ covariance_2 @ root)
    overlap = np.sqrt(np.clip(cross, 0, None)).sum()
    spread = np.trace(covariance_1) + np.trace(covariance_2) - 2 * overlap
    return float(np.sum((mean_1 - mean_2) ** 2) + spread)


def _check_finite(name, values, shape):
    if check_numbers(name, values).shape != shape or not np.isfinite(to_numpy(values)).all():
        raise refusal(name, f"must be an array of finite numbers of shape {shape}", values)
    return to_numpy(values).astype("float64")


def moments(features):
    """Returns the mean and the covariance of features, `(num, num_features)`."""
    return features.mean(axis=0), np.atleast_2d(np.cov(features, rowvar=False))
