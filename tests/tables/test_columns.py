"""Columns: what is encoded comes back, and what cannot be sent is refused."""

import keras
import numpy as np
import pytest

from keras_bfn.tables import Angle, Category, Column, Levels, Number

pytestmark = pytest.mark.once

RNG = np.random.default_rng(0)
WIDE = RNG.lognormal(3, 2, 400).tolist()
COLUMNS = {
    "strings": (Category(), ["b", None, "a", "b"]),
    "bools": (Category(), [True, False, None]),
    "values of one's own": (Category(["c", "b", "a"]), ["b", None, "a"]),
    "one value": (Category(), ["a", None, "a"]),
    "no value": (Category(), [None, None]),
    "levels": (Levels(), [3, None, 40, 17]),
    "levels of one's own": (Levels(0, 100), [3, None, 40, 17]),
    "one level": (Levels(), [3, 3]),
    "large levels": (Levels(), [2**63 + i for i in range(20)]),
    "numbers": (Number(), [*WIDE, None]),
    "numbers of one value": (Number(), [2.5, 2.5, None]),
    "one number": (Number(), [None, 7]),
    "numbers by their mean": (Number("mean"), [*RNG.normal(size=50).tolist(), None]),
    "integers": (Number(), [*range(0, 900, 7), None, 10**5]),
    "large integers": (Number(), [10**18 + 1000 * i for i in range(50)]),
    "degrees": (Angle(360), [10, 350, None, 0, 90]),
    "degrees, none of them 0": (Angle(360), [10, 350, None, 90]),
    "angles below zero": (Angle(2.0, -1.0), [*RNG.uniform(-1, 1, 50).tolist(), None]),
    "prices": (Number(), [0.0] * 40 + np.round(WIDE[:60], 2).tolist()),
}


@pytest.mark.parametrize(("column", "cells"), COLUMNS.values(), ids=COLUMNS)
def test_cells_come_back_from_what_they_are_sent_as(column, cells):
    fitted = column.fit(cells)
    flow, x = fitted.flow(), fitted.encode(cells)
    assert x.shape == (len(cells),)
    there = np.array([cell is not None for cell in cells])
    np.testing.assert_array_equal(x[~there], x.dtype.type(-1 if flow.discrete else np.nan))
    if there.any():
        flow.check_data(x[there])
    found = fitted.decode(x)
    assert [cell is None for cell in found] == [cell is None for cell in cells]
    if isinstance(cells[0], float):
        pairs = ((a, b) for a, b in zip(found, cells, strict=True) if b is not None)
        np.testing.assert_allclose(*zip(*pairs, strict=True), rtol=1e-4)
    else:
        assert found == cells
        assert list(map(type, found)) == list(map(type, cells))


@pytest.mark.parametrize(("column", "cells"), COLUMNS.values(), ids=COLUMNS)
def test_a_column_is_told_by_its_config(column, cells):
    fitted = column.fit(cells)
    made = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(fitted))
    assert made == fitted
    assert made.decode(made.encode(cells)) == fitted.decode(fitted.encode(cells))


def test_scores_of_numbers_are_normal_whatever_their_distribution():
    scores = 4 * Number().fit(WIDE).encode(WIDE)
    assert abs(scores.mean()) < 0.01
    assert scores.std() == pytest.approx(1, abs=0.02)
    assert np.mean(np.abs(scores) < 1) == pytest.approx(0.683, abs=0.01)


def test_numbers_may_be_scaled_by_mean_and_deviation():
    even = RNG.uniform(5, 6, 100)
    scores = 4 * Number("mean").fit(even.tolist()).encode(even.tolist())
    np.testing.assert_allclose(scores, (even - even.mean()) / even.std(), atol=1e-5)


def test_a_spike_is_an_interval_of_scores():
    cells = [0.0] * 300 + RNG.uniform(1, 2, 700).tolist()
    column = Number().fit(cells)
    scores = 4 * column.encode(cells, np.random.default_rng(0))
    assert scores[:300].max() < -0.524 < scores[300:].min()  # the quantile of 0.3
    assert scores.mean() == pytest.approx(0, abs=0.05)  # by chance, of 300 draws
    assert scores.std() == pytest.approx(1, abs=0.05)
    assert column.decode(scores[:300] / 4) == cells[:300]
    normal = np.random.default_rng(1).normal(size=20_000) / 4
    assert np.mean(np.array(column.decode(normal)) == 0) == pytest.approx(0.3, abs=0.01)


