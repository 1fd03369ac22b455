"""ChemBFN, a model of molecules: its schedule and network, and a loader of its files."""

import functools
import math
import numbers
from collections.abc import Sequence
from typing import Any, Self

import keras
import numpy as np
from keras import ops
from keras.layers import Dense, Dropout, Embedding, LayerNormalization

from keras_bfn._backend.operations import attend
from keras_bfn._typing import DType, Path, Shape, Tensor, TensorShape
from keras_bfn._validation import (
    check_bool,
    check_int,
    check_positive,
    check_rate,
    is_number,
    mismatch,
    refusal,
)
from keras_bfn.checkpoints.proteins import check_heads, check_sequence, rotate
from keras_bfn.checkpoints.state_dict import StateDictReader, check_tensors, load_file
from keras_bfn.checkpoints.symbols import MOLECULES
from keras_bfn.flows import DiscreteFlow
from keras_bfn.layers.dense import positionwise
from keras_bfn.layers.layer import Layer, built
from keras_bfn.models import BayesianFlowNetwork
from keras_bfn.networks import Network
from keras_bfn.schedules import Schedule

NONE = -1e30  # each number of the null condition


@keras.saving.register_keras_serializable("keras_bfn")
class LogarithmicSchedule(Schedule):
    """beta(t) = -4/K log(1 - t + t exp(-K beta_1 / 4)), ChemBFN's schedule of discrete data.

    Args:
        num_classes: int, at least 2. K.
        beta_1: positive float, at most 40 / K. The accuracy at t = 1. ChemBFN uses 20.4054 / K.

    Raises:
        ValueError: if an argument is out of its range.

    Example:

    >>> schedule = keras_bfn.checkpoints.LogarithmicSchedule(num_classes=4, beta_1=2.0)
    >>> round(float(schedule.beta(1.0)), 5)
    2.0
    >>> flow = keras_bfn.flows.DiscreteFlow(4, schedule=schedule)

    Reference: section 2 of [Tao and Abe, 2024](https://arxiv.org/abs/2407.20294).
    """

    def __init__(self, num_classes: int, beta_1: float) -> None:
        self.num_classes = check_int("num_classes", num_classes, 2)
        self.beta_1 = check_positive("beta_1", beta_1)
        if beta_1 * num_classes > 40:  # float32 loses exp(-K beta_1 / 4) in its sum with 1 - t
            raise refusal("beta_1", f"must be at most 40 / num_classes, {40 / num_classes}", beta_1)

    @property
    def _slope(self):
        return math.expm1(-self.num_classes * self.beta_1 / 4)

    def beta(self, t: Tensor) -> Tensor:
        return -4.0 / self.num_classes * ops.log1p(self._slope * ops.cast(t, "float32"))

    def derivative(self, t: Tensor) -> Tensor:
        rate = -4.0 / self.num_classes * self._slope
        return rate / (1.0 + self._slope * ops.cast(t, "float32"))

    def inverse(self, beta: Tensor) -> Tensor:
        return ops.expm1(-self.num_classes / 4 * ops.cast(beta, "float32")) / self._slope

    def ending_at(self, beta: float) -> Self:
        return self.from_config({**self.get_config(), "beta_1": beta})


