"""Stages of coding: how many examples are coded at a time, as the bits on the stack allow.

An example that is sent by messages first borrows bits from the stack. The first examples, when
there are none yet, are sent without messages, which costs more, but borrows nothing. Once there are
enough bits, examples are sent by messages on a coarse lattice, which borrows fewer; then on the
requested lattice; then two, four, eight at a time, and so on.
"""

import functools
from typing import Any, NamedTuple

import numpy as np

from keras_bfn._parts import list_parts, map_parts
from keras_bfn.codec.chain import Chain, without_messages
from keras_bfn.codec.errors import CodecError

COARSE = 1.0  # a resolution at which an example costs 1% to 3% more
NUM_STARTING_STAGES = 2  # before the final lattice is used
# For each variable, the next batch may borrow this many times as much as the last one.
MARGIN = 1.1


class Stage(NamedTuple):
    """How examples are sent.

    Attributes:
        num_lanes: int. The number of examples at a time.
        chains: a `Chain`, or a dict of the parts' chains.
    """

    num_lanes: int
    chains: Any


def list_stages(flow, num_steps, resolution, most_lanes):
    """Returns all stages in their order.

    Args:
        flow: a `keras_bfn.flows.Flow` of integers, or a dict of flows.
        num_steps: int, the number of messages once there are any.
        resolution: float, that of the final lattice.
        most_lanes: int. The final number of lanes.
    """

    coarse = map_parts(lambda flow: Chain(flow, num_steps, COARSE), flow)
    in_the_end = map_parts(lambda flow: Chain(flow, num_steps, resolution), flow)
    starting = [Stage(1, without_messages(flow)), Stage(1, coarse)]
    lanes = [2**i for i in range((most_lanes - 1).bit_length())] + [most_lanes]
    return starting + [Stage(num, in_the_end) for num in lanes]


def grow(stages, stack, num_examples, count_variables):
    """Yields the number of the stage and the rows of each batch, to be pushed before the next.

    A stage begins once there are enough bits for each batch that is left, as examples may differ in
    the number of their variables, and no earlier stage comes again.

    Args:
        stages: list of stages.
        stack: a `Stack`.
        num_examples: int.
        count_variables: function from rows to the number of each row's variables in each group that
            is sent by messages, an int array `(rows, groups)`, or a dict of the parts'. Each group
            returns what it borrows.
    """

    def rows_from(start, num_lanes):
        return np.arange(start, min(start + num_lanes, num_examples))

    most_lanes = stages[-1].num_lanes
    counts = [count_variables(rows_from(i, most_lanes)) for i in range(0, num_examples, most_lanes)]

    @functools.cache
    def drawn_bits(number):
        """Returns the bits drawn by a batch that begins at each row, and the most by any later."""
        num_lanes, chains = stages[number]
        bits = [_drawn_bits(chains, some) for some in counts]
        before = np.append(0.0, np.cumsum(np.concatenate(bits)))
        ends = np.minimum(np.arange(num_examples) + num_lanes, num_examples)
        drawn = before[ends] - before[:-1]
        return drawn, np.maximum.accumulate(drawn[::-1])[::-1]

    number, start, bottom, share = 0, 0, stack.num_bits(), 1.0
    while start < num_examples:
        bits = stack.num_bits()
        for later in range(number + 1, len(stages)):
            _, most = drawn_bits(later)
            if MARGIN * share * most[start] > bits - bottom:
                break
            number = later
        expected = drawn_bits(number)[0][start]
        stack.forget_lowest()
        yield number, rows_from(start, stages[number].num_lanes)
        if expected:
            share = (bits - 32 * (stack.lowest_words - 1)) / expected  # the first word may be empty
        start += stages[number].num_lanes


def _drawn_bits(chains, counts):
    """Returns the bits that each row draws for its largest group."""
    return sum(chain.drawn_bits * num for chain, num in list_parts(chains, counts)).max(axis=1)


def shrink(stages, batches, num_examples):
    """Returns an iterator over the batches of `grow` in reverse order, to be popped.

    Args:
        stages: list of stages.
        batches: list of ints, the number of batches of each of the first stages.
        num_examples: int.

    Raises:
        CodecError: if these batches do not hold `num_examples` examples, or there are fewer stages.
    """
    lanes = [stage.num_lanes for stage in stages[: len(batches)]]
    total = sum(num * times for num, times in zip(lanes, batches, strict=False))
    if len(batches) > len(stages) or not total - lanes[-1] < num_examples <= total:
        raise CodecError(f"The file's batches {batches} do not match its {num_examples} examples")

    def batches_backwards(start):
        for number, times in reversed(list(enumerate(batches))):
            for _ in range(times):
                start -= lanes[number]
                yield number, np.arange(start, min(start + lanes[number], num_examples))

    return batches_backwards(total)
