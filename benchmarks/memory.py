"""Peak memory of a training step and of `generate`, for this package and the authors' code.

    KERAS_BACKEND=jax python -m benchmarks memory --official CLONE --cases transformer

Each runs three times in a process of its own, which has imported everything and made the model. The
figure is the peak above the memory in use before: on a CPU the resident size, on a GPU the memory
that the backend has allocated. `ours, first` is the peak of the first run, which compiles and
creates the optimizer's state. `ours` and `theirs` are the peak of the other two runs, before which
free memory is returned to the system. The cases shared with the authors' code are those of `peer`.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys

import keras

from benchmarks import cases as ours_alone
from benchmarks import peer
from benchmarks.devices import memory_of
from benchmarks.report import Missing
from keras_bfn import BayesianFlowNetwork

ROOT = pathlib.Path(__file__).parents[1]
CASES = ("unet", "vdm", "patches", "transformer", "classes", "parts")
WHAT = ("training step", "generate", "generate, 10 batches")
MEGABYTE = 1e6


def our_runs(name, steps, toy, data_format):
    """Returns what to run, by name."""
    case = (peer.TOYS if toy else peer.CASES).get(name)
    if case:
        model = peer.our_model(case, data_format=data_format)
        x = ours_alone.integers(model.flow.data_range[1] + 1, (case.batch_size, *model.event_shape))
    else:
        flow, network, x = ours_alone.make_case(name, toy)
        model = BayesianFlowNetwork(flow, network, seed=0)
        model.compile(keras.optimizers.AdamW(1e-4))
    num = ours_alone.count_rows(x)

    def generate(num_batches):
        model.generate(num_batches * num, steps, batch_size=num, verbose=0)

    return {
        "training step": lambda: model.train_on_batch(x),
        "generate": lambda: generate(1),
        "generate, 10 batches": lambda: generate(10),
    }


def their_runs(name, steps, toy):
    case = (peer.TOYS if toy else peer.CASES)[name]
    official = peer.Official(case)
    shape = (case.batch_size, *official.config["data_shape"])
    data = official.data(ours_alone.integers(official.config["num_values"], shape))
    return {
        "training step": lambda: official.train(data),
        "generate": lambda: official.generate(case.batch_size, steps),
        "generate, 10 batches": lambda: [
            official.generate(case.batch_size, steps) for _ in range(10)
        ],
    }


def peaks(run, memory):
    """Returns the peak memory of a first run, and of two more, above the memory in use before."""
    found = []
    for num in (1, 2):
        memory.reset()
        before = memory.now()
        for _ in range(num):
            run()
        found.append(memory.peak() - before)
    return found


def in_new_process(*args):
    """Returns the result of `work` in a new process."""
    command = [sys.executable, "-m", "benchmarks.memory", json.dumps(args)]
    environment = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false", **os.environ}
    environment["KERAS_BACKEND"] = keras.backend.backend()
    output = subprocess.run(
        command, env=environment, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True
    ).stdout
    return json.loads(output.splitlines()[-1])


def work(name, what, steps, toy, data_format, official):
    """Returns both peaks of one of WHAT, by this package or, with a clone, by the authors' code."""
    if official:
        peer.use(official)
        runs, framework = their_runs(name, steps, toy), "torch"
    else:
        runs, framework = our_runs(name, steps, toy, data_format), keras.backend.backend()
    return peaks(runs[what], memory_of(framework))


def measure(official=None, cases=None, steps=10, toy=False, data_format=None):
    """Yields one row for each case and each of WHAT."""
    if not pathlib.Path("/proc/self/clear_refs").exists():
        raise Missing("needs Linux")
    for name in CASES:
        if cases is not None and name not in cases:
            continue
        for what in WHAT:
            args = (name, what, steps, toy, data_format)
            first, ours = in_new_process(*args, None)
            theirs = None
            if official and name in peer.CASES:
                _, theirs = in_new_process(*args, str(official))
            yield {
                "case": name,
                "what": what,
                "ours, first, MB": first / MEGABYTE,
                "ours, MB": ours / MEGABYTE,
                "theirs, MB": theirs and theirs / MEGABYTE,
                "ratio": theirs and ours / theirs,
            }


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("args", type=json.loads)
    print(json.dumps(work(*parser.parse_args().args)))
