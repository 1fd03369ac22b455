"""A transformer block for sequences, of letters or of an image's patches."""

import contextlib
import itertools
import math
from typing import Any

import keras
from keras import ops
from keras.layers import Dropout, LayerNormalization

from keras_bfn._backend.gradients import unfuse
from keras_bfn._keras import call_block
from keras_bfn._typing import Tensor, TensorShape
from keras_bfn._validation import check_axes, check_bool, check_int, check_rate, refusal
from keras_bfn.layers.attention import check_num_heads, next_attention, self_attention
from keras_bfn.layers.dense import Dense
from keras_bfn.layers.embeddings import check_num_columns
from keras_bfn.layers.layer import Layer, built

LAST = {"data_format": "channels_last"}  # whatever Keras's default is


@keras.saving.register_keras_serializable("keras_bfn")
class TransformerBlock(Layer):
    """Self-attention over all positions, then two dense layers at each position.

    Both branches are residual, and normalise their input.

    Args:
        num_heads: int. The number of attention heads; must divide the size of the embeddings. 0
            leaves attention out.
        dropout: float in [0, 1), applied to what is added to the residual stream.
        remat: bool. Whether to recompute activations in the backward pass, to save memory.
        kernel_size: int. The number of neighbouring positions, its own included, that the first
            dense layer sees at each position; beyond the ends, it sees zeros. It is a convolution
            along the sequence, whose kernel is one matrix, so that `keras.optimizers.Muon` treats
            it as a matrix.
        num_columns: int or None. The number of columns of an image whose positions come row by row:
            the first dense layer then sees a square of `kernel_size` by `kernel_size` positions.
        expansion: int. The width between the two dense layers, in multiples of the embeddings'
            size.
        rotary: bool. Whether queries and keys are rotated by their positions, so that attention
            depends on distances: at position p, pair i of n by `p / 1000 ** (i / n)`.
        kernel_initializer: initializer of all kernels except those named next.
        residual_initializer: initializer of the kernels whose output is added to the residual
            stream.
        **kwargs: `dtype` and `name`, as for every Keras layer.

    Call arguments:
        x: tensor of shape `(batch, positions, size)`.
        embedding: tensor of shape `(batch, any)`, or None: an embedding of the time and the
            condition. It shifts and scales all that is normalised, and scales what is added to the
            residual stream. At first it has no effect.
        there: tensor of shape `(batch, positions)`, or None: true for positions of the sequence,
            false for those treated as beyond its ends.
        causal: bools of shape `(batch,)`, or None: true for sequences in which no position sees a
            later one.

    Returns:
        A tensor of the shape of `x`.

    Raises:
        ValueError: if an argument is out of range.

    Example:

    >>> keras_bfn.layers.TransformerBlock(num_heads=4)(np.zeros((2, 6, 32))).shape
    (2, 6, 32)

    Reference: rotary positions: [Su et al., 2021](https://arxiv.org/abs/2104.09864), with the base
    1000 of `PositionEmbedding` instead of 10,000, as sequences are shorter; the embedding: adaLN of
    [Peebles and Xie, 2023](https://arxiv.org/abs/2212.09748), with gates that start at 1.
    """

    def __init__(
        self,
        num_heads: int,
        dropout: float = 0.0,
        remat: bool = False,
        kernel_size: int = 1,
        num_columns: int | None = None,
        expansion: int = 4,
        rotary: bool = False,
        kernel_initializer: str | keras.initializers.Initializer = "glorot_uniform",
        residual_initializer: str | keras.initializers.Initializer = "zeros",
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        self.num_heads = check_int("num_heads", num_heads, 0)
        self.dropout = check_rate("dropout", dropout)
        self.remat = check_bool("remat", remat)
        self.kernel_size = check_int("kernel_size", kernel_size, 1)
        self.num_columns = check_num_columns(num_columns)
        self.expansion = check_int("expansion", expansion, 1)
        self.rotary = check_bool("rotary", rotary)
        self.kernel_initializer = _initializer("kernel_initializer", kernel_initializer)
        self.residual_initializer = _initializer("residual_initializer", residual_initializer)

    def build(
        self, x_shape: TensorShape, embedding_shape: TensorShape | None = None, **others: Any
    ) -> None:
        check_axes("x", x_shape, 3)
        size = x_shape[-1]
        check_num_columns(self.num_columns, x_shape[1])
        policy = {"dtype": self.dtype_policy}
        inner = {"kernel_initializer": self.kernel_initializer, **policy}
        outer = {"kernel_initializer": self.residual_initializer, **policy}

        if self.num_heads:
            check_num_heads(self.num_heads, size)
            self.attention_norm = built(LayerNormalization(epsilon=1e-5, **policy), x_shape)
            self.query_key_value = built(Dense(3 * size, **inner), x_shape)
            self.attention_project = built(Dense(size, **outer), x_shape)
            self.attention_drop = Dropout(self.dropout, **policy)
        self.dense_norm = built(LayerNormalization(epsilon=1e-5, **policy), x_shape)
        hidden_size = self.expansion * size
        if self.kernel_size == 1:
            self.dense_widen = Dense(hidden_size, **inner)
        else:
            # TensorFlow refuses scopes whose names begin with an underscore, as this class's does.
            grid = {"num_columns": self.num_columns, "name": "dense_widen"}
            self.dense_widen = _NeighbourDense(hidden_size, self.kernel_size, **grid, **inner)
        self.dense_widen.build(x_shape)
        self.dense_project = built(Dense(size, **outer), (*x_shape[:-1], hidden_size))
        self.dense_drop = Dropout(self.dropout, **policy)
        if embedding_shape is not None:
            num_branches = 2 if self.num_heads else 1
            modulate = {"kernel_initializer": "zeros", "name": "modulate", **policy}
            self.modulate = built(Dense(3 * num_branches * size, **modulate), embedding_shape)

    def call(
        self,
        x: Tensor,
        embedding: Tensor | None = None,
        there: Tensor | None = None,
        causal: Tensor | None = None,
        training: bool = False,
    ) -> Tensor:
        drops = [self.dense_drop]
        if self.num_heads:
            drops.insert(0, self.attention_drop)
        there = None if there is None else ops.cast(there, x.dtype)
        given = {"embedding": embedding, "there": there, "causal": causal}
        given = {name: tensor for name, tensor in given.items() if tensor is not None}
        again = training and not self.remat  # with `remat`, the whole block is recomputed

        def block(drops, x, *tensors):
            return self._call(drops, again, x, **dict(zip(given, tensors, strict=True)))

        return call_block(block, drops, training, self.remat, x, *given.values())

    def _call(self, drops, again, x, embedding=None, there=None, causal=None):
        branches = [(self.dense_norm, self._dense, drops[-1])]
        if self.num_heads:
            branches.insert(0, (self.attention_norm, self._attend, drops[0]))
        if again:
            branches = [(unfuse(norm), *rest) for norm, *rest in branches]
        if embedding is None:
            for norm, branch, drop in branches:
                x = x + drop(branch(norm(x), there, causal, again))
            return x
        modulations = self.modulate(ops.silu(embedding))[:, None]
        modulations = ops.split(modulations, 3 * len(branches), axis=-1)
        for norm, branch, drop in branches:
            shift, scale, gate, *modulations = modulations
            modulated = (1.0 + scale) * norm(x) + shift
            x = x + (1.0 + gate) * drop(branch(modulated, there, causal, again))
        return x

    def _attend(self, x, there, causal, again):
        x = self_attention(self.query_key_value(x), self.num_heads, self.rotary, there, causal)
        return self.attention_project(x)

    def _dense(self, x, there, causal, again):
        if there is not None and self.kernel_size > 1:
            x = x * there[..., None]
        project = unfuse(self._project) if again else self._project
        seen = {} if causal is None or self.kernel_size == 1 else {"causal": causal}
        return project(self.dense_widen(x, **seen))

    def _project(self, hidden):
        return self.dense_project(keras.activations.gelu(hidden, approximate=True))

    def start(self, batch_size: int, room: int) -> dict[str, Any]:
        """Returns the empty cache of `next`, a dict of tensors with room for `room` positions."""
        size, kept = self.dense_project.units, {}
        if self.num_heads:
            shape = (batch_size, self.num_heads, size // self.num_heads, room)
            kept["attended"] = tuple(ops.zeros(shape, self.compute_dtype) for _ in range(2))
        if self.kernel_size > 1:
            shape = (batch_size, (self.kernel_size - 1) // 2, size)
            kept["window"] = ops.zeros(shape, self.compute_dtype)
        return kept

    def put_by(self, kept: dict[str, Any], past: Any) -> tuple[dict[str, Any], Any]:
        """Moves cached keys and values to `past`; returns the emptied cache, and `past`."""
        if not self.num_heads:
            return kept, past
        attended = kept["attended"]
        if past is not None:
            pairs = zip(past, attended, strict=True)
            past = tuple(ops.concatenate(pair, axis=-1) for pair in pairs)
        return kept | {"attended": tuple(map(ops.zeros_like, attended))}, past or attended

    def next(
        self, x: Tensor, position: Tensor, kept: dict[str, Any], past: Any = None
    ) -> tuple[Tensor, dict[str, Any]]:
        """Returns what a causal `call` returns for one position, given the positions before it.

        Args:
            x: tensor of shape `(batch, 1, size)`.
            position: int, a scalar tensor.
            kept: the cache of the positions before it, from `start` or the last call.
            past: keys and values of earlier positions, from `put_by`, or None. They are only read,
                so that loops do not copy them.

        Returns:
            A tuple: a tensor of the shape of `x`, and the new cache.
        """
        x, kept = ops.cast(x, self.compute_dtype), dict(kept)
        if self.num_heads:
            query_key_value = self.query_key_value(self.attention_norm(x))
            before = position, kept["attended"], past
            attended, kept["attended"] = next_attention(
                query_key_value, *before, self.num_heads, self.rotary
            )
            x = x + self.attention_project(attended)
        hidden = self.dense_norm(x)
        if self.kernel_size > 1:
            window = ops.concatenate([kept["window"], hidden], axis=1)
            kept["window"] = window[:, 1:]
            hidden = self.dense_widen.next(window)
        else:
            hidden = self.dense_widen(hidden)
        return x + self._project(hidden), kept


def _initializer(name, identifier):
    found = None
    with contextlib.suppress(TypeError, ValueError):  # whose messages do not name the argument
        found = keras.initializers.get(identifier)
    if found is None:
        raise refusal(name, "must be a Keras initializer, or the name of one", identifier)
    return found


class _NeighbourDense(Dense):
    """A dense layer over each position and its neighbours: see `TransformerBlock`.

    It is computed as a convolution, which is fast on all backends, but its kernel is a matrix.
    Quantised, it is computed as the dense layer that it stands for.
    """

    def __init__(self, units, kernel_size, num_columns, **kwargs):
        super().__init__(units, **kwargs)
        self.window = (kernel_size,) * (2 if num_columns else 1)
        self.num_columns = num_columns

    def build(self, x_shape):
        super().build((*x_shape[:-1], math.prod(self.window) * x_shape[-1]))
        self.input_spec = None  # `Dense` would expect the inputs of all neighbours

    def call(self, x, causal=None):
        length, size = x.shape[1:]
        kernel = ops.reshape(self.kernel, (*self.window, size, self.units))
        if causal is None:
            x = ops.reshape(x, (-1, *self._grid(length), size))
            hidden = ops.conv(x, kernel, padding="same", **LAST)
            return ops.reshape(hidden, (-1, length, self.units)) + self.bias
        # For sequences: what the neighbours on the right add is left out where `causal` is true.
        own = (self.window[0] - 1) // 2
        left = ops.conv(ops.pad(x, ((0, 0), (own, 0), (0, 0))), kernel[: own + 1], **LAST)
        num_right = self.window[0] - 1 - own
        later = ops.pad(x[:, 1:], ((0, 0), (0, num_right), (0, 0)))
        right = ops.conv(later, kernel[own + 1 :], **LAST)
        return left + ops.where(causal[:, None, None], 0.0, right) + self.bias

    def _grid(self, length):
        """Returns the rows and columns of so many positions; for sequences, the length alone."""
        check_num_columns(self.num_columns, length)
        return (length // self.num_columns, self.num_columns) if self.num_columns else (length,)

    def next(self, window):
        """Returns the causal output at one position, `(batch, 1, units)`.

        `window` holds the neighbours on its left, then the position itself.
        """
        _, length, size = window.shape
        kernel = ops.cast(self.kernel[: length * size], window.dtype)
        hidden = ops.matmul(ops.reshape(window, (-1, 1, length * size)), kernel)
        return hidden + ops.cast(self.bias, window.dtype)

    def quantized_call(self, x, causal=None):
        length, size = x.shape[1:]
        grid = self._grid(length)
        margins = [((k - 1) // 2, k // 2) for k in self.window]
        x = ops.pad(ops.reshape(x, (-1, *grid, size)), [(0, 0), *margins, (0, 0)])
        seen = [
            x[:, *(slice(i, i + n) for i, n in zip(offsets, grid, strict=True))]
            for offsets in itertools.product(*map(range, self.window))
        ]
        if causal is not None:  # causal sequences see nothing on the right
            own = (self.window[0] - 1) // 2
            hidden = [ops.where(causal[:, None, None], 0.0, part) for part in seen[own + 1 :]]
            seen = seen[: own + 1] + hidden
        x = ops.reshape(ops.concatenate(seen, axis=-1), (-1, len(seen) * size))
        return ops.reshape(super().quantized_call(x), (-1, length, self.units))
