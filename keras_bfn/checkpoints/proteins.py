"""ProtBFN and AbBFN, models of protein sequences: their network, and a loader of their arrays."""

import math
import pathlib
import re

import keras
import numpy as np
from keras import ops
from keras.layers import Dense, LayerNormalization

from keras_bfn._backend.operations import attend
from keras_bfn._typing import DType, Path, Shape, Tensor, TensorShape
from keras_bfn._validation import check_int, check_verbose, mismatch, refusal
from keras_bfn.checkpoints.symbols import PROTEINS
from keras_bfn.flows import DiscreteFlow
from keras_bfn.layers.attention import check_num_heads
from keras_bfn.layers.dense import positionwise
from keras_bfn.layers.layer import Layer, built
from keras_bfn.models import BayesianFlowNetwork
from keras_bfn.networks import Network
from keras_bfn.networks.network import check_one_kind
from keras_bfn.saving.hubs import HUGGING_FACE, download

NUM_FREQUENCIES = 16


def rotate(x, interleaved=False, scale=None):
    """Rotates pairs of channels of `(batch, positions, heads, channels)` by the position.

    At position p, pair i of n is turned by `p / 10000 ** (i / n)`. Pairs are of neighbours if
    `interleaved`, else of a channel and the one half of the channels later. `scale`, of shape
    `(positions, n)`, multiplies pairs.
    """
    _, positions, heads, channels = x.shape
    half = channels // 2
    angles = np.arange(positions)[:, None] / 10000.0 ** (np.arange(half) / half)
    scale = np.ones_like(angles) if scale is None else scale
    cos, sin = (
        ops.convert_to_tensor((scale * f(angles))[:, None], x.dtype) for f in (np.cos, np.sin)
    )
    pair, axis = ((half, 2), -1) if interleaved else ((2, half), -2)
    a, b = ops.unstack(ops.reshape(x, (-1, positions, heads, *pair)), axis=axis)
    turned = ops.stack([a * cos - b * sin, a * sin + b * cos], axis=axis)
    return ops.reshape(turned, (-1, positions, heads, channels))


def entropy_features(theta):
    """Appends to theta, `(..., classes)`, 32 Fourier features of its entropy, as in ProtBFN."""
    entropy = -ops.sum(theta * ops.log(theta + 1e-12), axis=-1, keepdims=True)
    # Their code divides by minus the largest entropy, so that this is 1 *plus* the relative
    # entropy. The weights depend on it.
    level = ops.sqrt(1.0 + entropy * (1.0 / math.log(theta.shape[-1])))
    frequencies = np.pi * 2.0 ** np.arange(-1, NUM_FREQUENCIES - 1)
    angles = level * ops.convert_to_tensor(frequencies, "float32")
    return ops.concatenate([theta, ops.sin(angles), ops.cos(angles)], axis=-1)


