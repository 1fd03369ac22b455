"""Seconds of functions that take turns, and their ratios."""

import math
import os
import resource
import sys
import time

import numpy as np

LEAST_SECONDS = 0.05


def processor_seconds():
    """Seconds that this process and those that it started and waited for have computed."""
    others = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + others.ru_utime + others.ru_stime


class Clock:
    """What seconds are read off; `read` may be set to `processor_seconds`."""

    read = time.perf_counter


def num_threads():
    """How many cores this process may use: `taskset` changes it."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count()


def use_all_threads():
    """Lets PyTorch use as many threads as JAX and TensorFlow do, whatever OMP_NUM_THREADS says."""
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(num_threads())


def seconds_of(function, repeats=1):
    """Seconds of a call, the mean of some."""
    start = Clock.read()
    for _ in range(repeats):
        function()
    return (Clock.read() - start) / repeats


def in_turns(functions, rounds, warm_up=True):
    """Seconds of a call of each function, of shape `(rounds, functions)`.

    The functions take turns; whoever was last is first in the next round. Unless there is nothing
    to warm up, each is called twice before, to compile, and a turn is as many calls as take
    LEAST_SECONDS, the same number for all.
    """
    repeats = 1
    if warm_up:
        for function in functions:
            function()
        fastest = min(seconds_of(function) for function in functions)
        repeats = max(1, math.ceil(LEAST_SECONDS / fastest))
    seconds = np.empty((rounds, len(functions)))
    order = list(range(len(functions)))
    for row in seconds:
        for i in order:
            row[i] = seconds_of(functions[i], repeats)
        order.reverse()
    return seconds


def ratio(base, function, rounds, warm_up=True):
    """What a function takes in units of another: medians, and the quartiles of the ratio."""
    seconds = in_turns((base, function), rounds, warm_up)
    low, middle, high = np.quantile(seconds[:, 1] / seconds[:, 0], (0.25, 0.5, 0.75))
    return {
        "seconds": float(np.median(seconds[:, 1])),
        "ratio": float(middle),
        "quartile 1": float(low),
        "quartile 3": float(high),
    }
