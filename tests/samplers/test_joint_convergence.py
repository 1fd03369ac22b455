"""With the exact posterior for a network, samplers sample dependent parts jointly."""

import numpy as np
import pytest
from scipy import integrate, stats

from keras_bfn.samplers.samplers import SAMPLERS
from tests.checks import MIN_P_VALUE, assert_draws_follow, chi_squared_p_value
from tests.injected_noise import one_draw_for_each_row
from tests.models.exact_parts import (
    CENTRE,
    CENTRES,
    COVARIANCE,
    LABELS,
    STD,
    TRIPLES,
    MixtureTruth,
    make_mixture_model,
    make_normal_pair_model,
    make_triple_model,
    places_of,
    triple_marginals_in_float64,
)

NUM_DRAWS = 8000

# The number that is generated is the mean given the evidence, which varies a little less.
MEAN_STD = np.sqrt(STD**2 - STD**2 / MixtureTruth(label=12.0, number=0.02**-2 - 1).growth)
STRETCHES = 8


def stretches_of(x):
    """The label, and in which stretch the number lies, all equally likely given the label."""
    normal = stats.norm(CENTRE * (2 * x["label"] - 1), MEAN_STD)
    stretch = np.minimum(np.floor(STRETCHES * normal.cdf(x["number"])), STRETCHES - 1)
    return STRETCHES * x["label"] + stretch


# A model, the integers that its data are counted by, and the probabilities of these.
DATA = {
    "triple": (make_triple_model, places_of, TRIPLES),
    "mixture": (make_mixture_model, stretches_of, np.repeat(LABELS / STRETCHES, STRETCHES)),
}
# The steps after which 8000 draws cannot be told from the data, and those after which they can.
STEPS = {
    "triple": {
        "ancestral": (80, 10),
        "sde1": (60, 5),
        "sde2": (20, 3),
        "ode1": (80, 10),
        "ode2": (40, 5),
    },
    "mixture": {
        "ancestral": (200, 10),
        "sde1": (200, 10),
        "sde2": (40, 5),
        "ode1": (100, 10),
        "ode2": (30, 3),
    },
}
pytestmark = pytest.mark.once
every_sampler = pytest.mark.parametrize("name", SAMPLERS)
every_kind_of_data = pytest.mark.parametrize("data", DATA)


@pytest.fixture(scope="module")
def models():
    return {data: make() for data, (make, _, _) in DATA.items()}


def draw(model, sampler, num_steps, num_draws=NUM_DRAWS):
    return model.generate(num_draws, num_steps, sampler, seed=0, batch_size=num_draws, verbose=0)


@pytest.mark.slow
@every_sampler
@every_kind_of_data
def test_samples_of_dependent_parts_follow_their_joint_distribution(models, data, name):
    _, count_by, probs = DATA[data]
    enough, _ = STEPS[data][name]
    assert_draws_follow(probs, count_by(draw(models[data], name, enough)))


@every_sampler
@every_kind_of_data
def test_after_few_steps_they_can_be_coded_directly_from_it(models, data, name):
    _, count_by, probs = DATA[data]
    _, too_few = STEPS[data][name]
    draws = count_by(draw(models[data], name, too_few))
    assert chi_squared_p_value(draws, probs) < MIN_P_VALUE**2


@every_kind_of_data
def test_the_second_order_needs_fewer_steps(models, data):
    _, count_by, probs = DATA[data]

    def total_variation(name):
        draws = count_by(draw(models[data], name, 10, 3 * NUM_DRAWS)).astype("int64")
        frequencies = np.bincount(draws, minlength=probs.size) / draws.size
        return 0.5 * np.abs(frequencies - probs.ravel()).sum()

    errors = {name: total_variation(name) for name in SAMPLERS}
    print(data, {name: f"{error:.3f}" for name, error in errors.items()})
    assert errors["sde2"] < 0.5 * errors["sde1"]
    assert errors["ode2"] < 0.6 * errors["ode1"]


START = 0.1
NUM_STEPS = np.array([24, 48, 96])


def slopes(errors):
    """By how many powers of the number of steps each error falls."""
    return -np.polyfit(np.log(NUM_STEPS), np.log(errors), 1)[0]


def normal_pair_covariance(sampler, num_steps):
    """Of the evidence at t = 1, without chance: with this network it is linear in the noise."""
    unit = 0.01  # little enough for the numbers never to be clipped
    num_draws = 2 if sampler.deterministic else 2 * (num_steps + 1)
    with one_draw_for_each_row(unit):
        result = make_normal_pair_model().generate(
            num_draws,
            num_steps,
            sampler,
            seed=0,
            batch_size=num_draws,
            return_details=True,
            verbose=0,
        )
        predictions = result.trajectory
    moved = np.stack([predictions[name].s[-1, :, 0] for name in ("first", "second")], axis=1) / unit
    assert np.abs(moved).max(axis=1).min() > 0  # by each draw
    return moved.T.astype("float64") @ moved


