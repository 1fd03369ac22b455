"""The file: a prefix of fixed size, a header in JSON, the payload, and a checksum over all of it.

| bytes | what |
|---|---|
| 4 | `KBFN` |
| 2 | version of the format, here 5 |
| 4 | length of the header |
| 8 | length of the payload |
| | the header, JSON in UTF-8, by zlib with a dictionary: see `keras_bfn.codec.Codec` |
| | the payload, 32-bit words |
| 16 | BLAKE2b of all that comes before |

Numbers are unsigned and little-endian. Nothing in a file is executed.
"""

import base64
import hashlib
import json
import math
import struct
import zlib

import numpy as np

from keras_bfn._validation import MOST_STEPS, is_number
from keras_bfn.codec.errors import CodecError

MAGIC, VERSION = b"KBFN", 5
FORMERS = (4,)  # versions that are read, too: without an order
PREFIX = struct.Struct("<4sHIQ")
DIGEST_SIZE = 16
DTYPES = ("bool", *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)))
# More, or a finer lattice, would be no file of ours.
MOST_LANES, MOST_SEED, FINEST_RESOLUTION = 2**16, 2**48, 1e-3


def _is_count(value, low=0, high=2**48):
    return is_number(value, int) and low <= value <= high


def _is_text(value):
    return isinstance(value, str)


def _is_shape(value):
    return isinstance(value, list) and all(map(_is_count, value))


def _is_each(is_possible, value):
    """Whether a value is possible, or all those of a dict: of the parts of the data."""
    values = list(value.values()) if isinstance(value, dict) else [value]
    return bool(values) and all(map(is_possible, values))


# The header's entries, and what they can be.
ENTRIES = {
    "count": lambda value: _is_count(value, 1),
    "event_shape": lambda value: _is_each(_is_shape, value),
    "dtype": lambda value: _is_each(DTYPES.__contains__, value),
    "order": lambda value: value is None or isinstance(value, dict),
    "num_steps": lambda value: _is_count(value, 1, MOST_STEPS),
    "batch_size": lambda value: _is_count(value, 1, MOST_LANES),
    "batches": lambda value: _is_shape(value) and bool(value) and value[-1] > 0,
    "resolution": lambda value: isinstance(value, float) and FINEST_RESOLUTION < value < 1,
    "seed": lambda value: _is_count(value, 0, MOST_SEED),
    "undrawn_words": _is_count,
    "model": _is_text,
    "probe": _is_text,
    "data": _is_text,
    "there": lambda value: value is None or _is_each(_is_text, value),
    "condition": lambda value: value is None or _is_text(value),
    "environment": lambda value: isinstance(value, dict),
}

# What headers have in common, by which zlib shortens them. It belongs to the version of the format.
DICTIONARY = (
    b'{"count":10000,"event_shape":[28,28,1],"dtype":"uint8","num_steps":50,"batch_size":64,'
    b'"batches":[1,1,1],"resolution":0.25,"seed":0,"undrawn_words":10000,"model":"","probe":"",'
    b'"data":"","there":null,"condition":null,"environment":{"backend":"tensorflow 2.21.0'
    b'torch 2.13.0+cpu","backend":"jax 0.10.2","keras":"3.15.1","numpy":"2.4.6","constriction":'
    b'"0.5.0","python":"3.11.1","machine":"Linux x86_64","device":"CpuDevice(id=0)"}}'
)
MOST_UNPACKED = 2**24  # A longer header than this and twice what it is packed to is none of ours.


def digest(*parts):
    """BLAKE2b of bytes, in hexadecimal."""
    return hashlib.blake2b(b"".join(parts), digest_size=DIGEST_SIZE).hexdigest()


def write(header, words):
    """The bytes of a file.

    Args:
        header: dict of `ENTRIES`.
        words: uint32 array, the payload.

    Raises:
        CodecError: if `read` would refuse the header.
    """
    _check_header(header)
    header = pack_header(json.dumps(header, separators=(",", ":")).encode())
    payload = np.asarray(words, "<u4").tobytes()
    content = PREFIX.pack(MAGIC, VERSION, len(header), len(payload)) + header + payload
    return content + bytes.fromhex(digest(content))


