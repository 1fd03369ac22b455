"""Data come back to the bit, whatever the network says, to who has the condition."""

import functools

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import keras_bfn
from keras_bfn.codec import Codec, container
from keras_bfn.flows import DiscreteFlow, DiscretizedFlow
from tests.backends import everywhere
from tests.codec.crafting import crafted
from tests.codec.small import (
    KINDS,
    assert_comes_back,
    assert_is_refused,
    every_kind,
    file_of,
    model_of,
)
from tests.models.small import EVENT_SHAPE, FLOWS, ConditionNetwork, make_data, make_model

pytest.importorskip("constriction")


@pytest.mark.slow_to_compile
@every_kind
def test_data_come_back_from_batches_that_do_not_divide(kind):
    x, codec, data, _ = file_of(kind)
    back = codec.decompress(data, verbose=0)
    assert back.dtype == x.dtype
    assert_array_equal(back, x)


@pytest.mark.slow_to_compile
@every_kind
def test_the_same_data_make_the_same_bytes(kind):
    x, codec, data, _ = file_of(kind)
    assert codec.compress(x, verbose=0) == data


@pytest.mark.once
@pytest.mark.parametrize(("num", "num_steps"), [(1, 1), (1, 4), (7, 1)])
@every_kind
def test_one_example_and_one_step_are_enough(kind, num, num_steps):
    x = make_data(model_of(kind).flow, num=num, seed=3)
    assert_comes_back(Codec(model_of(kind), num_steps, batch_size=1), x)


@pytest.mark.once
@pytest.mark.parametrize(
    ("kind", "dtype"),
    [
        *(("binary", dtype) for dtype in ("bool", "uint8", "int8", "int64", ">u2")),
        *((kind, "uint8") for kind in KINDS if kind != "binary"),
    ],
)
def test_dtypes_come_back_and_cost_nothing(kind, dtype):
    x, codec, data, _ = file_of(kind)
    as_dtype = codec.compress(x.astype(dtype), verbose=0)
    back = codec.decompress(as_dtype, verbose=0)
    assert back.dtype.name == np.dtype(dtype).name
    assert_array_equal(back, x)
    assert_array_equal(container.read(as_dtype)[1], container.read(data)[1])


@pytest.mark.once
def test_a_file_may_be_given_as_any_bytes():
    x, codec, data, _ = file_of("binary")
    for each in (bytearray(data), memoryview(data)):
        assert_array_equal(codec.decompress(each, verbose=0), x)


@pytest.mark.once
def test_what_the_decoder_is_set_to_does_not_matter():
    x, codec, data, _ = file_of("binary")
    other = Codec(codec.model, num_steps=9, batch_size=2, resolution=0.1, seed=7)
    assert_array_equal(other.decompress(data, verbose=0), x)


@pytest.mark.once
@pytest.mark.parametrize("settings", [{"resolution": 0.05}, {"resolution": 0.9}, {"seed": 2**48}])
def test_data_come_back_at_other_settings(settings):
    x, codec, data, _ = file_of("discretized")
    assert assert_comes_back(Codec(codec.model, 5, 4, **settings), x) != data


@pytest.mark.once
def test_more_lanes_than_examples_are_not_used():
    x, codec, *_ = file_of("binary")
    few = Codec(codec.model, 5, batch_size=4).compress(x[:4], verbose=0)
    assert Codec(codec.model, 5, batch_size=100).compress(x[:4], verbose=0) == few


@pytest.mark.once
def test_all_256_grey_levels_come_back():
    flow = DiscretizedFlow(256)
    model = keras_bfn.BayesianFlowNetwork(flow, ConditionNetwork(2), event_shape=EVENT_SHAPE)
    x = np.arange(256).astype("uint8").reshape(16, *EVENT_SHAPE)
    for num_steps in (1, 2, 20):
        assert_comes_back(Codec(model, num_steps, batch_size=16), x)


@pytest.mark.slow_to_compile
def test_text_comes_back():
    flow = DiscreteFlow(27, beta_1=0.5625)
    network = keras_bfn.networks.Transformer(flow, 6, width=8, num_layers=1, num_heads=2)
    model = keras_bfn.BayesianFlowNetwork(flow, network)
    x = np.random.default_rng(0).integers(0, 27, (5, 6))
    assert_comes_back(Codec(model, num_steps=8, batch_size=2), x)


def test_a_network_in_half_precision_has_outputs_to_rely_on():
    model = make_model(FLOWS["binary"](), dtype="mixed_bfloat16")
    assert_comes_back(Codec(model, 5, batch_size=4), make_data(model.flow, 6))


