"""Bits-back coding along the chain of evidence: an example costs what the n-step loss says.

The encoder pops s_n, the receiver's final evidence, off the stack of bits, and pushes x by its
probability given s_n. Given s_n, all earlier evidence is a Brownian bridge that does not depend on
x. So the encoder pops s_(n-1) from this bridge and pushes s_n by its receiver distribution given
s_(n-1), and so on down to s_0 = 0. The decoder goes up the chain, and pushes back the bits that the
encoder popped: Bit-Swap (Kingma et al., 2019, arXiv 1905.06845). Between these steps, only the bits
of one level are borrowed.

Evidence lies on a lattice. Its spacing cancels in the cost, because what is popped and what is
pushed lie on the same points.

Each part of the data has a chain of its own, and all chains take their steps together, because the
output distribution of one part depends on the evidence about all.
"""

import numpy as np
from keras import ops

from keras_bfn._parts import list_parts, map_parts, of_any_part
from keras_bfn._validation import refusal
from keras_bfn.codec.expectations import expectation

# The maximum number of lattice points in a standard deviation. The coder gives each point in its
# range a probability of at least 2^-24: at this maximum, that takes 1% of the probability.
MOST_POINTS = 2**14


def push(chains, stack, x, expect):
    """Pushes examples.

    Args:
        chains: a `Chain`, or a dict of the parts' chains, all of one length.
        stack: a `Stack`.
        x: int array of variables, of any shape, or a dict of the parts'.
        expect: function of the evidence in the channel, a float64 array `(*x.shape, channel.size)`
            or a dict of the parts', and of the step i. It returns the prediction: log
            probabilities, `(*x.shape, K)`, or whatever else `expectation` takes, or a dict of the
            parts'.
    """
    n = of_any_part(chains).num_steps
    s = map_parts(lambda chain, x: chain.pop_evidence(stack, n, chain.channel.embed(x)), chains, x)
    for chain, values, prediction in list_parts(chains, x, expect(s, n)):
        expectation(chain.channel, prediction).push(stack, values)
    for i in range(n, 0, -1):
        before = map_parts(lambda chain, s, i=i: chain.pop_evidence(stack, i - 1, s), chains, s)
        for chain, *seen in list_parts(chains, before, s, expect(before, i - 1)):
            chain.push_message(stack, i, *seen)
        s = before


def pop(chains, stack, shape, expect):
    """Pops what `push` pushed: an int64 array of this shape, or a dict of the parts'."""
    # What was pushed last is popped first.
    chains = dict(reversed(chains.items())) if isinstance(chains, dict) else chains
    n = of_any_part(chains).num_steps
    s = map_parts(lambda chain, shape: np.zeros((*shape, chain.channel.size)), chains, shape)
    for i in range(1, n + 1):
        before, expected = s, expect(s, i - 1)
        s = map_parts(
            lambda chain, *seen, i=i: chain.pop_message(stack, i, *seen), chains, before, expected
        )
        for chain, *seen in list_parts(chains, before, s):
            chain.push_evidence(stack, i - 1, *seen)
    prediction = expect(s, n)
    expected = map_parts(lambda chain, one: expectation(chain.channel, one), chains, prediction)
    x = map_parts(lambda one: one.pop(stack), expected)
    for chain, evidence, values in list_parts(chains, s, x):
        chain.push_evidence(stack, n, evidence, chain.channel.embed(values))
    return x


