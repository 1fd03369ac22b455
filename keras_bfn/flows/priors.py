"""Priors fitted to data: frequencies of values, alone or after others."""

import base64
import zlib
from typing import Any, Self

import keras
import numpy as np
from keras import ops

from keras_bfn._config import Immutable
from keras_bfn._parts import check_names, map_parts
from keras_bfn._typing import Array, ArrayLike, Parts, Tensor
from keras_bfn._validation import check_bool, check_int, mismatch, refusal, to_numpy
from keras_bfn.flows.flow import FlowT

DISCOUNT = 0.75  # subtracted from each count and given to shorter runs
FIRST_TO_END, END_TO_FIRST = (1, 3, 2, 0), (3, 0, 2, 1)
LARGE = 2**20  # states of a sequence at all its positions: from here on, 8 sequences at a time
AT_A_TIME = 8
LEAST_LIKELIHOOD = 1e-30  # of a class, relative to the likeliest: float32 ends at 1e-38


def fit_prior(
    flow: FlowT, x: Parts[ArrayLike], per_variable: bool = False, order: int = 0
) -> FlowT:
    """Returns the flow with a prior fitted to data.

    The paper's prior is generic: all classes are equally likely, and numbers are N(0, 1). A prior
    closer to the data gives the network what it would otherwise have to learn.

    Args:
        flow: a `keras_bfn.flows.Flow` that takes a `prior`, or a dict of flows.
        x: numpy array of data, of shape `(num, *event_shape)`, or a dict of arrays. Missing values
            (-1, NaN) are not counted.
        per_variable: bool. Whether each variable has its own prior, instead of one for all. It must
            be False for an `order` above 0.
        order: int, for classes in sequences. Above 0, the prior is a `MarkovChain` in which each
            class depends on the `order` classes before it.

    Returns:
        A flow like `flow`, or a dict of flows.

    Raises:
        ValueError: if an argument is out of its range, or the flow takes no prior.

    Example:

    >>> flow = keras_bfn.flows.DiscreteFlow(num_classes=3, beta_1=2.0)
    >>> flow = keras_bfn.flows.fit_prior(flow, np.array([[0, 0], [1, 0], [2, 1]]))
    >>> [round(float(share), 2) for share in flow.prior]
    [0.47, 0.33, 0.2]
    """
    check_names(flow, x)
    check_bool("per_variable", per_variable)
    check_int("order", order, 0)

    def fit_part(flow, x):
        if not hasattr(flow, "find_prior"):
            raise refusal("flow", "must be a flow that takes a `prior`", flow)
        x, (low, high) = to_numpy(x, "x"), flow.data_range
        missing = x == -1 if flow.discrete else x != x
        filler = low if flow.discrete else np.clip(0.0, low, high)
        x = x.astype("float32") if x.dtype == "float16" else x  # which may lack the filler
        filled = np.where(missing, filler, x).astype(x.dtype)
        flow.check_data(filled)
        if np.all(missing, axis=0 if per_variable else None).any():
            expected = "must contain observed values, for each variable if per_variable=True"
            raise refusal("x", expected, x)
        prior = flow.find_prior(filled, ~missing, per_variable, order)
        config = {**flow.get_config(), "prior": keras.saving.serialize_keras_object(prior)}
        return type(flow).from_config(config)

    return map_parts(fit_part, flow, x)


def check_prior_shape(shape, event_shape):
    """Raises a `ValueError` unless a prior per variable has an example's last axes."""
    if shape and tuple(shape) != tuple(event_shape)[-len(shape) :]:
        expected = f"must be {tuple(shape)}, like the flow's `prior` per variable"
        raise mismatch("event_shape", expected, f"{tuple(event_shape)}")


