"""Infers the parameters of a simulator: two moons, or simulations of your own.

    KERAS_BACKEND=jax python examples/posterior.py
    KERAS_BACKEND=jax python examples/posterior.py --data simulations.npz

One model learns the joint distribution of parameters and observations, and samples the
posterior of an observation. By default the simulator is "two moons", whose posterior is
two thin crescents. Its exact posterior is known. The command prints the accuracy of a
classifier that separates samples of the model from exact ones (0.5 is perfect), and the
log-density of the true parameters by both.

A file of your own holds float arrays `parameters`, `(num, ...)`, and `observation`,
`(num, ...)`. It may also hold `low` and `high`, the bounds of the prior, and
`observed`, a batch of observations whose posteriors are sampled. Samples are written to
`posterior.npy`.

The model is checked by simulation-based calibration on held-out simulations: the ranks
of the true parameters among posterior samples must be uniform, and the central 90%
intervals must cover 90% of them. `calibration.png` shows the ranks, and the band of 99%
of the bars for uniform ranks.

Reference: Talts, Betancourt, Simpson, Vehtari and Gelman, "Validating Bayesian
inference algorithms with simulation-based calibration" (2018).
"""

import argparse
import pathlib

from arguments import positive


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help=".npz file; default: simulate two moons")
    parser.add_argument(
        "--simulations", type=positive, default=10_000, help="of the two moons"
    )
    parser.add_argument("--steps", type=positive, default=12_000)
    parser.add_argument(
        "--checks", type=positive, default=500, help="held-out simulations"
    )
    parser.add_argument(
        "--draws", type=positive, default=3000, help="samples per observation"
    )
    parser.add_argument("--sampler-steps", type=positive, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--output", type=pathlib.Path, default=pathlib.Path("posterior")
    )
    return parser.parse_args()


if __name__ == "__main__":  # before the imports, which take seconds
    ARGS = parse_arguments()
    print(
        "Trains on simulations, checks the calibration, and samples posteriors: "
        "several minutes on one CPU core.",
        flush=True,
    )

import time

import keras
import numpy as np
from matplotlib.figure import Figure
from progress import Progress
from scipy.stats import binom
from sklearn.model_selection import cross_val_score
from sklearn.neural_network import MLPClassifier

from keras_bfn import simulation
from keras_bfn.recipes import adamw

BATCH_SIZE, PEAK_RATE = 200, 2e-3
RANK_DRAWS, BARS = 99, 20  # ranks 0 to 99, five in a bar
BAND = 0.9
RADIUS, SPREAD, OFFSET = 0.1, 0.01, 0.25  # of two moons


