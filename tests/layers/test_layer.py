"""What all layers have in common: shapes, and configs of the arguments of their constructors."""

import keras
import numpy as np
import pytest
from keras import ops

from tests.backends import everywhere
from tests.layers.cases import LAYERS


# The variants of a block are in the networks that are tested on each backend.
@pytest.mark.parametrize(
    "name", everywhere(list(LAYERS), *(name for name in LAYERS if "," not in name))
)
def test_shape_and_config(name):
    make, inputs, shape = LAYERS[name]
    layer = make()
    output = layer(*inputs)
    assert tuple(output.shape) == shape
    assert tuple(layer.compute_output_shape(*(x.shape for x in inputs))) == shape
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert copy.get_config() == layer.get_config()
    copy(*inputs)
    copy.set_weights(layer.get_weights())
    np.testing.assert_allclose(
        *(ops.convert_to_numpy(m(*inputs)) for m in (layer, copy)), rtol=1e-5
    )


@pytest.mark.parametrize(
    "name", ["DenseBlock", "ConvBlock", "SpatialAttention", "TransformerBlock"]
)
def test_blocks_start_as_the_identity(name):
    make, inputs, _ = LAYERS[name]
    np.testing.assert_array_equal(ops.convert_to_numpy(make()(*inputs)), inputs[0])
