"""The output distributions of one flow's variables, with which data and messages are coded.

The value that a message is about is sampled from the posterior given the message: the output
distribution times each value's likelihood of the message. A slightly different posterior is as
valid, and costs only slightly more.
"""

import copy
import math

import numpy as np

from keras_bfn.codec.stack import PROBABILITY_BITS, SHARE_BITS

LEAST_LOG_PROB = -PROBABILITY_BITS * np.log(2.0)
LEAST_PROB = 2.0**-PROBABILITY_BITS
# With more candidates, the bin of a message is found by a cumulative distribution in closed form.
# Such a message does not distinguish neighbouring bins.
MOST_CANDIDATES = 48
# The maximum squared distance of such a message from its expected value, in units of its variance.
MOST_SURPRISE = 9.0
# With a standard deviation of at most 10, all probability is in an end bin long before this.
FARTHEST_LOCATION = 1e3


def expectation(channel, prediction):
    """Returns the `Expectation`, or the `Bins`, of a channel and a prediction.

    Args:
        channel: a `keras_bfn.flows.channels.Line`, or a similar channel.
        prediction: the prediction: float array of log probabilities, `(..., K)`; or a dict of a
            discretised normal distribution's `"location"` and `"std"`, `(...)`.
    """
    if isinstance(prediction, dict):
        return Bins(channel, **prediction)
    return Expectation(channel, prediction)


class Expectation:
    """Any distribution over K values, given by all its log probabilities, `(..., K)`."""

    def __init__(self, channel, log_probs):
        self.channel, self.log_probs = channel, log_probs

    def push(self, stack, values):
        """Pushes integers 0..K-1."""
        stack.push_classes(values, np.exp(self.log_probs))

    def pop(self, stack):
        """Pops what `push` pushed."""
        return stack.pop_classes(np.exp(self.log_probs))

    def push_posterior(self, stack, values, gained, precision):
        """Pushes what `pop_posterior` popped, given the same message."""
        first, posterior = self._posterior(gained, precision)
        stack.push_classes(values - first, posterior)

    def pop_posterior(self, stack, gained, precision):
        """Pops the values that a message may have been about.

        Args:
            stack: a `Stack`.
            gained: float64 array `(..., channel.size)`, the evidence that the message added.
            precision: float, the precision of the message.
        """
        first, posterior = self._posterior(gained, precision)
        return first + stack.pop_classes(posterior)

    def _posterior(self, gained, precision):
        """Returns the first candidate, and the candidates' probabilities."""
        first, log_likelihoods = self.channel.candidates(gained, precision)
        # The stack has no smaller probability; and some candidate must have a positive one.
        log_probs = self._log_probs_from(first, log_likelihoods.shape[-1])
        return first, _softmax(np.maximum(log_probs, LEAST_LOG_PROB) + log_likelihoods)

    def _log_probs_from(self, first, num):
        """Returns the log probabilities of `num` values from `first` on."""
        return np.take_along_axis(self.log_probs, first[..., None] + np.arange(num), axis=-1)


