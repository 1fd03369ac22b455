"""Numbers become scores by their ranks and come back on their grid; see also `test_columns.py`."""

import statistics

import numpy as np
import pytest

from keras_bfn.tables import Angle, Number

pytestmark = pytest.mark.once

RNG = np.random.default_rng(0)
NORMAL = statistics.NormalDist()


def test_a_score_is_the_normal_quantile_of_the_middle_of_a_numbers_ranks():
    """Each of a hundred numbers stands for a hundredth."""
    cells = list(range(100))
    x = 4.0 * Number().fit(cells).encode(cells)
    expected = [NORMAL.inv_cdf((rank + 0.5) / 100) for rank in range(100)]
    np.testing.assert_allclose(x, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("seen", "step"),
    [
        ([10, 25, 40], 15),
        ([7], 1),
        ([0.5, 1.25], 0.01),
        ([1.0, 300.0], 1.0),
        ((RNG.normal(size=9) / 3).tolist(), None),
    ],
)
def test_the_grid_is_the_coarsest_that_all_numbers_are_on(seen, step):
    found = Number().fit(seen).step
    assert found == (step if step is None else pytest.approx(step))
    assert isinstance(found, int) == isinstance(step, int)


def test_numbers_that_are_seen_twice_on_average_are_the_grid():
    seen = sorted((RNG.normal(size=5) / 3).tolist())
    assert Number().fit(2 * seen).step == seen
    column = Number(step=[0.0, 1.0, 5.0], knots=[[0.0, 5.0], [-2.0, 2.0]])
    scores = np.interp([0.4, 0.6, 2.9, 3.1], [0.0, 5.0], [-2.0, 2.0]) / 4.0
    assert column.decode(scores) == [0.0, 1.0, 1.0, 5.0]  # the nearest


def test_without_draws_an_interval_of_scores_is_told_by_its_median():
    column = Number().fit([0.0] * 50 + RNG.uniform(1, 2, 50).tolist())
    (alone,) = 4.0 * column.encode([0.0])
    assert alone == pytest.approx(NORMAL.inv_cdf(0.25), abs=1e-2)
    drawn = 4.0 * column.encode([0.0] * 1000, np.random.default_rng(0))
    assert np.ptp(drawn) > 1.0
    assert np.median(drawn) == pytest.approx(alone, abs=0.1)


@pytest.mark.parametrize("scaling", ["mean", "quantiles"])
@pytest.mark.parametrize("scale", [1e-27, 1e-15, 1e27])
def test_scores_do_not_depend_on_the_unit(scaling, scale):
    x = np.random.default_rng(0).normal(size=100)
    column, scaled = (Number(scaling).fit((unit * x).tolist()) for unit in (1.0, scale))
    some = np.array([*x, 1.5 * x.max(), 1.5 * x.min()])
    expected, found = column.encode(some.tolist()), scaled.encode((scale * some).tolist())
    np.testing.assert_allclose(found, expected, atol=1e-6)
    np.testing.assert_allclose(np.array(scaled.decode(found)) / scale, column.decode(found))


@pytest.mark.parametrize("scaling", ["mean", "quantiles"])
@pytest.mark.parametrize("value", [0.1, 3, 1e-15])
def test_a_value_that_differs_from_a_constant_is_told(scaling, value):
    column = Number(scaling).fit([value] * 7)
    found = column.encode([value, 2 * value, -value])
    np.testing.assert_allclose(found, [0, 1, -1], atol=1e-6)
    assert column.decode(np.array([0.0, 0.3])) == [value, value]


def test_an_angle_has_the_ends_of_its_period_at_half_a_turn_either_way():
    column = Angle(360, -180).fit([-180, 0, 90, None])
    np.testing.assert_allclose(column.encode([0, 90, -90]), [0, np.pi / 2, -np.pi / 2], atol=1e-6)
    np.testing.assert_allclose(np.abs(column.encode([-180, 180])), np.pi, rtol=1e-6)
    assert column.decode(np.array([np.pi, -np.pi, np.nan])) == [-180, -180, None]


@pytest.mark.parametrize("scaling", ["quantiles", "mean"])
@pytest.mark.parametrize("num", [100, 20_000])
def test_the_smallest_and_the_largest_number_come_back(num, scaling):
    cells = [*RNG.normal(size=num).round(2).tolist(), -9999.0, 1e6]
    column = Number(scaling).fit(cells)
    found = np.array(column.decode(column.encode(cells)))
    np.testing.assert_allclose(found[-2:], [-9999, 1e6], atol=0.5 if scaling == "mean" else 0)
    assert np.abs(column.encode(cells)).max() <= 1


def test_numbers_beside_a_wide_gap_come_back():
    cells = [*range(20), 2**31 - 1]
    column = Number().fit(cells)
    assert column.decode(column.encode(cells)) == cells
    many = [*RNG.integers(0, 100, 2000).tolist(), 2**31 - 1]
    column = Number().fit(many)
    drawn = column.decode(RNG.normal(size=10_000) / 4)
    assert np.mean([99 < cell < 2**31 - 1 for cell in drawn]) < 0.01


@pytest.mark.parametrize("last", [2**63 - 1, 2**60 + 3])
def test_no_number_is_larger_than_the_largest(last):
    cells = [*(2**60 + np.arange(-50, 0) * 10**15).tolist(), last]
    column = Number().fit(cells)
    assert cells[0] <= min(column.decode(np.linspace(-1, 1, 99)))
    assert max(column.decode(np.linspace(-1, 1, 99))) <= last


def test_both_ends_of_a_period_are_angles():
    """In floats, 0.4 - 0.1 is more than 0.3."""
    column = Angle(0.3, 0.1).fit([0.4, 0.1])
    np.testing.assert_allclose(column.encode([0.1]), column.encode([0.4]), atol=1e-6)


LAWS = {
    "Pareto": lambda rng: 1 + rng.pareto(1.5, 3000),
    "lognormal": lambda rng: rng.lognormal(0, 1.5, 3000),
    "Student": lambda rng: rng.standard_t(2, 3000),
    "Weibull": lambda rng: rng.weibull(0.5, 3000),
}


@pytest.mark.parametrize("law", LAWS)
def test_normal_scores_have_the_tails_of_the_numbers(law):
    x = LAWS[law](np.random.default_rng(0))
    drawn = Number().fit(x.tolist()).decode(np.random.default_rng(1).normal(size=100_000) / 4)
    shares = [0.005, 0.01, 0.02, 0.5, 0.98, 0.99, 0.995]
    expected = np.quantile(x, shares)
    np.testing.assert_allclose(np.quantile(drawn, shares), expected, rtol=0.12, atol=0.05)
