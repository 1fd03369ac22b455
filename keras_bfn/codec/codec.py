"""Compresses data to bytes and back, at the cost that the loss states."""

import math
import time
from functools import partial
from typing import Any

import keras
import numpy as np

from keras_bfn import orders
from keras_bfn._keras import layers_within
from keras_bfn._parts import check_has_event_shape, count_examples, map_parts, names_of
from keras_bfn._typing import ArrayLike, Data, Nest, Parts, Verbose
from keras_bfn._validation import (
    MOST_STEPS,
    check_between,
    check_bool,
    check_int,
    check_verbose,
    refusal,
)
from keras_bfn.codec import container, fingerprints
from keras_bfn.codec.errors import CodecError
from keras_bfn.codec.protocol import ORDERS, Protocol, pack_order, unpack_order
from keras_bfn.codec.stack import Stack
from keras_bfn.inputs.arrays import check_data
from keras_bfn.inputs.conditions import condition_inputs
from keras_bfn.inputs.missing import is_missing
from keras_bfn.models.bayesian_flow_network import BayesianFlowNetwork
from keras_bfn.models.trainer import in_turn
from keras_bfn.orders import Order
from keras_bfn.orders.any_order_network import check_order

MOST_DEFAULT_LANES = 64
MOST_UNASKED_STEPS = 1000  # the most steps of a file that a codec with fewer decodes


