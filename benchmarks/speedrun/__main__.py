"""Trains within a budget of processor seconds, and logs the cost of held-out data on the way.

    KERAS_BACKEND=jax python -m benchmarks.speedrun text --data novel.txt --seconds 600
    KERAS_BACKEND=jax python -m benchmarks.speedrun mnist --data ~/tensorflow_datasets --test
    KERAS_BACKEND=jax python -m benchmarks.speedrun digits --set width=384 --set dropout=0.2

The recipe of a track is in `benchmarks/speedrun/tracks.py`; `--set` changes entries of it, for
trials. The learning rate rises over the first 3% of the budget and falls over the last 60% to zero.
The budget counts processor seconds of all threads, including compilation and excluding scoring.
Costs are those of the validation data; with `--test`, the test data are scored at the end. For
texts, also prints the fraction of sampled whole words that occur in the validation text. The log
(`--output`) holds the machine, versions, the state of git, the recipe, the seed and the curve,
which is plotted with those of the logs in `--beside`.
"""

import argparse
import json
import math
import pathlib
import subprocess
import time

import keras
import numpy as np

from benchmarks.report import machine
from benchmarks.speedrun.tracks import TRACKS
from keras_bfn import callbacks, metrics

EPOCH = 25  # steps between settings of the rate and readings of the clock
NUM_COSTS = 12  # during training


class Curve(keras.callbacks.Callback):
    """Scores the model during training, outside of the budget.

    Args:
        budget: the `keras_bfn.callbacks.TimeBudget`, which comes before this callback.
        score: function without arguments that returns a dict of costs.
    """

    def __init__(self, budget, score):
        super().__init__()
        self.budget, self.score, self.points, self.steps = budget, score, [], 0

    def on_epoch_end(self, epoch, logs=None):
        self.steps += EPOCH
        used = self.budget.used
        if (
            self.model.stop_training
            or used > self.budget.seconds * (len(self.points) + 1) / NUM_COSTS
        ):
            start = time.process_time()
            costs = self.score()
            self.points.append({"seconds": round(used, 1), "steps": self.steps, **costs})
            print(json.dumps(self.points[-1]), flush=True)
            self.budget.start += time.process_time() - start


def train(model, batches, seconds, score):
    """Trains a model for these processor seconds.

    Args:
        model: a compiled Keras model.
        batches: generator of batches, without an end.
        seconds: float.
        score: as in `Curve`.

    Returns:
        A list of dicts: the costs, and after how many seconds and steps.
    """
    budget = callbacks.TimeBudget(seconds, clock="processor")
    curve = Curve(budget, score)
    model.fit(
        batches,
        steps_per_epoch=EPOCH,
        epochs=10**6,
        callbacks=[budget, curve],
        shuffle=False,
        verbose=0,
    )
    return curve.points


def costs(track, x, orders, num_repeats, messages=()):
    """Returns mean costs by order, and their standard errors, in the track's unit.

    Those of `messages`, numbers of messages about all variables at once, follow, by two evaluations
    of each example.
    """
    found = {}
    with track.model.averaged_weights():
        for n in messages:
            nats = track.model.code_length(x, n, num_repeats=2, batch_size=128, seed=0, verbose=0)
            total = (nats["transmission"] + nats["reconstruction"]) * track.per_nat
            found[f"{n} messages"] = round(float(total.mean()), 4)
        for order in orders:
            options = {"num_repeats": num_repeats, "seed": 0, "verbose": 0}
            if order != "together":  # other models than `AnyOrderNetwork` know no orders
                options["order"] = order
            if order == "left_to_right":
                options["num_repeats"] = 1  # this cost has no noise
            nats = track.model.code_length(x, batch_size=128, **options)
            total = (nats["transmission"] + nats["reconstruction"]) * track.per_nat
            found[order] = round(float(total.mean()), 4)
            found[f"{order} +-"] = round(float(total.std() / math.sqrt(len(total))), 4)
    return found


