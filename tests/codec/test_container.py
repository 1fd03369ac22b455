"""A file is whole and says what is possible, or it is refused with the reason."""

import hashlib
import json
import zlib

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from keras_bfn.codec import CodecError, container
from tests.codec.crafting import PRINTS, crafted, random_words, sealed

pytestmark = pytest.mark.once

HEADER = {
    "count": 10,
    "dtype": "uint8",
    "order": None,
    "num_steps": 5,
    "batch_size": 4,
    "batches": [3, 0, 1, 3],
    "resolution": 0.25,
    "seed": 0,
    "undrawn_words": 77,
    **PRINTS,
    "there": None,
    "condition": None,
    "environment": {"backend": "jax 1.2.3"},
}
WORDS = random_words(6)
DATA = container.write(HEADER, WORDS)


def assert_is_refused(data, match=None):
    with pytest.raises(CodecError, match=match):
        container.read(data)


def test_what_is_written_is_read():
    header, words = container.read(DATA)
    assert header == HEADER
    assert_array_equal(words, WORDS)
    assert words.dtype == "uint32"


def test_the_prefix_is_as_documented():
    """The layout of format 6 must not move: files of it are out there."""
    assert DATA[:11] == b"KBFN\x06" + bytes.fromhex("abcd01234567")
    unpacker = zlib.decompressobj(wbits=-15, zdict=container.DICTIONARY)
    left_out = {"order": None, "resolution": 0.25, "seed": 0, "there": None, "condition": None}
    assert json.loads(unpacker.decompress(DATA[11:])) | left_out | PRINTS == HEADER
    payload = WORDS.astype("<u4").tobytes()
    assert unpacker.unused_data == payload + DATA[-4:]
    assert DATA[-4:] == hashlib.blake2b(DATA[:-4], digest_size=4).digest()


def test_a_file_in_an_order_that_tells_all_is_little_longer_than_its_payload():
    """Where versions are those of the dictionary; then any others, of any length."""
    known = {
        "backend": "jax 0.10.2",
        "keras": "3.15.1",
        "numpy": "2.4.6",
        "constriction": "0.5.0",
        "machine": "Linux x86_64",
        "device": "cpu:0",
    }
    order = {"class": "LeftToRight", "config": {"block_size": 1}}
    header = {**container.DEFAULTS, **PRINTS, "count": 236, "order": order, "dtype": "int32"}
    header |= {"environment": known}
    assert len(container.write(header, [])) <= 24
    header["environment"] = {name: f"{value}.other" for name, value in known.items()}
    assert len(container.write(header, [])) <= 70
    assert container.read(container.write(header, []))[0] == header


def test_a_file_that_is_cut_at_any_length_is_refused():
    for size in range(len(DATA)):
        assert_is_refused(DATA[:size], "truncated" if size > 4 else "does not begin")


@pytest.mark.parametrize("more", [b"\0", b"KBFN", DATA])
def test_what_follows_a_file_is_refused(more):
    assert_is_refused(DATA + more, "truncated or damaged")


def test_a_file_with_any_bit_flipped_is_refused():
    for i in range(len(DATA)):
        for bit in range(8):
            assert_is_refused(DATA[:i] + bytes([DATA[i] ^ 1 << bit]) + DATA[i + 1 :])


@pytest.mark.parametrize("magic", [b"KBFM", b"\0\0\0\0", b"PK\x03\x04"])
def test_a_file_of_another_kind_is_refused(magic):
    assert_is_refused(magic + DATA[4:], "does not begin with b'KBFN'")
    assert_is_refused(sealed(b"{}", magic=magic), "does not begin with b'KBFN'")


@pytest.mark.parametrize("version", [0, 3, 4, 5, 255])
def test_another_version_of_the_format_is_refused_by_its_number(version):
    data = sealed(json.dumps(HEADER).encode(), WORDS.tobytes(), version=version)
    assert_is_refused(data, f"version {version}; only 6 is supported")


