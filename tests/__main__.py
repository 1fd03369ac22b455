"""Runs the tests on every backend, at once: `python -m tests [arguments of pytest]`.

Without arguments, these are the quick tests: each claim is decided once, on one backend where all
agree by construction, and on three where they may differ.

    python -m tests tests/flows -k prior    # some of them
    python -m tests -m slow                 # whole guides and examples, and long statistics
    python -m tests -m nightly              # what takes minutes
    KERAS_BACKEND=jax python -m pytest      # one backend
"""

import concurrent.futures
import math
import os
import subprocess
import sys
import tempfile
import time

BACKENDS = ("tensorflow", "jax", "torch")
PARTS = 6  # of the tests on PyTorch, so that the last of them is not alone for long
# The processor's seconds of the quick tests, measured at once on two shared cores of a Xeon.
SECONDS = {"tensorflow": 170, "jax": 330, "torch": 800}
NO_TESTS = 5  # the exit code of pytest where no test is selected
DEFAULTS = {
    "TF_CPP_MIN_LOG_LEVEL": "3",
    # Threads of PyTorch that wait leave the cores to the other two.
    "OMP_WAIT_POLICY": "PASSIVE",
    # Where all cores are busy, a step that passes between threads waits for each of them: on one
    # busy core, tests that train take half as long on JAX with one thread as with two.
    "NPROC": "1",
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    # Most tests spend their time in compiling, not in running, and in compiling what others have.
    "XLA_FLAGS": "--xla_backend_optimization_level=0",
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
}

# Code by XLA's older emitters is made in two thirds of the time, and in one piece in four fifths of
# what is left. Whoever does not know a flag, aborts.
FASTER = "--xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1"


def flags_for_jax():
    """XLA's flags, with two more if the JAX that is installed knows them."""
    flags = f"{DEFAULTS['XLA_FLAGS']} {FASTER}"
    command = [sys.executable, "-c", "import jax; jax.devices()"]
    known = subprocess.run(command, env={**os.environ, "XLA_FLAGS": flags}, capture_output=True)
    return {"XLA_FLAGS": flags} if known.returncode == 0 else {}


def run(backend, cache, results, *options):
    """Runs pytest, and prints its lines, each with the backend's name and part before it."""
    start = time.monotonic()
    name = " ".join((backend, *(option.removeprefix("--part=") for option in options)))
    command = [sys.executable, "-m", "pytest", *options, *sys.argv[1:]]
    own = {"KERAS_BACKEND": backend}
    defaults = DEFAULTS | (flags_for_jax() if backend == "jax" else {})
    environment = {"JAX_COMPILATION_CACHE_DIR": cache, **defaults, **os.environ, **own}
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    for line in process.stdout:
        print(f"{name:<12}{line}", end="", flush=True)
    code = process.wait()
    is_empty = code == NO_TESTS
    results[backend] = max(results.get(backend, 0), 0 if is_empty else abs(code))
    outcome = "passed" if code == 0 else f"failed with exit code {code}"
    outcome = "has none of these tests" if is_empty else outcome
    print(f"{name:<12}{outcome} after {time.monotonic() - start:.0f} s", flush=True)


def tasks():
    """What is run, the longest first. Of a whole suite, PyTorch has the most to do."""
    arguments = sys.argv[1:]
    if "-k" in arguments or any(os.path.exists(each.split("::")[0]) for each in arguments):
        return [(name,) for name in BACKENDS]
    parts = [("torch", f"--part={part}/{PARTS}") for part in range(1, PARTS + 1)]
    return [("jax",), ("tensorflow",), *parts]


def introduction():
    """How long the tests take here, and how to run a part of them."""
    cores = min(len(BACKENDS), os.cpu_count() or 1)
    longest, total = max(SECONDS["jax"], SECONDS["tensorflow"]), sum(SECONDS.values())
    minutes = math.ceil(max(longest, total / cores) / 60)
    lines = [
        f"The quick tests take about {minutes} minutes on {cores} idle cores.",
        "A part of them: `python -m tests tests/flows`, or `-k WORD`, as pytest takes them.",
        "One backend: `KERAS_BACKEND=jax python -m pytest`. Other tests: `-m slow`, `-m nightly`.",
        f"Percentages are of each backend; of PyTorch, of each of {PARTS} parts.",
    ]
    return "\n".join(lines)


def main():
    if not sys.argv[1:]:
        print(introduction(), flush=True)
    results = {}
    with (
        tempfile.TemporaryDirectory() as cache,
        concurrent.futures.ThreadPoolExecutor(len(BACKENDS)) as pool,
    ):
        running = [pool.submit(run, task[0], cache, results, *task[1:]) for task in tasks()]
        for each in running:
            each.result()
    sys.exit(max(results.get(name, 1) for name in BACKENDS))


if __name__ == "__main__":
    main()
