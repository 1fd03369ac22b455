"""Learns a text file, from left to right, and writes more of it.

    KERAS_BACKEND=jax python examples/text.py novel.txt
    KERAS_BACKEND=jax python examples/text.py novel.txt --seconds 3600 --prompt "Call me"

`FILE` is a text in UTF-8; without it, the text is the prose of Python's help.
Characters stay as they are: each is a token or, in a text with more than 128 different
characters, each byte is one. The last 5% of the text are for testing, the 5% before
them for validation.

Most training windows are sent from left to right, each token given those before it, and
a few together or in random order (see guides/in_any_order.py). Every ten seconds, the
validation part is scored with averaged weights. The weights with the lowest cost are
kept: a short text is overfitted before the time is up.

Prints the cost of the test part, beside that of the whole file compressed by bzip2 or
lzma. Then prints samples, a continuation of `--prompt`, and the fraction of words that
occur in the training part, in samples and in the test part. Writes `text/samples.txt`
and `text/model.keras`. To generate more, load the model, and call `generate_text(4,
length=400, order="left_to_right")`: in other orders, it has had little training.
"""

import argparse
import pathlib

from arguments import positive

EMBEDDED = pathlib.Path("embedded")


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    arguments = {
        "--seconds": (positive, 300, "of processor time, for training"),
        "--length": (positive, 128, "number of tokens in a window"),
        "--width": (positive, 128, "of the network"),
        "--layers": (positive, 4, "of the network"),
        "--samples": (positive, 32, "number of samples"),
        "--prompt": (
            str,
            argparse.SUPPRESS,
            "by default, the first characters of the test part",
        ),
        "--output": (pathlib.Path, "text", "folder to write"),
    }
    text_help = "text file, or 'embedded', the prose of Python's help"
    parser.add_argument(
        "file",
        metavar="FILE",
        nargs="?",
        type=pathlib.Path,
        default=EMBEDDED,
        help=text_help,
    )
    for name, (kind, default, meaning) in arguments.items():
        parser.add_argument(name, type=kind, default=default, help=meaning)
    return parser.parse_args()


if __name__ == "__main__":  # before the imports, which take seconds
    ARGS = parse_arguments()
    print(
        f"Learns a text for {ARGS.seconds} s of processor time, then scores it and writes "
        "more of it.",
        flush=True,
    )

import bz2
import lzma
import math
import time

import keras
import numpy as np
from progress import Progress

import keras_bfn
from keras_bfn import callbacks, datasets, flows, metrics, networks, recipes

BATCH_SIZE, STEPS_PER_EPOCH = 8, 10
MOST_LETTERS = 128  # texts with more different characters are learnt as bytes
NUM_VALIDATION, NUM_TEST = 64, 1024  # the maximum numbers of windows that are scored
SECONDS_BETWEEN_SCORES = 10
STATES = {"left_to_right": 0.9, "together": 0.05, "random": 0.05}


def read_text(path, output):
    """Returns the path of the text, its characters, and their tokenizer."""
    if path == EMBEDDED:
        path = output / "embedded.txt"
        parts = datasets.embedded_text(tokenizer=datasets.Bytes())
        path.write_bytes(np.concatenate([part.tokens for part in parts]).tobytes())
    text = path.read_text(encoding="utf-8-sig")
    is_small = 2 <= len(set(text)) <= MOST_LETTERS
    return path, text, datasets.Letters.fit(text) if is_small else datasets.Bytes()


def make_model(tokenizer, tokens, length, width, num_layers):
    # As much accuracy in total as in the paper, where 27 letters have beta_1 = 0.75.
    flow = flows.DiscreteFlow(tokenizer.num_classes, beta_1=20 / tokenizer.num_classes)
    flow = flows.fit_prior(flow, tokens[None])
    network = networks.Transformer(
        flow,
        length,
        width=width,
        num_layers=num_layers,
        num_heads=0,  # convolutions alone: attention needs longer training
        kernel_size=5,
        times="variables",
        causal=True,
    )
    return keras_bfn.AnyOrderNetwork(
        flow, network, states=STATES, tokenizer=tokenizer, seed=0
    )


