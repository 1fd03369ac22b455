"""Self-attention over the positions of a sequence, a signal or an image."""

import math

import keras
import numpy as np
from keras import ops
from keras.layers import Dense

from keras_bfn._backend.operations import attend
from keras_bfn._typing import DataFormat, Tensor, TensorShape
from keras_bfn._validation import check_axes, check_int, mismatch
from keras_bfn.layers.conv_block import check_data_format, group_norm
from keras_bfn.layers.dense import positionwise
from keras_bfn.layers.layer import Layer, built


def self_attention(query_key_value, num_heads, rotary=False, mask=None, causal=None):
    """Computes self-attention.

    Args:
        query_key_value: tensor of shape `(batch, positions, 3 * size)`: queries, keys and values,
            each with its heads one after the other.
        num_heads: int. Must divide `size`.
        rotary: bool. Whether queries and keys are rotated by their positions.
        mask: None, or a tensor `(batch, positions)`, 0 at positions that no other position attends
            to.
        causal: None, or bools `(batch,)`: true for examples in which no position attends to a later
            one.

    Returns:
        A tensor of shape `(batch, positions, size)`.
    """
    _, positions, size = query_key_value.shape
    heads = (-1, positions, 3, num_heads, size // (3 * num_heads))
    query, key, value = ops.unstack(ops.reshape(query_key_value, heads), axis=2)
    if rotary:
        query, key = _turn(query), _turn(key)
    if mask is not None:
        # Each position attends to itself, so that every softmax has a term.
        seen = ops.cast(mask, "bool")[:, None, None, :]
        mask = ops.logical_or(seen, ops.eye(positions, dtype="bool"))
    if causal is not None:
        earlier = np.tril(np.ones((positions, positions), "bool"))
        seen = ops.logical_or(ops.logical_not(causal)[:, None, None, None], earlier)
        mask = seen if mask is None else ops.logical_and(mask, seen)
    attended = attend(query, key, value, mask)
    return ops.reshape(attended, (-1, positions, size // 3))


def next_attention(query_key_value, position, kept, past, num_heads, rotary=False):
    """Computes causal self-attention for one position, given the keys and values before it.

    Args:
        query_key_value: tensor of shape `(batch, 1, 3 * size)`.
        position: int, a scalar tensor.
        kept: tuple of the cached keys and values of the positions just before, with zeros for those
            to come: tensors of shape `(batch, num_heads, size / num_heads, positions)`, a layout in
            which nothing is moved in memory.
        past: the cached keys and values of all positions before those of `kept`. They are only
            read.
        num_heads, rotary: as in `self_attention`.

    Returns:
        A tuple: a tensor of shape `(batch, 1, size)`, and `kept` with the keys and values of this
        position.
    """
    size = query_key_value.shape[-1] // 3
    num_past, num_kept = past[0].shape[-1], kept[0].shape[-1]
    heads = (-1, 1, 3, num_heads, size // num_heads)
    query, key, value = ops.unstack(ops.reshape(query_key_value, heads), axis=2)
    if rotary:
        query, key = (_turn(x, num_past + num_kept, position) for x in (query, key))
    query, *new = (ops.transpose(x, (0, 2, 3, 1)) for x in (query, key, value))
    place = position - num_past
    kept = tuple(
        ops.slice_update(x, (0, 0, 0, place), own) for x, own in zip(kept, new, strict=True)
    )
    before, now = (ops.cast(ops.sum(query * x[0], axis=2), "float32") for x in (past, kept))
    now = ops.where(ops.arange(num_kept) <= place, now, -1e30)
    scores = ops.concatenate([before, now], axis=-1) / math.sqrt(size // num_heads)
    weights = ops.cast(ops.softmax(scores, axis=-1), key.dtype)[:, :, None]
    attended = ops.sum(weights[..., :num_past] * past[1], axis=-1)
    attended = attended + ops.sum(weights[..., num_past:] * kept[1], axis=-1)
    return ops.reshape(attended, (-1, 1, size)), kept


def _turn(x, num_positions=None, position=None):
    """Rotates pairs of channels of `(batch, positions, heads, channels)` by the position.

    By default `x` holds all positions; else it holds number `position` of `num_positions`.
    """
    # The base is 1000, as of the sinusoids in the paper's code, not the 10,000 of Su et al.: the
    # slowest of 16 pairs turns once in 4,000 positions, more than the sequences here have. Saved
    # weights depend on it.
    half = x.shape[-1] // 2
    positions = np.arange(num_positions or x.shape[1])
    angles = positions[:, None] / 1000.0 ** (np.arange(half) / half)
    cos, sin = (ops.convert_to_tensor(f(angles)[:, None], x.dtype) for f in (np.cos, np.sin))
    if position is not None:
        cos, sin = (ops.take(table, position, axis=0)[None] for table in (cos, sin))
    a, b = x[..., :half], x[..., half : 2 * half]
    # With an odd number of channels, the last one is not rotated.
    return ops.concatenate([a * cos - b * sin, a * sin + b * cos, x[..., 2 * half :]], axis=-1)


def check_num_heads(num_heads, size):
    """Raises a `ValueError` unless `num_heads` divides `size`."""
    if size % num_heads:
        came = f"num_heads={num_heads}, {size} channels"
        raise mismatch("num_heads", "must divide the number of channels", came)


@keras.saving.register_keras_serializable("keras_bfn")
class SpatialAttention(Layer):
    """Residual self-attention over all positions of an image or a signal.

    It starts as the identity.

    Args:
        num_heads: int. The number of attention heads; must divide the number of channels.
        groups: int. As in `ConvBlock`.
        data_format: as in `ConvBlock`.
        **kwargs: `dtype` and `name`, as for every Keras layer.

    Call arguments:
        x: tensor of shape `(batch, height, width, channels)` or `(batch, length, channels)`, or the
            same with channels first.

    Returns:
        A tensor of the shape of `x`.

    Raises:
        ValueError: if an argument is out of range.

    Example:

    >>> attention = keras_bfn.layers.SpatialAttention(4, data_format="channels_last")
    >>> attention(np.zeros((2, 4, 4, 32))).shape
    (2, 4, 4, 32)
    """

    def __init__(
        self, num_heads: int = 1, groups: int = 32, data_format: DataFormat = None, **kwargs
    ) -> None:
        super().__init__(**kwargs)
        self.num_heads = check_int("num_heads", num_heads, 1)
        self.groups = check_int("groups", groups, 1)
        self.data_format = check_data_format(data_format)
        self._channel_axis = -1 if self.data_format == "channels_last" else 1

    def build(self, x_shape: TensorShape) -> None:
        check_axes("x", x_shape, 3, 5)
        channels = x_shape[self._channel_axis]
        check_num_heads(self.num_heads, channels)
        policy = {"dtype": self.dtype_policy}
        self.norm = built(group_norm(channels, self.groups, self._channel_axis, **policy), x_shape)
        self.query_key_value = built(Dense(3 * channels, **policy), (None, None, channels))
        self.project = Dense(channels, kernel_initializer="zeros", **policy)
        self.project.build((None, None, channels))

    def call(self, x: Tensor) -> Tensor:
        hidden = self.norm(x)
        hidden = ops.moveaxis(hidden, self._channel_axis, -1)
        _, *positions, channels = hidden.shape
        hidden = ops.reshape(hidden, (-1, math.prod(positions), channels))
        hidden = positionwise(self.query_key_value, hidden)
        hidden = self_attention(hidden, self.num_heads)
        hidden = positionwise(self.project, hidden)
        hidden = ops.reshape(hidden, (-1, *positions, channels))
        return x + ops.moveaxis(hidden, -1, self._channel_axis)