@keras.saving.register_keras_serializable("keras_bfn")
class ProteinBlock(Layer):
    """A transformer block of ProtBFN: self-attention with RoPE, then a feed-forward network.

    Both branches are residual, and normalise their input.

    Args:
        num_heads: int. The number of attention heads; must divide the size of the embeddings, into
            heads of an even size.
        hidden_size: int. The width of the feed-forward network's inner layer.
        kernel_initializer: initializer of all kernels.
        **kwargs: `dtype` and `name`, as for every Keras layer.

    Call arguments:
        x: tensor of shape `(batch, positions, size)`.

    Returns:
        A tensor of the shape of `x`.

    Raises:
        ValueError: if an argument is out of range.

    Example:

    >>> keras_bfn.checkpoints.ProteinBlock(num_heads=4, hidden_size=64)(np.zeros((2, 6, 32))).shape
    (2, 6, 32)
    """

    def __init__(
        self,
        num_heads: int,
        hidden_size: int,
        kernel_initializer: str | keras.initializers.Initializer = "glorot_uniform",
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        self.num_heads = check_int("num_heads", num_heads, 1)
        self.hidden_size = check_int("hidden_size", hidden_size, 1)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)

    def build(self, x_shape: TensorShape) -> None:
        size = x_shape[-1]
        check_heads(self.num_heads, size)
        policy = {"dtype": self.dtype_policy}
        dense = {"kernel_initializer": self.kernel_initializer, **policy}
        self.attention_norm = built(LayerNormalization(epsilon=1e-5, **policy), x_shape)
        self.query = built(Dense(size, **dense), x_shape)
        self.key = built(Dense(size, **dense), x_shape)
        self.value = built(Dense(size, **dense), x_shape)
        self.attention_project = built(Dense(size, **dense), x_shape)
        self.dense_norm = built(LayerNormalization(epsilon=1e-5, **policy), x_shape)
        self.dense_widen = built(Dense(self.hidden_size, **dense), x_shape)
        self.dense_project = built(Dense(size, **dense), (*x_shape[:-1], self.hidden_size))

    def call(self, x: Tensor) -> Tensor:
        _, positions, size = x.shape
        heads = (-1, positions, self.num_heads, size // self.num_heads)
        seen = self.attention_norm(x)
        query, key, value = (
            ops.reshape(positionwise(dense, seen), heads)
            for dense in (self.query, self.key, self.value)
        )
        attended = ops.reshape(attend(rotate(query), rotate(key), value), (-1, positions, size))
        x = x + positionwise(self.attention_project, attended)
        hidden = positionwise(self.dense_widen, self.dense_norm(x))
        hidden = keras.activations.gelu(hidden, approximate=False)
        return x + positionwise(self.dense_project, hidden)


@keras.saving.register_keras_serializable("keras_bfn")
class ProteinTransformer(Network):
    """The network of ProtBFN. It is not told the time: it sees how sure each theta is.

    `keras_bfn.checkpoints.protbfn` fills it with their weights.

    Args:
        flow: a `keras_bfn.flows.DiscreteFlow`.
        event_shape: int, the length of a sequence, or `(length,)`.
        width: int. The size of the embeddings.
        num_layers: int. The number of blocks.
        num_heads: int. The number of attention heads; must divide `width`, into an even size.
        hidden_size: int. The width inside the blocks.
        kernel_initializer: initializer of the blocks' kernels.
        dtype, name: as in `keras_bfn.networks.Network`.

    Call arguments:
        inputs: dict of `"theta"`, `(batch, length, classes)`, and `"t"`, `(batch,)`, not used.

    Returns:
        A float32 tensor of shape `(batch, length, classes)`.

    Raises:
        ValueError: if an argument is out of range.

    Example:

    >>> flow = keras_bfn.flows.DiscreteFlow(num_classes=32, beta_1=2.0)
    >>> network = keras_bfn.checkpoints.ProteinTransformer(flow, 8, 16, 2, 2, 32)
    >>> network({"theta": np.full((4, 8, 32), 1 / 32), "t": np.zeros((4,))}).shape
    (4, 8, 32)

    Reference: "Model" in the methods of
    [Atkinson et al., 2024](https://www.biorxiv.org/content/10.1101/2024.09.24.614734).
    """

    def __init__(
        self,
        flow: DiscreteFlow,
        event_shape: int | Shape,
        width: int = 1280,
        num_layers: int = 33,
        num_heads: int = 20,
        hidden_size: int = 5120,
        kernel_initializer: str | keras.initializers.Initializer = "glorot_uniform",
        dtype: DType = None,
        name: str | None = None,
    ) -> None:
        self.event_shape = check_sequence(flow, event_shape)
        self.width = check_int("width", width, 1)
        self.num_layers = check_int("num_layers", num_layers, 1)
        self.num_heads, self.hidden_size = num_heads, hidden_size
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        check_heads(check_int("num_heads", num_heads, 1), width)

        def connect(inputs, conditions, policy):
            x = Dense(width, dtype=policy, name="linear")(entropy_features(inputs["theta"]))
            x = LayerNormalization(epsilon=1e-5, dtype=policy, name="norm_in")(x)
            for i in range(num_layers):
                options = {"dtype": policy, "name": f"block_{i}"}
                x = ProteinBlock(num_heads, hidden_size, kernel_initializer, **options)(x)
            x = LayerNormalization(epsilon=1e-5, dtype=policy, name="norm_out")(x)
            x = Dense(width, dtype=policy, name="head")(x)
            x = keras.activations.gelu(x, approximate=False)
            return [LayerNormalization(epsilon=1e-5, dtype=policy, name="head_norm")(x)]

        super().__init__(flow, self.event_shape, connect, shortcut=False, dtype=dtype, name=name)


def check_sequence(flow, event_shape):
    """Returns `event_shape` as `(length,)`; raises a `ValueError` unless the data are classes."""
    check_one_kind(flow)
    if not (flow.theta_is_probs and flow.theta_size > 2):
        raise refusal("flow", "must be a `DiscreteFlow` of three or more classes", flow)
    if isinstance(event_shape, (tuple, list)):
        if len(event_shape) != 1:
            raise refusal("event_shape", "must be a length, or (length,)", event_shape)
        event_shape = event_shape[0]
    return (check_int("event_shape", event_shape, 1),)


def check_heads(num_heads, size):
    """Raises a `ValueError` unless `num_heads` divides `size`, into heads of an even size."""
    check_num_heads(num_heads, size)
    if size // num_heads % 2:
        came = f"num_heads={num_heads}, {size} channels"
        raise mismatch("num_heads", "must give heads an even number of channels", came)


def protbfn(
    folder: Path,
    seq_length: int,
    num_heads: int = 20,
    dtype: DType = None,
    verbose: str | int = "auto",
) -> BayesianFlowNetwork:
    """Returns ProtBFN or AbBFN, from the folder of their arrays.

    The folder holds `array_0.npy`, `array_1.npy` and so on: the weights, in the order of a
    flattened Haiku tree. All sizes but the number of heads follow from the arrays. The pickle
    `tree_def.npy` is not read, nor downloaded.

    Args:
        folder: path of a folder, or `hf://owner/repo/folder`, whose arrays `huggingface_hub`
            downloads once and caches: `hf://InstaDeepAI/protein-sequence-bfn/ProtBFN` or
            `hf://InstaDeepAI/protein-sequence-bfn/AbBFN`.
        seq_length: int. The length of a sequence, its end and padding included: 512 for ProtBFN,
            256 for AbBFN.
        num_heads: int. The number of attention heads.
        dtype: the network's dtype policy, by default Keras's global one. With `"bfloat16"` or
            `"float16"`, its weights take half the memory.
        verbose: `"auto"`, 0, 1 or 2, as in Keras: 0 shows no progress bar.

    Returns:
        A `keras_bfn.BayesianFlowNetwork` of `DiscreteFlow(32, beta_1=2.0)`, with the `tokenizer` of
        amino acids. It is not compiled.

    Raises:
        ValueError: if the folder does not hold such arrays: one is missing, truncated, not of
            numbers, of another shape or not finite, or their number is wrong.
        FileNotFoundError: if the folder does not exist.
        ImportError: for `hf://`, if `huggingface_hub` is not installed.

    Loading takes little more memory than the weights, one array at a time. With JAX on Linux, set
    `MALLOC_MMAP_THRESHOLD_=65536` in the environment, or glibc keeps up to as much again.

    By its model card, the weights have the licence CC BY 4.0; the authors' code has
    CC BY-NC-SA 4.0. The tests compare random weights with that code; the published files have not
    been tried.

    Example:

    ```python
    antibodies = "hf://InstaDeepAI/protein-sequence-bfn/AbBFN"
    model = keras_bfn.checkpoints.protbfn(antibodies, seq_length=256)
    model.generate_text(4, num_steps=100, sampler="sde2")
    ```

    Reference: [Atkinson et al., 2024](https://www.biorxiv.org/content/10.1101/2024.09.24.614734).
    """
    check_int("seq_length", seq_length, 1)
    check_int("num_heads", num_heads, 1)
    check_verbose(verbose)
    files = _array_files(_local_folder(folder))
    num_layers = (len(files) - 12) // 16
    # The arrays after the blocks are the offset and scale of a norm, and the input layer.
    _, width = _open(files[16 * num_layers + 3], 2).shape
    (hidden_size,) = _open(files[0], 1).shape
    flow = DiscreteFlow(PROTEINS.num_classes, beta_1=2.0)
    network = ProteinTransformer(
        flow,
        seq_length,
        width,
        num_layers,
        num_heads,
        hidden_size,
        kernel_initializer="zeros",  # random numbers would take time, and memory beside them
        dtype=dtype,
    )
    pairs = list(zip(files, _in_their_order(network), strict=True))
    for file, (name, variable) in pairs:
        found, expected = _open(file).shape, tuple(variable.shape)
        if found != expected:
            raise ValueError(f"The file '{file}' has shape {found}, expected {expected}, of {name}")
    bar = keras.utils.Progbar(len(pairs), verbose=int(verbose != 0), unit_name="array")
    for i, (file, (_, variable)) in enumerate(pairs):
        array = np.array(_open(file), "float32")  # one at a time
        if not np.isfinite(array).all():
            raise ValueError(f"The file '{file}' has NaN or infinity, expected finite numbers")
        variable.assign(array)
        bar.update(i + 1)
    return BayesianFlowNetwork(flow, network, tokenizer=PROTEINS)


def _local_folder(folder):
    """Returns the path of a local folder; the arrays of a hub's folder are downloaded."""
    if str(folder).startswith(HUGGING_FACE):
        owner, repo, *inner = str(folder).removeprefix(HUGGING_FACE).split("/", 2)
        if not inner or not inner[0]:
            raise refusal("folder", "must have the form hf://owner/repo/folder", folder)
        repo = f"{HUGGING_FACE}{owner}/{repo}"
        folder = pathlib.Path(download("folder", repo, [f"{inner[0]}/array_*.npy"])) / inner[0]
    folder = pathlib.Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"Argument `folder` must be a folder. Received: folder='{folder}'")
    return folder


