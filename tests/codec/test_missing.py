"""Variables that are missing take no bits, and come back as missing."""

import base64
import time
import tracemalloc
import zlib

import keras
import numpy as np
import pytest
from numpy.testing import assert_array_equal, assert_equal

import keras_bfn
from keras_bfn import BayesianFlowNetwork
from keras_bfn.codec import Codec, CodecError, container
from keras_bfn.codec.protocol import Protocol
from keras_bfn.flows import DiscreteFlow, DiscretizedFlow, MarkovChain
from keras_bfn.networks import MLP, MultiPart, Transformer
from tests.codec.crafting import crafted
from tests.codec.small import assert_is_refused

pytest.importorskip("constriction")

SHORT, LONG = 4, 6
CHAIN = MarkovChain.fit(np.random.default_rng(0).integers(0, 3, (30, 9)), 3, order=1)
FLOWS = {
    "discrete": DiscreteFlow(3, beta_1=2.0),
    "chain": DiscreteFlow(3, beta_1=2.0, prior=CHAIN),
    "levels": DiscretizedFlow(3, sigma_1=0.3),
}


def randomize(network):
    rng = np.random.default_rng(0)
    network.set_weights([0.3 * rng.standard_normal(w.shape) for w in network.get_weights()])
    return network


def make_codec(name="discrete", length=LONG, masked=True, batch_size=4, num_steps=4):
    flow = FLOWS[name]
    network = Transformer(flow, length, 8, 1, num_heads=2, kernel_size=3, masked=masked)
    model = BayesianFlowNetwork(flow, randomize(network), seed=0)
    return Codec(model, num_steps=num_steps, batch_size=batch_size)


def make_data(num=10, seed=1):
    """Some variables missing, and all of two examples, which are a whole batch of the codec's."""
    rng = np.random.default_rng(seed)
    x = np.where(rng.random((num, LONG)) < 0.6, rng.integers(0, 3, (num, LONG)), -1)
    x[-2:] = -1
    return x.astype("int32")


@pytest.mark.slow_to_compile
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.once] * (name != "discrete")) for name in FLOWS]
)
def test_what_is_missing_comes_back_as_missing(name):
    x, codec = make_data(), make_codec(name)
    data = codec.compress(x, verbose=0)
    back = codec.decompress(data, verbose=0)
    assert back.dtype == x.dtype
    assert_array_equal(back, x)


@pytest.mark.slow
@pytest.mark.once
@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[] if n == "discrete" else [pytest.mark.slow]) for n in FLOWS]
)
def test_padded_sequences_take_the_bits_that_they_take_without(name, monkeypatch):
    """The same initial bits, and the same number of bits but for the coder's rounding."""
    num = 50
    x = np.random.default_rng(0).integers(0, 3, (num, SHORT))
    padded = np.pad(x, ((0, 0), (0, LONG - SHORT)), constant_values=-1)
    words = np.random.default_rng(1).integers(1, 2**32, 1000, dtype="uint32")
    make = Protocol.__init__

    def make_with_words(self, *arguments):
        make(self, *arguments)
        self.initial = words

    monkeypatch.setattr(Protocol, "__init__", make_with_words)
    options = {"batch_size": num, "num_steps": 2}
    codecs = make_codec(name, **options), make_codec(name, SHORT, False, **options)
    reports = [
        codec.compress(values, return_report=True, verbose=0)[1]
        for codec, values in zip(codecs, (padded, x), strict=True)
    ]
    bits = [num * report["bits_per_example"] for report in reports]
    assert abs(bits[0] - bits[1]) <= 64  # two words of 32
    nats = codecs[0].model.code_length(padded, 2, num_repeats=4, seed=0, verbose=0)
    total = sum(values.sum() for values in nats.values()) / np.log(2)
    assert bits[0] == pytest.approx(total, rel=0.1)


@pytest.mark.once
def test_examples_of_which_nothing_is_there_take_next_to_nothing():
    x = np.full((200, LONG), -1)
    for batch_size in (100, 200):
        codec = make_codec(batch_size=batch_size)
        data, report = codec.compress(x, return_report=True, verbose=0)
        assert report["bits_per_example"] == 0
        assert_array_equal(codec.decompress(data, verbose=0), x)


@pytest.mark.once
def test_parts_with_missing_cells_come_back():
    flow = {"word": FLOWS["discrete"], "size": DiscretizedFlow(5, sigma_1=0.3)}
    shapes = {"word": (3,), "size": ()}
    network = MultiPart(flow, shapes, width=8, num_blocks=1, mixer="mlp")
    model = BayesianFlowNetwork(flow, randomize(network), allow_missing=True)
    x = {"word": make_data(10)[:, :3], "size": np.arange(10, dtype="int16") % 6 - 1}
    codec = Codec(model, num_steps=3, batch_size=4)
    data = codec.compress(x, verbose=0)
    assert_equal(codec.decompress(data, verbose=0), x)
    there = container.read(data)[0]["there"]
    assert set(there) == {"word", "size"}
    for other in (None, there["word"], {"word": there["word"]}, {**there, "more": ""}):
        assert_is_refused(codec, crafted(data, there=other), "masks of observed variables")
    swapped = {"word": there["size"], "size": there["word"]}
    assert_is_refused(codec, crafted(data, there=swapped), "mask does not have")


