"""A transformer block for sequences, of letters or of an image's patches."""

import contextlib
import itertools
from typing import Any

import keras
from keras import ops
from keras.layers import Dense, Dropout, LayerNormalization

from keras_bfn._backend.operations import unfuse
from keras_bfn._typing import Tensor, TensorShape
from keras_bfn._validation import check_axes, check_bool, check_int, check_rate, refusal
from keras_bfn.layers.attention import check_num_heads, next_attention, self_attention
from keras_bfn.layers.dense import positionwise
from keras_bfn.layers.embeddings import check_num_columns
from keras_bfn.layers.layer import Layer, built


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
        num_seen = self.kernel_size ** (2 if self.num_columns else 1)
        # One matrix, whatever the kernel's size.
        self.dense_widen = Dense(hidden_size, name="dense_widen", **inner)
        self.dense_widen.build((*x_shape[:-1], num_seen * size))
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
        branches = [(self.dense_norm, self._dense, self.dense_drop)]
        if self.num_heads:
            branches.insert(0, (self.attention_norm, self._attend, self.attention_drop))
        modulations, again = [], training and not self.remat  # which recomputes all of a branch
        if embedding is not None:
            modulations = self.modulate(ops.silu(embedding))[:, None]
            modulations = ops.split(modulations, 3 * len(branches), axis=-1)

        for norm, branch, drop in branches:
            shift_scale, gate, modulations = modulations[:2], modulations[2:3], modulations[3:]

            def change(x, *shift_scale, norm=norm, branch=branch):
                x = unfuse(norm)(x) if again else norm(x)
                if shift_scale:
                    shift, scale = shift_scale
                    x = (1.0 + scale) * x + shift
                return branch(x, there, causal, again)

            change = keras.remat(change) if self.remat else change
            added = drop(change(x, *shift_scale), training=training)
            x = x + ((1.0 + gate[0]) * added if gate else added)
        return x

    def _attend(self, x, there, causal, again):
        hidden = positionwise(self.query_key_value, x)
        hidden = self_attention(hidden, self.num_heads, self.rotary, there, causal)
        return positionwise(self.attention_project, hidden)

    def _dense(self, x, there, causal, again):
        project = unfuse(self._project) if again else self._project
        if self.kernel_size == 1:
            return project(positionwise(self.dense_widen, x))
        x = x if there is None else x * ops.cast(there, x.dtype)[..., None]
        window = self.kernel_size, self.num_columns
        return project(apply_to_neighbours(self.dense_widen, x, *window, causal))

    def _project(self, hidden):
        hidden = keras.activations.gelu(hidden, approximate=True)
        return positionwise(self.dense_project, hidden)

    def start(self, batch_size: int, room: int) -> tuple[dict[str, Any], Any]:
        """Returns the empty cache of `next`, with room for `room` positions, and an empty past."""
        size, kept, past = self.dense_project.units, {}, ()
        if self.num_heads:
            shape = (batch_size, self.num_heads, size // self.num_heads)
            kept["attended"] = (ops.zeros((*shape, room), self.compute_dtype),) * 2
            past = (ops.zeros((*shape, 0), self.compute_dtype),) * 2
        if self.kernel_size > 1:
            shape = (batch_size, (self.kernel_size - 1) // 2, size)
            kept["window"] = ops.zeros(shape, self.compute_dtype)
        return kept, past

    def put_by(self, kept: dict[str, Any], past: Any) -> tuple[dict[str, Any], Any]:
        """Moves cached keys and values to `past`; returns the emptied cache, and `past`."""
        if not self.num_heads:
            return kept, past
        pairs = zip(past, kept["attended"], strict=True)
        past = tuple(ops.concatenate(pair, axis=-1) for pair in pairs)
        return kept | {"attended": tuple(map(ops.zeros_like, kept["attended"]))}, past

    def next(
        self, x: Tensor, position: Tensor, kept: dict[str, Any], past: Any
    ) -> tuple[Tensor, dict[str, Any]]:
        """Returns what a causal `call` returns for one position, given the positions before it.

        Args:
            x: tensor of shape `(batch, 1, size)`.
            position: int, a scalar tensor.
            kept: the cache of the positions before it, from `start` or the last call.
            past: keys and values of earlier positions, from `start` or `put_by`. They are only
                read, so that loops do not copy them.

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
            after = self.kernel_size // 2  # zeros: causal positions see nothing on the right
            hidden = ops.pad(window, ((0, 0), (0, after), (0, 0)))
            hidden = ops.reshape(hidden, (-1, 1, self.kernel_size * x.shape[-1]))
        return x + self._project(positionwise(self.dense_widen, hidden)), kept


def _initializer(name, identifier):
    found = None
    with contextlib.suppress(TypeError, ValueError):  # whose messages do not name the argument
        found = keras.initializers.get(identifier)
    if found is None:
        raise refusal(name, "must be a Keras initializer, or the name of one", identifier)
    return found


def apply_to_neighbours(dense, x, size, num_columns, causal=None):
    """Applies a `Dense` to each position with its neighbours, `size` of them or `size` by `size`.

    Beyond the ends, these are zeros; where `causal` is true, later ones are, too.
    """
    _, length, channels = x.shape
    check_num_columns(num_columns, length)
    grid = (length // num_columns, num_columns) if num_columns else (length,)
    x = ops.reshape(x, (-1, *grid, channels))
    if causal is None and dense.quantization_mode is None:
        # A convolution. As a product, a training step of a `PatchTransformer` takes 1.07 (JAX),
        # 1.20 (PyTorch) and 1.55 (TensorFlow) times as long.
        kernel, bias = (ops.cast(weight, x.dtype) for weight in (dense.kernel, dense.bias))
        kernel = ops.reshape(kernel, (*(size,) * len(grid), channels, dense.units))
        x = ops.conv(x, kernel, padding="same", data_format="channels_last") + bias
        return ops.reshape(x, (-1, length, dense.units))
    before, after = (size - 1) // 2, size // 2
    x = ops.pad(x, [(0, 0), *[(before, after)] * len(grid), (0, 0)])
    seen = [
        x[:, *(slice(i, i + n) for i, n in zip(offsets, grid, strict=True))]
        for offsets in itertools.product(range(size), repeat=len(grid))
    ]
    if causal is not None:
        causal = ops.reshape(causal, (-1, *(1,) * (len(grid) + 1)))
        own = before * (size + 1 if num_columns else 1)
        seen = seen[: own + 1] + [ops.where(causal, 0.0, part) for part in seen[own + 1 :]]
    seen = ops.reshape(ops.concatenate(seen, axis=-1), (-1, length, len(seen) * channels))
    return positionwise(dense, seen)
