"""Kernels of convolutions, in memory as PyTorch reads them."""

import keras
from keras import layers

from keras_bfn._backend import lay_out
from keras_bfn._keras import layers_with_kernels


def lay_out_kernels(network, others=()):
    """Writes kernels of convolutions to memory in the order in which PyTorch convolves with them.

    Else, each step of training copies each kernel twice, and its gradient once. Axes, values and
    files are as they were. On other backends, nothing is done.

    Args:
        network: a Keras model or layer that is built.
        others: variables, of which those of a kernel's shape are written as it is: an optimizer's.
    """
    if keras.backend.backend() != "torch":
        return
    orders = {}
    for layer in layers_with_kernels(network):
        if isinstance(layer, (layers.Conv1D, layers.Conv2D, layers.Conv3D)):
            *positions, channels, filters = range(layer.rank + 2)
            order = (filters, channels, *positions)
            if layer.data_format == "channels_last" and layer.rank > 1:
                order = (filters, *positions, channels)
            for weight in layer.weights:
                if weight.name == "kernel":
                    lay_out(weight, order)
                    orders[tuple(weight.shape)] = order
    for variable in others:
        if tuple(variable.shape) in orders:
            lay_out(variable, orders[tuple(variable.shape)])
