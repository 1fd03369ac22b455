"""Whether the package works as it is installed: with one backend alone, the oldest and the newest.

    python -m tests.versions                      # all cases
    python -m tests.versions --only jax --python python3.13

For each case it makes a virtual environment, installs the wheel or the source distribution of what
is committed with one backend and nothing else, and trains, scores, samples, saves and loads a tiny
model there. `floors` are the least versions that `pyproject.toml` states; `nightly` is Keras's, and
may fail. Each environment is deleted before the next one is made.
"""

import argparse
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import tomllib

ROOT = pathlib.Path(__file__).parents[1]
BACKENDS = ("jax", "tensorflow", "torch")
KINDS = ("wheel", "sdist", "floors", "nightly")
COLUMNS = ("python", "keras", "numpy", "backend")

SMOKE = """
import importlib.util, json, os, pathlib, platform, sys
from importlib.metadata import version

backend = os.environ["KERAS_BACKEND"]
others = {"jax", "tensorflow", "torch"} - {backend}
assert not any(map(importlib.util.find_spec, others)), "another backend is installed"

import keras
import numpy as np
import keras_bfn

assert "site-packages" in keras_bfn.__file__
flow = keras_bfn.flows.DiscreteFlow(num_classes=3, beta_1=2.0)
network = keras_bfn.networks.MLP(flow, event_shape=(4,), width=8, num_blocks=1)
model = keras_bfn.BayesianFlowNetwork(flow, network, seed=0)
model.compile("adamw")
x = np.random.default_rng(0).integers(0, 3, (8, 4))
model.fit(x, epochs=2, verbose=0)
nats = model.code_length(x, 5, seed=0, verbose=0)
assert np.isfinite(nats["transmission"]).all()
assert model.generate(4, 3, seed=0, verbose=0).shape == (4, 4)
model.save("model.keras")
again = keras.saving.load_model("model.keras").code_length(x, 5, seed=0, verbose=0)
np.testing.assert_allclose(again["transmission"], nats["transmission"], rtol=1e-5)
digits = keras_bfn.BayesianFlowNetwork.from_preset("bfn_digits").generate(1, 2, verbose=0)
assert digits.shape == (1, 8, 8, 1)
assert not others & set(sys.modules)
print(json.dumps({
    "python": platform.python_version(),
    "keras": keras.__version__,
    "numpy": version("numpy"),
    "backend": version(backend),
}))
"""


def run(*command, **options):
    """Runs a command, and returns what it printed; raises a `RuntimeError` with its last lines."""
    done = subprocess.run(
        list(map(str, command)),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        **options,
    )
    if done.returncode:
        raise RuntimeError(done.stdout.strip()[-1500:])
    return done.stdout


def floors(backend):
    """The least versions that the package states."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    stated = project["dependencies"] + project["optional-dependencies"][backend]
    return [requirement.replace(">=", "==") for requirement in stated]


def build(folder):
    """Builds the wheel and the source distribution of what is committed."""
    run("git", "-C", ROOT, "archive", "HEAD", "-o", folder / "source.tar")
    shutil.unpack_archive(folder / "source.tar", folder / "source")
    run(sys.executable, "-m", "venv", folder / "builder")
    python = folder / "builder" / "bin" / "python"
    run(python, "-m", "pip", "install", "-q", "build")
    run(python, "-m", "build", "-o", folder / "dist", folder / "source")
    shutil.rmtree(folder / "builder")
    (wheel,), (sdist,) = (folder / "dist").glob("*.whl"), (folder / "dist").glob("*.tar.gz")
    return {"sdist": sdist, "wheel": wheel, "floors": wheel, "nightly": wheel}


def check(kind, backend, distributions, python, folder):
    """Versions, by their columns, of an environment in which a tiny model works."""
    environment = folder / "environment"
    try:
        run(python, "-m", "venv", environment)
        interpreter = environment / "bin" / "python"
        install = interpreter, "-m", "pip", "install", "-q", "--no-cache-dir"
        pins = floors(backend) if kind == "floors" else ()
        run(*install, f"keras-bfn[{backend}] @ {distributions[kind].as_uri()}", *pins)
        if kind == "nightly":
            run(interpreter, "-m", "pip", "uninstall", "-q", "-y", "keras")
            run(*install, "--pre", "keras-nightly")
        own = {"KERAS_BACKEND": backend, "PATH": "/usr/bin:/bin", "HOME": str(folder)}
        printed = run(interpreter, "-I", "-c", SMOKE, cwd=environment, env=own)
        return json.loads(printed.splitlines()[-1])
    finally:
        shutil.rmtree(environment, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=BACKENDS, nargs="+", default=BACKENDS)
    parser.add_argument("--kinds", choices=KINDS, nargs="+", default=KINDS)
    parser.add_argument("--python", default=sys.executable, help="the interpreter to install for")
    args = parser.parse_args()
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        distributions = build(folder)
        print(f"| backend | installed | {' | '.join(COLUMNS)} | |\n|{'---|' * 7}", flush=True)
        for backend in args.only:
            for kind in args.kinds:
                found, outcome = {}, "works"
                try:
                    found = check(kind, backend, distributions, args.python, folder)
                except RuntimeError as error:
                    print(error, file=sys.stderr)
                    failed |= kind != "nightly"
                    outcome = "warning: fails" if kind == "nightly" else "fails"
                cells = [backend, kind, *(found.get(name, "") for name in COLUMNS), outcome]
                print(f"| {' | '.join(cells)} |", flush=True)
    sys.exit(failed)


if __name__ == "__main__":
    main()