def read(data):
    """The header and the payload's words.

    Raises:
        CodecError: if `data` is not a whole, unharmed file of this version.
    """
    if len(data) < PREFIX.size or data[: len(MAGIC)] != MAGIC:
        raise CodecError(f"Not a file of keras_bfn.codec: it does not begin with {MAGIC!r}")
    _, version, header_size, payload_size = PREFIX.unpack_from(data)
    if version not in (*FORMERS, VERSION):
        known = f"only {', '.join(map(str, FORMERS))} and {VERSION} are known"
        raise CodecError(f"The file has version {version} of the format; {known}")
    size = PREFIX.size + header_size + payload_size + DIGEST_SIZE
    if len(data) != size:
        fault = "is cut short" if len(data) < size else "is followed by what is not its own"
        raise CodecError(f"The file {fault}: it has {len(data)} bytes of {size}")
    content = data[:-DIGEST_SIZE]
    if bytes.fromhex(digest(content)) != data[-DIGEST_SIZE:]:
        raise CodecError("The file is damaged: its checksum does not fit its content")
    packed, payload = content[PREFIX.size :][:header_size], content[PREFIX.size + header_size :]
    unpacker = zlib.decompressobj(wbits=-15, zdict=DICTIONARY)
    try:
        header = json.loads(unpacker.decompress(packed, MOST_UNPACKED + 2 * len(packed)))
    except (zlib.error, ValueError, RecursionError) as error:  # ValueError: not UTF-8, or not JSON
        raise CodecError(f"The file's header is not JSON: {error}") from error
    if version in FORMERS and isinstance(header, dict):
        header.setdefault("order", None)
    _check_header(header)
    if payload_size % 4:
        raise CodecError(f"The file's payload has {payload_size} bytes, not whole words of 4")
    words = np.frombuffer(payload, "<u4").astype("uint32")
    # An example begins by popping initial bits: two on average, or more, for each variable. Where
    # all are missing, `Codec` keeps as many words nevertheless.
    most_lanes = min(header["count"], 32 * len(words))
    if header["order"] is None and header["batch_size"] > most_lanes:
        raise CodecError(
            f"The file has {header['count']} examples in {len(words)} words of 32 bits, too few "
            f"for {header['batch_size']} lanes"
        )
    return header, words


def pack_header(text):
    """Bytes of JSON, compressed."""
    packer = zlib.compressobj(9, wbits=-15, zdict=DICTIONARY)
    return packer.compress(text) + packer.flush()


def pack_mask(mask):
    """A bool array as text: its bits, compressed."""
    return base64.b64encode(zlib.compress(np.packbits(mask).tobytes(), 9)).decode()


def unpack_mask(count, event_shape, text):
    """The bool array `(count, *event_shape)` that `pack_mask` packed.

    Raises:
        CodecError: if it is not of as many bits.
    """
    num = count * math.prod(event_shape)
    unpacker = zlib.decompressobj()
    try:
        # No more than there can be: a small file may unpack to any size.
        packed = unpacker.decompress(base64.b64decode(text), -(-num // 8) + 1)
    except (ValueError, OverflowError, zlib.error) as error:
        raise CodecError(f"The file's mask cannot be read: {error}") from error
    if len(packed) != -(-num // 8):
        raise CodecError(f"The file's mask does not have the {num} bits of its examples")
    return (
        np.unpackbits(np.frombuffer(packed, "uint8"))[:num]
        .astype(bool)
        .reshape(count, *event_shape)
    )


def _check_header(header):
    if not isinstance(header, dict) or set(header) != set(ENTRIES):
        raise CodecError(f"The file's header does not have the entries {sorted(ENTRIES)}")
    for name, is_possible in ENTRIES.items():
        if not is_possible(header[name]):
            raise CodecError(f"The file's header has an impossible entry {name}={header[name]!r}")
