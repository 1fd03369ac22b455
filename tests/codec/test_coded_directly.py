"""What is coded directly takes its cost, from the first example on, and comes back exactly."""

import math

import keras
import numpy as np
import pytest
from numpy.testing import assert_array_equal

import keras_bfn
from keras_bfn.codec import Codec, CodecError
from keras_bfn.flows import DiscreteFlow, DiscretizedFlow
from keras_bfn.networks import MultiPart, Transformer
from keras_bfn.orders import Groups, LeftToRight, Order, Random
from tests.backends import everywhere
from tests.codec.small import assert_comes_back

pytest.importorskip("constriction")

LENGTH, NUM = 6, 50

ORDERS = {
    "random": "random",
    "random groups": Random(2),
    "left to right": "left_to_right",
    "blocks": LeftToRight(4),
    "own groups": np.array([2, 1, 0, 0, 1, 2]),
}


def with_random_weights(network):
    rng = np.random.default_rng(0)
    network.set_weights([0.5 * rng.standard_normal(w.shape) for w in network.get_weights()])
    return network


def make_model(causal=False, masked=False, conditions=None):
    flow = DiscreteFlow(4, beta_1=2.0)
    network = Transformer(
        flow,
        LENGTH,
        8,
        1,
        2,
        times="variables",
        causal=causal,
        masked=masked,
        conditions=conditions,
    )
    network = with_random_weights(network)
    return keras_bfn.AnyOrderNetwork(flow, network, seed=0)


X = np.random.default_rng(1).integers(0, 4, (NUM, LENGTH)).astype("int8")


@pytest.fixture(scope="module")
def model():
    return make_model()


class AsDrawn(Random):
    """Random orders that do not change from call to call: those that files with a seed have."""

    def __init__(self, num_groups, seed):
        super().__init__(num_groups)
        self.noise = np.random.default_rng(seed).random((NUM, LENGTH), "float32")

    def draw_noise(self, event_shape, num, seed):
        return keras.ops.convert_to_tensor(self.noise)


@pytest.mark.slow_to_compile
@pytest.mark.parametrize("name", everywhere(list(ORDERS), "random groups"))
def test_data_come_back_and_take_what_they_cost(model, name):
    order = ORDERS[name]
    codec = Codec(model, order=order, batch_size=20, seed=3)
    data, report = codec.compress(X, return_report=True, verbose=0)
    assert_array_equal(Codec(model).decompress(data, verbose=0), X)
    order = keras_bfn.orders.get(order)
    if order.is_random:
        order = AsDrawn(order.num_groups, seed=3)
    num_groups = order.count_groups((LENGTH,))
    nats = model.code_length(
        X, num_repeats=num_groups, order=order, batch_size=NUM, seed=3, verbose=0
    )
    cost = nats["reconstruction"].sum() / math.log(2)
    payload = report["total_bits"] - report["header_bits"]
    assert nats["transmission"].max() == 0
    # The coder's state, words of 32 bits, and probabilities in units of 2^-24.
    assert cost - 1 < payload < 1.0002 * cost + 48


@pytest.mark.once
def test_the_causal_form_codes_what_it_scores():
    model = make_model(causal=True)
    codec = Codec(model, order="left_to_right", batch_size=20 * NUM)
    for example in (None, 0, 1, 2):
        # One example again and again: what each takes too much would add up.
        x = X if example is None else np.repeat(X[example : example + 1], 20 * NUM, axis=0)
        data, report = codec.compress(x, return_report=True, verbose=0)
        assert_array_equal(codec.decompress(data, verbose=0), x)
        nats = model.code_length(x, order="left_to_right", verbose=0)["reconstruction"].sum()
        payload, cost = report["total_bits"] - report["header_bits"], nats / math.log(2)
        # The coder's state, and letters that are rare, in units of 2^-24.
        assert -0.004 * cost < payload - cost < 0.004 * cost + 96


@pytest.mark.once
def test_what_is_missing_and_conditions_come_back():
    x = X.copy()
    x[::3, 4:] = -1
    model = make_model(masked=True, conditions=3)
    condition = np.arange(NUM) % 3
    data = assert_comes_back(Codec(model, order="random"), x, condition)
    with pytest.raises(CodecError, match="another condition"):
        Codec(model).decompress(data, verbose=0)


@pytest.mark.once
def test_parts_of_several_kinds_come_back():
    flow = {"b": DiscretizedFlow(5, prediction="data"), "a": DiscreteFlow(3, beta_1=2.0)}
    network = MultiPart(flow, {"b": (4,), "a": ()}, 8, 1, "mlp", times="variables")
    model = keras_bfn.AnyOrderNetwork(flow, with_random_weights(network), seed=0)
    rng = np.random.default_rng(0)
    x = {"b": rng.integers(0, 5, (9, 4)), "a": rng.integers(0, 3, 9)}
    for order in ("random", Groups({"a": 1, "b": 0})):
        codec = Codec(model, order=order, batch_size=4)
        back = codec.decompress(codec.compress(x, verbose=0), verbose=0)
        for name in x:
            assert_array_equal(back[name], x[name])


class Backwards(Order):
    """From right to left: an order that no file can name."""

    def count_groups(self, event_shape):
        return LENGTH

    def groups(self, event_shape, noise=None, open=None):
        return np.arange(LENGTH)[::-1].astype("int32")[None]


@pytest.mark.once
def test_an_order_of_ones_own_is_scored_and_drawn_but_no_file_can_name_it(model):
    own, same = Backwards(), np.arange(LENGTH)[::-1].copy()
    options = {"num_repeats": LENGTH, "seed": 0, "verbose": 0}
    costs = [model.code_length(X, order=order, **options) for order in (own, same)]
    assert_array_equal(costs[0]["reconstruction"], costs[1]["reconstruction"])
    drawn = [model.generate(5, order=order, seed=0, verbose=0) for order in (own, same)]
    assert_array_equal(*drawn)
    with pytest.raises(ValueError, match="`order` must be 'together', or an order of this"):
        Codec(model, order=own)


@pytest.mark.once
def test_a_saved_model_decodes(model, tmp_path):
    data = Codec(model, order="random").compress(X, verbose=0)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert_array_equal(Codec(again).decompress(data, verbose=0), X)
