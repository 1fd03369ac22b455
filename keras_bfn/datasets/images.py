"""Images: MNIST, Fashion-MNIST, CIFAR-10, and embedded photographs and digits."""

import importlib.util

import numpy as np

from keras_bfn._imports import tell_to_install
from keras_bfn._validation import (
    check_between,
    check_bool,
    check_choice,
    check_int,
    check_path,
    check_seed,
)
from keras_bfn.datasets.batches import Batches
from keras_bfn.datasets.splits import HELD_OUT, Splits, hold_out

FORMS = ("binary", "bins", "numbers")


def mnist(batch_size=512, form="binary", num_bins=256, data_dir=None, **options):
    """70,000 handwritten digits, 28x28, through TensorFlow Datasets.

    Args:
        batch_size: int.
        form: what becomes of the levels. `"binary"`: black or white, drawn anew in every epoch with
            the level as the probability of white, for a `DiscreteFlow(2, ...)`. `"bins"`: integers
            0..num_bins - 1, for a `DiscretizedFlow` or `DiscreteFlow`. `"numbers"`: the centres of
            the bins in [-1, 1], for a `ContinuousFlow`.
        num_bins: int, 2 to 256. Has no effect on `"binary"`.
        data_dir: where TensorFlow Datasets keeps its data; by default its own folder.
        **options: `download` (bool, True): whether it may be downloaded. `labels` (bool, False):
            whether batches are `((images, labels),)` for a conditional model. `flip` (bool, False):
            whether training images are mirrored at random. `seed` (int, 0): of the training data's
            order and noise. `limit` (int or None): use the first so many images of each part.
            `held_out` (float, 0.01): the share of the training data that validates.

    Returns:
        `Splits` of training data, validation data held out of them, and test data.

    Raises:
        ImportError: if `tensorflow_datasets` or TensorFlow is missing.
        FileNotFoundError: if the data are neither here nor can be downloaded.
        ValueError: if an argument is out of its range.

    Example:

    ```python
    train, validation, test = keras_bfn.datasets.mnist()
    model.fit(train, validation_data=validation)
    ```
    """
    return _from_tfds("mnist", batch_size, form, num_bins, data_dir, **options)


def fashion_mnist(batch_size=512, form="bins", num_bins=256, data_dir=None, **options):
    """70,000 pictures of clothes, 28x28, through TensorFlow Datasets.

    Args:
        batch_size, form, num_bins, data_dir: as in `mnist`.
        **options: `download`, `labels`, `flip`, `seed`, `limit` and `held_out`, as in
            `mnist`.

    Returns:
        `Splits`.

    Raises:
        ImportError: if `tensorflow_datasets` or TensorFlow is missing.
        FileNotFoundError: if the data are neither here nor can be downloaded.
        ValueError: if an argument is out of its range.

    Example:

    ```python
    train, validation, test = keras_bfn.datasets.fashion_mnist(batch_size=128)
    ```
    """
    return _from_tfds("fashion_mnist", batch_size, form, num_bins, data_dir, **options)


def cifar10(batch_size=32, form="bins", num_bins=256, data_dir=None, **options):
    """60,000 colour photographs, 32x32, through TensorFlow Datasets.

    Args:
        batch_size, form, num_bins, data_dir: as in `mnist`.
        **options: `download`, `labels`, `flip`, `seed`, `limit` and `held_out`, as in
            `mnist`.

    Returns:
        `Splits`.

    Raises:
        ImportError: if `tensorflow_datasets` or TensorFlow is missing.
        FileNotFoundError: if the data are neither here nor can be downloaded.
        ValueError: if an argument is out of its range.

    Example:

    ```python
    train, validation, test = keras_bfn.datasets.cifar10(batch_size=128)
    ```
    """
    return _from_tfds("cifar10", batch_size, form, num_bins, data_dir, **options)


def embedded_images(batch_size=32, form="bins", num_bins=256, **options):
    """Crops, 32x32, of the two photographs that scikit-learn ships: a stand-in, no benchmark.

    Test images are from another part of the photographs than training images; those for validation
    overlap with these.

    Args:
        batch_size, form, num_bins: as in `mnist`.
        **options: `flip`, `seed`, `limit` and `held_out`, as in `mnist`.

    Returns:
        `Splits`.

    Raises:
        ImportError: if `sklearn` or Pillow is missing.
        ValueError: if an argument is out of its range.

    Example:

    >>> train, validation, test = keras_bfn.datasets.embedded_images(batch_size=8)
    >>> train[0].shape
    (8, 32, 32, 3)
    """
    with tell_to_install('Embedded images need scikit-learn: pip install "keras-bfn[examples]"'):
        from sklearn.datasets import load_sample_images
    parts = {"train": [], "test": []}
    for photograph in load_sample_images().images:
        height, width, _ = photograph.shape
        boundary = int(0.9 * width)
        for name, low, high, step in (("train", 0, boundary, 8), ("test", boundary, width, 32)):
            for y in range(0, height - 31, step):
                for x in range(low, high - 31, step):
                    parts[name].append(photograph[y : y + 32, x : x + 32])
    train, test = (np.stack(part) for part in parts.values())
    return make_splits((train, None), (test, None), batch_size, form, num_bins, **options)


