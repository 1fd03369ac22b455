"""Draws cases and counts those that are wrong: `python -m tests.metamorphic [N] [seed] [--kinds]`.

Each case has a seed of its own, which is printed with what was wrong, and runs that case alone:
`python -m tests.metamorphic 1 SEED --kinds KIND`.
"""

import argparse
import collections
import importlib
import multiprocessing
import os
import sys
import time
import traceback
import warnings

# Most cases spend their time in compiling: JAX reads this when it is imported.
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")

import keras
import numpy as np

HUNDRED = 100
# How many of each hundred cases are of a kind.
SHARES = {
    "exact_joint": 9,
    "units": 10,
    "rows": 6,
    "verbs": 20,
    "forms": 20,
    "weights": 16,
    "saving": 4,
}


def kind_of(seed, kinds):
    """The kind of a case: by its seed alone, and in the shares that are set."""
    names = [name for name in kinds for _ in range(SHARES[name])]
    return names[np.random.default_rng([seed, 0]).integers(len(names))]


def run_case(kind, seed):
    """Runs one case; raises whatever is wrong."""
    keras.utils.set_random_seed(seed % 2**32)
    module = importlib.import_module(f"tests.metamorphic.{kind}")
    module.check(np.random.default_rng([seed, 1]))


def run(num_cases, seed, kinds):
    """The counts of cases, of wrong ones, and the processor's seconds, by kind."""
    counts, wrong, seconds = (collections.Counter() for _ in range(3))
    for case in range(seed, seed + num_cases):
        kind, start = kind_of(case, kinds), time.process_time()
        try:
            run_case(kind, case)
        except Exception:
            wrong[kind] += 1
            print(f"wrong: --kinds {kind}, seed {case}\n{traceback.format_exc()}", flush=True)
        counts[kind] += 1
        seconds[kind] += time.process_time() - start
    return counts, wrong, seconds


def run_all(num_cases, seed, kinds):
    """The same, a hundred cases a process: JAX runs out of memory maps after some 250."""
    counts, wrong, seconds = (collections.Counter() for _ in range(3))
    starts = range(seed, seed + num_cases, HUNDRED)
    arguments = [(min(HUNDRED, seed + num_cases - start), start, kinds) for start in starts]
    context = multiprocessing.get_context("spawn")
    with context.Pool(1, prepare, maxtasksperchild=1) as pool:
        for found in pool.imap(run_of, arguments):
            for total, more in zip((counts, wrong, seconds), found, strict=True):
                total.update(more)
            done = f"{counts.total()} of {num_cases} cases, {wrong.total()} wrong"
            print(done, file=sys.stderr, flush=True)
    return counts, wrong, seconds


def run_of(arguments):
    """`run` of a tuple of its arguments."""
    return run(*arguments)


def prepare():
    """Lets this process compile less, and use one thread: the models are small."""
    warnings.filterwarnings("ignore")
    if keras.backend.backend() == "torch":
        import torch

        torch.set_num_threads(1)
    if keras.backend.backend() == "tensorflow":  # see tests/conftest.py
        from keras.src.trainers import trainer

        trainer.model_supports_jit = lambda model: False


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("num_cases", type=int, nargs="?", default=100)
    parser.add_argument("seed", type=int, nargs="?", default=0)
    parser.add_argument("--kinds", nargs="+", choices=list(SHARES), default=list(SHARES))
    options = parser.parse_args()
    counts, wrong, seconds = run_all(options.num_cases, options.seed, options.kinds)
    for kind in options.kinds:
        print(f"{kind:<12}{counts[kind]:>6} cases{wrong[kind]:>5} wrong{seconds[kind]:>8.1f} s")
    total, num_wrong = sum(counts.values()), sum(wrong.values())
    print(f"{keras.backend.backend()}: {total} cases, {num_wrong} wrong")
    sys.exit(bool(num_wrong))


if __name__ == "__main__":
    main()
