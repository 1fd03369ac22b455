"""A transformer's block: neighbours, and what is kept for the backward pass."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_bfn.layers import TransformerBlock
from tests.backends import everywhere
from tests.layers.cases import SEQUENCES, randomize


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

    if jax.default_backend() == "cpu" and tuple(map(int, jax.__version__.split(".")[:2])) < (0, 12):
        pytest.skip("On CPUs, XLA of JAX before 0.12 keeps what is to be computed again")
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


WINDOWS = {
    "odd": (9, {"kernel_size": 5}),
    "columns": (12, {"kernel_size": 3, "num_columns": 4}),
    "even": (7, {"kernel_size": 2}),
}


@pytest.mark.slow_to_compile
@pytest.mark.parametrize("case", everywhere(WINDOWS, "columns"))
def test_a_quantised_window_sees_what_a_convolution_does(case, seed):
    length, window = case
    block = TransformerBlock(0, residual_initializer="glorot_uniform", **window)
    block.build((None, length, 16))
    x = keras.random.normal((4, length, 16), seed=seed)
    before = ops.convert_to_numpy(block(x) - x)
    block.dense_widen.quantize("int8")
    assert "int8" in {keras.backend.standardize_dtype(w.dtype) for w in block.weights}
    after = ops.convert_to_numpy(block(x) - x)
    assert np.abs(after - before).max() < 0.03 * np.abs(before).max()


@pytest.mark.slow_to_compile
@pytest.mark.parametrize("num_columns", [None, 3])
def test_a_block_sees_the_neighbours_in_sequences_of_another_length(num_columns):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 9, 4)).astype("float32")
    used, fresh = (
        TransformerBlock(2, kernel_size=3, num_columns=num_columns, residual_initializer="normal")
        for _ in range(2)
    )
    used(x[:, :6])
    fresh(x)
    fresh.set_weights(used.get_weights())
    for block in (lambda x: used(x), keras.Model(inputs := keras.Input((9, 4)), used(inputs))):
        np.testing.assert_allclose(*map(ops.convert_to_numpy, (block(x), fresh(x))), atol=1e-6)
    if num_columns:
        with pytest.raises(ValueError, match="must divide the number of positions, 8"):
            used(x[:, :8])


def test_causal_sequences_may_be_marked_by_integers():
    block = TransformerBlock(2, kernel_size=3)
    block.build(SEQUENCES.shape)
    randomize(block)
    by_bools, by_integers = (
        ops.convert_to_numpy(block(SEQUENCES, causal=np.array([1, 0], dtype)))
        for dtype in ("bool", "int32")
    )
    np.testing.assert_array_equal(by_integers, by_bools)


def test_causal_positions_of_an_image_see_no_later_ones():
    block = TransformerBlock(0, kernel_size=3, num_columns=3)
    x = np.random.default_rng(0).standard_normal((9, 9, 4)).astype("float32")
    block(x)
    randomize(block)
    x[:] = x[:1]
    x[np.arange(9), np.arange(9), 0] += 3.0  # example i differs from the others at position i
    found = ops.convert_to_numpy(block(x, causal=np.ones(9, bool)))
    for i in range(1, 9):
        np.testing.assert_allclose(found[i, :i], np.median(found[:, :i], axis=0), atol=1e-5)
    neighbours = [i for i in range(9) if np.abs(found[i, 4] - found[8, 4]).max() > 1e-3]
    assert neighbours == [0, 1, 2, 3, 4]
