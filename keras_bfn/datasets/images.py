"""Images: MNIST, Fashion-MNIST, CIFAR-10, and the photographs and digits of scikit-learn."""

import functools
import importlib.util
from typing import Literal, TypeAlias

import numpy as np

from keras_bfn._imports import tell_to_install
from keras_bfn._typing import Path
from keras_bfn._validation import (
    check_between,
    check_bool,
    check_choice,
    check_int,
    check_path,
    check_seed,
)
from keras_bfn.datasets.batches import HELD_OUT, Batches, Splits, hold_out, loading

FORMS = ("binary", "bins", "numbers")
Form: TypeAlias = Literal["binary", "bins", "numbers"]


def mnist(
    batch_size: int = 512,
    form: Form = "binary",
    num_bins: int = 256,
    data_dir: Path | None = None,
    **options,
) -> Splits:
    """70,000 handwritten digits, 28x28, through TensorFlow Datasets.

    Args:
        batch_size: int.
        form: how grey levels become data. `"binary"`: black or white, sampled anew in every epoch
            with the level as the probability of white, for a `DiscreteFlow(2, ...)`. `"bins"`:
            integers 0..num_bins - 1, for a `DiscretizedFlow` or `DiscreteFlow`. `"numbers"`: the
            centres of the bins in [-1, 1], for a `ContinuousFlow`.
        num_bins: int, 2 to 256. Has no effect on `"binary"`.
        data_dir: the folder of TensorFlow Datasets; by default its own default.
        **options: `download` (bool, True): whether the data may be downloaded. `labels` (bool,
            False): whether batches are `((images, labels),)` for a conditional model. `flip` (bool,
            False): whether training images are mirrored at random. `seed` (int, 0): for the order
            and noise of the training data. `limit` (int or None): use only this many training and
            test images. `held_out` (float, 0.01): the fraction of the training data held out for
            validation.

    Returns:
        `Splits` of training data, validation data held out of them, and test data.

    Raises:
        ImportError: if `tensorflow_datasets` or TensorFlow is missing.
        FileNotFoundError: if the data are not in `data_dir` and cannot be downloaded.
        ValueError: if an argument is out of its range.

    Example:

    ```python
    train, validation, test = keras_bfn.datasets.mnist()
    model.fit(train, validation_data=validation)
    ```
    """
    return _from_tfds("mnist", batch_size, form, num_bins, data_dir, **options)


def fashion_mnist(
    batch_size: int = 512,
    form: Form = "bins",
    num_bins: int = 256,
    data_dir: Path | None = None,
    **options,
) -> Splits:
    """70,000 pictures of clothes, 28x28, through TensorFlow Datasets.

    Args:
        batch_size, form, num_bins, data_dir: as in `mnist`.
        **options: `download`, `labels`, `flip`, `seed`, `limit` and `held_out`, as in
            `mnist`.

    Returns:
        `Splits`.

    Raises:
        ImportError: if `tensorflow_datasets` or TensorFlow is missing.
        FileNotFoundError: if the data are not in `data_dir` and cannot be downloaded.
        ValueError: if an argument is out of its range.

    Example:

    ```python
    train, validation, test = keras_bfn.datasets.fashion_mnist(batch_size=128)
    ```
    """
    return _from_tfds("fashion_mnist", batch_size, form, num_bins, data_dir, **options)


def cifar10(
    batch_size: int = 32,
    form: Form = "bins",
    num_bins: int = 256,
    data_dir: Path | None = None,
    **options,
) -> Splits:
    """60,000 colour photographs, 32x32, through TensorFlow Datasets.

    Args:
        batch_size, form, num_bins, data_dir: as in `mnist`.
        **options: `download`, `labels`, `flip`, `seed`, `limit` and `held_out`, as in
            `mnist`.

    Returns:
        `Splits`.

    Raises:
        ImportError: if `tensorflow_datasets` or TensorFlow is missing.
        FileNotFoundError: if the data are not in `data_dir` and cannot be downloaded.
        ValueError: if an argument is out of its range.

    Example:

    ```python
    train, validation, test = keras_bfn.datasets.cifar10(batch_size=128)
    ```
    """
    return _from_tfds("cifar10", batch_size, form, num_bins, data_dir, **options)