def judge_texts(track):
    """Returns texts by the record's order, and the fractions of known words, also in real text."""
    tokenizer = track.model.tokenizer
    reference = tokenizer.decode(track.validation.ravel())
    with track.model.averaged_weights():
        texts = track.model.generate_text(64, order=track.orders[0], seed=0, verbose=0)
    known = metrics.spelling_rate(texts, reference)
    real = metrics.spelling_rate(tokenizer.decode(track.test[:64]), reference)
    return {"texts": texts[:4], "words known": round(known, 4), "of real text": round(real, 4)}


def git_state():
    """Returns the commit, and whether files differ from it, or None outside a clone."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    found = subprocess.run(
        command, capture_output=True, text=True, cwd=pathlib.Path(__file__).parent
    )
    return found.stdout.strip() or None


def draw_curves(log, beside, path):
    """Plots the curve of a log with those of others."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import NullFormatter, ScalarFormatter

    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    for name, other in [*beside, ("this run", log)]:
        for order in other["orders"]:
            points = [(p["seconds"], p[order]) for p in other["curve"] if order in p]
            if points:
                label = f"{name}, {order.replace('_', ' ')}"
                axes.plot(*zip(*points, strict=True), marker=".", label=label)
    axes.set(xlabel="processor seconds", ylabel=log["unit"], xscale="log", title=log["track"])
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.legend()
    figure.savefig(path)


def main(args=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("track", choices=TRACKS)
    parser.add_argument("--data", help="text file, or TensorFlow Datasets directory")
    parser.add_argument("--seconds", type=float, default=600.0, help="processor seconds")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--set", action="append", default=[], metavar="NAME=JSON", dest="changes")
    parser.add_argument("--test", action="store_true", help="score the test data at the end")
    parser.add_argument(
        "--messages", type=int, nargs="+", default=[], help="as in 10 25, for --test"
    )
    parser.add_argument("--output", type=pathlib.Path, help="log; adds .png and .keras files")
    parser.add_argument("--beside", type=pathlib.Path, nargs="*", default=[], help="logs to plot")
    args = parser.parse_args(args)
    make, recipe = TRACKS[args.track]
    if args.data is None and args.track == "text":
        parser.error("text needs --data, a text file")
    changes = dict(change.split("=", 1) for change in args.changes)
    if not set(changes) <= set(recipe):
        parser.error(f"--set must name some of {list(recipe)}")
    recipe = recipe | {name: json.loads(value) for name, value in changes.items()}

    keras.utils.set_random_seed(args.seed)
    keras.config.set_dtype_policy(recipe["policy"])
    git = git_state()  # which may change while the run lasts
    track, rng = make(recipe, args.data, args.seed), np.random.default_rng(args.seed)
    track.model.compile(track.optimizer, loss=recipe["loss"])

    def batches():
        while True:
            yield track.draw(rng)

    def score():
        return costs(track, track.validation, track.orders[:2], 2)

    points = train(track.model, batches(), args.seconds, score)
    if args.output:  # before it is scored, which may take longer
        with track.model.averaged_weights():
            track.model.save(args.output.with_suffix(".keras"))
    log = {
        "track": args.track,
        "unit": track.unit,
        "orders": track.orders,
        "machine": machine(),
        "git": git,
        "seed": args.seed,
        "recipe": recipe,
        "weights": track.model.count_params(),
        "curve": points,
        "validation": costs(track, track.validation, track.orders, 8),
    }
    print("validation", log["validation"], track.unit, flush=True)
    if args.test:
        log["test"] = costs(track, track.test, track.orders, 8, args.messages)
        print("test", log["test"], track.unit)
    if track.model.tokenizer is not None:
        log["writes"] = judge_texts(track)
        print(json.dumps(log["writes"], indent=1))
    if args.output:
        args.output.write_text(json.dumps(log, indent=1) + "\n")
        beside = [(path.stem, json.loads(path.read_text())) for path in args.beside]
        draw_curves(log, beside, args.output.with_suffix(".png"))
    return log


if __name__ == "__main__":
    main()
