"""What networks are given."""

import keras
from keras import ops


def per_example(value, ones):
    """A scalar for each example of a batch.

    Not a constant: in Keras 3.15, TensorFlow folds one that is added to the output of a `Dense`
    layer into the layer's bias, and gets the shapes wrong.
    """
    return value * ones


def build_network(network, inputs):
    """Calls a network on symbolic inputs, which creates its weights; its symbolic output.

    Without numbers, a `Sequential` of Keras 3.15 hands `training` to layers that do not take it. It
    is called on zeros.
    """
    if isinstance(network, keras.Sequential):
        inputs = keras.tree.map_structure(
            lambda x: ops.zeros((1, *x.shape[1:]), dtype=x.dtype), inputs
        )
    return network(inputs)


def in_order_of(structure, values):
    """The values of nested dicts, in the order that dicts of the same names have in `structure`.

    In Keras 3.15 on PyTorch, a functional model goes by the order of a dict within a dict, not by
    its names: it would take the evidence about one part for that about another.
    """
    if not isinstance(structure, dict) or set(structure) != set(values):
        return values
    return {name: in_order_of(structure[name], values[name]) for name in structure}
