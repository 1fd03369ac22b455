"""Runs the tests on every backend, at once: `python -m tests [arguments of pytest]`."""

import concurrent.futures
import os
import subprocess
import sys
import tempfile
import time

BACKENDS = ("tensorflow", "jax", "torch")
PARTS = 7  # of the tests on PyTorch: in small parts, the last of which is not alone for long
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
    """Runs pytest, and prints its lines, each with the backend's name before it."""
    start = time.monotonic()
    command = [sys.executable, "-m", "pytest", *options, *sys.argv[1:]]
    own = {"KERAS_BACKEND": backend}
    defaults = DEFAULTS | (flags_for_jax() if backend == "jax" else {})
    environment = {"JAX_COMPILATION_CACHE_DIR": cache, **defaults, **os.environ, **own}
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    for line in process.stdout:
        print(f"{backend:<12}{line}", end="", flush=True)
    code = process.wait()
    results[backend] = max(results.get(backend, 0), abs(code))
    outcome = "passed" if code == 0 else f"failed with exit code {code}"
    print(f"{backend:<12}{outcome} after {time.monotonic() - start:.0f} s", flush=True)


def tasks():
    """What is run, the longest first. Of the whole suite, PyTorch has the most to do."""
    if sys.argv[1:]:
        return [(name,) for name in BACKENDS]
    parts = [("torch", f"--part={part}/{PARTS}") for part in range(1, PARTS + 1)]
    return [("jax",), ("tensorflow",), *parts]


def main():
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
