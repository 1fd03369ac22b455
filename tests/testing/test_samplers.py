"""The check of samplers finds a fault, and says which; what has none passes."""

import pytest

from keras_bfn import samplers, testing
from tests.testing import faults

pytestmark = pytest.mark.once  # what is without fault is checked on each backend

SAMPLERS = {
    faults.WithoutNoise: ({}, None, "must sample the joint distribution"),
    faults.StaysAtTheStart: ({}, None, "must sample the joint distribution"),
    faults.SaysItIsDeterministic: ({}, None, "the same latents give other samples"),
    faults.GrowingState: ({}, None, "must keep the state's shapes and dtypes"),
    faults.OfFirstOrder: ({"start": 0.05}, 2, "a power of -0.9|a power of -1.0"),
    faults.CanBeChanged: ({}, None, "must be immutable, but its `noise` can be set"),
    faults.ForgetsTheGain: ({}, None, "must have the variance of messages about data.* 3.0"),
    faults.TakesOneStepMore: ({}, None, r"times for 2 steps must have 2 \+ 1 times.*\(4,\)"),
    faults.EndsEarly: ({}, None, r"must rise from start=0.0 to 1. They are \[0.0, 0.89"),
    faults.StartsWithoutEvidence: ({"start": 0.3}, None, "must have the variance of messages"),
    faults.IsOfClasses: ({}, None, "must have the variance of messages about data.* 1.0"),
    faults.MovesExamples: ({}, None, "must build on its own evidence before"),
    faults.EncodesNothing: ({}, None, "must encode data as finite latents"),
}


@pytest.mark.parametrize("fault", SAMPLERS, ids=lambda fault: fault.__name__)
def test_a_sampler_with_a_fault_is_found(fault):
    options, order, message = SAMPLERS[fault]
    with pytest.raises(AssertionError, match=message):
        testing.check_sampler(fault(**options), num_steps=60, order=order)


def test_a_sampler_may_keep_a_dict_and_be_better_than_is_asked():
    testing.check_sampler(faults.KeepsADict(), num_steps=60)
    testing.check_sampler(samplers.ODE2Sampler(start=0.05), num_steps=60, order=1)
