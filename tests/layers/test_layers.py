"""Layers: shapes, configs, and what their docstrings claim."""

import keras
import numpy as np
import pytest
from keras import ops
from scipy.special import softmax

from keras_bfn import _keras
from keras_bfn.flows import DiscreteFlow
from keras_bfn.layers import (
    ConvBlock,
    DenseBlock,
    EvidenceFeatures,
    EvidenceShortcut,
    FourierFeatures,
    PositionEmbedding,
    SpatialAttention,
    TimeChannel,
    TimeEmbedding,
    TransformerBlock,
)
from keras_bfn.layers.attention import self_attention
from tests.backends import everywhere
from tests.tensors import gradient, to_tensor

IMAGES = np.random.default_rng(0).standard_normal((2, 4, 4, 6)).astype("float32")
VECTORS = np.random.default_rng(0).standard_normal((2, 6)).astype("float32")
SEQUENCES = np.random.default_rng(0).standard_normal((2, 5, 6)).astype("float32")
TIMES = np.array([0.0, 0.5], "float32")
TIME = np.random.default_rng(1).standard_normal((2, 8)).astype("float32")

LAYERS = {
    "DenseBlock": (lambda: DenseBlock(12, dropout=0.1), (VECTORS, TIME), (2, 6)),
    "ConvBlock": (lambda: ConvBlock(6, groups=3), (IMAGES, TIME), (2, 4, 4, 6)),
    "ConvBlock, wider": (lambda: ConvBlock(10), (IMAGES, TIME), (2, 4, 4, 10)),
    "ConvBlock, signals": (lambda: ConvBlock(10), (SEQUENCES, TIME), (2, 5, 10)),
    "SpatialAttention": (lambda: SpatialAttention(3), (IMAGES,), (2, 4, 4, 6)),
    "ConvBlock, remat": (lambda: ConvBlock(6, remat=True), (IMAGES, TIME), (2, 4, 4, 6)),
    "TransformerBlock": (lambda: TransformerBlock(3, dropout=0.1), (SEQUENCES,), (2, 5, 6)),
    "TransformerBlock, adaptive": (lambda: TransformerBlock(3), (SEQUENCES, TIME), (2, 5, 6)),
    "TransformerBlock, convolution": (
        lambda: TransformerBlock(0, kernel_size=3, expansion=2),
        (SEQUENCES,),
        (2, 5, 6),
    ),
    "TransformerBlock, squares": (
        lambda: TransformerBlock(0, kernel_size=3, num_columns=2),
        (IMAGES.reshape(2, 16, 6),),
        (2, 16, 6),
    ),
    "TransformerBlock, rotary": (lambda: TransformerBlock(2, rotary=True), (SEQUENCES,), (2, 5, 6)),
    "TransformerBlock, remat": (lambda: TransformerBlock(3, remat=True), (SEQUENCES,), (2, 5, 6)),
    "TimeEmbedding": (lambda: TimeEmbedding(8, endpoint=True), (TIMES,), (2, 8)),
    "TimeChannel": (lambda: TimeChannel(), (IMAGES, TIMES), (2, 4, 4, 7)),
    "FourierFeatures": (lambda: FourierFeatures((0, 1, 2)), (IMAGES,), (2, 4, 4, 42)),
    "PositionEmbedding": (lambda: PositionEmbedding(), (SEQUENCES,), (2, 5, 6)),
    "PositionEmbedding, columns": (
        lambda: PositionEmbedding(3),
        (VECTORS[:, None].repeat(6, 1)[..., :4],),
        (2, 6, 4),
    ),
    "EvidenceFeatures": (
        lambda: EvidenceFeatures(DiscreteFlow(4, 1.0)),
        (IMAGES[..., :4],),
        (2, 4, 4, 8),
    ),
}


# The variants of a block are in the networks that are tested on each backend.
@pytest.mark.parametrize(
    "name", everywhere(list(LAYERS), *(name for name in LAYERS if "," not in name))
)
def test_shape_and_config(name):
    make, inputs, shape = LAYERS[name]
    layer = make()
    output = layer(*inputs)
    assert tuple(output.shape) == shape
    assert tuple(layer.compute_output_shape(*(x.shape for x in inputs))) == shape
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert copy.get_config() == layer.get_config()
    copy(*inputs)
    copy.set_weights(layer.get_weights())
    np.testing.assert_allclose(
        *(ops.convert_to_numpy(m(*inputs)) for m in (layer, copy)), rtol=1e-5
    )


