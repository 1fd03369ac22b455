"""Lanes grow as the bits on the stack do, and a file has no initial bits to speak of."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import keras_bfn
from keras_bfn.codec import Codec, CodecError, container
from keras_bfn.codec.stages import list_stages, shrink
from keras_bfn.flows import DiscreteFlow, DiscretizedFlow
from tests.codec.small import constant_model, model_of
from tests.models.small import FLOWS, ConditionNetwork, make_data

pytest.importorskip("constriction")

pytestmark = pytest.mark.once("jax")

FLOW = DiscreteFlow(2, beta_1=2.0)


def stages(most_lanes=50, num_steps=4):
    return list_stages(FLOW, num_steps, 0.25, most_lanes)


def test_lanes_double_from_one_to_the_most():
    for most, lanes in ((1, [1]), (2, [1, 2]), (50, [1, 2, 4, 8, 16, 32, 50]), (8, [1, 2, 4, 8])):
        assert [stage.num_lanes for stage in stages(most)] == [1, 1, *lanes]


def test_the_first_examples_have_no_messages_and_the_next_a_coarse_lattice():
    first, second, *others = stages()
    assert first.chains.num_steps == 0
    assert first.chains.drawn_bits == 0
    assert second.chains.num_steps == 4
    assert {id(stage.chains) for stage in others} == {id(others[0].chains)}
    # Two levels of a lattice that is four times coarser: two bits less for each of two numbers.
    drawn = [stage.chains.drawn_bits for stage in (second, others[0])]
    assert drawn[1] - drawn[0] == pytest.approx(4)


def test_batches_come_back_in_reverse_order():
    rows = [(number, list(rows)) for number, rows in shrink(stages(4), [2, 0, 1, 2, 1], 9)]
    assert rows == [(4, [7, 8]), (3, [5, 6]), (3, [3, 4]), (2, [2]), (0, [1]), (0, [0])]


@pytest.mark.parametrize(
    ("batches", "num_examples"),
    [([2], 1), ([2], 3), ([0, 0, 0, 0, 1], 5), ([1, 0, 0, 0, 1], 1), ([2**48], 2), ([1] * 6, 9)],
)
def test_batches_of_another_number_of_examples_are_refused(batches, num_examples):
    with pytest.raises(CodecError, match="batches"):
        shrink(stages(4), batches, num_examples)


@pytest.mark.parametrize("kind", ["binary", pytest.param("discretized", marks=pytest.mark.slow)])
def test_a_file_has_next_to_no_initial_bits_however_many_lanes_there_are(kind):
    """Those of the seed are not drawn: all were there before."""
    model, x = model_of(kind), make_data(FLOWS[kind](), 120)
    sizes = []
    for batch_size in (1, 4):
        codec = Codec(model, num_steps=2, batch_size=batch_size)
        data, report = codec.compress(x, return_report=True, verbose=0)
        header, words = container.read(data)
        lanes = [stage.num_lanes for stage in stages(batch_size)]
        assert lanes[len(header["batches"]) - 1] == batch_size
        sizes.append(32 * len(words))
        # The first examples cost at most what they do without messages.
        assert report["initial_bits"] < 0.1 * sizes[-1]
        assert_array_equal(codec.decompress(data, verbose=0), x)
    assert max(sizes) < 1.05 * min(sizes)


def test_one_example_costs_what_it_does_before_any_message():
    codec = Codec(constant_model(FLOW, [0.0], event_shape=(100,)), num_steps=5)
    x = np.random.default_rng(0).integers(0, 2, (1, 100))
    data, report = codec.compress(x, return_report=True, verbose=0)
    assert container.read(data)[0]["batches"] == [1]
    assert report["bits_per_example"] == pytest.approx(100, abs=32)
    assert 32 <= report["initial_bits"] < 128  # the data's checksum, and not whole words
    assert_array_equal(codec.decompress(data, verbose=0), x)


def test_examples_that_cost_nothing_leave_the_stack_empty_and_come_back():
    codec = Codec(constant_model(FLOW, [-100.0]), num_steps=3)
    x = np.zeros((20, 4), "int32")
    data = codec.compress(x, verbose=0)
    assert container.read(data)[0]["batches"] == [20]
    assert_array_equal(codec.decompress(data, verbose=0), x)


@pytest.mark.parametrize("rows", ["short and long in turns", "long at the end", "long first"])
def test_examples_of_different_lengths_take_the_bits_that_they_cost(rows):
    """No stage begins because a short example draws little, if a long one still comes."""
    model = constant_model(FLOW, [0.0], event_shape=(200,), allow_missing=True)
    lengths = np.tile([2, 200], 40)
    order = {"long at the end": 1, "long first": -1}
    if rows in order:
        lengths = np.sort(lengths)[:: order[rows]]
    x = np.random.default_rng(0).integers(0, 2, (80, 200))
    x[np.arange(200) >= lengths[:, None]] = -1
    codec = Codec(model, num_steps=2, batch_size=8)
    data, report = codec.compress(x, return_report=True, verbose=0)
    nats = model.code_length(x, 2, num_repeats=4, seed=0, verbose=0)
    loss = sum(values.sum() for values in nats.values()) / np.log(2)
    assert report["total_bits"] - report["header_bits"] < 1.05 * loss
    assert_array_equal(codec.decompress(data, verbose=0), x)


@pytest.mark.parametrize("pattern", ["zeros", "ones", "blocks"])
def test_bits_of_a_pattern_may_be_drawn_too(pattern):
    """With two classes of probability 1/2 the first examples' bits are the data themselves."""
    model = constant_model(FLOW, [0.0], event_shape=(64,))
    x = {"zeros": np.zeros, "ones": np.ones}.get(pattern, np.zeros)((60, 64), "int32")
    if pattern == "blocks":
        x[:, 16:48] = 1
    codec = Codec(model, num_steps=2, batch_size=8)
    data, report = codec.compress(x, return_report=True, verbose=0)
    assert_array_equal(codec.decompress(data, verbose=0), x)
    nats = model.code_length(x, 2, num_repeats=4, seed=0, verbose=0)
    loss = sum(values.sum() for values in nats.values()) / np.log(2)
    assert report["total_bits"] - report["header_bits"] < 1.15 * loss


def test_a_seed_tells_the_bits_that_examples_draw_beyond_those_that_are_there(monkeypatch):
    """Where so many are drawn, they are in the file, and are found again."""
    monkeypatch.setattr("keras_bfn.codec.stages.MARGIN", 0.3)
    flow = DiscretizedFlow(256, sigma_1=1e-3)
    model = keras_bfn.BayesianFlowNetwork(flow, ConditionNetwork(2), event_shape=(4, 4, 1))
    x = np.random.default_rng(0).integers(0, 256, (20, 4, 4, 1)).astype("uint8")
    files = []
    for seed in (0, 1):
        codec = Codec(model, num_steps=4, batch_size=4, seed=seed)
        files.append(codec.compress(x, verbose=0))
        assert_array_equal(codec.decompress(files[-1], verbose=0), x)
    assert not np.array_equal(*(container.read(data)[1] for data in files))
