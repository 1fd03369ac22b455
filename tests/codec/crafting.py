"""Bits that are coded and come back, and whole files that say what no encoder would have said."""

import json

import numpy as np
from numpy.testing import assert_array_equal, assert_equal

from keras_bfn._parts import list_parts, map_parts
from keras_bfn.codec import container
from keras_bfn.codec.chain import pop, push
from keras_bfn.codec.stack import Stack


def random_words(num, seed=0):
    """Bits that nothing is known of."""
    return np.random.default_rng(seed).integers(1, 2**32, num, dtype="uint32")


PRINTS = {"model": "abcd", "outputs": "01234567"}


def sealed(
    header, payload=b"", magic=container.MAGIC, version=container.VERSION, fingerprints=PRINTS
):
    """A file of any header's bytes and payload, with the checksum that belongs to them."""
    prints = (bytes.fromhex(fingerprints[name]) for name in container.FINGERPRINTS)
    prefix = container.PREFIX.pack(magic, version, *prints)
    return container.seal(prefix + container.pack_header(header) + payload)


def crafted(data, /, words=None, **entries):
    """A file with other entries in its header, other fingerprints, or another payload."""
    header, old_words = container.read(data)
    words = old_words if words is None else words
    header |= entries
    prints = {name: header.pop(name) for name in container.FINGERPRINTS}
    payload = np.asarray(words, "<u4").tobytes()
    return sealed(json.dumps(header).encode(), payload, fingerprints=prints)


def coded(chains, x, expect):
    """The bits that examples cost, all coded at once, by a chain or a dict of the parts' chains.

    They come back, and so do the initial bits: all that the chains say they need, and no more.
    """
    words = random_words(sum(chain.initial_words(x.size) for chain, x in list_parts(chains, x)))
    stack = Stack(words)
    before = stack.num_bits()
    push(chains, stack, x, expect)
    bits = stack.num_bits() - before
    assert_equal(pop(chains, stack, map_parts(np.shape, x), expect), x)
    assert_array_equal(stack.words(), words)
    return bits
