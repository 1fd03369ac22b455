"""Speed of the paper's text8 and CIFAR-10 networks on a GPU, also as a fraction of its peak.

    KERAS_BACKEND=jax python -m benchmarks gpu --official CLONE --output gpu.json

Measures bfloat16 (Keras's mixed precision) and float32, on JAX and PyTorch. `per second` counts
examples. `TFLOP/s` counts the matrix products and convolutions of a training step, as three times
those of a forward pass; `fraction of peak` is relative to the card's peak (`PEAKS` of
benchmarks/devices.py). `over the bare network` and `generate` are as in `overhead`. `over the
authors' code` is as in `peer`, with autocast for bfloat16. After `--minutes`, no further
measurement starts.
"""

import math
import time

import keras
import numpy as np

from benchmarks import peer
from benchmarks.cases import integers, network_inputs
from benchmarks.devices import gpu_name, peak_flops
from benchmarks.report import Missing
from benchmarks.timing import in_turns
from keras_bfn import networks

CASES = {
    "text8": peer.Case("bfn_text8", 64, {}),
    "cifar10": peer.Case("bfn_cifar10_discretized_256", 32, {}),
}
TOYS = {"text8": peer.TOYS["transformer"], "cifar10": peer.TOYS["vdm"]}
DTYPES = {"bfloat16": "mixed_bfloat16", "float32": "float32"}


def matrix_sizes(layer):
    """Returns the number of a layer's weights in matrix products and convolutions."""
    return sum(math.prod(w.shape) for w in layer.trainable_weights if len(w.shape) > 1)


def forward_flops(network, batch_size):
    """Returns the operations of matrix products and convolutions in a forward pass.

    The network must have a single resolution. Each weight is used once at each position, except
    those for the time, which are used once per example. All positions attend to each other in each
    block of a `Transformer`, and once in a `VDMUNet`.
    """
    of_time = sum(
        matrix_sizes(getattr(layer, "add_time", layer))
        for layer in network.layers
        if hasattr(layer, "add_time") or layer.name.startswith("time_")
    )
    of_positions = matrix_sizes(network) - of_time
    if isinstance(network, networks.Transformer):
        positions, num_attentions = network.event_shape[0], network.num_layers
    else:
        positions, num_attentions = math.prod(network.image_shape[:2]), 1
    attention = num_attentions * 2 * positions**2 * network.width
    return 2 * batch_size * (of_time + positions * of_positions + attention)


def our_model(case, dtype, *options):
    keras.config.set_dtype_policy(DTYPES[dtype])
    try:
        return peer.our_model(case, *options)
    finally:
        keras.config.set_dtype_policy("float32")


def rows_of(case, dtype, rounds, steps, official, *options):
    """Yields the rows of one case in one dtype."""
    model = our_model(case, dtype, *options)
    num = case.batch_size
    x = integers(model.flow.data_range[1] + 1, (num, *model.event_shape))

    def row(what, base, function, flops=None):
        functions = (function,) if base is None else (base, function)
        seconds = in_turns(functions, rounds)
        median = float(np.median(seconds[:, -1]))
        return {
            "what": what,
            "seconds": median,
            "per second": num / median,
            "ratio": None if base is None else float(np.median(seconds[:, 1] / seconds[:, 0])),
            "TFLOP/s": flops and flops / median / 1e12,
            "fraction of peak": flops and peak and flops / median / peak,
        }

    def step():
        model.train_on_batch(x)

    def generate():
        model.generate(num, steps, batch_size=num, verbose=0)

    peak = peak_flops(gpu_name(), dtype)
    yield row("training step", None, step, 3 * forward_flops(model.network, num))
    yield row(f"generate, {steps} steps", None, generate)

    bare = our_model(case, dtype, *options).network
    recipe = peer.recipe_of(case)
    bare.compile(recipe.optimizer(), "mean_squared_error", jit_compile=model.jit_compile)
    inputs, targets = network_inputs(bare, num)
    yield row("over the bare network", lambda: bare.train_on_batch(inputs, targets), step)
    if official:
        theirs = peer.Official(case, in_bfloat16=dtype == "bfloat16")
        data = theirs.data(x)
        yield row("over the authors' code", lambda: theirs.train(data), step)


def measure(
    official=None,
    cases=None,
    rounds=7,
    steps=10,
    minutes=8.0,
    toy=False,
    jit_compile="auto",
    data_format=None,
):
    """Yields the rows of each case in each dtype."""
    if gpu_name() is None and not toy:
        raise Missing("needs a GPU that the backend sees")
    if official:
        peer.use(official)
    end = time.monotonic() + 60 * minutes
    for dtype in DTYPES:
        for name, case in (TOYS if toy else CASES).items():
            if cases is not None and name not in cases:
                continue
            options = (jit_compile, data_format)
            for row in rows_of(case, dtype, rounds, steps, official, *options):
                yield {"case": name, "dtype": dtype, "batch": case.batch_size, **row}
                if time.monotonic() > end:
                    return


if __name__ == "__main__":
    from benchmarks.report import main

    main("gpu")