class Bins(Expectation):
    """A normal distribution discretised into the K bins of a line, without a number for each bin.

    Args:
        channel: a `keras_bfn.flows.channels.Line`.
        location, std: float arrays `(...)`, in units in which the bins cover [-1, 1].
    """

    def __init__(self, channel, location, std):
        self.channel, self.num_bins = channel, len(channel.points)
        # In units of bins: bin k covers k - 1/2 to k + 1/2.
        scale = 0.5 * self.num_bins
        location = np.clip(location.astype("float64"), -FARTHEST_LOCATION, FARTHEST_LOCATION)
        self.mean = scale * (location + 1.0) - 0.5
        self.std = scale * std.astype("float64")

    def push(self, stack, values):
        stack.push_bins(values, self.mean, self.std, self.num_bins)

    def pop(self, stack):
        return stack.pop_bins(self.mean, self.std, self.num_bins)

    def push_posterior(self, stack, values, gained, precision):
        is_rough = self._is_rough(gained, precision)
        for mask, push in ((~is_rough, Expectation.push_posterior), (is_rough, Bins._push_rough)):
            if mask.any():
                push(self._of(mask), stack, values[mask], gained[mask], precision)

    def pop_posterior(self, stack, gained, precision):
        is_rough = self._is_rough(gained, precision)
        values = np.empty(is_rough.shape, "int64")
        for mask, pop in ((is_rough, Bins._pop_rough), (~is_rough, Expectation.pop_posterior)):
            if mask.any():
                values[mask] = pop(self._of(mask), stack, gained[mask], precision)
        return values

    def _of(self, mask):
        """Returns the distributions of the masked variables, in one axis."""
        some = copy.copy(self)
        some.mean, some.std = self.mean[mask], self.std[mask]
        return some

    def _is_rough(self, gained, precision):
        """Returns for which variables a posterior in closed form will do.

        It will not do for a message far from its expected value, which is about a nearly impossible
        value: there it matters that the stack treats no value as impossible. An expected value
        beyond an end bin counts as that bin.
        """
        if self.channel.num_candidates(precision) <= MOST_CANDIDATES:
            return np.zeros(self.mean.shape, bool)
        message, noise = self._message(gained, precision)
        distance = np.square(message - np.clip(self.mean, 0, self.num_bins - 1))
        return distance <= MOST_SURPRISE * (np.square(self.std) + noise)

    def _message(self, gained, precision):
        """Returns a message in units of bins, and the variance of its noise."""
        first, step = self.channel.points[0], self.channel.points[1] - self.channel.points[0]
        return (gained[..., 0] / precision - first) / step, 1.0 / (precision * step**2)

    def _push_rough(self, stack, values, gained, precision):
        weights, shares = self._rough_posterior(gained, precision)
        place = np.select([values == 0, values == self.num_bins - 1], [0, 2], 1)
        between = place == 1
        stack.push_shares(values[between] - 1, shares(between))
        stack.push_classes(place, weights)

    def _pop_rough(self, stack, gained, precision):
        weights, shares = self._rough_posterior(gained, precision)
        place = stack.pop_classes(weights)
        values = np.choose(place, [0, 0, self.num_bins - 1])
        between = place == 1
        num = int(between.sum())
        values[between] = 1 + stack.pop_shares(shares(between), num, self.num_bins - 2)
        return values

    def _log_probs_from(self, first, num):
        edges = first[..., None] + np.arange(num + 1)
        z = (edges - 0.5 - self.mean[..., None]) / self.std[..., None]
        below = _normal_cdf(z)
        below = np.where(edges == 0, 0.0, np.where(edges == self.num_bins, 1.0, below))
        return np.log(np.maximum(np.diff(below, axis=-1), LEAST_PROB))

    def _rough_posterior(self, gained, precision):
        """Returns the posterior for messages that do not distinguish neighbouring bins.

        Between the end bins, it is a normal distribution, truncated at both edges.

        Returns:
            A tuple: the probabilities of the first bin, of those between and of the last,
            `(..., 3)`; and a function from a mask to the `shares` of these variables' values
            between the end bins, as `Stack.push_shares` takes them.
        """
        message, noise = self._message(gained, precision)
        last = self.num_bins - 1
        total = np.square(self.std) + noise
        mean = self.mean + np.square(self.std) / total * (message - self.mean)
        std = self.std * np.sqrt(noise / total)
        start = _normal_cdf((0.5 - mean) / std)
        mass = np.maximum(_normal_cdf((last - 0.5 - mean) / std) - start, LEAST_PROB)
        prior = [
            _normal_cdf((0.5 - self.mean) / self.std),
            mass * np.sqrt(noise / total),
            _normal_cdf((self.mean - last + 0.5) / self.std),
        ]
        distances = [
            np.square(message) / noise,
            np.square(message - self.mean) / total,
            np.square(message - last) / noise,
        ]
        logits = np.log(np.maximum(np.stack(prior, axis=-1), LEAST_PROB))
        logits -= 0.5 * np.stack(distances, axis=-1)

        def shares(mask):
            mean_, std_, start_, mass_ = (values[mask] for values in (mean, std, start, mass))

            def below(k):
                share = (_normal_cdf((k + 0.5 - mean_) / std_) - start_) / mass_
                share = np.where(k < last - 1, np.clip(share, 0.0, 1.0), 1.0)
                return np.rint(share * 2**SHARE_BITS).astype("int64")

            return below

        return _softmax(logits), shares


def _softmax(logits):
    # For few classes, numpy reduces along the first axis several times faster.
    weights = np.ascontiguousarray(np.moveaxis(logits, -1, 0))
    weights = np.exp(weights - weights.max(axis=0))
    return np.moveaxis(weights / weights.sum(axis=0), 0, -1)


# Abramowitz and Stegun, 7.1.28: erfc(x) = 1 / (1 + a1 x + ... + a6 x^6)^16, up to 3e-7, for x >= 0.
_CDF = (4.30638e-5, 2.765672e-4, 1.520143e-4, 9.2705272e-3, 0.0422820123, 0.0705230784, 1.0)


def _normal_cdf(z):
    """Returns the standard normal CDF up to 2e-7, by operations that agree on every machine."""
    x = np.minimum(np.abs(z), 10.0) * math.sqrt(0.5)
    power = np.polyval(_CDF, x)
    for _ in range(4):
        power *= power
    tail = 0.5 / power
    return np.where(z < 0, tail, 1.0 - tail)