@pytest.mark.parametrize(
    "name", ["DenseBlock", "ConvBlock", "SpatialAttention", "TransformerBlock"]
)
def test_blocks_start_as_the_identity(name):
    make, inputs, _ = LAYERS[name]
    np.testing.assert_array_equal(ops.convert_to_numpy(make()(*inputs)), inputs[0])


def randomize(layer):
    rng = np.random.default_rng(0)
    layer.set_weights([0.5 * rng.standard_normal(w.shape) for w in layer.get_weights()])


def test_attention_sees_positions_as_a_set():
    layer = SpatialAttention(2, data_format="channels_last")
    layer.build(IMAGES.shape)
    randomize(layer)
    order = np.random.default_rng(0).permutation(16)

    def shuffle(images):
        return images.reshape(2, 16, 6)[:, order].reshape(2, 4, 4, 6)

    output = ops.convert_to_numpy(layer(IMAGES))
    assert np.abs(output - IMAGES).min() > 1e-6
    np.testing.assert_allclose(
        ops.convert_to_numpy(layer(shuffle(IMAGES))), shuffle(output), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("scale", [1.0, 100.0])
@pytest.mark.parametrize("masked", [False, True])
def test_attention_is_the_mean_of_values_weighted_by_softmax(masked, scale):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 5, 3 * 8)).astype("float32") * np.float32(scale)
    there = np.array([[1, 1, 0, 1, 0], [1, 1, 1, 1, 1]])
    query, key, value = np.split(
        x.reshape(2, 5, 6, 4).transpose(0, 2, 1, 3).astype("float64"), 3, 1
    )
    scores = query @ key.swapaxes(-1, -2) / 2.0
    if masked:
        seen = (there == 1)[:, None, None, :] | np.eye(5, dtype=bool)
        scores = np.where(seen, scores, -np.inf)
    expected = (softmax(scores, axis=-1) @ value).transpose(0, 2, 1, 3).reshape(2, 5, 8)
    found = self_attention(ops.convert_to_tensor(x), 2, mask=there if masked else None)
    np.testing.assert_allclose(ops.convert_to_numpy(found), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("masked", [False, True])
def test_gradients_of_attention_are_those_of_keras(masked):
    rng = np.random.default_rng(0)
    x = 3.0 * rng.standard_normal((2, 5, 3 * 8))
    factors = to_tensor(rng.standard_normal((2, 5, 8)))
    there = np.array([[1, 1, 0, 1, 0], [1, 1, 1, 1, 1]]) if masked else None
    seen = None
    if masked:
        seen = np.broadcast_to((there == 1)[:, None, None, :] | np.eye(5, dtype=bool), (2, 2, 5, 5))

    def by_keras(x):
        parts = ops.unstack(ops.reshape(x, (2, 5, 3, 2, 4)), axis=2)
        return factors * ops.reshape(ops.dot_product_attention(*parts, mask=seen), (2, 5, 8))

    own = gradient(lambda x: factors * self_attention(x, 2, False, there), x)
    expected = gradient(by_keras, x)
    assert np.abs(expected).max() > 1.0
    np.testing.assert_allclose(own, expected, rtol=1e-4, atol=1e-5)


def test_times_are_told_apart_near_one_under_half_precision():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        embedding = ops.convert_to_numpy(TimeEmbedding(64)(np.array([0.999, 1.0], "float32")))
    finally:
        keras.config.set_dtype_policy("float32")
    assert embedding.dtype == "float32"
    assert np.abs(embedding[0] - embedding[1]).max() > 0.5


def test_time_embedding_is_sines_and_cosines():
    embedding = ops.convert_to_numpy(TimeEmbedding(4, scale=10.0)(np.array([0.3], "float32")))
    angles = 0.3 * np.array([10.0, 10.0 / np.sqrt(1e4)])
    np.testing.assert_allclose(embedding[0], [*np.cos(angles), *np.sin(angles)], rtol=1e-5)


def test_the_slowest_frequency_is_the_endpoint_if_asked_for():
    t = np.array([0.3], "float32")
    embedding = ops.convert_to_numpy(TimeEmbedding(6, 10.0, offset=0.2, endpoint=True)(t))
    angles = 0.5 * np.array([10.0, 0.1, 0.001])
    np.testing.assert_allclose(embedding[0], [*np.cos(angles), *np.sin(angles)], rtol=1e-5)


def test_fourier_features_are_sines_and_cosines_of_the_channels():
    x = np.array([[0.1, -0.3]])
    features = ops.convert_to_numpy(FourierFeatures((0, 2))(x.astype("float32")))[0]
    angles = 2 * np.pi * np.array([0.1, -0.3, 0.4, -1.2])
    np.testing.assert_allclose(features, [*x[0], *np.sin(angles), *np.cos(angles)], atol=1e-5)


def test_positions_are_sinusoids_of_base_1000():
    embedding = ops.convert_to_numpy(PositionEmbedding()(np.zeros((1, 3, 4), "float32")))[0]
    angles = np.arange(3)[:, None] / 1000 ** (np.arange(4) / 4)
    expected = np.where(np.arange(4) % 2, np.cos(angles), np.sin(angles))
    np.testing.assert_allclose(embedding, expected, atol=1e-6)


def test_the_time_is_a_channel():
    output = ops.convert_to_numpy(TimeChannel()(SEQUENCES, TIMES))
    np.testing.assert_array_equal(output[..., :-1], SEQUENCES)
    np.testing.assert_allclose(output[..., -1], np.array([[-1.0] * 5, [0.0] * 5]))


REMAT = {
    "ConvBlock": (lambda **kwargs: ConvBlock(6, 0.5, **kwargs), (IMAGES, TIME)),
    "TransformerBlock": (lambda **kwargs: TransformerBlock(2, 0.5, **kwargs), (SEQUENCES,)),
}


class TwoBlocks(keras.Model):
    """Two blocks, each with a dropout of its own."""

    def __init__(self, make_block, seed):
        super().__init__()
        keras.utils.set_random_seed(seed)
        self.blocks = [make_block(), make_block()]

    def call(self, inputs, training=False):
        x, *others = inputs
        for block in self.blocks:
            x = block(x, *others, training=training)
        return x


# In `test_networks.py`, a network of the other blocks trains alike.
@pytest.mark.parametrize("name", everywhere(list(REMAT), "ConvBlock"))
def test_rematerialised_blocks_train_alike_with_the_same_dropout(name):
    make_block, inputs = REMAT[name]
    weights = []
    for remat in (False, True):
        model = TwoBlocks(lambda remat=remat: make_block(remat=remat), seed=1)
        model(inputs)
        randomize(model)
        model.compile(keras.optimizers.SGD(0.01), "mse")
        for _ in range(3):  # a mask that is not the same forward and backward would show
            model.train_on_batch(inputs, inputs[0])
        weights.append(model.get_weights())
    start = TwoBlocks(make_block, seed=1)
    start(inputs)
    randomize(start)
    for plain, rematerialised, before in zip(*weights, start.get_weights(), strict=True):
        np.testing.assert_allclose(plain, rematerialised, rtol=1e-4, atol=1e-5)
        if plain.dtype == "float32":
            assert np.abs(plain - before).max() > 1e-4


@pytest.mark.parametrize("name", REMAT)
def test_rematerialised_blocks_are_computed_again(name, monkeypatch):
    make_block, inputs = REMAT[name]
    calls = []
    monkeypatch.setattr(_keras, "recompute", lambda function: calls.append(name) or function)
    for remat, expected in ((True, 2), (False, 0)):
        model = TwoBlocks(lambda remat=remat: make_block(remat=remat), seed=1)
        model(inputs)  # builds
        calls.clear()
        model(inputs)
        assert len(calls) == expected


def test_blocks_train_on_when_compiled_anew():
    block = TransformerBlock(2)
    inputs = keras.Input(SEQUENCES.shape[1:])
    model = keras.Model(inputs, block(inputs))
    losses = []
    for _ in range(2):
        model.compile(keras.optimizers.SGD(0.01), "mse")
        losses += [model.train_on_batch(SEQUENCES, 1 + SEQUENCES) for _ in range(2)]
    assert losses == sorted(losses, reverse=True)
    assert losses[3] < losses[0]


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="JAX tells what a program needs")
def test_rematerialised_blocks_are_not_kept():
    import jax

    x = np.zeros((16, 64, 64), "float32")
    needed = {}
    for remat in (False, True):
        blocks = [TransformerBlock(4, remat=remat) for _ in range(4)]
        for block in blocks:
            block.build(x.shape)

        def loss(x, blocks=blocks):
            for block in blocks:
                x = block(x, training=True)
            return x.sum()

        program = jax.jit(jax.grad(loss)).lower(x).compile()
        needed[remat] = program.memory_analysis().temp_size_in_bytes
    assert needed[True] < 0.6 * needed[False]