def exact_normal_pair_covariance(deterministic):
    """The same with infinitely many steps, by a differential equation of the covariance."""
    rate = -2 * np.log(0.05)

    def beta(t):
        return np.diag([np.expm1(rate * t), 60 * t**2])

    def derivative(t):
        return np.diag([rate * np.exp(rate * t), 120 * t])

    def grow(t, covariance):
        covariance = covariance.reshape(2, 2)
        mean = np.linalg.inv(np.linalg.inv(COVARIANCE) + beta(t))
        if deterministic:
            # s = sqrt(beta) u, and u' = (sqrt(beta))' mean s.
            drift = 0.5 * derivative(t) @ (np.linalg.inv(beta(t)) + mean)
            return (drift @ covariance + covariance @ drift.T).ravel()
        drift = derivative(t) @ mean
        return (drift @ covariance + covariance @ drift.T + derivative(t)).ravel()

    start = beta(START).ravel()  # of messages about zero
    solution = integrate.solve_ivp(grow, (START, 1), start, rtol=1e-10, atol=1e-12)
    return solution.y[:, -1].reshape(2, 2)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "order"), [("sde1", 1), ("sde2", 2), ("ode1", 1), ("ode2", 2)])
def test_the_order_of_convergence_of_two_dependent_numbers_with_schedules_of_their_own(name, order):
    sampler = SAMPLERS[name](start=START)
    limit = exact_normal_pair_covariance(sampler.deterministic)
    scale = np.sqrt(np.outer(np.diag(limit), np.diag(limit)))
    errors = np.array([normal_pair_covariance(sampler, n) - limit for n in NUM_STEPS]) / scale
    # Of both variances, and of what they have in common.
    errors = np.abs(errors[:, [0, 1, 0], [0, 1, 1]])
    print(f"{name}: {errors[-1]} after {NUM_STEPS[-1]} steps, slopes {-slopes(errors)}")
    np.testing.assert_allclose(slopes(errors), order, atol=0.25)


LATENTS = np.random.default_rng(0).standard_normal((32, 5)) * np.sqrt([3, 3, 3, 1, 1])


def exact_triple_latents():
    """Where the probability flow carries the latents to by t = 1, in float64."""
    gain, rate = np.array([3, 3, 3, 1, 1]), -2 * np.log(0.1)

    def beta(t):
        return np.repeat([6 * t**2, np.expm1(rate * t)], [3, 2])

    def derivative(t):
        return np.repeat([12 * t, rate * np.exp(rate * t)], [3, 2])

    def flow(t, latents):
        s = np.sqrt(beta(t)) * latents.reshape(-1, 5)
        grades = s[:, 3:, None] * CENTRES - 0.5 * beta(t)[-1] * CENTRES**2
        probs = triple_marginals_in_float64(np.concatenate([s[:, :3], grades.reshape(-1, 6)], 1))
        e_hat = np.concatenate([probs[:, :3], probs[:, 3:].reshape(-1, 2, 3) @ CENTRES], axis=1)
        return (gain * 0.5 * derivative(t) / np.sqrt(beta(t)) * e_hat).ravel()

    solution = integrate.solve_ivp(
        flow, (START, 1), LATENTS.ravel(), "DOP853", rtol=1e-9, atol=1e-9
    )
    return solution.y[:, -1].reshape(-1, 5), np.sqrt(beta(1.0))


@pytest.mark.parametrize(("name", "order"), [("ode1", 1), ("ode2", 2)])
def test_the_order_of_convergence_of_each_sample_of_a_class_and_two_grades(models, name, order):
    limit, root = exact_triple_latents()
    errors = []
    for num_steps in NUM_STEPS:
        result = models["triple"].generate(
            len(LATENTS),
            num_steps,
            SAMPLERS[name](start=START),
            latents={"kind": LATENTS[:, :3], "grades": LATENTS[:, 3:, None]},
            return_details=True,
            verbose=0,
        )
        predictions = result.trajectory
        s = np.concatenate([predictions["kind"].s[-1], predictions["grades"].s[-1, ..., 0]], axis=1)
        squared = np.square(s / root - limit)
        errors.append(np.sqrt([squared[:, :3].mean(), squared[:, 3:].mean()]))
    print(f"{name}: {errors[-1]} after {NUM_STEPS[-1]} steps, slopes {-slopes(errors)}")
    np.testing.assert_allclose(slopes(errors), order, atol=0.25)
