r"""Compares samplers by network calls on every kind of data, to choose one default.

    KERAS_BACKEND=torch python -m benchmarks.default_sampler --novel moby_dick.txt --data-dir DIR
    KERAS_BACKEND=torch python -m benchmarks.default_sampler --tasks pair moons --calls 10 20

Each task is a model and a measure of its samples; less is better for all:

- pair: two dependent classes, the exact posterior in the place of a network; total
  variation, times 1,000;
- moons, angles, posterior: numbers in the plane, two dependent angles, and two parameters given an
  observation; trained here for less than a minute each; energy distance, times 1,000;
- digits, mnist, photographs: the presets; Fréchet distance (`keras_bfn.metrics.SampleQuality`).
  `mnist` needs `--data-dir`, as in `tfds.load`;
- text: the preset, by messages; the percentage of words that the novel lacks. Needs `--novel`;
- table: the mixed table of `benchmarks.tables`; the mean error of columns and pairs, times 1,000.

"log beta" is `start=0.02, spacing="log_beta"`; "from a" is the same, from the time at which the
gain times the accuracy is a, averaged over the parts of a model.
"""

import argparse
import json
import pathlib
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np
from scipy.spatial.distance import cdist, pdist
from sklearn.datasets import make_moons

import keras_bfn
from benchmarks.mnist_model import binarize, load_mnist
from benchmarks.samplers import digits_data
from benchmarks.table_measures import correlation_error, marginal_error
from benchmarks.tables import make_table
from keras_bfn import flows, networks, recipes, samplers, simulation
from keras_bfn._parts import list_parts
from keras_bfn.metrics import SampleQuality, spelling_rate
from keras_bfn.samplers import AncestralSampler, ODE2Sampler, SDE1Sampler, SDE2Sampler
from keras_bfn.tables import Table
from keras_bfn.testing.samplers import JOINT_PRIOR, make_pair_model

CALLS, MOST_CALLS = (10, 20, 50, 100), 50  # more are for the paper's sampler, as a reference
TRAINING_STEPS, BATCH_SIZE = 3000, 256
POINTS = 4000
FROM_PRESET = keras_bfn.BayesianFlowNetwork.from_preset


class Task(NamedTuple):
    """A model, how to sample from it, and the measure of its samples."""

    model: Any
    sample: Callable
    score: Callable


def even_in_log_beta(kind, accuracy, **options):
    """Returns a function from a model to a sampler whose start depends on the model's flows."""

    def make(model):
        parts = [flow for (flow,) in list_parts(model.flow)]
        starts = [float(flow.schedule.inverse(accuracy / flow.gain)) for flow in parts]
        return kind(start=float(np.mean(starts)), spacing="log_beta", **options)

    return make


SAMPLERS = {
    **{name: samplers.get(name) for name in ("ancestral", "sde1", "sde2", "ode1", "ode2")},
    "sde2, last": SDE2Sampler(end="last"),
    "sde2, noise 2": SDE2Sampler(2.0),
    "sde2, log beta": SDE2Sampler(start=0.02, spacing="log_beta"),
    "sde2, from 0.001": even_in_log_beta(SDE2Sampler, 0.001),
    "sde2, from 0.01": even_in_log_beta(SDE2Sampler, 0.01),
    "sde2, from 0.1": even_in_log_beta(SDE2Sampler, 0.1),
    "sde1, from 0.01": even_in_log_beta(SDE1Sampler, 0.01),
    "ancestral, from 0.01": even_in_log_beta(AncestralSampler, 0.01),
    "ode2, from 0.01": even_in_log_beta(ODE2Sampler, 0.01),
}


def energy_distance(x, y):
    """Returns the energy distance of two sets of points, without bias, times 1,000."""
    return 1000 * (2 * cdist(x, y).mean() - pdist(x).mean() - pdist(y).mean())


