"""Images: MNIST, Fashion-MNIST, CIFAR-10, embedded photographs, and folders."""

import importlib.util

import keras
import numpy as np

from keras_bfn._imports import tell_to_install
from keras_bfn._validation import (
    check_between,
    check_bool,
    check_choice,
    check_int,
    check_path,
    check_seed,
    check_shape,
    refusal,
)
from keras_bfn.datasets.batches import Batches
from keras_bfn.datasets.splits import HELD_OUT, Splits, hold_out

FORMS = ("binary", "bins", "numbers")
_ENDINGS = {".png", ".jpg", ".jpeg", ".gif", ".bmp"}


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
    """70,000 pictures of clothes, 28x28, through TensorFlow Datasets. As `mnist`."""
    return _from_tfds("fashion_mnist", batch_size, form, num_bins, data_dir, **options)


def cifar10(batch_size=32, form="bins", num_bins=256, data_dir=None, **options):
    """60,000 colour photographs, 32x32, through TensorFlow Datasets. As `mnist`."""
    return _from_tfds("cifar10", batch_size, form, num_bins, data_dir, **options)


def image_folder(path, image_size, batch_size=32, form="bins", num_bins=256, **options):
    """Images of one's own: every PNG, JPEG, GIF and BMP below a folder, scaled and cropped alike.

    Args:
        path: the folder.
        image_size: the tuple `(height, width)`.
        batch_size, form, num_bins: as in `mnist`.
        **options: `flip`, `seed`, `limit` as in `mnist`; `color_mode`: `"rgb"` or `"grayscale"`;
            `labels` (bool, False): whether batches are `((images, labels),)`, where a label is the
            number of the sub-folder in `image_classes(path)`; `held_out` (float, 0.01): the share
            of all images that is held out for testing, and of the others for validation.

    Returns:
        `Splits`.

    Raises:
        FileNotFoundError: if there is no such folder, or fewer than three images in it.
        ImportError: if Pillow is missing.
        ValueError: if an argument is out of its range, a file is no whole image of 8 bits for each
            colour, or images have no sub-folder to be their label.

    Example:

    ```python
    train, validation, test = keras_bfn.datasets.image_folder(
        "photographs/", (32, 32), flip=True, labels=True
    )
    ```
    """
    _check_options(batch_size, form, num_bins)
    image_size = check_shape("image_size", image_size)
    if len(image_size) != 2:
        raise refusal("image_size", "must be (height, width)", image_size)
    color_mode = check_choice("color_mode", options.pop("color_mode", "rgb"), ("rgb", "grayscale"))
    held_out = check_between("held_out", options.get("held_out", HELD_OUT), 0, 0.5)
    files = _image_files(path)
    if len(files) < 3:
        raise FileNotFoundError(
            f"Argument `path` must be a folder with at least 3 images {sorted(_ENDINGS)}. "
            f"Received: path={str(path)!r} with {len(files)}"
        )
    has_labels = check_bool("labels", options.pop("labels", False))
    labels = _labels(path, files) if has_labels else None
    images = np.stack([_read_image(file, color_mode, image_size) for file in files])
    train, test = (_rows((images, labels), rows) for rows in hold_out(len(images), held_out))
    return _splits(train, test, batch_size, form, num_bins, **options)


def image_classes(path):
    """The names of the sub-folders that `image_folder(path, ..., labels=True)` numbers from 0.

    Args:
        path: the folder.

    Returns:
        A sorted list of strings: of the folders directly in `path` with images anywhere in them.

    Raises:
        FileNotFoundError: if there is no such folder.

    Example:

    ```python
    names = keras_bfn.datasets.image_classes("photographs/")
    network = keras_bfn.networks.UNet(flow, (32, 32, 3), conditions=len(names))
    ```
    """
    if not check_path("path", path).is_dir():
        raise FileNotFoundError(f"Argument `path` must be a folder. Received: path={str(path)!r}")
    return sorted(set(_sub_folders(path, _image_files(path))) - {None})


def _image_files(path):
    path = check_path("path", path)
    files = (file for file in path.rglob("*") if file.suffix.lower() in _ENDINGS)
    # Names that start with a point are of what systems say of pictures.
    return sorted(
        file
        for file in files
        if not any(name.startswith(".") for name in file.relative_to(path).parts) and file.is_file()
    )


