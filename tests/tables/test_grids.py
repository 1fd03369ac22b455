"""The grid of a column is that of all its numbers, and samples return to it."""

import numpy as np
import pytest

from keras_bfn.tables import Angle, Number
from keras_bfn.tables.grids import find_grid, to_grid

pytestmark = pytest.mark.once

RNG = np.random.default_rng(0)
MANY = RNG.integers(0, 5000, 3000)
PRICES = [4.99, 9.99, 14.99, 19.99, 24.99, 29.0, 49.0, 79.5, 99.0, 149.0, 199.95, 499.0]
GRIDS = {
    "halves": (MANY / 2, 0.5),
    "twentieths": (MANY * 5 / 100, 0.05),
    "prices that end in .99": (MANY + 0.99, 1.0),
    "thirds of a thousand": (MANY * 0.333, 0.333),
    "hundreds": (100.0 * MANY - 50.0, 100.0),
    "hundredths": (MANY / 100, 0.01),
    "few prices": (RNG.choice(PRICES, 3000), sorted(PRICES)),
    "few integers": (RNG.choice([1, 5, 20, 100, 500], 3000), [1, 5, 20, 100, 500]),
    "sevens": (7 * MANY + 3, 7),
}


@pytest.mark.parametrize("name", GRIDS)
def test_samples_are_on_the_grid_of_the_numbers(name):
    cells, step = GRIDS[name]
    cells = np.round(cells, 3).tolist()
    column = Number().fit(cells)
    assert column.step == pytest.approx(step)
    found = column.decode(RNG.normal(size=500) / 4)
    assert len({*found}) > min(300, 0.5 * len({*cells}))
    assert {type(cell) for cell in found} == {type(cell) for cell in cells}
    if isinstance(step, list):
        assert {*found} <= {*cells}
        return
    every = np.round((max(cells) - min(cells)) / step)
    grid = {round(min(cells) + step * i, 3) for i in range(int(every) + 1)}
    assert {*found} <= grid
    assert len({*found} - {*cells}) > 10  # gaps in the grid are no gaps in the law
    assert column.decode(column.encode(cells[:200])) == pytest.approx(cells[:200], abs=100 * step)


def test_the_grid_of_an_angle_contains_its_start():
    assert Angle(24, 0).fit([9, 17, 9, 17]).step == 1
    assert Angle(360.0, 0.0).fit((22.5 * RNG.integers(0, 16, 50)).tolist()).step == 22.5


def test_an_angle_whose_start_has_many_digits_has_a_grid():
    cells = np.round(RNG.uniform(-3.14, 3.14, 200), 2)
    column = Angle(2 * np.pi, -np.pi).fit(cells.tolist())
    assert column.step == pytest.approx(0.01)
    found = np.array(column.decode(RNG.uniform(-np.pi, np.pi, 100)))
    np.testing.assert_allclose(found, np.round(found, 2), atol=1e-12)
    assert np.abs(found).max() <= np.pi


def test_a_missing_number_has_no_place_on_a_grid():
    x = np.array([0.3, np.nan])
    for step in (1, 0.5, [0.0, 1.0], None):
        assert to_grid(x, 0, step)[1] is None


def test_large_integers_are_exact():
    start = 2**60 + 3
    cells = [start, start + 10**15, start + 3 * 10**15]
    step, offset = find_grid(cells)
    assert (step, offset) == (10**15, start)
    assert to_grid(np.array([0.0, 1e15, 3e15]), start, step, offset) == cells
