"""The von Mises distribution against scipy in float64."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import special, stats

from keras_bfn._random import Noise
from keras_bfn.distributions import VonMises
from tests.backends import everywhere
from tests.checks import assert_draws_follow
from tests.tensors import gradient, to_numpy, to_tensor

KAPPAS = np.array([0, 1e-20, 1e-3, 0.1, 0.5, 1, 2, 3, 5, 10, 30, 100, 1e3, 1e4, 1e5, 1e6])
DIRECTIONS = np.linspace(-3.1, 3.1, 9)
# In standard deviations from the mean, as far as the circle goes.
DEVIATIONS = np.array([-100, -5, -2, -1, -0.1, 0, 0.3, 1, 3, 30])

KAPPA, DIRECTION, DEVIATION = np.meshgrid(KAPPAS, DIRECTIONS, DEVIATIONS, indexing="ij")
NATURAL = np.float32(KAPPA[..., None] * np.stack([np.cos(DIRECTION), np.sin(DIRECTION)], -1))
X = np.float32(DIRECTION + np.clip(DEVIATION / np.sqrt(np.maximum(KAPPA, 1)), -np.pi, np.pi))

# What was rounded to float32 before is no matter of the distribution.
EXACT_KAPPA = np.hypot(*np.moveaxis(NATURAL.astype("float64"), -1, 0))
APART = X.astype("float64") - np.arctan2(*np.moveaxis(NATURAL.astype("float64"), -1, 0)[::-1])
RESULTANT = special.i1e(EXACT_KAPPA) / special.i0e(EXACT_KAPPA)


def exact_log_prob(kappa, apart):
    return -2 * kappa * np.sin(apart / 2) ** 2 - np.log(2 * np.pi * special.i0e(kappa))


def relative(error, scale):
    return np.max(np.abs(error) / scale)


def test_log_density_is_scipys():
    found = to_numpy(VonMises(to_tensor(NATURAL)).log_prob(to_tensor(X)))
    exact = exact_log_prob(EXACT_KAPPA, APART)
    # An angle, and a direction, are rounded by 1e-7: many standard deviations away that counts.
    rounding = 2e-7 * EXACT_KAPPA * np.abs(np.sin(APART))
    assert relative(found - exact, 2e-6 + 5e-7 * np.abs(exact) + rounding) < 1


def test_the_mean_vector_is_that_of_bessels_functions():
    found = to_numpy(VonMises(to_tensor(NATURAL)).mean_vector())
    unit = NATURAL / np.maximum(EXACT_KAPPA, 1e-30)[..., None]
    assert_allclose(found, RESULTANT[..., None] * unit, atol=5e-7)


def test_variances_are_those_of_bessels_functions():
    found = to_numpy(VonMises(to_tensor(NATURAL)).variances())
    # E[cos(x - mean)^2] = (1 + I_2 / I_0) / 2.
    second = special.ive(2, EXACT_KAPPA) / special.i0e(EXACT_KAPPA)
    across, along = (1 - second) / 2, (1 + second) / 2 - RESULTANT**2
    cos_square = np.where(EXACT_KAPPA > 1e-9, np.cos(X - APART) ** 2, 0.5)
    exact = [s * along + (1 - s) * across for s in (cos_square, 1 - cos_square)]
    assert_allclose(found, np.stack(exact, axis=-1), atol=1e-6)
    assert found.min() >= 0


def test_the_gradient_of_the_log_density_is_what_angles_are_off_by():
    found = gradient(lambda m: VonMises(m).log_prob(to_tensor(X)), NATURAL)
    x = X.astype("float64")
    unit = NATURAL / np.maximum(EXACT_KAPPA, 1e-30)[..., None]
    exact = np.stack([np.cos(x), np.sin(x)], axis=-1) - RESULTANT[..., None] * unit
    assert_allclose(found, exact, atol=2e-6)


def test_the_gradient_of_the_mean_vector_is_its_covariance():
    """At 0, too, and finite where all is known."""
    found = gradient(lambda m: VonMises(m).mean_vector()[..., 0], NATURAL)
    variance = to_numpy(VonMises(to_tensor(NATURAL)).variances())[..., 0]
    assert_allclose(found[..., 0], variance, atol=3e-6)
    assert np.isfinite(found).all()


def test_the_mean_is_the_direction_and_so_is_the_mode():
    distribution = VonMises(to_tensor(NATURAL))
    expected = np.where(KAPPA > 0, DIRECTION, 0)  # of 0 and of -0
    for found in (distribution.mean(), distribution.mode()):
        assert_allclose(to_numpy(found), expected, atol=1e-6)


NUM_CELLS, NUM_DRAWS = 50, 100_000


@pytest.mark.slow_to_compile
@pytest.mark.parametrize("kappa", everywhere({str(k): k for k in (0.0, 0.5, 5.0, 1e4)}, "5.0"))
def test_draws_follow_the_density(kappa, seed):
    """Chi-squared in cells that are equally likely, on both sides of where the circle is cut."""
    direction = 3.0
    natural = np.broadcast_to(
        [kappa * np.cos(direction), kappa * np.sin(direction)], (NUM_DRAWS, 2)
    )
    draws = to_numpy(VonMises(to_tensor(natural)).sample(seed))
    assert draws.shape == (NUM_DRAWS,)
    assert np.abs(draws).max() <= np.float32(np.pi)
    mass = stats.vonmises(kappa).cdf(np.angle(np.exp(1j * (draws - direction))))
    cells = np.clip(np.floor(NUM_CELLS * mass), 0, NUM_CELLS - 1)
    assert_draws_follow(np.full(NUM_CELLS, 1 / NUM_CELLS), cells)


@pytest.mark.once
def test_a_draw_is_the_quantile_of_one_uniform_number():
    kappa = np.array([0.0, 0.5, 3.0, 10.0, 40.0])
    share = np.linspace(0, 1 - 2**-23, 2001)
    natural = np.broadcast_to(np.stack([kappa, 0 * kappa], -1), (2001, 5, 2))
    given = Noise({"uniform_0": to_tensor(np.repeat(share[:, None], 5, axis=1))})
    draws = to_numpy(VonMises(to_tensor(natural)).sample(given))
    # The midpoint rule in 200,000 steps.
    middle = (np.arange(200_000) + 0.5) / 200_000 * 2 * np.pi - np.pi
    for k, x in zip(kappa, draws.T, strict=True):
        mass = np.exp(exact_log_prob(k, middle))
        cumulative = np.append(0, np.cumsum(mass)) / mass.sum()
        edges = np.linspace(-np.pi, np.pi, 200_001)
        assert_allclose(np.interp(x, edges, cumulative), share, atol=2e-5)


def test_tempered_is_the_power_of_the_density():
    x = np.float32(np.linspace(-3, 3, 101))
    natural = to_tensor(np.broadcast_to([1.5, -2.0], (101, 2)))
    log_prob = to_numpy(VonMises(natural).log_prob(x))
    tempered = to_numpy(VonMises(natural).tempered(0.5).log_prob(x))
    assert_allclose(np.diff(tempered - 2 * log_prob), 0, atol=1e-5)
    assert tempered.max() > log_prob.max()
