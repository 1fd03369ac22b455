"""What samplers have in common: names, options, configs, times."""

import keras
import numpy as np
import pytest
from numpy.testing import assert_allclose

from keras_bfn import samplers, testing
from keras_bfn.flows import ContinuousFlow, DiscreteFlow, DiscretizedFlow
from keras_bfn.samplers import ODE2Sampler, SDE2Sampler
from keras_bfn.samplers.samplers import SAMPLERS
from tests.backends import everywhere

OPTIONS = {"temperature": 0.5, "end": "last", "start": 0.1, "spacing": "log_beta"}
OPTIONS |= {"top_k": 3, "top_p": 0.9}


@pytest.mark.parametrize("name", SAMPLERS)
def test_get_takes_names_and_samplers(name):
    sampler = samplers.get(name)
    assert type(sampler) is SAMPLERS[name]
    assert samplers.get(sampler) is sampler


NUM_STEPS = {"ancestral": 200, "sde1": 200, "sde2": 60, "ode1": 200, "ode2": 60}
CONTRACTS = [
    *everywhere(["sde2", "ode2"], "ode2"),
    *(pytest.param(name, marks=pytest.mark.slow) for name in NUM_STEPS if name[-1] != "2"),
]


def test_contracts_are_of_all_samplers():
    assert NUM_STEPS.keys() == set(SAMPLERS)


@pytest.mark.parametrize("name", CONTRACTS)
def test_a_sampler_keeps_its_contract(name):
    testing.check_sampler(SAMPLERS[name](), num_steps=NUM_STEPS[name])


@pytest.mark.parametrize("name", SAMPLERS)
def test_config_round_trip(name):
    sampler = SAMPLERS[name](**OPTIONS)
    config = keras.saving.serialize_keras_object(sampler)
    again = keras.saving.deserialize_keras_object(config)
    assert again == sampler != SAMPLERS[name]()
    assert OPTIONS.items() <= again.get_config().items()
    assert hash(again) == hash(sampler)


@pytest.mark.parametrize("start", [0.0, 0.2])
def test_times_are_evenly_spaced(start):
    times = SDE2Sampler(start=start).times(ContinuousFlow(), 5)
    assert times.dtype == "float32"
    assert_allclose(times, np.linspace(start, 1, 6), rtol=1e-6)


@pytest.mark.parametrize("flow", [ContinuousFlow(0.02), DiscreteFlow(5, beta_1=2.0)])
def test_times_are_evenly_spaced_in_the_logarithm_of_the_accuracy(flow):
    times = ODE2Sampler(start=0.02, spacing="log_beta").times(flow, 6)
    assert times[0] == np.float32(0.02)
    assert times[-1] == 1
    steps = np.diff(np.log([float(flow.schedule.beta(t)) for t in times]))
    assert_allclose(steps, steps.mean(), rtol=1e-3)


@pytest.mark.parametrize("name", ["binary", "many classes", "numbers", "levels", "both"])
def test_steps_even_in_log_beta_start_where_little_is_known(name):
    """Whatever the schedule: where the accuracy times the gain is 0.01; for parts, their mean."""
    flow = {
        "binary": DiscreteFlow(2, beta_1=9.0),
        "many classes": DiscreteFlow(1000, beta_1=0.05),
        "numbers": ContinuousFlow(0.01),
        "levels": DiscretizedFlow(256, sigma_1=0.001),
    }
    flow = flow.get(name) or {key: flow[key] for key in ("binary", "numbers")}
    sampler = samplers.DEFAULT.starting_for(flow)
    parts = list(flow.values()) if isinstance(flow, dict) else [flow]
    starts = [float(part.schedule.inverse(0.01 / part.gain)) for part in parts]
    assert sampler.start == pytest.approx(np.mean(starts))
    if len(parts) == 1:
        assert flow.gain * float(flow.schedule.beta(sampler.start)) == pytest.approx(0.01, rel=1e-3)
        np.testing.assert_allclose(samplers.DEFAULT.times(flow, 5)[0], sampler.start)
    assert sampler.starting_for(flow) is sampler
