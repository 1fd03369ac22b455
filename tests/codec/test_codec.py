"""Data come back to the bit, at the cost that the loss states, or it is said why they cannot."""

import functools
import re
import time

import keras
import numpy as np
import pytest
from keras import ops
from numpy.testing import assert_allclose, assert_array_equal

import keras_bfn
from keras_bfn.codec import Codec, CodecError, container, fingerprints
from keras_bfn.codec import codec as codec_module
from keras_bfn.codec.receiver import Receiver
from keras_bfn.flows import DiscreteFlow, DiscretizedFlow
from tests.codec.crafting import crafted, random_words
from tests.models.exact_models import JOINT_PRIOR, make_pair_model
from tests.models.small import EVENT_SHAPE, FLOWS, ClassNetwork, make_data, make_model

pytest.importorskip("constriction")

KINDS = [kind for kind in FLOWS if FLOWS[kind]().discrete]
every_kind = pytest.mark.parametrize("kind", KINDS)


@functools.cache
def model_of(kind):
    return make_model(FLOWS[kind]())


@functools.cache
def file_of(kind):
    """The data, the codec, the file and the report."""
    model = model_of(kind)
    x = make_data(model.flow, num=10)
    codec = Codec(model, num_steps=5, batch_size=4)
    return x, codec, *codec.compress(x, return_report=True, verbose=0)


@pytest.fixture(autouse=True, scope="module")
def forget():
    yield
    model_of.cache_clear()
    file_of.cache_clear()


def assert_comes_back(codec, x, condition=None):
    data = codec.compress(x, condition, verbose=0)
    back = codec.decompress(data, condition, verbose=0)
    assert back.dtype == x.dtype
    assert_array_equal(back, x)
    return data


def assert_is_refused(codec, data, match=None, condition=None):
    """With a `CodecError`, and soon: in far less than a second on a machine that is not busy."""
    start = time.monotonic()
    with pytest.raises(CodecError, match=match):
        codec.decompress(data, condition, verbose=0)
    assert time.monotonic() - start < 20


# What comes back.


@every_kind
def test_data_come_back_from_batches_that_do_not_divide(kind):
    x, codec, data, _ = file_of(kind)
    back = codec.decompress(data, verbose=0)
    assert back.dtype == x.dtype
    assert_array_equal(back, x)


@every_kind
def test_the_same_data_make_the_same_bytes(kind):
    x, codec, data, _ = file_of(kind)
    assert codec.compress(x, verbose=0) == data


@pytest.mark.parametrize(("num", "num_steps"), [(1, 1), (1, 4), (7, 1)])
@every_kind
def test_one_example_and_one_step_are_enough(kind, num, num_steps):
    x = make_data(model_of(kind).flow, num=num, seed=3)
    assert_comes_back(Codec(model_of(kind), num_steps, batch_size=1), x)


@pytest.mark.parametrize(
    ("kind", "dtype"),
    [("binary", "bool"), *((kind, d) for kind in KINDS for d in ("uint8", "int8", "int64", ">u2"))],
)
def test_dtypes_come_back_and_cost_nothing(kind, dtype):
    x, codec, data, _ = file_of(kind)
    as_dtype = codec.compress(x.astype(dtype), verbose=0)
    back = codec.decompress(as_dtype, verbose=0)
    assert back.dtype.name == np.dtype(dtype).name
    assert_array_equal(back, x)
    assert_array_equal(container.read(as_dtype)[1], container.read(data)[1])


def test_a_file_may_be_given_as_any_bytes():
    x, codec, data, _ = file_of("binary")
    for each in (bytearray(data), memoryview(data)):
        assert_array_equal(codec.decompress(each, verbose=0), x)


def test_what_the_decoder_is_set_to_does_not_matter():
    x, codec, data, _ = file_of("binary")
    other = Codec(codec.model, num_steps=9, batch_size=2, resolution=0.1, seed=7)
    assert_array_equal(other.decompress(data, verbose=0), x)


@pytest.mark.parametrize("settings", [{"resolution": 0.05}, {"resolution": 0.9}, {"seed": 2**48}])
def test_data_come_back_at_other_settings(settings):
    x, codec, data, _ = file_of("discretized")
    assert assert_comes_back(Codec(codec.model, 5, 4, **settings), x) != data


