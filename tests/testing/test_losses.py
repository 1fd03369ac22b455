"""The check of losses finds a fault, and says which."""

import pytest

from keras_bfn import testing
from tests.testing import faults

pytestmark = pytest.mark.once  # what is without fault is checked on each backend

ENTROPY = "plus the reconstruction loss must equal the entropy"
OTHERS = "the nats of a variable must not depend on other variables or examples"
STEP = "a small step of the params against the gradient must lower the nats"

LOSSES = {
    faults.Biased: ((), ENTROPY),
    faults.DensityOfAnotherShare: ((), ENTROPY),
    faults.NeverEarly: ((), ENTROPY),
    faults.NeverLate: ((), ENTROPY),
    faults.TooExpensive: ((), ENTROPY),
    faults.TwiceForNumbers: ((), "for ContinuousFlow.*must equal the information of all messages"),
    faults.TooLate: ((), r"times in \[0, 1\]. They are from 0.0 to 1.96"),
    faults.SortsTimes: ((), "must map uniform numbers one by one"),
    faults.SortsTimesOfExamples: ((), "must map uniform numbers one by one"),
    faults.OneTimePerExample: ((), r"must take numbers of any shape, \(15, 2, 2\)"),
    faults.WeightsExamples: ((), r"must take data.* and times of shape \(3, 4\)"),
    faults.OfExamples: ((), r"must have shape \(3, 4\). It has shape \(3,\)"),
    faults.MeanOfExamples: ((), OTHERS),
    faults.MeanOfVariables: ((), OTHERS),
    faults.ForgetsTheSeed: ((7,), "must return the same nats for the same seed"),
    faults.WithoutGradient: ((), STEP),
    faults.AgainstTheGradient: ((), STEP),
    faults.InfiniteWeight: ((), "must be finite. It is not at t = 0"),
    faults.NotOfClasses: ((), "for DiscreteFlow must be defined"),
}


@pytest.mark.parametrize("fault", LOSSES, ids=lambda fault: fault.__name__)
def test_a_loss_with_a_fault_is_found(fault):
    arguments, message = LOSSES[fault]
    with pytest.raises(AssertionError, match=message):
        testing.check_loss(fault(*arguments))


@pytest.mark.parametrize("loss", [faults.UsesTheta, faults.OnlyOfIntegers])
def test_a_loss_may_use_theta_and_be_for_integers_alone(loss):
    testing.check_loss(loss())
