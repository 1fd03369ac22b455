"""Guidance by conditions, of outputs of any size."""

import numpy as np
import pytest
from keras import ops
from numpy.testing import assert_allclose

from keras_bfn._backend.gradients import value_and_gradient
from keras_bfn.inputs.conditions import guide
from tests.tensors import to_numpy, to_tensor

OUTPUTS = np.array([[0.3], [-0.2], [0.1], [0.4]], "float32")  # two with a condition, two without
SCALE = np.full(2, 2.0, "float32")


def guided(outputs, rescale):
    return guide(outputs, to_tensor(SCALE), to_tensor(np.full(2, rescale, "float32")))


@pytest.mark.parametrize("rescale", [0.0, 1.0])
def test_one_number_is_guided_and_not_rescaled(rescale):
    assert_allclose(to_numpy(guided(to_tensor(OUTPUTS), rescale)), [[0.5], [-0.8]], rtol=1e-5)


@pytest.mark.parametrize("rescale", [0.0, 0.5, 1.0])
def test_the_gradient_of_one_number_is_finite(rescale):
    def total(outputs):
        return ops.sum(guided(outputs, rescale), axis=1), ()

    _, gradient = value_and_gradient(total, to_tensor(OUTPUTS))
    assert_allclose(to_numpy(gradient), [[2.0], [2.0], [-1.0], [-1.0]], rtol=1e-5)
