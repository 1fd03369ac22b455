"""The check of losses finds a fault, and says which."""

import pytest

from keras_bfn import testing
from tests.testing import faults

pytestmark = pytest.mark.once  # what is without fault is checked on each backend

LOSSES = {
    faults.Biased: "plus the reconstruction loss must equal the entropy",
    faults.TooLate: r"times in \[0, 1\]. They are from 0.0 to 1.96",
    faults.OfExamples: r"must have shape \(4, 5\). It has shape \(4,\)",
    faults.InfiniteWeight: "must be finite. It is not at t = 0",
}


@pytest.mark.parametrize("fault", LOSSES, ids=lambda fault: fault.__name__)
def test_a_loss_with_a_fault_is_found(fault):
    with pytest.raises(AssertionError, match=LOSSES[fault]):
        testing.check_loss(fault())
