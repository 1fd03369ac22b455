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

With `--resume DIR`, the state of training is kept in that folder after every 25 steps, and the same
command goes on from there after it was killed, at any moment. Only the seconds of these steps
count. The commit in the log is that of the last start.
"""

import argparse
import json
import math
import pathlib
import subprocess
import tempfile
import time

import keras

from benchmarks.report import machine
from benchmarks.speedrun.tracks import EPOCH, TRACKS
from keras_bfn import callbacks, metrics

NUM_COSTS = 12  # during training


class Curve(keras.callbacks.Callback):
    """Logs the costs of the validation data now and then during training, outside of the budget.

    Args:
        budget: the `keras_bfn.callbacks.TimeBudget`, which comes before this callback.
        orders: tuple of the orders that are scored.
        score: function without arguments that returns a dict of costs.
    """

    def __init__(self, budget, orders, score):
        super().__init__()
        self.budget, self.orders, self.score = budget, orders, score

    @property
    def points(self):
        """A list of dicts: the costs, and after how many seconds and steps."""
        return [
            {
                "seconds": round(row["seconds"], 1),
                "steps": row["epoch"] * EPOCH,
                **{name: row[name] for name in row if name.startswith(self.orders)},
            }
            for row in self.budget.resume.history
            if self.orders[0] in row
        ]

    def on_epoch_end(self, epoch, logs=None):
        due = self.budget.seconds * (len(self.points) + 1) / NUM_COSTS
        if self.model.stop_training or self.budget.used > due:
            logs.update(score_outside(self.budget, self.score))


def score_outside(budget, score):
    """Returns costs, and prints them; the time that this takes does not count in the budget."""
    start, found = time.process_time(), score()
    print(f"{budget.used:.0f} s", json.dumps(found), flush=True)
    budget.start += time.process_time() - start
    return found


def train(track, seconds, folder):
    """Trains a track's model for these processor seconds, and returns the points of its curve.

    The state of training is kept in `folder`, from which an interrupted run goes on.
    """
    orders = track.orders[:2]
    resume = callbacks.Resume(folder, data=track.train)
    budget = callbacks.TimeBudget(seconds, clock="processor", resume=resume)
    curve = Curve(budget, orders, lambda: costs(track, track.validation, orders, 2))
    track.model.fit(track.train, epochs=10**6, callbacks=[budget, curve, resume], verbose=0)
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
    parser.add_argument("--resume", type=pathlib.Path, help="folder that keeps the run's state")
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
    track = make(recipe, args.data, args.seed)
    track.model.compile(track.optimizer, loss=recipe["loss"])
    with tempfile.TemporaryDirectory() as folder:
        points = train(track, args.seconds, args.resume or folder)
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
