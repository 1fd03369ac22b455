"""Learns the molecules of MOSES as SMILES strings, and samples new ones.

    python -m benchmarks.molecules moses.npz --export moses/dataset/data
    KERAS_BACKEND=jax python -m benchmarks.molecules moses.npz --train bfn.keras --seconds 3600
    KERAS_BACKEND=jax python -m benchmarks.molecules moses.npz --train gru.keras --gru
    KERAS_BACKEND=jax python -m benchmarks.molecules moses.npz --load bfn.keras --output samples

The first encodes `train.csv.gz` and `test.csv.gz` of the package `molsets`, which holds the data.
The last needs `pip install rdkit`. It writes a file of SMILES strings for each way of sampling, for
the metrics of that package.

One model learns to send the symbols of a molecule from left to right, by messages about all of
them, in random order, and given some of them. The GRU learns the next symbol from those before it.
The learning rate rises and falls within the budget, in processor seconds of all threads, including
compilation and excluding scoring. `--train` with `--load` continues from a saved model. `--set`
changes entries of the recipe, for trials.

Prints costs of held-out molecules in nats, and for each way of sampling the percentages of valid
molecules, of distinct ones among the valid, and of those not in the training data among the
distinct, with standard errors. "starts" are the first 12 symbols of test molecules, completed from
left to right. "scaffolds" are the rings and linkers of test molecules: the symbols of the side
chains are sampled by messages, guided by syntax.
"""

import argparse
import contextlib
import csv
import gzip
import itertools
import json
import math
import pathlib
import re
import sys
import time

import keras
import numpy as np
from keras import ops

import keras_bfn
from benchmarks.speedrun.__main__ import EPOCH, NUM_COSTS, score_outside
from keras_bfn import callbacks, datasets, flows, networks, recipes, samplers

LENGTH = 48  # symbols with the end; 0.05% of the molecules are longer
NUM_VALIDATION = 2000  # of the training molecules
WAYS = ("left to right", "by messages", "guided by syntax", "starts", "scaffolds")
ORDERS = ("left_to_right", "together", "random")
BFN = {
    "width": 128,
    "layers": 5,
    "heads": 4,
    "kernel": 3,
    "order": 2,
    "beta_1": 0.6,
    "batch": 64,
    "rate": 7e-3,
    "shares": {"left_to_right": 2.0, "together": 3.2, "given": 0.3, "random": 0.3},
}
GRU = {"width": 416, "embedding": 64, "batch": 64, "rate": 3e-3}


def export(path, folder):
    """Writes the tokens of the molecules that are short enough, and the symbols."""
    smiles = {}
    for name in ("train", "test"):
        with gzip.open(folder / f"{name}.csv.gz", "rt", encoding="utf-8") as file:
            smiles[name] = [row["SMILES"] for row in csv.DictReader(file)]
    symbols = datasets.Symbols.fit(smiles["train"], datasets.SMILES)
    tokens = {}
    for name, texts in smiles.items():
        rows = [row for row in map(symbols.encode, texts) if len(row) < LENGTH]
        tokens[name] = np.full((len(rows), LENGTH), symbols.end, "uint8")
        for found, row in zip(tokens[name], rows, strict=True):
            found[: len(row)] = row
        print(f"{name}: {len(rows):,} of {len(texts):,} molecules, {symbols.num_classes} symbols")
    np.savez_compressed(path, symbols=np.array(symbols.symbols), **tokens)


