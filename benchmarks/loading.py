"""Memory and time for loading ProtBFN's 650 million weights, here random.

    KERAS_BACKEND=jax python -m benchmarks.loading [--layers 33] [--folder FOLDER]

Writes the arrays to FOLDER, or to a temporary one, unless they are there. Then each dtype is loaded
in a process of its own, after a model of one layer, which imports and compiles what all need.
Printed for each: the size of the weights, the peak of the resident memory above that before, their
ratio, and seconds. On Linux only, where the peak is `VmHWM`.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy as np

WIDTH, HIDDEN, HEADS = 1280, 5120, 20
DTYPES = ("float32", "bfloat16")


def write(folder, num_layers, width=WIDTH, hidden=HIDDEN):
    """Writes random arrays in ProtBFN's order."""
    norm, dense = [(width,), (width,)], [(width,), (width, width)]
    block = [(hidden,), (width, hidden), (width,), (hidden, width), *norm, *dense * 4, *norm]
    shapes = [*block * num_layers, *norm, (width,), (64, width), *norm]
    shapes += [(32,), (width, 32), *dense, *norm]
    for i, shape in enumerate(shapes):
        rng, file = np.random.default_rng(i), folder / f"array_{i}.npy"
        if not file.exists():
            np.save(file, rng.standard_normal(shape, "float32") / np.float32(width**0.5))


def resident(key):
    """`VmRSS` or `VmHWM` of this process in bytes."""
    for line in pathlib.Path("/proc/self/status").read_text().splitlines():
        if line.startswith(key):
            return 1024 * int(line.split()[1])
    raise ValueError(key)


def measure(folder, first, dtype):
    """Loads the folder's model, after that of one layer; returns the figures."""
    import keras

    from keras_bfn.checkpoints import protbfn

    protbfn(first, 64, HEADS, dtype=dtype, verbose=0)
    before, start = resident("VmRSS"), time.perf_counter()
    model = protbfn(folder, 512, HEADS, dtype=dtype, verbose=0)
    seconds = time.perf_counter() - start
    weights = model.network.variables
    sizes = [np.prod(w.shape) * (2 if "16" in str(w.dtype) else 4) for w in weights]
    return {
        "backend": keras.backend.backend(),
        "dtype": dtype,
        "weights": int(model.network.count_params()),
        "gigabytes": sum(sizes) / 1e9,
        "peak": (resident("VmHWM") - before) / 1e9,
        "seconds": seconds,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--layers", type=int, default=33)
    parser.add_argument("--folder", type=pathlib.Path)
    parser.add_argument("--measure", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(*options.measure)))
        return
    with tempfile.TemporaryDirectory() as temporary:
        first = pathlib.Path(temporary, "first")
        folder = options.folder or pathlib.Path(temporary, "all")
        for made, num_layers in (first, 1), (folder, options.layers):
            made.mkdir(exist_ok=True, parents=True)
            write(made, num_layers)
        for dtype in DTYPES:
            command = [sys.executable, "-m", "benchmarks.loading", "--measure", folder, first]
            found = subprocess.run(
                [*map(str, command), dtype], check=True, stdout=subprocess.PIPE, env=os.environ
            )
            row = json.loads(found.stdout.splitlines()[-1])
            print(
                f"{row['backend']}, {dtype}: {row['weights']:,} weights, {row['gigabytes']:.2f} GB,"
                f" peak {row['peak']:.2f} GB, ratio {row['peak'] / row['gigabytes']:.2f},"
                f" {row['seconds']:.0f} s",
                flush=True,
            )


if __name__ == "__main__":
    main()
