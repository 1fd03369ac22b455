"""What costs add up to, against the same sums in NumPy."""

import keras
import numpy as np
import pytest

from keras_bfn.models import sums
from tests.tensors import to_numpy

RNG = np.random.default_rng(0)
COSTS = RNG.gamma(1.0, size=(4, 3)).astype("float32")
OBSERVED = np.array([[1, 1, 0], [1, 1, 1], [0, 0, 0], [0, 1, 0]], bool)
OF_VARIABLES = RNG.integers(0, 3, (4, 3)).astype("float32")
OF_EXAMPLES = np.array([1.0, 0.5, 2.0, 0.0], "float32")


@pytest.mark.parametrize(
    ("observed", "weight"),
    [(None, None), (OBSERVED, None), (None, OF_EXAMPLES), (OBSERVED, OF_EXAMPLES)],
)
def test_means_are_over_what_counts(observed, weight):
    x = np.zeros((4, 3), "int32")
    found = sums.weigh(x, observed, None if weight is None else (weight,), num_variables=3)
    costs = keras.ops.convert_to_tensor(COSTS)
    nats = to_numpy(sums.per_example(costs, found.of_variables, num_repeats=1))
    counts = np.ones((4, 3)) if observed is None else observed
    rows = np.ones(4) if weight is None else weight
    np.testing.assert_allclose(nats, (COSTS * counts).sum(axis=1), rtol=1e-5)

    in_means = np.broadcast_to(1.0 if found.in_means is None else to_numpy(found.in_means), 4)
    size = np.broadcast_to(to_numpy(found.num_variables), 4)
    per_variable = np.sum(in_means * nats / np.maximum(size, 1)) / in_means.sum()
    # Without missing variables, rows count equally; else by their number of variables.
    expected = (rows[:, None] * counts * COSTS).sum() / (rows[:, None] * counts).sum()
    np.testing.assert_allclose(per_variable, expected, rtol=1e-5)

    of_examples = 1.0 if found.of_examples is None else to_numpy(found.of_examples)
    of_examples = np.broadcast_to(of_examples, 4)
    has_variables = rows * (counts.sum(axis=1) > 0)
    np.testing.assert_allclose(of_examples, has_variables)


def test_weights_of_variables_count_them():
    found = sums.weigh(np.zeros((4, 3), "int32"), OBSERVED, OF_VARIABLES, num_variables=3)
    np.testing.assert_allclose(to_numpy(found.num_variables), (OBSERVED * OF_VARIABLES).sum(axis=1))


def test_repeats_are_averaged_and_evenly_spread():
    u = to_numpy(sums.spread(keras.ops.convert_to_tensor([0.25, 0.75]), 4))
    np.testing.assert_allclose(u, [0.0625, 0.1875, 0.3125, 0.4375, 0.5625, 0.6875, 0.8125, 0.9375])
    repeated = to_numpy(sums.repeat(keras.ops.convert_to_tensor(COSTS), 2))
    repeated[4:] *= 3.0
    nats = to_numpy(sums.per_example(keras.ops.convert_to_tensor(repeated), None, num_repeats=2))
    np.testing.assert_allclose(nats, 2.0 * COSTS.sum(axis=1), rtol=1e-5)