@pytest.mark.slow_to_compile
@pytest.mark.parametrize(
    "kind",
    everywhere(
        [*KINDS, "256-exact", "2-faint", "2-loud", "5-faint", "5-loud"], "256-exact", "5-loud"
    ),
)
def test_data_come_back_through_a_network_that_is_confidently_wrong(kind):
    """Whatever it says costs bits, but no data: also at schedules that end near 0 or far off."""
    extremes = {
        "256-exact": lambda: DiscretizedFlow(256, sigma_1=1e-3),
        "2-faint": lambda: DiscreteFlow(2, beta_1=1e-3),
        "2-loud": lambda: DiscreteFlow(2, beta_1=1e4),
        "5-faint": lambda: DiscreteFlow(5, beta_1=1e-3),
        "5-loud": lambda: DiscreteFlow(5, beta_1=1e4),
    }
    flow = {**FLOWS, **extremes}[kind]()
    model = keras_bfn.BayesianFlowNetwork(flow, ConditionNetwork(flow.output_size), EVENT_SHAPE)
    model.build((None, *EVENT_SHAPE))
    kernel, bias = model.network.dense.weights
    rng = np.random.default_rng(0)
    kernel.assign(100 * rng.standard_normal(kernel.shape))
    bias.assign(100 * rng.standard_normal(bias.shape))
    x = make_data(flow, 5)
    for num_steps in (1, 2, 20):
        data, report = Codec(model, num_steps, 2).compress(x, return_report=True, verbose=0)
        assert_array_equal(Codec(model, batch_size=2).decompress(data, verbose=0), x)
    assert report["bits_per_variable"] > 1.1 * np.log2(flow.data_range[1] + 1)


CLASSES = np.array([0, 2, 1, 1, 0])


@functools.cache
def conditional(named=False):
    """A codec and data; with a network that says it has classes, or a plain layer that does not."""
    flow = FLOWS["discrete"]()
    if named:
        network = keras_bfn.networks.MLP(flow, EVENT_SHAPE, width=4, num_blocks=1, conditions=3)
        model = keras_bfn.BayesianFlowNetwork(flow, network)
    else:
        network = ConditionNetwork(flow.output_size)
        model = keras_bfn.BayesianFlowNetwork(flow, network, event_shape=EVENT_SHAPE)
    codec = Codec(model, 3, batch_size=2)
    x = make_data(flow, 5)
    return codec, x, codec.compress(x, CLASSES, verbose=0)


@pytest.mark.parametrize("named", everywhere({"named": True, "not named": False}, "named"))
def test_conditional_data_come_back_to_who_has_the_condition(named):
    codec, x, data = conditional(named)
    assert_array_equal(codec.decompress(data, CLASSES, verbose=0), x)
    assert_array_equal(codec.decompress(data, CLASSES.astype("uint8"), verbose=0), x)


@pytest.mark.once
@pytest.mark.parametrize("named", [False, True])
def test_who_has_another_condition_is_refused(named):
    codec, _, data = conditional(named)
    assert_is_refused(codec, data, "another condition", CLASSES[::-1])
    assert_is_refused(codec, data, "another condition, or without one")


@pytest.mark.once
def test_a_condition_of_too_few_is_refused():
    codec, x, data = conditional(named=True)
    with pytest.raises(ValueError, match="one condition for each of 5 examples"):
        codec.decompress(data, CLASSES[:3], verbose=0)
    with pytest.raises(ValueError, match="one condition for each of 5 examples"):
        codec.compress(x, CLASSES[:3], verbose=0)


@pytest.mark.once
def test_without_a_condition_the_null_condition_is_meant():
    codec, x, _ = conditional(named=True)
    data = assert_comes_back(codec, x)
    null = codec.compress(x, np.full(5, 3), verbose=0)
    assert_array_equal(container.read(data)[1], container.read(null)[1])
    assert_is_refused(codec, data, "another condition", CLASSES)
    assert_is_refused(codec, crafted(data, count=2**48))


@pytest.mark.once
def test_a_condition_for_a_network_that_takes_none_is_refused():
    x, codec, data, _ = file_of("binary")
    with pytest.raises(ValueError, match="takes no condition"):
        codec.compress(x, np.zeros(10, "int32"), verbose=0)
    with pytest.raises(ValueError, match="takes no condition"):
        codec.decompress(data, np.zeros(10, "int32"), verbose=0)
