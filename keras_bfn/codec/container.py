"""The file: fingerprints, a header in JSON, the payload, and a checksum of all of it.

| bytes | content |
|---|---|
| 4 | `KBFN` |
| 1 | version of the format, here 6 |
| 2, 4 | fingerprints of the model, and of the model and its outputs |
| | the header, JSON in UTF-8, as a stream of DEFLATE with a dictionary: see `Codec` |
| | the payload, 32-bit words, without the zeros at its end |
| 4 | BLAKE2b of all that comes before |

Numbers are unsigned and little-endian. The header omits entries that are as in `DEFAULTS`, so that
a file of a few kilobytes is little longer than its payload. Nothing in a file is executed.
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

MAGIC, VERSION = b"KBFN", 6
PREFIX = struct.Struct("<4sB2s4s")
FINGERPRINTS = ("model", "outputs")
CHECKSUM_SIZE = 4
DTYPES = ("bool", *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)))
# A file with more, or with a finer lattice, was not written by this package.
MOST_LANES, MOST_SEED, FINEST_RESOLUTION = 2**16, 2**48, 1e-3


def _is_count(value, low=0, high=2**48):
    return is_number(value, int) and low <= value <= high


def _is_text(value):
    return isinstance(value, str)


def _are_batches(value):
    return isinstance(value, list) and bool(value) and all(map(_is_count, value)) and value[-1] > 0


def _is_each(is_possible, value):
    """Returns whether a value is possible, or, for a dict, the value of each part."""
    values = list(value.values()) if isinstance(value, dict) else [value]
    return bool(values) and all(map(is_possible, values))


# The header's entries: their defaults, and which values are possible.
ENTRIES = {
    "dtype": ("int64", lambda value: _is_each(DTYPES.__contains__, value)),
    "order": (None, lambda value: value is None or isinstance(value, dict)),
    "num_steps": (50, lambda value: _is_count(value, 1, MOST_STEPS)),
    "batch_size": (64, lambda value: _is_count(value, 1, MOST_LANES)),
    "batches": (None, lambda value: value is None or _are_batches(value)),
    "resolution": (0.25, lambda value: type(value) is float and FINEST_RESOLUTION < value < 1),
    "seed": (0, lambda value: _is_count(value, 0, MOST_SEED)),
    "undrawn_words": (0, _is_count),
    "there": (None, lambda value: value is None or _is_each(_is_text, value)),
    "condition": (None, lambda value: value is None or _is_text(value)),
    "environment": (None, lambda value: isinstance(value, dict)),
    "count": (None, lambda value: _is_count(value, 1)),
}
DEFAULTS = {name: default for name, (default, _) in ENTRIES.items()}
# Text that headers have in common, with which they are compressed. It is part of the version of the
# format.
DICTIONARY = (
    b'{"dtype":"uint8","order":{"class":"Random","config":{"num_groups":null}},"num_steps":20,'
    b'"batch_size":16,"batches":[1,1,1],"undrawn_words":10000,"environment":{"backend":'
    b'"tensorflow 2.21.0","keras":"3.15.1","numpy":"2.4.6","constriction":"0.5.0","machine":'
    b'"Linux x86_64","device":"/job:localhost/replica:0/task:0/device:CPU:0"},"count":'
    b'"torch 2.13.0+cpu","keras":"3.15.1","numpy":"2.4.6","constriction":"0.5.0","machine":'
    b'"Linux x86_64","device":"cpu"},"count":'
    b'{"dtype":"int32","order":{"class":"LeftToRight","config":{"block_size":1}},"environment":'
    b'{"backend":"jax 0.10.2","keras":"3.15.1","numpy":"2.4.6","constriction":"0.5.0","machine":'
    b'"Linux x86_64","device":"cpu:0"},"count":1000}'
)
MOST_UNPACKED = 2**24  # No header of ours is longer than this plus twice the packed bytes.


def digest(*parts, size=16):
    """Returns the BLAKE2b digest of bytes, in hexadecimal."""
    return hashlib.blake2b(b"".join(parts), digest_size=size).hexdigest()


def write(header, words):
    """Returns the bytes of a file.

    Args:
        header: dict of `ENTRIES` and `FINGERPRINTS`. The fingerprints are hexadecimal; the file
            holds their first digits.
        words: uint32 array, the payload.

    Raises:
        CodecError: if `read` would refuse the header.
    """
    _check_header(header)
    written = {name: header[name] for name in ENTRIES if header[name] != DEFAULTS[name]}
    prints = (bytes.fromhex(header[name]) for name in FINGERPRINTS)
    packed = pack_header(json.dumps(written, separators=(",", ":")).encode())
    payload = np.asarray(words, "<u4").tobytes().rstrip(b"\0")
    return seal(PREFIX.pack(MAGIC, VERSION, *prints) + packed + payload)


def read(data):
    """Returns the header, with its fingerprints, and the words of the payload.

    Raises:
        CodecError: if `data` is not a complete, undamaged file of this version.
    """
    if len(data) <= len(MAGIC) or data[: len(MAGIC)] != MAGIC:
        raise CodecError(f"Not a file of keras_bfn.codec: it does not begin with {MAGIC!r}")
    version = data[len(MAGIC)]
    if version != VERSION:
        raise CodecError(f"The file has format version {version}; only {VERSION} is supported")
    content = data[:-CHECKSUM_SIZE]
    if data != seal(content):
        raise CodecError("The file is truncated or damaged: its checksum does not match")
    if len(content) < PREFIX.size:
        raise CodecError(f"The file has {len(data)} bytes, too few for a header")
    prints = map(bytes.hex, PREFIX.unpack_from(content)[2:])
    unpacker = zlib.decompressobj(wbits=-15, zdict=DICTIONARY)
    try:
        packed = content[PREFIX.size :]
        header = json.loads(unpacker.decompress(packed, MOST_UNPACKED + 2 * len(packed)))
        if not unpacker.eof:
            raise ValueError("it is incomplete")
    except (zlib.error, ValueError, RecursionError) as error:  # ValueError: not UTF-8, or not JSON
        raise CodecError(f"The file's header is not JSON: {error}") from error
    if not isinstance(header, dict):
        raise CodecError(f"The file's header is not a dict: {header!r}")
    header = {**DEFAULTS, **header, **dict(zip(FINGERPRINTS, prints, strict=True))}
    _check_header(header)
    payload = unpacker.unused_data
    words = np.frombuffer(payload + bytes(-len(payload) % 4), "<u4").astype("uint32")
    # Each example first pops initial bits, on average at least two for each variable, so that a
    # file has at most 32 lanes for each word. `Codec` keeps to this even if all variables are
    # missing.
    most_lanes = min(header["count"], 32 * len(words))
    if header["order"] is None and header["batch_size"] > most_lanes:
        came = f"The file has {header['count']} examples in {len(words)} words of 32 bits"
        raise CodecError(f"{came}, too few for {header['batch_size']} lanes")
    return header, words


def seal(content):
    """Returns bytes with their checksum at the end."""
    return content + bytes.fromhex(digest(content, size=CHECKSUM_SIZE))


def pack_header(text):
    """Compresses the bytes of a JSON header."""
    packer = zlib.compressobj(9, wbits=-15, zdict=DICTIONARY)
    return packer.compress(text) + packer.flush()


def pack_mask(mask):
    """Returns a bool array as text: its bits, compressed."""
    return base64.b64encode(zlib.compress(np.packbits(mask).tobytes(), 9)).decode()


def unpack_mask(count, event_shape, text):
    """Returns the bool array `(count, *event_shape)` that `pack_mask` packed.

    Raises:
        CodecError: if it does not have as many bits.
    """
    num = count * math.prod(event_shape)
    unpacker = zlib.decompressobj()
    try:
        # Unpacks no more than there can be: a small file may unpack to any size.
        packed = unpacker.decompress(base64.b64decode(text), -(-num // 8) + 1)
    except (ValueError, OverflowError, zlib.error) as error:
        raise CodecError(f"The file's mask cannot be read: {error}") from error
    if len(packed) != -(-num // 8):
        raise CodecError(f"The file's mask does not have {num} bits, one for each variable")
    bits = np.unpackbits(np.frombuffer(packed, "uint8"), count=num)
    return bits.astype(bool).reshape(count, *event_shape)


def _check_header(header):
    if set(header) != {*ENTRIES, *FINGERPRINTS}:
        raise CodecError(f"The file's header does not have the entries {sorted(ENTRIES)}")
    for name, (_, is_possible) in ENTRIES.items():
        if not is_possible(header[name]):
            raise CodecError(f"The file's header has an invalid entry {name}={header[name]!r}")
