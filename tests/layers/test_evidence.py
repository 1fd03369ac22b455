"""The evidence's features, and its shortcut past the network."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_bfn.flows import DiscreteFlow
from keras_bfn.layers import EvidenceShortcut


@pytest.mark.parametrize("num_classes", [2, 5])
def test_the_shortcut_gives_the_input_distribution_for_an_output(num_classes):
    flow = DiscreteFlow(num_classes, beta_1=1.0)
    s = np.random.default_rng(0).standard_normal((4, 3, num_classes)).astype("float32")
    theta = flow.input_params(s, beta=None)
    params = EvidenceShortcut(flow)(ops.zeros((4, 3, flow.output_size)), theta)
    probs = flow.output_distribution(params, s, t=None).probs()
    expected = np.exp(s) / np.exp(s).sum(axis=-1, keepdims=True)
    np.testing.assert_allclose(ops.convert_to_numpy(probs), expected, rtol=1e-5)


def test_the_shortcut_is_finite_where_theta_is_certain():
    for num_classes in (2, 5):
        flow = DiscreteFlow(num_classes, beta_1=1.0)
        theta = np.zeros((2, 1, flow.theta_size), "float32")
        theta[0, ..., 0] = 1.0
        params = EvidenceShortcut(flow)(ops.zeros((2, 1, flow.output_size)), theta)
        assert np.isfinite(ops.convert_to_numpy(params)).all()


def test_the_shortcut_survives_its_config():
    layer = EvidenceShortcut(DiscreteFlow(5, beta_1=1.0))
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert copy.flow.get_config() == layer.flow.get_config()