IMPOSSIBLE = {
    "count": [0, -1, 1.0, True, None, "10", 2**60, 10**400, [10], {}],
    "dtype": ["float32", "object", "", "O", None, 1, ["uint8"], {}],
    "order": [1, [], "random", True],
    "num_steps": [0, -5, 2.0, True, None, 2**21, 10**400],
    "batch_size": [0, -1, 4.0, True, None, 2**17, 2**60],
    "batches": [3, [], {}, [1, 0], [1, -1], [1.0], [True], [None], [[1]], [2**60]],
    "resolution": [0.0, 1.0, -0.5, 1, None, "0.25", 5e-324, 1e-9, 1e300, [0.25]],
    "seed": [-1, 0.5, None, 2**60],
    "undrawn_words": [-1, 1.5, None, 2**60],
    "there": [1, [], {}, {"a": 1}],
    "condition": [1, [], {}],
    "environment": [None, [], "jax"],
}


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_an_impossible_entry_is_refused_by_its_name(name):
    for value in IMPOSSIBLE[name]:
        with pytest.raises(CodecError, match=f"invalid entry {name}="):
            container.write({**HEADER, name: value}, WORDS)
        assert_is_refused(crafted(DATA, **{name: value}), f"invalid entry {name}=")


@pytest.mark.parametrize("resolution", ["NaN", "Infinity", "-Infinity", "1e400"])
def test_a_resolution_that_is_not_a_number_is_refused(resolution):
    header = {name: value for name, value in HEADER.items() if name not in PRINTS}
    header = json.dumps(header).replace("0.25", resolution)
    assert_is_refused(sealed(header.encode(), WORDS.tobytes()), "invalid entry resolution=")


@pytest.mark.parametrize("name", ["count", "environment"])
def test_a_header_without_an_entry_that_has_no_default_is_refused(name):
    header = {key: value for key, value in HEADER.items() if key not in (name, *PRINTS)}
    data = sealed(json.dumps(header).encode(), WORDS.tobytes())
    assert_is_refused(data, f"invalid entry {name}=None")


def test_a_header_with_one_entry_more_is_refused():
    assert_is_refused(crafted(DATA, more=1), "have the entries")


@pytest.mark.parametrize("header", [b"[]", b"null", b"1", b'"count"', b"{}"])
def test_a_header_that_has_no_entries_is_refused(header):
    assert_is_refused(sealed(header), "invalid entry" if header == b"{}" else "is not a dict")


@pytest.mark.parametrize(
    "header",
    [b"", b"{", b"\xff\xfe", b"\0" * 40, b"[" * 100_000, b'{"a":' * 100_000, b"9" * 10_000],
    ids=["empty", "open", "not-utf8", "zeros", "nested-list", "nested-dict", "long-number"],
)
def test_a_header_that_is_not_json_is_refused(header):
    assert_is_refused(sealed(header), "header is not JSON")


@pytest.mark.parametrize("top", [1, 2**8 - 1, 2**8, 2**16, 2**24, 2**32 - 1])
def test_zeros_at_the_end_of_the_payload_are_left_out(top):
    words = np.array([5, 0, top], "uint32")
    header = {**HEADER, "batch_size": 1}
    data, longest = container.write(header, words), container.write(header, [5, 0, 2**32 - 1])
    assert_array_equal(container.read(data)[1], words)
    assert len(longest) - len(data) == 4 - (top.bit_length() + 7) // 8


def test_more_lanes_than_examples_or_than_bits_are_refused():
    assert_is_refused(crafted(DATA, batch_size=11), "too few for 11 lanes")
    assert_is_refused(crafted(DATA, count=2**48, batch_size=32 * 6 + 1), "too few")
    assert_is_refused(crafted(DATA, words=[]), "too few for 4 lanes")
    container.read(crafted(DATA, count=2**48, batch_size=32 * 6))


def test_what_the_words_stand_for_is_not_the_files_affair():
    header, words = container.read(crafted(DATA, words=np.zeros(6)))
    assert header == HEADER
    assert_array_equal(words, np.zeros(6))


@pytest.mark.parametrize("content", [b"", b"KBFN", random_words(50).tobytes()])
def test_what_is_none_of_ours_is_refused(content):
    with pytest.raises(CodecError):
        container.read(content)
