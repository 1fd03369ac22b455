"""Orders that a file can name come back, and others are refused."""

import json

import numpy as np
import pytest

from keras_bfn import orders
from keras_bfn.codec import Codec, CodecError, container
from keras_bfn.codec.protocol import ORDERS, Protocol, pack_order, unpack_order
from keras_bfn.codec.stack import Stack
from tests.codec.crafting import crafted
from tests.codec.small import assert_is_refused
from tests.codec.test_coded_directly import X, make_model

pytest.importorskip("constriction")

NAMED = [
    orders.Together(),
    orders.Random(),
    orders.Random(3),
    orders.LeftToRight(2),
    orders.Blocks(2),
    orders.Groups(np.array([2, 1, 0, 0, 1, 2])),
    orders.Groups({"a": 1, "b": 0}, coded_directly=[False, True]),
]


@pytest.fixture(scope="module")
def model():
    return make_model()


@pytest.mark.once
@pytest.mark.parametrize("order", NAMED, ids=repr)
def test_an_order_comes_back_from_plain_values(order):
    packed = json.loads(json.dumps(pack_order(order)))
    assert unpack_order(packed) == order


@pytest.mark.once
def test_every_order_that_files_can_name_is_among_these():
    assert {type(order) for order in NAMED[1:]} == set(ORDERS)


@pytest.mark.once
@pytest.mark.parametrize(
    ("order", "coded_directly", "batches"),
    [("random", True, [17, 17, 16]), ("together", False, None)],
)
def test_examples_come_back_from_the_stack_the_last_batch_first(
    model, order, coded_directly, batches
):
    header = {"count": 50, "num_steps": 3, "batch_size": 20, "resolution": 0.25, "seed": 0}

    def make():
        return Protocol(model, orders.get(order), header, None, None)

    sender, receiver = make(), make()
    assert sender.without_messages is coded_directly
    assert (len(sender.initial) == 0) is coded_directly
    words = np.append(np.uint32(7), sender.initial)  # the first word is the codec's own
    stack = Stack(words, ends=coded_directly)
    sent = list(sender.encode(stack, X))
    sizes = [size for size, _ in sent]
    assert sum(sizes) == 50
    assert batches is None or sizes == batches
    numbers = np.bincount([number for _, number in sent]).tolist()
    found = list(receiver.decode(stack, numbers))
    assert [len(x) for x in found] == sizes[::-1]
    np.testing.assert_array_equal(np.concatenate(found[::-1]), X)
    np.testing.assert_array_equal(stack.words(), words)


@pytest.mark.once
def test_impossible_orders_in_a_file_are_refused(model):
    codec = Codec(model, order="random")
    data = codec.compress(X, verbose=0)
    header, _ = container.read(data)
    assert header["order"] == {"class": "Random", "config": {"num_groups": None}}
    for order in ({}, {"class": "Order", "config": {}}, {"class": "Random", "config": {"a": 1}}):
        assert_is_refused(codec, crafted(data, order=order), "order is")
    # Another order that there is: other data, or none.
    other = {"class": "LeftToRight", "config": {"block_size": 1}}
    with pytest.raises(CodecError):
        codec.decompress(crafted(data, order=other), verbose=0)
