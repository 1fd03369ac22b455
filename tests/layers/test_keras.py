"""Keras's own tests of a layer pass for all public layers.

`run_layer_test` has no public name. It makes a layer anew from its config, builds it from shapes
alone, calls it on symbolic and on real inputs, in mixed precision too, and trains it for a step.
"""

import pytest
from keras.src.testing import TestCase

from keras_bfn import flows, layers

FLOW = flows.DiscreteFlow(4, 1.0)
X, TIME, T = (4, 6, 8), (4, 5), (4,)
IMAGES = {"x_shape": (4, 6, 6, 8)}
LAST = {"data_format": "channels_last"}
# The class, its arguments, the shapes of its inputs, and that of its output.
CASES = [
    (layers.DenseBlock, {"hidden_size": 3}, {"x_shape": (4, 8), "time_shape": TIME}, (4, 8)),
    (layers.ConvBlock, {"filters": 4, **LAST}, {**IMAGES, "time_shape": TIME}, (4, 6, 6, 4)),
    (layers.SpatialAttention, {"num_heads": 2, **LAST}, IMAGES, (4, 6, 6, 8)),
    (layers.TransformerBlock, {"num_heads": 2}, {"x_shape": X}, X),
    (layers.TransformerBlock, {"num_heads": 2}, {"x_shape": X, "embedding_shape": TIME}, X),
    (layers.TimeEmbedding, {"size": 6}, {"t_shape": T}, (4, 6)),
    (layers.TimeChannel, {}, {"x_shape": X, "t_shape": T}, (4, 6, 9)),
    (layers.FourierFeatures, {}, {"x_shape": X}, (4, 6, 40)),
    (layers.PositionEmbedding, {}, {"x_shape": X}, X),
    (layers.ShiftRight, {}, {"x_shape": X, "causal_shape": T}, X),
    (layers.TokenEmbedding, {"size": 3}, {"x_shape": X}, (4, 6, 3)),
    (layers.EvidenceFeatures, {"flow": FLOW}, {"theta_shape": (4, 6, 4)}, (4, 6, 8)),
    (
        layers.EvidenceShortcut,
        {"flow": FLOW},
        {"params_shape": (4, 6, 4), "theta_shape": (4, 6, 4)},
        (4, 6, 4),
    ),
]


@pytest.mark.once("tensorflow")  # on PyTorch, Keras tests no mixed precision
@pytest.mark.filterwarnings("ignore:`shuffle=True` was passed")  # to a generator of Keras
@pytest.mark.filterwarnings("ignore:The model does not have any trainable weights")
@pytest.mark.parametrize(("cls", "arguments", "shapes", "expected"), CASES)
def test_a_layer_passes_the_tests_of_keras(cls, arguments, shapes, expected):
    is_single = len(shapes) == 1
    TestCase().run_layer_test(
        cls,
        arguments,
        input_shape=next(iter(shapes.values())) if is_single else shapes,
        expected_output_shape=expected,
        expected_output_dtype="float32",
        run_training_check=is_single,  # Keras's own model passes one input
    )


@pytest.mark.once
def test_all_public_layers_are_tested():
    public = {found for found in vars(layers).values() if isinstance(found, type)}
    assert public == {cls for cls, *_ in CASES}
