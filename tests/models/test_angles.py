"""With exact posteriors, angles cost what they are unlikely, and samples follow their density."""

import math

import keras
import numpy as np
import pytest
from scipy import special

import keras_bfn
from keras_bfn.samplers import AncestralSampler, SDE1Sampler
from tests.checks import MIN_P_VALUE, assert_draws_follow, chi_squared_p_value
from tests.models import exact_angles as exact
from tests.tensors import to_tensor

NUM_SECTORS = 8
MIDDLES = (np.arange(100 * NUM_SECTORS) + 0.5) * 2 * np.pi / (100 * NUM_SECTORS) - np.pi


def sectors(x):
    return np.clip(np.floor((x + np.pi) * NUM_SECTORS / (2 * np.pi)), 0, NUM_SECTORS - 1)


def shares(density):
    """The probabilities of the sectors on the last axis, by the midpoint rule."""
    share = density.reshape(*density.shape[:-1], NUM_SECTORS, -1).sum(axis=-1)
    return share / share.sum()


def assert_costs_are(expected, lengths, precision=0.03):
    """In the mean of differences, up to chance: four standard errors, each at most so large."""
    errors = lengths["transmission"] + lengths["reconstruction"] - expected
    standard_error = errors.std() / np.sqrt(errors.size)
    print(f"{errors.mean():.4f} +- {standard_error:.4f}")
    assert standard_error < precision
    assert abs(errors.mean()) < 4 * standard_error


@pytest.fixture(scope="module")
def single_model():
    return exact.make_single_model()


@pytest.fixture(scope="module")
def pair_model():
    return exact.make_pair_model()


@pytest.fixture(scope="module")
def side_model():
    return exact.make_side_model()


@pytest.mark.once
@pytest.mark.parametrize("num_steps", [None, 1, 5])
def test_an_angle_of_which_nothing_is_known_costs_log_2_pi(single_model, num_steps):
    x = np.random.default_rng(0).uniform(-np.pi, np.pi, 2**15).astype("float32")
    lengths = single_model.code_length(x, num_steps, batch_size=2**15, seed=0, verbose=0)
    assert_costs_are(math.log(2 * math.pi), lengths)


@pytest.mark.once
def test_a_pair_costs_what_it_is_unlikely(pair_model):
    """Alone, the angles would cost 0.39 nats more."""
    x = exact.draw_pairs(2**15, np.random.default_rng(0))
    lengths = pair_model.code_length(x, batch_size=2**15, seed=0, verbose=0)
    assert_costs_are(-np.log(exact.pair_density(*x.T.astype("float64"))), lengths)


@pytest.mark.once
def test_an_angle_and_a_side_cost_what_they_are_unlikely(side_model):
    x = exact.draw_sides(2**15, np.random.default_rng(0))
    lengths = side_model.code_length(x, batch_size=2**15, seed=0, verbose=0)
    density = exact.side_density(x["side"], x["angle"].astype("float64"))
    assert_costs_are(-np.log(density), lengths)


SAMPLERS = ("ancestral", "sde1", "sde2", "ode1", "ode2")


@pytest.mark.once
@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[] if n == "sde2" else [pytest.mark.slow]) for n in SAMPLERS]
)
def test_many_steps_sample_the_joint_density(pair_model, name):
    sampler = type(keras_bfn.samplers.get(name))(end="sample")
    probs = shares(shares(exact.pair_density(MIDDLES[:, None], MIDDLES)).T).T

    def p_value(num_steps):
        x = pair_model.generate(3000, num_steps, sampler, seed=0, batch_size=3000, verbose=0)
        first, second = sectors(x).T
        return chi_squared_p_value(NUM_SECTORS * first + second, probs)

    assert p_value(3) < 1e-9
    assert p_value(60) > MIN_P_VALUE


@pytest.mark.once
def test_an_angle_and_a_side_are_sampled_together(side_model):
    x = side_model.generate(
        4000, 60, AncestralSampler(end="sample"), seed=0, batch_size=4000, verbose=0
    )
    probs = shares(
        np.stack([exact.side_density(np.full(MIDDLES.size, k), MIDDLES) for k in (0, 1)])
    )
    assert_draws_follow(probs, NUM_SECTORS * x["side"] + sectors(x["angle"]))


def von_mises_shares(direction, kappa):
    return shares(np.exp(kappa * np.cos(MIDDLES - direction)))


@pytest.mark.once
def test_an_angle_is_completed_by_the_other(pair_model):
    known = 2.5
    x, mask = np.full((400, 2), [known, 0], "float32"), np.array([True, False])
    statistics = pair_model.inpaint(
        x, mask, 40, 16, twisted=False, seed=0, batch_size=400, return_details=True, verbose=0
    )
    completed = statistics.samples
    assert (completed[:, 0] == x[:, 0]).all()
    assert_draws_follow(von_mises_shares(known, exact.BOND), sectors(completed[:, 1]))
    # The probability density of what is known; steps of finite length cost some of it.
    expected = np.exp(exact.PULL * np.cos(known)) / (2 * np.pi * special.i0(exact.PULL))
    found = np.exp(statistics.log_likelihood.astype("float64")).mean()
    assert abs(found / expected - 1) < 0.05


class Pull(keras_bfn.guidance.Guidance):
    """A likelihood proportional to exp(2 cos x), whose expectation is known exactly."""

    def log_h(self, expected):
        natural = expected.outputs.natural
        return exact.log_normalizer(natural + to_tensor([2.0, 0.0])) - exact.log_normalizer(natural)

    def log_likelihood(self, expected):
        return pull(expected.data())


def pull(data):
    return 2.0 * data[:, 0]


@pytest.mark.once
@pytest.mark.parametrize(
    ("guidance", "num_particles"),
    [
        (Pull(), 1),
        (Pull(through_network=False), 1),
        (keras_bfn.guidance.Guidance(pull, num_draws=2), 8),
    ],
    ids=["exact", "tilted", "draws"],
)
def test_guided_angles_follow_the_likelihood(single_model, guidance, num_particles):
    x = single_model.generate(
        1000,
        40,
        SDE1Sampler(end="sample"),
        guidance=guidance,
        num_particles=num_particles,
        seed=0,
        batch_size=1000,
        verbose=0,
    )
    assert_draws_follow(von_mises_shares(0.0, 2.0), sectors(x))


@pytest.mark.once
def test_measured_points_of_the_plane_guide_angles(single_model):
    """The expected data are cosine and sine, with a variance each, and may be negative."""
    guidance = keras_bfn.guidance.LinearInverse([[0.0, 1.0]], [-1.0], noise=0.1)  # of the sine
    x = single_model.generate(200, 30, guidance=guidance, seed=0, verbose=0)
    assert np.sin(x).mean() < -0.9


@pytest.mark.once
def test_a_step_with_draws_of_angles_is_exported(single_model, tmp_path):
    """On PyTorch, that is for batches of any size."""
    suffix, form = (
        (".pt2", "torch") if keras.backend.backend() == "torch" else ("", "tf_saved_model")
    )
    path = tmp_path / f"step{suffix}"
    single_model.export(path, form, sampler="ancestral")
    assert path.exists()
