"""Exponents of time: of a training step in its sizes, and of `generate` in its steps.

    KERAS_BACKEND=jax python -m benchmarks scaling --cases length steps

An exponent is the slope of log seconds over log size, fitted to all sizes; `at the end`, it is the
slope between the last two. An exponent of 1 means proportional. All sizes run in turns.
"""

import keras
import numpy as np

from benchmarks.cases import count_rows, make_case
from benchmarks.timing import in_turns
from keras_bfn import BayesianFlowNetwork

# For each size that grows: the case, its argument, sizes, and sizes for tests.
CASES = {
    "batch": ("transformer", "batch_size", (4, 8, 16, 32), (2, 4)),
    "length": ("transformer", "length", (64, 128, 256, 512), (8, 16)),
    "classes": ("classes", "num_classes", (1250, 2500, 5000, 10000), (8, 16)),
    "width": ("transformer", "width", (64, 128, 256, 512), (8, 16)),
    "image side": ("unet", "side", (12, 20, 28, 44), (4, 8)),
    "steps": ("transformer", "steps", (5, 10, 20, 40), (2, 4)),
}
SMALLER = {"num_layers": 2, "batch_size": 8}  # for transformers, unless the size itself grows


def exponents(sizes, seconds):
    """Returns the slopes of log seconds over log size: for all sizes, and for the last two."""
    sizes, seconds = np.log(sizes), np.log(seconds)
    return float(np.polyfit(sizes, seconds, 1)[0]), float(
        np.polyfit(sizes[-2:], seconds[-2:], 1)[0]
    )


def make_run(case, argument, size, toy):
    """Returns a function that runs a training step, or `generate`, at this size."""
    sizes = {} if toy or case == "unet" else SMALLER
    if argument != "steps":
        sizes = {**sizes, argument: size}
    flow, network, x = make_case(case, toy, **sizes)
    model = BayesianFlowNetwork(flow, network, seed=0)
    model.compile(keras.optimizers.AdamW(1e-4))
    num = count_rows(x)
    if argument == "steps":
        return lambda: model.generate(num, size, batch_size=num, verbose=0)
    return lambda: model.train_on_batch(x)


def measure(cases=None, rounds=5, toy=False):
    """Yields one row per size that grows."""
    for name, (case, argument, sizes, toy_sizes) in CASES.items():
        if cases is not None and name not in cases:
            continue
        sizes = toy_sizes if toy else sizes
        runs = [make_run(case, argument, size, toy) for size in sizes]
        seconds = np.median(in_turns(runs, rounds), axis=0)
        exponent, last = exponents(sizes, seconds)
        yield {
            "in": name,
            "of": "generate" if argument == "steps" else "training step",
            "sizes": " ".join(map(str, sizes)),
            "seconds": " ".join(f"{value:.3g}" for value in seconds),
            "exponent": exponent,
            "at the end": last,
        }


if __name__ == "__main__":
    from benchmarks.report import main

    main("scaling")
