"""The quality of text samples: by their words, and by an n-gram model of real text."""

import re
import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from keras_bfn._typing import Array, ArrayLike
from keras_bfn._validation import check_int, mismatch
from keras_bfn.datasets.tokenizers import check_text, check_tokens, list_texts
from keras_bfn.flows.priors import DISCOUNT

MOST_PROBABILITIES = 2**27  # a gigabyte


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


class _Table(NamedTuple):
    """Counts of n-grams. Each array ends with a 0: index -1 stands for what was never seen.

    Attributes:
        counts: the count of each n-gram, in the order of their numbers.
        totals, types: for each context, the sum of its n-grams' counts, and how many are not 0.
    """

    counts: np.ndarray
    totals: np.ndarray
    types: np.ndarray


class NgramModel:
    """The probability of each token given the tokens before it, estimated from a text.

    Smoothing follows Kneser and Ney: each count is discounted by 0.75, and the probability that
    this frees is distributed in proportion to the probabilities given one token less. In these
    lower orders, the count of an n-gram is not how often it occurs, but after how many different
    tokens; given no token, the freed probability is distributed evenly over all classes. The first
    tokens of a text, which follow fewer than `order` others, have the probabilities given those;
    that of the first depends on how often tokens occur. After tokens that were never seen, the
    probabilities are those given one token less.

    Args:
        tokens: the text, an integer array of shape `(length,)`, or `(num, length)` for texts that
            do not follow each other.
        num_classes: int, at least 2. The tokens are `0..num_classes - 1`.
        order: int, at least 0. The maximum number of preceding tokens that a probability depends
            on.

    Raises:
        ValueError: if `tokens` does not hold tokens, or an argument is out of range.

    Example:

    >>> letters = keras_bfn.datasets.Letters()
    >>> tokens = letters.encode("the whale the whale the whale")
    >>> model = keras_bfn.metrics.NgramModel(tokens, letters.num_classes, order=2)
    >>> model.perplexity(letters.encode("the whale")) < 4 < model.perplexity(tokens[::-1])
    True
    >>> model.probabilities(1).shape
    (27, 27)

    Reference: Kneser and Ney, 1995, interpolated as in
    [Chen and Goodman, 1999](https://doi.org/10.1006/csla.1999.0128).
    """

    def __init__(self, tokens: ArrayLike, num_classes: int, order: int = 4) -> None:
        self.num_classes = check_int("num_classes", num_classes, 2)
        self.order = check_int("order", order, 0)
        tokens = self._check_tokens("tokens", tokens)
        # Indexed by the number of tokens before the last. `keys` holds the numbers of the n-grams
        # seen (the number of the n-gram without its last token, times num_classes, plus the last
        # token), and `tables` their counts.
        self.keys, self.tables, self.shorter_tables = [], [], []
        contexts, shorter_ids = np.zeros_like(tokens), None
        for size in range(self.order + 1):
            keys = contexts * self.num_classes + tokens[:, size:]
            seen, ids, counts = np.unique(keys.ravel(), return_inverse=True, return_counts=True)
            self.keys.append(seen)
            self.tables.append(self._table(size, counts))
            if size:  # for each n-gram, after how many different tokens it occurs
                ends = np.zeros(len(seen), "int64")
                ends[ids] = shorter_ids[:, 1:].ravel()  # type: ignore[index]
                continuations = np.bincount(ends, minlength=len(self.keys[size - 1]))
                self.shorter_tables.append(self._table(size - 1, continuations))
            shorter_ids = ids.reshape(keys.shape)
            contexts = shorter_ids[:, :-1]

    def _num_contexts(self, size):
        return len(self.keys[size - 1]) if size else 1

    def _table(self, size, counts):
        contexts = self.keys[size] // self.num_classes
        totals, types = (
            np.bincount(contexts, weights, self._num_contexts(size))
            for weights in (counts, counts > 0)
        )
        return _Table(*(np.append(values, 0.0) for values in (counts, totals, types)))

    def interpolate(
        self, size: int, counts: Array, totals: Array, types: Array, shorter: Array
    ) -> Array:
        """Returns the probabilities of tokens after `size` others; a subclass may smooth otherwise.

        Args:
            size: int.
            counts: array of how often each token followed those `size`.
            totals, types: the sum of these counts over all tokens, and how many are not 0; shaped
                as `counts`, or so that they broadcast.
            shorter: shaped as `counts`, the tokens' probabilities given one token less.

        Returns:
            An array shaped as `counts`.
        """
        mixed = np.maximum(counts - DISCOUNT, 0.0) + DISCOUNT * types * shorter
        return np.where(totals > 0, mixed / np.maximum(totals, 1.0), shorter)

    def bits_per_token(self, tokens: ArrayLike, order: int | None = None) -> float:
        """Returns the mean of -log2 P(token | the tokens before it).

        Args:
            tokens: integer array of shape `(length,)`, or `(num, length)`; the first of each row
                has no tokens before it.
            order: int, or None for the model's own. The maximum number of preceding tokens to use.

        Returns:
            A float.

        Raises:
            ValueError: if `tokens` does not hold tokens, or `order` is more than the model's.
        """
        order = self.order if order is None else check_int("order", order, 0, self.order)
        tokens = self._check_tokens("tokens", tokens)
        probabilities = np.full(tokens.shape, 1.0 / self.num_classes)
        shorter, contexts = probabilities.copy(), np.zeros_like(tokens)
        for size in range(order + 1):
            ids = _find(self.keys[size], contexts * self.num_classes + tokens[:, size:])
            places = (ids, contexts, shorter[:, size:])
            probabilities[:, size:] = self._estimate(size, self.tables[size], *places)
            if size < order:
                shorter[:, size:] = self._estimate(size, self.shorter_tables[size], *places)
            contexts = ids[:, :-1]
        return float(-np.log2(probabilities).mean())

    def _estimate(self, size, table, ids, contexts, shorter):
        seen = table.counts[ids], table.totals[contexts], table.types[contexts]
        return self.interpolate(size, *seen, shorter)

    def perplexity(self, samples: ArrayLike) -> float:
        """Returns 2 to the power of `bits_per_token`: for samples, their generative perplexity.

        The lower it is, the more the samples resemble the counted text, n tokens at a time. A
        sample that repeats a frequent word has a lower perplexity than real text, so compare it
        with that of real text.

        Args:
            samples: as `tokens` of `bits_per_token`.

        Returns:
            A float, at least 1.
        """
        return 2.0 ** self.bits_per_token(samples)

    def probabilities(self, size: int) -> Array:
        """Returns P(token | the `size` tokens before it), for all tokens and all tokens before.

        Args:
            size: int, at most the model's order.

        Returns:
            A float64 array of shape `(num_classes,) * (size + 1)`, the token last. All are above 0,
            and sum to 1 over the last axis.

        Raises:
            ValueError: if `size` is out of range, or there would be more than 2^27 probabilities.
        """
        size = check_int("size", size, 0, self.order)
        num_classes = self.num_classes
        if num_classes ** (size + 1) > MOST_PROBABILITIES:
            came = f"size={size}, which results in {num_classes}^{size + 1}"
            expected = f"must result in at most {MOST_PROBABILITIES} probabilities"
            raise mismatch("size", expected, came)
        places = np.zeros(1, "int64")  # the index of each n-gram seen, among all n-grams
        probabilities = np.full((1, num_classes), 1.0 / num_classes)
        for n in range(size + 1):
            contexts, last = np.divmod(self.keys[n], num_classes)
            places = places[contexts] * num_classes + last
            counts = np.zeros(num_classes ** (n + 1))
            counts[places] = (self.tables if n == size else self.shorter_tables)[n].counts[:-1]
            counts = counts.reshape(-1, num_classes)
            totals, types = (x.sum(axis=1, keepdims=True) for x in (counts, counts > 0))
            shorter = np.tile(probabilities, (num_classes if n else 1, 1))
            probabilities = self.interpolate(n, counts, totals, types, shorter)
        return probabilities.reshape((num_classes,) * (size + 1))

    def _check_tokens(self, name, tokens):
        """Returns the tokens as int64, of shape `(num, length)`."""
        tokens = check_tokens(name, tokens, self.num_classes)
        if not tokens.size:
            raise mismatch(name, "must have tokens", f"shape {tokens.shape}")
        return np.atleast_2d(tokens).astype("int64")


def _find(seen, keys):
    """Returns the index of each key among those seen; -1 where it was not."""
    if not len(seen):
        return np.full(keys.shape, -1)
    places = np.minimum(np.searchsorted(seen, keys), len(seen) - 1)
    return np.where(seen[places] == keys, places, -1)