def test_more_lanes_than_examples_are_not_used():
    x, codec, *_ = file_of("binary")
    few = Codec(codec.model, 5, batch_size=4).compress(x[:4], verbose=0)
    assert Codec(codec.model, 5, batch_size=100).compress(x[:4], verbose=0) == few


def test_all_256_grey_levels_come_back():
    flow = DiscretizedFlow(256)
    model = keras_bfn.BayesianFlowNetwork(flow, ClassNetwork(2), event_shape=EVENT_SHAPE)
    x = np.arange(256).astype("uint8").reshape(16, *EVENT_SHAPE)
    for num_steps in (1, 2, 20):
        assert_comes_back(Codec(model, num_steps, batch_size=16), x)


def test_text_comes_back():
    flow = DiscreteFlow(27, beta_1=0.5625)
    network = keras_bfn.networks.Transformer(flow, 6, width=8, num_layers=1, num_heads=2)
    model = keras_bfn.BayesianFlowNetwork(flow, network)
    x = np.random.default_rng(0).integers(0, 27, (5, 6))
    assert_comes_back(Codec(model, num_steps=8, batch_size=2), x)


def test_a_network_in_half_precision_has_answers_to_rely_on():
    model = make_model(FLOWS["binary"](), dtype="mixed_bfloat16")
    assert_comes_back(Codec(model, 5, batch_size=4), make_data(model.flow, 6))


@pytest.mark.parametrize("kind", [*KINDS, "256-exact", "2-faint", "2-loud", "5-faint", "5-loud"])
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
    model = keras_bfn.BayesianFlowNetwork(flow, ClassNetwork(flow.output_size), EVENT_SHAPE)
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


@keras.saving.register_keras_serializable("keras_bfn_tests")
class ConstantNetwork(keras.layers.Layer):
    """Answers the same, whatever the evidence."""

    def __init__(self, answer):
        super().__init__()
        self.answer = answer

    def call(self, inputs):
        zeros = ops.zeros_like(inputs["theta"][..., :1])
        return zeros + ops.convert_to_tensor(np.array(self.answer, "float32"))


def constant_model(flow, answer):
    return keras_bfn.BayesianFlowNetwork(flow, ConstantNetwork(answer), event_shape=(4,))


@pytest.mark.parametrize(
    ("flow", "answer"),
    [
        (DiscreteFlow(2, beta_1=2.0), [np.nan]),
        (DiscreteFlow(3, beta_1=2.0), [0.0, np.nan, 0.0]),
        (DiscreteFlow(3, beta_1=2.0), [np.inf, 0.0, 0.0]),
        (DiscretizedFlow(17, prediction="data"), [np.nan, 0.0]),
        (DiscretizedFlow(17, prediction="data"), [0.0, np.nan]),
    ],
)
def test_answers_that_are_not_numbers_are_refused(flow, answer):
    codec = Codec(constant_model(flow, answer), num_steps=2, batch_size=2)
    x = np.zeros((3, 4), "int32")
    with pytest.raises(CodecError, match="not a number"):
        codec.compress(x, verbose=0)


@pytest.mark.parametrize(
    ("flow", "answer"),
    [
        (DiscreteFlow(2, beta_1=2.0), [-1e38]),
        (DiscreteFlow(3, beta_1=2.0), [3e38, -3e38, 0.0]),
        (DiscreteFlow(3, beta_1=1e4), [-np.inf, -np.inf, 0.0]),
        (DiscretizedFlow(256, prediction="data"), [1e6, -1e38]),
        (DiscretizedFlow(256, prediction="data"), [-1e6, 1e38]),
        (DiscretizedFlow(256, prediction="noise"), [1e3, -1e38]),
    ],
)
def test_answers_that_are_immense_are_not(flow, answer):
    codec = Codec(constant_model(flow, answer), num_steps=3, batch_size=2)
    low, high = flow.data_range
    assert_comes_back(codec, np.array([[low, high, low, 1], [high, high, 1, low], [1, 1, 1, low]]))


# Conditions.

CLASSES = np.array([0, 2, 1, 1, 0])


