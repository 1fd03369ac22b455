"""The fastest operations of each backend compute what plain ones of Keras do."""

import keras
import numpy as np
import pytest
from keras import ops
from numpy.testing import assert_allclose

from keras_bfn._backend.operations import GroupNormalization, attend, one_by_one
from tests.tensors import gradient, to_numpy, to_tensor

RNG = np.random.default_rng(0)


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


def test_matrices_one_by_one_give_what_they_give_together():
    matrices = RNG.normal(size=(6, 3, 3)) + 4.0 * np.eye(3)
    right = RNG.normal(size=(6, 3, 2))
    found = one_by_one(ops.solve)(to_tensor(matrices), to_tensor(right))
    assert_allclose(to_numpy(found), np.linalg.solve(matrices, right), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("axis", [1, -1])
def test_groups_are_normalised_as_by_keras(axis):
    x = to_tensor(RNG.normal(size=(2, 4, 3, 3)))
    layers = (
        kind(1, axis=axis, epsilon=1e-3)
        for kind in (GroupNormalization, keras.layers.GroupNormalization)
    )
    found, expected = (to_numpy(layer(x)) for layer in layers)
    assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