class Codec:
    """Lossless compression by a Bayesian flow network.

    The sender transmits x to the receiver in `num_steps` messages, as in the paper, at the cost
    that the loss states: `model.code_length(x, num_steps)`. A message of real numbers takes far
    more bits than the information that it brings, but bits-back coding along the chain of evidence
    recovers the rest. The bits that it borrows must already be on the stack. So the first examples
    are sent without messages, which costs more; then as many are coded at a time as the bits on the
    stack allow. No symbol costs more than 24 bits: where a model is sure of something wrong, a file
    is smaller than the loss says.

    Decoding needs outputs of the network that are identical to the bit. On a CPU they are for the
    same weights, backend, versions and kind of machine; on a GPU, if its operations are
    deterministic. A file holds a fingerprint of the weights, and one of the outputs for fixed
    evidence. `decompress` checks both before it starts, and the initial bits and a checksum of the
    data at the end. It never returns wrong data.

    In another `order`, each group of variables is coded given those before it. A group that is sent
    by messages takes `num_steps + 1` network calls for each batch. A group that is coded directly
    by the output distribution takes one call and no messages. If all groups are coded directly, a
    file is as long as the data cost, from the first example on.

    Args:
        model: a trained `keras_bfn.BayesianFlowNetwork` of integers (with a `DiscreteFlow`, a
            `DiscretizedFlow`, or a dict of these), compiled in the same way for both directions.
        num_steps: int, at least 1. More steps give fewer bytes, and take longer: the network is
            called `num_steps + 1` times for each batch.
        batch_size: int or None. The maximum number of examples, or *lanes*, that are coded at a
            time: one at first, then two, four and so on. It affects not what examples cost, but how
            fast they are coded, once there are thousands. 64 by default.
        resolution: float in (0.001, 1). The spacing of the lattice on which evidence lies, in
            standard deviations of a message. A coarser lattice lets the lanes grow sooner, and
            costs more for each example; 0.25 costs less than 0.5% more than the loss says.
        seed: int. The seed of the bits below the first examples. The file contains these bits only
            if examples borrow more than expected.
        order: as in `BayesianFlowNetwork.code_length`, but only of this package: `"together"`,
            `"random"`, `"left_to_right"`, or an object or group numbers of `keras_bfn.orders`.

    Raises:
        ValueError: if an argument is out of range, the model's data are real numbers, or they
            cannot be sent in this order.
        ImportError: when the codec is used, if `constriction` is missing.

    Example:

    >>> codec = keras_bfn.codec.Codec(model, num_steps=20)
    >>> data = codec.compress(images, verbose=0)
    >>> bool((codec.decompress(data, verbose=0) == images).all())
    True

    Reference: section 3 of [Graves et al., 2023](https://arxiv.org/abs/2308.07037), and Bit-Swap,
    [Kingma et al., 2019](https://arxiv.org/abs/1905.06845).
    """

    def __init__(
        self,
        model: BayesianFlowNetwork,
        num_steps: int = 50,
        batch_size: int | None = None,
        resolution: float = 0.25,
        seed: int = 0,
        order: str | Order | Parts[ArrayLike] = "together",
    ) -> None:
        if not isinstance(model, BayesianFlowNetwork):
            raise refusal("model", "must be a `keras_bfn.BayesianFlowNetwork`", model)
        map_parts(lambda flow: flow.channel(), model.flow)  # raises if a flow has none
        check_has_event_shape(model)
        self.model = model
        self.num_steps = check_int("num_steps", num_steps, 1, MOST_STEPS)
        self.order = check_order(model, order)
        if self.order != orders.Together() and type(self.order) not in ORDERS:
            raise refusal("order", "must be 'together', or an order of this package", order)
        self.batch_size = batch_size
        if batch_size is not None:
            self.batch_size = check_int("batch_size", batch_size, 1, container.MOST_LANES)
        self.resolution = check_between("resolution", resolution, container.FINEST_RESOLUTION, 1)
        self.seed = check_int("seed", seed, 0, container.MOST_SEED)

    @property
    def turn(self) -> Any:
        """The lock that threads hold in turn: that of the model."""
        return self.model.turn

    @in_turn
    def compress(
        self,
        x: Data,
        condition: Parts[ArrayLike] | None = None,
        return_report: bool = False,
        verbose: Verbose = "auto",
    ) -> Any:
        """Compresses examples.

        Args:
            x: int array, `(num, *event_shape)`, or a dict of the parts' arrays.
            condition: as in `BayesianFlowNetwork.generate`. It is not stored: `decompress` must be
                given the same.
            return_report: bool. Whether to return a report, too.
            verbose: 0, 1 or `"auto"` (1): whether to show progress.

        Returns:
            Bytes. With `return_report`, a tuple of the bytes and a dict: `"num_examples"`;
            `"bits_per_example"` and `"bits_per_variable"`, the cost of the examples that are sent
            by messages on the requested lattice, or the mean cost if none is; `"initial_bits"`, the
            extra cost of the other examples, negative if these are much shorter; `"header_bits"`,
            including the checksum; `"total_bits"`; and `"seconds"`.

        Raises:
            ValueError: if the data do not suit the model, or the network has matrices of low rank
                (`enable_lora`): saving adds them to the kernels, which changes the outputs a
                little, so a loaded model could not decompress the file.
            CodecError: if the network's outputs are not numbers.
        """
        began = time.monotonic()
        check_bool("return_report", return_report)
        check_verbose(verbose)
        model = self.model
        if any(getattr(layer, "lora_enabled", False) for layer in layers_within(model.network)):
            expected = "must have no matrices of low rank: save and load it, which adds them up"
            raise refusal("model", expected, model)
        x = check_data(model.flow, model.event_shape, x, allow_missing=model.allow_missing)
        num = count_examples(x)
        there = map_parts(lambda x: ~is_missing(x), x) if model.allow_missing else None
        condition, condition_digest = self._condition(condition, num)
        header = {
            "count": num,
            "num_steps": self.num_steps,
            "batch_size": min(self.batch_size or MOST_DEFAULT_LANES, num),
            "resolution": self.resolution,
            "seed": self.seed,
        }
        protocol = Protocol(model, self.order, header, condition, there)
        initial = np.concatenate([_data_word(x), protocol.initial])
        stack = Stack(initial, ends=protocol.without_messages)
        progress, numbers = _progress(num, verbose), []
        for num_coded, number in protocol.encode(stack, x):
            numbers.append(number)
            progress.add(num_coded)
        batches = None if protocol.without_messages else np.bincount(numbers).tolist()
        words = stack.words()
        # Initial words that were never popped are not stored, because the seed determines them. Two
        # words are the coder's state, and no file may have more than 32 lanes for each word, even
        # if all variables are missing.
        num_kept = max(math.ceil(header["batch_size"] / 32), len(words) - stack.fewest_words + 2)
        num_undrawn = 0 if protocol.without_messages else max(0, len(words) - num_kept - 1)
        header |= {
            "dtype": map_parts(lambda x: x.dtype.name, x),
            "order": pack_order(self.order),
            "batches": batches,
            "undrawn_words": num_undrawn,
            "model": fingerprints.of_model(model),
            "outputs": protocol.probe(batches),
            "there": None if there is None else map_parts(container.pack_mask, there),
            "condition": condition_digest,
            "environment": fingerprints.of_environment(),
        }
        data = container.write(header, np.delete(words, np.s_[1 : 1 + num_undrawn]))
        if not return_report:
            return data
        first, bits_before = protocol.start or (0, 32 * len(initial))
        bits_per_example = (stack.num_bits() - bits_before) / (num - first)
        header_bits = 8 * len(container.write(header, []))
        return data, {
            "num_examples": num,
            "bits_per_example": bits_per_example,
            "bits_per_variable": bits_per_example / model.num_variables,
            "initial_bits": 8 * len(data) - header_bits - bits_per_example * num,
            "header_bits": header_bits,
            "total_bits": 8 * len(data),
            "seconds": time.monotonic() - began,
        }

    @in_turn
    def decompress(
        self,
        data: bytes | bytearray | memoryview,
        condition: Parts[ArrayLike] | None = None,
        verbose: Verbose = "auto",
    ) -> Nest:
        """Returns the examples that `compress` was given, whatever the arguments of this codec.

        Args:
            data: bytes.
            condition: as given to `compress`.
            verbose: as in `compress`.

        Returns:
            An array of the shape, values and dtype of what was compressed (int64 for uint64), or a
            dict of the parts' arrays.

        Raises:
            CodecError: if `data` is not a complete and undamaged file of this format, or the model,
                the condition or the network's outputs are not those that it was made with.
        """
        if not isinstance(data, (bytes, bytearray, memoryview)):
            raise ValueError(f"Argument `data` must be bytes. Received: {type(data).__name__}")
        check_verbose(verbose)
        header, payload = container.read(bytes(data))
        model, count, num_steps = self.model, header["count"], header["num_steps"]
        if not fingerprints.of_model(model).startswith(header["model"]):
            raise CodecError("The file was made by another model: its flow or weights differ")
        if num_steps > max(self.num_steps, MOST_UNASKED_STEPS):
            came = f"The file was made with {num_steps} steps, and would take long to decode"
            raise CodecError(f"{came}. If that is intended, use a `Codec` with {num_steps=}")
        dtypes, there = header["dtype"], header["there"]
        if names_of(dtypes) not in (None, names_of(model.flow)):
            raise CodecError(f"The file's data have other parts than the model's: {dtypes}")
        masks = model.allow_missing
        if (there is not None) != masks or (masks and names_of(there) != names_of(model.flow)):
            why = "do not match the model's `allow_missing` or its parts"
            raise CodecError(f"The file's masks of observed variables {why}")
        # One null condition serves all examples: a file may claim to have any number of them.
        num_conditions = 1 if condition is None else count
        condition, condition_digest = self._condition(condition, num_conditions)
        if header["condition"] != condition_digest:
            raise CodecError("The file was made with another condition, or without one")
        differences = fingerprints.differences(header["environment"])
        if there is not None:
            there = map_parts(partial(container.unpack_mask, count), model.event_shape, there)
        order = unpack_order(header["order"])
        try:
            protocol = Protocol(model, order, header, condition, there)
        except ValueError as error:
            raise CodecError(f"The file's header is invalid: {error}") from error
        examples, progress = [], _progress(count, verbose)
        if not protocol.probe(header["batches"]).startswith(header["outputs"]):
            came = "The network's outputs differ from those when the file was made"
            raise CodecError(f"{came}{differences}")
        try:
            undrawn = protocol.initial[: header["undrawn_words"]]
            words = np.concatenate([payload[:1], undrawn, payload[1:]])
            stack = Stack(words, ends=protocol.without_messages)
            for batch in protocol.decode(stack, header["batches"]):
                examples.append(batch)
                progress.add(count_examples(batch))
        except CodecError as error:
            raise CodecError(f"The file cannot be decoded: {error}{differences}") from error

        def join(_, dtype, *batches):
            return np.concatenate(batches).astype(dtype)

        x = map_parts(join, model.flow, dtypes, *reversed(examples))
        if not np.array_equal(stack.words(), np.concatenate([_data_word(x), protocol.initial])):
            raise CodecError(f"The decoded data differ from the compressed data{differences}")
        return x

    def _condition(self, condition, num):
        """Returns the network's conditions, and the digest of those given, None if none were."""
        found = condition_inputs(self.model, condition, num).get("condition")
        return found, None if condition is None else fingerprints.of_array(found)


def _data_word(x):
    """Returns the data's checksum, the lowest word of the stack, which must not be zero."""
    return np.array([int(fingerprints.of_array(x)[:8], 16) or 1], "uint32")


def _progress(num, verbose):
    """Returns a progress bar over examples, which shows nothing if `verbose` is 0."""
    return keras.utils.Progbar(num, verbose=int(verbose != 0), unit_name="example")
