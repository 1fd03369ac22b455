"""How fast the codec is: images per second, by the number of messages and of lanes.

    KERAS_BACKEND=jax python -m benchmarks.codec_speed --model runs/mnist-small/model.keras

The images are samples of the model, by default the digits of the preset `bfn_digits`. `network` is
the share of the time that goes into the network; `initial` are the bytes of initial bits.
"""

import argparse
import time

import keras
import numpy as np

import keras_bfn
from keras_bfn.codec.receiver import Receiver


def timed(function, *args):
    start = time.perf_counter()
    result = function(*args, verbose=0)
    return result, time.perf_counter() - start


def measure(model, x, num_steps, lanes):
    codec = keras_bfn.codec.Codec(model, num_steps, lanes)
    codec.compress(x[:lanes], verbose=0)  # compiles
    in_network = 0.0
    ask = Receiver.log_probs

    def timed_ask(*args):
        nonlocal in_network
        start = time.perf_counter()
        result = ask(*args)
        in_network += time.perf_counter() - start
        return result

    Receiver.log_probs = timed_ask
    try:
        data, there = timed(codec.compress, x)
        share = in_network / there
    finally:
        Receiver.log_probs = ask
    decompressed, back = timed(codec.decompress, data)
    assert np.array_equal(decompressed, x)
    _, report = codec.compress(x, return_report=True, verbose=0)
    return len(x) / there, len(x) / back, share, report["initial_bits"] / 8


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="bfn_digits", help="a .keras file, or a preset")
    parser.add_argument("--num-images", type=int, default=128)
    parser.add_argument("--num-steps", type=int, nargs="+", default=[10, 50])
    parser.add_argument("--lanes", type=int, nargs="+", default=[1, 8, 64])
    args = parser.parse_args()
    if args.model.endswith(".keras"):
        model = keras.saving.load_model(args.model)
    else:
        model = keras_bfn.BayesianFlowNetwork.from_preset(args.model)
    x = model.generate(args.num_images, num_steps=10, sampler="sde2", seed=0, verbose=0)
    print(f"{keras.backend.backend()}, {x.shape[1:]}, {model.flow}, images per second:")
    print(
        f"{'messages':>8}{'lanes':>7}{'compress':>10}{'decompress':>12}{'network':>9}{'initial':>8}"
    )
    for num_steps in args.num_steps:
        for lanes in args.lanes:
            there, back, share, initial = measure(model, x, num_steps, lanes)
            print(
                f"{num_steps:>8}{lanes:>7}{there:>10.1f}{back:>12.1f}{share:>9.0%}{initial:>8.0f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
