"""Cost of text by order, and the effect of training in several orders, after equal steps.

    KERAS_BACKEND=jax python -m benchmarks.orders novel.txt

Each row is one network, trained in a mixture of orders. WAYS gives the windows of each order per
step, as multiples of `--batch`. The held-out text is then sent together (by messages), and coded
directly in random order and from left to right. With `--write`, the last network also generates
text and compresses the held-out text. Prints the fraction of generated words that occur in the
training text, for windows and for texts of 2,000 letters, and the size of the file.
"""

import argparse
import math
import time

import keras
import numpy as np

import keras_bfn
from keras_bfn import datasets, flows, networks, recipes
from keras_bfn.codec import Codec

LENGTH = 64
LOSSES = ("continuous_time", "cross_entropy")
WAYS = {  # windows per step by kind of state, as multiples of `--batch`; their sum may exceed 1
    "messages, shared times": None,
    "messages": {"together": 1.0},
    "messages and given": {"together": 0.5, "given": 0.5},
    "messages and random": {"together": 0.5, "random": 0.5},
    "messages, given, random": {"together": 0.5, "given": 0.25, "random": 0.25},
    "as many by messages": {"together": 1.0, "given": 0.5, "random": 0.5},
    "random": {"random": 1.0},
    "left to right": {"left_to_right": 1.5},
    "half, left to right": {"together": 0.5, "given": 0.25, "random": 0.25, "left_to_right": 1.0},
    "half, more left to right": {
        "together": 0.5,
        "given": 0.25,
        "random": 0.25,
        "left_to_right": 1.5,
    },
    "all": {"together": 1.0, "given": 0.5, "random": 0.5, "left_to_right": 1.5},
}


def make_model(flow, network, states):
    """Returns a model with a time for each variable, or, without states, one for all of them."""
    if states is None:
        return keras_bfn.BayesianFlowNetwork(flow, network, seed=0)
    return keras_bfn.AnyOrderNetwork(flow, network, states=states, seed=0)


def make(flow, states, args):
    keras.utils.set_random_seed(0)
    times = "shared" if states is None else "variables"
    causal = bool(states) and "left_to_right" in states
    network = networks.Transformer(
        flow, LENGTH, width=128, num_layers=args.layers, num_heads=0, times=times, causal=causal
    )
    return make_model(flow, network, states)


def orders_of(states):
    """Returns arguments of `code_length` for each order in which such a model sends data."""
    if states is None:
        return [{}]
    return [{"order": order} for order in ("together", "random", "left_to_right")]


def train(model, letters, states, args):
    batch_size = round(args.batch * (1.0 if states is None else sum(states.values())))
    model.compile(recipes.muon(args.steps), loss=args.loss)
    rng = np.random.default_rng(0)
    starts = rng.integers(0, len(letters) - LENGTH, args.steps * batch_size)
    x = letters[starts[:, None] + np.arange(LENGTH)]
    start = time.process_time()
    model.fit(x, batch_size=batch_size, shuffle=False, verbose=0)
    return time.process_time() - start


def bits(model, x, num_repeats, **order):
    options = {"num_repeats": num_repeats, "batch_size": 256, "seed": 0, "verbose": 0} | order
    with model.averaged_weights():
        nats = model.code_length(x, **options)
    total = (nats["transmission"] + nats["reconstruction"]) / LENGTH / math.log(2)
    return f"{total.mean():8.3f} +-{total.std() / math.sqrt(len(total)):.3f}"


def write(model, letters, x):
    """Prints the fractions of known words by order and in long texts, and the size of a file."""
    tokenizer = model.tokenizer = datasets.Letters()
    words = set(tokenizer.decode(letters).split())

    def known(texts):
        found = [word for text in texts for word in text.split()[1:-1]]
        return f"{100 * np.mean([word in words for word in found]):.1f}% of {len(found)} words"

    for order in ("together", "random", "left_to_right"):
        options = {"sampler": "sde2", "order": order, "seed": 0, "batch_size": 128, "verbose": 0}
        texts = model.generate_text(128, 50, **options)
        print(f"{order}: {known(texts)}; {texts[0]}", flush=True)
    options = {"order": "left_to_right", "seed": 0, "verbose": 0}
    texts = model.generate_text(16, length=2000, **options)
    print(f"2,000 letters: {known(texts)}; {texts[0][:200]}", flush=True)
    borders = np.arange(LENGTH, 1990, LENGTH // 2)
    for name, places in (("at", borders), ("between", borders + LENGTH // 4)):
        spans = [
            (text, text.rfind(" ", 0, i) + 1, text.find(" ", i)) for text in texts for i in places
        ]
        found = [text[i:j] in words for text, i, j in spans if i and j > 0]
        print(f"words {name} borders of windows: {100 * np.mean(found):.1f}% known", flush=True)
    codec = Codec(model, order="left_to_right")
    data, report = codec.compress(x, return_report=True, verbose=0)
    assert (codec.decompress(data, verbose=0) == x).all()
    nats = model.code_length(x, order="left_to_right", verbose=0)["reconstruction"].sum()
    cost, header = nats / math.log(2) / 8, report["header_bits"] // 8
    bits = 8 * len(data) / x.size
    print(f"file: {len(data)} bytes, {header} of them the header; {bits:.3f} bits per letter")
    print(
        f"{len(data) / cost:.4f} of the cost, {(len(data) - header) / cost:.4f} without the header"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("text", help="text file")
    parser.add_argument("--ways", nargs="+", choices=list(WAYS), default=list(WAYS))
    parser.add_argument("--steps", type=int, default=1600)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--loss", default="continuous_time", choices=LOSSES)
    parser.add_argument("--order", type=int, default=0, help="of the Markov chain as the prior")
    parser.add_argument("--repeats", type=int, default=8, help="evaluations of each window")
    parser.add_argument("--write", action="store_true", help="generate and compress text")
    args = parser.parse_args()

    data = datasets.text_file(args.text, seq_length=LENGTH)
    letters, held_out = (part.tokens.astype("int32") for part in (data.train, data.test))
    x = held_out[: len(held_out) // LENGTH * LENGTH].reshape(-1, LENGTH)[:1024]
    flow = flows.DiscreteFlow(27, beta_1=0.75)
    flow = flows.fit_prior(flow, letters[None], order=args.order)
    print(f"{len(x)} windows of {LENGTH}, after {args.steps} steps; bits per letter")
    print(f"{'trained by':<28}{'together':>16}{'random':>16}{'left to right':>16}{'seconds':>10}")
    for way in args.ways:
        states = WAYS[way]
        model = make(flow, states, args)
        seconds = train(model, letters, states, args)
        costs = [bits(model, x, args.repeats, **order) for order in orders_of(states)]
        print(f"{way:<28}{''.join(costs):<48}{seconds:>10.0f}", flush=True)
    if args.write:
        with model.averaged_weights():
            write(model, letters, x)


if __name__ == "__main__":
    main()