def generating(model, num, batch_size, condition=None):
    """Returns a function that samples from a model by its `generate`."""

    def sample(num_steps, sampler, seed):
        options = {"seed": seed, "batch_size": batch_size, "verbose": 0}
        return model.generate(num, num_steps, sampler, condition=condition, **options)

    return sample


def train(flow, x):
    """Returns a trained model of rows of numbers."""
    network = networks.MLP(flow, x.shape[1:], width=64, num_blocks=3)
    model = keras_bfn.BayesianFlowNetwork(flow, network, seed=0)
    model.compile(recipes.adamw(TRAINING_STEPS, 2e-3))
    epochs = TRAINING_STEPS // (len(x) // BATCH_SIZE)
    model.fit(x, batch_size=BATCH_SIZE, epochs=epochs, verbose=0)
    return model


def pair(args):
    model = make_pair_model()

    def total_variation(x):
        counts = np.bincount(x @ [3, 1], minlength=9)
        return 500 * np.abs(counts / len(x) - JOINT_PRIOR.ravel()).sum()

    return Task(model, generating(model, 50_000, 50_000), total_variation)


def moons(args):
    def draw(num, seed):
        x = make_moons(num, noise=0.05, random_state=seed)[0] - [0.5, 0.25]
        return (x / 1.7).astype("float32")

    model, real = train(flows.ContinuousFlow(), draw(50 * BATCH_SIZE, 0)), draw(POINTS, 1)
    return Task(model, generating(model, POINTS, POINTS), lambda x: energy_distance(x, real))


def angles(args):
    def draw(num, seed):
        rng = np.random.default_rng(seed)
        first = rng.choice([-1.0, 2.0], num) + rng.vonmises(0, 10, num)
        second = 2 * first + rng.vonmises(0, 20, num)
        return np.angle(np.exp(1j * np.stack([first, second], axis=1))).astype("float32")

    def points(x):
        return np.concatenate([np.cos(x), np.sin(x)], axis=1)

    model, real = train(flows.CircularFlow(), draw(50 * BATCH_SIZE, 0)), points(draw(POINTS, 1))
    sample = generating(model, POINTS, POINTS)
    return Task(model, sample, lambda x: energy_distance(points(x), real))


def posterior(args):
    """The two moons of sbibm: their posterior given the observation 0 is known."""

    def crescent(num, rng):
        angle, radius = rng.uniform(-np.pi / 2, np.pi / 2, num), rng.normal(0.1, 0.01, num)
        return np.stack([radius * np.cos(angle) + 0.25, radius * np.sin(angle)], axis=1)

    rng = np.random.default_rng(0)
    theta = rng.uniform(-1, 1, (10_000, 2))
    move = np.stack([-np.abs(theta.sum(axis=1)), theta[:, 1] - theta[:, 0]], axis=1) / np.sqrt(2)
    observation = crescent(len(theta), rng) + move
    data = {"parameters": theta.astype("float32"), "observation": observation.astype("float32")}
    model = simulation.make_model(data, {"parameters": (-1, 1)}, seed=0)
    model.compile(recipes.adamw(TRAINING_STEPS, 2e-3))
    epochs = TRAINING_STEPS // (len(theta) // BATCH_SIZE)
    model.fit(data, batch_size=BATCH_SIZE, epochs=epochs, verbose=0)

    # The noise is minus the move; both signs of the sum are equally likely.
    total, difference = (np.sqrt(2) * crescent(POINTS, rng) * [1, -1]).T
    total = total * rng.choice([-1, 1], POINTS)
    real = 0.5 * np.stack([total - difference, total + difference], axis=1)

    def sample(num_steps, sampler, seed):
        given = {"observation": np.zeros(2, "float32")}
        options = {"seed": seed, "batch_size": POINTS}
        return model.sample(POINTS, given, num_steps, sampler, **options)["parameters"]

    return Task(model, sample, lambda x: energy_distance(x, real))


