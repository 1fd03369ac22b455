"""Windows of text: text8, a text file, and prose that comes with Python."""

import functools
import re
import zipfile

import keras
import numpy as np

from keras_bfn._typing import Path, TokenizerLike
from keras_bfn._validation import check_int, check_path, refusal
from keras_bfn.datasets.batches import Batches, Splits, loading
from keras_bfn.datasets.tokenizers import Letters, check_text, check_tokenizer

_TEXT8_URL = "http://mattmahoney.net/dc/text8.zip"


def clean_text(text: str) -> str:
    """Maps text to the alphabet of text8: lower-case letters; everything else becomes one space.

    Args:
        text: string.

    Returns:
        A string.

    Raises:
        ValueError: if `text` is not a string.

    Example:

    >>> keras_bfn.datasets.clean_text("Call me Ishmael. 1851!")
    'call me ishmael '
    """
    return re.sub("[^a-z]+", " ", check_text(text).lower())


def text8(batch_size: int = 416, seq_length: int = 256, **options) -> Splits:
    """The first 100 MB of cleaned Wikipedia text, the benchmark of character models.

    It is downloaded once into Keras's cache. As usual, the last 5 MB are for testing, and the 5 MB
    before them for validation.

    Args:
        batch_size: int.
        seq_length: int. Training windows start anywhere; validation and test windows are
            consecutive.
        **options: `stride` (int or None): the distance between the starts of validation or test
            windows, by default `seq_length`; `seed` (int, 0): for the training windows;
            `steps_per_epoch` (int or None).

    Returns:
        `Splits` of int32 batches, `(batch_size, seq_length)`, for a `DiscreteFlow(27, ...)`: the
        tokens of `Letters()`. Each part also has the attribute `tokens`, the text from which its
        windows are cut, an integer array of shape `(length,)`.

    Raises:
        FileNotFoundError: if it cannot be downloaded.

    Example:

    ```python
    train, validation, test = keras_bfn.datasets.text8()
    ```
    """
    letters = Letters()
    for name, value in (("batch_size", batch_size), ("seq_length", seq_length)):
        check_int(name, value, 1)
    advice = "Connect to the internet, or use `datasets.text_file(path)` for a local file"
    with loading("text8", f"could not be downloaded. {advice}"):
        path = keras.utils.get_file("text8.zip", origin=_TEXT8_URL)
        with zipfile.ZipFile(path) as archive:
            tokens = letters.encode(archive.read("text8").decode("ascii"))
    return _windows(tokens.astype("uint8"), 5_000_000, batch_size, seq_length, **options)


def text_file(
    path: Path,
    batch_size: int = 64,
    seq_length: int = 256,
    tokenizer: TokenizerLike | None = None,
    **options,
) -> Splits:
    """Loads a text file: the last 5% are for testing, the 5% before them for validation.

    Args:
        path: path of a text file in UTF-8. A byte order mark is left out, and line ends are read
            as `"\\n"`.
        batch_size, seq_length: as in `text8`, in tokens.
        tokenizer: the tokenizer of the text, such as `Bytes()`. With None, the text is cleaned by
            `clean_text` and tokenized by the 27 `Letters()`.
        **options: `stride`, `seed` and `steps_per_epoch`, as in `text8`.

    Returns:
        As in `text8`, for a `DiscreteFlow(tokenizer.num_classes, ...)`.

    Raises:
        FileNotFoundError: if the file does not exist.
        ValueError: if the text is too short for the windows, or the tokenizer cannot encode it.

    Example:

    ```python
    train, validation, test = keras_bfn.datasets.text_file("novel.txt", seq_length=128)
    ```
    """
    try:
        text = check_path("path", path).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"The file {str(path)!r} must be UTF-8 text. ({error})") from error
    return _windows_of_text(text, tokenizer, batch_size, seq_length, **options)


def embedded_text(
    batch_size: int = 64, seq_length: int = 256, tokenizer: TokenizerLike | None = None, **options
) -> Splits:
    """The prose in Python's `pydoc_data.topics`: a stand-in, not a benchmark.

    Args:
        batch_size, seq_length, tokenizer: as in `text_file`.
        **options: `stride`, `seed` and `steps_per_epoch`, as in `text8`.

    Returns:
        `Splits`, as in `text_file`.

    Raises:
        ValueError: as in `text_file`.

    Example:

    >>> train, validation, test = keras_bfn.datasets.embedded_text(batch_size=8, seq_length=64)
    >>> train[0].shape
    (8, 64)
    """
    from pydoc_data.topics import topics

    text = " ".join(topics[name] for name in sorted(topics))
    return _windows_of_text(text, tokenizer, batch_size, seq_length, **options)


def _windows_of_text(text, tokenizer, batch_size, seq_length, **options):
    if tokenizer is None:
        tokenizer, text = Letters(), clean_text(text)
    num_classes = check_tokenizer("tokenizer", tokenizer).num_classes
    tokens = np.asarray(tokenizer.encode(text))
    are_integers = tokens.ndim == 1 and np.issubdtype(tokens.dtype, np.integer)
    if not are_integers or (tokens.size and not 0 <= tokens.min() <= tokens.max() < num_classes):
        expected = f"must encode text as integers in 0..{num_classes - 1}, of shape (length,)"
        raise refusal("tokenizer", expected, tokenizer)
    tokens = tokens.astype(np.min_scalar_type(num_classes - 1))
    return _windows(tokens, len(tokens) // 20, batch_size, seq_length, **options)


def _windows(
    tokens, num_held_out, batch_size, seq_length, stride=None, seed=0, steps_per_epoch=None
):
    check_int("seq_length", seq_length, 1)
    stride = seq_length if stride is None else check_int("stride", stride, 1)
    parts = np.split(tokens, [-2 * num_held_out, -num_held_out])
    most = min(map(len, parts)) // 2
    if seq_length > most:
        expected = f"must be at most {most}, half the length of the shortest split"
        raise refusal("seq_length", expected, seq_length)
    batches = []
    for part, training in zip(parts, (True, False, False), strict=True):
        room = 2 * seq_length if training else seq_length  # training windows are shifted
        starts = np.arange(0, len(part) - room + 1, seq_length if training else stride)
        cut = functools.partial(_cut, part, seq_length, training)
        size = min(check_int("batch_size", batch_size, 1), len(starts))
        steps = steps_per_epoch if training else None
        windows = Batches(starts, cut, size, training=training, seed=seed, steps_per_epoch=steps)
        windows.tokens = part
        batches.append(windows)
    return Splits(*batches)


def _cut(tokens, seq_length, training, starts, rng):
    """Returns the windows at `starts`; in training, shifted at random up to the next start."""
    if training:
        last = len(tokens) - seq_length
        ends = np.where(starts + 2 * seq_length > last, last + 1, starts + seq_length)
        starts = rng.integers(starts, ends)
    return tokens[starts[:, None] + np.arange(seq_length)].astype("int32")
