"""Runs drawn cases in this process."""

import collections
import importlib
import time
import traceback
import warnings

import keras
import numpy as np

# How many of each hundred cases are of a kind.
SHARES = {
    "exact_joint": 12,
    "units": 12,
    "rows": 8,
    "verbs": 22,
    "forms": 22,
    "weights": 18,
    "saving": 6,
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
