"""Speed of the codec in images per second, by number of messages and of lanes.

    KERAS_BACKEND=jax python -m benchmarks.codec_speed --model runs/mnist-small/model.keras

Times one batch with the given number of lanes, on a stack of random bits, as for all but the first
batches of a file. Figures are medians over rounds. The images are samples of the model, by default
of the preset `bfn_digits`. `network` is the fraction of the time, in both directions, that the
network takes.
"""

import argparse

import keras
import numpy as np

import keras_bfn
from benchmarks.timing import Clock
from keras_bfn import orders
from keras_bfn.codec.chain import Chain
from keras_bfn.codec.receiver import Receiver
from keras_bfn.codec.stack import Stack
from keras_bfn.inputs.conditions import condition_inputs


def timed(function, *args):
    start = Clock.read()
    result = function(*args)
    return result, Clock.read() - start


def code(chain, receiver, x):
    """Returns the seconds that one batch takes to compress, to decompress, and in the network."""
    in_network, rows = 0.0, np.arange(len(x))

    def timed_predict(*args):
        nonlocal in_network
        prediction, seconds = timed(predict, *args)
        in_network += seconds
        return prediction

    predict, receiver.predict = receiver.predict, timed_predict
    words = np.random.default_rng(0).integers(1, 2**32, chain.initial_words(x.size), "uint32")
    stack = Stack(words)
    _, there = timed(receiver.push, stack, x, rows)
    back, seconds = timed(receiver.pop, stack, rows)
    receiver.predict = predict
    assert np.array_equal(back, x)
    assert np.array_equal(stack.words(), words)
    return there, seconds, in_network


def measure(model, x, num_steps, num_rounds):
    chain = Chain(model.flow, num_steps, resolution=0.25)
    condition = condition_inputs(model, None, len(x)).get("condition")
    receiver = Receiver(model, len(x), chain, condition, None, orders.Together(), None)
    code(chain, receiver, x)  # compiles
    there, back, network = np.median([code(chain, receiver, x) for _ in range(num_rounds)], axis=0)
    return len(x) / there, len(x) / back, network / (there + back)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="bfn_digits", help=".keras file or preset")
    parser.add_argument("--num-steps", type=int, nargs="+", default=[10, 50])
    parser.add_argument("--lanes", type=int, nargs="+", default=[1, 8, 64])
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    if args.model.endswith(".keras"):
        model = keras.saving.load_model(args.model)
    else:
        model = keras_bfn.BayesianFlowNetwork.from_preset(args.model)
    x = model.generate(max(args.lanes), num_steps=10, sampler="sde2", seed=0, verbose=0)
    print(f"{keras.backend.backend()}, {x.shape[1:]}, {model.flow}, images per second:")
    print(f"{'messages':>8}{'lanes':>7}{'compress':>10}{'decompress':>12}{'network':>9}")
    for num_steps in args.num_steps:
        for lanes in args.lanes:
            there, back, share = measure(model, x[:lanes], num_steps, args.rounds)
            print(f"{num_steps:>8}{lanes:>7}{there:>10.1f}{back:>12.1f}{share:>9.0%}", flush=True)


if __name__ == "__main__":
    main()
