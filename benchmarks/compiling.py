"""What `compile(jit_compile=True)` costs and gains, by torch.compile or XLA.

    KERAS_BACKEND=torch python -m benchmarks compiling --cases transformer

`ratio` is the time of a training step, or of `generate` in 10 steps, of a model that is compiled
over that of one with `jit_compile=False`. `first step` is the time of the former's first step, in
seconds.
"""

from functools import partial

import keras

from benchmarks.cases import CASES, count_rows, make_case
from benchmarks.timing import ratio, seconds_of
from keras_bfn import BayesianFlowNetwork


def measure(cases=("mlp", "transformer", "unet"), rounds=5, toy=False):
    """Yields two rows per case."""
    for name in CASES:
        if name not in cases:
            continue
        models = []
        for is_compiled in (False, True):
            flow, network, x = make_case(name, toy)
            model = BayesianFlowNetwork(flow, network, seed=0)
            model.compile(keras.optimizers.AdamW(1e-4), jit_compile=is_compiled)
            models.append(model)
        plain, compiled = models
        first = seconds_of(partial(compiled.train_on_batch, x))
        steps = [partial(model.train_on_batch, x) for model in (plain, compiled)]
        yield {"case": name, "of": "step", "first step": first, **ratio(*steps, rounds)}
        options = {"batch_size": count_rows(x), "verbose": 0}
        generate = [partial(m.generate, count_rows(x), 10, **options) for m in (plain, compiled)]
        yield {"case": name, "of": "generate", **ratio(*generate, rounds)}


if __name__ == "__main__":
    from benchmarks.report import main

    main("compiling")
