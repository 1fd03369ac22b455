"""Start-up time: importing the package, and a first training step.

    KERAS_BACKEND=jax python -m benchmarks start --cases unet

Measures the seconds of new processes that do nothing else, in turns: `import keras_bfn`, relative
to `import keras`; and processes that import everything, make a model and its bare network, as in
`overhead`, and train one or the other for a step.
"""

import os
import pathlib
import subprocess
import sys

import keras

from benchmarks.cases import CASES as MODELS
from benchmarks.timing import ratio

ROOT = pathlib.Path(__file__).parents[1]
CASES = ("import", *MODELS)
STEP = "from benchmarks.overhead import Pair; Pair({name!r}, {toy}).{step}()"


def run(code):
    """Runs code in a new process, without a compilation cache."""
    environment = {**os.environ, "KERAS_BACKEND": keras.backend.backend()}
    environment.pop("JAX_COMPILATION_CACHE_DIR", None)
    subprocess.run([sys.executable, "-c", code], env=environment, cwd=ROOT, check=True)


def measure(cases=None, rounds=5, toy=False):
    """Yields one row for the import, and one for the first training step of each case."""
    for name in CASES:
        if cases is not None and name not in cases:
            continue
        codes = ["import keras", "import keras_bfn"]
        if name != "import":
            codes = [STEP.format(name=name, toy=toy, step=step) for step in ("bare_step", "step")]
        base, ours = (lambda code=code: run(code) for code in codes)
        yield {"case": name, **ratio(base, ours, rounds, warm_up=False)}


if __name__ == "__main__":
    from benchmarks.report import main

    main("start")
