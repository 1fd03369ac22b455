"""Small files, kept for all tests of a module, and what is claimed of them."""

import functools
import time

import keras
import pytest
from keras import ops
from numpy.testing import assert_array_equal

import keras_bfn
from keras_bfn._parts import map_parts
from keras_bfn.codec import Codec, CodecError
from tests.models.small import FLOWS, make_data, make_model

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


@keras.saving.register_keras_serializable("keras_bfn_tests")
class ConstantNetwork(keras.layers.Layer):
    """Says the same, or the same of each part, whatever the evidence."""

    def __init__(self, output):
        super().__init__()
        self.output_value = output

    def call(self, inputs):
        def say(theta, output):
            return ops.zeros_like(theta[..., :1]) + ops.convert_to_tensor(output, "float32")

        return map_parts(say, inputs["theta"], self.output_value)


def constant_model(flow, output, event_shape=(4,), model=keras_bfn.BayesianFlowNetwork, **options):
    return model(flow, ConstantNetwork(output), event_shape=event_shape, **options)
