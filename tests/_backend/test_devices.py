"""Where a backend computes, and what is fastest there."""

import contextlib

import keras
import pytest

from keras_bfn._backend.devices import fastest_data_format, is_on_cpu, scope_of
from tests.models.small import FLOWS, make_model

BACKEND = keras.backend.backend()


@pytest.mark.skipif(not is_on_cpu(), reason="for CPUs")
def test_on_cpus_channels_come_first_on_pytorch_alone():
    expected = "channels_first" if BACKEND == "torch" else "channels_last"
    assert fastest_data_format() == expected


@pytest.mark.slow_to_compile("jax")
def test_new_variables_are_where_the_models_are():
    model = make_model(FLOWS["binary"]())
    if BACKEND != "tensorflow":
        assert isinstance(scope_of(model), contextlib.nullcontext)
        return
    import tensorflow as tf

    strategy = tf.distribute.OneDeviceStrategy("/cpu:0")
    with strategy.scope():
        model = make_model(FLOWS["binary"]())
    assert tf.distribute.get_strategy() is not strategy
    with scope_of(model):
        assert tf.distribute.get_strategy() is strategy
