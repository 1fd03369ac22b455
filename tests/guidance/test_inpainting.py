"""With exact posteriors, completions follow the conditional distribution as particles grow."""

import numpy as np
import pytest
from keras import ops

from keras_bfn.guidance.particles import resample, reweight, systematic
from tests.backends import everywhere
from tests.checks import MIN_P_VALUE, chi_squared_p_value
from tests.models.exact_models import JOINT_PRIOR, make_pair_model
from tests.models.small import EVENT_SHAPE, FLOWS, make_data, make_model
from tests.tensors import to_numpy, to_tensor

KNOWN_CLASS, NUM_EXAMPLES, NUM_STEPS = 1, 3000, 60
CONDITIONAL = JOINT_PRIOR[KNOWN_CLASS] / JOINT_PRIOR[KNOWN_CLASS].sum()


@pytest.fixture(scope="module")
def completions():
    """The second of two variables, given the first, with details, by number of particles."""
    model = make_pair_model()
    x = np.tile([KNOWN_CLASS, 0], (NUM_EXAMPLES, 1))
    return {
        num_particles: model.inpaint(
            x,
            np.array([True, False]),
            NUM_STEPS,
            num_particles,
            twisted=False,
            seed=0,
            batch_size=NUM_EXAMPLES,
            return_details=True,
            verbose=0,
        )
        for num_particles in (1, 4, 32)
    }


def total_variation(x):
    frequencies = np.bincount(x[:, 1], minlength=3) / len(x)
    return 0.5 * np.abs(frequencies - CONDITIONAL).sum()


@pytest.mark.slow
@pytest.mark.once
def test_completions_converge_to_the_conditional_distribution(completions):
    errors = {n: total_variation(result.samples) for n, result in completions.items()}
    assert errors[32] < 0.5 * errors[4] < 0.5 * errors[1]
    x = completions[32].samples
    assert chi_squared_p_value(x[:, 1], CONDITIONAL) > MIN_P_VALUE


@pytest.mark.slow
@pytest.mark.once
def test_clamping_alone_is_biased(completions):
    x = completions[1].samples
    assert chi_squared_p_value(x[:, 1], CONDITIONAL) < MIN_P_VALUE**2


@pytest.mark.slow
@pytest.mark.once
def test_what_is_known_stays(completions):
    for result in completions.values():
        assert (result.samples[:, 0] == KNOWN_CLASS).all()


@pytest.mark.parametrize("num_particles", [1, 4, 32])
@pytest.mark.slow
@pytest.mark.once
def test_the_likelihood_of_what_is_known_is_unbiased(completions, num_particles):
    likelihoods = np.exp(completions[num_particles].log_likelihood.astype("float64"))
    standard_error = likelihoods.std() / np.sqrt(NUM_EXAMPLES)
    # Steps are finite: about 1%.
    expected = JOINT_PRIOR[KNOWN_CLASS].sum()
    assert likelihoods.mean() == pytest.approx(expected, abs=4 * standard_error + 0.01 * expected)


@pytest.mark.slow
@pytest.mark.once
def test_the_effective_sample_size_lies_between_1_and_all(completions):
    for num_particles, result in completions.items():
        sizes = result.effective_sample_size
        assert sizes.shape == (NUM_STEPS + 1, NUM_EXAMPLES)
        assert sizes.min() > 0.999
        assert sizes.max() < num_particles * 1.001
    assert completions[32].effective_sample_size.mean() > 8


def test_systematic_draws_are_the_weights_rounded(seed):
    weights = np.random.default_rng(0).dirichlet(np.ones(5), size=1000)
    rows = to_numpy(systematic(ops.log(to_tensor(weights)), 8, seed)).reshape(1000, 8).astype(int)
    particles = rows - 5 * np.arange(1000)[:, None]
    counts = (particles[:, :, None] == np.arange(5)).sum(axis=1)
    assert (np.abs(counts - 8 * weights) < 1 + 1e-4).all()
    # Each particle is drawn as often as its weight says, on average.
    error = (counts - 8 * weights).mean(axis=0)
    np.testing.assert_allclose(error, 0, atol=5 * 0.5 / np.sqrt(1000))


def test_particles_are_drawn_anew_where_few_are_left(seed):
    log_weights, gained, size = reweight(
        to_tensor(np.log(np.full((2, 4), 0.25))),
        to_tensor([[0.0, -50.0, -50.0, -50.0], [0.0, 0.0, 0.0, np.log(2.0)]]),
    )
    np.testing.assert_allclose(to_numpy(gained), np.log([0.25, 1.25]), rtol=1e-5)
    np.testing.assert_allclose(to_numpy(size), [1.0, 25 / 7], rtol=1e-5)
    rows, new_weights = resample(log_weights, size, seed)
    np.testing.assert_array_equal(to_numpy(rows), [0, 0, 0, 0, 4, 5, 6, 7])
    np.testing.assert_allclose(to_numpy(new_weights)[0], np.log(0.25), rtol=1e-6)
    np.testing.assert_allclose(to_numpy(new_weights)[1], to_numpy(log_weights)[1])


@pytest.mark.slow_to_compile
@pytest.mark.parametrize("name", everywhere(list(FLOWS), "discretized"))
@pytest.mark.usefixtures("xla")
def test_every_flow_is_completed(name):
    model = make_model(FLOWS[name]())
    x = make_data(model.flow, 5)
    mask = np.random.default_rng(0).random((5, *EVENT_SHAPE)) < 0.5
    kwargs = {"num_particles": 3, "seed": 0, "batch_size": 2, "verbose": 0}
    completed = model.inpaint(x, mask, 4, **kwargs)
    model.flow.check_data(completed)
    assert completed.dtype == x.dtype
    np.testing.assert_array_equal(completed[mask], x[mask])
    assert (completed[~mask] != x[~mask]).any()
    np.testing.assert_array_equal(completed, model.inpaint(x, mask, 4, **kwargs))
    # What is hidden is not looked at.
    other = np.where(mask, x, x.flat[0])
    np.testing.assert_array_equal(completed, model.inpaint(other, mask, 4, **kwargs))


@pytest.mark.slow_to_compile
def test_a_second_call_compiles_nothing_anew():
    model = make_model(FLOWS["binary"]())
    x, mask = make_data(model.flow, 2), np.zeros(EVENT_SHAPE, bool)
    for _ in range(2):
        model.inpaint(x, mask, 2, verbose=0)
    assert len(model.programs.kept) == 1
