"""Text in the 27 letters of text8: a space and a to z."""

import functools
import re
import zipfile

import keras
import numpy as np

from keras_bfn._validation import check_int, check_path
from keras_bfn.datasets.batches import Batches
from keras_bfn.datasets.splits import Splits

ALPHABET = " abcdefghijklmnopqrstuvwxyz"
_TEXT8_URL = "http://mattmahoney.net/dc/text8.zip"


def clean_text(text):
    """Text in the alphabet: letters in lower case, everything else one space.

    Example:

    >>> keras_bfn.datasets.clean_text("Call me Ishmael. 1851!")
    'call me ishmael '
    """
    return re.sub("[^a-z]+", " ", _check_text(text).lower())


def _check_text(text):
    if not isinstance(text, str):
        raise ValueError(f"Argument `text` must be a string. Received: a {type(text).__name__}")
    return text


def encode_text(text):
    """The letters' numbers in the alphabet, an int32 array of shape `(len(text),)`.

    Raises:
        ValueError: if there is a letter of another alphabet: see `clean_text`.

    Example:

    >>> keras_bfn.datasets.encode_text("a b").tolist()
    [1, 0, 2]
    """
    others = sorted(set(_check_text(text)) - set(ALPHABET))
    if others:
        raise ValueError(
            "Argument `text` must hold a to z and spaces only; `clean_text` makes it so. "
            f"Received: {others[:5]}"
        )
    codes = np.frombuffer(text.encode("ascii"), dtype="uint8").astype("int32")
    return np.where(codes == ord(" "), 0, codes - ord("a") + 1).astype("int32")


def decode_text(tokens):
    """The text of an array of shape `(length,)`, or a list of the texts of `(num, length)`.

    Raises:
        ValueError: if it does not hold numbers of letters.

    Example:

    >>> keras_bfn.datasets.decode_text(np.array([[1, 0, 2], [3, 3, 3]]))
    ['a b', 'ccc']
    """
    tokens = np.asarray(tokens)
    are_integers = tokens.ndim in (1, 2) and np.issubdtype(tokens.dtype, np.integer)
    if not are_integers or not np.isin(tokens, range(len(ALPHABET))).all():
        raise ValueError(
            "Argument `tokens` must hold integers in 0..26, of shape (length,) or (num, length). "
            f"Received: shape {tokens.shape}, dtype {tokens.dtype}"
            + (f", from {tokens.min()} to {tokens.max()}" if are_integers else "")
        )
    if tokens.ndim == 1:
        return "".join(ALPHABET[token] for token in tokens)
    return [decode_text(row) for row in tokens]


def text8(batch_size=416, seq_length=256, **options):
    """The first 100 MB of Wikipedia, cleaned: the benchmark of character models.

    Downloaded once into Keras's cache. As usual, the last 5 MB test, the 5 MB before them validate.

    Args:
        batch_size: int.
        seq_length: int. Training windows start anywhere; those of validation and test follow each
            other.
        **options: `seed` (int, 0) of the windows; `steps_per_epoch` (int or None).

    Returns:
        `Splits` of int32 batches, `(batch_size, seq_length)`, for a `DiscreteFlow(27, ...)`.

    Raises:
        FileNotFoundError: if it cannot be downloaded.

    Example:

    ```python
    train, validation, test = keras_bfn.datasets.text8()
    ```
    """
    try:
        path = keras.utils.get_file("text8.zip", origin=_TEXT8_URL)
        with zipfile.ZipFile(path) as archive:
            tokens = encode_text(archive.read("text8").decode("ascii"))
    except Exception as error:  # of many kinds: no network, a broken file
        raise FileNotFoundError(
            "The dataset 'text8' could not be downloaded. Connect to the internet, or use "
            "`datasets.text_file(path)` for a text at hand. "
            f"({type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''})"
        ) from error
    return _windows(tokens, 5_000_000, batch_size, seq_length, **options)


def text_file(path, batch_size=64, seq_length=256, **options):
    """A text of one's own, cleaned: the last 5% test, the 5% before them validate.

    Args:
        path: of a text file in UTF-8.
        batch_size, seq_length, **options: as in `text8`.

    Returns:
        As `text8`.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the text is too short for the windows.

    Example:

    ```python
    train, validation, test = keras_bfn.datasets.text_file("novel.txt", seq_length=128)
    ```
    """
    text = check_path("path", path).read_text(encoding="utf-8")
    tokens = encode_text(clean_text(text))
    return _windows(tokens, len(tokens) // 20, batch_size, seq_length, **options)


def embedded_text(batch_size=64, seq_length=256, **options):
    """Prose that Python ships, of `pydoc_data.topics`: a stand-in, no benchmark. As `text_file`.

    Example:

    >>> train, validation, test = keras_bfn.datasets.embedded_text(batch_size=8, seq_length=64)
    >>> train[0].shape
    (8, 64)
    """
    from pydoc_data.topics import topics

    tokens = encode_text(clean_text(" ".join(topics[name] for name in sorted(topics))))
    return _windows(tokens, len(tokens) // 20, batch_size, seq_length, **options)


def _windows(tokens, num_held_out, batch_size, seq_length, seed=0, steps_per_epoch=None):
    check_int("seq_length", seq_length, 1)
    parts = np.split(tokens.astype("uint8"), [-2 * num_held_out, -num_held_out])
    if min(map(len, parts)) < 2 * seq_length:
        raise ValueError(
            f"Argument `seq_length` must be at most {min(map(len, parts)) // 2}, half of the "
            f"shortest part of the text. Received: seq_length={seq_length}"
        )
    batches = []
    for part, training in zip(parts, (True, False, False), strict=True):
        starts = seq_length * np.arange(len(part) // seq_length - training)
        cut = functools.partial(_cut, part, seq_length, training)
        size = min(check_int("batch_size", batch_size, 1), len(starts))
        steps = steps_per_epoch if training else None
        batches.append(
            Batches(starts, cut, size, training=training, seed=seed, steps_per_epoch=steps)
        )
    return Splits(*batches)


def _cut(tokens, seq_length, training, starts, rng):
    """Windows at `starts`; in training, moved on at random by up to their length."""
    if training:
        starts = starts + rng.integers(0, seq_length, len(starts))
    return tokens[starts[:, None] + np.arange(seq_length)].astype("int32")
