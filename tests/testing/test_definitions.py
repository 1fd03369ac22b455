"""The check of flows finds what a flow does not define."""

import pytest

from keras_bfn import testing
from tests.testing import faults

pytestmark = pytest.mark.once  # what is without fault is checked on each backend

FLOWS = {
    faults.HasNoTheta: ((3, 2.0), "must have `theta_size`, an int of at least 1. It is None"),
    faults.HasNoOutput: ((3, 2.0), "must define `output_distribution`"),
    faults.HasNoEnd: (
        (3, 2.0),
        "must define `expected_embedding`: the default only supports integers",
    ),
    faults.BeginsAt1: ((3, 2.0), r"must have a `data_range` of \(0, K - 1\). It is \(1, 3\)"),
    faults.DrawsByKeras: ((3, 2.0), r"sample\(seed\) must use `keras_bfn.distributions.normal`"),
    faults.HasTwoLogits: ((3, 2.0), r"log_probs\(\) must have shape \(4, 3, 3\)"),
    faults.HasNoMean: (
        (3, 2.0),
        r"OnlyLogs must define `mean`, as the result of HasNoMean.output_distribution",
    ),
}


@pytest.mark.parametrize("fault", FLOWS, ids=lambda fault: fault.__name__)
def test_a_flow_with_a_fault_is_found(fault):
    arguments, message = FLOWS[fault]
    with pytest.raises(AssertionError, match=message):
        testing.check_flow(fault(*arguments))