def _read_image(file, color_mode, image_size):
    """The levels of an image file, cropped and scaled, `(height, width, channels)`."""
    with tell_to_install('Images of a folder need Pillow: pip install "keras-bfn[examples]"'):
        from PIL import Image
    try:
        with Image.open(file) as image:
            mode, size = image.mode, image.width * image.height
        if size > (Image.MAX_IMAGE_PIXELS or size):
            raise OSError(f"of {size} pixels, more than PIL.Image.MAX_IMAGE_PIXELS")
        image = keras.utils.load_img(
            file,
            color_mode=color_mode,
            target_size=image_size,
            interpolation="bilinear",  # the default, "nearest", would leave pixels out
            keep_aspect_ratio=True,
        )
    except MemoryError:
        raise
    except Exception as error:  # of many kinds: it is no image, not all of one, or a bomb
        raise ValueError(f"The file {str(file)!r} must be a whole image. ({error})") from error
    if mode.startswith(("I", "F")):  # Pillow would cut these off at 255
        raise ValueError(
            f"The file {str(file)!r} must be an image of 8 bits for each colour. "
            f"Received: one of more, mode {mode!r}"
        )
    return keras.utils.img_to_array(image, "channels_last", "uint8")


def _sub_folders(path, files):
    """For each file the name of the folder directly in `path` that it is in; None if in none."""
    parts = [file.relative_to(path).parts for file in files]
    return [names[0] if len(names) > 1 else None for names in parts]


def _labels(path, files):
    names = image_classes(path)
    folders = _sub_folders(path, files)
    if None in folders:
        raise ValueError(
            "Argument `labels` must be False unless each image is in a sub-folder. Received: "
            f"labels=True, and {str(files[folders.index(None)])!r}"
        )
    return np.array([names.index(name) for name in folders], "int32")


def embedded_images(batch_size=32, form="bins", num_bins=256, **options):
    """Crops, 32x32, of the two photographs that scikit-learn ships: a stand-in, no benchmark.

    Test images are from another part of the photographs than training images; those for validation
    overlap with these. The arguments are those of `mnist`, without `data_dir`, `download` and
    `labels`.

    Raises:
        ImportError: if `sklearn` or Pillow is missing.

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
    return _splits((train, None), (test, None), batch_size, form, num_bins, **options)


def embedded_digits(batch_size=64, form="binary", num_bins=256, labels=False, **options):
    """The 1,797 digits, 8x8, that scikit-learn ships, enlarged to 28x28: a stand-in for MNIST.

    Of the digits 297 test. The arguments are those of `mnist`, without `data_dir` and `download`.

    Raises:
        ImportError: if `sklearn` is missing.

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
    train, test = _rows(everything, order[:1500]), _rows(everything, order[1500:])
    return _splits(train, test, batch_size, form, num_bins, **options)


def _from_tfds(name, batch_size, form, num_bins, data_dir, download=True, labels=False, **options):
    _check_options(batch_size, form, num_bins)
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
    return _splits(*parts, batch_size, form, num_bins, **options)


def _arrays(part):
    """The images and labels of a part that is read in batches."""
    import tensorflow_datasets as tfds

    batches = list(tfds.as_numpy(part))
    images, labels = (np.concatenate([b[name] for b in batches]) for name in ("image", "label"))
    return images, labels.astype("int32")


def _check_options(batch_size, form, num_bins):
    check_int("batch_size", batch_size, 1)
    check_choice("form", form, FORMS)
    check_int("num_bins", num_bins, 2, 256)


def _splits(
    train, test, batch_size, form, num_bins, flip=False, seed=0, limit=None, held_out=HELD_OUT
):
    _check_options(batch_size, form, num_bins)
    check_between("held_out", held_out, 0, 0.5)
    check_bool("flip", flip)
    check_seed(seed)
    if limit is not None:
        check_int("limit", limit, 2)  # one to train on, one to validate
    train, test = (_rows(part, slice(limit)) for part in (train, test))
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
        batches(*_rows(train, rest), True),
        batches(*_rows(train, validation), False),
        batches(*test, False),
    )


def _rows(part, rows):
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
