"""The check of networks finds a fault, and says which."""

import keras
import pytest

from keras_bfn import flows, networks, testing
from tests.testing import faults

pytestmark = pytest.mark.once  # what is without fault is checked on each backend

FLOW = flows.DiscreteFlow(3, 2.0)

NETWORKS = {
    faults.WrongWidth: (
        (),
        r"must return a tensor of shape \(None, 4, 3\).*with shape \(None, 4, 2\)",
    ),
    faults.ExamplesSeeEachOther: ((), "must not depend on other examples in the batch"),
    faults.BlindToTheta: ((), "its output must depend on theta"),
    faults.IgnoresTheLast: ((), r"depend on theta of every variable.* of the variable \(3,\)"),
    faults.SeesEarlierExamples: ((), "must not depend on other examples in the batch"),
    faults.SeesTheMeanExample: ((), "must not depend on other examples in the batch"),
    faults.SeesTheMeanTime: ((), "must not depend on other examples in the batch"),
    faults.TakesFour: ((), "must be a network for a `keras_bfn.BayesianFlowNetwork`"),
    faults.TakesMoreThanOne: ((), "must take a batch of 1 examples"),
    faults.BranchesOnTheTime: ((), "must not depend on other examples in the batch"),
    faults.TrainsOnNothing: (
        (),
        r"must be trained on a batch of 3 examples: (.|\n)*There is no training",
    ),
    faults.InfiniteAt0: ((), "must be finite. It is not at t = 0"),
    faults.NotSaved: ((3,), "must be saved with the model"),
    faults.NotTrained: ((FLOW, (4,)), "a training step must change its weights"),
}


@pytest.mark.parametrize("fault", NETWORKS, ids=lambda fault: fault.__name__)
def test_a_network_with_a_fault_is_found(fault):
    arguments, message = NETWORKS[fault]
    keras.utils.set_random_seed(0)
    with pytest.raises(AssertionError, match=message):
        testing.check_network(fault(*arguments), FLOW, event_shape=(4,))


@pytest.mark.parametrize("times", ["shared", "variables"])
def test_networks_of_students_are_checked_too(times):
    keras.utils.set_random_seed(0)
    network = networks.MLP(FLOW, (4,), width=8, num_blocks=1, times=times, jumps=True)
    testing.check_network(network, FLOW, times=times)


def test_the_time_may_be_ignored_only_where_theta_tells_all():
    testing.check_network(faults.OwnDense(), FLOW, event_shape=(4,))
    with pytest.raises(AssertionError, match="must depend on t, which theta does not hold"):
        testing.check_network(faults.OwnDense(), flows.ContinuousFlow(0.1), event_shape=(4,))
