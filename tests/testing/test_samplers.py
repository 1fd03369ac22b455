"""The check of samplers finds a fault, and says which; what has none passes."""

import pytest

from keras_bfn import testing
from tests.testing import faults

pytestmark = pytest.mark.once  # what is without fault is checked on each backend

SAMPLERS = {
    faults.WithoutNoise: "must sample the joint distribution",
    faults.StaysAtTheStart: "must sample the joint distribution",
    faults.SaysItIsDeterministic: "the same latents give other samples",
    faults.GrowingState: "must keep the state's shapes and dtypes",
    faults.CanBeChanged: "must be immutable, but its `noise` can be set",
    faults.TakesOneStepMore: r"times for 2 steps must have 2 \+ 1 times.*\(4,\)",
    faults.EndsEarly: r"must rise from start=0.0 to 1. They are \[0.0, 0.89",
    faults.EncodesNothing: "must encode data as finite latents",
}


@pytest.mark.parametrize("fault", SAMPLERS, ids=lambda fault: fault.__name__)
def test_a_sampler_with_a_fault_is_found(fault):
    with pytest.raises(AssertionError, match=SAMPLERS[fault]):
        testing.check_sampler(fault(), num_steps=60)


def test_a_sampler_may_keep_a_dict():
    testing.check_sampler(faults.KeepsADict(), num_steps=60)