@keras.saving.register_keras_serializable("keras_bfn")
class MoleculeBlock(Layer):
    """A transformer block of ChemBFN: self-attention with xPos, then a feed-forward network.

    Both branches are residual, with adaLN-Zero: an embedding shifts and scales what they see, and
    scales what they add; at first, they add nothing.

    Args:
        num_heads: int. The number of attention heads; must divide the size of the embeddings, into
            heads of an even size.
        dropout: float in [0, 1), applied to the output of the feed-forward network.
        semi_autoregressive: bool. Whether attention prefers positions up to its own: their scores
            are larger by 1.
        **kwargs: `dtype` and `name`, as for every Keras layer.

    Call arguments:
        x: tensor of shape `(batch, positions, size)`.
        embedding: tensor of shape `(batch, any)`.

    Returns:
        A tensor of the shape of `x`.

    Raises:
        ValueError: if an argument is out of range.

    Example:

    >>> block = keras_bfn.checkpoints.MoleculeBlock(num_heads=4)
    >>> block(np.zeros((2, 6, 32)), np.zeros((2, 8))).shape
    (2, 6, 32)
    """

    def __init__(
        self, num_heads: int, dropout: float = 0.0, semi_autoregressive: bool = False, **kwargs
    ) -> None:
        super().__init__(**kwargs)
        self.num_heads = check_int("num_heads", num_heads, 1)
        self.dropout = check_rate("dropout", dropout)
        self.semi_autoregressive = check_bool("semi_autoregressive", semi_autoregressive)

    def build(self, x_shape: TensorShape, embedding_shape: TensorShape) -> None:
        size = x_shape[-1]
        check_heads(self.num_heads, size)
        policy = {"dtype": self.dtype_policy}
        self.attention_norm = built(plain_norm(policy["dtype"]), x_shape)
        self.query_key_value = built(Dense(3 * size, **policy), x_shape)
        self.dense_norm = built(plain_norm(policy["dtype"]), x_shape)
        self.dense_widen = built(Dense(4 * size, **policy), x_shape)
        self.dense_project = built(Dense(size, **policy), (*x_shape[:-1], 4 * size))
        self.drop = Dropout(self.dropout, **policy)
        self.modulate = built(
            Dense(6 * size, kernel_initializer="zeros", **policy), embedding_shape
        )

    def call(self, x: Tensor, embedding: Tensor, training: bool = False) -> Tensor:
        changes = self.modulate(ops.selu(embedding))[:, None]
        shift, scale, gate, dense_shift, dense_scale, dense_gate = ops.split(changes, 6, axis=-1)
        x = x + gate * self._attend(self.attention_norm(x) * (1.0 + scale) + shift)
        hidden = self.dense_norm(x) * (1.0 + dense_scale) + dense_shift
        hidden = ops.selu(positionwise(self.dense_widen, hidden))
        hidden = self.drop(positionwise(self.dense_project, hidden), training=training)
        return x + dense_gate * hidden

    def _attend(self, x):
        _, positions, size = x.shape
        channels = size // self.num_heads
        heads = (-1, positions, 3, self.num_heads, channels)
        query_key_value = ops.reshape(positionwise(self.query_key_value, x), heads)
        query, key, value = ops.unstack(query_key_value, axis=2)
        # XPOS: products of queries and keys decay with the distance of their positions.
        pairs = (np.arange(0, channels, 2) / channels + 0.4) / 1.4
        decay = pairs ** (np.arange(positions)[:, None] / size)
        # Their temperature is sqrt(2 channels).
        query = rotate(query, True, decay / math.sqrt(2))
        key = rotate(key, True, 1 / decay)
        if self.semi_autoregressive:
            # Their mask is of ones and zeros, which PyTorch adds to the scores.
            bias = ops.convert_to_tensor(np.tri(positions)[None, None], query.dtype)
            attended = ops.dot_product_attention(query, key, value, bias=bias)
        else:
            attended = attend(query, key, value)
        return ops.reshape(attended, (-1, positions, size))


def plain_norm(policy, name=None):
    """Returns a layer normalisation without weights."""
    return LayerNormalization(epsilon=1e-6, center=False, scale=False, dtype=policy, name=name)


