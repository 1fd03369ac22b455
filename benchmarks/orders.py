"""What text costs by order, and what training in several orders takes from each: equal steps.

    KERAS_BACKEND=jax python -m benchmarks.orders novel.txt

Each row is one network, trained in its own mixture of orders, by as many windows in each step as
its shares are of `--batch`. Then the held-out text is sent together (by messages), told in random
order, and told from left to right.
"""

import argparse
import math
import time

import keras
import numpy as np

import keras_bfn
from examples import recipe
from keras_bfn import datasets, flows, networks

LENGTH = 64
WAYS = {  # the shares of the batch of `--batch` windows; their sum may be above 1
    "messages, shared times": None,
    "messages": {"together": 1.0},
    "messages and given": {"together": 0.5, "given": 0.5},
    "messages and random": {"together": 0.5, "random": 0.5},
    "messages, given, random": {"together": 0.5, "given": 0.25, "random": 0.25},
    "random": {"random": 1.0},
    "left to right": {"left_to_right": 1.0},
    "half left to right": {"together": 0.5, "random": 0.5, "left_to_right": 1.0},
    "all": {"together": 0.5, "given": 0.25, "random": 0.25, "left_to_right": 1.0},
}


def make(flow, shares, args):
    keras.utils.set_random_seed(0)
    times = "shared" if shares is None else "variables"
    causal = bool(shares) and "left_to_right" in shares
    network = networks.Transformer(
        flow, LENGTH, width=128, num_layers=args.layers, num_heads=0, times=times, causal=causal
    )
    return keras_bfn.BayesianFlowNetwork(flow, network, times=times, orders=shares, seed=0)


def train(model, letters, shares, args):
    batch_size = round(args.batch * (1.0 if shares is None else sum(shares.values())))
    model.compile(recipe.muon(args.steps))
    rng = np.random.default_rng(0)
    starts = rng.integers(0, len(letters) - LENGTH, args.steps * batch_size)
    x = letters[starts[:, None] + np.arange(LENGTH)]
    start = time.process_time()
    model.fit(x, batch_size=batch_size, shuffle=False, verbose=0)
    return time.process_time() - start


def bits(model, x, order, num_repeats):
    options = {"order": order, "num_repeats": num_repeats, "batch_size": 256, "seed": 0}
    with model.averaged_weights():
        nats = model.code_length(x, **options, verbose=0)
    total = (nats["transmission"] + nats["reconstruction"]) / LENGTH / math.log(2)
    return f"{total.mean():8.3f} +-{total.std() / math.sqrt(len(total)):.3f}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("text", help="a text file")
    parser.add_argument("--ways", nargs="+", choices=list(WAYS), default=list(WAYS))
    parser.add_argument("--steps", type=int, default=1600)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=8, help="at each window")
    args = parser.parse_args()

    data = datasets.text_file(args.text, seq_length=LENGTH)
    letters, held_out = (part.tokens.astype("int32") for part in (data.train, data.test))
    x = held_out[: len(held_out) // LENGTH * LENGTH].reshape(-1, LENGTH)[:1024]
    flow = flows.fit_prior(flows.DiscreteFlow(27, beta_1=0.75), letters[None])
    print(f"{len(x)} windows of {LENGTH}, after {args.steps} steps; bits per letter")
    print(f"{'trained by':<28}{'together':>16}{'random':>16}{'left to right':>16}{'seconds':>10}")
    for way in args.ways:
        shares = WAYS[way]
        model = make(flow, shares, args)
        seconds = train(model, letters, shares, args)
        orders = ["together"] if shares is None else ["together", "random", "left_to_right"]
        costs = [bits(model, x, order, args.repeats) for order in orders]
        print(f"{way:<28}{''.join(costs):<48}{seconds:>10.0f}", flush=True)


if __name__ == "__main__":
    main()