@pytest.mark.parametrize("name", everywhere(list(REMAT), "TransformerBlock"))
@pytest.mark.parametrize("remat", [False, True])
def test_blocks_drop_in_training_alone(name, remat):
    make_block, inputs = REMAT[name]
    model = TwoBlocks(lambda: make_block(remat=remat), seed=1)
    model(inputs)
    randomize(model)
    first, second, training = (
        ops.convert_to_numpy(model(inputs, training=training)) for training in (False, False, True)
    )
    np.testing.assert_array_equal(first, second)
    assert np.abs(first - training).max() > 1e-3


@pytest.mark.parametrize(("num_columns", "kernel_size"), [(None, 3), (None, 4), (2, 3)])
def test_the_kernel_that_sees_neighbours_is_one_matrix(num_columns, kernel_size):
    block = TransformerBlock(0, kernel_size=kernel_size, num_columns=num_columns, expansion=2)
    x = np.random.default_rng(0).standard_normal((2, 6, 4)).astype("float32")
    block(x)
    randomize(block)
    norm, widen, project = (
        [ops.convert_to_numpy(weight) for weight in layer.weights]
        for layer in (block.dense_norm, block.dense_widen, block.dense_project)
    )
    assert [kernel.ndim for kernel, _ in (widen, project)] == [2, 2]  # what Muon takes for matrices

    seen = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)
    seen = (seen * norm[0] + norm[1]).reshape(2, -1, num_columns or 6, 4)
    before, after = (kernel_size - 1) // 2, kernel_size // 2
    rows = (before, after) if num_columns else (0, 0)
    padded = np.pad(seen, ((0, 0), rows, (before, after), (0, 0)))
    neighbours = [
        padded[:, i : i + seen.shape[1], j : j + seen.shape[2]]
        for i in range(kernel_size if num_columns else 1)
        for j in range(kernel_size)
    ]
    hidden = np.concatenate(neighbours, -1).reshape(2, 6, -1) @ widen[0] + widen[1]
    hidden = ops.convert_to_numpy(keras.activations.gelu(hidden, approximate=True))
    expected = x + hidden @ project[0] + project[1]
    np.testing.assert_allclose(ops.convert_to_numpy(block(x)), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.once
@pytest.mark.parametrize("size", [0, 3, 4.0, "4"])
def test_odd_embeddings_are_refused(size):
    with pytest.raises(ValueError, match=rf"`size` must be a positive even integer.*size='?{size}"):
        TimeEmbedding(size)


@pytest.mark.once
@pytest.mark.parametrize("num_columns", [4, 8])
@pytest.mark.parametrize(
    "make",
    [PositionEmbedding, lambda n: TransformerBlock(0, kernel_size=3, num_columns=n)],
)
def test_columns_must_divide_the_positions(make, num_columns):
    with pytest.raises(ValueError, match=f"must divide .* 6.*num_columns={num_columns}"):
        make(num_columns)(np.zeros((2, 6, 8), "float32"))
    with pytest.raises(ValueError, match="num_columns=0"):
        make(0)


@pytest.mark.once
def test_heads_must_divide_the_channels():
    for layer, inputs in ((SpatialAttention(4), IMAGES), (TransformerBlock(4), SEQUENCES)):
        with pytest.raises(ValueError, match=r"`num_heads` must divide.*num_heads=4, 6 channels"):
            layer(inputs)
    for num_heads in (0, -2, 2.0):
        with pytest.raises(ValueError, match=rf"`num_heads` must be an integer.*={num_heads}"):
            SpatialAttention(num_heads)(IMAGES)


@pytest.mark.parametrize("num_classes", [2, 5])
def test_the_shortcut_gives_the_input_distribution_for_an_output(num_classes):
    flow = DiscreteFlow(num_classes, beta_1=1.0)
    s = np.random.default_rng(0).standard_normal((4, 3, num_classes)).astype("float32")
    theta = flow.input_params(s, beta=None)
    params = EvidenceShortcut(flow)(ops.zeros((4, 3, flow.output_size)), theta)
    probs = flow.output_distribution(params, s, t=None).probs()
    expected = np.exp(s) / np.exp(s).sum(axis=-1, keepdims=True)
    np.testing.assert_allclose(ops.convert_to_numpy(probs), expected, rtol=1e-5)


def test_the_shortcut_is_finite_where_theta_is_certain():
    for num_classes in (2, 5):
        flow = DiscreteFlow(num_classes, beta_1=1.0)
        theta = np.zeros((2, 1, flow.theta_size), "float32")
        theta[0, ..., 0] = 1.0
        params = EvidenceShortcut(flow)(ops.zeros((2, 1, flow.output_size)), theta)
        assert np.isfinite(ops.convert_to_numpy(params)).all()


def test_the_shortcut_survives_its_config():
    layer = EvidenceShortcut(DiscreteFlow(5, beta_1=1.0))
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert copy.flow.get_config() == layer.flow.get_config()
