"""The contract of output distributions: what a distribution of one's own must define."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_bfn.distributions import (
    Bernoulli,
    Categorical,
    Delta,
    DiscretizedNormal,
    Distribution,
    Normal,
    VonMises,
)
from tests.tensors import to_numpy

pytestmark = pytest.mark.once


KINDS = {
    "Bernoulli": (Bernoulli, ()),
    "Categorical": (Categorical, (4,)),
    "Delta": (Delta, ()),
    "DiscretizedNormal": (lambda mean: DiscretizedNormal(mean, 0.1, 8), ()),
    "Normal": (lambda mean: Normal(mean, 0.1), ()),
    "VonMises": (VonMises, (2,)),
}


@pytest.mark.parametrize("kind", KINDS)
def test_parameters_may_be_symbolic_or_of_numpy(kind):
    make, shape = KINDS[kind]
    params, x = keras.Input((5, *shape)), keras.Input((5,))
    model = keras.Model([params, x], make(params).log_prob(x))
    values = np.random.default_rng(0).uniform(size=(3, 5, *shape))
    x = np.ones((3, 5))
    found = make(values).log_prob(x)
    assert keras.backend.standardize_dtype(found.dtype) == "float32"
    np.testing.assert_allclose(*map(to_numpy, (model([values, x]), found)), rtol=1e-5)
    made = make(values)
    for result in (made.mean(), made.mode(), made.sample(0)):
        assert result.shape == (3, 5)


class Coin(Distribution):
    """Its log probabilities, and nothing else."""

    def log_probs(self):
        return ops.log(ops.convert_to_tensor([[0.25, 0.75]]))


def test_probabilities_are_those_of_the_logarithms():
    np.testing.assert_allclose(to_numpy(Coin().probs()), [[0.25, 0.75]], rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("mean", ()),
        ("mode", ()),
        ("sample", (0,)),
        ("tempered", (0.5,)),
        ("truncated", (3,)),
        ("log_prob", (1,)),
    ],
)
def test_what_is_not_defined_is_asked_for_by_its_name(name, arguments):
    with pytest.raises(NotImplementedError, match=f"Coin must define `{name}`"):
        getattr(Coin(), name)(*arguments)
    with pytest.raises(NotImplementedError, match="Distribution must define `log_probs`"):
        Distribution().probs()
