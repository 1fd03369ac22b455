"""The stack of bits: symbols are pushed onto it and popped off it, by their probabilities."""

import functools
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
# The mean of a normal number is rounded to so many parts of its standard deviation, for which it
# takes 2e-7 nats more: then a table each for few distributions does for all numbers.
MEANS_PER_STD = 512
SHARE_BITS = 15  # of `push_shares`


class Exhausted(CodecError):
    """The stack has no bits left to pop."""


class Stack:
    """A stack of bits on `constriction`'s coder for asymmetric numeral systems.

    Pushing a symbol of probability p adds -log2(p) bits, and popping it takes them off again. What
    is popped off bits that nothing is known of is a draw from the distribution that it is popped
    by.

    Args:
        words: uint32 array, the bits at the start. The one on top, which comes last, is not zero.
        ends: bool. Whether all bits may be popped; else two words are kept, the coder's own state.

    Attributes:
        fewest_words: int, how few there have ever been.
        lowest_words: int, how few since the last call of `forget_lowest`.

    Raises:
        CodecError: if the word on top is zero; by methods, if there is nothing left to pop, or what
            is pushed could not have been popped.
    """

    def __init__(self, words, ends=False):
        with tell_to_install('The codec needs constriction: pip install "keras-bfn[codec]"'):
            import constriction
        if len(words) and words[-1] == 0:
            raise CodecError("the word on top of the stack is zero")
        self._models = constriction.stream.model
        self._coder = constriction.stream.stack.AnsCoder(np.asarray(words, "uint32"))
        self.fewest_words = self.lowest_words = self._coder.num_words()
        self._ends = ends

    def words(self):
        """All bits on the stack, a uint32 array."""
        return self._coder.get_compressed()

    def forget_lowest(self):
        """From here on, `lowest_words` tells how few words there were."""
        self.lowest_words = self._coder.num_words()

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
        normals = _Normals(mean, std, spacing)
        offset = np.rint(values / spacing) - normals.middle
        # One beyond is as impossible as any further.
        self._push_normal(np.clip(offset, -normals.bound - 1, normals.bound + 1), normals)

    def pop_near(self, mean, std, spacing):
        """Pops multiples of `spacing` by a normal distribution that ends at `TAIL`."""
        normals = _Normals(mean, std, spacing)
        return (normals.middle + self._pop_normal(normals)) * spacing

    def push_anywhere(self, values, mean, std, spacing):
        """As `push_near`, numbers that may lie far off."""
        normals = _Normals(mean, std, spacing)
        offset = np.rint(values / spacing) - normals.middle
        end = np.clip(offset, -normals.bound, normals.bound)
        is_end = np.abs(end) == normals.bound
        beyond = np.abs(offset - end)[is_end]
        if beyond.size and beyond.max() >= LONGEST_WAY:
            raise CodecError("a message lies too far from what the receiver expects")
        self._push(beyond, self._models.Uniform(LONGEST_WAY))
        self._push_normal(end, normals)

    def pop_anywhere(self, mean, std, spacing):
        """Pops what `push_anywhere` pushed."""
        normals = _Normals(mean, std, spacing)
        offset = self._pop_normal(normals)
        is_end = np.abs(offset) == normals.bound
        beyond = self._pop((is_end.sum(),), self._models.Uniform(LONGEST_WAY), int(is_end.sum()))
        offset[is_end] += np.sign(offset[is_end]) * beyond
        return (normals.middle + offset) * spacing

    def push_bins(self, values, mean, std, num_values):
        """Pushes integers 0..K-1: normal numbers, rounded, and the tails counted to the ends.

        Args:
            values: int array of any shape.
            mean, std: float64 arrays of the same shape.
            num_values: int, K.
        """
        family = self._models.QuantizedGaussian(0, num_values - 1)
        self._push(values, family, np.ravel(mean), np.ravel(std))

    def pop_bins(self, mean, std, num_values):
        """Pops what `push_bins` pushed: an int64 array."""
        family = self._models.QuantizedGaussian(0, num_values - 1)
        return self._pop(mean.shape, family, np.ravel(mean), np.ravel(std))

    def push_shares(self, values, shares):
        """Pushes integers that `pop_shares` popped.

        Args:
            values: int array `(num,)`.
            shares: function of an int array `(num,)`, k, to how much of 2^15 is below k, an int64
                array; it rises with k, from 0 to 2^15.
        """
        low = shares(values)
        size = shares(values + 1) - low
        if not np.all(size > 0):
            raise CodecError("its bits stand for what no encoder would have popped")
        is_wide = size > 1
        sizes = size[is_wide].astype("int32")
        low[is_wide] += self._pop(sizes.shape, self._models.Uniform(), sizes)
        self._push(low, self._models.Uniform(2**SHARE_BITS))

    def pop_shares(self, shares, num, num_values):
        """Pops what `push_shares` pushed: an int64 array of `num` integers 0..K-1."""
        place = self._pop((num,), self._models.Uniform(2**SHARE_BITS), num)
        values, beyond = np.zeros(num, "int64"), np.full(num, num_values)
        for _ in range(math.ceil(math.log2(num_values))):
            middle = (values + beyond) // 2
            is_below = shares(middle) <= place
            values, beyond = np.where(is_below, middle, values), np.where(is_below, beyond, middle)
        low = shares(values)
        size = shares(values + 1) - low
        is_wide = size > 1
        sizes = size[is_wide].astype("int32")
        self._push((place - low)[is_wide], self._models.Uniform(), sizes)
        return values

    def _push_normal(self, offset, normals):
        symbols = np.ravel(offset) + normals.bound
        # From the last to the first: they are popped in their order.
        for model, places in reversed(normals.groups):
            self._push(symbols[places], model)

    def _pop_normal(self, normals):
        offset = np.empty(normals.middle.size, "int64")
        for model, places in normals.groups:
            offset[places] = self._pop(places.shape, model, len(places)) - normals.bound
        return offset.reshape(normals.middle.shape)

    def _push(self, symbols, model, *parameters):
        if not np.size(symbols):
            return
        try:
            self._coder.encode_reverse(np.ravel(symbols).astype("int32"), model, *parameters)
        except KeyError as error:
            raise CodecError("its bits stand for what no encoder would have popped") from error

    def _pop(self, shape, model, *parameters):
        if not math.prod(shape):
            return np.zeros(shape, "int64")
        symbols = self._coder.decode(model, *parameters).astype("int64").reshape(shape)
        self.lowest_words = min(self.lowest_words, self._coder.num_words())
        self.fewest_words = min(self.fewest_words, self.lowest_words)
        if self.fewest_words < 3 and not self._ends:
            raise Exhausted("no bits are left")
        return symbols


