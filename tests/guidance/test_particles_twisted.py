"""Inpainting whose steps are guided by what is known: nearer with fewer particles and steps."""

import numpy as np
import pytest
from scipy import stats

from tests.guidance.cases import LIKELIHOOD, of_marginals
from tests.models.exact_models import JOINT_PRIOR, make_pair_model
from tests.models.exact_parts import COVARIANCE, TRIPLES, make_normal_pair_model, make_triple_model

pytestmark = pytest.mark.once

KNOWN, NUM = 1, 3000


def inpaint(model, x, mask, num_steps, num_particles, **options):
    options = {"seed": 0, "batch_size": NUM, "return_details": True, "verbose": 0, **options}
    found = model.inpaint(x, mask, num_steps, num_particles, **options)
    return found.samples, np.exp(found.log_likelihood.astype("float64"))


@pytest.fixture(scope="module")
def completions():
    model, x = make_pair_model(), np.tile([KNOWN, 0], (NUM, 1))
    return {
        (twisted, num_particles): inpaint(
            model, x, np.array([True, False]), 20, num_particles, twisted=twisted
        )
        for twisted, num_particles in ((True, 1), (True, 4), (False, 4))
    }


def distance(x, probs):
    frequencies = np.bincount(x, minlength=len(probs)) / len(x)
    return 0.5 * np.abs(frequencies - probs / probs.sum()).sum()


def test_one_particle_that_is_guided_is_nearer_than_four_that_are_not(completions):
    errors = {key: distance(x[:, 1], JOINT_PRIOR[KNOWN]) for key, (x, _) in completions.items()}
    print(errors)
    assert errors[True, 1] < 0.7 * errors[False, 4]
    assert errors[True, 4] < 0.7 * errors[False, 4]


def test_likelihoods_are_unbiased_and_vary_less(completions):
    """All are of the same, what the model draws in as many steps."""
    means = {key: found.mean() for key, (_, found) in completions.items()}
    errors = {key: found.std() / NUM**0.5 for key, (_, found) in completions.items()}
    print(means, errors)
    x = make_pair_model().generate(20_000, 20, seed=5, batch_size=20_000, verbose=0)
    expected = (x[:, 0] == KNOWN).mean()
    chance = (expected * (1 - expected) / len(x)) ** 0.5
    for key, mean in means.items():
        assert abs(mean - expected) < 3 * np.hypot(errors[key], chance)
    assert errors[True, 4] < 0.9 * errors[False, 4]


@pytest.mark.slow
def test_a_function_guides_the_rest_too():
    """What is known and a likelihood together: the conditional, tilted."""
    model, x = make_pair_model(), np.tile([KNOWN, 0], (1500, 1))
    mask = np.array([True, False])
    x, found = inpaint(model, x, mask, 40, 16, guidance=of_marginals)
    assert (x[:, 0] == KNOWN).all()
    tilted = JOINT_PRIOR[KNOWN] * LIKELIHOOD[KNOWN]
    assert distance(x[:, 1], tilted) < 0.03
    assert distance(x[:, 1], JOINT_PRIOR[KNOWN]) > 0.3
    # Steps are finite: about 4%.
    assert found.mean() == pytest.approx(tilted.sum(), rel=0.06)


@pytest.mark.slow
def test_a_part_is_completed_by_half_of_another():
    joint, num = TRIPLES[:, :, 1], 2000
    x = {"grades": np.tile([0, 1], (num, 1))}
    mask = {"grades": np.array([False, True])}
    errors = {}
    for twisted, num_particles in ((True, 1), (False, 4)):
        found, likelihoods = inpaint(
            make_triple_model(), x, mask, 40, num_particles, twisted=twisted
        )
        places = 3 * found["kind"] + found["grades"][:, 0]
        errors[twisted] = distance(places, joint.ravel())
        error = likelihoods.std() / num**0.5
        assert abs(likelihoods.mean() - joint.sum()) < 4 * error + 0.03 * joint.sum()
    print(errors)
    assert errors[True] < 1.2 * errors[False]


@pytest.mark.slow
def test_one_number_follows_its_distribution_given_another():
    """Two that are normal together: the conditional in closed form."""
    value, model = 0.3, make_normal_pair_model()
    x = {"first": np.full(NUM, value, "float32")}
    found, likelihoods = inpaint(model, x, {"first": True}, 60, 16)
    (a, b), (_, d) = COVARIANCE
    mean, std = b / a * value, (d - b**2 / a) ** 0.5
    # What is drawn is the mean given the evidence, which varies less.
    beta = float(model.flow["second"].schedule.beta(1.0))
    expected = stats.norm(mean, std * (1.0 - 1.0 / (1.0 + std**2 * beta)) ** 0.5)
    assert found["second"].mean() == pytest.approx(mean, abs=0.016)
    assert found["second"].std() == pytest.approx(expected.std(), rel=0.05)
    density = stats.norm(0, a**0.5).pdf(value)
    error = likelihoods.std() / NUM**0.5
    assert abs(likelihoods.mean() - density) < 4 * error + 0.03 * density


def test_variables_that_are_missing_are_drawn_given_the_others():
    """Where integers are -1, without a mask."""
    x = np.tile([KNOWN, -1], (NUM, 1))
    found, _ = inpaint(make_pair_model(), x, None, 20, 4)
    assert (found[:, 0] == KNOWN).all()
    assert distance(found[:, 1], JOINT_PRIOR[KNOWN]) < 0.05