def load(path):
    """Returns the tokenizer, and training, validation and test molecules, `(num, LENGTH)`."""
    data = np.load(path)
    symbols = datasets.Symbols([str(symbol) for symbol in data["symbols"]])
    train = np.random.default_rng(0).permutation(data["train"])
    num_held_out = min(NUM_VALIDATION, len(train) // 10)
    return symbols, train[num_held_out:], train[:num_held_out], data["test"]


def make_bfn(symbols, train, recipe, seed, conditions=None, **options):
    flow = flows.DiscreteFlow(symbols.num_classes, beta_1=recipe["beta_1"])
    flow = flows.fit_prior(flow, train, order=recipe["order"])
    network = networks.Transformer(
        flow,
        LENGTH,
        width=recipe["width"],
        num_layers=recipe["layers"],
        num_heads=recipe["heads"],
        kernel_size=recipe["kernel"],
        times="variables",
        causal=True,
        conditions=conditions,
    )
    model = keras_bfn.AnyOrderNetwork(
        flow,
        network,
        states=recipe["shares"],
        tokenizer=symbols,
        seed=seed,
        **options,
    )
    model.compile(recipes.muon(peak_rate=recipe["rate"]))
    return model


def make_gru(symbols, train, recipe, seed):
    """Returns a network of the next symbol; the input `num_classes` stands before the first."""
    model = keras.Sequential(
        [
            keras.Input((LENGTH,), dtype="int32"),
            keras.layers.Embedding(symbols.num_classes + 1, recipe["embedding"]),
            keras.layers.GRU(recipe["width"], return_sequences=True),
            keras.layers.Dense(symbols.num_classes),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(recipes.adamw(peak_rate=recipe["rate"]), loss)
    return model


def shift(tokens, first):
    """Returns the symbols before each position."""
    return np.concatenate([np.full_like(tokens[:, :1], first), tokens[:, :-1]], axis=1)


def draw_batches(train, recipe, first, seed):
    """Yields batches of random molecules; for the GRU, with what stands before each symbol."""
    rng = np.random.default_rng(seed)
    while True:
        x = train[rng.integers(0, len(train), recipe["batch"])].astype("int32")
        yield x if first is None else (shift(x, first), x)


def bfn_costs(model, tokens, orders=("left_to_right", "together"), num_repeats=2):
    """Returns mean nats per molecule by order, with standard errors."""
    found = {}
    for order in orders:
        repeats = 1 if order == "left_to_right" else num_repeats  # that cost has no noise
        nats = model.code_length(tokens, num_repeats=repeats, order=order, seed=0, verbose=0)
        found |= mean_of(nats["transmission"] + nats["reconstruction"], order)
    return found


def gru_costs(model, tokens):
    logits = model.predict(shift(tokens, model.output_shape[-1]), batch_size=256, verbose=0)
    logs = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    nats = -np.take_along_axis(logs, tokens[..., None].astype("int64"), axis=-1)
    return mean_of(nats.sum(axis=(1, 2)), "left_to_right")


def mean_of(values, name):
    error = values.std() / math.sqrt(len(values))
    return {name: round(float(values.mean()), 3), f"{name} +-": round(float(error), 3)}


def sample_gru(model, num, temperature, seed):
    """Returns tokens sampled from left to right, `(num, LENGTH)`."""
    embedding, gru, dense = model.layers
    rng, state = np.random.default_rng(seed), ops.zeros((num, gru.units))
    tokens = np.full((num, 1), model.output_shape[-1], "int32")
    for _ in range(LENGTH):
        x, (state,) = gru.cell(embedding(tokens[:, -1]), [state])
        logits = ops.convert_to_numpy(dense(x)) / temperature
        found = np.argmax(logits + rng.gumbel(size=logits.shape), axis=-1)
        tokens = np.concatenate([tokens, found[:, None].astype("int32")], axis=1)
    return tokens[:, 1:]


def syntax_of(symbols, scale=1.0):
    """Returns the guidance by syntax of `examples/molecules.py`."""
    sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "examples"))
    import molecules

    return molecules.syntax_of(symbols, scale)


def keep_starts(tokens, num_symbols=12):
    """Returns the first symbols, and -1 for all others."""
    given = np.full(tokens.shape, -1, "int32")
    given[:, :num_symbols] = tokens[:, :num_symbols]
    return given


def keep_scaffold(smiles, symbols):
    """Returns the symbols of a molecule's rings and linkers, and -1 for those of its side chains.

    A bond or an opening bracket is of the atom after it, a closing bracket of its opening one.
    """
    from rdkit import Chem
    from rdkit.Chem.Scaffolds import MurckoScaffold

    molecule = Chem.MolFromSmiles(smiles)
    core = set(molecule.GetSubstructMatch(MurckoScaffold.GetScaffoldForMol(molecule)))
    parts = re.findall(datasets.SMILES, smiles)
    atom = np.cumsum([part[0] == "[" or part.isalpha() for part in parts]) - 1  # the last so far
    is_before = [a in "(=#-" and not b.isdigit() for a, b in itertools.pairwise([*parts, "1"])]
    kept = [int(i) in core for i in atom + np.array(is_before)]
    opened = []
    for i, part in enumerate(parts):
        if part == "(":
            opened.append(kept[i])
        elif part == ")":
            kept[i] = opened.pop()
    given = np.full(LENGTH, symbols.end, "int32")
    given[: len(parts)] = np.where(kept, symbols.encode(smiles), -1)
    return given


def are_kept(tokens, given):
    """Returns whether each molecule has its given symbols."""
    return np.all((given < 0) | (tokens == given), axis=1)


def judge(texts, learnt):
    """Returns the percentages of valid, of these distinct, of these new molecules, with errors."""
    from rdkit import Chem, RDLogger

    RDLogger.DisableLog("rdApp.*")
    molecules = [Chem.MolFromSmiles(text) for text in texts if text]
    valid = [Chem.MolToSmiles(molecule) for molecule in molecules if molecule is not None]
    distinct = set(valid)
    counts = [len(texts), len(valid), len(distinct), len(distinct - learnt)]
    found = []
    for whole, part in itertools.pairwise(counts):
        share = part / max(whole, 1)
        found.append(
            f"{100 * share:.1f} +- {100 * math.sqrt(share * (1 - share) / max(whole, 1)):.1f}"
        )
    return found


class ShowCosts(keras.callbacks.Callback):
    """Prints the costs of the validation molecules now and then, outside of the budget."""

    def __init__(self, budget, score):
        super().__init__()
        self.budget, self.score, self.num_shown = budget, score, 0

    def on_epoch_end(self, epoch, logs=None):
        due = self.budget.seconds * (self.num_shown + 1) / NUM_COSTS
        if self.model.stop_training or self.budget.used > due:
            score_outside(self.budget, self.score)
            self.num_shown += 1


def train_model(args, recipe, symbols, train, validation):
    """Trains and saves a model of averaged weights; prints costs of the validation molecules."""
    if args.load:
        model = keras.saving.load_model(args.load)
        model.optimizer.learning_rate = recipe["rate"]
    else:
        make = make_gru if args.gru else make_bfn
        model = make(symbols, train, recipe, args.seed)
    print(f"{len(train):,} molecules, {model.count_params():,} weights, {recipe}", flush=True)

    def score():
        if args.gru:  # whose weights are averaged at the end only
            return gru_costs(model, validation[:500])
        with model.averaged_weights():
            return bfn_costs(model, validation[:500])

    budget = callbacks.TimeBudget(args.seconds, clock="processor")
    model.fit(
        draw_batches(train, recipe, symbols.num_classes if args.gru else None, args.seed),
        steps_per_epoch=EPOCH,
        epochs=10**6,
        shuffle=False,
        callbacks=[budget, ShowCosts(budget, score)],
        verbose=0,
    )
    steps = int(model.optimizer.iterations)
    print(f"{steps:,} steps in {budget.used:.0f} processor seconds", flush=True)
    averaged = contextlib.nullcontext() if args.gru else model.averaged_weights()
    with averaged:  # of the GRU, `fit` has averaged them
        model.save(args.train)
    return keras.saving.load_model(args.train)


def sample_bfn(model, way, symbols, test, args):
    """Returns SMILES strings sampled in one of `WAYS`."""
    options = {"seed": args.seed, "batch_size": 250, "verbose": 0}
    given = test[np.random.default_rng(args.seed).integers(0, len(test), args.num)]
    if way in ("left to right", "starts"):
        options["sampler"] = samplers.AncestralSampler(temperature=args.temperature)
        options["order"] = "left_to_right"
    else:
        options["sampler"] = samplers.SDE2Sampler(args.noise, temperature=args.temperature)
        options["num_steps"] = args.steps
    if way in ("guided by syntax", "scaffolds"):
        options["guidance"] = syntax_of(symbols, args.scale)
        if args.particles > 1:
            options["sampler"] = samplers.SDE1Sampler(temperature=args.temperature)
            options["num_particles"] = args.particles
    if way == "starts":
        options["given"] = keep_starts(given)
    elif way == "scaffolds":
        rows = [keep_scaffold(text, symbols) for text in symbols.decode(given)]
        options["given"] = np.stack(rows)
    texts = model.generate_text(args.num, **options)
    if "given" in options:
        kept = are_kept(symbols.encode_batch(texts, LENGTH), options["given"]).mean()
        print(f"{way}: {100 * kept:.1f}% have all given symbols")
    return texts


def sample_and_judge(model, way, symbols, test, learnt, args):
    """Samples in one way, prints the figures, and writes the strings."""
    start = time.process_time()
    if isinstance(model, keras.Sequential):
        name, texts = (
            "gru",
            symbols.decode(sample_gru(model, args.num, args.temperature, args.seed)),
        )
    else:
        name, texts = way, sample_bfn(model, way, symbols, test, args)
    seconds = time.process_time() - start
    print(f"{name}: {', '.join(judge(texts, learnt))}, {seconds:.0f} s", flush=True)
    if args.output:
        args.output.mkdir(parents=True, exist_ok=True)
        path = args.output / f"{name.replace(' ', '_')}.txt"
        path.write_text("\n".join(texts) + "\n")


def main(args=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=pathlib.Path, help=".npz file")
    parser.add_argument("--export", type=pathlib.Path, help="encode the files of this folder")
    parser.add_argument(
        "--train", type=pathlib.Path, help="train, from --load on if given; write a file"
    )
    parser.add_argument("--load", type=pathlib.Path, help="the .keras file of such a model")
    parser.add_argument("--gru", action="store_true", help="the model to train is a GRU")
    parser.add_argument("--seconds", type=float, default=3600.0, help="processor seconds")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=JSON", dest="changes")
    parser.add_argument("--score", type=int, default=2000, help="molecules to score")
    parser.add_argument("--num", type=int, default=1000, help="samples of each way")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=WAYS, help="ways of sampling")
    parser.add_argument("--steps", type=int, default=100, help="of the sampler")
    parser.add_argument("--temperature", type=float, default=1.0, help="of the sampler")
    parser.add_argument("--noise", type=float, default=1.0, help="of the sampler of messages")
    parser.add_argument("--scale", type=float, default=1.0, help="of the guidance")
    parser.add_argument("--particles", type=int, default=1, help="of the guidance")
    parser.add_argument("--output", type=pathlib.Path, help="folder for .txt files of samples")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(args)
    if args.export:
        export(args.data, args.export)
        return
    recipe = GRU if args.gru else BFN
    changes = dict(change.split("=", 1) for change in args.changes)
    if not set(changes) <= set(recipe):
        parser.error(f"--set must name some of {list(recipe)}")
    recipe = recipe | {name: json.loads(value) for name, value in changes.items()}
    symbols, train, validation, test = load(args.data)
    keras.utils.set_random_seed(args.seed)
    if args.train:
        model = train_model(args, recipe, symbols, train, validation)
    else:
        model = keras.saving.load_model(args.load)
    is_gru = isinstance(model, keras.Sequential)
    parts = {"validation": validation, "test": test} if args.score else {}
    for name, part in parts.items():
        part = part[: args.score]
        found = gru_costs(model, part) if is_gru else bfn_costs(model, part, ORDERS)
        print(name, json.dumps(found), flush=True)
    if args.num:
        learnt = set(symbols.decode(train))
        for way in args.ways[:1] if is_gru else args.ways:
            sample_and_judge(model, way, symbols, test, learnt, args)


if __name__ == "__main__":
    main()