def embedded_images(
    batch_size: int = 32, form: Form = "bins", num_bins: int = 256, **options
) -> Splits:
    """32x32 crops of the two photographs in scikit-learn: a stand-in, not a benchmark.

    Test images come from another region of the photographs than training images. Validation images
    overlap with training images.

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

    def load():
        crops = {"train": [], "test": []}
        for photograph in load_sample_images().images:
            left, right = np.split(photograph, [int(0.9 * photograph.shape[1])], axis=1)
            for name, side, step in (("train", left, 8), ("test", right, 32)):
                windows = np.lib.stride_tricks.sliding_window_view(side, (32, 32), axis=(0, 1))
                windows = np.moveaxis(windows[::step, ::step], 2, -1)
                crops[name].append(windows.reshape(-1, 32, 32, 3))
        return [(np.concatenate(crops[name]), None) for name in ("train", "test")]

    return make_splits(load, batch_size, form, num_bins, labels=False, **options)


def embedded_digits(
    batch_size: int = 64,
    form: Form = "binary",
    num_bins: int = 256,
    labels: bool = False,
    **options,
) -> Splits:
    """The 1,797 8x8 digits in scikit-learn, enlarged to 28x28: a stand-in for MNIST.

    297 of the digits are for testing.

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

    def load():
        digits = load_digits()
        levels = (digits.images[..., None] * 255 / 16).astype("uint8")
        enlarged = levels.repeat(3, axis=1).repeat(3, axis=2)
        images = np.pad(enlarged, ((0, 0), (2, 2), (2, 2), (0, 0)))
        order = np.random.default_rng(0).permutation(len(images))
        return [(images[rows], digits.target[rows]) for rows in (order[:1500], order[1500:])]

    return make_splits(load, batch_size, form, num_bins, labels, **options)


def _from_tfds(name, batch_size, form, num_bins, data_dir, download=True, labels=False, **options):
    check_bool("download", download)
    if data_dir is not None:
        check_path("data_dir", data_dir)

    def load():
        # TensorFlow Datasets reads with TensorFlow, whatever the backend.
        if not all(importlib.util.find_spec(n) for n in ("tensorflow_datasets", "tensorflow")):
            needs = f"The dataset {name!r} needs tensorflow_datasets, which reads with TensorFlow"
            raise ImportError(f'{needs}: pip install "keras-bfn[datasets,tensorflow]"')
        import tensorflow_datasets as tfds

        where = {"data_dir": data_dir, "download": download}
        folder = "a TensorFlow Datasets folder that contains it, or connect to the internet"
        lost = f"is not in data_dir={data_dir!r} and could not be downloaded"
        with loading(name, f"{lost}. Set `data_dir` to {folder}"):
            # Each split in one batch.
            parts = tfds.load(name, split=["train", "test"], batch_size=2**17, **where)
            parts = [next(iter(tfds.as_numpy(part))) for part in parts]
        return [(part["image"], part["label"]) for part in parts]

    return make_splits(load, batch_size, form, num_bins, labels, **options)


def make_splits(
    load,
    batch_size,
    form,
    num_bins,
    labels=False,
    flip=False,
    seed=0,
    limit=None,
    held_out=HELD_OUT,
):
    """Returns `Splits` of images, with validation images held out of the training images.

    Args:
        load: function without arguments, called once all other arguments are checked. It returns
            the pairs of levels and labels of the training and of the test data. Labels are not
            used, and may be None, unless they are asked for.
        batch_size, form, num_bins, labels, flip, seed, limit, held_out: as in `mnist`.
    """
    check_int("batch_size", batch_size, 1)
    check_choice("form", form, FORMS)
    check_int("num_bins", num_bins, 2, 256)
    check_between("held_out", held_out, 0, 0.5)
    check_bool("labels", labels)
    check_bool("flip", flip)
    check_seed(seed)
    if limit is not None:
        check_int("limit", limit, 2)  # one for training, one for validation
    train, test = load()
    rest, validation = hold_out(len(train[0][:limit]), held_out)

    def batches(part, rows, training):
        images, numbers = part[0][rows], part[1][rows].astype("int32") if labels else None
        convert = functools.partial(transform, form=form, num_bins=num_bins, flip=flip and training)
        size = min(batch_size, len(images))
        return Batches(images, convert, size, numbers, training, seed if training else 0)

    return Splits(
        batches(train, rest, True),
        batches(train, validation, False),
        batches(test, slice(limit), False),
    )


def transform(levels, rng, form, num_bins, flip):
    """Returns data for a batch of levels 0..255, `(batch, height, width, channels)`."""
    if flip:
        mirrored = rng.random(len(levels)) < 0.5
        levels = np.where(mirrored[:, None, None, None], levels[:, :, ::-1], levels)
    if form == "binary":
        # White with probability level / 255: so many of the integers 0..254 are below the level.
        return (rng.integers(0, 255, levels.shape, dtype="uint8") < levels).astype("int32")
    bins = levels.astype("int32") * num_bins // 256
    if form == "bins":
        return bins
    return ((2 * bins + 1) / np.float32(num_bins) - 1).astype("float32")
