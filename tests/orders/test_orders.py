"""Orders: each variable falls into one group, and what cannot be told is refused."""

import json
import math

import keras
import numpy as np
import pytest
from keras import ops
from numpy.testing import assert_array_equal

from keras_bfn import orders
from keras_bfn.flows import CircularFlow, ContinuousFlow, DiscreteFlow, DiscretizedFlow
from keras_bfn.orders import Blocks, Groups, LeftToRight, Order, Random, Together
from keras_bfn.orders.orders import cut, join, number_of_variables
from tests.checks import assert_draws_follow

# Not in alphabetical order.
PARTS = {"word": (4,), "label": (), "image": (2, 2, 1)}
SHAPES = {"sequence": (5,), "image": (2, 3, 1), "one": (), "parts": PARTS}
ORDERS = {
    "together": Together(),
    "random": Random(),
    "random-in_2": Random(2),
    "random-in_4": Random(num_groups=4),
    "left_to_right": LeftToRight(),
    "left_to_right-by_2": LeftToRight(block_size=2),
    "blocks": Blocks(3),
}
CLASSES, NUMBERS, ANGLES = DiscreteFlow(3, 2.0), ContinuousFlow(0.1), CircularFlow(0.1)
BINS, PREDICTED_BINS = DiscretizedFlow(5, 0.1), DiscretizedFlow(5, 0.1, prediction="data")
once = pytest.mark.once


def groups_of(order, event_shape, num=6, open=None, seed=0):
    """Group numbers of all variables, `(num, variables)` or, of an order for all, `(1, ...)`."""
    size = number_of_variables(event_shape)
    noise = None
    if order.is_random:
        noise = np.random.default_rng(seed).random((num, size)).astype("float32")
        noise = ops.convert_to_tensor(noise)
    groups = order.groups(event_shape, noise, open)
    shapes = keras.tree.map_structure(lambda part: tuple(part.shape[1:]), groups)
    assert shapes == event_shape
    return ops.convert_to_numpy(join(groups, event_shape))


