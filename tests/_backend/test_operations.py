"""The fastest operations of each backend compute what plain ones of Keras do."""

import keras
import numpy as np
import pytest
from keras import ops
from numpy.testing import assert_allclose

from keras_bfn._backend.operations import (
    add_product,
    attend,
    normalize_groups,
    one_by_one,
    sum_of,
)
from tests.tensors import gradient, to_numpy, to_tensor

RNG = np.random.default_rng(0)


def test_a_product_and_a_bias_are_added():
    bias, x, kernel = RNG.normal(size=4), RNG.normal(size=(3, 5)), RNG.normal(size=(5, 4))
    found = add_product(*map(to_tensor, (bias, x, kernel)))
    assert_allclose(to_numpy(found), x @ kernel + bias, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("masked", [False, True])
def test_attention_is_that_of_keras(masked):
    """Also its gradient, where scores are too large for an exponential in float32."""
    query, key, value = 10.0 * RNG.normal(size=(3, 2, 5, 3, 4))
    mask = (RNG.random((2, 3, 5, 5)) < 0.5) | np.eye(5, dtype=bool) if masked else None

    def by(function):
        def of_query(query):
            return function(query, to_tensor(key), to_tensor(value), mask=mask)

        return to_numpy(of_query(to_tensor(query))), gradient(of_query, query)

    for found, expected in zip(by(attend), by(ops.dot_product_attention), strict=True):
        assert_allclose(found, expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("num", [1, 2, 50])
def test_a_sum_is_of_all_terms(num):
    x = RNG.uniform(0.5, 1.0, 7)
    found = sum_of(lambda i: to_tensor(x) ** (i + 1.0), num)
    assert_allclose(to_numpy(found), sum(x ** (i + 1) for i in range(num)), rtol=1e-5)


def test_matrices_one_by_one_give_what_they_give_together():
    matrices = RNG.normal(size=(6, 3, 3)) + 4.0 * np.eye(3)
    right = RNG.normal(size=(6, 3, 2))
    found = one_by_one(ops.solve)(to_tensor(matrices), to_tensor(right))
    assert_allclose(to_numpy(found), np.linalg.solve(matrices, right), rtol=1e-4, atol=1e-5)


def test_groups_are_normalised_by_pytorch_alone_and_with_channels_first():
    x = to_tensor(RNG.normal(size=(2, 4, 3, 3)))
    for axis in (1, -1):
        layer = keras.layers.GroupNormalization(2 if axis == 1 else 1, axis=axis)
        expected, found = to_numpy(layer(x)), normalize_groups(layer, x)
        if keras.backend.backend() == "torch" and axis == 1:
            assert_allclose(to_numpy(found), expected, rtol=1e-4, atol=1e-5)
        else:
            assert found is None
