"""What networks are given, and what is done to their layers, those within layers among them."""

import keras
from keras import ops


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


def layers_within(layer):
    """The layers within a layer, and within these, in order.

    Keras 3.15 has no public name for it: `layers` of a model are those of the first level alone,
    and a layer has none. Without it, those in blocks would be frozen or quantised in vain: not
    saved, and not seen by programs that are compiled already.
    """
    return list(layer._flatten_layers(include_self=False))


def layer_policies(network):
    """The names of the dtype policies of all layers, with those within layers, in order."""
    return tuple(layer.dtype_policy.name for layer in layers_within(network))


def layers_with_kernels(network):
    """The layers of a network that can be given LoRA, with those within layers, in order."""
    return [layer for layer in layers_within(network) if hasattr(layer, "enable_lora")]


def changed_layers(network, policies):
    """What was done to a network's layers since it was made, by number.

    Layers were frozen, or quantised, or were given another dtype policy than they had.
    A functional model of Keras has it in its layers' configs; a network's config is its arguments.
    """
    changes = {}
    for i, (layer, policy) in enumerate(zip(layers_within(network), policies, strict=True)):
        change, mode = {} if layer.trainable else {"trainable": False}, layer.quantization_mode
        if mode is not None and not layers_within(layer):
            change["quantization"] = mode
        elif mode is None and layer.dtype_policy.name != policy:
            change["dtype"] = layer.dtype_policy.name
        if change:
            changes[str(i)] = change
    return changes


def change_layers(network, changes):
    """Does to the layers of a new network what `changed_layers` tells of another.

    Those within a layer come after it: frozen with it, they are thawed if they were.
    """
    for i, layer in enumerate(layers_within(network) if changes else ()):
        change = changes.get(str(i), {})
        if layer.quantization_mode != change.get("quantization"):  # else a network within did it
            layer.quantize(change["quantization"])
        if "dtype" in change:
            layer.dtype_policy = change["dtype"]
        layer.trainable = change.get("trainable", True)
