"""The stack of bits, onto which symbols are pushed, and off which they are popped."""

import functools
import math

import numpy as np

from keras_bfn._imports import tell_to_install
from keras_bfn.codec.errors import CodecError

# A number popped with a normal distribution lies at most this many standard deviations from the
# mean. The probability beyond is 1e-7, about the largest that constriction would make up for a
# number there.
TAIL = 5.3
# A pushed number that lies further away is coded as a count of points from there on, below this.
LONGEST_WAY = 2**20
PROBABILITY_BITS = 24  # the precision of constriction
# The number of possible means per standard deviation of a normal distribution. Rounding to them
# costs 2e-7 nats per number, and tables for a few distributions serve all numbers.
MEANS_PER_STD = 512
SHARE_BITS = 15  # for `push_shares`


class Stack:
    """A stack of bits, with `constriction`'s coder for asymmetric numeral systems.

    Pushing a symbol of probability p adds -log2(p) bits, and popping it removes them. What is
    popped off random bits is a sample from the distribution that it is popped with.

    Args:
        words: uint32 array, the initial bits. The last word is on top, and must not be zero.
        ends: bool. Whether all bits may be popped; otherwise two words remain, the coder's own
            state.

    Attributes:
        fewest_words: int, the fewest words there have ever been.
        lowest_words: int, the fewest since the last call of `forget_lowest`.

    Raises:
        CodecError: if the word on top is zero; by methods, if there is nothing left to pop, or what
            is pushed could not have been popped.
    """

    def __init__(self, words, ends=False):
        with tell_to_install('The codec needs constriction: pip install "keras-bfn[io]"'):
            import constriction
        if len(words) and words[-1] == 0:
            raise CodecError("the word on top of the stack is zero")
        self._models = constriction.stream.model
        self._coder = constriction.stream.stack.AnsCoder(np.asarray(words, "uint32"))
        self.fewest_words = self.lowest_words = self._coder.num_words()
        self._ends = ends

    def words(self):
        """Returns all bits on the stack, a uint32 array."""
        return self._coder.get_compressed()

    def forget_lowest(self):
        """Restarts the count of `lowest_words` from the present number of words."""
        self.lowest_words = self._coder.num_words()

    def num_bits(self):
        """Returns the number of bits on the stack."""
        return self._coder.num_valid_bits()

    def push_classes(self, values, probs):
        """Pushes integers 0..K-1.

        Args:
            values: int array of any shape.
            probs: float array of that shape, with one more axis, of size K.
        """
        self._push(values, self._models.Categorical(perfect=False), _counts(probs))

    def pop_classes(self, probs):
        """Pops what `push_classes` pushed: an int64 array."""
        return self._pop(probs.shape[:-1], self._models.Categorical(perfect=False), _counts(probs))

    def push_near(self, values, mean, std, spacing):
        """Pushes numbers that `pop_near` popped.

        Args:
            values: float64 array of multiples of `spacing`.
            mean: float64 array of the same shape, the means of the normal distributions.
            std: float, their standard deviation.
            spacing: float, the distance between the points of the lattice.
        """
        normals = _Normals(mean, std, spacing)
        offset = np.rint(values / spacing) - normals.middle
        # One point beyond the bound is as impossible as any further one.
        self._push_normal(np.clip(offset, -normals.bound - 1, normals.bound + 1), normals)

    def pop_near(self, mean, std, spacing):
        """Pops multiples of `spacing` with a normal distribution that is truncated at `TAIL`."""
        normals = _Normals(mean, std, spacing)
        return (normals.middle + self._pop_normal(normals)) * spacing

    def push_anywhere(self, values, mean, std, spacing):
        """Pushes numbers as `push_near` does, but they may lie far from the mean."""
        normals = _Normals(mean, std, spacing)
        offset = np.rint(values / spacing) - normals.middle
        end = np.clip(offset, -normals.bound, normals.bound)
        is_end = np.abs(end) == normals.bound
        beyond = np.abs(offset - end)[is_end]
        if beyond.size and beyond.max() >= LONGEST_WAY:
            raise CodecError("a message is too far from the receiver's prediction")
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
        """Pushes integers 0..K-1 by rounded normal distributions; the end bins include the tails.

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
            shares: function from an int array `(num,)`, k, to an int64 array: the probability of
                values below k, in units of 2^-15. It rises with k, from 0 to 2^15.
        """
        low = shares(values)
        size = shares(values + 1) - low
        if not np.all(size > 0):
            raise CodecError("no encoder could have written its bits")
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
        # Last to first, because they are popped first to last.
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
            raise CodecError("no encoder could have written its bits") from error

    def _pop(self, shape, model, *parameters):
        if not math.prod(shape):
            return np.zeros(shape, "int64")
        symbols = self._coder.decode(model, *parameters).astype("int64").reshape(shape)
        self.lowest_words = min(self.lowest_words, self._coder.num_words())
        self.fewest_words = min(self.fewest_words, self.lowest_words)
        if self.fewest_words < 3 and not self._ends:
            raise CodecError("no bits are left")
        return symbols


def _counts(probs):
    """Returns probabilities in whole units of 2^-24, as rows: sums are exact on every machine."""
    counts = np.rint(np.asarray(probs, "float64") * 2**PROBABILITY_BITS)
    # If rows are not contiguous in memory, constriction reads wrong numbers.
    return np.ascontiguousarray(counts.reshape(-1, probs.shape[-1]))


class _Normals:
    """Normal distributions over the points of a lattice around each mean.

    A wide range would cost: constriction gives each point in it a probability of at least 2^-24.

    Attributes:
        middle: float64 array, the points nearest to the means, in units of the lattice.
        bound: int. The maximum distance of numbers from there, in points.
        groups: list of tuples, one for each group: a model of `constriction`, and the indices of
            its numbers.
    """

    def __init__(self, mean, std, spacing):
        mean, std = mean / spacing, std / spacing
        self.middle = np.rint(mean)
        self.bound, per_point, models = _tables(std)
        group = np.rint((mean - self.middle).ravel() * per_point).astype("int64")
        group += len(models) // 2
        order = np.argsort(group.astype("uint16"), kind="stable")
        sizes = np.bincount(group)
        ends = np.cumsum(sizes)
        self.groups = [
            (models[i], order[ends[i] - sizes[i] : ends[i]]) for i in np.flatnonzero(sizes)
        ]


@functools.lru_cache(maxsize=512)
def _tables(std):
    """Returns tables for normal distributions whose means lie within half a point of the middle.

    Returns:
        A tuple: the bound, the number of means per point, and a model for each mean.
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