def _array_files(folder):
    """Returns the files of a folder's arrays in order.

    Raises:
        ValueError: if one is missing, or their number does not fit any number of blocks.
    """
    found = [re.fullmatch(r"array_(0|[1-9]\d*)\.npy", path.name) for path in folder.iterdir()]
    numbers = sorted(int(match[1]) for match in found if match)
    for i, number in enumerate(numbers):
        if i != number:
            raise ValueError(
                f"The folder '{folder}' has {len(numbers)} arrays, but no array_{i}.npy"
            )
    if len(numbers) < 28 or len(numbers) % 16 != 12:
        expected = "must hold 16 arrays for each block and 12 others, array_0.npy and so on"
        raise mismatch("folder", expected, f"folder='{folder}' with {len(numbers)} arrays")
    return [folder / f"array_{i}.npy" for i in numbers]


def _open(file, ndim=None):
    """Returns the array of a file, mapped into memory."""
    try:
        array = np.lib.format.open_memmap(file, mode="r")
    except ValueError as error:
        raise ValueError(f"The file '{file}' is not a whole array of numbers: {error}") from error
    if array.dtype.kind != "f" or ndim not in (None, array.ndim):
        axes, came = "" if ndim is None else f" with {ndim} axes", f"{array.dtype} {array.shape}"
        raise ValueError(f"The file '{file}' must hold an array of floats{axes}. Received: {came}")
    return array


