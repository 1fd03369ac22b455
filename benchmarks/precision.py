"""Effect of half precision on inference: the cost of the same data, and the time of `generate`.

    KERAS_BACKEND=torch python -m benchmarks precision

Compares presets with weights in float32, as they were trained, with the same presets with their
networks in bfloat16. Both score the same samples of the float32 model, with the same noise: nats
per variable, transmission plus reconstruction. `difference` is the relative difference of bfloat16.
`ratio` is the time of `generate` in bfloat16 over that in float32.
"""

from functools import partial

import numpy as np

from benchmarks.timing import ratio
from keras_bfn import BayesianFlowNetwork

CASES = ("bfn_digits", "bfn_mnist", "bfn_text")


def nats(model, x):
    """Returns nats per variable; class-conditional models are given no class."""
    if model.conditional:
        x = x, np.full(len(x), model.null_condition)
    costs = model.code_length(x, num_repeats=4, seed=0, verbose=0)
    return float(sum(cost.mean() for cost in costs.values())) / model.num_variables


def measure(cases=None, num_examples=32, rounds=5, steps=10):
    """Yields one row per preset."""
    for name in CASES:
        if cases is not None and name not in cases:
            continue
        single, half = (
            BayesianFlowNetwork.from_preset(name, dtype=dtype)
            for dtype in ("float32", "mixed_bfloat16")
        )
        x = single.generate(num_examples, 20, sampler="sde2", seed=0, verbose=0)

        options = {"sampler": "sde2", "batch_size": num_examples, "verbose": 0}
        generate = [partial(m.generate, num_examples, steps, **options) for m in (single, half)]
        cost, rounded = nats(single, x), nats(half, x)
        row = {"case": name, "float32": cost, "bfloat16": rounded}
        row["difference"] = rounded / cost - 1.0
        yield {**row, **ratio(*generate, rounds)}


if __name__ == "__main__":
    from benchmarks.report import main

    main("precision")
