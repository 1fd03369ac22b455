"""Parts of networks."""

from keras_bfn.layers.blocks import ConvBlock as ConvBlock
from keras_bfn.layers.blocks import DenseBlock as DenseBlock
from keras_bfn.layers.blocks import SpatialAttention as SpatialAttention
from keras_bfn.layers.evidence_shortcut import EvidenceShortcut as EvidenceShortcut
from keras_bfn.layers.time_embedding import TimeEmbedding as TimeEmbedding
