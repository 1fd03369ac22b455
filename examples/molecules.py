"""Learns molecules as SMILES strings, and generates new ones.

    KERAS_BACKEND=jax python examples/molecules.py
    KERAS_BACKEND=jax python examples/molecules.py --data train.csv.gz --seconds 3600 --start CC

By default, the data are 5,000 molecules of the National Cancer Institute, which RDKit
includes. `--data` is a text file with one SMILES string per line, or a CSV file with a
column `SMILES`, such as `dataset/data/train.csv.gz` of the package `molsets`. Needs
`pip install rdkit`.

One model learns to send the symbols from left to right, and by messages about all
symbols at once. Prints the cost of held-out molecules in both orders. Then prints, for
molecules generated from left to right, by messages, and by messages guided by the
syntax of brackets and rings: the fraction that is valid, the fraction of the valid ones
that is distinct, the fraction of these that is not in the training data, and the mean
number of heavy atoms in the valid ones, because short strings are valid easily.
`--start` sets the first symbols of all molecules. `molecules.png` shows valid ones.
"""

import argparse
import pathlib

from arguments import positive


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--data", type=pathlib.Path, help="default: 5,000 molecules of RDKit"
    )
    parser.add_argument(
        "--seconds", type=positive, default=600, help="processor seconds"
    )
    parser.add_argument(
        "--length", type=positive, default=64, help="maximum number of symbols"
    )
    parser.add_argument("--width", type=positive, default=128)
    parser.add_argument("--layers", type=positive, default=4)
    parser.add_argument("--samples", type=positive, default=200)
    parser.add_argument("--sampler-steps", type=positive, default=100)
    parser.add_argument("--start", default="", help="first symbols of all molecules")
    parser.add_argument("--output", type=pathlib.Path, default="molecules")
    return parser.parse_args()


if __name__ == "__main__":  # before the imports, which take seconds
    ARGS = parse_arguments()
    print(
        f"Learns molecules for {ARGS.seconds} s of processor time, then scores and generates "
        "some, which takes minutes.",
        flush=True,
    )

import csv
import functools
import gzip
import operator

import keras
import numpy as np
from progress import Progress
from rdkit import Chem, RDConfig, RDLogger
from rdkit.Chem import Draw

import keras_bfn
from keras_bfn import callbacks, datasets, flows, guidance, networks, recipes

NCI = pathlib.Path(RDConfig.RDDataDir) / "NCI" / "first_5K.smi"
BATCH_SIZE, STEPS_PER_EPOCH = 64, 25
MOST_BRACKETS = 8  # that may be open at once


