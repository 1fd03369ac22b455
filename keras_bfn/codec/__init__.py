"""Lossless compression to real bytes, at the cost that the loss states."""

from keras_bfn.codec.codec import Codec as Codec
from keras_bfn.codec.errors import CodecError as CodecError