@functools.cache
def conditional(named=False):
    """A codec and data; with a network that says it has classes, or a plain layer that does not."""
    flow = FLOWS["discrete"]()
    if named:
        network = keras_bfn.networks.MLP(flow, EVENT_SHAPE, width=4, num_blocks=1, num_classes=3)
        model = keras_bfn.BayesianFlowNetwork(flow, network)
    else:
        network = ClassNetwork(flow.output_size)
        model = keras_bfn.BayesianFlowNetwork(flow, network, event_shape=EVENT_SHAPE)
    codec = Codec(model, 3, batch_size=2)
    x = make_data(flow, 5)
    return codec, x, codec.compress(x, CLASSES, verbose=0)


@pytest.mark.parametrize("named", [False, True])
def test_conditional_data_come_back_to_who_has_the_condition(named):
    codec, x, data = conditional(named)
    assert_array_equal(codec.decompress(data, CLASSES, verbose=0), x)
    assert_array_equal(codec.decompress(data, CLASSES.astype("uint8"), verbose=0), x)


@pytest.mark.parametrize("named", [False, True])
def test_who_has_another_condition_is_refused(named):
    codec, _, data = conditional(named)
    assert_is_refused(codec, data, "another condition", CLASSES[::-1])
    assert_is_refused(codec, data, "another condition, or without one")


def test_a_condition_of_too_few_is_refused():
    codec, x, data = conditional(named=True)
    with pytest.raises(ValueError, match="one condition for each of 5 examples"):
        codec.decompress(data, CLASSES[:3], verbose=0)
    with pytest.raises(ValueError, match="one condition for each of 5 examples"):
        codec.compress(x, CLASSES[:3], verbose=0)


def test_without_a_condition_the_null_class_is_meant():
    codec, x, _ = conditional(named=True)
    data = assert_comes_back(codec, x)
    null = codec.compress(x, np.full(5, 3), verbose=0)
    assert_array_equal(container.read(data)[1], container.read(null)[1])
    assert_is_refused(codec, data, "another condition", CLASSES)
    assert_is_refused(codec, crafted(data, count=2**48))


def test_a_condition_for_a_network_that_takes_none_is_refused():
    x, codec, data, _ = file_of("binary")
    with pytest.raises(ValueError, match="takes no condition"):
        codec.compress(x, np.zeros(10, "int32"), verbose=0)
    with pytest.raises(ValueError, match="takes no condition"):
        codec.decompress(data, np.zeros(10, "int32"), verbose=0)


# What it costs.


def pairs(num):
    places = np.random.default_rng(0).choice(9, num, p=JOINT_PRIOR.ravel())
    return np.stack(np.unravel_index(places, (3, 3)), axis=1)


COSTLY = {
    "pair": lambda scale: (make_pair_model(), pairs(20_000 * scale), 5),
    **{
        kind: lambda scale, kind=kind, num=num: (
            model_of(kind),
            make_data(FLOWS[kind](), num * scale),
            3,
        )
        for kind, num in (("binary", 1600), ("discrete", 800), ("discretized", 800))
    },
}


