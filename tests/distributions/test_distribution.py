"""The contract of output distributions: what a distribution of one's own must define."""

import numpy as np
import pytest
from keras import ops

from keras_bfn.distributions import Distribution
from tests.tensors import to_numpy

pytestmark = pytest.mark.once


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
