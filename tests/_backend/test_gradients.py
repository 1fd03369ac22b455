"""Gradients of functions, on each backend."""

import keras
import numpy as np
import pytest
from keras import ops
from numpy.testing import assert_allclose

from keras_bfn._backend.gradients import value_and_gradient
from tests.tensors import gradient, to_numpy, to_tensor

KERNEL = np.random.default_rng(0).normal(size=(3, 3, 4, 6)).astype("float32")
X = np.random.default_rng(1).normal(size=(2, 8, 8, 4)).astype("float32")


def convolved(x):
    """Two convolutions, one of them strided, the other grouped."""
    x = ops.conv(x, to_tensor(KERNEL), strides=2, padding="same", data_format="channels_last")
    x = ops.conv(x, to_tensor(KERNEL[:, :, :3]), padding="same", data_format="channels_last")
    return ops.sum(ops.square(x), axis=(1, 2, 3))


def test_gradients_are_those_of_the_backend():
    (values, (twice,)), slope = value_and_gradient(lambda x: (convolved(x), (2 * x,)), to_tensor(X))
    assert_allclose(to_numpy(values), to_numpy(convolved(to_tensor(X))), rtol=1e-5)
    assert_allclose(to_numpy(twice), 2 * X)
    assert_allclose(to_numpy(slope), gradient(convolved, X), rtol=1e-4, atol=1e-4)


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="XLA copies no kernels in loops")
def test_in_gradients_kernels_have_their_axes_in_order():
    import jax

    def in_order(function):
        program = jax.make_jaxpr(function)(to_tensor(X)).jaxpr
        return [
            equation.params["dimension_numbers"].rhs_spec == (3, 2, 0, 1)
            for equation in program.eqns
            if equation.primitive.name == "conv_general_dilated"
        ]

    assert False in in_order(jax.grad(lambda x: convolved(x).sum()))
    ours = in_order(lambda x: value_and_gradient(jax.jit(lambda x: (convolved(x), ())), x))
    assert ours == [True] * 4


def test_a_gradient_is_that_of_the_sum_and_zero_where_nothing_depends():
    """Of a nest; what else the function returns is returned, cut off."""
    inputs = {"b": to_tensor([1.0, 2.0]), "a": (to_tensor([3.0, 4.0]), to_tensor([[5.0]]))}

    def function(inputs):
        product = inputs["b"] * inputs["a"][0]
        return ops.square(product), {"product": product}

    (values, rest), slope = value_and_gradient(function, inputs)
    assert_allclose(to_numpy(values), [9, 64])
    assert_allclose(to_numpy(rest["product"]), [3, 8])
    assert set(slope) == set(inputs)
    assert_allclose(to_numpy(slope["b"]), [18, 64])
    assert_allclose(to_numpy(slope["a"][0]), [6, 32])
    assert_allclose(to_numpy(slope["a"][1]), [[0]])
    (values, _), slope = value_and_gradient(lambda x: (ops.ones((2,)), ()), inputs["b"])
    assert_allclose(to_numpy(slope), [0, 0])
