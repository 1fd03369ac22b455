"""With the exact posterior for a network, data of several kinds cost their joint entropy."""

import numpy as np
import pytest
from scipy import stats

from tests import exact
from tests.backends import everywhere
from tests.checks import assert_mean_is
from tests.models.exact_parts import (
    CENTRE,
    LABELS,
    MIXTURE_ENTROPY,
    STD,
    TRIPLES,
    MixtureTruth,
    make_mixture_model,
    make_triple_model,
    mixture,
    mixture_density,
    triples,
)

NUM = 27 * 1500


def code_lengths(model, x, num_steps=None):
    """Of each example, in nats: its look is repeated at four times, or steps, far apart."""
    return model.code_length(x, num_steps, num_repeats=4, batch_size=NUM, seed=0, verbose=0)


def total(nats):
    return nats["transmission"] + nats["reconstruction"]


def assert_group_means_are(expected, groups, draws):
    """The mean of `draws` in each group is that of `expected`, within five standard errors."""
    for group in np.unique(groups):
        error = draws[groups == group] - expected[groups == group]
        standard_error = error.std() / np.sqrt(error.size)
        assert abs(error.mean()) < 5 * standard_error, (group, error.mean(), standard_error)


TRIPLE_ENTROPY = exact.entropy(TRIPLES)
INDEPENDENT = sum(exact.entropy(TRIPLES.sum(axis=axes)) for axes in ((1, 2), (0, 2), (0, 1)))


@pytest.fixture(scope="module")
def triple_model():
    return make_triple_model()


@pytest.fixture(scope="module")
def likely_triples():
    """As often as they are likely, without chance."""
    return triples(np.searchsorted(np.cumsum(TRIPLES), (np.arange(NUM) + 0.5) / NUM))


@pytest.mark.once
def test_a_class_and_two_grades_cost_their_joint_entropy(triple_model, likely_triples):
    lengths = total(code_lengths(triple_model, likely_triples))
    print(f"{lengths.mean():.4f} +- {lengths.std() / NUM**0.5:.4f}, entropy {TRIPLE_ENTROPY:.4f}")
    assert_mean_is(TRIPLE_ENTROPY, lengths, precision=0.01)
    # The test can tell it from the entropies of independent variables.
    assert INDEPENDENT > 1.5 * TRIPLE_ENTROPY


@pytest.mark.slow_to_compile
def test_each_class_with_its_two_grades_costs_what_it_is_unlikely(triple_model):
    """The identity holds of each triple by itself, however rare."""
    places = np.arange(NUM) % 27
    lengths = total(code_lengths(triple_model, triples(places)))
    assert_group_means_are(-np.log(TRIPLES.ravel()[places]), places, lengths)


@pytest.mark.once
def test_the_fewer_the_messages_the_more_a_class_and_two_grades_cost(triple_model, likely_triples):
    costs = [total(code_lengths(triple_model, likely_triples, n)) for n in (1, 6, 60)]
    means = [cost.mean() for cost in costs]
    print(f"{np.round(means, 4)}, entropy {TRIPLE_ENTROPY:.4f}, independent {INDEPENDENT:.4f}")
    # One message to each variable knows nothing of the others'.
    assert means[0] == pytest.approx(INDEPENDENT, rel=0.01)
    assert means[0] > 1.2 * means[1]
    assert means[1] > 1.05 * means[2]
    standard_error = costs[2].std() / np.sqrt(NUM)
    assert -4 * standard_error < means[2] - TRIPLE_ENTROPY < 0.03 + 4 * standard_error


# The accuracies of the label and the number at t = 1: both are as good as known, or neither.
ACCURACIES = {"clear": (12.0, 0.02), "faint": (1.0, 0.05)}


def mixture_truth(beta_1, sigma_1):
    return MixtureTruth(label=beta_1, number=sigma_1**-2 - 1)


def mixture_cost(truth):
    """Transmission and reconstruction, in closed form."""
    return truth.information() + truth.label_entropy() + truth.number_reconstruction()


@pytest.mark.parametrize("accuracies", everywhere(ACCURACIES, "clear"))
def test_a_label_and_a_number_cost_what_the_closed_form_says(accuracies):
    truth = mixture_truth(*accuracies)
    nats = code_lengths(make_mixture_model(*accuracies), mixture(NUM))
    assert_mean_is(truth.information(), nats["transmission"], precision=0.01)
    for name, expected in (
        ("label", truth.label_entropy()),
        ("number", truth.number_reconstruction()),
    ):
        reconstruction = nats["parts"][name]["reconstruction"]
        standard_error = reconstruction.std() / np.sqrt(NUM)
        assert abs(reconstruction.mean() - expected) < 4 * standard_error < 0.02


def test_the_closed_form_tends_to_the_joint_entropy():
    """From above: what reconstruction says of the number is no more than the evidence."""
    excess = {
        name: mixture_cost(mixture_truth(*ACCURACIES[name])) - MIXTURE_ENTROPY
        for name in ACCURACIES
    }
    assert 0 < excess["clear"] < 2e-4 < 0.01 < excess["faint"]


def test_a_label_and_a_number_cost_their_joint_entropy():
    nats = code_lengths(make_mixture_model(*ACCURACIES["clear"]), x := mixture(NUM))
    lengths = total(nats)
    standard_error = lengths.std() / np.sqrt(NUM)
    print(f"{lengths.mean():.4f} +- {standard_error:.4f}, entropy {MIXTURE_ENTROPY:.4f}")
    assert abs(lengths.mean() - MIXTURE_ENTROPY) < 4 * standard_error
    # The test can tell it from the entropies of an independent label and number.
    dependence = exact.entropy(LABELS) - MixtureTruth(label=0.0, number=1e9).label_entropy()
    assert dependence > 10 * standard_error
    # The identity holds of each label and number by itself.
    z = (x["number"] - CENTRE * (2 * x["label"] - 1)) / STD
    groups = 10 * x["label"] + np.floor(4 * stats.norm.cdf(z))
    expected = -np.log(mixture_density(x["label"], x["number"]))
    assert_group_means_are(expected, groups, lengths)


@pytest.mark.once
def test_the_fewer_the_messages_the_more_a_label_and_a_number_cost():
    model, x = make_mixture_model(*ACCURACIES["clear"]), mixture(NUM)
    costs = [total(code_lengths(model, x, n)) for n in (1, 32, 512)]
    means = [cost.mean() for cost in costs]
    print(f"{np.round(means, 4)}, entropy {MIXTURE_ENTROPY:.4f}")
    # One message is sent before anything is known.
    label = exact.entropy(LABELS) - MixtureTruth(label=12.0, number=0.0).label_entropy()
    prior_variance = MixtureTruth(label=0.0, number=0.0).number_variance()
    truth = mixture_truth(*ACCURACIES["clear"])
    at_once = label + 0.5 * truth.number * prior_variance
    at_once += truth.label_entropy() + truth.number_reconstruction()
    assert_mean_is(at_once, costs[0], precision=0.01)
    assert means[0] > 100 * means[1]
    assert means[1] > 1.5 * means[2]
    standard_error = costs[2].std() / np.sqrt(NUM)
    assert -4 * standard_error < means[2] - MIXTURE_ENTROPY < 0.03 + 4 * standard_error
