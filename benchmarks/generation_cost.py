"""What `generate` costs beside the network calls that it makes.

    KERAS_BACKEND=jax python -m benchmarks.generation_cost
    KERAS_BACKEND=jax python -m benchmarks.generation_cost --memory

Times `generate` with n steps, and n + 1 compiled forward passes of the bare network on batches of
the same size, in turns, and prints the median of the ratios: a U-Net of 5 million weights on 28x28
binary images. With `--memory`, generates 100 and then 1,000 samples by a small network in batches
of 50, and prints the largest size of the process after each.
"""

import argparse
import resource
import time

import keras
import numpy as np

from keras_bfn import BayesianFlowNetwork, flows, networks

IMAGE_SHAPE = (28, 28, 1)


def make_model(width, num_blocks):
    flow = flows.DiscreteFlow(num_classes=2, beta_1=9.0)
    network = networks.UNet(
        flow, IMAGE_SHAPE, width=width, width_multipliers=(1, 2, 2), num_blocks=num_blocks
    )
    model = BayesianFlowNetwork(flow, network, seed=0)
    model.compile()
    return model


def measure_cost(args):
    model = make_model(width=72, num_blocks=1)
    network = model.network
    network.compile(jit_compile=model.jit_compile)
    print(f"{keras.backend.backend()}: a network of {network.count_params():,} weights")
    inputs = {
        "theta": np.full((args.batch_size, *IMAGE_SHAPE, 1), 0.5, "float32"),
        "t": np.full((args.batch_size,), 0.5, "float32"),
    }

    def passes():
        for _ in range(args.steps + 1):
            network.predict_on_batch(inputs)

    def generate():
        model.generate(
            args.batch_size, args.steps, args.sampler, batch_size=args.batch_size, verbose=0
        )

    passes(), generate()
    ratios = []
    for _ in range(args.rounds):
        seconds = []
        for run in (passes, generate):
            start = time.perf_counter()
            run()
            seconds.append(time.perf_counter() - start)
        ratios.append(seconds[1] / seconds[0])
        print(
            f"{args.steps + 1} passes {seconds[0]:.2f} s, generate {seconds[1]:.2f} s, "
            f"ratio {ratios[-1]:.3f}",
            flush=True,
        )
    print(f"median ratio {np.median(ratios):.3f}")


def measure_memory():
    model = make_model(width=16, num_blocks=1)
    for num_samples in (100, 1000):
        model.generate(num_samples, 10, batch_size=50, verbose=0)
        kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(f"{num_samples} samples in batches of 50: at most {kilobytes / 1e6:.2f} GB")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--sampler", default="ancestral")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--memory", action="store_true")
    args = parser.parse_args()
    if args.memory:
        measure_memory()
    else:
        measure_cost(args)


if __name__ == "__main__":
    main()
