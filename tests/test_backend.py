"""What `keras.ops` cannot do, on each backend."""

import numpy as np
from keras import ops

from keras_bfn._backend import value_and_gradient
from tests.tensors import to_numpy, to_tensor


def test_a_gradient_is_that_of_the_sum_and_zero_where_nothing_depends():
    """Of a nest; what else the function returns is returned, cut off."""
    inputs = {"b": to_tensor([1.0, 2.0]), "a": (to_tensor([3.0, 4.0]), to_tensor([[5.0]]))}

    def function(inputs):
        product = inputs["b"] * inputs["a"][0]
        return ops.square(product), {"product": product}

    (values, rest), gradient = value_and_gradient(function, inputs)
    np.testing.assert_allclose(to_numpy(values), [9, 64])
    np.testing.assert_allclose(to_numpy(rest["product"]), [3, 8])
    assert set(gradient) == set(inputs)
    np.testing.assert_allclose(to_numpy(gradient["b"]), [18, 64])
    np.testing.assert_allclose(to_numpy(gradient["a"][0]), [6, 32])
    np.testing.assert_allclose(to_numpy(gradient["a"][1]), [[0]])
    (values, _), gradient = value_and_gradient(lambda x: (ops.ones((2,)), ()), inputs["b"])
    np.testing.assert_allclose(to_numpy(gradient), [0, 0])
