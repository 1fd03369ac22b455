"""The check of schedules finds a fault, and says which."""

import pytest

from keras_bfn import flows, testing
from tests.testing import faults

pytestmark = pytest.mark.once  # what is without fault is checked on each backend

SCHEDULES = {
    faults.SlopeOffByAFactor: ((), "must have a `derivative` that is the derivative"),
    faults.StartsAbove0: ((), r"must be 0 at t = 0; beta\(0\) = 5"),
    faults.Falls: ((), r"must increase with t; beta\(0\) = -?0, beta\(1\) = -2"),
    faults.Infinite: ((), "must be finite"),
    faults.WrongInverse: ((9.0,), "inverse must be the inverse of beta"),
    faults.EndsAsAnother: ((9.0,), "ending_at must return a EndsAsAnother"),
    faults.Doubles: ((9.0,), "must have an `alpha` that is the rise of `beta`"),
}


@pytest.mark.parametrize("fault", SCHEDULES, ids=lambda fault: fault.__name__)
def test_a_schedule_with_a_fault_is_found(fault):
    arguments, message = SCHEDULES[fault]
    with pytest.raises(AssertionError, match=message):
        testing.check_schedule(fault(*arguments))


@pytest.mark.parametrize(
    "fault", [faults.SlopeOffByAFactor, faults.StartsAbove0, faults.Falls, faults.Infinite]
)
def test_no_flow_takes_a_schedule_that_is_none(fault):
    with pytest.raises(ValueError, match=f"`schedule` must.*Received: schedule={fault.__name__}"):
        flows.ContinuousFlow(schedule=fault())