def embedded_digits(batch_size=64, form="binary", num_bins=256, labels=False, **options):
    """The 1,797 digits, 8x8, that scikit-learn ships, enlarged to 28x28: a stand-in for MNIST.

    Of the digits 297 test.

    Args:
        batch_size, form, num_bins, labels: as in `mnist`.
        **options: `flip`, `seed`, `limit` and `held_out`, as in `mnist`.

    Returns:
        `Splits`.

    Raises:
        ImportError: if `sklearn` is missing.
        ValueError: if an argument is out of its range.

    Example:

    >>> train, validation, test = keras_bfn.datasets.embedded_digits(batch_size=8)
    >>> train[0].shape
    (8, 28, 28, 1)
    """
    with tell_to_install('Embedded digits need scikit-learn: pip install "keras-bfn[examples]"'):
        from sklearn.datasets import load_digits
    digits = load_digits()
    check_bool("labels", labels)
    levels = (digits.images[..., None] * 255 / 16).astype("uint8")
    enlarged = levels.repeat(3, axis=1).repeat(3, axis=2)
    images = np.pad(enlarged, ((0, 0), (2, 2), (2, 2), (0, 0)))
    order = np.random.default_rng(0).permutation(len(images))
    everything = images, digits.target.astype("int32") if labels else None
    train, test = take_rows(everything, order[:1500]), take_rows(everything, order[1500:])
    return make_splits(train, test, batch_size, form, num_bins, **options)


def _from_tfds(name, batch_size, form, num_bins, data_dir, download=True, labels=False, **options):
    check_options(batch_size, form, num_bins)
    for name_of_option, value in (("download", download), ("labels", labels)):
        check_bool(name_of_option, value)
    if data_dir is not None:
        check_path("data_dir", data_dir)
    # TensorFlow Datasets reads with TensorFlow, whatever the backend.
    if not all(importlib.util.find_spec(n) for n in ("tensorflow_datasets", "tensorflow")):
        raise ImportError(
            f"The dataset {name!r} needs tensorflow_datasets and, to read it, TensorFlow: "
            'pip install "keras-bfn[datasets,tensorflow]"'
        )
    import tensorflow_datasets as tfds

    try:
        parts = tfds.load(
            name, split=["train", "test"], data_dir=data_dir, download=download, batch_size=1024
        )
        parts = [_arrays(part) for part in parts]
    except Exception as error:  # of many kinds: no network, no file, a broken checksum
        raise FileNotFoundError(
            f"The dataset {name!r} is not in data_dir={data_dir!r} and could not be downloaded. "
            "Give `data_dir` a folder of TensorFlow Datasets that holds it, or go online. "
            f"({type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''})"
        ) from error
    if not labels:
        parts = [(images, None) for images, _ in parts]
    return make_splits(*parts, batch_size, form, num_bins, **options)


def _arrays(part):
    """The images and labels of a part that is read in batches."""
    import tensorflow_datasets as tfds

    batches = list(tfds.as_numpy(part))
    images, labels = (np.concatenate([b[name] for b in batches]) for name in ("image", "label"))
    return images, labels.astype("int32")


def check_options(batch_size, form, num_bins):
    """Raises a `ValueError` unless all data sets of images can have these."""
    check_int("batch_size", batch_size, 1)
    check_choice("form", form, FORMS)
    check_int("num_bins", num_bins, 2, 256)


def make_splits(
    train, test, batch_size, form, num_bins, flip=False, seed=0, limit=None, held_out=HELD_OUT
):
    """`Splits` of pairs of levels and labels; those that validate are held out of `train`."""
    check_options(batch_size, form, num_bins)
    check_between("held_out", held_out, 0, 0.5)
    check_bool("flip", flip)
    check_seed(seed)
    if limit is not None:
        check_int("limit", limit, 2)  # one to train on, one to validate
    train, test = (take_rows(part, slice(limit)) for part in (train, test))
    rest, validation = hold_out(len(train[0]), held_out)

    def batches(images, labels, training):
        flipped = flip and training
        return Batches(
            images,
            lambda levels, rng: transform(levels, rng, form, num_bins, flipped),
            min(batch_size, len(images)),
            labels=labels,
            training=training,
            seed=seed if training else 0,
        )

    return Splits(
        batches(*take_rows(train, rest), True),
        batches(*take_rows(train, validation), False),
        batches(*test, False),
    )


def take_rows(part, rows):
    """These rows of the images and of the labels, if there are any."""
    images, labels = part
    return images[rows], labels if labels is None else labels[rows]


def transform(levels, rng, form, num_bins, flip):
    """Data of a batch of levels 0..255, `(batch, height, width, channels)`."""
    if flip:
        mirrored = rng.random(len(levels)) < 0.5
        levels = np.where(mirrored[:, None, None, None], levels[:, :, ::-1], levels)
    if form == "binary":
        # White with probability level / 255: one of the 255 numbers below 255 is below the level.
        return (rng.integers(0, 255, levels.shape, dtype="uint8") < levels).astype("int32")
    bins = levels.astype("int32") * num_bins // 256
    if form == "bins":
        return bins
    return ((2 * bins + 1) / np.float32(num_bins) - 1).astype("float32")