def digits(args):
    quality = SampleQuality(*digits_data()[0], num_features=32, epochs=40)
    model = FROM_PRESET("bfn_digits")
    return Task(model, generating(model, 1500, 500), quality.frechet_distance)


def mnist(args):
    levels, labels = load_mnist("train", args.data_dir)
    images = binarize(levels[:20_000], np.random.default_rng(0))
    quality = SampleQuality(images, labels[:20_000], num_features=32, epochs=4)
    model, condition = FROM_PRESET("bfn_mnist"), labels[: args.images]
    return Task(model, generating(model, args.images, 100, condition), quality.frechet_distance)


def photographs(args):
    sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "examples"))
    from photographs import load_photographs, split

    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(5, dtype="int32"), 800)
    images = split(load_photographs(2), 16, 0).train.transform(labels, rng)
    quality = SampleQuality(images, labels, num_features=32, epochs=10)
    model, condition = FROM_PRESET("bfn_photographs"), np.arange(args.images, dtype="int32") % 5
    return Task(model, generating(model, args.images, 100, condition), quality.frechet_distance)


def text(args):
    novel, model = args.novel.read_text(encoding="utf-8"), FROM_PRESET("bfn_text")

    def sample(num_steps, sampler, seed):
        options = {"seed": seed, "batch_size": 32, "verbose": 0}
        return model.generate_text(args.texts, num_steps=num_steps, sampler=sampler, **options)

    return Task(model, sample, lambda texts: 100 * (1 - spelling_rate(texts, novel)))


def table(args):
    model = Table.from_dataframe(make_table(2000)).make_model(seed=0)
    model.fit(make_table(2000), verbose=0)
    test = make_table(5000, seed=1)

    def sample(num_steps, sampler, seed):
        return model.sample(2000, num_steps=num_steps, sampler=sampler, seed=seed)

    def error(rows):
        return 500 * (marginal_error(rows, test) + correlation_error(rows, test))

    return Task(model, sample, error)


TASKS = {
    made.__name__: made
    for made in (pair, moons, angles, posterior, digits, mnist, photographs, text, table)
}


def measure(task, sampler, all_calls, rounds):
    """Returns the mean error of sets of samples, for each number of network calls."""
    errors = []
    for calls in all_calls:
        num_steps = calls if sampler.end == "last" else calls - 1
        drawn = [task.sample(num_steps, sampler, seed) for seed in range(rounds)]
        errors.append(float(np.mean([task.score(x) for x in drawn])))
    return errors


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--samplers", nargs="+", choices=SAMPLERS, default=list(SAMPLERS))
    parser.add_argument("--calls", nargs="+", type=int, default=list(CALLS))
    parser.add_argument("--rounds", type=int, default=2, help="sets of samples to average over")
    parser.add_argument("--images", type=int, default=500, help="of mnist and photographs")
    parser.add_argument("--texts", type=int, default=32)
    parser.add_argument("--novel", type=pathlib.Path)
    parser.add_argument("--data-dir")
    parser.add_argument("--output", type=pathlib.Path, help="JSON file to add the results to")
    args = parser.parse_args()
    is_there = args.output and args.output.exists()
    results = json.loads(args.output.read_text()) if is_there else {}
    for name in args.tasks:
        keras.utils.set_random_seed(0)
        task, rows = TASKS[name](args), results.setdefault(name, {})
        print(f"\n{name:<22}" + "".join(f"{calls:>9}" for calls in args.calls), flush=True)
        for who in args.samplers:
            sampler = SAMPLERS[who]
            sampler = sampler if isinstance(sampler, samplers.Sampler) else sampler(task.model)
            calls = [num for num in args.calls if num <= MOST_CALLS or who == "ancestral"]
            errors = measure(task, sampler, calls, args.rounds)
            print(f"{who:<22}" + "".join(f"{error:>9.3g}" for error in errors), flush=True)
            rows.setdefault(who, {}).update(zip(map(str, calls), errors, strict=True))
            if args.output:
                args.output.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
