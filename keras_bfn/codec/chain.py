"""Bits back along the chain of evidence: an example costs what the n-step loss says.

Alice pops s_n, what Bob will know at the end, off the stack of bits, and pushes x as Bob expects it
after s_n. Given s_n, all earlier evidence is a Brownian bridge that knows nothing of x. So she pops
s_(n-1) by it and pushes s_n as Bob expects it after s_(n-1), and so on down to s_0 = 0. Bob goes
up the chain, and gives back the bits that she popped: Bit-Swap (Kingma et al., 2019, arXiv
1905.06845). The bits of one level only are out at a time.

Evidence lies on a lattice. Its spacing cancels in the cost, for what is popped and what is pushed
lie on the same points.
"""

import numpy as np


class Chain:
    """A chain of n messages about variables of one flow.

    Args:
        flow: a `keras_bfn.flows.Flow` of integers.
        num_steps: int, n.
        resolution: float. The spacing of the lattice, in standard deviations of the narrower of the
            two distributions that evidence is coded by.

    Attributes:
        times: float32 array `(n + 1,)`: when the network is asked.
    """

    def __init__(self, flow, num_steps, resolution):
        self.channel = flow.channel()
        self.num_steps = num_steps
        self.times = np.linspace(0, 1, num_steps + 1, dtype="float32")
        # The precision c beta of the evidence, and what each message adds to it.
        self.precision = flow.gain * np.array([float(flow.schedule.beta(t)) for t in self.times])
        self.gained = np.diff(self.precision, prepend=0.0)
        if not np.all(self.gained[1:] > 0):
            raise ValueError(
                "Argument `num_steps` must leave each message some accuracy in float32. "
                f"Received: num_steps={num_steps}"
            )
        # s_i given s_(i+1) is N(kept_i s_(i+1), variance_i), for i < n.
        self.kept = self.precision[:-1] / self.precision[1:]
        variance = self.precision[:-1] * (1.0 - self.kept)
        self.bridge_std = np.sqrt(variance)
        narrower = self.gained.copy()
        narrower[1:-1] = np.minimum(narrower[1:-1], variance[1:])
        self.spacing = resolution * np.sqrt(narrower)

    def push(self, stack, x, look):
        """Pushes examples.

        Args:
            stack: a `Stack`.
            x: int array of data, `(rows, *event_shape)`.
            look: function of evidence in the channel, a float64 array
                `(rows, *event_shape, channel.size)`, and the step i to the log probabilities of the
                output distribution, `(rows, *event_shape, K)`.
        """
        n = self.num_steps
        s = stack.pop_near(*self._sent(x))
        stack.push_classes(x, np.exp(look(s, n)))
        for i in range(n, 0, -1):
            before = stack.pop_near(*self._bridge(i - 1, s)) if i > 1 else np.zeros_like(s)
            log_probs = look(before, i - 1)
            first, posterior = self._posterior(i, log_probs, s - before)
            values = first + stack.pop_classes(posterior)
            stack.push_anywhere(s, *self._received(i, before, values))
            stack.push_classes(values, np.exp(log_probs))
            s = before

    def pop(self, stack, shape, look):
        """Pops the examples, an int64 array of `shape`, that `push` pushed."""
        s = np.zeros((*shape, self.channel.size))
        for i in range(1, self.num_steps + 1):
            before, log_probs = s, look(s, i - 1)
            values = stack.pop_classes(np.exp(log_probs))
            s = stack.pop_anywhere(*self._received(i, before, values))
            first, posterior = self._posterior(i, log_probs, s - before)
            stack.push_classes(values - first, posterior)
            if i > 1:
                stack.push_near(before, *self._bridge(i - 1, s))
        x = stack.pop_classes(np.exp(look(s, self.num_steps)))
        stack.push_near(s, *self._sent(x))
        return x

    def spare_words(self, num_variables):
        """More 32-bit words than are drawn before as many have been pushed."""
        stds = np.append(self.bridge_std[1:], np.sqrt(self.precision[-1])) / self.spacing[1:]
        # log2(std sqrt(2 pi e)) bits for each number; two levels, and the classes that are drawn.
        level = np.log2(np.maximum(5.0 * stds, 2.0)).max() * self.channel.size
        return 64 + int(num_variables * 1.5 * (2.0 * level + 1.0) / 32)

    def _sent(self, x):
        """Mean, standard deviation and spacing of all evidence about x, s_n."""
        precision = self.precision[-1]
        return precision * self.channel.embed(x), np.sqrt(precision), self.spacing[-1]

    def _bridge(self, i, after):
        """The same of s_i, given s_(i+1)."""
        return self.kept[i] * after, self.bridge_std[i], self.spacing[i]

    def _received(self, i, before, values):
        """The same of s_i, given s_(i-1) and what message i is about."""
        mean = before + self.gained[i] * self.channel.embed(values)
        return mean, np.sqrt(self.gained[i]), self.spacing[i]

    def _posterior(self, i, log_probs, gained):
        """What message i was about: the first candidate, and the candidates' probabilities."""
        first, log_likelihoods = self.channel.candidates(gained, self.gained[i])
        num = log_likelihoods.shape[-1]
        if num < log_probs.shape[-1]:
            places = first[..., None] + np.arange(num)
            log_probs = np.take_along_axis(log_probs, places, axis=-1)
        logits = log_probs + log_likelihoods
        weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
        return first, weights / weights.sum(axis=-1, keepdims=True)
