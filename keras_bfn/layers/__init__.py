"""Layers: the building blocks of networks."""

from keras_bfn.layers.attention import SpatialAttention as SpatialAttention
from keras_bfn.layers.conv_block import ConvBlock as ConvBlock
from keras_bfn.layers.dense import DenseBlock as DenseBlock
from keras_bfn.layers.embeddings import FourierFeatures as FourierFeatures
from keras_bfn.layers.embeddings import PositionEmbedding as PositionEmbedding
from keras_bfn.layers.embeddings import ShiftRight as ShiftRight
from keras_bfn.layers.embeddings import TimeChannel as TimeChannel
from keras_bfn.layers.embeddings import TimeEmbedding as TimeEmbedding
from keras_bfn.layers.embeddings import TokenEmbedding as TokenEmbedding
from keras_bfn.layers.evidence import EvidenceFeatures as EvidenceFeatures
from keras_bfn.layers.evidence import EvidenceShortcut as EvidenceShortcut
from keras_bfn.layers.transformer_block import TransformerBlock as TransformerBlock
