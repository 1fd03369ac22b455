"""What half precision does to generation: what the same data cost, and how long samples take.

    KERAS_BACKEND=torch python -m benchmarks precision

Presets that come with weights, as they were trained, in float32, and with their networks in
bfloat16. Both are asked what the same samples of the first cost, by the same noise: nats per
variable, transmission and reconstruction; `difference` is that of bfloat16, a share of the whole.
`ratio` is the time of `generate` in bfloat16 over that in float32.
"""

from functools import partial

import numpy as np

from benchmarks.timing import ratio
from keras_bfn import BayesianFlowNetwork

CASES = ("bfn_digits", "bfn_mnist", "bfn_text")


def nats(model, x):
    """Nats per variable, of models of classes without one."""
    if model.conditional:
        x = x, np.full(len(x), model.null_condition)
    costs = model.code_length(x, num_repeats=4, seed=0, verbose=0)
    return float(sum(cost.mean() for cost in costs.values())) / model.num_variables


def measure(cases=None, num_examples=32, rounds=5, steps=10):
    """Yields a row for each preset."""
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
