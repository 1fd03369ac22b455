"""Telling: each group of variables is coded at once, by what the network expects given the last.

Nothing is drawn from the stack, so there are no initial bits and no lattice. Bob asks the network
about each group in turn; Alice asks just as he will, about the last group first.
"""

import keras
import numpy as np
from keras import ops

from keras_bfn import orders
from keras_bfn._devices import round_up
from keras_bfn._parts import list_parts, map_parts
from keras_bfn.codec import fingerprints
from keras_bfn.codec.errors import CodecError
from keras_bfn.codec.expectations import expectation
from keras_bfn.codec.receiver import OutputProgram, ask_about, masks_of, rows_of
from keras_bfn.inputs.given import is_in_one_pass, order_noise
from keras_bfn.inputs.missing import fill_missing

ORDERS = (orders.Groups, orders.LeftToRight, orders.Random)  # that files can name


class Teller:
    """Tells examples in an order, in batches of one size, by one compiled program.

    Args:
        model: the `BayesianFlowNetwork`.
        order: a `keras_bfn.orders.Order` of which all groups are told.
        header: dict of `"count"`, `"batch_size"`, and `"seed"`, of an order that is random.
        condition, there: as of a `keras_bfn.codec.receiver.Receiver`.
    """

    initial = np.ones(4, "uint32")  # the coder's own state
    start = None

    def __init__(self, model, order, header, condition, there):
        self.model, self.order, self.condition = model, order, condition
        self.batch_size = round_up(header["batch_size"], model)
        self.count, self.event_shape = header["count"], model.event_shape
        self.there = there
        self.noise = order_noise(model, order, self.count, header["seed"])
        self.num_groups = order.count_groups(model.event_shape)
        self.in_one_pass = is_in_one_pass(model, order)
        self.channels = map_parts(lambda flow: flow.channel(), model.flow)
        self.program = model.programs(OutputProgram)

    def encode(self, stack, x):
        """Pushes all examples; yields how many, and 0, for each batch."""
        for rows in self.rows_of_batches():
            self.push(stack, map_parts(lambda x, rows=rows: x[rows], x), rows)
            yield len(rows), 0

    def decode(self, stack, batches):
        """Pops what `encode` pushed; yields arrays of examples, the last of them first."""
        for rows in reversed(self.rows_of_batches()):
            yield self.pop(stack, rows)

    def rows_of_batches(self):
        """The rows of each batch."""
        return np.array_split(np.arange(self.count), -(-self.count // self.batch_size))

    def masks(self, rows):
        """Which variables of the rows' examples are there."""
        return masks_of(self.there, self.event_shape, rows)

    def groups(self, rows):
        """The group of each variable of the rows' examples."""
        noise = None if self.noise is None else ops.convert_to_tensor(self.noise[rows])
        open = map_parts(ops.convert_to_tensor, self.masks(rows))
        groups = map_parts(ops.convert_to_numpy, self.order.groups(self.event_shape, noise, open))
        return map_parts(
            lambda groups, shape: np.broadcast_to(groups, (len(rows), *shape)),
            groups,
            self.event_shape,
        )

    def push(self, stack, x, rows):
        """Pushes the rows' examples."""
        masks, groups = self.masks(rows), self.groups(rows)
        for number in reversed(range(self.num_groups)):
            for channel, values, mask, expected in self.expect(number, x, masks, groups, rows):
                expectation(channel, expected).push(stack, values[mask])

    def pop(self, stack, rows):
        """Pops what `push` pushed; what is missing is -1."""
        masks, groups = self.masks(rows), self.groups(rows)
        x = map_parts(lambda mask: np.full(mask.shape, -1, "int64"), masks)
        for number in range(self.num_groups):
            parts = self.expect(number, x, masks, groups, rows)
            for channel, values, mask, expected in reversed(parts):
                values[mask] = expectation(channel, expected).pop(stack)
        return x

    def expect(self, number, x, masks, groups, rows):
        """For each part its channel, the data, which of them are told now, and what is expected."""
        now = map_parts(lambda group, mask: (group == number) & mask, groups, masks)
        known = map_parts(lambda group, mask: (group < number) & mask, groups, masks)
        told = self.ask(x, known, rows)
        expected = map_parts(lambda mask, told: rows_of(told, mask), now, told)
        return list_parts(self.channels, x, now, expected)

    def ask(self, x, known, rows):
        """What is expected of all variables, given those that are known."""
        num, size = len(rows), self.batch_size

        def see(flow, x, known):
            x = fill_missing(flow, np.where(known, x, -1).astype("int32"))
            s = ops.convert_to_numpy(flow.known_evidence(ops.convert_to_tensor(x)))
            padded = np.zeros((size, *s.shape[1:]), "float32")
            padded[:num] = np.where(known[..., None], s, 0.0)
            return padded

        def pad(mask):
            return np.resize(mask, (size, *mask.shape[1:]))

        inputs = {
            "s": map_parts(see, self.model.flow, x, known),
            "t": np.zeros(size, "float32"),
            "known": map_parts(pad, known),
        }
        if self.in_one_pass:
            inputs["causal"] = np.ones(size, "bool")
        return ask_about(self.program, inputs, self.condition, self.there, rows)

    def probe(self, batches):
        """The digest of what is expected given fixed data: of none, half and nearly all groups."""
        rows = np.zeros(min(self.count, self.batch_size), "int64")
        groups, rng = self.groups(rows), np.random.Generator(np.random.PCG64(0))
        x = map_parts(
            lambda flow, group: rng.integers(0, flow.num_values, group.shape),
            self.model.flow,
            groups,
        )
        numbers = sorted({0, self.num_groups // 2, self.num_groups - 1})
        told = [
            self.ask(x, map_parts(lambda group, n=n: (group >= 0) & (group < n), groups), rows)
            for n in numbers
        ]
        arrays = (fingerprints.of_array(values) for values in keras.tree.flatten(told))
        return fingerprints.digest(*(array.encode() for array in arrays))


def pack_order(order):
    """An order as plain values that JSON can hold; None for `Together`."""
    if order == orders.Together():
        return None
    return {"class": type(order).__name__, "config": order.get_config()}


def unpack_order(packed):
    """The order that `pack_order` packed.

    Raises:
        CodecError: if it is none that there is.
    """
    if packed is None:
        return orders.Together()
    try:
        for order_class in ORDERS:
            if packed["class"] == order_class.__name__:
                return order_class.from_config(packed["config"])
    except (TypeError, KeyError, ValueError) as error:
        raise CodecError(f"The file's order is impossible: {error}") from error
    raise CodecError(f"The file's order is unknown: {packed['class']!r}")
