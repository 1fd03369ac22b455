"""The protocol by which examples are sent: batch after batch, in an order that both sides know."""

import math

import numpy as np

from keras_bfn import orders
from keras_bfn._parts import list_parts, map_parts
from keras_bfn.codec.errors import CodecError
from keras_bfn.codec.receiver import Receiver
from keras_bfn.codec.stages import NUM_STARTING_STAGES, grow, list_stages, shrink
from keras_bfn.orders.any_order_network import check_order
from keras_bfn.orders.orders import number_of_variables

ORDERS = (orders.Blocks, orders.Groups, orders.LeftToRight, orders.Random)  # which files can name


class Protocol:
    """Codes examples in an order: by bits-back coding where there are messages, else directly.

    With messages, as many examples are coded at a time as the stack allows. If all groups are coded
    directly, nothing is borrowed from the stack, and all batches are of about one size.

    Args:
        model: the `BayesianFlowNetwork`.
        order: a `keras_bfn.orders.Order`.
        header: dict of `"count"`, `"num_steps"`, `"batch_size"`, `"resolution"` and `"seed"`.
        condition, there: as for a `keras_bfn.codec.receiver.Receiver`.

    Attributes:
        initial: uint32 array, more words than will be popped.
        start: tuple of the number of examples sent before the final lattice is used, and of the
            number of bits on the stack at that moment; None until then.

    Raises:
        ValueError: if the model's data cannot be sent in this order.
    """

    def __init__(self, model, order, header, condition, there):
        order, self.count, size = check_order(model, order), header["count"], header["batch_size"]
        model.build_for(map_parts(lambda shape: (size, *shape), model.event_shape), condition)
        self.without_messages = bool(np.all(order.coded_directly))
        num_steps = 0 if self.without_messages else header["num_steps"]
        stages = list_stages(model.flow, num_steps, header["resolution"], size)
        self.stages = stages[-1:] if self.without_messages else stages
        noise = None
        if order.is_random:
            rng = np.random.default_rng(header["seed"])
            noise = rng.random((self.count, number_of_variables(model.event_shape)), "float32")
        given = condition, there, order, noise
        self.receivers = [Receiver(model, *stage, *given) for stage in self.stages]
        self.initial, self.start = np.ones(0, "uint32"), None
        if not self.without_messages:
            num_lanes, chains = self.stages[-1]
            num_words = sum(
                chain.initial_words(num_lanes * math.prod(shape))
                for chain, shape in list_parts(chains, model.event_shape)
            )
            words = np.random.PCG64(header["seed"]).random_raw(num_words) >> np.uint64(32)
            self.initial = np.maximum(words, 1).astype("uint32")  # the last word must not be zero

    def encode(self, stack, x):
        """Pushes all examples; yields the number of examples, and the stage, of each batch."""
        batches = self.even_batches()
        if not self.without_messages:
            batches = grow(self.stages, stack, self.count, self.receivers[0].count_variables)
        for number, rows in batches:
            if self.start is None and number >= NUM_STARTING_STAGES:
                self.start = rows[0], stack.num_bits()
            examples = map_parts(lambda x, rows=rows: x[rows], x)
            self.receivers[number].push(stack, examples, rows)
            yield len(rows), number

    def decode(self, stack, batches):
        """Pops what `encode` pushed; yields arrays of examples, the last batch first."""
        backwards = reversed(self.even_batches())
        if not self.without_messages:
            backwards = shrink(self.stages, batches, self.count)
        for number, rows in backwards:
            yield self.receivers[number].pop(stack, rows)

    def even_batches(self):
        """Returns batches of nearly one size, all of the first stage."""
        num_batches = -(-self.count // self.stages[0].num_lanes)
        return [(0, rows) for rows in np.array_split(np.arange(self.count), num_batches)]

    def probe(self, batches):
        """Returns the digest of the network's outputs, as the last batch computes them.

        Raises:
            CodecError: if these batches do not hold `count` examples.
        """
        if self.without_messages:
            return self.receivers[0].probe()
        batches = batches or [0]
        shrink(self.stages, batches, self.count)
        return self.receivers[len(batches) - 1].probe()


def pack_order(order):
    """Returns an order as plain values for JSON; None for `Together`."""
    if order == orders.Together():
        return None
    return {"class": type(order).__name__, "config": order.get_config()}


def unpack_order(packed):
    """Returns the order that `pack_order` packed.

    Raises:
        CodecError: if it is not a known order.
    """
    if packed is None:
        return orders.Together()
    known = {order.__name__: order for order in ORDERS}
    try:
        return known[packed["class"]].from_config(packed["config"])
    except (TypeError, KeyError, ValueError) as error:
        raise CodecError(f"The file's order is invalid: {packed}") from error
