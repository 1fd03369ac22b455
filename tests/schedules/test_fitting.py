"""Fitted schedules against the reconstruction loss that they are to leave."""

from functools import partial

import keras
import numpy as np
import pytest
from numpy.testing import assert_allclose

from keras_bfn import Prediction, schedules
from keras_bfn.flows import ContinuousFlow, DiscreteFlow, DiscretizedFlow
from keras_bfn.losses import ReconstructionLoss
from tests import exact
from tests.flows.remaining import FLOWS, ZIPF, centres, data, even, every_flow
from tests.tensors import to_numpy


@pytest.mark.slow_to_compile
@every_flow
def test_fit_finds_the_least_accuracy(flow, x):
    beta_1 = float(schedules.fit(flow, x, reconstruction=0.05, num_draws=2000).beta(1.0))
    costs = flow.remaining_cost(x, num_draws=2000)(beta_1 * np.array([0.998, 1.001]))
    assert costs[0] > 0.05 > costs[1]


def class_logits(prior):
    return lambda flow, s, t: exact.class_logits(s, prior)


def even_bins(flow, s, t):
    return exact.normal_over_bins(flow, s, t, even(flow.num_bins))


def mean_of_input(flow, s, t):
    return flow.input_params(s, flow.schedule.beta(t))


# What makes the flow, how often each value occurs, and the output that evidence alone gives.
RECONSTRUCTIONS = {
    "discrete-2": (partial(DiscreteFlow, 2), [0.7, 0.3], class_logits([0.7, 0.3])),
    "discrete-27": (partial(DiscreteFlow, 27), ZIPF, class_logits(ZIPF)),
    "discretized-2": (partial(DiscretizedFlow, 2, prediction="data"), even(2), even_bins),
    "discretized-3": (partial(DiscretizedFlow, 3, prediction="data"), even(3), even_bins),
    "continuous-17": (
        partial(ContinuousFlow, prediction="data", num_bins=17),
        even(17),
        mean_of_input,
    ),
}


@pytest.mark.once
@pytest.mark.parametrize(
    ("make_flow", "prior", "params_of"), RECONSTRUCTIONS.values(), ids=RECONSTRUCTIONS
)
def test_the_reconstruction_loss_at_the_end_is_what_was_asked_for(
    make_flow, prior, params_of, seed
):
    x = data(prior)
    flow = make_flow(schedule=schedules.ExponentialSchedule(0.5))
    if not flow.discrete:
        x = centres(x, flow.num_bins)
    schedule = schedules.fit(flow, x, reconstruction=0.05, num_draws=100_000)
    flow = make_flow(schedule=schedule)

    x, t = x[:, None], np.ones(len(x), "float32")
    s = flow.sample_evidence(x, t, seed)
    nats = to_numpy(ReconstructionLoss()(flow, x, Prediction(t, s, None, params_of(flow, s, t))))
    standard_error = nats.std() / np.sqrt(nats.size)
    assert standard_error < 0.03 * 0.05
    # The fit has as many draws, whose costs vary no more than these.
    assert abs(nats.mean() - 0.05) < 4 * np.sqrt(2) * standard_error


@pytest.mark.once
def test_more_classes_need_less_accuracy():
    beta_1 = {
        k: schedules.fit(DiscreteFlow(k, beta_1=1.0), data(even(k))).beta_1 for k in (2, 8, 27)
    }
    assert beta_1[2] > 2 * beta_1[8] > 4 * beta_1[27]


@pytest.mark.once
def test_sigma_1_shrinks_with_the_bins():
    widths = [k * schedules.fit(DiscretizedFlow(k), data(even(k))).sigma_1 for k in (16, 256)]
    assert_allclose(widths[0], widths[1], rtol=0.03)


@pytest.mark.once
def test_a_fixed_seed_fixes_the_schedule_and_another_moves_it_little():
    flow, x = FLOWS["discrete-27"]
    beta_1 = [schedules.fit(flow, x, seed=seed).beta_1 for seed in (0, 0, 1)]
    assert beta_1[0] == beta_1[1] != beta_1[2]
    assert_allclose(beta_1[2], beta_1[0], rtol=0.08)


def test_the_kind_of_schedule_is_the_flows_own():
    x = data([0.5, 0.5], num=100)
    flow = DiscreteFlow(2, schedule=schedules.ExponentialSchedule(0.5))
    exponential = schedules.fit(flow, x)
    quadratic = schedules.fit(DiscreteFlow(2, beta_1=1.0), x)
    assert isinstance(exponential, schedules.ExponentialSchedule)
    assert isinstance(quadratic, schedules.QuadraticSchedule)
    assert_allclose(to_numpy(exponential.beta(1.0)), quadratic.beta_1, rtol=1e-4)


BINARY = DiscreteFlow(2, beta_1=1.0)


PARTS = {"bit": BINARY, "level": DiscretizedFlow(5, sigma_1=0.2)}

PARTS_DATA = {
    "level": np.random.default_rng(0).integers(0, 5, (50, 3)),
    "bit": np.random.default_rng(1).integers(0, 2, 50),
}


def test_each_part_of_several_kinds_gets_the_schedule_of_its_own():
    fitted = schedules.fit(PARTS, PARTS_DATA, num_draws=500, seed=3)
    assert list(fitted) == ["bit", "level"]
    for name, flow in PARTS.items():
        assert fitted[name] == schedules.fit(flow, PARTS_DATA[name], num_draws=500, seed=3)


@keras.saving.register_keras_serializable("keras_bfn_tests")
class Cubic(schedules.QuadraticSchedule):
    """beta_1 t^3."""

    def beta(self, t):
        return self.beta_1 * keras.ops.power(keras.ops.cast(t, "float32"), 3)

    def derivative(self, t):
        return 3 * self.beta_1 * keras.ops.square(keras.ops.cast(t, "float32"))

    alpha = schedules.Schedule.alpha


@keras.saving.register_keras_serializable("keras_bfn_tests")
class Halved(Cubic):
    def ending_at(self, beta):
        return super().ending_at(0.5 * beta)


@pytest.mark.once
def test_a_subclass_of_a_schedule_stays_one():
    x = np.tile([0, 1], 50)
    found = schedules.fit(DiscreteFlow(2, schedule=Cubic(9.0)), x)
    assert type(found) is Cubic
    quadratic = schedules.fit(DiscreteFlow(2, beta_1=9.0), x)
    assert found.beta_1 == pytest.approx(quadratic.beta_1)
    with pytest.raises(ValueError, match=r"ending_at.*must be of the same type"):
        schedules.fit(DiscreteFlow(2, schedule=Halved(9.0)), x)


@pytest.mark.once
def test_a_schedule_whose_messages_do_not_add_up_is_refused():
    class Forgot(Cubic):
        alpha = schedules.QuadraticSchedule.alpha

    with pytest.raises(ValueError, match="must have an `alpha`"):
        DiscreteFlow(2, schedule=Forgot(9.0))


@pytest.mark.slow_to_compile
def test_missing_values_are_left_out():
    rng = np.random.default_rng(0)
    classes = np.where(rng.random((50, 4)) < 0.3, -1, rng.integers(0, 3, (50, 4)))
    numbers = np.where(rng.random((50, 4)) < 0.3, np.nan, rng.uniform(-1, 1, (50, 4)))
    for flow, x, there in (
        (DiscreteFlow(3, beta_1=1.0), classes, classes[classes >= 0]),
        (ContinuousFlow(0.1, num_bins=16), numbers, numbers[numbers == numbers]),
    ):
        found, expected = (schedules.fit(flow, data, num_draws=500) for data in (x, there))
        assert found == expected
