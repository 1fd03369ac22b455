"""What Bob expects of variables of one flow: by it values are pushed, and what messages are about.

Given a message, what it was about is drawn from the posterior: what Bob expects, times how likely
each value makes the message. A draw from a little beside it is as good, and costs as little more.
"""

import math

import numpy as np

from keras_bfn.codec.stack import PROBABILITY_BITS, SHARE_BITS

LEAST_LOG_PROB = -PROBABILITY_BITS * np.log(2.0)
LEAST_PROB = 2.0**-PROBABILITY_BITS
# Among more candidates a message's bin is found by a cumulative distribution in closed form. Then
# the message does not tell a bin from the next.
MOST_CANDIDATES = 48
# With a standard deviation of at most 10, all is in an end bin long before.
FARTHEST_LOCATION = 1e3


def expectation(channel, told):
    """The `Expectation`, or `Bins`, that a channel and what the receiver was told make.

    Args:
        channel: a `keras_bfn.flows.channels.Line`, or alike.
        told: float array of log probabilities, `(..., K)`; or a dict of a discretised normal
            distribution's `"location"` and `"std"`, `(...)`.
    """
    return Bins(channel, **told) if isinstance(told, dict) else Expectation(channel, told)


class Expectation:
    """Any distribution over K values, told by all its log probabilities, `(..., K)`."""

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
        """Pops what a message may have been about.

        Args:
            stack: a `Stack`.
            gained: float64 array `(..., channel.size)`, the evidence that it brought.
            precision: float, that of the message.
        """
        first, posterior = self._posterior(gained, precision)
        return first + stack.pop_classes(posterior)

    def _posterior(self, gained, precision):
        """The first candidate, and the candidates' probabilities."""
        first, log_likelihoods = self.channel.candidates(gained, precision)
        # The stack knows no smaller probability; and some candidate must have one.
        log_probs = self._log_probs_from(first, log_likelihoods.shape[-1])
        return first, _softmax(np.maximum(log_probs, LEAST_LOG_PROB) + log_likelihoods)

    def _log_probs_from(self, first, num):
        """The log probabilities of `num` values from a first one on."""
        if num == self.log_probs.shape[-1]:
            return self.log_probs
        return np.take_along_axis(self.log_probs, first[..., None] + np.arange(num), axis=-1)


class Bins(Expectation):
    """A normal distribution cut into the K bins of a line, without a number for each bin.

    Args:
        channel: a `keras_bfn.flows.channels.Line`.
        location, std: float arrays `(...)`, with all bins in [-1, 1].
    """

    def __init__(self, channel, location, std):
        self.channel, self.num_bins = channel, len(channel.points)
        # In units of bins: that of number k reaches from k - 1/2 to k + 1/2.
        scale = 0.5 * self.num_bins
        location = np.clip(location.astype("float64"), -FARTHEST_LOCATION, FARTHEST_LOCATION)
        self.mean = scale * (location + 1.0) - 0.5
        self.std = scale * std.astype("float64")

    def push(self, stack, values):
        stack.push_bins(values, self.mean, self.std, self.num_bins)

    def pop(self, stack):
        return stack.pop_bins(self.mean, self.std, self.num_bins)

    def push_posterior(self, stack, values, gained, precision):
        if self._has_few_candidates(precision):
            super().push_posterior(stack, values, gained, precision)
            return
        weights, shares = self._rough_posterior(gained, precision)
        place = np.select([values == 0, values == self.num_bins - 1], [0, 2], 1)
        between = place == 1
        stack.push_shares(values[between] - 1, shares(between))
        stack.push_classes(place, weights)

    def pop_posterior(self, stack, gained, precision):
        if self._has_few_candidates(precision):
            return super().pop_posterior(stack, gained, precision)
        weights, shares = self._rough_posterior(gained, precision)
        place = stack.pop_classes(weights)
        values = np.choose(place, [0, 0, self.num_bins - 1])
        between = place == 1
        values[between] = 1 + stack.pop_shares(
            shares(between), int(between.sum()), self.num_bins - 2
        )
        return values

    def _has_few_candidates(self, precision):
        return self.channel.num_candidates(precision) <= MOST_CANDIDATES

    def _log_probs_from(self, first, num):
        edges = first[..., None] + np.arange(num + 1)
        z = (edges - 0.5 - self.mean[..., None]) / self.std[..., None]
        below = _normal_cdf(z)
        below = np.where(edges == 0, 0.0, np.where(edges == self.num_bins, 1.0, below))
        return np.log(np.maximum(np.diff(below, axis=-1), LEAST_PROB))

    def _rough_posterior(self, gained, precision):
        """For messages that do not tell a bin from the next.

        Between the end bins the posterior then is a normal distribution, cut at both edges.

        Returns:
            The tuple of the probabilities of the first bin, the ones between and the last,
            `(..., 3)`, and the function of a mask to the `shares` of these variables between, as
            `Stack.push_shares` takes them.
        """
        first, step = self.channel.points[0], self.channel.points[1] - self.channel.points[0]
        message = (gained[..., 0] / precision - first) / step
        noise, last = 1.0 / (precision * step**2), self.num_bins - 1
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
    # Over few classes numpy reduces along the first axis several times faster.
    weights = np.ascontiguousarray(np.moveaxis(logits, -1, 0))
    weights = np.exp(weights - weights.max(axis=0))
    return np.moveaxis(weights / weights.sum(axis=0), 0, -1)


# Abramowitz and Stegun, 7.1.28: erfc(x) = 1 / (1 + a1 x + ... + a6 x^6)^16, up to 3e-7, for x >= 0.
_CDF_COEFFICIENTS = (4.30638e-5, 2.765672e-4, 1.520143e-4, 9.2705272e-3, 0.0422820123, 0.0705230784)


def _normal_cdf(z):
    """The standard normal distribution's, up to 2e-7: by what is the same on every machine."""
    x = np.minimum(np.abs(z), 10.0) * math.sqrt(0.5)
    power = np.zeros_like(x)
    for coefficient in _CDF_COEFFICIENTS:
        power += coefficient
        power *= x
    power += 1.0
    for _ in range(4):
        power *= power
    tail = 0.5 / power
    return np.where(z < 0, tail, 1.0 - tail)
