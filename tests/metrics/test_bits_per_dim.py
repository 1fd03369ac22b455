"""Bits per dimension are nats over log 2."""

import keras
import numpy as np

from keras_bfn.metrics import BitsPerDim


def test_nats_become_bits():
    metric = BitsPerDim()
    metric.update_state(np.log(2) * np.array([1.0, 3.0]))
    metric.update_state(np.log(2) * np.array([5.0]), sample_weight=np.array([2.0]))
    np.testing.assert_allclose(float(metric.result()), 14.0 / 4.0, rtol=1e-6)


def test_a_metric_survives_its_config():
    metric = BitsPerDim(name="bits")
    config = keras.saving.serialize_keras_object(metric)
    assert keras.saving.deserialize_keras_object(config).name == "bits"
