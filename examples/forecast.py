"""Forecasts hourly temperatures from the previous day.

    KERAS_BACKEND=jax python examples/forecast.py
    KERAS_BACKEND=jax python examples/forecast.py --series hourly.npy --days 7

`--series` is a numpy array of shape `(hours,)` or `(hours, channels)`. By default, the
script simulates ten years: 15 degrees on average, with a daily cycle of amplitude 8
that peaks in the afternoon, and autoregressive noise with coefficient 0.9. Because this
process has a known exact forecast, the script prints how much of the forecast's mass
lies in the 90% bands.

The model learns windows of two days that start at midnight. A forecast is a completion:
the first day is known, the second is unknown, and many completions give its
distribution. Further days follow window by window, each given the day before. (For many
series of different lengths and sizes, see `keras_bfn.series`.)
"""

import argparse
import pathlib

from arguments import positive


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--series", help=".npy file; default: a simulated series")
    parser.add_argument("--epochs", type=positive, default=20)
    parser.add_argument("--forecasts", type=positive, default=6)
    parser.add_argument("--days", type=positive, default=1, help="days per forecast")
    parser.add_argument(
        "--draws", type=positive, default=128, help="completions per forecast"
    )
    parser.add_argument("--particles", type=positive, default=4)
    parser.add_argument("--sampler-steps", type=positive, default=100)
    parser.add_argument("--output", type=pathlib.Path, default="forecast")
    return parser.parse_args()


if __name__ == "__main__":  # before the imports, which take seconds
    ARGS = parse_arguments()
    print(
        "Trains on hourly temperatures, and forecasts held-out days: several minutes on one "
        "CPU core.",
        flush=True,
    )

import time

import keras
import numpy as np
from progress import Progress

import keras_bfn
from keras_bfn import flows, networks, visualization
from keras_bfn.recipes import adamw

DAY = 24
DAYS_MADE = 3650
MEAN, SWING = 15.0, 8.0
STAYS, NOISE = (
    0.9,
    1.0,
)  # autoregressive coefficient; deviation of the innovations, in degrees
BATCH_SIZE = 64
BAND = 0.9


def season(hours):
    return MEAN + SWING * np.cos(2 * np.pi * (hours - 15) / DAY)


def make_series(days, rng):
    noise = NOISE * rng.standard_normal(DAY * days)
    noise[0] /= np.sqrt(1 - STAYS**2)
    for hour in range(1, len(noise)):
        noise[hour] += STAYS * noise[hour - 1]
    return season(np.arange(len(noise))) + noise


def exact_forecast(known, horizon):
    """Returns the exact means and standard deviations of the hours after `known`, `(num, 24)`."""
    steps = np.arange(1, horizon + 1)
    last = known[:, -1:] - season(DAY - 1)
    std = NOISE * np.sqrt((1 - STAYS ** (2 * steps)) / (1 - STAYS**2))
    return season(DAY - 1 + steps) + STAYS**steps * last, std


def exact_nats(windows):
    """Returns each window's exact cost in nats: -log of its density, in degrees."""
    deviations = windows - season(np.arange(windows.shape[1]))
    first = deviations[:, 0] * np.sqrt(1 - STAYS**2)
    came = np.column_stack([first, deviations[:, 1:] - STAYS * deviations[:, :-1]])
    nats = 0.5 * np.square(came / NOISE) + np.log(NOISE) + 0.5 * np.log(2 * np.pi)
    return nats.sum(axis=1) - 0.5 * np.log(1 - STAYS**2)


def normal_cdf(z):
    return 0.5 * keras.ops.convert_to_numpy(
        keras.ops.erfc(-np.asarray(z, "float32") / 2**0.5)
    )


