"""Sample quality in the features of a classifier that is trained on the real images."""

import keras
import numpy as np
from keras import layers

from keras_bfn._typing import Array, ArrayLike, Verbose
from keras_bfn._validation import check_int, check_numbers, check_verbose, refusal, to_numpy
from keras_bfn.metrics.frechet import check_images, frechet_distance, moments


class SampleQuality:
    """Scores samples by the features of a small classifier, trained here on the real images.

    It needs no download and suits any images with classes, but its numbers can be compared only
    with others of the same object: not with published Fréchet inception distances, nor across data
    sets. For the features of your own network, such as `InceptionV3`, see `FrechetDistance`.

    Args:
        images: real images, an array of shape `(num, height, width, channels)`, each side at least
            8. They train the classifier, and samples are compared with their features.
        labels: their classes, integers from 0 on, of shape `(num,)`.
        num_features: int. The size of the layer whose activations are the features.
        epochs: int. The number of training epochs.
        verbose: as in `keras.Model.fit`.

    Raises:
        ValueError: if the arrays are not images with classes, or an argument is out of its range.

    Example:

    ```python
    quality = keras_bfn.metrics.SampleQuality(images, labels)
    quality.accuracy(test_images, test_labels)  # of the classifier
    quality.frechet_distance(model.generate(1000))
    ```

    Reference: [Heusel et al., 2017](https://arxiv.org/abs/1706.08500), with another classifier.
    """

    def __init__(
        self,
        images: ArrayLike,
        labels: ArrayLike,
        num_features: int = 64,
        epochs: int = 10,
        verbose: Verbose = 0,
    ) -> None:
        images = check_images("images", images, least=1)
        check_int("num_features", num_features, 1)
        check_int("epochs", epochs, 1)
        if min(images.shape[1:3]) < 8:
            raise refusal("images", "must have at least 8 pixels per side", images.shape)
        if not np.isfinite(check_numbers("images", images)).all():
            raise refusal("images", "must be finite", images)
        check_verbose(verbose)
        labels = _check_labels(labels, len(images))
        self._low, self._high = float(images.min()), float(images.max())
        self._class_frequencies = np.bincount(labels) / len(labels)
        inputs = keras.Input(images.shape[1:])
        x = inputs
        last = {"data_format": "channels_last"}
        for width in (32, 64):
            x = layers.Conv2D(width, 3, strides=2, padding="same", activation="relu", **last)(x)
        x = layers.Dropout(0.3)(layers.Flatten(**last)(x))
        x = features = layers.Dense(num_features, activation="relu")(x)
        outputs = layers.Dense(len(self._class_frequencies))(layers.Dropout(0.3)(x))
        self._network = keras.Model(inputs, [features, outputs])
        classifier = keras.Model(inputs, outputs)
        classifier.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        classifier.fit(self._scale(images), labels, batch_size=64, epochs=epochs, verbose=verbose)
        self._real_moments = moments(self.features(images))

    def features(self, images: ArrayLike) -> Array:
        """Returns the last hidden layer's activations, float64 of shape `(num, num_features)`."""
        return self._predict(images)[0].astype("float64")

    def classes(self, images: ArrayLike) -> Array:
        """Returns the classifier's predictions, an integer array of shape `(num,)`."""
        return self._predict(images)[1].argmax(axis=-1)

    def accuracy(self, images: ArrayLike, labels: ArrayLike) -> float:
        """Returns the fraction of images for which the classifier predicts the label."""
        classes = self.classes(images)
        return float(np.mean(classes == _check_labels(labels, len(classes))))

    def frechet_distance(self, samples: ArrayLike) -> float:
        """Returns the squared Fréchet distance of normals fitted to features of samples and data.

        It is 0 for equal means and covariances. Fewer samples give larger values: compare equal
        numbers of samples, and more than `num_features`.
        """
        samples = check_images("samples", samples, self._network.input_shape[1:])
        return frechet_distance(*moments(self.features(samples)), *self._real_moments)

    def class_imbalance(self, samples: Array) -> float:
        """Returns the total variation, in [0, 1], between predicted and real class frequencies."""
        classes = self.classes(samples)
        counts = np.bincount(classes, minlength=len(self._class_frequencies))
        return float(0.5 * np.abs(counts / len(classes) - self._class_frequencies).sum())

    def _predict(self, images):
        images = check_images("images", images, self._network.input_shape[1:], least=1)
        return self._network.predict(self._scale(images), batch_size=256, verbose=0)

    def _scale(self, images):
        images = np.asarray(images, "float32")
        return (images - self._low) / max(self._high - self._low, 1e-12)


def _check_labels(labels, num):
    labels = to_numpy(labels, "labels")
    are_integers = np.issubdtype(labels.dtype, np.integer)
    if labels.shape != (num,) or not are_integers or labels.min() < 0:
        raise ValueError(
            f"Argument `labels` must contain an integer of at least 0 for each of {num} images. "
            f"Received: shape {labels.shape}, dtype {labels.dtype}"
            + (f", minimum {labels.min()}" if are_integers and labels.size else "")
        )
    return labels
