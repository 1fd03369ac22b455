"""N-gram models of texts, with which text models are compared."""

from typing import NamedTuple

import numpy as np

from keras_bfn.flows.priors import DISCOUNT


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
        num_classes: int. The tokens are `0..num_classes - 1`.
        order: int. The maximum number of preceding tokens that a probability depends
            on.

    Example:

    >>> letters = datasets.Letters()
    >>> tokens = letters.encode("the whale the whale the whale")
    >>> model = NgramModel(tokens, letters.num_classes, order=2)
    >>> model.perplexity(letters.encode("the whale")) < 4 < model.perplexity(tokens[::-1])
    True
    >>> model.probabilities(1).shape
    (27, 27)

    Reference: Kneser and Ney, 1995, interpolated as in
    [Chen and Goodman, 1999](https://doi.org/10.1006/csla.1999.0128).
    """

    def __init__(self, tokens, num_classes, order=4):
        self.num_classes, self.order = num_classes, order
        tokens = _to_rows(tokens)
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

    def bits_per_token(self, tokens, order=None):
        """Returns the mean of -log2 P(token | the tokens before it).

        Args:
            tokens: integer array of shape `(length,)`, or `(num, length)`; the first of each row
                has no tokens before it.
            order: int, or None for the model's own. The maximum number of preceding tokens to use.

        Returns:
            A float.
        """
        order = self.order if order is None else order
        tokens = _to_rows(tokens)
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

    def probabilities(self, size):
        """Returns P(token | the `size` tokens before it), for all tokens and all tokens before.

        Args:
            size: int, at most the model's order.

        Returns:
            A float64 array of shape `(num_classes,) * (size + 1)`, the token last. All are above 0,
            and sum to 1 over the last axis.
        """
        num_classes = self.num_classes
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


def _to_rows(tokens):
    """Returns the tokens as int64, of shape `(num, length)`."""
    return np.atleast_2d(np.asarray(tokens)).astype("int64")


def _find(seen, keys):
    """Returns the index of each key among those seen; -1 where it was not."""
    if not len(seen):
        return np.full(keys.shape, -1)
    places = np.minimum(np.searchsorted(seen, keys), len(seen) - 1)
    return np.where(seen[places] == keys, places, -1)
