"""Weights trained elsewhere: the checkpoints of the paper's authors."""

from keras_bfn.checkpoints.official import load_official as load_official