def cut(series, num_days):
    """Returns windows of `num_days`, `(num, hours, channels)`, one from each midnight."""
    series = np.asarray(series, "float32").reshape(len(series), -1)
    days = series[: len(series) // DAY * DAY].reshape(-1, DAY, series.shape[1])
    num = max(0, len(days) - num_days + 1)
    return np.concatenate([days[i : i + num] for i in range(num_days)], axis=1)


def train(windows, epochs):
    flow = flows.ContinuousFlow(sigma_1=0.02)
    flow = flows.fit_scaling(flow, windows, per="channel", margin=0.25)
    network = networks.UNet(flow, windows.shape[1:], width=16, num_blocks=1)
    model = keras_bfn.BayesianFlowNetwork(flow, network, seed=0)
    model.compile(adamw(epochs * -(-len(windows) // BATCH_SIZE), peak_rate=3e-3))
    with Progress("Training") as progress:
        model.fit(
            windows,
            batch_size=BATCH_SIZE,
            epochs=epochs,
            callbacks=[progress],
            verbose=0,
        )
    return model


def forecast(model, past, num_days, seed, **options):
    """Returns the days after `past`, each a completion of a window that begins with the day before.

    Args:
        model: the model of windows of two days.
        past: one day, `(num, 24, channels)`.
        num_days, seed: ints.
        **options: of `inpaint`.
    """
    days = [past]
    for day in range(num_days):
        window = np.concatenate([days[-1], np.full_like(past, np.nan)], axis=1)
        days.append(model.inpaint(window, seed=seed + day, **options)[:, DAY:])
    return np.concatenate(days[1:], axis=1)


def main(args):
    args.output.mkdir(parents=True, exist_ok=True)
    start = time.process_time()
    keras.utils.set_random_seed(0)

    is_made = args.series is None
    rng = np.random.default_rng(0)
    series = make_series(DAYS_MADE, rng) if is_made else np.load(args.series)
    windows, num_days = cut(series, 2), 1 + args.days
    num_held_out = max(1, len(windows) // 10)
    num_train = (
        len(windows) - num_held_out - args.days
    )  # no day of a forecast is trained on
    if num_train < 1:
        raise SystemExit(
            "--series: must have at least four days, and more than are forecast"
        )
    held_out = windows[-num_held_out:]
    model = train(windows[:num_train], args.epochs)

    with model.averaged_weights():
        model.save(args.output / "model.keras")
        nats = model.evaluate(held_out, return_dict=True, verbose=0)["nats_per_example"]
        print(f"nats for two days, model              {nats:.2f}")
        if is_made:
            exact = exact_nats(held_out[..., 0]).mean()
            print(f"nats for two days, true process       {exact:.2f}")

        longer = cut(series, num_days)[-num_held_out:]
        chosen = longer[:: max(1, len(longer) // args.forecasts)][: args.forecasts]
        past, came = chosen[:, :DAY], chosen[:, DAY:]
        with Progress("Forecasting"):
            drawn = forecast(
                model,
                np.repeat(past, args.draws, axis=0),
                args.days,
                seed=0,
                num_steps=args.sampler_steps,
                num_particles=args.particles,
                batch_size=max(1, 128 // args.particles),
                verbose=0,
            )
    drawn = drawn.reshape(len(chosen), args.draws, *came.shape[1:])
    low, high = np.quantile(drawn, [(1 - BAND) / 2, (1 + BAND) / 2], axis=1)
    share = np.mean((low <= came) & (came <= high))
    print(f"held-out values in the 90% bands      {100 * share:.1f}%")
    if is_made:
        mean, std = exact_forecast(past[..., 0], args.days * DAY)
        mass = normal_cdf((high[..., 0] - mean) / std) - normal_cdf(
            (low[..., 0] - mean) / std
        )
        print(f"true process's mass in the 90% bands  {100 * mass.mean():.1f}%")

    path = args.output / "forecast.png"
    completed = np.concatenate(
        [np.repeat(past[:1], args.draws, axis=0), drawn[0]], axis=1
    )
    known = np.arange(num_days * DAY)[:, None] < DAY
    visualization.plot_forecast(completed, path, known, real=chosen[0])
    print(f"{path}; {time.process_time() - start:.0f} s of processor time")


if __name__ == "__main__":
    main(ARGS)
