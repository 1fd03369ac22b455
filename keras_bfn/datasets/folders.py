"""Data sets of the images in a folder."""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from keras_bfn._imports import tell_to_install
from keras_bfn._typing import Path
from keras_bfn._validation import check_choice, check_path, check_shape, mismatch, refusal
from keras_bfn.datasets.batches import HELD_OUT, Splits, hold_out
from keras_bfn.datasets.images import Form, make_splits

_ENDINGS = {".png", ".jpg", ".jpeg", ".gif", ".bmp"}


def image_folder(
    path: Path,
    image_size: Sequence[int],
    batch_size: int = 32,
    form: Form = "bins",
    num_bins: int = 256,
    color_mode: Literal["rgb", "grayscale"] = "rgb",
    labels: bool = False,
    **options,
) -> Splits:
    """Loads every PNG, JPEG, GIF and BMP image below a folder, scaled and cropped to one size.

    Photographs are turned upright, by their EXIF data.

    Args:
        path: the folder.
        image_size: the tuple `(height, width)`.
        batch_size, form, num_bins: as in `mnist`.
        color_mode: `"rgb"` or `"grayscale"`.
        labels: bool. Whether batches are `((images, labels),)`. A label is the index of the image's
            sub-folder in `image_classes(path)`.
        **options: `flip`, `seed` and `limit`, as in `mnist`; `held_out` (float, 0.01): the fraction
            of all images held out for testing, and of the remaining images for validation.

    Returns:
        `Splits`.

    Raises:
        FileNotFoundError: if the folder does not exist, or has fewer than three images.
        ImportError: if Pillow is missing.
        ValueError: if an argument is out of its range, a file is not a complete image with 8 bits
            per channel, or labels are requested for images outside any sub-folder.

    Example:

    ```python
    train, validation, test = keras_bfn.datasets.image_folder(
        "photographs/", (32, 32), flip=True, labels=True
    )
    ```
    """
    image_size = check_shape("image_size", image_size)
    if len(image_size) != 2:
        raise refusal("image_size", "must be (height, width)", image_size)
    check_choice("color_mode", color_mode, ("rgb", "grayscale"))

    def load():
        files = _image_files(path)
        if len(files) < 3:
            expected = f"must be a folder with at least 3 images {sorted(_ENDINGS)}"
            came = f"path={str(path)!r}, which contains {len(files)}"
            raise FileNotFoundError(f"Argument `path` {expected}. Received: {came}")
        numbers = _number_folders(path, files) if labels else np.zeros(len(files))  # not used
        images = np.stack([_read_image(file, color_mode, image_size) for file in files])
        rest, test = hold_out(len(images), options.get("held_out", HELD_OUT))
        return [(images[rows], numbers[rows]) for rows in (rest, test)]

    return make_splits(load, batch_size, form, num_bins, labels, **options)


def image_classes(path: Path) -> list[str]:
    """Returns the names of the sub-folders that are the classes of `image_folder`, in their order.

    Args:
        path: the folder.

    Returns:
        A sorted list of strings: the folders directly in `path` that have images at any depth.

    Raises:
        FileNotFoundError: if the folder does not exist.

    Example:

    ```python
    names = keras_bfn.datasets.image_classes("photographs/")
    network = keras_bfn.networks.UNet(flow, (32, 32, 3), conditions=len(names))
    ```
    """
    if not check_path("path", path).is_dir():
        raise FileNotFoundError(f"Argument `path` must be a folder. Received: path={str(path)!r}")
    return sorted({_sub_folder(path, file) for file in _image_files(path)} - {None})


def _image_files(path):
    path = check_path("path", path)
    files = [file for file in path.rglob("*") if file.suffix.lower() in _ENDINGS and file.is_file()]
    # Names that start with a dot belong to metadata that operating systems add to folders.
    return sorted(file for file in files if "/." not in f"/{file.relative_to(path).as_posix()}")


def _read_image(file, color_mode, image_size):
    """Returns the levels of an image file, cropped and scaled, `(height, width, channels)`."""
    with tell_to_install('Reading images needs Pillow: pip install "keras-bfn[examples]"'):
        from PIL import Image, ImageOps
    try:
        with Image.open(file) as image:
            mode = image.mode
            # Cameras store in which direction they were held.
            image = ImageOps.exif_transpose(image).convert("RGB" if color_mode == "rgb" else "L")
        image = ImageOps.fit(image, image_size[::-1], Image.Resampling.BILINEAR)
    except MemoryError:
        raise
    except Exception as error:  # of many types: not an image, truncated, a bomb
        raise ValueError(f"The file {str(file)!r} must be a complete image. ({error})") from error
    if mode.startswith(("I", "F")):  # Pillow would clip these at 255
        expected = f"The file {str(file)!r} must be an image with 8 bits per channel"
        raise ValueError(f"{expected}. Received: an image of mode {mode!r}")
    levels = np.asarray(image)
    return levels if levels.ndim == 3 else levels[..., None]


def _sub_folder(path, file):
    """Returns the name of the folder directly in `path` that holds a file; None if none does."""
    name, *others = file.relative_to(path).parts
    return name if others else None


def _number_folders(path, files):
    """Returns the index of each file's sub-folder, in the order of the sub-folders' names."""
    folders = [_sub_folder(path, file) for file in files]
    if None in folders:
        came = f"labels=True, with {str(files[folders.index(None)])!r}, which is in none"
        raise mismatch("labels", "must be False unless each image is in a sub-folder", came)
    return np.unique(folders, return_inverse=True)[1]