@pytest.mark.parametrize("name", ORDERS)
@pytest.mark.parametrize("shape", SHAPES)
def test_groups_are_a_partition_into_as_many_as_are_counted(name, shape):
    order, event_shape = ORDERS[name], SHAPES[shape]
    count, size = order.count_groups(event_shape), number_of_variables(event_shape)
    groups = groups_of(order, event_shape)
    assert groups.shape == (6 if order.is_random else 1, size)
    assert groups.dtype == "int32"
    assert groups.min() >= 0
    assert groups.max() < count
    for row in groups:
        assert len(set(row)) == min(count, size)
        if order.is_random:  # in sizes that differ by one at most
            sizes = np.bincount(row, minlength=min(count, size))
            assert set(sizes[sizes > 0]) <= {size // count, -(-size // count)}


@pytest.mark.parametrize("num_groups", [1, 3])
def test_many_variables_fall_into_few_groups(num_groups):
    """A rank times the groups in each variable is rounded, to a number that there is."""
    groups = groups_of(Random(num_groups), (200 * 200,), num=2)
    for row in groups:
        sizes = np.bincount(row)
        assert len(sizes) == num_groups
        assert np.ptp(sizes) <= 20  # of 13,333


@once
def test_counts_are_those_that_are_asked_for():
    counts = {name: order.count_groups((2, 3, 1)) for name, order in ORDERS.items()}
    assert counts == {
        "together": 1,
        "random": 6,
        "random-in_2": 2,
        "random-in_4": 4,
        "left_to_right": 6,
        "left_to_right-by_2": 3,
        "blocks": 2,
    }
    assert LeftToRight().count_groups(PARTS) == 9


@once
def test_variables_are_counted_row_by_row_and_part_by_part():
    assert_array_equal(LeftToRight().groups((2, 3, 1))[0, ..., 0], [[0, 1, 2], [3, 4, 5]])
    assert_array_equal(Blocks(2).groups((5,)), [[0, 0, 1, 1, 2]])
    groups = LeftToRight(3).groups(PARTS)
    assert list(groups) == list(PARTS)
    assert_array_equal(groups["word"], [[0, 0, 0, 1]])
    assert_array_equal(groups["label"], [1])
    assert_array_equal(groups["image"][0, ..., 0], [[1, 2], [2, 2]])


def test_a_random_order_is_any_permutation_equally_often():
    groups = groups_of(Random(), (4,), num=24_000)
    places = groups @ np.array([64, 16, 4, 1])
    found, counts = np.unique(places, return_counts=True)
    assert len(found) == math.factorial(4)
    assert_draws_follow(np.full(24, 1 / 24), np.repeat(np.arange(24), counts))
    assert_array_equal(np.sort(groups, axis=1), np.tile(np.arange(4), (24_000, 1)))


@once
def test_a_random_order_of_parts_does_not_know_their_bounds():
    groups = groups_of(Random(3), {"a": (2,), "b": ()}, num=12_000)
    for column in groups.T:
        assert_draws_follow(np.full(3, 1 / 3), column)


@pytest.mark.parametrize("num_groups", [None, 3])
def test_what_is_given_takes_no_group_of_a_random_order(num_groups):
    order = Random(num_groups)
    open = np.random.default_rng(1).random((50, 6)) < 0.5
    open[0], open[1] = False, True
    groups = groups_of(order, (6,), num=50, open=ops.convert_to_tensor(open))
    assert (groups[~open] < 0).all()
    count = order.count_groups((6,))
    for row, is_open in zip(groups, open, strict=True):
        found, size = row[is_open], is_open.sum()
        assert ((found >= 0) & (found < count)).all()
        # What is open shares the groups evenly.
        assert np.bincount(found, minlength=count).max() <= -(-size // count)


@once
def test_what_is_given_of_parts_takes_no_group_of_a_random_order():
    open = {name: np.full((6, *shape), name != "word") for name, shape in PARTS.items()}
    open = {name: ops.convert_to_tensor(open[name]) for name in sorted(open)}  # as JAX returns it
    groups = groups_of(Random(), PARTS, open=open)
    assert (groups[:, :4] < 0).all()
    assert ((groups[:, 4:] >= 0) & (groups[:, 4:] < 9)).all()
    assert all(len(set(row)) == 5 for row in groups[:, 4:])


@once
def test_all_examples_of_one_noise_have_one_order():
    order, noise = Random(), np.random.default_rng(0).random((1, 9)).astype("float32")
    groups = order.groups(PARTS, np.tile(noise, (3, 1)))
    for part in groups.values():
        part = ops.convert_to_numpy(part)
        assert_array_equal(part, np.tile(part[:1], (3, *(1,) * (part.ndim - 1))))


@once
def test_groups_of_ones_own_are_an_array_or_one_number_for_all_of_a_part():
    numbers = np.array([[1, 0, 2], [2, 2, 0]])[..., None]
    order = Groups(numbers)
    assert order.count_groups((2, 3, 1)) == 3
    assert_array_equal(order.groups((2, 3, 1)), numbers[None])
    order = Groups(
        {"image": 1, "label": 0, "word": [0, 0, 3, 1]}, coded_directly=[True, False, True, False]
    )
    assert order.count_groups(PARTS) == 4  # one is empty
    groups = order.groups({name: PARTS[name] for name in order.numbers})
    assert_array_equal(groups["image"], np.ones((1, 2, 2, 1)))
    assert_array_equal(groups["label"], [0])
    assert_array_equal(groups["word"], [[0, 0, 3, 1]])


@once
@pytest.mark.parametrize("numbers", [[1, 0], (1, 0), np.array([1, 0], "uint8")])
def test_numbers_may_be_any_integers(numbers):
    assert Groups(numbers) == Groups(np.array([1, 0]))
    assert Groups(numbers).numbers.dtype == "int32"
    assert Groups(ops.convert_to_tensor(numbers)) == Groups(numbers)


@once
def test_what_is_joined_is_cut_again():
    rng = np.random.default_rng(0)
    values = {name: rng.random((3, *shape)).astype("float32") for name, shape in PARTS.items()}
    joined = join(values, PARTS)
    assert joined.shape == (3, 9)
    by_name = join(dict(sorted(values.items())), PARTS)  # as JAX returns dicts
    assert_array_equal(ops.convert_to_numpy(by_name), ops.convert_to_numpy(joined))
    for array in (joined, ops.convert_to_numpy(joined)):
        parts = cut(array, PARTS)
        assert list(parts) == list(PARTS)
        for name, part in parts.items():
            assert_array_equal(ops.convert_to_numpy(part), values[name])
    assert_array_equal(ops.convert_to_numpy(cut(joined, (3, 3))), joined.reshape(3, 3, 3))


@once
def test_names_and_arrays_stand_for_orders():
    assert orders.get(None) == orders.get("together") == Together()
    assert orders.get("random") == Random()
    assert orders.get("left_to_right") == LeftToRight()
    assert orders.get([1, 0]) == orders.get(np.array([1, 0])) == Groups([1, 0])
    assert orders.get(ops.convert_to_tensor([1, 0])) == Groups([1, 0])
    assert orders.get({"a": 0, "b": [1, 2]}) == Groups({"a": 0, "b": [1, 2]})
    order = Blocks(3)
    assert orders.get(order) is order


ALL = [
    *ORDERS.values(),
    LeftToRight(3),
    Groups([0, 1, 2]),
    Groups([[0, 1, 2]]),
    Groups([0, 1, 1]),
    Groups([0, 1, 2], coded_directly=False),
    Groups([0, 1, 2], coded_directly=[True, False, True]),
    Groups({"a": 0, "b": np.arange(6).reshape(2, 3)}),
]


@once
@pytest.mark.parametrize("order", ALL, ids=repr)
def test_an_order_survives_its_config_and_equals_no_other(order):
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(order)))
    copy = keras.saving.deserialize_keras_object(config)
    assert copy == order
    assert hash(copy) == hash(order)
    assert sum(order == other for other in ALL) == 1
    with pytest.raises(AttributeError, match="cannot be changed"):
        order.coded_directly = False