def _in_their_order(network):
    """Returns pairs of the name in ProtBFN's tree and the variable of the network, in its order."""
    get, layers = network.get_layer, {}
    for i in range(network.num_layers):
        key, block = f"transformer/attention_layer_{i}/~/", get(f"block_{i}")
        layers |= {
            f"{key}self_attention_layer_norm": block.attention_norm,
            f"{key}self_attention/query": block.query,
            f"{key}self_attention/key": block.key,
            f"{key}self_attention/value": block.value,
            f"{key}self_attention/mha_output": block.attention_project,
            f"{key}final_layer_norm": block.dense_norm,
            f"{key}fc1": block.dense_widen,
            f"{key}fc2": block.dense_project,
        }
    head = "transformer/~/roberta_lm_head/~/"
    layers |= {
        "transformer/~/linear": get("linear"),
        "transformer/~/emb_layer_norm_before": get("norm_in"),
        f"{head}emb_layer_norm_after": get("norm_out"),
        f"{head}lm_head_fc_1": get("head"),
        f"{head}lm_head_layer_norm": get("head_norm"),
        f"{head}lm_final_fc": get("output_projection"),
    }
    pairs = []
    for name in sorted(layers):  # as strings: layer 10 comes before layer 2
        layer = layers[name]
        if isinstance(layer, LayerNormalization):
            pairs += [(f"{name}/offset", layer.beta), (f"{name}/scale", layer.gamma)]
        else:
            pairs += [(f"{name}/b", layer.bias), (f"{name}/w", layer.kernel)]
    return pairs
