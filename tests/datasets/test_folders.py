"""Folders of pictures, some of which are broken."""

import struct
import zlib

import numpy as np
import pytest

from keras_bfn import datasets

pytestmark = pytest.mark.once


def png(width, height, pixels=b""):
    """A file of a picture, of which there is no more than is given."""

    def chunk(kind, content):
        told = kind + content
        return struct.pack(">I", len(content)) + told + struct.pack(">I", zlib.crc32(told))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    data = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(pixels)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + data


PICTURES = {
    "too large": (png(12_000, 12_000), "pixels"),
    "far too large": (png(60_000, 60_000), "pixels"),
    "cut": (png(8, 8, bytes(20)), "complete image"),
    "text": (b"no picture", "complete image"),
    "empty": (b"", "complete image"),
    "no header": (png(8, 8, bytes(72))[:20], "complete image"),
}


@pytest.mark.parametrize("kind", PICTURES)
def test_a_picture_that_is_broken_is_refused_with_its_file(kind, tmp_path):
    pytest.importorskip("PIL")
    content, match = PICTURES[kind]
    for name in ("0.png", "1.png", "2.png"):
        (tmp_path / name).write_bytes(png(8, 8, bytes(72)))
    datasets.image_folder(tmp_path, (8, 8))
    (tmp_path / "bad.png").write_bytes(content)
    with pytest.raises(ValueError, match=rf"bad\.png' must be a complete image.*{match}|{match}"):
        datasets.image_folder(tmp_path, (8, 8))


def test_photographs_are_upright(tmp_path):
    pictures = pytest.importorskip("PIL.Image")
    levels = np.zeros((16, 8), "uint8")
    levels[:8] = 255
    image = pictures.fromarray(levels)
    exif = image.getexif()
    exif[0x0112] = 6  # to be turned to the right
    for name in "012":
        image.save(tmp_path / f"{name}.jpg", exif=exif, quality=95)
    data = datasets.image_folder(tmp_path, (8, 16), batch_size=1, color_mode="grayscale")
    (x,) = data.test[0]
    assert x.shape == (8, 16, 1)
    assert x[:, :7].max() < 20
    assert x[:, 9:].min() > 235
