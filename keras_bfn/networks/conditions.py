"""Conditions of networks: classes, numbers, images, or several of these."""

import math

import keras
from keras import layers

from keras_bfn._keras import symbolic
from keras_bfn._parts import list_parts, map_parts, part_names
from keras_bfn._validation import check_int, check_shape, refusal
from keras_bfn.flows.flow import RESERVED
from keras_bfn.layers import TimeEmbedding


def check_conditions(conditions):
    """Returns `conditions` as an int, a tuple, a dict of these, or None.

    Raises:
        ValueError: if `conditions` is none of these.
    """
    if conditions is None:
        return None
    if isinstance(conditions, dict):
        are_names = (isinstance(name, str) and name not in ("", *RESERVED) for name in conditions)
        if not conditions or not all(are_names):
            expected = f"must have non-empty strings as names, other than {list(RESERVED)}"
            raise refusal("conditions", expected, conditions)
    return map_parts(_check_one, part_names(conditions, "conditions"), conditions)


def _check_one(name, one):
    if isinstance(one, (tuple, list)):
        if not one:
            raise refusal(name, "must be a shape with at least one axis", one)
        return check_shape(name, one)
    return check_int(name, one, 1)


def null_conditions(conditions):
    """Returns the condition that means "none" for classes; None for arrays, which have none.

    For a dict, it is a dict of those that exist, or None if there are none.
    """
    if isinstance(conditions, dict):
        nulls = {name: one for name, one in conditions.items() if isinstance(one, int)}
        return nulls or None
    return conditions if isinstance(conditions, int) else None


def describe_condition(one):
    """Describes what `condition` takes: an int K is of classes, another value is a shape."""
    if isinstance(one, int):
        return f"integers 0..{one - 1}; {one} means no condition"
    return f"numbers of shape {one}"


class Conditions:
    """The symbolic inputs of conditions, and the methods that feed them into a network.

    Args:
        conditions: as `check_conditions` returns them.
        event_shape: the shape of one example; None for data of several kinds.
        dtype: the dtype policy of the layers that embed them.
        t_next: a symbolic tensor, the time at which a jump arrives, or None.

    Attributes:
        inputs: a symbolic tensor, a dict of them, or None.
    """

    def __init__(self, conditions, event_shape, dtype, t_next=None):
        self.dtype, self.t_next = dtype, t_next
        self.inputs, self.vectors, self.beside = None, [], []
        if conditions is None:
            return
        shapes = map_parts(lambda one: () if isinstance(one, int) else one, conditions)
        dtypes = map_parts(lambda one: "int32" if isinstance(one, int) else "float32", conditions)
        self.inputs = symbolic("condition", shapes, dtypes)
        for i, (one, x) in enumerate(list_parts(conditions, self.inputs)):
            if _is_beside(one, event_shape):
                self.beside.append((one, x))
            else:
                suffix = f"_{i}" if isinstance(conditions, dict) else ""
                self.vectors.append((one, x, f"condition_embedding{suffix}"))

    def add_to(self, embeddings, dtype=None):
        """Adds embeddings of what is the same at all positions to a tensor `(batch, size)`.

        If `embeddings` is a dict, it adds them to each of its tensors.
        """
        dtype = self.dtype if dtype is None else dtype
        size = keras.tree.flatten(embeddings)[0].shape[-1]
        added = [] if self.t_next is None else [_embed_arrival(self.t_next, size, dtype)]
        for one, x, name in self.vectors:
            if isinstance(one, int):  # one more class, which means "none"
                embedded = layers.Embedding(one + 1, size, dtype=dtype, name=name)(x)
            else:
                flat = layers.Flatten("channels_last", dtype="float32")(x) if len(one) > 1 else x
                embedded = layers.Dense(size, dtype=dtype, name=name)(flat)
            added.append(embedded)
        for embedded in added:
            add = layers.Add(dtype=dtype)
            embeddings = keras.tree.map_structure(
                lambda x, add=add, embedded=embedded: add([x, embedded]), embeddings
            )
        return embeddings

    def join_to(self, features):
        """Concatenates conditions for each position to a tensor `(batch, *positions, channels)`."""
        if not self.beside:
            return features
        positions = features.shape[1:-1]
        parts = [features]
        for one, x in self.beside:
            channels = math.prod(one) // math.prod(positions)
            parts.append(layers.Reshape((*positions, channels), dtype="float32")(x))
        return layers.Concatenate(dtype="float32")(parts)


def _embed_arrival(t_next, size, dtype):
    """Embeds the time at which a jump arrives; zero at first."""
    # Slow waves: a student sees few different times of arrival, and must interpolate between them.
    x = TimeEmbedding(size, scale=10.0)(t_next)
    x = layers.Dense(size, activation="silu", dtype=dtype, name="jump_dense_0")(x)
    zeros = {"kernel_initializer": "zeros", "name": "jump_dense_1"}
    return layers.Dense(size, dtype=dtype, **zeros)(x)


def _is_beside(one, event_shape):
    """Returns whether a condition has values for each position of a sequence or an image."""
    if isinstance(one, int) or event_shape is None:
        return False
    return one[:-1] == tuple(event_shape)[: max(1, len(event_shape) - 1)]
