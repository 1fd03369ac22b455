"""The checks of input distributions find a fault."""

import pytest

from keras_bfn import testing
from tests.testing import faults

pytestmark = pytest.mark.once  # what is without fault is checked on each backend

PRIOR = 0.1, "noise", None, None, None, (0.1, 0.5)
FLOWS = {
    faults.WrongGain: ((8, 0.05), "input_mean must tend to the data as evidence grows"),
    faults.PriorWithoutInputMean: ((0.0,), "has a prior, and must define `input_mean`"),
    faults.NotANumberWithAPrior: (PRIOR, r"output_distribution.*mean\(\) must be finite"),
    faults.BlindWithAPrior: (PRIOR, r"output_distribution.*mean\(\) must depend on params"),
    faults.PriorThatMustBeGiven: ((), "must accept None for it: prior is None"),
}


@pytest.mark.parametrize("fault", FLOWS, ids=lambda fault: fault.__name__)
def test_a_flow_with_a_fault_is_found(fault):
    arguments, message = FLOWS[fault]
    with pytest.raises(AssertionError, match=message):
        testing.check_flow(fault(*arguments))
