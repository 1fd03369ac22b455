"""What has been written is read: files and stacks of old, on every backend."""

import hashlib

import numpy as np
import pytest
from numpy.testing import assert_array_equal, assert_equal

from keras_bfn.codec import container
from keras_bfn.codec.expectations import MOST_CANDIDATES
from keras_bfn.codec.stack import SHARE_BITS, Stack
from keras_bfn.codec.stages import NUM_STARTING_STAGES, list_stages
from tests.codec.crafting import random_words
from tests.codec.golden import (
    NUM_BINS,
    ORDERS,
    PARTS,
    PATH,
    X,
    make_codec,
    make_codec_in,
    path_of,
)

pytest.importorskip("constriction")


def test_the_file_of_this_format_is_read_and_written_as_ever():
    codec, data = make_codec(), PATH.read_bytes()
    assert_array_equal(codec.decompress(data, verbose=0), X)
    old, new = container.read(data), container.read(codec.compress(X, verbose=0))
    assert_array_equal(new[1], old[1])
    assert {**new[0], "environment": None} == {**old[0], "environment": None}


@pytest.mark.slow_to_compile
@pytest.mark.parametrize("order", ORDERS)
def test_files_in_orders_are_read_and_written_as_ever(order):
    codec, data = make_codec_in(order), path_of(order).read_bytes()
    assert_equal(codec.decompress(data, verbose=0), PARTS)
    old, new = container.read(data), container.read(codec.compress(PARTS, verbose=0))
    assert_array_equal(new[1], old[1])
    assert {**new[0], "environment": None} == {**old[0], "environment": None}


@pytest.mark.once
def test_the_file_has_all_that_is_in_the_format():
    """Examples without messages, on both lattices, with few candidates for a message and many."""
    codec = make_codec()
    header, _ = container.read(PATH.read_bytes())
    assert all(header["batches"][:NUM_STARTING_STAGES])
    assert any(header["batches"][NUM_STARTING_STAGES:])
    chain = list_stages(codec.model.flow, 4, 0.25, 2)[-1].chains
    candidates = [chain.channel.num_candidates(gained) for gained in chain.gained[1:]]
    assert min(candidates) < MOST_CANDIDATES < max(candidates) < NUM_BINS


@pytest.mark.once
def test_a_stack_codes_as_ever():
    """In whole units of 2^-24 all probabilities are the same on every machine."""
    numbers = np.arange(200)
    counts = (numbers[:, None] * np.array([3, 5, 7]) % 11 + 1) / 16
    mean, std = numbers / 8 - 5, (numbers % 16 + 1) / 4
    below = np.array([0, 1000, 1001, 30_000, 2**SHARE_BITS])
    stack = Stack(random_words(3000))
    near, far = stack.pop_near(mean, 1.0, 0.25), stack.pop_anywhere(mean, 2.5, 0.5)
    bins, shares = stack.pop_bins(mean, std, 16), stack.pop_shares(lambda k: below[k], 200, 4)
    classes = stack.pop_classes(counts / counts.sum(axis=1, keepdims=True))
    drawn = [np.asarray(4 * x, "<i8").tobytes() for x in (near, far, bins, shares, classes)]
    assert hashlib.blake2b(b"".join(drawn), digest_size=8).hexdigest() == "89be8fee5ef48a1f"
    assert hashlib.blake2b(stack.words().tobytes(), digest_size=8).hexdigest() == "47e8f2cda7784318"