def _counts(probs):
    """Probabilities in whole units of 2^-24, as rows: sums of these are exact on every machine."""
    counts = np.rint(np.asarray(probs, "float64") * 2**PROBABILITY_BITS)
    # Of rows that do not lie one after the other constriction takes other numbers.
    return np.ascontiguousarray(counts.reshape(-1, probs.shape[-1]))


class _Normals:
    """Normal distributions over a lattice's points about the one that is next to each mean.

    A wide range would cost: constriction gives each point in it 2^-24 at least.

    Attributes:
        middle: float64 array, the points next to the means, in units of the lattice.
        bound: int. Numbers lie at most so many points from there.
        groups: list of the groups' tuples: a model of `constriction`, and its numbers' places.
    """

    def __init__(self, mean, std, spacing):
        mean, std = mean / spacing, std / spacing
        self.middle = np.rint(mean)
        self.bound, per_point, models = _tables(std)
        group = np.rint((mean - self.middle).ravel() * per_point).astype("int64")
        group += len(models) // 2
        order = np.argsort(group.astype("uint16"), kind="stable")
        ends = np.cumsum(np.bincount(group, minlength=len(models)))
        groups = zip(models, np.split(order, ends[:-1]), strict=True)
        self.groups = [(model, places) for model, places in groups if len(places)]


@functools.lru_cache(maxsize=512)
def _tables(std):
    """Of normal distributions whose means lie at most half a point from the middle.

    Returns:
        The tuple of the bound, how many means there are to a point, and a model for each mean.
    """
    import constriction

    bound = math.ceil(TAIL * std) + 1
    per_point = math.ceil(MEANS_PER_STD / std)
    most = (per_point + 1) // 2
    edges = np.arange(-bound, bound + 2) - 0.5
    models = []
    for mean in np.arange(-most, most + 1) / per_point:
        below = 0.5 * _erfc((mean - edges) / (std * 2**0.5))
        counts = np.rint(np.diff(below) * 2**PROBABILITY_BITS)
        models.append(constriction.stream.model.Categorical(counts, perfect=False, lazy=False))
    return bound, per_point, models


_erfc = np.vectorize(math.erfc, otypes=["float64"])
