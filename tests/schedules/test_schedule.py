"""Accuracy schedules against their formulas in float64."""

import keras
import numpy as np
import pytest
from numpy.testing import assert_allclose

from keras_bfn import testing
from keras_bfn.schedules import ExponentialSchedule, QuadraticSchedule
from tests.tensors import to_numpy

# Each schedule with its beta(t) in float64.
SCHEDULES = [
    pytest.param(schedule, beta, id=f"{type(schedule).__name__}-{next(iter(config.values()))}")
    for schedule, beta in [
        (ExponentialSchedule(1e-3), lambda t: np.expm1(-2 * t * np.log(1e-3))),
        (ExponentialSchedule(0.02), lambda t: np.expm1(-2 * t * np.log(0.02))),
        (ExponentialSchedule(0.9), lambda t: np.expm1(-2 * t * np.log(0.9))),
        (QuadraticSchedule(0.5625), lambda t: 0.5625 * t**2),
        (QuadraticSchedule(9.0), lambda t: 9.0 * t**2),
    ]
    for config in [schedule.get_config()]
]
TIMES = np.concatenate([[1e-6, 1e-4], np.linspace(0.01, 1, 100)])

every_schedule = pytest.mark.parametrize(("schedule", "beta"), SCHEDULES)


@every_schedule
def test_a_schedule_keeps_its_contract(schedule, beta):
    testing.check_schedule(schedule)


@every_schedule
def test_beta_is_the_formula(schedule, beta):
    assert_allclose(to_numpy(schedule.beta(TIMES)), beta(TIMES), rtol=3e-6)


@every_schedule
def test_derivative_is_the_slope_of_beta(schedule, beta):
    step = 1e-6 * TIMES
    slope = (beta(TIMES + step) - beta(TIMES - step)) / (2 * step)
    assert_allclose(to_numpy(schedule.derivative(TIMES)), slope, rtol=3e-6)


@every_schedule
def test_inverse_gives_back_the_time(schedule, beta):
    assert_allclose(to_numpy(schedule.inverse(schedule.beta(TIMES))), TIMES, rtol=3e-6)


@every_schedule
@pytest.mark.parametrize("num_steps", [1, 2, 10, 100])
def test_the_accuracies_of_all_messages_sum_to_beta_1(schedule, beta, num_steps):
    steps = np.arange(1, num_steps + 1)
    alphas = to_numpy(schedule.alpha(steps, num_steps))
    assert_allclose(alphas, beta(steps / num_steps) - beta((steps - 1) / num_steps), rtol=1e-4)
    assert_allclose(alphas.sum(), beta(1.0), rtol=3e-6)


def test_the_accuracy_of_one_message_of_many_is_exact():
    step = np.array([1, 2, 500_000, 999_999, 1_000_000])
    found = to_numpy(QuadraticSchedule(4.0).alpha(step, 1_000_000))
    assert_allclose(found, 4.0 * (2.0 * step - 1.0) / 1e12, rtol=3e-7)


def test_a_schedule_saved_when_its_module_was_another_loads():
    saved = {
        "module": "keras_bfn.schedules",
        "class_name": "QuadraticSchedule",
        "config": {"beta_1": 9.0},
        "registered_name": "keras_bfn>QuadraticSchedule",
    }
    assert keras.saving.deserialize_keras_object(saved).beta_1 == 9.0
