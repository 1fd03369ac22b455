"""What cannot be decoded, or compressed, is refused with the reason, and soon."""

import time

import numpy as np
import pytest
from keras import ops

import keras_bfn
from keras_bfn.codec import Codec, CodecError, container
from keras_bfn.flows import DiscretizedFlow
from tests.codec.crafting import crafted, random_words
from tests.codec.small import assert_comes_back, assert_is_refused, every_kind, file_of
from tests.models.small import EVENT_SHAPE, FLOWS, ConditionNetwork, make_data

pytest.importorskip("constriction")

pytestmark = pytest.mark.once("jax")


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
    model = keras_bfn.BayesianFlowNetwork(flow, ConditionNetwork(flow.output_size), EVENT_SHAPE)
    model.build((None, *EVENT_SHAPE))
    kernel, _ = model.network.dense.weights
    kernel.assign(1e4 * ops.ones(kernel.shape))
    codec = Codec(model, 5, batch_size=2)
    data = assert_comes_back(codec, make_data(flow, 4))
    for seed in range(10):
        num_words = len(container.read(data)[1])
        assert_is_refused(codec, crafted(data, random_words(num_words, seed)))


# Each entry just beside what it is, and far beyond it.
ENTRIES = [
    *({"count": value} for value in (1, 11, 2**48)),
    *({"num_steps": value} for value in (6, 2**20)),
    *({"batch_size": value} for value in (1, 2**16)),
    *({"batches": value} for value in (None, [9, 1], [2**48], [1] * 100)),
    {"count": 2**48, "batch_size": 2**16},
    *({"resolution": value} for value in (0.24, 0.00101)),
    *({"seed": value} for value in (1, 2**48)),
    *({"undrawn_words": value} for value in (0, 1, 2**48)),
    *({name: ""} for name in ("model", "outputs", "condition")),
    {"environment": {"backend": [], "keras": None}, "outputs": "00"},
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
    _, codec, data, _ = file_of("binary")
    entries = {"num_steps": 2**20, "resolution": 0.0011}
    patient = Codec(codec.model, num_steps=2**20)
    assert_is_refused(patient, crafted(data, **entries), "header is invalid")


def test_a_file_of_more_steps_than_anyone_asked_for_is_refused_at_once():
    _, codec, data, _ = file_of("binary")
    assert_is_refused(codec, crafted(data, num_steps=1001), "made with 1001 steps.*num_steps=1001")
    patient = Codec(codec.model, num_steps=1001)
    with pytest.raises(CodecError, match="outputs differ from those"):
        patient.decompress(crafted(data, num_steps=1001), verbose=0)


def test_numpys_integers_are_settings_too():
    settings = {"num_steps": np.int64(5), "batch_size": np.int32(4), "seed": np.uint8(0)}
    x, codec, data, _ = file_of("binary")
    assert Codec(codec.model, **settings).compress(x, verbose=0) == data


def test_progress_is_shown_unless_it_shall_not_be(capsys):
    x, codec, data, _ = file_of("binary")
    codec.decompress(codec.compress(x, verbose=0), verbose=0)
    assert capsys.readouterr().out == ""
    codec.decompress(data)
    assert "10/10" in capsys.readouterr().out
