"""With exact posteriors, parts are completed by what is known of other parts, of other kinds."""

import numpy as np
import pytest
from scipy import stats

from tests.checks import MIN_P_VALUE, assert_draws_follow, chi_squared_p_value
from tests.models.exact_parts import (
    CENTRE,
    LABELS,
    STD,
    TRIPLES,
    MixtureTruth,
    make_mixture_model,
    make_triple_model,
    mixture_density,
)

pytestmark = pytest.mark.once

MANY = 32  # particles


def inpaint(model, x, mask, num_particles, num_examples, num_steps=60):
    x = {name: np.repeat(values, num_examples, axis=0) for name, values in x.items()}
    return model.inpaint(
        x,
        mask,
        num_steps,
        num_particles,
        twisted=False,
        seed=0,
        batch_size=num_examples,
        return_details=True,
        verbose=0,
    )


def assert_likelihood_is(expected, result):
    """On average, up to chance and to what steps of finite length cost: about 2%."""
    likelihoods = np.exp(result.log_likelihood.astype("float64"))
    standard_error = likelihoods.std() / np.sqrt(likelihoods.size)
    print(f"likelihood {likelihoods.mean():.4f} +- {standard_error:.4f}, expected {expected:.4f}")
    assert abs(likelihoods.mean() - expected) < 4 * standard_error + 0.02 * expected


@pytest.fixture(scope="module")
def mixture_model():
    return make_mixture_model()


LABEL = 0
# The number that is drawn is the mean given the evidence, which varies a little less.
GROWTH = MixtureTruth(label=12.0, number=0.02**-2 - 1).growth
NUMBER = stats.norm(CENTRE * (2 * LABEL - 1), STD * np.sqrt(1 - 1 / GROWTH))


@pytest.fixture(scope="module")
def numbers(mixture_model):
    """Numbers that go with a known label, with details, by number of particles."""
    known = {"label": np.array([LABEL])}
    return {n: inpaint(mixture_model, known, {"label": True}, n, 1500) for n in (1, 4, MANY)}


@pytest.mark.slow
def test_a_number_follows_its_distribution_given_the_label_as_particles_grow(numbers):
    distances = {
        n: stats.kstest(result.samples["number"], NUMBER.cdf).statistic
        for n, result in numbers.items()
    }
    print({n: f"{distance:.3f}" for n, distance in distances.items()})
    assert distances[MANY] < 0.9 * distances[4]
    assert distances[4] < 0.5 * distances[1]
    assert stats.kstest(numbers[MANY].samples["number"], NUMBER.cdf).pvalue > MIN_P_VALUE


@pytest.mark.slow
def test_a_known_label_alone_is_biased(numbers):
    assert stats.kstest(numbers[1].samples["number"], NUMBER.cdf).pvalue < MIN_P_VALUE**2


def test_a_known_label_stays(numbers):
    for result in numbers.values():
        assert list(result.samples) == ["label", "number"]
        assert (result.samples["label"] == LABEL).all()


@pytest.mark.parametrize("num_particles", [1, 4, MANY])
def test_the_likelihood_of_a_label_is_unbiased(numbers, num_particles):
    assert_likelihood_is(LABELS[LABEL], numbers[num_particles])


@pytest.mark.parametrize("number", [-0.1, 0.03])
def test_a_label_follows_its_distribution_given_the_number(mixture_model, number):
    known = {"number": np.array([number], "float32")}
    densities = mixture_density(np.arange(2), number)
    result = inpaint(mixture_model, known, {"number": True}, 16, 1500)
    x = result.samples
    assert_draws_follow(densities / densities.sum(), x["label"])
    assert (x["number"] == known["number"]).all()
    assert_likelihood_is(densities.sum(), result)
    one = inpaint(mixture_model, known, {"number": True}, 1, 1500).samples
    assert chi_squared_p_value(one["label"], densities / densities.sum()) < MIN_P_VALUE**2


def test_a_part_is_completed_by_half_of_another():
    """The second grade is known: the kind and the first grade follow what they are given it."""
    second = 1
    joint = TRIPLES[:, :, second]
    model, known = make_triple_model(), {"grades": np.array([[0, second]])}
    mask = {"grades": np.array([False, True])}
    results = {n: inpaint(model, known, mask, n, 600) for n in (1, 16)}
    for result in results.values():
        assert (result.samples["grades"][:, 1] == second).all()
        assert_likelihood_is(joint.sum(), result)
    samples = [result.samples for result in results.values()]
    one, many = (3 * x["kind"] + x["grades"][:, 0] for x in samples)
    assert_draws_follow(joint / joint.sum(), many)
    assert chi_squared_p_value(one, joint / joint.sum()) < MIN_P_VALUE**2
