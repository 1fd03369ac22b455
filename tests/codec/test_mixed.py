"""Groups by messages, given what is known, beside groups coded directly: files cost what is said.

Of an exact network, a group of one variable costs -log p given those before it, directly
or by messages, whatever evidence is drawn.
"""

import math

import numpy as np
import pytest
from numpy.testing import assert_array_equal, assert_equal

import keras_bfn
from keras_bfn.codec import Codec, CodecError
from keras_bfn.flows import DiscreteFlow, DiscretizedFlow
from keras_bfn.networks import MultiPart
from keras_bfn.orders import Blocks, Groups
from tests.backends import everywhere
from tests.codec.crafting import crafted
from tests.codec.small import assert_is_refused
from tests.codec.test_coded_directly import LENGTH, X, make_model, with_random_weights
from tests.orders.test_exact_costs import TRUTHS

pytest.importorskip("constriction")
once = pytest.mark.once

ONE_BY_ONE = {
    "blocks": lambda truth: Blocks(1),
    "direct first": lambda truth: truth.groups(
        [0, 1, 2][: truth.size], [True, False, False][: truth.size]
    ),
    "direct last": lambda truth: truth.groups(
        [2, 0, 1][-truth.size :], [False, True, True][: truth.size]
    ),
}


def payload_of(report):
    return report["total_bits"] - report["header_bits"]


def compress(truth, order, num, num_steps, batch_size):
    """The data of examples, a file of them, its report, and the examples' values."""
    values = truth.draw(num)
    x = truth.as_data(values)
    codec = Codec(truth.model, num_steps=num_steps, batch_size=batch_size, order=order)
    return x, *codec.compress(x, return_report=True, verbose=0), values


@pytest.mark.slow
@once
@pytest.mark.parametrize(
    ("truth", "order"),
    [
        ("parts", "direct first"),
        ("parts", "direct last"),
        pytest.param("parts", "blocks", marks=pytest.mark.slow),  # `Blocks(1)` has the most groups
        ("classes", "blocks"),
        ("bins", "direct last"),
    ],
)
def test_variables_one_by_one_cost_their_information(truth, order):
    truth = TRUTHS[truth]
    x, data, report, values = compress(truth, ONE_BY_ONE[order](truth), 3000, 2, 512)
    assert_equal(Codec(truth.model).decompress(data, verbose=0), x)
    information = truth.nats(values).sum() / math.log(2)
    # The first examples cost a little more, on a coarse lattice; and words have 32 bits.
    assert 0.998 * information < payload_of(report) < 1.002 * information + 128


ORDERS = {
    "one directly, then two by messages": Groups(
        {"kind": 0, "grades": 1}, coded_directly=[True, False]
    ),
    "a part and half of one": Groups(
        {"kind": 0, "grades": np.array([0, 1])}, coded_directly=[False, True]
    ),
}


@pytest.mark.slow
@once
@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
def test_groups_cost_what_their_messages_do(order):
    truth, num = TRUTHS["parts"], 4000
    x, _, report, _ = compress(truth, order, num, 3, 500)
    nats = truth.model.code_length(
        x, 3, num_repeats=8, order=order, batch_size=num, seed=0, verbose=0
    )
    stated = (nats["transmission"] + nats["reconstruction"]).sum() / math.log(2)
    assert report["bits_per_example"] * num == pytest.approx(stated, rel=0.015)
    assert payload_of(report) < 1.015 * stated + 128


MIXED = {
    "blocks": Blocks(4),
    "directly, then messages": Groups([0, 0, 0, 1, 1, 1], coded_directly=[True, False]),
    "messages, then directly, then messages": Groups(
        [2, 1, 0, 2, 1, 0], coded_directly=[False, True, False]
    ),
    "no group of a number": Groups([0, 0, 0, 2, 2, 2], coded_directly=[False, False, True]),
}


@pytest.mark.slow_to_compile
@pytest.mark.parametrize("order", everywhere(MIXED, "messages, then directly, then messages"))
def test_data_come_back_from_mixed_orders_as_they_were(order):
    x, condition = np.where(np.arange(LENGTH) < 4, X, -1)[:9], np.arange(9) % 3
    x[::2] = X[:9:2]
    x[-1] = -1
    model = make_model(masked=True, conditions=3)
    data = Codec(model, num_steps=3, batch_size=4, order=order).compress(x, condition, verbose=0)
    back = Codec(model).decompress(data, condition, verbose=0)
    assert back.dtype == x.dtype
    assert_array_equal(back, x)
    with pytest.raises(CodecError, match="another condition"):
        Codec(model).decompress(data, verbose=0)


@pytest.mark.slow
@once
@pytest.mark.parametrize("first", ["kinds", "levels"])
def test_bins_that_cannot_be_coded_directly_are_sent_given_classes_and_before_them(first):
    flow = {"levels": DiscretizedFlow(16, sigma_1=0.1), "kinds": DiscreteFlow(3, beta_1=2.0)}
    network = MultiPart(flow, {"levels": (4,), "kinds": ()}, 8, 1, "mlp", times="variables")
    network = with_random_weights(network)
    model = keras_bfn.AnyOrderNetwork(flow, network, seed=0)
    rng = np.random.default_rng(0)
    x = {"levels": rng.integers(0, 16, (30, 4)), "kinds": rng.integers(0, 3, 30).astype("uint8")}
    numbers = {"levels": int(first == "kinds"), "kinds": int(first == "levels")}
    order = Groups(numbers, coded_directly=[first == "kinds", first == "levels"])
    codec = Codec(model, num_steps=4, batch_size=8, order=order)
    assert_equal(codec.decompress(codec.compress(x, verbose=0), verbose=0), x)
    with pytest.raises(ValueError, match=r"`order` must send flow\['levels'\] by messages"):
        Codec(model, order=Groups(numbers))


@once
def test_a_file_whose_order_does_not_suit_the_model_is_refused():
    codec = Codec(
        make_model(), num_steps=2, order=Groups([0] * 3 + [1] * 3, coded_directly=[True, False])
    )
    data = codec.compress(X, verbose=0)
    for numbers in ([0, 1], {"a": 0}):
        order = {"class": "Groups", "config": {"numbers": numbers, "coded_directly": True}}
        assert_is_refused(codec, crafted(data, order=order), "header is invalid: .*`order")
    # Another order that there is: other data, or none.
    other = {"class": "Blocks", "config": {"block_size": 3}}
    with pytest.raises(CodecError):
        codec.decompress(crafted(data, order=other), verbose=0)


@once
def test_examples_grow_many_at_a_time_however_little_each_draws():
    """What is drawn is known up to a word: of few variables, less than a word's bits."""
    _, _, report, _ = compress(TRUTHS["classes"], Blocks(2), 3000, 3, 1000)
    assert report["initial_bits"] < 200
