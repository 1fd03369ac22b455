"""Series are forecast in units of their own, from what came before, and what is known ahead."""

import keras
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats

from keras_bfn import recipes, series

STAYS, CONTEXT, HORIZON = 0.7, 24, 4


def train(model, windows, steps, peak_rate=3e-3):
    model.compile(recipes.adamw(steps, peak_rate))
    epochs = -(-steps * 100 // len(windows[0]))
    model.fit(windows, batch_size=100, epochs=epochs, verbose=0)
    return model


def autoregressive(num, length, seed):
    """Series around means of their own, each in a unit of its own."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(num, length))
    x[:, 0] /= np.sqrt(1 - STAYS**2)
    for i in range(1, length):
        x[:, i] += STAYS * x[:, i - 1]
    return x, 10.0 ** rng.uniform(-2, 3, (num, 1)), rng.normal(0, 10, (num, 1))


def exact_forecast(past, horizon):
    """Of an autoregressive process with unknown mean, which generalised least squares estimate."""
    steps = np.arange(past.shape[1])
    covariance = STAYS ** np.abs(steps[:, None] - steps) / (1 - STAYS**2)
    weights = np.linalg.solve(covariance, np.ones(len(steps)))
    mean = past @ weights / weights.sum()
    share = STAYS ** np.arange(1, horizon + 1)
    found = mean[:, None] + share * (past[:, -1] - mean)[:, None]
    variance = (1 - share**2) / (1 - STAYS**2) + (1 - share) ** 2 / weights.sum()
    return stats.norm(found, np.sqrt(variance))


@pytest.fixture(scope="module")
def autoregression():
    keras.utils.set_random_seed(0)
    x, unit, shift = autoregressive(200, 100, seed=0)
    known, sizes = unit * (x + shift), {"width": 64, "num_blocks": 2, "dropout": 0.0}
    model = series.make_model(known, HORIZON, CONTEXT, **sizes, seed=0)
    return train(model, model.windows(known, 20_000, seed=0), steps=500)


@pytest.mark.slow
@pytest.mark.once("jax")
def test_quantiles_are_those_of_a_process_in_any_units_and_beyond_the_horizon(autoregression):
    x, unit, shift = autoregressive(150, CONTEXT, seed=1)
    levels, horizon = [0.1, 0.5, 0.9], 2 * HORIZON
    found = autoregression.quantiles(unit * (x + shift), levels, 99, horizon=horizon, seed=0)
    assert found.shape == (150, 3, horizon)
    found = found / unit[..., None] - shift[..., None]
    exact = exact_forecast(x, horizon)
    mass = [exact.cdf(found[:, i]).mean(axis=0) for i in range(3)]
    assert_allclose(mass, np.repeat([levels], horizon, axis=0).T, atol=0.07)
    error = (found[:, 1] - exact.mean()) / exact.std()
    assert np.sqrt(np.square(error).mean()) < 0.35


@pytest.mark.slow
@pytest.mark.once("jax")
def test_a_value_that_is_missing_early_changes_a_forecast_little(autoregression):
    x, *_ = autoregressive(150, CONTEXT, seed=3)
    gone = x.copy()
    gone[:, 2:20:5] = np.nan
    one, other = (autoregression.quantiles(past, [0.5], 99, seed=0) for past in (x, gone))
    assert 0 < np.abs(one - other).mean() < 0.25


def sales(num, seed):
    """Series that a covariate raises or lowers, by the sign of a static one."""
    rng = np.random.default_rng(seed)
    promoted = [rng.integers(0, 2, rng.integers(20, 60)) for _ in range(num)]
    sign = rng.choice([-1.0, 1.0], num)
    size = 10.0 ** rng.uniform(0, 3, num)
    sold = [
        s * (10 + t * p + 0.1 * rng.normal(size=len(p)))
        for s, t, p in zip(size, sign, promoted, strict=True)
    ]
    return sold, promoted, sign, size


@pytest.mark.slow
@pytest.mark.once("tensorflow")
def test_a_forecast_follows_covariates_that_are_known_ahead():
    keras.utils.set_random_seed(0)
    sold, promoted, sign, _ = sales(100, seed=0)
    sizes = {"width": 64, "num_blocks": 2, "dropout": 0.0}
    model = series.make_model(sold, 4, 8, 1, False, promoted, sign, **sizes, seed=0)
    train(model, model.windows(sold, 10_000, promoted, sign, seed=0), steps=400)
    sold, promoted, sign, size = sales(30, seed=1)
    known = {"covariates": promoted, "static": sign, "seed": 0}
    found = model.quantiles([x[:-6] for x in sold], [0.5], horizon=6, **known)[:, 0]
    expected = [s * (10 + t * p[-6:]) for s, t, p in zip(size, sign, promoted, strict=True)]
    assert np.abs(found / size[:, None] - expected / size[:, None]).mean() < 0.2


@pytest.mark.once
def test_covariates_have_units_of_their_own_and_may_be_unknown(tmp_path):
    sold, promoted, sign, _ = sales(5, seed=0)
    prices = [np.stack([1000 + x, x / 7], axis=1) for x in promoted]
    model = series.make_model(sold, 4, 8, covariates=prices, static=sign, width=8, num_blocks=1)
    past = [x[:-4] for x in sold]
    found, *_ = model.encode_history(past, prices, sign)
    assert np.abs(found).max() < 12
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert_array_equal(loaded.encode_history(past, prices, sign)[0], found)
    average = np.nanmean(np.concatenate(prices), axis=0)
    unknown = [np.where(np.arange(len(x))[:, None] < 10, np.nan, x) for x in prices]
    filled = [np.where(np.isnan(x), average, x) for x in unknown]
    one, other = (model.encode_history(past, x, sign)[0] for x in (unknown, filled))
    assert_allclose(one, other, atol=1e-3)


@pytest.mark.once
@pytest.mark.parametrize("constant", [2.5, 0.1, 19.99, np.float32(0.1), -1.7e9])
def test_what_never_varies_beside_a_series_changes_nothing(constant):
    sold, promoted, sign, _ = sales(7, seed=0)
    prices = [np.stack([x, np.full(len(x), constant)], axis=1) for x in promoted]
    same = np.stack([sign, np.full(len(sign), constant)], axis=1)
    model = series.make_model(sold, 4, 8, covariates=prices, static=same, width=8, num_blocks=1)
    ahead = [np.pad(x, ((0, 4), (0, 0)), mode="edge") for x in prices]
    condition = model.encode_history(sold, ahead, same)[0]
    plain = series.make_model(sold, 4, 8, covariates=promoted, static=sign, width=8, num_blocks=1)
    expected = plain.encode_history(sold, [x[:, :1] for x in ahead], sign)[0]
    adds = np.abs(condition).sum(axis=1) - np.abs(expected).sum(axis=1)
    assert_allclose(adds, 0, atol=1e-3)


LENGTHS = 30, 57, 41, 80


def months(seed=0):
    """Positive series of many lengths, with a season."""
    rng = np.random.default_rng(seed)
    return [
        size * np.exp(np.sin(np.arange(length) * np.pi / 3) + 0.1 * rng.normal(size=length))
        for size, length in zip((1.0, 50.0, 7e5, 0.003), LENGTHS, strict=True)
    ]


def make_monthly(log=True):
    keras.utils.set_random_seed(0)
    model = series.make_model(months(), 8, season=6, log=log, width=16, num_blocks=1, seed=0)
    for weight in model.network.trainable_weights:  # the last are zeros at first
        weight.assign_add(keras.random.normal(weight.shape, stddev=0.1, seed=0))
    return model


@pytest.fixture(scope="module")
def monthly():
    return make_monthly()


@pytest.mark.once
@pytest.mark.parametrize("log", [True, False])
def test_a_series_times_1000_has_forecasts_times_1000(log):
    model = make_monthly(log)
    paths, larger = (model.sample_paths([f * x for x in months()], 5, seed=0) for f in (1, 1000))
    assert paths.shape == (4, 5, 8)
    assert paths.dtype == "float64"
    assert_allclose(larger, 1000 * paths, rtol=1e-3)


@pytest.mark.slow_to_compile
def test_a_saved_model_forecasts_the_same(monthly, tmp_path):
    monthly.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    expected = monthly.sample_paths(months(), 5, 20, seed=0)
    assert_array_equal(loaded.sample_paths(months(), 5, 20, seed=0), expected)


@pytest.mark.once
def test_a_forecast_depends_on_the_last_steps_of_its_series_alone(monthly):
    found = monthly.encode_history(months())
    for i, x in enumerate(months()):
        for part, alone in zip(found, monthly.encode_history([x[-monthly.context :]]), strict=True):
            assert_array_equal(part[i : i + 1], alone)


@pytest.mark.once
def test_a_shorter_horizon_is_the_start_of_a_longer_one(monthly):
    long = monthly.sample_paths(months(), 3, 30, seed=0)
    for horizon in (1, 8, 16):
        assert_array_equal(monthly.sample_paths(months(), 3, horizon, seed=0), long[..., :horizon])


@pytest.mark.once
def test_windows_are_pieces_of_one_series_and_only_their_past_scales_them(monthly):
    piece = months()[1][:20]  # 12 steps, and the horizon: there is but one window
    x, condition = monthly.windows([piece], 3, seed=0)
    assert x.shape == (3, 8)
    seen, last_season, unit = monthly.encode_history([piece[:12]])
    assert_array_equal(condition, np.repeat(seen, 3, axis=0))
    assert_allclose(np.exp(last_season + unit * x[:1])[0], piece[12:], rtol=1e-5)
    later = np.concatenate([piece[:12], 3 * piece[12:]])
    assert_array_equal(monthly.windows([later], 3, seed=0)[1], condition)


@pytest.mark.once
def test_windows_begin_anywhere_and_never_cross_series(monthly):
    counted = [np.exp(np.arange(20)), np.exp(100 + np.arange(30))]
    x, condition = monthly.windows(counted, 300, seed=0)
    # Each step is 6 more than a season before: one unit, or two in the second season.
    assert_allclose(x, np.repeat([[1.0] * 6 + [2.0] * 2], 300, axis=0), rtol=1e-4)
    seen = condition[:, -1] * monthly.context
    assert set(np.round(seen)) == set(range(12, 19))
    again, _ = monthly.windows(counted, 300, seed=0)
    assert_array_equal(again, x)


@pytest.mark.once
def test_the_last_season_stands_in_for_what_is_missing(monthly):
    season = np.array([1.0, 2.0, 5.0, 4.0, 3.0, 2.0])
    whole = np.tile(season, 3)
    gone = whole.copy()
    gone[[0, 7, 12, 15, 17]] = np.nan
    for past in (whole, gone, np.where(np.arange(18) < 13, gone, np.nan)):
        condition, last_season, _ = monthly.encode_history([past])
        assert_allclose(np.exp(last_season[0]), np.tile(season, 2)[:8])
        assert np.isfinite(condition).all()


@pytest.mark.once
def test_missing_values_are_not_learnt(monthly):
    rng = np.random.default_rng(0)
    holes = [np.where(rng.uniform(size=len(x)) < 0.3, np.nan, x) for x in months()]
    holes.append(np.full(40, np.nan))
    windows = monthly.windows(holes, 200, seed=0)
    assert 100 < len(windows[0]) < 200  # without those of the series of NaN
    assert 0.2 < np.isnan(windows[0]).mean() < 0.4
    assert np.isfinite(windows[1]).all()
    monthly.compile()
    assert np.isfinite(monthly.evaluate(windows, verbose=0)).all()
    model = series.make_model(holes, 8, season=6, log=True, width=8, num_blocks=1, seed=0)
    paths = train(model, windows, steps=4).sample_paths(holes[:4], 3, seed=0)
    assert np.isfinite(paths).all()


@pytest.mark.once
def test_quantiles_are_those_of_the_paths(monthly):
    paths = np.sort(monthly.sample_paths(months(), 19, seed=0), axis=1)
    found = monthly.quantiles(months(), np.arange(1, 20) / 20, num_paths=19, seed=0)
    assert_allclose(found, paths)


@pytest.mark.once
@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_a_frame_is_a_list_of_series(monthly, library):
    library = pytest.importorskip(library)
    rows = [(f"T{i}", step, y) for i, x in enumerate(months()) for step, y in enumerate(x)]
    rows = np.random.default_rng(0).permutation(np.array(rows, object))
    order = list(dict.fromkeys(rows[:, 0]))
    columns = {"unique_id": list(rows[:, 0]), "ds": list(rows[:, 1]), "y": list(rows[:, 2])}
    expected = monthly.encode_history([months()[int(name[1:])] for name in order])
    found = monthly.encode_history(library.DataFrame(columns))
    for part, expected_part in zip(found, expected, strict=True):
        assert_array_equal(part, expected_part)


@pytest.mark.once
@pytest.mark.parametrize("every", ["MS", "ME", "QS", "YE", "W", "D", "h"])
def test_frames_of_all_calendars_are_read_and_gaps_are_refused(monthly, every):
    pandas = pytest.importorskip("pandas")
    x = months()[0]
    times = pandas.date_range("2019-02-01", periods=len(x), freq=every, tz="Europe/Berlin")
    frame = pandas.DataFrame({"unique_id": "a", "ds": times, "y": x})
    found, expected = (monthly.encode_history(history) for history in (frame, [x]))
    for part, expected_part in zip(found, expected, strict=True):
        assert_array_equal(part, expected_part)
    with pytest.raises(ValueError, match="'a', whose `ds` are not evenly spaced"):
        monthly.encode_history(frame.drop(index=20))


@pytest.mark.once
def test_a_series_that_does_not_change_stays(monthly):
    for log in (True, False):
        model = series.make_model(months(), 8, season=6, log=log, width=8, num_blocks=1, seed=0)
        paths = model.sample_paths([np.full(30, 700.0)], 20, seed=0)
        assert_allclose(paths, 700.0, rtol=0.03)


@pytest.mark.slow
@pytest.mark.once
def test_a_season_that_repeats_exactly_goes_on():
    keras.utils.set_random_seed(0)
    sold = np.array([[1.0], [50.0]]) * (2 + np.sin(np.arange(66) / 3 * np.pi))
    sizes = {"width": 64, "num_blocks": 1, "dropout": 0.0}
    model = series.make_model(sold, 6, season=6, **sizes, seed=0)
    train(model, model.windows(sold, 10_000, seed=0), steps=100, peak_rate=1e-2)
    error = model.sample_paths(sold[:, :60], 50, seed=0) - sold[:, None, 60:]
    assert (np.abs(error).mean(axis=(1, 2)) < 0.15 * sold.std(axis=1)).all()


@pytest.mark.once
def test_a_level_far_above_the_changes_does_not_change_the_scaled_numbers():
    x = 5.0 * autoregressive(20, 80, seed=0)[0]
    model = series.make_model(x, HORIZON, CONTEXT, width=8, num_blocks=1, seed=0)
    for numbers in (x, np.round(5 * x)):
        here, seen = model.windows(numbers, 200, seed=0)
        for level in (101325.0, 1e9):
            there, also_seen = model.windows(numbers + level, 200, seed=0)
            assert_allclose(there, here, atol=1e-3)
            rest = np.arange(seen.shape[1]) != CONTEXT  # which is the unit relative to the numbers
            assert_allclose(also_seen[:, rest], seen[:, rest], atol=1e-3)
    history = [np.float32(101325.0) + np.float32([0.0, 0.0, 0.0078125] * 9)]  # rounding alone
    assert model.encode_history(history)[2] == pytest.approx(101.325, rel=1e-3)


@pytest.mark.once
def test_rare_jumps_after_a_constant_past_do_not_set_the_scale():
    sold = np.zeros((20, 100))
    sold[:, ::15] = 1e6
    flow = series.make_model(sold, 4, 8, width=8, num_blocks=1, seed=0).flow
    assert flow.scale == 4 * 8.0


def intermittent(num, length, seed, unit=1):
    """Sales of which three in four are zero, more or less: whole multiples of a unit."""
    rng = np.random.default_rng(seed)
    busy = rng.uniform(0.15, 0.35, (num, 1))
    return unit * (rng.uniform(size=(num, length)) < busy) * rng.geometric(0.4, (num, length))


@pytest.mark.slow
@pytest.mark.once
@pytest.mark.parametrize("log", [True, False])
@pytest.mark.parametrize("unit", [1, 0.35])
def test_forecasts_have_the_domain_of_the_series(unit, log, capsys, tmp_path):
    sales = intermittent(20, 60, 0, unit)
    model = series.make_model(sales, 6, 24, log=log, width=16, num_blocks=1, seed=0)
    names = ["nonnegative", "zeros"] if unit < 1 else ["nonnegative", "integers", "zeros"]
    assert str(names) in capsys.readouterr().out
    assert model.domain == names
    model.save(tmp_path / "model.keras")
    paths = keras.saving.load_model(tmp_path / "model.keras").sample_paths(sales, 20, 15, seed=0)
    assert (paths >= 0).all()
    assert 0.05 < (paths == 0).mean() < 0.95
    assert (paths == np.round(paths)).all() == (unit == 1)
    least = np.where(sales > 0, sales, np.inf)[:, -24:].min(axis=1)
    near = paths[:, :, :6]  # later steps come after those before them
    assert ((near == 0) | (near >= 0.5 * least[:, None, None])).all()


@pytest.mark.once
def test_a_domain_may_be_switched_off():
    sales = intermittent(20, 60, seed=0)
    model = series.make_model(sales, 6, 24, domain=(), width=16, num_blocks=1, seed=0)
    paths = model.sample_paths(sales, 20, seed=0)
    assert (paths < 0).any()
    assert not (paths == np.round(paths)).any()
    assert series.make_model(sales - 1.5, 6, 24, width=16, num_blocks=1).domain == []


@pytest.mark.once
def test_a_past_of_zeros_alone_has_forecasts():
    sales = intermittent(20, 60, seed=0)
    model = series.make_model(sales, 6, 24, width=16, num_blocks=1, seed=0)
    sales[0, -24:] = 0
    assert np.isfinite(model.sample_paths(sales, 5, seed=0)).all()


@pytest.mark.nightly
@pytest.mark.once("jax")
def test_intermittent_demand_is_forecast_as_often_as_it_comes():
    keras.utils.set_random_seed(0)
    sales = intermittent(300, 130, seed=0)
    known, future = sales[:, :120], sales[:, 120:]
    model = series.make_model(known, 10, 48, seed=0)
    train(model, model.windows(known, 20_000, seed=0), steps=4000)
    paths = model.sample_paths(known, 199, seed=0)
    assert abs((paths == 0).mean() - (future == 0).mean()) < 0.05
    levels = np.arange(0.05, 1, 0.1)
    # Demand is independent: each series' own quantiles are nearly the best forecast.
    assert pinball(model.quantiles(known, levels, seed=0), future, levels) <= 1.05 * pinball(
        np.repeat(np.quantile(known, levels, axis=1).T[:, :, None], 10, axis=2), future, levels
    )


def pinball(found, future, levels):
    error = future[:, None] - found
    levels = np.reshape(levels, (1, -1, 1))
    return np.maximum(levels * error, (levels - 1) * error).mean()


@pytest.mark.once
def test_a_history_outside_the_domain_is_refused():
    sales = intermittent(20, 60, seed=0)
    model = series.make_model(sales, 6, 24, width=16, num_blocks=1)
    with pytest.raises(ValueError, match=r"`history` must be nonnegative, as"):
        model.sample_paths(sales - 1)
    with pytest.raises(ValueError, match=r"`history` must be integers, as"):
        model.sample_paths(0.1 * sales)
