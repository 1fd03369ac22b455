"""Messages: examples are sent along chains of evidence, so many at a time as the stack can bear."""

import math

import numpy as np

from keras_bfn._parts import list_parts, map_parts
from keras_bfn.codec.chain import pop, push
from keras_bfn.codec.receiver import Receiver
from keras_bfn.codec.stages import NUM_STARTING_STAGES, grow, list_stages, shrink


class Messages:
    """Sends examples by messages, with bits back.

    Args:
        model: the `BayesianFlowNetwork`.
        header: dict of `"count"`, `"num_steps"`, `"batch_size"`, `"resolution"` and `"seed"`.
        condition, there: as of a `keras_bfn.codec.receiver.Receiver`.

    Attributes:
        initial: uint32 array, more words than will be drawn.
        start: the tuple of how many examples were sent without messages, and of the bits that the
            stack had then; None until then.

    Raises:
        ValueError: if the model's data cannot be sent so.
    """

    def __init__(self, model, header, condition, there):
        self.count, size = header["count"], header["batch_size"]
        self.stages = list_stages(model.flow, header["num_steps"], header["resolution"], size)
        self.receivers = [
            Receiver(model, *reversed(stage), condition, there) for stage in self.stages
        ]
        num_lanes, chains = self.stages[-1]
        num_words = sum(
            chain.initial_words(num_lanes * math.prod(shape))
            for chain, shape in list_parts(chains, model.event_shape)
        )
        words = np.random.PCG64(header["seed"]).random_raw(num_words) >> np.uint64(32)
        self.initial = np.maximum(words, 1).astype("uint32")  # zero must not come last
        self.start = None

    def encode(self, stack, x):
        """Pushes all examples; yields how many, and by which stage, for each batch."""
        count_variables = self.receivers[0].count_variables
        for number, rows in grow(self.stages, stack, self.count, count_variables):
            if self.start is None and number >= NUM_STARTING_STAGES:
                self.start = rows[0], stack.num_bits()
            # What is missing takes no bits.
            examples = map_parts(
                lambda x, mask, rows=rows: x[rows][mask], x, self.receivers[0].masks(rows)
            )
            chains, expect = self.stages[number].chains, self.receivers[number].expecting(rows)
            push(chains, stack, examples, expect)
            yield len(rows), number

    def decode(self, stack, batches):
        """Pops what `encode` pushed; yields arrays of examples, the last of them first."""
        for number, rows in shrink(self.stages, batches, self.count):
            shapes = map_parts(lambda num: (num,), self.receivers[0].count_variables(rows))
            chains, expect = self.stages[number].chains, self.receivers[number].expecting(rows)
            values = pop(chains, stack, shapes, expect)
            yield map_parts(_put, self.receivers[0].masks(rows), values)

    def probe(self, batches):
        """The digest of the network's outputs for fixed evidence, as the last batch has them.

        Raises:
            CodecError: if there are not so many examples in these batches.
        """
        shrink(self.stages, batches, self.count)
        return self.receivers[len(batches) - 1].probe()


def _put(mask, values):
    """What was popped of the variables that are there, and -1 for the others."""
    x = np.full(mask.shape, -1, values.dtype)
    x[mask] = values
    return x