@once
def test_a_list_of_who_is_told_is_kept_as_a_tuple():
    assert Groups([0, 1], coded_directly=[True, False]) == Groups(
        [0, 1], coded_directly=(True, False)
    )
    assert Groups([0, 1], coded_directly=[True, False]).coded_directly == (True, False)


@once
def test_an_order_of_ones_own_says_its_groups():
    for verb in (Order().count_groups, Order().groups):
        with pytest.raises(NotImplementedError):
            verb((3,))


TOLD = (
    Random(),
    Random(2),
    LeftToRight(),
    Groups([0, 1]),
    Groups([0, 1], coded_directly=[False, True]),
)
BY_MESSAGES = (Together(), Blocks(1), Groups([0, 1], coded_directly=False))


@once
@pytest.mark.parametrize("flow", [CLASSES, PREDICTED_BINS])
@pytest.mark.parametrize("order", TOLD + BY_MESSAGES, ids=repr)
def test_classes_and_predicted_bins_can_be_coded_directly(flow, order):
    order.check(flow, (2,))


@once
@pytest.mark.parametrize("flow", [NUMBERS, ANGLES, BINS])
def test_numbers_and_noise_are_sent_by_messages(flow):
    for order in BY_MESSAGES:
        order.check(flow, (2,))


@once
def test_numbers_are_not_sent_in_a_random_order_that_tells_a_later_group():
    class Mixed(Random):
        coded_directly = (False, True)

    Mixed(2).check(CLASSES, (2,))
    with pytest.raises(ValueError, match="must send flow by messages"):
        Mixed(2).check(NUMBERS, (2,))


@once
def test_a_part_of_classes_is_told_beside_one_of_numbers():
    flow, shapes = {"a": CLASSES, "b": NUMBERS}, {"a": (2,), "b": ()}
    Groups({"a": [1, 2], "b": 0}, coded_directly=[False, True, True]).check(flow, shapes)
    Groups({"a": [0, 0], "b": 0}, coded_directly=False).check(flow, shapes)
