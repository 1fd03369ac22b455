"""The checks find a fault, and say which; what has none passes."""

import keras
import pytest

from keras_bfn import flows, samplers, testing
from tests.testing import faults

pytestmark = pytest.mark.once  # what is without fault is checked on each backend

FLOWS = {
    faults.WrongGain: ((8, 0.05), "input_mean must tend to the data as evidence grows"),
    faults.WrongGainInMessages: ((3, 2.0), r"sample_evidence\(x, t=0.4\) must be N\(c beta e"),
    faults.WeakUpdates: ((0.1,), "two messages by `observe`.*must be N"),
    faults.BiasedSample: ((3, 2.0), r"sample_evidence.* the mean of \d+ draws is 0\.\d+ \+-"),
    faults.OneNoiseForAllNumbers: ((3, 2.0), "with independent components"),
    faults.NotClipped: ((0.1, "data"), r"mode\(\) must be valid data.*`x` must lie in \[-1, 1\]"),
    faults.InfiniteAtTheStart: ((0.1,), "continuous-time loss must be finite.*at t = 0"),
    faults.HalfPrecision: ((3, 2.0), r"embed\(x\) must be float32.*It is float16"),
    faults.WideTheta: ((2, 2.0), r"input_params.*must have shape \(4, 1\). It has shape \(4, 2\)"),
    faults.WrongMean: ((3, 2.0), "expected_embedding must be the mean embedding of samples"),
    faults.HalfDivergence: ((0.1, "data"), "sender_receiver_kl must be -log_receiver_ratio"),
    faults.WrongRatios: ((3, 2.0), "log_receiver_ratio must use the mean density"),
    faults.TakesEverything: ((3, 2.0), "check_data must raise a `ValueError` for"),
    faults.HasNoTheta: ((3, 2.0), "must have `theta_size`, an int of at least 1. It is None"),
    faults.HasNoOutput: ((3, 2.0), "must define `output_distribution`"),
    faults.HasNoEnd: (
        (3, 2.0),
        "must define `expected_embedding`: the default only supports integers",
    ),
    faults.BeginsAt1: ((3, 2.0), r"must have a `data_range` of \(0, K - 1\). It is \(1, 3\)"),
    faults.DrawsByKeras: (
        (3, 2.0),
        r"sample\(seed\) must use `keras_bfn.distributions.normal`",
    ),
    faults.HasTwoLogits: ((3, 2.0), r"log_probs\(\) must have shape \(4, 3, 3\)"),
    faults.HasNoMean: (
        (3, 2.0),
        r"OnlyLogs must define `mean`, as the result of HasNoMean.output_distribution",
    ),
    faults.LosesItsArgument: ((3, 2.0), "must store its constructor argument `depth` as an attr"),
    faults.ForgetsItsArgument: ((3, 2.0, None, 5), "must be unchanged by from_config.*depth=6"),
}


@pytest.mark.parametrize("fault", FLOWS, ids=lambda fault: fault.__name__)
def test_a_flow_with_a_fault_is_found(fault):
    arguments, message = FLOWS[fault]
    with pytest.raises(AssertionError, match=message):
        testing.check_flow(fault(*arguments))


SCHEDULES = {
    faults.SlopeOffByAFactor: ((), "must have a `derivative` that is the derivative"),
    faults.StartsAbove0: ((), r"must be 0 at t = 0; beta\(0\) = 5"),
    faults.Falls: ((), r"must increase with t; beta\(0\) = -?0, beta\(1\) = -2"),
    faults.Infinite: ((), "must be finite"),
    faults.WrongInverse: ((9.0,), "inverse must be the inverse of beta"),
    faults.Doubles: ((9.0,), "accuracies of 1 messages.* must add up to"),
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


SAMPLERS = {
    faults.WithoutNoise: ({}, None, "must sample the joint distribution"),
    faults.StaysAtTheStart: ({}, None, "must sample the joint distribution"),
    faults.SaysItIsDeterministic: ({}, None, "the same latents give other samples"),
    faults.GrowingState: ({}, None, "must keep the state's shapes and dtypes"),
    faults.OfFirstOrder: ({"start": 0.05}, 2, "a power of -0.9|a power of -1.0"),
    faults.CanBeChanged: ({}, None, "must be immutable, but its `noise` can be set"),
    faults.ForgetsTheGain: ({}, None, "must have the variance of messages about data.* 3.0"),
    faults.EncodesNothing: ({}, None, "must encode data as finite latents"),
}


@pytest.mark.parametrize("fault", SAMPLERS, ids=lambda fault: fault.__name__)
def test_a_sampler_with_a_fault_is_found(fault):
    options, order, message = SAMPLERS[fault]
    with pytest.raises(AssertionError, match=message):
        testing.check_sampler(fault(**options), num_steps=60, order=order)


def test_a_sampler_may_keep_a_dict_and_be_better_than_is_asked():
    testing.check_sampler(faults.KeepsADict())
    testing.check_sampler(samplers.ODE2Sampler(start=0.05), num_steps=60, order=1)


FLOW = flows.DiscreteFlow(3, 2.0)
NETWORKS = {
    faults.WrongWidth: (
        (),
        r"must return a tensor of shape \(None, 4, 3\).*with shape \(None, 4, 2\)",
    ),
    faults.ExamplesSeeEachOther: ((), "must not depend on other examples in the batch"),
    faults.BlindToTheta: ((), "its output must depend on theta"),
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


@pytest.mark.parametrize(
    ("check", "value", "message"),
    [
        (testing.check_flow, "discrete", "A flow must be a `keras_bfn.flows.Flow`"),
        (testing.check_schedule, 9.0, "A schedule must be a `keras_bfn.schedules.Schedule`"),
        (testing.check_sampler, "sde1", "A sampler must be a `keras_bfn.samplers.Sampler`"),
        (lambda x: testing.check_network(x, FLOW, (4,)), 3, "`network` must be a Keras model"),
    ],
)
def test_what_is_none_of_its_kind_is_told_so(check, value, message):
    with pytest.raises(AssertionError, match=message):
        check(value)
