"""Embeddings of times, positions, values and tokens."""

import math
from collections.abc import Sequence

import keras
import numpy as np
from keras import ops
from keras.layers import Dense

from keras_bfn._typing import Tensor, TensorShape
from keras_bfn._validation import (
    check_axes,
    check_bool,
    check_int,
    check_number,
    is_number,
    refusal,
)
from keras_bfn.layers.dense import positionwise
from keras_bfn.layers.layer import Float32Layer, Layer, built


@keras.saving.register_keras_serializable("keras_bfn")
class TimeEmbedding(Float32Layer):
    """Cosines and sines of the time, at frequencies from about `scale / 10,000` to `scale`.

    It computes in float32: bfloat16 would round t = 0.999 to 1.

    Args:
        size: even int. The number of sinusoids.
        scale: float. The number of radians that the fastest sinusoid covers from t = 0 to t = 1;
            4,000 in the paper's network for MNIST.
        offset: float, added to t.
        endpoint: bool. Whether the geometric series of frequencies includes `scale / 10,000`, as in
            the paper's network for CIFAR-10, or ends one step before it.
        **kwargs: `name`, as for every Keras layer. The layer computes in float32.

    Call arguments:
        t: float tensor of shape `(batch,)`.

    Returns:
        A float32 tensor of shape `(batch, size)`.

    Raises:
        ValueError: if `size` is not a positive even number, or another argument is invalid.

    Example:

    >>> keras_bfn.layers.TimeEmbedding(64)(np.array([0.0, 0.5])).shape
    (2, 64)
    """

    def __init__(
        self,
        size: int,
        scale: float = 4000.0,
        offset: float = 0.0,
        endpoint: bool = False,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        self.size = check_multiple("size", size, 2)
        self.scale = check_number("scale", scale)
        self.offset = check_number("offset", offset)
        self.endpoint = check_bool("endpoint", endpoint)

    def build(self, t_shape: TensorShape) -> None:
        check_axes("t", t_shape, 1)

    def call(self, t: Tensor) -> Tensor:
        exponents = np.linspace(0.0, -4.0, self.size // 2, endpoint=self.endpoint)
        frequencies = ops.convert_to_tensor(self.scale * 10.0**exponents, dtype="float32")
        angles = (ops.cast(t, "float32")[:, None] + self.offset) * frequencies
        return ops.concatenate([ops.cos(angles), ops.sin(angles)], axis=-1)

    def compute_output_shape(self, t_shape: TensorShape) -> TensorShape:
        return (t_shape[0], self.size)


@keras.saving.register_keras_serializable("keras_bfn")
class TimeChannel(Float32Layer):
    """Appends the time to an image or a sequence, as a channel of 2t - 1 at all positions.

    Args:
        **kwargs: `name`, as for every Keras layer. The layer computes in float32.

    Call arguments:
        x: float32 tensor of shape `(batch, ..., channels)`.
        t: float tensor of shape `(batch,)`.

    Returns:
        A float32 tensor of shape `(batch, ..., channels + 1)`.

    Example:

    >>> keras_bfn.layers.TimeChannel()(np.zeros((2, 8, 8, 3)), np.array([0.0, 0.5])).shape
    (2, 8, 8, 4)
    """

    def call(self, x: Tensor, t: Tensor) -> Tensor:
        t = ops.reshape(2.0 * ops.cast(t, "float32") - 1.0, (-1, *(1,) * (len(x.shape) - 1)))
        t = ops.broadcast_to(t, (*ops.shape(x)[:-1], 1))
        return ops.concatenate([ops.cast(x, "float32"), t], axis=-1)

    def compute_output_shape(self, x_shape: TensorShape, t_shape: TensorShape) -> TensorShape:
        return (*x_shape[:-1], x_shape[-1] + 1)


@keras.saving.register_keras_serializable("keras_bfn")
class FourierFeatures(Float32Layer):
    """Appends sines and cosines of the channels, at high frequencies.

    It computes in float32: half precision would lose the differences that the features show.

    Args:
        exponents: tuple of numbers. The frequencies are `2 ** exponent` periods per unit.
        **kwargs: `name`, as for every Keras layer. The layer computes in float32.

    Call arguments:
        x: tensor of shape `(..., channels)`.

    Returns:
        A float32 tensor of shape `(..., channels * (1 + 2 * len(exponents)))`: the channels, then
        the sines for each exponent in turn, then the cosines.

    Raises:
        ValueError: if `exponents` is empty, or holds anything but numbers.

    Example:

    >>> keras_bfn.layers.FourierFeatures()(np.zeros((2, 8, 8, 3))).shape
    (2, 8, 8, 15)

    Reference: section 3.3 of [Kingma et al., 2021](https://arxiv.org/abs/2107.00630), at the
    frequencies of the BFN paper's code.
    """

    def __init__(self, exponents: Sequence[float] = (5, 6), **kwargs) -> None:
        super().__init__(**kwargs)
        is_tuple = isinstance(exponents, (tuple, list)) and len(exponents) > 0
        if not is_tuple or not all(is_number(e) and abs(e) < 100 for e in exponents):
            expected = "must be a non-empty tuple of numbers between -100 and 100"
            raise refusal("exponents", expected, exponents)
        self.exponents = tuple(exponents)

    def call(self, x: Tensor) -> Tensor:
        x = ops.cast(x, "float32")
        angles = ops.concatenate([2.0 * math.pi * 2.0**e * x for e in self.exponents], axis=-1)
        return ops.concatenate([x, ops.sin(angles), ops.cos(angles)], axis=-1)

    def compute_output_shape(self, x_shape: TensorShape) -> TensorShape:
        return (*x_shape[:-1], x_shape[-1] * (1 + 2 * len(self.exponents)))


@keras.saving.register_keras_serializable("keras_bfn")
class PositionEmbedding(Float32Layer):
    """Adds sinusoids of the position to the embeddings of a sequence.

    Component i of `size` at position p is the sine of `p / 1000 ** (i / size)` for even i, and the
    cosine for odd i. The layer computes in float32.

    Args:
        num_columns: int or None. The number of columns of an image whose positions come row by row:
            half of the components then encode the row, and half the column.
        **kwargs: `name`, as for every Keras layer. The layer computes in float32.

    Call arguments:
        x: tensor of shape `(batch, positions, size)`. `size` must be even, and a multiple of 4 if
            `num_columns` is given.

    Returns:
        A float32 tensor of the shape of `x`.

    Raises:
        ValueError: if an argument is out of range.

    Example:

    >>> keras_bfn.layers.PositionEmbedding()(np.zeros((2, 6, 32))).shape
    (2, 6, 32)
    """

    def __init__(self, num_columns: int | None = None, **kwargs) -> None:
        super().__init__(**kwargs)
        self.num_columns = check_num_columns(num_columns)

    def call(self, x: Tensor) -> Tensor:
        check_axes("x", x.shape, 3)
        length, size = x.shape[1:]
        if self.num_columns:
            check_num_columns(self.num_columns, length)
            num_rows = length // self.num_columns
            rows, columns = sinusoids(num_rows, size // 2), sinusoids(self.num_columns, size // 2)
            tables = [np.repeat(rows, self.num_columns, axis=0), np.tile(columns, (num_rows, 1))]
            table = np.concatenate(tables, axis=-1)
        else:
            table = sinusoids(length, size)
        return ops.cast(x, "float32") + ops.convert_to_tensor(table, "float32")


@keras.saving.register_keras_serializable("keras_bfn")
class ShiftRight(Float32Layer):
    """Shifts the features of causal sequences one position to the right.

    Args:
        **kwargs: `name`, as for every Keras layer. The layer computes in float32.

    Call arguments:
        x: tensor of shape `(batch, positions, size)`.
        causal: bools of shape `(batch,)`: true for sequences to shift. Their first position becomes
            zeros.

    Returns:
        A float32 tensor of the shape of `x`.

    Example:

    >>> x = np.array([[[1.0], [2.0], [3.0]]])
    >>> keras_bfn.layers.ShiftRight()(x, np.array([True]))[0, :, 0].tolist()
    [0.0, 1.0, 2.0]
    """

    def call(self, x: Tensor, causal: Tensor) -> Tensor:
        check_axes("x", x.shape, 3)
        x = ops.cast(x, "float32")
        moved = ops.pad(x[:, :-1], ((0, 0), (1, 0), (0, 0)))
        return ops.where(ops.cast(causal, "bool")[:, None, None], moved, x)


@keras.saving.register_keras_serializable("keras_bfn")
class TokenEmbedding(Layer):
    """Projects tokens to embeddings, with a learned gain and bias for each position.

    The columns of a table differ: the gain and the bias give each one weights of its own.

    Args:
        size: int. The size of the embeddings.
        **kwargs: `dtype` and `name`, as for every Keras layer.

    Call arguments:
        x: tensor of shape `(batch, tokens, channels)`.

    Returns:
        A tensor of shape `(batch, tokens, size)`.

    Raises:
        ValueError: if an argument is out of range.

    Example:

    >>> keras_bfn.layers.TokenEmbedding(32)(np.zeros((2, 6, 3))).shape
    (2, 6, 32)
    """

    def __init__(self, size: int, **kwargs) -> None:
        super().__init__(**kwargs)
        self.size = check_int("size", size, 1)

    def build(self, x_shape: TensorShape) -> None:
        check_axes("x", x_shape, 3)
        _, tokens, channels = x_shape
        self.project = built(Dense(self.size, dtype=self.dtype_policy), (None, None, channels))
        self.gain = self.add_weight(shape=(tokens, self.size), initializer="ones", name="gain")
        normal = keras.initializers.RandomNormal(stddev=0.5)
        self.bias = self.add_weight(shape=(tokens, self.size), initializer=normal, name="bias")

    def call(self, x: Tensor) -> Tensor:
        gain, bias = (ops.cast(weight, self.compute_dtype) for weight in (self.gain, self.bias))
        return positionwise(self.project, x) * gain + bias

    def compute_output_shape(self, x_shape: TensorShape) -> TensorShape:
        return (*x_shape[:-1], self.size)


def check_num_columns(num_columns, length=None):
    """Returns `num_columns`; raises a `ValueError` unless it is None or a divisor of `length`."""
    if num_columns is None:
        return None
    check_int("num_columns", num_columns, 1)
    if length is not None and length % num_columns:
        raise refusal("num_columns", f"must divide the number of positions, {length}", num_columns)
    return num_columns


def sinusoids(length, size):
    """Returns the numpy array of shape `(length, size)` that `PositionEmbedding` adds."""
    index = np.arange(check_multiple("size", size, 2))
    angles = np.arange(length)[:, None] / 1000.0 ** (index / size)
    return np.where(index % 2 == 0, np.sin(angles), np.cos(angles)).astype("float32")


def check_multiple(name, value, factor):
    """Returns `value` as an int; raises a `ValueError` unless it is a positive multiple."""
    if check_int(name, value, factor) % factor:
        expected = "must be even" if factor == 2 else f"must be a multiple of {factor}"
        raise refusal(name, expected, value)
    return int(value)
