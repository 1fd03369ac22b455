"""Seconds of functions that run in turns, and their ratios."""

import math
import os
import resource
import sys
import time

import numpy as np

LEAST_SECONDS = 0.05


def processor_seconds():
    """Returns the processor seconds of this process and of finished child processes."""
    others = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + others.ru_utime + others.ru_stime


class Clock:
    """The clock that measures seconds; `read` may be set to `processor_seconds`."""

    read = time.perf_counter


def num_threads():
    """Returns the number of cores that this process may use, as set by `taskset`."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count()


def use_all_threads():
    """Lets PyTorch use as many threads as JAX and TensorFlow, whatever OMP_NUM_THREADS is."""
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(num_threads())


def seconds_of(function, repeats=1):
    """Returns the mean seconds of a call."""
    start = Clock.read()
    for _ in range(repeats):
        function()
    return (Clock.read() - start) / repeats


def in_turns(functions, rounds, warm_up=True):
    """Returns seconds per call, of shape `(rounds, functions)`, of functions that run in turns.

    The last function of a round is the first of the next. With `warm_up`, each function is first
    called twice, to compile. A turn is then as many calls as the fastest needs to take
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
    """Returns the time of a function relative to another: medians, and quartiles of the ratio."""
    seconds = in_turns((base, function), rounds, warm_up)
    low, middle, high = np.quantile(seconds[:, 1] / seconds[:, 0], (0.25, 0.5, 0.75))
    return {
        "seconds": float(np.median(seconds[:, 1])),
        "ratio": float(middle),
        "quartile 1": float(low),
        "quartile 3": float(high),
    }
