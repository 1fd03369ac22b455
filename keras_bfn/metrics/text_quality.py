"""The quality of text samples, by their words."""

import re
import unicodedata
from collections.abc import Sequence

import numpy as np

from keras_bfn._validation import mismatch
from keras_bfn.datasets.tokenizers import check_text, list_texts


def spelling_rate(texts: Sequence[str], reference_text: str) -> float:
    """Returns the fraction of the samples' words that occur in a reference text.

    Words are runs of letters, with their combining marks, in lower case. The first and the last
    word of each sample are left out, because the ends of the sample may cut them.

    Args:
        texts: list, array or series of strings.
        reference_text: string.

    Returns:
        A float in [0, 1]; NaN if the samples have no whole word.

    Raises:
        ValueError: if an argument is not of this type.

    Example:

    >>> texts = ["e white whale s", "the whote whale"]
    >>> keras_bfn.metrics.spelling_rate(texts, "The White Whale")
    0.6666666666666666
    """
    found = list_texts(texts)
    if found is None:
        raise mismatch("texts", "must be a list of strings", f"a {type(texts).__name__}")
    known = set(_words(check_text(reference_text, "reference_text")))
    spelt = [word in known for text in found for word in _words(text)[1:-1]]
    return float(np.mean(spelt)) if spelt else float("nan")


def _words(text):
    text = unicodedata.normalize("NFC", text.lower())
    kinds = "".join(unicodedata.category(character)[0] for character in text)
    return [text[match.start() : match.end()] for match in re.finditer("L[LM]*", kinds)]