class TwoMoons:
    """A point on a noisy crescent, moved by what two parameters in [-1, 1] say."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)

    def crescent(self, num):
        angle = self.rng.uniform(-np.pi / 2, np.pi / 2, num)
        radius = self.rng.normal(RADIUS, SPREAD, num)
        return np.column_stack(
            [radius * np.cos(angle) + OFFSET, radius * np.sin(angle)]
        )

    def simulate(self, num):
        parameters = self.rng.uniform(-1, 1, (num, 2))
        across, along = parameters.sum(axis=1), parameters[:, 1] - parameters[:, 0]
        shift = np.column_stack([-np.abs(across), along]) / np.sqrt(2)
        observation = self.crescent(num) + shift
        return {
            "parameters": parameters,
            "observation": observation,
            "low": -1.0,
            "high": 1.0,
        }

    def exact_posterior(self, observed, num):
        """Exact draws, and the logarithm of the integral of the likelihood over the prior's box.

        A point on the crescent and a sign say what the parameters are.
        """
        point = self.crescent(16 * num)
        across, along = (observed - point).T * np.sqrt(2)
        across = -across * self.rng.choice([-1, 1], len(point))
        found = 0.5 * np.column_stack([across - along, across + along])
        inside = (observed[0] <= point[:, 0]) & (np.abs(found) <= 1).all(axis=1)
        return found[inside][:num], np.log(2 * inside.mean())

    def exact_log_prob(self, parameters, observed):
        """The logarithm of the density of the posterior."""
        across, along = parameters.sum(axis=1), parameters[:, 1] - parameters[:, 0]
        point = observed + np.column_stack([np.abs(across), -along]) / np.sqrt(2)
        radius = np.hypot(point[:, 0] - OFFSET, point[:, 1])
        deviation = (radius - RADIUS) / SPREAD
        density = -0.5 * deviation**2 - np.log(
            SPREAD * np.sqrt(2 * np.pi) * np.pi * radius
        )
        return density - np.array(
            [self.exact_posterior(row, 1000)[1] for row in observed]
        )


def c2st(exact, drawn):
    """The accuracy of a classifier that separates exact samples from others, cross-validated."""
    mean, std = exact.mean(axis=0), exact.std(axis=0)
    x = (np.concatenate([exact, drawn]) - mean) / std
    order = np.random.default_rng(0).permutation(len(x))
    labels = np.repeat([0, 1], [len(exact), len(drawn)])
    size = 10 * x.shape[1]
    network = MLPClassifier((size, size), max_iter=10_000, random_state=0)
    return cross_val_score(network, x[order], labels[order], cv=3).mean()


def train(simulations, bounds, steps, seed):
    keras.utils.set_random_seed(seed)
    model = simulation.make_model(simulations, bounds, seed=seed)
    model.compile(adamw(steps, PEAK_RATE))
    num = len(simulations["parameters"])
    with Progress("Training") as progress:
        model.fit(
            simulations,
            batch_size=BATCH_SIZE,
            epochs=-(-steps * BATCH_SIZE // num),
            callbacks=[progress],
            verbose=0,
        )
    return model


def find_ranks(model, held_out, steps):
    """The ranks of the true parameters among posterior samples, `(num, num_parameters)`."""
    given = {"observation": held_out["observation"]}
    draws = model.sample(RANK_DRAWS, given, steps, seed=0)["parameters"]
    ranks = (draws < held_out["parameters"][:, None]).sum(axis=1)
    return ranks.reshape(len(ranks), -1)


def plot_ranks(path, ranks):
    num, size = ranks.shape
    band = binom.ppf([0.005, 0.995], num, 1 / BARS)
    figure = Figure((3 * size, 2.5), layout="constrained")
    for i, axes in enumerate(figure.subplots(1, size, squeeze=False)[0]):
        axes.axhspan(*band, color="0.9")
        axes.hist(ranks[:, i], BARS, range=(-0.5, RANK_DRAWS + 0.5))
        axes.set(title=f"parameter {i + 1}", xlabel="rank")
    figure.savefig(path, dpi=120)


def plot_draws(path, exact, drawn):
    figure = Figure((3 * len(exact), 6), layout="constrained")
    rows = {"exact": exact, "drawn": drawn}
    for axes, (name, draws) in zip(
        figure.subplots(2, len(exact)), rows.items(), strict=True
    ):
        for ax, points in zip(axes, draws, strict=True):
            ax.plot(*points.T, ",", alpha=0.5)
            ax.set(title=name, xlim=(-1, 1), ylim=(-1, 1), aspect="equal")
    figure.savefig(path, dpi=120)


def main(args):
    args.output.mkdir(parents=True, exist_ok=True)
    start = time.process_time()

    moons = None if args.data else TwoMoons(args.seed)
    data = (
        np.load(args.data)
        if args.data
        else moons.simulate(args.simulations + args.checks)
    )
    parts = {
        name: data[name].astype("float32") for name in ("parameters", "observation")
    }
    num = min(map(len, parts.values()))
    if args.checks >= num:
        raise SystemExit(
            f"--checks: must be less than the number of simulations, {num}"
        )
    simulations = {name: part[: -args.checks] for name, part in parts.items()}
    held_out = {name: part[-args.checks :] for name, part in parts.items()}
    bounds = {"parameters": (data["low"], data["high"])} if "low" in data else None
    model = train(simulations, bounds, args.steps, args.seed)
    model.save(args.output / "model.keras")
    print(
        f"trained in {time.process_time() - start:.0f} s of processor time", flush=True
    )

    with Progress("Checking the calibration"):
        ranks = find_ranks(model, held_out, args.sampler_steps)
    plot_ranks(args.output / "calibration.png", ranks)
    tail = round((1 - BAND) / 2 * (RANK_DRAWS + 1))
    inside = np.mean((ranks >= tail) & (ranks <= RANK_DRAWS - tail), axis=0)
    covered = ", ".join(f"{share:.1%}" for share in inside)
    print(f"coverage of the central {BAND:.0%} intervals: {covered}")
    with Progress("Scoring held-out parameters"):
        nats = model.log_likelihood(held_out, known=["observation"], seed=0).mean()
    print(
        f"log density of the true parameters, lower bound of the model: {nats:.2f} nats"
    )

    if moons:
        exact = moons.exact_log_prob(
            held_out["parameters"], held_out["observation"]
        ).mean()
        print(f"log density under the exact posterior: {exact:.2f} nats")
        observed = held_out["observation"][:4]
        exact = [moons.exact_posterior(row, args.draws)[0] for row in observed]
    else:
        observed = (
            data["observed"] if "observed" in data else held_out["observation"][:1]
        )
    given = {"observation": observed}
    with Progress("Sampling posteriors"):
        drawn = model.sample(args.draws, given, args.sampler_steps, seed=0)
    drawn = drawn["parameters"]
    np.save(args.output / "posterior.npy", drawn)
    if moons:
        with Progress("Comparing them with exact samples"):
            scores = [c2st(*draws) for draws in zip(exact, drawn, strict=True)]
        told = " ".join(f"{score:.3f}" for score in scores)
        print(
            f"classifier two-sample tests, four observations: {told}, mean {np.mean(scores):.3f}"
        )
        plot_draws(args.output / "draws.png", exact, drawn)
    print(f"{args.output}/; {time.process_time() - start:.0f} s of processor time")


if __name__ == "__main__":
    main(ARGS)