def test_numbers_come_back_on_their_grid_and_within_what_was_seen():
    normal = np.random.default_rng(1).normal(size=2000)
    days = Number().fit([86400 * day + 5 for day in range(100)])
    assert {value % 86400 for value in days.decode(normal)} == {5}
    assert (min(days.decode(normal)), max(days.decode(normal))) == (5, 86400 * 99 + 5)
    prices = Number("quantiles").fit([0.25, 1.5, 2.75, 99.99])
    assert all(value == round(value, 2) for value in prices.decode(normal))
    again = (RNG.normal(size=20) / 3).tolist()
    assert set(Number().fit(2 * again).decode(normal)) == set(again)
    assert len(set(Number().fit(again).decode(normal))) > 100


def test_numbers_beyond_those_seen_are_farther_out():
    column = Number().fit(RNG.normal(size=200).tolist())
    x = column.encode([-1e9, -3.1, 0.0, 3.1, 3.2, 1e9])
    assert (np.diff(x) > 0).all()
    assert (x[0], x[-1]) == (-1, 1)


def test_priors_are_those_of_what_was_seen():
    flow = Category().fit(["a", "b", "b", "b", None]).flow()
    np.testing.assert_allclose(flow.prior, np.array([1.5, 3.5]) / 5)
    mean, std = Levels(0, 99).fit(list(range(100))).flow().prior
    assert mean == pytest.approx(0, abs=1e-6)
    assert std == pytest.approx(3**-0.5, rel=1e-3)


REFUSED = {
    "an unseen category": (lambda: Category().fit(["a", "b"]).encode(["c"]), r"\['a', 'b'\].*'c'"),
    "a category of others": (lambda: Category(["a"]).fit(["b"]), r"one of \['a'\].*'b'"),
    "a level below": (lambda: Levels(0, 9).fit([3]).encode([-1]), "from 0 to 9. Received: -1"),
    "half a level": (lambda: Levels(0, 9).fit([3]).encode([0.5]), "from 0 to 9. Received: 0.5"),
    "half levels": (lambda: Levels().fit([0.5, 1.5]), "an integer. Received: 0.5"),
    "levels upside down": (lambda: Levels(9, 0), "`low` must be less"),
    "a string": (lambda: Number().fit([1.0, "a"]), "a finite number. Received: 'a'"),
    "infinity": (lambda: Number().fit([1.0]).encode([np.inf]), "a finite number. Received: inf"),
    "scaling": (lambda: Number("range"), "`scaling` must be one of"),
}


@pytest.mark.parametrize(("refused", "told"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_sent_is_refused(refused, told):
    with pytest.raises(ValueError, match=told):
        refused()


def test_a_column_of_ones_own_says_what_is_asked_of_it():
    for verb in (Column().fit, Column().encode, Column().decode):
        with pytest.raises(NotImplementedError):
            verb([])
    with pytest.raises(NotImplementedError):
        Column().flow()


def test_a_number_comes_back_by_where_it_stands_in_its_cycles():
    cells = [int(x) for x in RNG.integers(10**18, 10**18 + 10**9, 200)]
    column = Number(cycles=[1000, 40_000]).fit([*cells, None])
    angles = column.encode_cycles([*cells, None])
    assert angles.shape == (201, 2)
    assert np.isnan(angles[-1]).all()
    assert column.decode(column.encode([*cells, None]), angles) == [*cells, None]
    # A score that is off by less than half of the longest cycle does not matter.
    off = column.encode(cells) + 1e-6 * RNG.uniform(-1, 1, 200).astype("float32")
    assert column.decode(off) != cells
    assert column.decode(off, angles[:-1]) == cells


def test_an_angle_is_near_to_what_is_near_to_it_on_the_circle():
    column = Angle(24).fit([0, 6, 12, 18, 23])
    first, last = column.encode([0, 23])
    assert abs(np.angle(np.exp(1j * (last - first)))) == pytest.approx(2 * np.pi / 24, abs=1e-5)
    assert column.decode(np.array([last + 0.51 * (2 * np.pi / 24) - 2 * np.pi])) == [0]


@pytest.mark.parametrize("kind", [Number, Levels])
def test_integers_beyond_floats_are_refused(kind):
    with pytest.raises(ValueError, match=r"must contain an? .* Received: 1000"):
        kind().fit([10**400, 1])
