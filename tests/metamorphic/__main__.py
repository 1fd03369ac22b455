"""Draws cases and counts those that are wrong: `python -m tests.metamorphic [N] [seed] [--kinds]`.

Each case has a seed of its own, which is printed with what was wrong, and runs that case alone:
`python -m tests.metamorphic 1 SEED --kinds KIND`.
"""

import argparse
import collections
import multiprocessing
import os
import sys

# Most cases spend their time in compiling: JAX reads this when it is imported.
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")

import keras

from tests.metamorphic.run import SHARES, prepare, run_of

HUNDRED = 100


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