@pytest.mark.parametrize("scale", [1, pytest.param(10, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", COSTLY)
def test_examples_cost_what_the_loss_says(name, scale):
    """Within 1%, and within four standard errors, which are told by how the differences between
    the two costs vary over eight parts of the data."""
    model, x, num_steps = COSTLY[name](scale)
    num_parts = 8
    codec = Codec(model, num_steps, batch_size=len(x) // num_parts)
    measured = []
    for part in np.split(x, num_parts):
        _, report = codec.compress(part, return_report=True, verbose=0)
        measured.append(report["bits_per_example"])
    nats = model.code_length(
        x, num_steps, num_repeats=2 * num_steps, batch_size=len(x) // num_parts, seed=0, verbose=0
    )
    stated = (nats["transmission"] + nats["reconstruction"]) / np.log(2)
    differences = np.array(measured) - stated.reshape(num_parts, -1).mean(axis=1)
    standard_error = differences.std(ddof=1) / num_parts**0.5
    assert standard_error < 0.006 / scale**0.5 * stated.mean()
    assert abs(differences.mean()) < min(4 * standard_error, 0.01 * stated.mean())


@every_kind
def test_the_report_adds_up_to_the_file(kind):
    x, _, data, report = file_of(kind)
    assert report["num_examples"] == len(x)
    assert report["total_bits"] == 8 * len(data)
    assert_allclose(report["bits_per_variable"] * x.size, report["bits_per_example"] * len(x))
    parts = report["bits_per_example"] * len(x) + report["spare_bits"] + report["header_bits"]
    assert 0 <= report["total_bits"] - parts < 64  # what is not used of two words
    header, words = container.read(data)
    assert report["header_bits"] == 8 * len(data) - 32 * len(words)
    assert header["count"] == len(x)
    assert report["seconds"] > 0


@every_kind
def test_spare_bits_grow_as_the_lanes_do(kind):
    model, x = model_of(kind), make_data(FLOWS[kind](), 40)
    spare = []
    for batch_size in (10, 40):
        codec = Codec(model, num_steps=5, batch_size=batch_size)
        spare.append(codec.compress(x, return_report=True, verbose=0)[1]["spare_bits"])
    # Up to the state of the coder, two words, and a tenth for chance.
    assert abs(4 * spare[0] - spare[1]) < 0.1 * spare[1] + 4 * 64


def test_lanes_do_not_change_what_an_example_costs():
    """Other lanes draw other evidence; that is 3% of what 400 examples cost, at four deviations."""
    model, x = model_of("binary"), make_data(FLOWS["binary"](), 400)
    costs = []
    for batch_size in (10, 100, 400):
        codec = Codec(model, num_steps=3, batch_size=batch_size)
        costs.append(codec.compress(x, return_report=True, verbose=0)[1]["bits_per_example"])
    assert_allclose(costs, np.mean(costs), rtol=0.03)


@pytest.mark.parametrize(("num", "lanes"), [(3, 1), (19, 1), (35, 3), (90, 6)])
def test_there_is_a_lane_for_each_thousand_examples_but_there_are_at_most_64(
    num, lanes, monkeypatch
):
    assert (codec_module.EXAMPLES_PER_LANE, codec_module.MOST_LANES) == (1000, 64)
    monkeypatch.setattr(codec_module, "EXAMPLES_PER_LANE", 10)
    monkeypatch.setattr(codec_module, "MOST_LANES", 6)
    codec = Codec(constant_model(FLOWS["binary"](), [0.5]), num_steps=1)
    data = codec.compress(np.zeros((num, 4), "int32"), verbose=0)
    assert container.read(data)[0]["batch_size"] == lanes


# What is refused.


def test_ten_thousand_random_corruptions_are_refused():
    _, codec, data, _ = file_of("binary")
    rng = np.random.default_rng(0)
    num, slowest = 0, 0.0
    while num < 10_000:
        other = bytearray(data)
        i, j = sorted(rng.integers(0, len(data) + 1, 2))
        some = rng.bytes(rng.integers(1, 20))
        kind = rng.integers(0, 6)
        if kind == 0:
            other[i % len(data)] ^= 1 << rng.integers(0, 8)
        elif kind == 1:
            del other[i:j]
        elif kind == 2:
            other[i:i] = some
        elif kind == 3:
            other[i : i + len(some)] = some
        elif kind == 4:
            del other[i:]
        else:
            other = other[j:] + other[i:j] + other[:i]
        if other == data:
            continue
        num += 1
        start = time.perf_counter()
        with pytest.raises(CodecError):
            codec.decompress(bytes(other), verbose=0)
        slowest = max(slowest, time.perf_counter() - start)
    assert slowest < 1


@every_kind
def test_a_payload_of_other_words_is_refused(kind):
    """The checksum fits: only what the words decode to can tell."""
    _, codec, data, _ = file_of(kind)
    words = container.read(data)[1]
    one_bit = words.copy()
    one_bit[len(words) // 2] ^= 1
    last_is_zero = words.copy()
    last_is_zero[-1] = 0
    longer = [np.append(random_words(1000), words), np.append(words, random_words(1000))]
    others = [one_bit, last_is_zero, np.zeros_like(words), ~words, words[::-1], words[:0]]
    others += [words[:1], words[:3], words[1:], words[:-1], *longer, np.full(5, 2**32 - 1)]
    others += [random_words(len(words), seed) for seed in range(1, 7)]
    for other in others:
        assert_is_refused(codec, crafted(data, other))


@pytest.mark.parametrize("kind", ["binary", "256-exact"])
def test_a_payload_of_random_words_is_refused_though_the_network_jumps(kind):
    """Then what is decoded is evidence that no encoder can have come by."""
    flow = FLOWS["binary"]() if kind == "binary" else DiscretizedFlow(256, sigma_1=1e-3)
    model = keras_bfn.BayesianFlowNetwork(flow, ClassNetwork(flow.output_size), EVENT_SHAPE)
    model.build((None, *EVENT_SHAPE))
    kernel, _ = model.network.dense.weights
    kernel.assign(1e4 * ops.ones(kernel.shape))
    codec = Codec(model, 5, batch_size=2)
    data = assert_comes_back(codec, make_data(flow, 4))
    for seed in range(10):
        num_words = len(container.read(data)[1])
        assert_is_refused(codec, crafted(data, random_words(num_words, seed)))


ENTRIES = [
    {"count": 1},
    {"count": 11},
    {"count": 2**48},
    {"event_shape": [4, 4]},
    {"event_shape": []},
    {"event_shape": [2**40, 2**40]},
    {"num_steps": 1},
    {"num_steps": 6},
    {"num_steps": 2**20},
    {"batch_size": 1},
    {"batch_size": 10},
    {"batch_size": 2**16},
    {"count": 2**48, "batch_size": 2**16},
    {"resolution": 0.24},
    {"resolution": 0.00101},
    {"resolution": 0.999},
    {"seed": 1},
    {"seed": 2**48},
    {"undrawn_words": 0},
    {"undrawn_words": 1},
    {"undrawn_words": 2**48},
    {"model": ""},
    {"probe": ""},
    {"data": ""},
    {"condition": ""},
    {"environment": {"backend": [], "keras": None}, "probe": "0"},
]


@pytest.mark.parametrize("entries", ENTRIES, ids=str)
def test_a_header_that_says_otherwise_is_refused(entries):
    _, codec, data, _ = file_of("binary")
    assert_is_refused(codec, crafted(data, **entries))


def test_undrawn_words_in_the_place_of_all_others_are_refused():
    _, codec, data, _ = file_of("binary")
    assert_is_refused(codec, crafted(data, words=[1], undrawn_words=2**48))


def test_a_dtype_that_cannot_hold_the_data_is_refused():
    _, codec, data, _ = file_of("discretized")
    assert_is_refused(codec, crafted(data, dtype="bool"))


def test_a_lattice_that_is_too_fine_for_so_many_steps_is_refused():
    x, codec, data, _ = file_of("binary")
    entries = {"num_steps": 2**20, "resolution": 0.0011}
    with pytest.raises(ValueError, match="`num_steps` and `resolution` must leave"):
        Codec(codec.model, **entries).compress(x, verbose=0)
    assert_is_refused(codec, crafted(data, **entries), "header is impossible")


def test_another_model_is_refused():
    data = file_of("binary")[2]
    reason = "another model: its flow or weights are others"
    other_weights = make_model(FLOWS["binary"]())
    weight = other_weights.network.weights[0]
    weight.assign(weight + 1e-6)
    other_flow = make_model(DiscreteFlow(2, beta_1=4.001))
    other_kind = model_of("discrete")
    for model in (other_weights, other_flow, other_kind):
        assert_is_refused(Codec(model), data, reason)
    # Other weights are another model also where they come later.
    same = make_model(FLOWS["binary"]())
    assert_array_equal(Codec(same).decompress(data, verbose=0), file_of("binary")[0])
    weight = same.network.weights[-1]
    weight.assign(weight + 1e-6)
    assert_is_refused(Codec(same), data, reason)


def test_another_shape_of_examples_is_refused():
    flow, data = FLOWS["binary"](), []
    for shape in ((4,), (2, 2)):
        network = ConstantNetwork([0.5])
        model = keras_bfn.BayesianFlowNetwork(flow, network, event_shape=shape)
        codec = Codec(model, 2, batch_size=1)
        data.append(codec.compress(np.zeros((1, *shape), "int32"), verbose=0))
    assert_is_refused(codec, data[0], r"examples of shape \(4,\), not \(2, 2\)")


def test_other_answers_are_refused_and_what_differs_is_named(monkeypatch):
    x, codec, _, _ = file_of("binary")
    here = fingerprints.of_environment()
    there = {**here, "backend": "abacus 1.0", "python": "2.7"}
    with monkeypatch.context() as patch:
        patch.setattr(fingerprints, "of_environment", lambda: there)
        data = codec.compress(x, verbose=0)
    assert_array_equal(codec.decompress(data, verbose=0), x)  # the answers are what counts
    monkeypatch.setattr(Receiver, "probe", lambda self: "other")
    match = re.escape(f"(backend: abacus 1.0 then, {here['backend']} now; python: 2.7 then")
    assert_is_refused(codec, data, f"answers otherwise .*{match}")
    with pytest.raises(CodecError) as refusal:
        codec.decompress(data, verbose=0)
    assert "numpy" not in str(refusal.value)  # which is the same
    assert_is_refused(codec, file_of("binary")[2], r"answers otherwise than when [^()]*$")


def test_answers_that_differ_only_later_are_found_in_the_end(monkeypatch):
    _, codec, data, _ = file_of("binary")
    ask = Receiver.ask
    answers = iter(range(10**6))

    def ask_otherwise(self, s, t, rows):
        log_probs = ask(self, s, t, rows)
        return log_probs - 1e-3 * (next(answers) == 12)  # after three of the probe

    monkeypatch.setattr(Receiver, "ask", ask_otherwise)
    with pytest.raises(CodecError, match="decoded"):
        codec.decompress(data, verbose=0)


def test_the_environment_is_named():
    names = fingerprints.of_environment()
    assert names["backend"].split()[0] == keras.backend.backend()
    assert names["keras"] == keras.__version__
    assert all(isinstance(value, str) and value for value in names.values())


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"num_steps": 0}, "num_steps"),
        ({"num_steps": 2.0}, "num_steps"),
        ({"num_steps": 2**21}, "num_steps"),
        ({"batch_size": 0}, "batch_size"),
        ({"batch_size": 2**17}, "batch_size"),
        ({"resolution": 0}, "resolution"),
        ({"resolution": 1}, "resolution"),
        ({"resolution": 1e-4}, "resolution"),
        ({"seed": -1}, "seed"),
        ({"seed": 2**49}, "seed"),
    ],
)
def test_a_setting_out_of_its_range_is_refused_by_its_name(settings, name):
    with pytest.raises(ValueError, match=f"`{name}`"):
        Codec(model_of("binary"), **settings)


def test_numpys_integers_are_settings_too():
    settings = {"num_steps": np.int64(5), "batch_size": np.int32(4), "seed": np.uint8(0)}
    x, codec, data, _ = file_of("binary")
    assert Codec(codec.model, **settings).compress(x, verbose=0) == data


def test_real_numbers_and_other_models_are_refused():
    with pytest.raises(ValueError, match="`model` must be of integers"):
        Codec(make_model(FLOWS["continuous"]()))
    with pytest.raises(ValueError, match=r"`model` must be a `keras_bfn\.BayesianFlowNetwork`"):
        Codec(model_of("binary").network)
    with pytest.raises(ValueError, match="no `event_shape` yet"):
        Codec(keras_bfn.BayesianFlowNetwork(FLOWS["binary"](), ClassNetwork(1)))


@pytest.mark.parametrize(
    "x",
    [
        np.zeros((0, *EVENT_SHAPE), "int32"),
        np.zeros((2, 4, 4), "int32"),
        np.full((2, *EVENT_SHAPE), 2),
        np.full((2, *EVENT_SHAPE), -1),
        np.zeros((2, *EVENT_SHAPE)),
    ],
)
def test_data_that_do_not_suit_the_model_are_refused(x):
    with pytest.raises(ValueError, match="Argument `x` must"):
        file_of("binary")[1].compress(x, verbose=0)


@pytest.mark.parametrize("data", ["text", None, 5, [1, 2]])
def test_what_is_not_bytes_is_refused(data):
    with pytest.raises(ValueError, match="`data` must be bytes"):
        file_of("binary")[1].decompress(data)


def test_progress_is_shown_unless_it_shall_not_be(capsys):
    x, codec, data, _ = file_of("binary")
    codec.decompress(codec.compress(x, verbose=0), verbose=0)
    assert capsys.readouterr().out == ""
    codec.decompress(data)
    assert "3/3" in capsys.readouterr().out
