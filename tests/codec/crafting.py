"""Bits that are coded and come back, and whole files that say what no encoder would have said."""

import json

import numpy as np
from numpy.testing import assert_array_equal

from keras_bfn.codec import container
from keras_bfn.codec.chain import pop, push
from keras_bfn.codec.stack import Stack


def random_words(num, seed=0):
    """Bits that nothing is known of."""
    return np.random.default_rng(seed).integers(1, 2**32, num, dtype="uint32")


def sealed(header, payload=b"", magic=container.MAGIC, version=container.VERSION):
    """A file of any bytes, with the checksum that belongs to them."""
    content = container.PREFIX.pack(magic, version, len(header), len(payload)) + header + payload
    return content + bytes.fromhex(container.digest(content))


def crafted(data, /, words=None, **entries):
    """A file with other entries in its header, or another payload."""
    header, old_words = container.read(data)
    words = old_words if words is None else words
    header = json.dumps({**header, **entries}).encode()
    return sealed(header, np.asarray(words, "<u4").tobytes())


def coded(chain, x, look):
    """The bits that examples cost, all coded at once.

    They come back, and so do the initial bits: all that the chain says it needs, and no more.
    """
    words = random_words(chain.initial_words(x.size))
    stack = Stack(words)
    before = stack.num_bits()
    push(chain, stack, x, look)
    bits = stack.num_bits() - before
    assert_array_equal(pop(chain, stack, x.shape[1:], len(x), look), x)
    assert_array_equal(stack.words(), words)
    return bits