class Chain:
    """A chain of n messages about variables of one flow.

    Args:
        flow: a `keras_bfn.flows.Flow` of integers.
        num_steps: int, n. For 0, see `without_messages`.
        resolution: float. The spacing of the lattice, in standard deviations of the narrower of the
            two distributions with which evidence is coded.

    Attributes:
        times: float32 array `(n + 1,)`: the times at which the network is called.
        drawn_bits: float. About the most bits for each variable that are borrowed at any time.
    """

    def __init__(self, flow, num_steps, resolution):
        self.channel = flow.channel()
        self.num_steps = num_steps
        self.times = np.linspace(0, 1, num_steps + 1, dtype="float32")
        # The precision c beta of the evidence, and what each message adds to it.
        beta = ops.convert_to_numpy(flow.schedule.beta(ops.convert_to_tensor(self.times)))
        self.precision = flow.gain * beta.astype("float64")
        self.gained = np.diff(self.precision, prepend=0.0)
        if not np.all(self.gained[1:] > 0):
            expected = "must be so small that each message has accuracy in float32"
            raise refusal("num_steps", expected, num_steps)
        # s_i given s_(i+1) is N(kept_i s_(i+1), std_i^2), and s_n given x is N(kept_n e(x),
        # std_n^2).
        self.kept = np.append(self.precision[:-1] / self.precision[1:], self.precision[-1])
        variance = self.precision * np.append(1.0 - self.kept[:-1], 1.0)
        self.std = np.sqrt(variance)
        narrower = self.gained.copy()
        narrower[1:-1] = np.minimum(narrower[1:-1], variance[1:-1])
        self.spacing = resolution * np.sqrt(narrower)
        # The standard deviations with which each s_i is popped and pushed, in points of the
        # lattice.
        popped, pushed = (std[1:] / self.spacing[1:] for std in (self.std, np.sqrt(self.gained)))
        if max(popped.max(initial=0), pushed.max(initial=0)) > MOST_POINTS:
            expected = f"that no standard deviation spans more than {MOST_POINTS} lattice points"
            expected = f"Arguments `num_steps` and `resolution` must be such {expected}"
            raise ValueError(f"{expected}. Received: {num_steps=}, {resolution=}")
        self.drawn_bits = self.channel.size * _most_drawn(popped, pushed)

    def initial_words(self, num_variables):
        """Returns more 32-bit words than are popped, with those for the values of messages."""
        return 64 + int(1.5 * num_variables * (self.drawn_bits + 16) / 32)

    def pop_evidence(self, stack, i, given):
        """Pops s_i, given s_(i+1), or for i = n given the embeddings of x."""
        return stack.pop_near(*self._drawn(i, given)) if i else np.zeros_like(given)

    def push_evidence(self, stack, i, evidence, given):
        """Pushes what `pop_evidence` popped."""
        if i:
            stack.push_near(evidence, *self._drawn(i, given))

    def push_message(self, stack, i, before, after, prediction):
        """Pushes s_i, given s_(i-1) and the prediction."""
        expected = expectation(self.channel, prediction)
        values = expected.pop_posterior(stack, after - before, self.gained[i])
        stack.push_anywhere(after, *self._received(i, before, values))
        expected.push(stack, values)

    def pop_message(self, stack, i, before, prediction):
        """Pops what `push_message` pushed."""
        expected = expectation(self.channel, prediction)
        values = expected.pop(stack)
        after = stack.pop_anywhere(*self._received(i, before, values))
        expected.push_posterior(stack, values, after - before, self.gained[i])
        return after

    def _drawn(self, i, given):
        """Returns the mean, standard deviation and spacing with which `pop_evidence` pops s_i."""
        return self.kept[i] * given, self.std[i], self.spacing[i]

    def _received(self, i, before, values):
        """Returns the same for s_i, given s_(i-1) and the values that message i is about."""
        mean = before + self.gained[i] * self.channel.embed(values)
        return mean, np.sqrt(self.gained[i]), self.spacing[i]


def without_messages(flow):
    """Returns the `Chain`, or the parts', that codes values without messages about them."""
    return map_parts(lambda flow: Chain(flow, 0, resolution=1.0), flow)


def _most_drawn(popped, pushed):
    """Returns the most bits borrowed for each number.

    Two levels are popped before the first is pushed, and so on.
    """
    if not len(popped):
        return 0.0
    # A number from a normal distribution takes log2(std sqrt(2 pi e)) bits.
    out, back = (
        np.cumsum(np.log2(np.maximum(4.13 * stds[::-1], 1.0))) for stds in (popped, pushed)
    )
    return (out - np.pad(back, (2, 0))[: len(out)]).max()
