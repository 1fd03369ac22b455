"""The stack of bits: symbols are pushed onto it and popped off it, by their probabilities."""

import math

import numpy as np

from keras_bfn._imports import tell_to_install
from keras_bfn.codec.errors import CodecError

# A popped normal number lies at most so many standard deviations from its mean; the probability
# beyond is 1e-7, about that of the likeliest number that constriction would make up there.
TAIL = 5.3
# Further away, a pushed number is sent as a count from there on.
LONGEST_WAY = 2**20
PROBABILITY_BITS = 24  # of constriction


class Exhausted(CodecError):
    """The stack has no bits left to pop."""


class Stack:
    """A stack of bits on `constriction`'s coder for asymmetric numeral systems.

    Pushing a symbol of probability p adds -log2(p) bits, and popping it takes them off again. What
    is popped off bits that nothing is known of is a draw from the distribution that it is popped
    by.

    Args:
        words: uint32 array, the bits at the start. The one on top, which comes last, is not zero.

    Raises:
        CodecError: if the word on top is zero; by methods, if there is nothing left to pop, or what
            is pushed could not have been popped.
    """

    def __init__(self, words):
        with tell_to_install('The codec needs constriction: pip install "keras-bfn[codec]"'):
            import constriction
        if len(words) and words[-1] == 0:
            raise CodecError("the word on top of the stack is zero")
        self._models = constriction.stream.model
        self._coder = constriction.stream.stack.AnsCoder(np.asarray(words, "uint32"))
        self.fewest_words = self._coder.num_words()

    def words(self):
        """All bits on the stack, a uint32 array."""
        return self._coder.get_compressed()

    def num_bits(self):
        """How many bits are on the stack."""
        return self._coder.num_valid_bits()

    def push_classes(self, values, probs):
        """Pushes integers 0..K-1.

        Args:
            values: int array of any shape.
            probs: float array of that shape and one more axis, K.
        """
        family = self._models.Categorical(perfect=False)
        self._push(values, family, _counts(probs))

    def pop_classes(self, probs):
        """Pops what `push_classes` pushed: an int64 array."""
        family = self._models.Categorical(perfect=False)
        return self._pop(probs.shape[:-1], family, _counts(probs))

    def push_near(self, values, mean, std, spacing):
        """Pushes numbers that `pop_near` popped.

        Args:
            values: float64 array of multiples of `spacing`.
            mean: float64 array of the same shape, of the normal distribution.
            std: float, its standard deviation.
            spacing: float, the distance of the points that numbers can be.
        """
        middle, bound, family, parameters = self._normal(mean, std, spacing)
        offset = np.rint(values / spacing) - middle
        # One beyond is as impossible as any further.
        self._push(np.clip(offset, -bound - 1, bound + 1), family, *parameters)

    def pop_near(self, mean, std, spacing):
        """Pops multiples of `spacing` by a normal distribution that ends at `TAIL`."""
        middle, _, family, parameters = self._normal(mean, std, spacing)
        return (middle + self._pop(mean.shape, family, *parameters)) * spacing

    def push_anywhere(self, values, mean, std, spacing):
        """As `push_near`, numbers that may lie far off."""
        middle, bound, family, parameters = self._normal(mean, std, spacing)
        offset = np.rint(values / spacing) - middle
        end = np.clip(offset, -bound, bound)
        is_end = np.abs(end) == bound
        beyond = np.abs(offset - end)[is_end]
        if beyond.size and beyond.max() >= LONGEST_WAY:
            raise CodecError("a message lies too far from what the receiver expects")
        self._push(beyond, self._models.Uniform(LONGEST_WAY))
        self._push(end, family, *parameters)

    def pop_anywhere(self, mean, std, spacing):
        """Pops what `push_anywhere` pushed."""
        middle, bound, family, parameters = self._normal(mean, std, spacing)
        offset = self._pop(mean.shape, family, *parameters)
        is_end = np.abs(offset) == bound
        num_ends = int(is_end.sum())
        if num_ends:
            beyond = self._pop((num_ends,), self._models.Uniform(LONGEST_WAY), num_ends)
            offset[is_end] += np.sign(offset[is_end]) * beyond
        return (middle + offset) * spacing

    def _normal(self, mean, std, spacing):
        """A normal distribution over the lattice's points about the one that is next to its mean.

        A wide range would cost: constriction gives each point in it 2^-24 at least.
        """
        mean, std = mean / spacing, std / spacing
        middle = np.rint(mean)
        bound = math.ceil(TAIL * std) + 1
        family = self._models.QuantizedGaussian(-bound, bound)
        return middle, bound, family, (np.ravel(mean - middle), np.full(mean.size, std))

    def _push(self, symbols, model, *parameters):
        if not np.size(symbols):
            return
        try:
            self._coder.encode_reverse(np.ravel(symbols).astype("int32"), model, *parameters)
        except KeyError as error:
            raise CodecError("its bits stand for what no encoder would have popped") from error

    def _pop(self, shape, model, *parameters):
        symbols = self._coder.decode(model, *parameters).astype("int64").reshape(shape)
        self.fewest_words = min(self.fewest_words, self._coder.num_words())
        if self.fewest_words < 3:  # the coder's own state, and nothing below it
            raise Exhausted("no bits are left")
        return symbols


def _counts(probs):
    """Probabilities in whole units of 2^-24, as rows: sums of these are exact on every machine."""
    counts = np.rint(np.asarray(probs, "float64") * 2**PROBABILITY_BITS)
    return counts.reshape(-1, probs.shape[-1])
