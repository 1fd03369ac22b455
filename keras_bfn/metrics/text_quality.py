"""What samples of text are worth: by their words, and by an n-gram model of real text."""

import re
from typing import NamedTuple

import numpy as np

from keras_bfn._validation import check_int
from keras_bfn.datasets.tokenizers import check_text, check_tokens
from keras_bfn.flows.priors import DISCOUNT

MOST_PROBABILITIES = 2**27  # a gigabyte
NUMBERS_PER_TOKEN = 8  # up to so many, numbers are told apart by counting, else by sorting


def spelling_rate(texts, reference_text):
    """The share of the words of samples that are words of a reference text.

    Words are letters without a gap, in lower case. The first and the last of each sample, which its
    ends may cut, are left out.

    Args:
        texts: list of strings.
        reference_text: string.

    Returns:
        A float in [0, 1]; NaN if the samples have no whole word.

    Raises:
        ValueError: if the arguments are no such strings.

    Example:

    >>> texts = ["e white whale s", "the whote whale"]
    >>> keras_bfn.metrics.spelling_rate(texts, "The White Whale")
    0.6666666666666666
    """
    if not isinstance(texts, (list, tuple)) or not all(isinstance(text, str) for text in texts):
        raise ValueError(
            f"Argument `texts` must be a list of strings. Received: a {type(texts).__name__}"
        )
    known = set(_words(check_text(reference_text, "reference_text")))
    spelt = [word in known for text in texts for word in _words(text)[1:-1]]
    return float(np.mean(spelt)) if spelt else float("nan")


def _words(text):
    return re.findall(r"[^\W\d_]+", text.lower())


class _Table(NamedTuple):
    """Counts of n-grams. Each array ends with a 0: at index -1 is what was never seen.

    Attributes:
        counts: of each n-gram, in the order of their numbers.
        totals, types: for each context, the sum of its n-grams' counts, and how many are not 0.
    """

    counts: np.ndarray
    totals: np.ndarray
    types: np.ndarray


