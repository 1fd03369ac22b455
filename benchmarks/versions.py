"""Time of this version of the package, relative to an older one.

    KERAS_BACKEND=jax python -m benchmarks.versions CLONE_OF_THE_OLDER_VERSION

Compares a U-Net, a transformer and an MLP, each with one type of data. Measures seconds of a
training step and of `generate`, in two processes that take turns. Prints medians of the ratio, this
version over the older. Then compares, in this version only, a dict of flows with a plain flow:
images as two halves and as a whole, in MLPs of the same size, 256 and 1024 wide.

With `--first`, measures instead processor seconds of new processes that import, make a model and
train it for a step. Without a cache of compiled programs.
"""

import argparse
import inspect
import json
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import time

CASES = ("unet", "transformer", "mlp")


def make_model(case):
    """Returns a compiled model and a batch of data."""
    import keras
    import numpy as np

    from keras_bfn import BayesianFlowNetwork, flows, networks

    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    if case == "unet":
        flow = flows.DiscreteFlow(2, beta_1=9.0)
        network = networks.UNet(flow, (28, 28, 1), width=32, num_blocks=1)
        x = rng.integers(0, 2, (16, 28, 28, 1))
    elif case == "transformer":
        flow = flows.DiscreteFlow(27, beta_1=0.75)
        # The paper's network: older versions have no other, and no presets of this size.
        own = {"kernel_size": 1, "expansion": 4, "positions": "sinusoidal", "features": "plain"}
        known = inspect.signature(networks.Transformer.__init__).parameters
        own = own if "kernel_size" in known else {}
        network = networks.Transformer(flow, 64, width=128, num_layers=3, **own)
        x = rng.integers(0, 27, (16, 64))
    else:
        level = flows.DiscretizedFlow(17, sigma_1=0.02)
        width = 1024 if case.startswith("wide") else 256
        x = rng.integers(0, 17, (64, 16, 8, 1))
        if case.endswith("parts"):
            flow = {"upper": level, "lower": level}
            shape = dict.fromkeys(flow, (8, 8, 1))
            network = networks.MultiPart(flow, shape, width, mixer="mlp")
            x = {"upper": x[:, :8], "lower": x[:, 8:]}
        else:
            flow, network = level, networks.MLP(level, (16, 8, 1), width)
    model = BayesianFlowNetwork(flow, network, seed=0)
    model.compile(keras.optimizers.AdamW(1e-3))
    return model, keras.tree.map_structure(lambda part: part.astype("int32"), x)


def work():
    """Reads names of cases, one per line, and prints the seconds of one run of each."""
    runs = {}
    for case in map(str.strip, sys.stdin):
        if case not in runs:
            model, x = make_model(case)

            def step(model=model, x=x):
                for _ in range(5):
                    model.train_on_batch(x)

            def generate(model=model):
                model.generate(64, 20, "ancestral", batch_size=64, verbose=0)

            runs[case] = {"training step": step, "generate": generate}
            for run in runs[case].values():
                run(), run()
        seconds = {}
        for name, run in runs[case].items():
            start = time.perf_counter()
            run()
            seconds[name] = time.perf_counter() - start
        print(json.dumps(seconds), flush=True)


def start(case):
    """Trains a new model for one step."""
    model, x = make_model(case)
    model.train_on_batch(x)


def environment_of(folder):
    return {**os.environ, "PYTHONPATH": str(folder)}


class Start:
    """Processes that import the package from a folder, and train a model for one step."""

    def __init__(self, folder):
        self.folder = folder

    def measure(self, case):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        environment = environment_of(self.folder)
        environment.pop("JAX_COMPILATION_CACHE_DIR", None)
        command = [sys.executable, __file__, "--start", case]
        subprocess.run(command, env=environment, cwd=self.folder, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return {"first step": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime}


class Worker:
    """A process that imports the package from a folder."""

    def __init__(self, folder):
        command = [sys.executable, __file__, "--work"]
        self.process = subprocess.Popen(
            command,
            env=environment_of(folder),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=folder,
        )

    def measure(self, case):
        self.process.stdin.write(f"{case}\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


def compare(name, workers, cases, rounds):
    """Prints the median ratio of the second worker's times to the first's."""
    pairs = []
    for i in range(rounds + 1):
        order = (0, 1) if i % 2 else (1, 0)
        seconds = dict.fromkeys(order)
        for j in order:
            seconds[j] = workers[j].measure(cases[j])
        pairs.append((seconds[0], seconds[1]))
    for what in pairs[0][0]:
        ratios = [new[what] / old[what] for old, new in pairs[1:]]
        middle = statistics.median(ratios)
        quartiles = statistics.quantiles(ratios, n=4)
        print(
            f"{name:<32}{what:<15}{middle:>8.3f}   ({quartiles[0]:.3f} to {quartiles[2]:.3f})",
            flush=True,
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("older", type=pathlib.Path, nargs="?", help="clone of an older version")
    parser.add_argument("--rounds", type=int, default=31)
    parser.add_argument("--first", action="store_true", help="measure first steps instead")
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--start", choices=CASES, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.work:
        work()
        return
    if args.start:
        start(args.start)
        return
    if args.first and not args.older:
        parser.error("--first needs the clone of an older version.")
    print(f"{os.environ.get('KERAS_BACKEND')}, median ratios and quartiles of {args.rounds}:")
    root = pathlib.Path(__file__).parents[1]
    if args.first:
        workers = Start(args.older.resolve()), Start(root)
        for case in CASES:
            compare(f"{case}, this over older", workers, (case, case), args.rounds)
        return
    here = Worker(root)
    if args.older:
        workers = Worker(args.older.resolve()), here
        for case in CASES:
            compare(f"{case}, this over older", workers, (case, case), args.rounds)
    for size in ("", "wide "):
        cases = (f"{size}mlp", f"{size}parts")
        compare(f"{size}mlp, two parts over one", (here, here), cases, args.rounds)


if __name__ == "__main__":
    main()