def read_smiles(path):
    """Returns the distinct SMILES strings of a file, in order."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    open_file = gzip.open if suffixes[-1:] == [".gz"] else open
    with open_file(path, "rt", encoding="utf-8-sig") as file:
        if ".csv" in suffixes:
            rows = csv.DictReader(file)
            if "SMILES" not in (rows.fieldnames or ()):
                raise SystemExit(
                    f"--data must have a column SMILES, not only {rows.fieldnames}"
                )
            smiles = [row["SMILES"].strip() for row in rows if row["SMILES"]]
        else:
            smiles = [line.split()[0] for line in file if line.strip()]
    return [text for text in dict.fromkeys(smiles) if text]


def make_model(symbols, train, width, num_layers):
    flow = flows.DiscreteFlow(num_classes=symbols.num_classes, beta_1=1.0)
    flow = flows.fit_prior(flow, train)
    network = networks.Transformer(
        flow,
        train.shape[1],
        width=width,
        num_layers=num_layers,
        num_heads=4,
        times="variables",
        causal=True,
    )
    return keras_bfn.AnyOrderNetwork(
        flow,
        network,
        states={"left_to_right": 2.0, "together": 1.0, "given": 0.5, "random": 0.5},
        tokenizer=symbols,
        seed=0,
    )


def draw_batches(tokens, rng):
    while True:
        yield tokens[rng.integers(0, len(tokens), BATCH_SIZE)]


def syntax_of(symbols, scale=1.0):
    """Returns the guidance by syntax: matching brackets, and ring digits in pairs; None without."""
    classes = {symbol: i for i, symbol in enumerate(symbols.symbols)}
    digits = [classes[digit] for digit in "123456" if digit in classes]
    # The state of two digits: which of them is open.
    flips = [[1, 0, 3, 2], [2, 3, 0, 1]]
    pairs = (digits[i : i + 2] for i in range(0, len(digits), 2))
    transitions = [dict(zip(pair, flips, strict=False)) for pair in pairs]
    if "(" in classes and ")" in classes:
        opened = range(MOST_BRACKETS + 1)  # the state of brackets: how many are open
        brackets = {classes["("]: [*opened[1:], -1], classes[")"]: [-1, *opened[:-1]]}
        transitions.insert(0, brackets)
    rules = [
        guidance.Automaton(each, [0], symbols.end, scale=scale) for each in transitions
    ]
    return functools.reduce(operator.mul, rules) if rules else None


def count_atoms(smiles):
    """Returns the mean number of heavy atoms in valid molecules."""
    molecules = [Chem.MolFromSmiles(text) for text in smiles]
    return float(
        np.mean([m.GetNumHeavyAtoms() for m in molecules if m is not None] or [0.0])
    )


def judge(texts, learnt):
    """Returns the distinct valid molecules, as RDKit writes them, and the printed figures."""
    molecules = [Chem.MolFromSmiles(text) for text in texts if text]
    valid = [
        Chem.MolToSmiles(molecule) for molecule in molecules if molecule is not None
    ]
    distinct = list(dict.fromkeys(valid))
    new = [smiles for smiles in distinct if smiles not in learnt]
    fractions = (
        len(valid) / len(texts),
        len(distinct) / max(1, len(valid)),
        len(new) / max(1, len(distinct)),
    )
    return distinct, "".join(
        f"{x:>9.1%}" for x in fractions
    ) + f"{count_atoms(valid):>8.1f}"


def main(args):
    args.output.mkdir(parents=True, exist_ok=True)
    RDLogger.DisableLog("rdApp.*")
    keras.utils.set_random_seed(0)

    smiles = read_smiles(args.data or NCI)
    symbols = datasets.Symbols.fit(smiles, datasets.SMILES)
    short = [text for text in smiles if len(symbols.encode(text)) < args.length]
    tokens = symbols.encode_batch(short, length=args.length)
    tokens = np.random.default_rng(0).permutation(tokens)
    num_held_out = max(1, min(1000, len(tokens) // 10))
    train, held_out = tokens[:-num_held_out], tokens[-num_held_out:]
    print(
        f"{len(train):,} molecules of {symbols.num_classes} symbols, {num_held_out:,} held out"
    )

    model = make_model(symbols, train, args.width, args.layers)
    model.compile(recipes.muon())
    budget = callbacks.TimeBudget(args.seconds, clock="processor")
    with Progress("Training", budget) as progress:
        history = model.fit(
            draw_batches(train, np.random.default_rng(0)),
            steps_per_epoch=STEPS_PER_EPOCH,
            epochs=10**6,
            shuffle=False,
            callbacks=[budget, progress],
            verbose=0,
        )
    print(
        f"{STEPS_PER_EPOCH * len(history.epoch):,} steps in {budget.used:.0f} processor seconds"
    )

    learnt = {
        Chem.CanonSmiles(text)
        for text in symbols.decode(train)
        if Chem.MolFromSmiles(text)
    }
    start = np.full((args.samples, args.length), -1, "int32")
    start[:, : len(symbols.encode(args.start))] = symbols.encode(args.start)
    options = {"given": start} if args.start else {}
    messages = {"order": "together", "num_steps": args.sampler_steps, "sampler": "sde2"}
    ways = {
        "left to right": {"order": "left_to_right"},
        "by messages": messages,
    }
    syntax = syntax_of(symbols)
    if syntax is not None:
        ways["guided by syntax"] = messages | {"guidance": syntax}
    drawn = []
    with model.averaged_weights():
        model.save(args.output / "model.keras")
        for order in ("left_to_right", "together"):
            with Progress("Scoring held-out molecules"):
                nats = model.code_length(held_out, order=order, seed=0, verbose=0)
            total = (nats["transmission"] + nats["reconstruction"]).mean()
            print(
                f"a held-out molecule costs {total:.2f} nats, {order.replace('_', ' ')}"
            )
        atoms = count_atoms(symbols.decode(held_out))
        print(
            f"\nvalid; distinct of the valid; new of the distinct; atoms ({atoms:.1f} held out)"
        )
        for name, way in ways.items():
            with Progress(f"Generating {name}"):
                texts = model.generate_text(
                    args.samples, **options, **way, seed=0, verbose=0
                )
            distinct, figures = judge(texts, learnt)
            print(f"{name:<18}{figures}", flush=True)
            drawn.extend(distinct[:12])
            (args.output / f"{name.replace(' ', '_')}.smi").write_text(
                "\n".join(texts) + "\n"
            )
    if drawn:
        molecules = [Chem.MolFromSmiles(text) for text in drawn]
        Draw.MolsToGridImage(molecules, molsPerRow=6).save(
            args.output / "molecules.png"
        )


if __name__ == "__main__":
    main(ARGS)