class NgramModel:
    """The probability of each token given those before it, counted in a text.

    Smoothed after Kneser and Ney: each count is discounted by 0.75, and what that leaves is divided
    in proportion to the probabilities given one token less. As a part of others, these count not
    how often an n-gram occurs, but after how many different tokens; given no token, what is left is
    divided evenly among all classes. The first tokens of a text, which follow fewer than `order`
    others, have the probabilities given so many; that of the very first is by how often tokens
    occur. After tokens that were never seen, the probabilities are those given one token less.

    Args:
        tokens: the text, an integer array of shape `(length,)`, or `(num, length)` for texts that
            do not follow each other.
        num_classes: int, at least 2. The tokens are `0..num_classes - 1`.
        order: int, at least 0. The most tokens before one that its probability depends on.

    Raises:
        ValueError: if the tokens are none, or an argument is out of its range.

    Example:

    >>> letters = keras_bfn.datasets.Letters()
    >>> tokens = letters.encode("the whale the whale the whale")
    >>> model = keras_bfn.metrics.NgramModel(tokens, letters.num_classes, order=2)
    >>> model.perplexity(letters.encode("the whale")) < 4 < model.perplexity(tokens[::-1])
    True
    >>> model.probabilities(1).shape
    (27, 27)

    Reference: Kneser and Ney, 1995, interpolated as by
    [Chen and Goodman, 1999](https://doi.org/10.1006/csla.1999.0128).
    """

    def __init__(self, tokens, num_classes, order=4):
        self.num_classes = check_int("num_classes", num_classes, 2)
        self.order = check_int("order", order, 0)
        tokens = self._check_tokens("tokens", tokens)
        # By number of tokens before the last: the numbers of the n-grams seen (that of the n-gram
        # without its last token, times num_classes, plus the last token), and their counts.
        self.keys, self.tables, self.shorter_tables = [], [], []
        contexts, shorter_ids = np.zeros_like(tokens), None
        for size in range(self.order + 1):
            keys = contexts * self.num_classes + tokens[:, size:]
            seen, ids, counts = _number(keys.ravel(), self._num_contexts(size) * self.num_classes)
            self.keys.append(seen)
            self.tables.append(self._table(size, counts))
            if size:  # for each n-gram without its first token, how many different ones there were
                ends = np.zeros(len(seen), "int64")
                ends[ids] = shorter_ids[:, 1:].ravel()
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

    def interpolate(self, size, counts, totals, types, shorter):
        """The probabilities of tokens after `size` others: what a subclass may smooth otherwise.

        Args:
            size: int.
            counts: array of how often each token came after those `size`.
            totals, types: the sum of these counts over all tokens, and how many are not 0; shaped
                as `counts`, or so that they broadcast.
            shorter: shaped as `counts`, the tokens' probabilities after one token less.

        Returns:
            An array shaped as `counts`.
        """
        mixed = np.maximum(counts - DISCOUNT, 0.0) + DISCOUNT * types * shorter
        return np.where(totals > 0, mixed / np.maximum(totals, 1.0), shorter)

    def bits_per_token(self, tokens, order=None):
        """The mean of -log2 P(token | those before it).

        Args:
            tokens: integer array of shape `(length,)`, or `(num, length)`; nothing is known before
                the first of each row.
            order: int, or None for the model's own. The most tokens before one that count.

        Returns:
            A float.

        Raises:
            ValueError: if it does not hold tokens, or `order` is more than the model's.
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

    def perplexity(self, samples):
        """2 to the power of `bits_per_token`: of samples, their generative perplexity.

        The lower, the more they look like the text that was counted, n tokens at a time; a sample
        that repeats a frequent word is lower than real text. Compare it with that of real text.

        Args:
            samples: as the tokens of `bits_per_token`.

        Returns:
            A float, at least 1.
        """
        return 2.0 ** self.bits_per_token(samples)

    def probabilities(self, size):
        """P(token | the `size` tokens before it), of all tokens after all others.

        Args:
            size: int, at most the model's order.

        Returns:
            A float64 array of shape `(num_classes,) * (size + 1)`, the token last. All are above 0,
            and sum to 1 over the last axis.

        Raises:
            ValueError: if `size` is out of its range, or these are more than 2^27 numbers.
        """
        size = check_int("size", size, 0, self.order)
        num_classes = self.num_classes
        if num_classes ** (size + 1) > MOST_PROBABILITIES:
            raise ValueError(
                f"Argument `size` must leave at most {MOST_PROBABILITIES} probabilities. "
                f"Received: size={size}, for {num_classes}^{size + 1} of them"
            )
        places = np.zeros(1, "int64")  # of the n-grams seen, among all
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
        """The tokens as int64, of shape `(num, length)`."""
        tokens = check_tokens(name, tokens, self.num_classes)
        if not tokens.size:
            raise ValueError(f"Argument `{name}` must hold a token. Received: shape {tokens.shape}")
        return np.atleast_2d(tokens).astype("int64")


def _number(keys, limit):
    """The distinct keys in order, the place of each key among them, and how often each occurs.

    Args:
        keys: int64 array of shape `(num,)`.
        limit: int. All keys are below.
    """
    if limit > NUMBERS_PER_TOKEN * len(keys):
        return np.unique(keys, return_inverse=True, return_counts=True)
    counts = np.bincount(keys, minlength=limit)
    seen = np.flatnonzero(counts)
    return seen, (np.cumsum(counts > 0) - 1)[keys], counts[seen]


def _find(seen, keys):
    """The place of each key among those seen; -1 where it is not."""
    if not len(seen):
        return np.full(keys.shape, -1)
    places = np.minimum(np.searchsorted(seen, keys), len(seen) - 1)
    return np.where(seen[places] == keys, places, -1)
