"""The paper's text8 experiment: text in 27 letters, in bits per character.

    KERAS_BACKEND=jax python examples/text8.py    # the paper's recipe
    KERAS_BACKEND=jax python examples/text8.py --preset small --data novel.txt
    KERAS_BACKEND=jax python examples/text8.py --preset small --data novel.txt --any-order
    KERAS_BACKEND=jax python examples/text8.py --preset tiny --data embedded

`--data` is a text file, or `embedded`, the prose of Python's help. By default, text8 is
downloaded. Other texts are cleaned like text8: a to z, and everything else a space.
`experiment.py` lists the files that a run writes. To resume an interrupted run, repeat
its command.

With `--any-order`, the letters of most training windows are sent by messages about all
of them at once, as in the paper, and those of the others from left to right, in random
order, or given some of them. Then samples are written from left to right.

At the end, the prior is scored on its own, and samples are compared with as much test
text, by two measures relative to the validation text: the fraction of their whole words
that occur in it, and the bits per character under a Markov chain of order 3 (4-grams)
fitted to it.
"""

from arguments import make_experiment_parser, parse_experiment

DURATIONS = {
    "paper": "This takes days, and is meant for GPUs.",
    "small": "About 45 minutes on one CPU core.",
    "tiny": "A few minutes on one CPU core.",
}


def parse_arguments():
    parser = make_experiment_parser(__doc__, "text file, or 'embedded'")
    parser.add_argument(
        "--order",
        type=int,
        default=3,
        help="order of the prior, a Markov chain; 0: independent letters",
    )
    parser.add_argument(
        "--any-order", action="store_true", help="learn to send in any order"
    )
    args = parse_experiment(parser, "text8", DURATIONS)
    if args.any_order and args.preset == "paper":
        parser.error("--any-order: choose --preset small or tiny")
    return args


if __name__ == "__main__":  # before the imports, which take seconds
    ARGS = parse_arguments()

import math

import experiment
import numpy as np

import keras_bfn
from keras_bfn import datasets, flows, metrics, networks, recipes

LETTERS = datasets.Letters()
PAPER = {None: 1.41}  # bits per character in continuous time
# For each preset: batch size, epochs, window length, and steps per epoch.
SIZES = {
    "paper": (416, 10_000, 256, 1000),
    "small": (32, 7, 256, 200),
    "tiny": (16, 1, 32, 10),
}
# With --any-order: how training windows are divided among kinds of states.
STATES = {"together": 2.0, "left_to_right": 1.0, "random": 0.4, "given": 0.3}


def build_model(preset, order, any_order, data, seq_length, steps, seed):
    if preset == "paper":
        return keras_bfn.BayesianFlowNetwork.from_preset(
            "bfn_text8", load_weights=False
        )
    flow = flows.DiscreteFlow(num_classes=27, beta_1=0.75)
    # With this prior, the network need not learn how a letter depends on the last few.
    flow = flows.fit_prior(flow, data.train.tokens[None], order=order)
    width, num_layers = (128, 5) if preset == "small" else (16, 1)
    options = {"width": width, "num_layers": num_layers, "num_heads": 0}
    if not any_order:
        network = networks.Transformer(flow, seq_length, **options)
        model = keras_bfn.BayesianFlowNetwork(
            flow, network, tokenizer=LETTERS, seed=seed
        )
        model.compile(recipes.muon(steps), loss="continuous_time")
        return model
    network = networks.Transformer(
        flow, seq_length, kernel_size=5, times="variables", causal=True, **options
    )
    model = keras_bfn.AnyOrderNetwork(
        flow, network, states=STATES, tokenizer=LETTERS, seed=seed
    )
    model.compile(recipes.muon(steps))
    return model


def sampling_options(model):
    """Returns in which order to sample, and how."""
    if isinstance(model, keras_bfn.AnyOrderNetwork):
        return {"order": "left_to_right"}
    return {"sampler": "sde2"}


def bits_under(chain, tokens):
    """Returns the bits per character of texts under a Markov chain."""
    return -chain.log_prob(tokens).mean() / (math.log(2) * tokens.shape[1])


def judge(model, data):
    """Prints samples, and compares them and real text with the validation text."""
    held_out = np.concatenate(list(data.validation)).ravel()
    reference, chain = (
        LETTERS.decode(held_out),
        flows.MarkovChain.fit(held_out[None], 27, order=3),
    )
    if isinstance(model.flow.prior, flows.MarkovChain):
        bits = bits_under(model.flow.prior, np.concatenate(list(data.test)))
        print(f"With the prior alone, test examples cost {bits:.3f} bits per character")
    real = data.test[0][:64]
    samples = model.generate(len(real), **sampling_options(model), seed=0, verbose=0)
    print("\nSamples:", *LETTERS.decode(samples[:4]), sep="\n")
    for name, tokens in (("samples", samples), ("real text", real)):
        known = metrics.spelling_rate(LETTERS.decode(tokens), reference)
        bits = bits_under(chain, tokens)
        print(
            f"{name:<13}{known:>7.1%} of words known, {bits:.3f} bits per character by 4-grams"
        )


def main(args):
    experiment.begin(args)
    batch_size, epochs, seq_length, steps_per_epoch = SIZES[args.preset]
    options = {
        "batch_size": batch_size,
        "seq_length": seq_length,
        "seed": args.seed,
        "steps_per_epoch": steps_per_epoch,
    }
    paper = {} if args.data else PAPER
    if args.data == "embedded":
        name, data = (
            "the prose of pydoc_data (not text8)",
            datasets.embedded_text(**options),
        )
    elif args.data:
        name, data = (
            f"{args.data} (not text8)",
            datasets.text_file(args.data, **options),
        )
    else:
        name, data = "text8", datasets.text8(**options)
    scope, data = experiment.distribution(args, data)
    with scope:
        steps = (args.epochs or epochs) * data.train.num_batches
        options = (data, seq_length, steps, args.seed)
        model = build_model(args.preset, args.order, args.any_order, *options)

    def samples(directory, epochs):
        every = max(1, epochs // 20)
        return keras_bfn.callbacks.SampleText(
            directory, every=every, **sampling_options(model)
        )

    per_nat = 1 / (math.log(2) * seq_length)
    experiment.run(
        args,
        experiment.Experiment(
            "text8",
            name,
            data,
            model,
            "bits per character",
            per_nat,
            paper,
            samples,
            judge,
        ),
        epochs,
    )


if __name__ == "__main__":
    main(ARGS)