@keras.saving.register_keras_serializable("keras_bfn")
class MarkovChain(Immutable):
    """A prior for sequences: each class depends on those just before it, at every position alike.

    As a flow's `prior`, it makes the input distribution of each variable the exact posterior given
    the evidence about *all* variables, if the data are such a chain. A network then has to learn
    only what the chain does not capture. The evidence, the messages and their cost are the same.

    The first classes of a sequence have the frequencies of the whole data, as in windows cut out of
    a longer sequence, even if all sequences begin alike.

    Time grows as `num_classes ** (order + 1)` for each variable, and memory as `num_classes **
    order`: with 27 letters and order 3, a million multiplications and 80 kB. If a sequence takes
    more than 4 MB, a batch is computed in parts of 8 sequences.

    Args:
        counts: integer array of shape `(num_classes,) * (order + 1)`: how often each class follows
            each run of `order` classes. Probabilities of rare runs are estimated from shorter ones
            (Kneser-Ney smoothing), so that nothing is impossible.
        starts: integer array of shape `(num_classes,) * order`: how often each run of `order`
            classes begins a sequence. None for windows cut out of one text, where that hardly
            matters.

    Attributes:
        num_classes: int. The number of classes.
        order: int, at least 1. The number of preceding classes that a class depends on.

    Raises:
        ValueError: if `counts` has another shape, or does not hold integers of at least 0.

    Example:

    >>> chain = keras_bfn.flows.MarkovChain.fit(np.array([[0, 1, 2, 0, 1, 2, 0, 1]]), 3, order=1)
    >>> flow = keras_bfn.flows.DiscreteFlow(num_classes=3, beta_1=2.0, prior=chain)

    Reference: the sum-product (forward-backward) algorithm, section 13.2 of Bishop, "Pattern
    Recognition and Machine Learning"; the estimate: Kneser and Ney, 1995, interpolated as in
    [Chen and Goodman, 1999](https://doi.org/10.1006/csla.1999.0128).
    """

    def __init__(self, counts: ArrayLike, starts: ArrayLike | None = None) -> None:
        counts = to_numpy(counts, "counts")
        if counts.ndim < 2 or len(set(counts.shape)) > 1 or len(counts) < 2 or not _count(counts):
            form = "(num_classes,) * (order + 1), with 2 or more classes and an order of at least 1"
            expected = f"must contain integers of at least 0 and have shape {form}"
            raise mismatch("counts", expected, f"shape {counts.shape}, dtype {counts.dtype}")
        if starts is not None:
            starts = to_numpy(starts, "starts")
            if starts.shape != counts.shape[1:] or not _count(starts):
                expected = f"must contain integers of at least 0 and have shape {counts.shape[1:]}"
                raise mismatch("starts", expected, f"shape {starts.shape}, dtype {starts.dtype}")
            starts = starts.astype("int64")
        self.counts, self.starts = counts.astype("int64"), starts
        self.num_classes, self.order = len(counts), counts.ndim - 1
        conditionals = [self.probabilities(n) for n in range(counts.ndim)]
        start = np.ones(())
        for conditional in conditionals[:-1]:
            start = start[..., None] * conditional
        k = self.num_classes
        self._start = start.reshape(-1).astype("float32")
        # (the preceding classes but the first, the first, the class itself)
        follow = conditionals[-1].reshape(k, -1, k).swapaxes(0, 1).astype("float32")
        self._follow = np.ascontiguousarray(follow)
        self._precede = np.ascontiguousarray(follow.swapaxes(1, 2))

    @classmethod
    def fit(cls, x: ArrayLike, num_classes: int, order: int) -> Self:
        """Returns the chain with the counts of the sequences `x`, an array `(num, length)`.

        Runs with missing values (-1) are not counted; after these, a sequence begins anew.

        Raises:
            ValueError: if an argument is out of its range, or the sequences are too short.
        """
        check_int("num_classes", num_classes, 2)
        check_int("order", order, 1)
        x = to_numpy(x, "x")
        there = np.not_equal(x, -1)
        x = _check_sequences(np.where(there, x, 0), num_classes, order + 1)

        def count(length, chosen):
            """Counts runs of this length that begin at chosen places."""
            num_runs = x.shape[1] - length + 1
            runs, chosen = np.zeros((len(x), num_runs), "int64"), chosen[:, :num_runs]
            for i in range(length):
                places = np.s_[:, i : i + num_runs]
                runs, chosen = num_classes * runs + x[places], chosen & there[places]
            counts = np.bincount(runs[chosen], minlength=num_classes**length)
            return counts.reshape((num_classes,) * length)

        begins = ~np.pad(there, ((0, 0), (1, 0)))[:, :-1]
        return cls(count(order + 1, there), count(order, begins))

    def probabilities(self, num_before: int) -> Array:
        """Returns the probability of each class after `num_before` others, at most `order`.

        Returns:
            A float64 array of shape `(num_classes,) * (num_before + 1)`, all of it positive.

        Raises:
            ValueError: if `num_before` is out of its range.
        """
        check_int("num_before", num_before, 0, self.order)
        shares = np.full(self.num_classes, 1.0 / self.num_classes)
        for n in range(num_before + 1):
            if n == num_before:
                counts = self._counts_after(n)
            else:  # the number of different classes before each run of n + 1
                counts = np.count_nonzero(self._counts_after(n + 1), axis=0)
            total = counts.sum(axis=-1, keepdims=True)
            taken = np.minimum(counts, DISCOUNT)
            left = taken.sum(axis=-1, keepdims=True)
            found = (counts - taken + left * shares) / np.maximum(total, 1)
            shares = np.where(total > 0, found, shares)
        return shares

    def _counts_after(self, num_before):
        """Returns how often each class follows each run of this many classes."""
        found = self.counts.sum(axis=tuple(range(self.order - num_before)))
        if self.starts is not None:  # runs that end before the first whole run does
            for end in range(num_before, self.order):
                others = {*range(self.order)} - {*range(end - num_before, end + 1)}
                found = found + self.starts.sum(axis=tuple(others))
        return found

    def log_prob(self, x: ArrayLike) -> Array:
        """Returns log probabilities of sequences `(num, length)` in nats, a float64 array `(num,)`.

        Raises:
            ValueError: if `x` does not hold such sequences of classes.
        """
        x, total = _check_sequences(x, self.num_classes, 1), 0.0
        logs = [np.log(self.probabilities(n)) for n in range(self.order + 1)]
        for i in range(x.shape[1]):
            n = min(i, self.order)
            total = total + logs[n][tuple(x[:, i - n : i + 1].T)]
        return total  # type: ignore[return-value]

    def marginals(self, s: Tensor) -> Tensor:
        """Returns p(x_i | s) for each variable, given the evidence about all.

        Args:
            s: evidence about one-hot embeddings, of shape `(batch, length, num_classes)`.

        Returns:
            Probabilities, a float32 tensor shaped as `s`.
        """
        s = ops.convert_to_tensor(s)
        num, length, k = s.shape
        if length * k**self.order <= LARGE or (num is not None and num <= AT_A_TIME):
            return self._marginals(s)
        num = ops.shape(s)[0]
        padded = ops.pad(s, ((0, -num % AT_A_TIME), (0, 0), (0, 0)))
        found = ops.map(self._marginals, ops.reshape(padded, (-1, AT_A_TIME, length, k)))
        return ops.reshape(found, (-1, length, k))[:num]

    def _marginals(self, s):
        k, order = self.num_classes, self.order
        likelihoods = ops.exp(s - ops.max(s, axis=-1, keepdims=True))
        likelihoods = ops.moveaxis(ops.maximum(likelihoods, LEAST_LIKELIHOOD), 1, 0)
        follow, precede = map(ops.convert_to_tensor, (self._follow, self._precede))
        # A state is the last `order` classes. Its probabilities have the shape (K^(order - 1),
        # batch, K): the classes but the last, and the last. `turn` swaps the roles: the classes but
        # the first, and the first.
        state = ops.convert_to_tensor(self._start.reshape(1, -1))
        for i in range(order):
            state = ops.reshape(state, (-1, k**i, k, k ** (order - 1 - i)))
            state = state * likelihoods[i][:, None, :, None]
        state = ops.transpose(ops.reshape(state, (-1, k ** (order - 1), k)), (1, 0, 2))

        def turn(x, axes):
            if order == 1:
                return x
            form = (k, -1, k) if axes == FIRST_TO_END else (-1, k, k)
            x = ops.reshape(x, (*form[:2], ops.shape(x)[1], k))
            # Through two axes, so that the result is contiguous, which makes products faster.
            x = ops.reshape(ops.transpose(x, axes), (k ** (order - 1), -1))
            return ops.reshape(x, (k ** (order - 1), -1, k))

        def forward(state, likelihood):
            state = ops.matmul(turn(state, FIRST_TO_END), follow) * likelihood
            state = state / ops.sum(state, axis=(0, 2), keepdims=True)
            return state, state

        def backward(carry, after):
            """Weighs a state, and returns the message from its likelihood and all after it."""
            message, _ = carry
            likelihood, reached = after
            weights = ops.sum(reached * message, axis=0)
            message = ops.matmul(message * likelihood, precede)
            message = turn(message / ops.sum(message, axis=(0, 2), keepdims=True), END_TO_FIRST)
            # Each output has the shape of its carry: see the table in `_keras.py`. JAX does not
            # compute those that nobody reads.
            return (message, weights), (message, weights)

        message, found = ops.ones_like(state), []
        if s.shape[1] > order:
            after = likelihoods[order:]
            reached = ops.scan(forward, state, after)[1]
            begin = message, ops.ones_like(after[0])
            (message, _), (_, weights) = ops.scan(backward, begin, (after, reached), reverse=True)
            found = [weights / ops.sum(weights, axis=-1, keepdims=True)]
        first = ops.transpose(state * message, (1, 0, 2))
        first = ops.reshape(first, (-1, *(k,) * order))
        for i in range(order - 1, -1, -1):
            axes = [axis for axis in range(1, order + 1) if axis != i + 1]
            share = ops.sum(first, axis=axes)
            found.insert(0, (share / ops.sum(share, axis=-1, keepdims=True))[None])
        return ops.moveaxis(ops.concatenate(found, axis=0), 0, 1)

    def get_config(self) -> dict[str, Any]:
        arrays = {"counts": self.counts, "starts": self.starts}
        packed = {name: _pack(x) for name, x in arrays.items() if x is not None}
        return {**packed, "num_classes": self.num_classes, "order": self.order}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        k, order = config["num_classes"], config["order"]
        counts = _unpack(config["counts"]).reshape((k,) * (order + 1))
        starts = _unpack(config["starts"]).reshape((k,) * order) if "starts" in config else None
        return cls(counts, starts)

    def __repr__(self) -> str:
        return f"MarkovChain(num_classes={self.num_classes}, order={self.order})"


def _count(x):
    """Whether an array contains integers of at least 0."""
    return np.issubdtype(x.dtype, np.integer) and x.size and x.min() >= 0


def _pack(x):
    return base64.b64encode(zlib.compress(x.astype("<i8").tobytes(), 9)).decode("ascii")


def _unpack(text):
    return np.frombuffer(zlib.decompress(base64.b64decode(text)), "<i8")


def _check_sequences(x, num_classes, least_length):
    """Returns sequences of classes as int64, or raises a `ValueError`."""
    x = to_numpy(x)
    is_long = x.ndim == 2 and len(x) and x.shape[1] >= least_length
    if not is_long or not np.issubdtype(x.dtype, np.integer):
        sizes = f"num at least 1 and length at least {least_length}"
        expected = f"must contain integers and have shape (num, length), with {sizes}"
        raise mismatch("x", expected, f"shape {x.shape}, dtype {x.dtype}")
    if x.min() < 0 or x.max() >= num_classes:
        expected = f"must lie in [0, {num_classes - 1}]"
        raise mismatch("x", expected, f"values from {x.min()} to {x.max()}")
    return x.astype("int64")
