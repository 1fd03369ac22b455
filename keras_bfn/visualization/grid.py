"""Images in a grid. Needs matplotlib."""

import math
from typing import Any

import numpy as np

from keras_bfn._imports import tell_to_install
from keras_bfn._typing import ArrayLike
from keras_bfn._validation import check_int, check_numbers, mismatch, refusal
from keras_bfn.saving.files import write_atomically

BORDER_COLOR = (0.35, 0.45, 0.6)


def draw_grid(
    axes: Any,
    images: ArrayLike,
    columns: int = 8,
    low: ArrayLike | None = None,
    high: ArrayLike | None = None,
) -> None:
    """Draws images in a grid, into axes of matplotlib.

    Args:
        axes: a `matplotlib.axes.Axes`.
        images: array of shape `(num, height, width)`, or that with 1 or 3 channels. Missing pixels,
            NaN, have the colour of the border.
        columns: int. Images per row.
        low, high: the values shown as black and white; by default, or if they are infinite, the
            minimum and the maximum. If they are arrays, such as the `data_range` of a flow, their
            minimum and maximum are taken.

    Raises:
        ValueError: if the arrays are not images, or `columns` is out of its range.

    Example:

    >>> from matplotlib.figure import Figure
    >>> keras_bfn.visualization.draw_grid(Figure().subplots(), images, columns=4)
    """
    if not hasattr(axes, "imshow"):
        raise refusal("axes", "must be matplotlib axes", axes)
    axes.imshow(join_images(images, columns, low, high))
    axes.set_axis_off()


def join_images(images, columns=8, low=None, high=None):
    """Joins images into one picture, with a border around each.

    Args:
        images: array of shape `(num, height, width)`, or that with 1 or 3 channels.
        columns: int. Images per row.
        low, high: the values shown as black and white; by default, or if they are infinite, the
            minimum and the maximum. If they are arrays, such as the `data_range` of a flow, their
            minimum and maximum are taken.

    Returns:
        A float array in [0, 1] of shape `(height, width, 3)`.

    Raises:
        ValueError: if the arrays are not images, or `columns` is out of its range.
    """
    check_int("columns", columns, 1)
    images = check_images("images", images)
    own_low, own_high = value_range(images)
    low = own_low if low is None else np.min(check_numbers("low", low))
    high = own_high if high is None else np.max(check_numbers("high", high))
    low, high = (low if np.isfinite(low) else own_low), (high if np.isfinite(high) else own_high)
    images = np.clip((images - low) / max(high - low, 1e-12), 0, 1)
    images = np.where(np.isnan(images), BORDER_COLOR, images)
    num, height, width, _ = images.shape
    columns = min(columns, num)
    rows = math.ceil(num / columns)
    grid = np.empty((rows * (height + 1) + 1, columns * (width + 1) + 1, 3))
    grid[:] = BORDER_COLOR
    for i, image in enumerate(images):
        y, x = i // columns * (height + 1) + 1, i % columns * (width + 1) + 1
        grid[y : y + height, x : x + width] = image
    return grid


def value_range(images):
    """Returns the least and the largest finite value, or 0 and 1 if none is finite."""
    found = images[np.isfinite(images)]
    return (found.min(), found.max()) if found.size else (0.0, 1.0)


def check_images(name, images):
    """Returns images as a float32 array of shape `(num, height, width, channels)`.

    Raises:
        ValueError: if the array does not hold images.
    """
    images = check_numbers(name, images)
    if images.ndim == 3:
        images = images[..., None]
    if images.ndim != 4 or images.shape[-1] not in (1, 3) or not images.size:
        expected = "must be images, of shape (num, height, width), or with 1 or 3 channels"
        raise mismatch(name, expected, f"shape {images.shape}")
    return images


def import_pillow():
    """Returns the module `Image` of Pillow."""
    with tell_to_install('Images need Pillow: pip install "keras-bfn[examples]"'):
        from PIL import Image
    return Image


def to_pillow(picture, pixels):
    """Returns a picture in [0, 1] as an image of Pillow, each of its pixels `pixels` wide."""
    levels = (255 * picture).round().astype("uint8")
    return import_pillow().fromarray(levels.repeat(pixels, axis=0).repeat(pixels, axis=1))


def new_figure(width, height):
    """Returns a matplotlib figure of a size in inches, without matplotlib's global state."""
    with tell_to_install('Pictures need matplotlib: pip install "keras-bfn[examples]"'):
        from matplotlib.figure import Figure
    return Figure((width, height), dpi=120, layout="constrained")


def save_figure(figure, path, **options):
    """Writes a matplotlib figure to a file, atomically."""
    path = path if path.suffix else path.with_suffix(".png")
    kind = path.suffix[1:]
    write_atomically(path, lambda file: figure.savefig(file, format=kind, **options))