class BitsPerCharacter:
    """The mean cost of the first windows of a part, from left to right."""

    def __init__(self, part, most, tokenizer):
        self.windows = np.concatenate(list(part))[:most]
        self.per_token = self.windows.size / len(tokenizer.decode(self.windows.ravel()))

    def __call__(self, model):
        nats = model.code_length(self.windows, order="left_to_right", seed=0, verbose=0)
        total = (nats["transmission"] + nats["reconstruction"]).mean()
        return total / math.log(2) / self.windows.shape[1] * self.per_token


class BestWeights(keras.callbacks.Callback):
    """Logs the validation cost of the averaged weights, and keeps the best of them."""

    def __init__(self, cost):
        super().__init__()
        self.cost, self.lowest = cost, math.inf
        self.scored = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        if (
            time.perf_counter() - self.scored < SECONDS_BETWEEN_SCORES
            and not self.model.stop_training
        ):
            return
        with self.model.averaged_weights():
            bits = self.cost(self.model)
            if bits < self.lowest:
                self.lowest, self.weights = bits, self.model.get_weights()
        logs["val_bits_per_character"] = bits
        self.scored = time.perf_counter()


def main(args):
    args.output.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(0)

    try:
        path, text, tokenizer = read_text(args.file, args.output)
        data = datasets.text_file(
            path, BATCH_SIZE, args.length, tokenizer, steps_per_epoch=STEPS_PER_EPOCH
        )
        start = tokenizer.decode(data.test.tokens[: args.length // 4]).strip("\ufffd")
        prompt = vars(args).get("prompt", start)
        tokenizer.encode(prompt)
    except (OSError, ValueError) as error:
        raise SystemExit(str(error).replace("seq_length", "--length")) from error
    train = tokenizer.decode(data.train.tokens)
    print(
        f"{len(text):,} characters, as {tokenizer.num_classes} tokens; {len(train):,} to train on"
    )

    model = make_model(
        tokenizer, data.train.tokens, args.length, args.width, args.layers
    )
    model.compile(recipes.muon(ema_momentum=0.98))
    budget = callbacks.TimeBudget(args.seconds, clock="processor")
    best = BestWeights(BitsPerCharacter(data.validation, NUM_VALIDATION, tokenizer))
    with Progress("Training", budget) as progress:
        model.fit(
            data.train, epochs=10**6, callbacks=[budget, best, progress], verbose=0
        )
    model.set_weights(best.weights)
    model.save(args.output / "model.keras")

    cost = BitsPerCharacter(data.test, NUM_TEST, tokenizer)
    encoded = text.encode()
    compressed = {
        name: 8 * len(compress(encoded)) / len(text)
        for name, compress in (("bzip2", bz2.compress), ("lzma", lzma.compress))
    }
    with Progress("Scoring"):
        bits = cost(model)
    print(
        f"\nBits per character, of {len(cost.windows)} test windows, or of the whole file:"
    )
    print(f"{'model':<14}{bits:.3f}")
    print(
        f"{min(compressed, key=compressed.get):<14}{min(compressed.values()):.3f}",
        flush=True,
    )

    options = {"order": "left_to_right", "verbose": 0}
    length = 3 * args.length
    with Progress("Writing samples"):
        samples = model.generate_text(args.samples, length=length, seed=0, **options)
    (args.output / "samples.txt").write_text(
        "\n\n---\n\n".join(samples), encoding="utf-8"
    )
    length += len(tokenizer.encode(prompt))
    with Progress("Continuing the prompt"):
        continued = model.continue_text(prompt, length=length, seed=1, **options)
    print("\nSamples:", *samples[:3], "\nContinued:", *continued, sep="\n")
    print()
    for name, texts in (
        ("samples", samples),
        ("test part", tokenizer.decode(cost.windows)),
    ):
        known = metrics.spelling_rate(texts, train)
        print(f"{known:.1%} of the words of the {name} occur in the training part")


if __name__ == "__main__":
    main(ARGS)
