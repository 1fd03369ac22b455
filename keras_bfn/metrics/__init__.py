"""What training and evaluation report beside the loss."""

from keras_bfn.metrics.bits_per_dim import BitsPerDim as BitsPerDim
