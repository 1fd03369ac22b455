"""The checks of losses at the edges of time, and under an exact posterior, find a fault."""

import pytest

from keras_bfn import testing
from tests.testing import faults

pytestmark = pytest.mark.once  # what is without fault is checked on each backend

FLOWS = {
    faults.NotClipped: ((0.1, "data"), r"mode\(\) must be valid data.*`x` must lie in \[-1, 1\]"),
    faults.InfiniteAtTheStart: ((0.1,), "continuous-time loss must be finite.*at t = 0"),
}


@pytest.mark.parametrize("fault", FLOWS, ids=lambda fault: fault.__name__)
def test_a_flow_with_a_fault_is_found(fault):
    arguments, message = FLOWS[fault]
    with pytest.raises(AssertionError, match=message):
        testing.check_flow(fault(*arguments))
