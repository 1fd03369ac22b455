"""Orders: variables become known together, one by one, in blocks, or in user-defined groups."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import keras
import numpy as np
from keras import ops

from keras_bfn._config import Immutable
from keras_bfn._parts import check_names, list_parts, map_parts, part_names, sum_parts
from keras_bfn._random import uniform
from keras_bfn._typing import Array, ArrayLike, Nest, Parts, Seed, Shape, Tensor
from keras_bfn._validation import (
    check_bool,
    check_int,
    lacks,
    mismatch,
    refusal,
    resolve_identifier,
    to_numpy,
)

if TYPE_CHECKING:
    from keras_bfn.flows.flow import Flow


class Order(Immutable):
    """Base class of orders, which divide an example's variables into groups sent in sequence.

    A group is coded in one of two ways: directly, by the network's output distribution given all
    groups before it, at a cost of -log p_O(x); or by messages, as in a Bayesian flow network. By
    the chain rule, the cost of an exact network is the joint entropy in any order. The cost of a
    trained network shows what it has learnt.

    A subclass defines `count_groups` and `groups`, and `coded_directly`, the way of coding.

    Attributes:
        coded_directly: bool, or a tuple of one bool per group: true if it is coded directly, false
            if it is sent by messages.
        is_random: bool. Whether each example has its own order, given by `noise`.

    Example, digits coded row by row:

    >>> rows = np.arange(4)[:, None, None] + np.zeros((4, 4, 1), "int32")
    >>> order = keras_bfn.orders.Groups(rows)

    Reference: order-agnostic and masked models code variables directly, see
    [Hoogeboom et al., 2022](https://arxiv.org/abs/2110.02037).
    """

    coded_directly: bool | tuple[bool, ...] = True
    is_random = False

    def count_groups(self, event_shape: Parts[Shape]) -> int:
        """Returns the number of groups in examples of this shape, or of a dict of parts' shapes."""
        raise lacks(self, "count_groups")

    def groups(self, event_shape: Parts[Shape], noise: Tensor = None, open: Nest = None) -> Nest:
        """Returns each variable's group.

        Args:
            event_shape: the shape of an example, or a dict of the parts' shapes.
            noise: for an order that `is_random`, uniform numbers that determine it, a tensor
                `(batch, variables)`.
            open: bool, `(batch, *event_shape)`, or a dict of one per part: which variables are to
                be sent. By default all are.

        Returns:
            Integers, `(batch, *event_shape)` or `(1, *event_shape)`, or a dict of one per part.
        """
        raise lacks(self, "groups")

    def groups_coded(self, event_shape: Parts[Shape]) -> Array:
        """Returns which groups are coded directly, bools `(groups,)`."""
        return np.broadcast_to(self.coded_directly, self.count_groups(event_shape))

    def draw_noise(self, event_shape: Parts[Shape], num: int, seed: Seed) -> Tensor:
        """Returns the `noise` of a random order, a tensor `(num, variables)`; else None."""
        return uniform((num, number_of_variables(event_shape)), seed) if self.is_random else None

    def check(self, flow: "Parts[Flow]", event_shape: Parts[Shape]) -> None:
        """Raises a `ValueError` if data of this type and shape cannot be sent in this order."""
        if not np.any(self.coded_directly):
            return
        coded = self.groups_coded(event_shape)
        # In a random order, each variable can be in any group.
        groups = slice(None) if self.is_random else self.groups(event_shape)
        for name, part, numbers in list_parts(part_names(flow, "flow"), flow, groups):
            if coded[numbers].any() and not part.can_be_coded_directly:
                why = 'Only integers can be coded directly, and bins only with prediction="data"'
                came = f"order={self!r}, flow={part!r}"
                raise mismatch("order", f"must send {name} by messages. {why}", came)


@keras.saving.register_keras_serializable("keras_bfn")
class Together(Order):
    """All variables at once, by messages: the paper's order.

    Example:

    >>> keras_bfn.orders.get("together")
    Together()
    """

    coded_directly = False

    def count_groups(self, event_shape: Parts[Shape]) -> int:
        return 1

    def groups(self, event_shape: Parts[Shape], noise: Tensor = None, open: Nest = None) -> Nest:
        return map_parts(lambda shape: np.zeros((1, *shape), "int32"), event_shape)


@keras.saving.register_keras_serializable("keras_bfn")
class Random(Order):
    """A random order for each example: variables, or groups of them, are coded directly.

    Args:
        num_groups: int or None: the number of groups, nearly equal in size. By default each
            variable is a group, which costs least and takes one network call per variable.

    Raises:
        ValueError: if `num_groups` is not an int of at least 1.

    Example:

    >>> keras_bfn.orders.Random(num_groups=8)
    Random(num_groups=8)
    """

    is_random = True

    def __init__(self, num_groups: int | None = None) -> None:
        self.num_groups = None if num_groups is None else check_int("num_groups", num_groups, 1)

    def count_groups(self, event_shape: Parts[Shape]) -> int:
        return self.num_groups or number_of_variables(event_shape)

    def groups(self, event_shape: Parts[Shape], noise: Tensor = None, open: Nest = None) -> Nest:
        size, num_closed = number_of_variables(event_shape), 0.0
        if open is not None:  # variables that are not sent come first and are not counted
            is_open = ops.cast(join(open, event_shape), "float32")
            noise = noise + is_open
            num_closed = size - ops.sum(is_open, axis=1, keepdims=True)
        rank = ops.cast(ops.argsort(ops.argsort(noise, axis=1), axis=1), "float32") - num_closed
        num_groups = self.count_groups(event_shape)
        number = ops.floor(rank * (num_groups / ops.maximum(size - num_closed, 1.0)) + 1e-4)
        number = ops.minimum(number, num_groups - 1.0)
        return cut(ops.cast(number, "int32"), event_shape)


@keras.saving.register_keras_serializable("keras_bfn")
class LeftToRight(Order):
    """Variables, or blocks of them, in sequence, coded directly, as in autoregressive models.

    Variables are counted row by row; with a dict of flows, part by part.

    Args:
        block_size: int. The number of variables coded at once, each independently of the others in
            the block.

    Raises:
        ValueError: if `block_size` is not an int of at least 1.

    Example:

    >>> keras_bfn.orders.get("left_to_right")
    LeftToRight(block_size=1)
    """

    def __init__(self, block_size: int = 1) -> None:
        self.block_size = check_int("block_size", block_size, 1)

    def count_groups(self, event_shape: Parts[Shape]) -> int:
        return -(-number_of_variables(event_shape) // self.block_size)

    def groups(self, event_shape: Parts[Shape], noise: Tensor = None, open: Nest = None) -> Nest:
        numbers = np.arange(number_of_variables(event_shape), dtype="int32")[None]
        return cut(numbers // self.block_size, event_shape)


@keras.saving.register_keras_serializable("keras_bfn")
class Blocks(LeftToRight):
    """Blocks in sequence, each sent by messages: between the paper's order and left to right.

    Args:
        block_size: int. The number of variables in a block.

    Raises:
        ValueError: if `block_size` is not an int of at least 1.

    Example:

    >>> keras_bfn.orders.Blocks(16)
    Blocks(block_size=16)

    Reference: block diffusion, [Arriola et al., 2025](https://arxiv.org/abs/2503.09573).
    """

    coded_directly = False


@keras.saving.register_keras_serializable("keras_bfn")
class Groups(Order):
    """User-defined groups.

    Args:
        numbers: the group of each variable, in the order of sending: integers from 0 on, an array
            of the shape of an example, or a dict of an array or an int per part.
        coded_directly: bool, or a list of one bool per group: true if it is coded directly, false
            if it is sent by messages.

    Raises:
        ValueError: if `numbers` are not integers of at least 0, or `coded_directly` has another
            length.

    Example, first a label by messages, then all pixels, coded directly:

    >>> keras_bfn.orders.Groups({"label": 0, "image": 1}, coded_directly=[False, True])
    Groups(numbers={'label': 0, 'image': 1}, coded_directly=(False, True))
    """

    def __init__(
        self, numbers: Parts[ArrayLike], coded_directly: bool | Sequence[bool] = True
    ) -> None:
        if isinstance(numbers, dict) and not numbers:
            expected = "must be integers of at least 0, for at least one part"
            raise refusal("numbers", expected, numbers)
        self.numbers = map_parts(_check_numbers, part_names(numbers, "numbers"), numbers)
        num_groups = self.count_groups(None)
        coded = coded_directly
        if isinstance(coded, (list, tuple)):
            if len(coded) != num_groups or not all(isinstance(each, bool) for each in coded):
                expected = f"must contain a bool for each of {num_groups} groups"
                raise refusal("coded_directly", expected, coded)
            self.coded_directly = tuple(coded)
        else:
            self.coded_directly = check_bool("coded_directly", coded)

    def count_groups(self, event_shape: Parts[Shape] | None) -> int:
        return 1 + max(int(np.max(part)) for (part,) in list_parts(self.numbers))

    def groups(self, event_shape: Parts[Shape], noise: Tensor = None, open: Nest = None) -> Nest:
        def of_shape(numbers, shape):
            return np.broadcast_to(np.asarray(numbers, "int32"), (1, *shape))

        return map_parts(of_shape, self.numbers, event_shape)

    def check(self, flow: "Parts[Flow]", event_shape: Parts[Shape]) -> None:
        names = check_names(flow, self.numbers, "order")
        for name, numbers, shape in list_parts(names, self.numbers, event_shape):
            if np.shape(numbers) not in ((), tuple(shape)):
                expected = f"must contain a number for each variable, of shape {shape}"
                raise mismatch(name, expected, f"shape {np.shape(numbers)}")
        super().check(flow, event_shape)


def _check_numbers(name, numbers):
    found = to_numpy(numbers, name)
    if found.dtype.kind not in "iu" or not found.size or found.min() < 0:
        raise refusal(name, "must be integers of at least 0", numbers)
    return int(found) if found.ndim == 0 else found.astype("int32")


def number_of_variables(event_shape):
    """Returns the number of variables in an example, over all parts."""
    return sum_parts(map_parts(math.prod, event_shape))


def join(values, event_shape):
    """Flattens values per variable, an array or a dict of one per part, to `(batch, variables)`."""
    parts = list_parts(event_shape, values)
    flat = [ops.reshape(part, (-1, math.prod(shape))) for shape, part in parts]
    return ops.concatenate(flat, axis=1) if len(flat) > 1 else flat[0]


def cut(values, event_shape):
    """Inverts `join`: returns an array of the event shape, or a dict of one per part."""
    reshape, start = np.reshape if isinstance(values, np.ndarray) else ops.reshape, 0

    def cut_part(shape):
        nonlocal start
        start, first = start + math.prod(shape), start
        return reshape(values[:, first:start], (-1, *shape))

    return map_parts(cut_part, event_shape)


ORDERS = {"together": Together(), "random": Random(), "left_to_right": LeftToRight()}


def get(identifier: str | Order | Parts[ArrayLike] | None) -> Order:
    """Returns the order that `identifier` names.

    Args:
        identifier: an `Order`; `"together"`, `"random"` or `"left_to_right"`; an array or a dict of
            group numbers, as in `Groups`; or None, for `Together`.

    Returns:
        An `Order`.

    Raises:
        ValueError: if `identifier` is none of these.

    Example:

    >>> keras_bfn.orders.get("random")
    Random()
    """
    if isinstance(identifier, (dict, np.ndarray, list, tuple)) or ops.is_tensor(identifier):
        return Groups(identifier)  # type: ignore[arg-type]
    identifier = "together" if identifier is None else identifier
    return resolve_identifier("order", identifier, Order, ORDERS)
