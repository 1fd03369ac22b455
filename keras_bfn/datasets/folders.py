"""Images of one's own: those of a folder."""

import keras
import numpy as np

from keras_bfn._imports import tell_to_install
from keras_bfn._validation import (
    check_bool,
    check_choice,
    check_path,
    check_shape,
    refusal,
)
from keras_bfn.datasets.batches import HELD_OUT, hold_out
from keras_bfn.datasets.images import make_splits, take_rows

_ENDINGS = {".png", ".jpg", ".jpeg", ".gif", ".bmp"}


def image_folder(
    path,
    image_size,
    batch_size=32,
    form="bins",
    num_bins=256,
    color_mode="rgb",
    labels=False,
    **options,
):
    """Images of one's own: every PNG, JPEG, GIF and BMP below a folder, scaled and cropped alike.

    Args:
        path: the folder.
        image_size: the tuple `(height, width)`.
        batch_size, form, num_bins: as in `mnist`.
        color_mode: `"rgb"` or `"grayscale"`.
        labels: bool. Whether batches are `((images, labels),)`, where a label is the number of the
            sub-folder in `image_classes(path)`.
        **options: `flip`, `seed`, `limit` as in `mnist`; `held_out` (float, 0.01): the share of all
            images that is held out for testing, and of the others for validation.

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
    image_size = check_shape("image_size", image_size)
    if len(image_size) != 2:
        raise refusal("image_size", "must be (height, width)", image_size)
    check_choice("color_mode", color_mode, ("rgb", "grayscale"))
    check_bool("labels", labels)

    def load():
        files = _image_files(path)
        if len(files) < 3:
            raise FileNotFoundError(
                f"Argument `path` must be a folder with at least 3 images {sorted(_ENDINGS)}. "
                f"Received: path={str(path)!r} with {len(files)}"
            )
        numbers = _number_folders(path, files) if labels else None
        images = np.stack([_read_image(file, color_mode, image_size) for file in files])
        rest, test = hold_out(len(images), options.get("held_out", HELD_OUT))
        return [take_rows((images, numbers), rows) for rows in (rest, test)]

    return make_splits(load, batch_size, form, num_bins, **options)


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
    return sorted({_sub_folder(path, file) for file in _image_files(path)} - {None})


def _image_files(path):
    path = check_path("path", path)
    files = [file for file in path.rglob("*") if file.suffix.lower() in _ENDINGS and file.is_file()]
    # Names that start with a point are of what systems say of pictures.
    return sorted(file for file in files if "/." not in f"/{file.relative_to(path).as_posix()}")


def _read_image(file, color_mode, image_size):
    """The levels of an image file, cropped and scaled, `(height, width, channels)`."""
    with tell_to_install('Images of a folder need Pillow: pip install "keras-bfn[examples]"'):
        from PIL import Image
    try:
        with Image.open(file) as image:
            mode = image.mode
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


def _sub_folder(path, file):
    """The name of the folder directly in `path` that a file is in; None if in none."""
    name, *others = file.relative_to(path).parts
    return name if others else None


def _number_folders(path, files):
    """For each file the number of its sub-folder among all, in the order of their names."""
    folders = [_sub_folder(path, file) for file in files]
    if None in folders:
        raise ValueError(
            "Argument `labels` must be False unless each image is in a sub-folder. Received: "
            f"labels=True, and {str(files[folders.index(None)])!r}"
        )
    return np.unique(folders, return_inverse=True)[1].astype("int32")