@pytest.fixture(scope="module")
def file():
    """A codec and a file of it."""
    codec = make_codec()
    return codec, codec.compress(make_data(), verbose=0)


def packed(raw):
    return base64.b64encode(zlib.compress(raw, 9)).decode()


NUM_BYTES = -(-10 * LONG // 8)
HOSTILE = {
    "too short": packed(b"\xff" * (NUM_BYTES - 1)),
    "too long": packed(b"\xff" * (NUM_BYTES + 1)),
    "far too long": packed(b"\xff" * 10_000_000),
    "empty": "",
    "of no bits": packed(b""),
    "not zlib": base64.b64encode(b"\xff" * 20).decode(),
    "cut": packed(np.random.default_rng(0).bytes(NUM_BYTES))[:4],
    "not base64": "a",
    "not ASCII": "\u00fc\u2603",
    "all there": packed(b"\xff" * NUM_BYTES),
    "none there": packed(b"\0" * NUM_BYTES),
    "others there": packed(np.random.default_rng(0).bytes(NUM_BYTES)),
}


@pytest.mark.once
@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_mask_is_refused_soon_and_in_little_memory(case, file):
    codec, data = file
    hostile = crafted(data, there=HOSTILE[case])
    tracemalloc.start()
    start = time.monotonic()
    with pytest.raises(CodecError):
        codec.decompress(hostile, verbose=0)
    assert time.monotonic() - start < 10
    assert tracemalloc.get_traced_memory()[1] < 5_000_000
    tracemalloc.stop()


@pytest.mark.once
@pytest.mark.parametrize("count", [1, 9, 11, 2**20, 2**48])
def test_a_mask_of_other_examples_is_refused(count, file):
    codec, data = file
    assert_is_refused(codec, crafted(data, count=count), "mask does not have|lanes")
    bomb = packed(b"\0" * 10_000_000)
    assert_is_refused(codec, crafted(data, count=count, there=bomb))


@pytest.mark.once
def test_a_mask_of_more_bits_than_can_be_counted_is_refused():
    with pytest.raises(CodecError, match="mask"):
        container.unpack_mask(2**48, (2**10, 2**10, 3), packed(b"\xff"))


@pytest.mark.once
def test_a_mask_is_of_models_that_allow_missing_variables(file):
    codec = Codec(make_codec(masked=False).model, num_steps=2)
    data = codec.compress(np.zeros((2, LONG), "int32"), verbose=0)
    assert container.read(data)[0]["there"] is None
    assert_is_refused(
        codec, crafted(data, there=packed(b"\xff\xff")), "masks of observed variables"
    )
    with pytest.raises(ValueError, match=r"`x` must lie in .*allow_missing=True"):
        codec.compress(make_data(), verbose=0)
    assert_is_refused(file[0], crafted(file[1], there=None), "masks of observed variables")


@pytest.mark.once
def test_a_mask_is_packed_to_its_bits():
    rng = np.random.default_rng(0)
    for shape in ((1,), (3, 5), (7, 2, 2, 1), (100, 64)):
        mask = rng.random(shape) < 0.5
        text = container.pack_mask(mask)
        found = container.unpack_mask(shape[0], shape[1:], text)
        assert found.dtype == bool
        assert_array_equal(found, mask)
    lengths = np.arange(256) < rng.integers(1, 257, (1000, 1))
    assert len(container.pack_mask(lengths)) < 256 * 1000 / 8 / 4


@pytest.mark.once
def test_a_network_of_ones_own_that_takes_a_mask_codes():
    flow = FLOWS["discrete"]
    inputs = {
        "theta": keras.Input((LONG, 3), name="theta"),
        "t": keras.Input((), name="t"),
        "mask": keras.Input((LONG,), dtype="bool", name="mask"),
    }
    seen = keras.layers.Concatenate()(
        [keras.layers.Flatten()(inputs["theta"]), keras.ops.cast(inputs["mask"], "float32")]
    )
    x = keras.layers.Dense(3 * LONG)(seen) + inputs["t"][:, None]
    own = keras.Model(inputs, keras.layers.Reshape((LONG, 3))(x))
    for network in (own, MLP(flow, (LONG,), width=8, num_blocks=1)):
        model = keras_bfn.BayesianFlowNetwork(flow, randomize(network), allow_missing=True)
        codec = Codec(model, num_steps=2, batch_size=3)
        x = make_data()
        assert_array_equal(codec.decompress(codec.compress(x, verbose=0), verbose=0), x)


@pytest.mark.slow_to_compile
def test_a_null_condition_for_all_leaves_each_example_its_own_mask():
    flow = FLOWS["discrete"]
    network = Transformer(flow, LONG, 8, 1, num_heads=2, kernel_size=3, masked=True, conditions=2)
    model = BayesianFlowNetwork(flow, randomize(network), seed=0)
    codec, x = Codec(model, num_steps=4, batch_size=4), make_data()
    assert_array_equal(codec.decompress(codec.compress(x, verbose=0), verbose=0), x)
