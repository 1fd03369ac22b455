"""Effect of quantisation on presets: the cost of the same data, the file, the time of `generate`.

    KERAS_BACKEND=torch python -m benchmarks quantisation

Compares presets in float32 with the same presets after `quantize(mode)`. Both score the same
samples of the float32 model, with the same noise: nats per variable, transmission plus
reconstruction. `difference` is the relative difference after quantisation, `MB` the file of the
weights. `ratio` is the time of `generate` after quantisation over that in float32.
"""

import pathlib
import tempfile
from functools import partial

from benchmarks.precision import CASES, nats
from benchmarks.timing import ratio
from keras_bfn import BayesianFlowNetwork

MODES = ("int8", "int4", "float8")


def megabytes(model):
    with tempfile.TemporaryDirectory() as folder:
        model.save_to_preset(folder)
        return pathlib.Path(folder, "model.weights.h5").stat().st_size / 1e6


def measure(cases=None, num_examples=32, rounds=5, steps=10):
    """Yields one row per preset and mode."""
    for name in CASES:
        if cases is not None and name not in cases:
            continue
        whole = BayesianFlowNetwork.from_preset(name)
        x = whole.generate(num_examples, 20, sampler="sde2", seed=0, verbose=0)
        cost = nats(whole, x)
        yield {"case": name, "mode": "float32", "nats": cost, "MB": megabytes(whole)}
        for mode in MODES:
            model = BayesianFlowNetwork.from_preset(name)
            model.quantize(mode)
            rounded = nats(model, x)
            row = {"case": name, "mode": mode, "nats": rounded, "MB": megabytes(model)}
            row["difference"] = rounded / cost - 1.0
            options = {"sampler": "sde2", "batch_size": num_examples, "verbose": 0}
            generate = [partial(m.generate, num_examples, steps, **options) for m in (whole, model)]
            yield {**row, **ratio(*generate, rounds)}


if __name__ == "__main__":
    from benchmarks.report import main

    main("quantisation")