@keras.saving.register_keras_serializable("keras_bfn")
class MoleculeTransformer(Network):
    """The network of ChemBFN, which adapts its layer normalisations to the time and a condition.

    `keras_bfn.checkpoints.chembfn` fills it with their weights.

    Args:
        flow: a `keras_bfn.flows.DiscreteFlow`.
        event_shape: int, the length of a sequence, or `(length,)`.
        width: even int. The size of the embeddings.
        num_layers: int. The number of blocks.
        num_heads: int. The number of attention heads; must divide `width`, into an even size.
        dropout: float in [0, 1), applied to the output of each block's feed-forward network.
        semi_autoregressive: as in `keras_bfn.checkpoints.MoleculeBlock`.
        conditions: what the network also takes as `"condition"`, or None. An int K: classes in
            0..K, of shape `(batch,)`, where K means "none". A shape `(size,)`: numbers, of shape
            `(batch, size)`, where -1e30 in all of them means "none".
        condition_widths: tuple of ints. The widths of the layers before the last one that embed a
            condition. Classes need at least one. Without conditions, it must be empty.
        dtype, name: as in `keras_bfn.networks.Network`.

    Call arguments:
        inputs: dict of `"theta"`, `(batch, length, classes)`; `"t"`, `(batch,)`; and `"condition"`
            if the network is conditional.

    Returns:
        A float32 tensor of shape `(batch, length, classes)`.

    Raises:
        ValueError: if an argument is out of range.

    Example:

    >>> flow = keras_bfn.flows.DiscreteFlow(num_classes=9, beta_1=1.0)
    >>> network = keras_bfn.checkpoints.MoleculeTransformer(flow, 8, 16, 2, 2)
    >>> network({"theta": np.full((4, 8, 9), 1 / 9), "t": np.zeros((4,))}).shape
    (4, 8, 9)

    Reference: section 2 of [Tao and Abe, 2024](https://arxiv.org/abs/2407.20294).
    """

    def __init__(
        self,
        flow: DiscreteFlow,
        event_shape: int | Shape,
        width: int = 512,
        num_layers: int = 12,
        num_heads: int = 8,
        dropout: float = 0.01,
        semi_autoregressive: bool = False,
        conditions: int | Shape | None = None,
        condition_widths: Sequence[int] = (),
        dtype: DType = None,
        name: str | None = None,
    ) -> None:
        self.event_shape = check_sequence(flow, event_shape)
        self.width = check_int("width", width, 2)
        self.num_layers = check_int("num_layers", num_layers, 1)
        self.num_heads, self.dropout = num_heads, check_rate("dropout", dropout)
        check_heads(check_int("num_heads", num_heads, 1), width)
        self.semi_autoregressive = check_bool("semi_autoregressive", semi_autoregressive)
        conditions, self.condition_widths = _check_conditions(conditions, condition_widths)

        def connect(inputs, others, policy):
            c = Dense(width // 2, "selu", dtype="float32", name="time_0")(inputs["t"][:, None])
            c = Dense(width, dtype="float32", name="time_1")(c)
            if conditions is not None:
                c = c + _embed(inputs["condition"], conditions, self.condition_widths, width)
            x = Dense(width, dtype=policy, name="embedding")(2.0 * inputs["theta"] - 1.0)
            for i in range(num_layers):
                options = {"dtype": policy, "name": f"block_{i}"}
                x = MoleculeBlock(num_heads, dropout, semi_autoregressive, **options)(x, c)
            zeros = {"kernel_initializer": "zeros", "dtype": policy, "name": "modulate_out"}
            changes = Dense(2 * width, **zeros)(ops.selu(c))[:, None]
            shift, scale = ops.split(changes, 2, axis=-1)
            return [plain_norm(policy, "norm_out")(x) * (1.0 + scale) + shift]

        options: dict[str, Any] = {"conditions": conditions, "dtype": dtype, "name": name}
        super().__init__(flow, self.event_shape, connect, shortcut=False, **options)

    @property
    def null_condition(self) -> Any:
        """The condition that means "none"."""
        is_vector = isinstance(self.conditions, tuple)
        return np.full(self.conditions, NONE, "float32") if is_vector else self.conditions


def _check_conditions(conditions, widths):
    """Returns both arguments with Python's ints, or raises a `ValueError`."""
    is_vector = isinstance(conditions, (tuple, list))
    if is_vector and len(conditions) != 1:
        raise refusal("conditions", "must be None, an int, or a shape (size,)", conditions)
    if not isinstance(widths, (tuple, list)):
        raise refusal("condition_widths", "must be a tuple of ints", widths)
    if is_vector:
        conditions = (check_int("conditions", conditions[0], 1),)
    elif conditions is not None:
        conditions = check_int("conditions", conditions, 1)
    if (conditions is None and widths) or (isinstance(conditions, int) and not widths):
        expected = (
            "must be empty without conditions, and must not be for conditions that are classes"
        )
        raise refusal("condition_widths", expected, widths)
    return conditions, tuple(check_int("condition_widths", size, 1) for size in widths)


def _embed(condition, conditions, widths, width):
    """Returns a condition's embedding, `(batch, width)`: zero where the condition means "none"."""
    if isinstance(conditions, int):
        is_none = ops.expand_dims(condition >= conditions, -1)
        x = ops.where(is_none[:, 0], 0, condition)
        x = ops.selu(Embedding(conditions, widths[0], dtype="float32", name="condition_0")(x))
    else:
        is_none = ops.all(condition <= NONE / 2, axis=-1, keepdims=True)
        x = ops.where(is_none, 0.0, condition)
    for i in range(int(isinstance(conditions, int)), len(widths)):
        x = Dense(widths[i], "selu", dtype="float32", name=f"condition_{i}")(x)
    x = Dense(width, dtype="float32", name=f"condition_{len(widths)}")(x)
    return ops.where(is_none, 0.0, x)


def chembfn(
    path: Path,
    seq_length: int,
    lora: Path | None = None,
    mlp: Path | None = None,
    semi_autoregressive: bool = False,
    dtype: DType = None,
) -> BayesianFlowNetwork:
    """Returns ChemBFN, from its files.

    Args:
        path: path of the `.pt` file of the model, which holds `nn` and `hparam`, or
            `hf://owner/repo/file`. Files are read with PyTorch, whatever the backend, and no code
            in them is executed. All sizes follow from `hparam`.
        seq_length: int. The length of a sequence, its start, end and padding included.
        lora: path of a `.pt` file with `lora_nn` and `lora_param`, or None. Its products are added
            to the weights.
        mlp: path of a `.pt` file of the layers that embed a condition, or None. The model then
            takes conditions: classes, or arrays of numbers.
        semi_autoregressive: bool. Whether the model runs in its semi-autoregressive form, which is
            not stored in the file. It adds 1 to the attention's scores up to a position's own.
        dtype: the network's dtype policy, by default Keras's global one. With `"bfloat16"` or
            `"float16"`, its weights take half the memory.

    Returns:
        A `keras_bfn.BayesianFlowNetwork` with a `LogarithmicSchedule`. Its `tokenizer` is that of
        SMILES if the file has as many classes, 246; else None. With conditions, training drops a
        fifth of them, so that `guidance_scale` is 1 plus their guidance strength. The model is not
        compiled.

    Raises:
        ValueError: if a file is not of this form: keys are missing or unexpected, shapes differ, or
            numbers are not finite.
        FileNotFoundError: if a file does not exist.
        ImportError: if `torch`, or for `hf://` `huggingface_hub`, is not installed.

    The authors' code has the licence AGPL-3.0. The tests compare random weights with that code; the
    published files have not been tried.

    Example:

    ```python
    model = keras_bfn.checkpoints.chembfn("model.pt", seq_length=60)
    tokens = model.generate(4, num_steps=100)
    molecules = keras_bfn.checkpoints.MOLECULES.decode(tokens)
    ```

    Reference: [Tao and Abe, 2024](https://arxiv.org/abs/2407.20294).
    """
    check_int("seq_length", seq_length, 1)
    state, sizes = _read("path", path, "nn", "hparam")
    num_classes, width = sizes["num_vocab"], sizes["channel"]
    conditions, widths = None, ()
    if mlp is not None:
        mlp_state, found = _read("mlp", mlp, "nn", "hparam")
        *widths, last = found["size"][1:]
        conditions = found["size"][0] if found["class_input"] else (found["size"][0],)
        if last != width:
            raise mismatch("mlp", f"must have an output of size {width}, as the model", f"{last}")
    if "beta" not in state or tuple(state["beta"].shape) != ():
        raise mismatch("path", "must hold a number 'beta', the accuracy at t = 1", f"path='{path}'")
    flow = DiscreteFlow(
        num_classes, schedule=LogarithmicSchedule(num_classes, float(state.pop("beta")))
    )
    network = MoleculeTransformer(
        flow,
        seq_length,
        width,
        sizes["num_layer"],
        sizes["num_head"],
        sizes["dropout"],
        semi_autoregressive,
        conditions,
        widths,
        dtype=dtype,
    )
    readers = [StateDictReader(state, f"The checkpoint '{path}'")]
    products = None
    if lora is not None:
        lora_state, found = _read("lora", lora, "lora_nn", "lora_param")
        readers.append(StateDictReader(lora_state, f"The checkpoint '{lora}'"))
        products = functools.partial(_product, readers[-1], found["r"], found["lora_alpha"])
    _read_model(readers[0], network, products)
    if mlp is not None:
        readers.append(StateDictReader(mlp_state, f"The checkpoint '{mlp}'"))
        _read_mlp(readers[-1], network)
    for reader in readers:
        reader.finish()
    tokenizer = MOLECULES if num_classes == MOLECULES.num_classes else None
    dropout = 0.0 if mlp is None else 0.2
    return BayesianFlowNetwork(flow, network, condition_dropout=dropout, tokenizer=tokenizer)


def _is_count(value):
    return is_number(value, numbers.Integral) and value >= 1


def _are_counts(value):
    return isinstance(value, (list, tuple)) and len(value) > 1 and all(map(_is_count, value))


# What suits the settings of each file.
_KINDS = {
    "path": {
        **dict.fromkeys(("num_vocab", "channel", "num_layer", "num_head"), _is_count),
        "dropout": lambda value: is_number(value) and 0 <= value < 1,
    },
    "mlp": {"size": _are_counts, "class_input": lambda value: isinstance(value, bool)},
    "lora": {"r": _is_count, "lora_alpha": is_number},
}


def _read(name, path, weights, settings):
    """Returns the tensors and the settings of a file, given their keys in it."""
    found = load_file(path, name)
    if not isinstance(found, dict) or not {weights, settings} <= set(found):
        expected = f"must be a file of ChemBFN, with '{weights}' and '{settings}'"
        raise mismatch(name, expected, f"{name}='{path}', which contains something else")
    values = found[settings]
    for key, suits in _KINDS[name].items():
        if not isinstance(values, dict) or not suits(values.get(key)):
            came = values.get(key) if isinstance(values, dict) else values
            raise mismatch(name, f"must have a valid '{key}' in '{settings}'", f"{key}={came!r}")
    return dict(check_tensors(found[weights], path, name)), values


def _product(reader, rank, alpha, key, layer):
    """Returns the function that adds a layer's product of matrices of low rank to its kernel."""
    num_in, num_out = layer.kernel.shape
    a = reader.take(f"{key}.lora_A", (rank, num_in))
    b = reader.take(f"{key}.lora_B", (num_out, rank))
    return None if a is None or b is None else lambda kernel: kernel + alpha / rank * (a.T @ b.T)


def _read_model(reader, network, products):
    get = network.get_layer

    def adapted(key, layer):
        reader.layer(key, layer, products and products(key, layer))

    half = network.width // network.num_heads // 2
    pairs = np.repeat(np.arange(half) / half, 2)[None]
    for name, expected in {"theta": 10000.0**-pairs, "zeta": (pairs + 0.4) / 1.4}.items():
        found = reader.take(f"position.{name}", expected.shape)
        if found is not None and not np.allclose(found, expected, rtol=1e-2):  # of 16 bits, too
            raise ValueError(f"{reader.source}: 'position.{name}' differs from ChemBFN's constants")
    reader.layer("time_embed.0", get("time_0"))
    reader.layer("time_embed.2", get("time_1"))
    adapted("embedding", get("embedding"))
    for i in range(network.num_layers):
        key, block = f"encoder_layers.{i}", get(f"block_{i}")
        adapted(f"{key}.attention.qkv", block.query_key_value)
        reader.layer(f"{key}.ffn.0", block.dense_widen)
        reader.layer(f"{key}.ffn.2", block.dense_project)
        adapted(f"{key}.adaln_modulation.1", block.modulate)
    adapted("final_layer.linear", get("output_projection"))
    adapted("final_layer.adaln_modulation.1", get("modulate_out"))


def _read_mlp(reader, network):
    for i in range(len(network.condition_widths) + 1):
        layer = network.get_layer(f"condition_{i}")
        if isinstance(layer, Embedding):
            array = reader.take(f"layers.{i}.weight", tuple(layer.embeddings.shape))
            reader.assignments.append((layer.embeddings, array))
        else:
            reader.layer(f"layers.{i}", layer)
