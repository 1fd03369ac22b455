"""Runs the tests on every backend: `python -m tests [arguments of pytest]`."""

import os
import subprocess
import sys
import time

BACKENDS = ("tensorflow", "jax", "torch")


def main():
    results = {}
    for backend in BACKENDS:
        print(f"\nKERAS_BACKEND={backend}", flush=True)
        start = time.monotonic()
        command = [sys.executable, "-m", "pytest", *sys.argv[1:]]
        environment = {"TF_CPP_MIN_LOG_LEVEL": "3", **os.environ, "KERAS_BACKEND": backend}
        code = subprocess.run(command, env=environment).returncode
        results[backend] = code
        outcome = "passed" if code == 0 else f"failed with exit code {code}"
        print(f"{backend}: {outcome} after {time.monotonic() - start:.0f} s", flush=True)
    sys.exit(max(results.values()))


if __name__ == "__main__":
    main()
