"""Time to generate text from left to right with cached keys and values, in whole network calls.

KERAS_BACKEND=jax python -m benchmarks.left_to_right
"""

import argparse
import time

import keras
import numpy as np

import keras_bfn
from keras_bfn import flows, networks


def seconds(function, repeats):
    function()  # compiles
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


def measure(flow, num_heads, args):
    """Returns seconds to generate all samples, and of one network call on as many whole windows."""
    network = networks.Transformer(
        flow, args.length, args.width, args.layers, num_heads, times="variables", causal=True
    )
    model = keras_bfn.AnyOrderNetwork(flow, network, seed=0)
    model.compile()
    x = np.zeros((args.samples, args.length), "int32")
    options = {"order": "left_to_right", "batch_size": args.samples, "verbose": 0}
    generated = seconds(lambda: model.generate(args.samples, **options), args.repeats)
    return generated, seconds(lambda: model.code_length(x, **options), args.repeats)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=64)
    parser.add_argument("--length", type=int, default=256)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    flow = flows.DiscreteFlow(27, beta_1=0.75)
    print(f"{keras.backend.backend()}: {args.samples} samples of {args.length}")
    for num_heads in (4, 0):
        generated, whole = measure(flow, num_heads, args)
        print(
            f"{num_heads} heads: {generated:.3f} s; one call on whole windows: {whole:.3f} s; "
            f"ratio: {generated / whole:.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
