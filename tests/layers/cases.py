"""Layers with inputs, for the tests of each and of all."""

import numpy as np

from keras_bfn.flows import DiscreteFlow
from keras_bfn.layers import (
    ConvBlock,
    DenseBlock,
    EvidenceFeatures,
    FourierFeatures,
    PositionEmbedding,
    SpatialAttention,
    TimeChannel,
    TimeEmbedding,
    TransformerBlock,
)

IMAGES = np.random.default_rng(0).standard_normal((2, 4, 4, 6)).astype("float32")
VECTORS = np.random.default_rng(0).standard_normal((2, 6)).astype("float32")
SEQUENCES = np.random.default_rng(0).standard_normal((2, 5, 6)).astype("float32")
TIMES = np.array([0.0, 0.5], "float32")
TIME = np.random.default_rng(1).standard_normal((2, 8)).astype("float32")

LAYERS = {
    "DenseBlock": (lambda: DenseBlock(12, dropout=0.1), (VECTORS, TIME), (2, 6)),
    "ConvBlock": (lambda: ConvBlock(6, groups=3), (IMAGES, TIME), (2, 4, 4, 6)),
    "ConvBlock, wider": (lambda: ConvBlock(10), (IMAGES, TIME), (2, 4, 4, 10)),
    "ConvBlock, signals": (lambda: ConvBlock(10), (SEQUENCES, TIME), (2, 5, 10)),
    "SpatialAttention": (lambda: SpatialAttention(3), (IMAGES,), (2, 4, 4, 6)),
    "ConvBlock, remat": (lambda: ConvBlock(6, remat=True), (IMAGES, TIME), (2, 4, 4, 6)),
    "TransformerBlock": (lambda: TransformerBlock(3, dropout=0.1), (SEQUENCES,), (2, 5, 6)),
    "TransformerBlock, adaptive": (lambda: TransformerBlock(3), (SEQUENCES, TIME), (2, 5, 6)),
    "TransformerBlock, convolution": (
        lambda: TransformerBlock(0, kernel_size=3, expansion=2),
        (SEQUENCES,),
        (2, 5, 6),
    ),
    "TransformerBlock, squares": (
        lambda: TransformerBlock(0, kernel_size=3, num_columns=2),
        (IMAGES.reshape(2, 16, 6),),
        (2, 16, 6),
    ),
    "TransformerBlock, rotary": (lambda: TransformerBlock(2, rotary=True), (SEQUENCES,), (2, 5, 6)),
    "TransformerBlock, remat": (lambda: TransformerBlock(3, remat=True), (SEQUENCES,), (2, 5, 6)),
    "TimeEmbedding": (lambda: TimeEmbedding(8, endpoint=True), (TIMES,), (2, 8)),
    "TimeChannel": (lambda: TimeChannel(), (IMAGES, TIMES), (2, 4, 4, 7)),
    "FourierFeatures": (lambda: FourierFeatures((0, 1, 2)), (IMAGES,), (2, 4, 4, 42)),
    "PositionEmbedding": (lambda: PositionEmbedding(), (SEQUENCES,), (2, 5, 6)),
    "PositionEmbedding, columns": (
        lambda: PositionEmbedding(3),
        (VECTORS[:, None].repeat(6, 1)[..., :4],),
        (2, 6, 4),
    ),
    "EvidenceFeatures": (
        lambda: EvidenceFeatures(DiscreteFlow(4, 1.0)),
        (IMAGES[..., :4],),
        (2, 4, 4, 8),
    ),
}


def randomize(layer):
    rng = np.random.default_rng(0)
    layer.set_weights([0.5 * rng.standard_normal(w.shape) for w in layer.get_weights()])
