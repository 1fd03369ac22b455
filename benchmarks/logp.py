"""Samples molecules of MOSES with a given logP, by a condition and by guidance.

    KERAS_BACKEND=jax python -m benchmarks.logp moses.npz --train conditional.keras --seconds 1800
    KERAS_BACKEND=jax python -m benchmarks.logp moses.npz --load conditional.keras
    KERAS_BACKEND=jax python -m benchmarks.logp moses.npz --load messages.keras --regressor

The first two lines learn to send symbols from left to right, given the logP of the molecule, and
sample molecules for three values of logP. The third does not train a model of molecules: it takes
one of messages, such as `benchmarks.molecules` trains, and guides it by syntax and by a regressor
of logP, which it trains on other molecules first. logP is that of Crippen, by RDKit.

Prints the percentage of valid molecules, with its standard error, and for the logP of the valid
ones, the mean, its standard error, and the standard deviation.
"""

import argparse
import math
import pathlib

import keras
import numpy as np
from keras import ops

from benchmarks import molecules
from keras_bfn import callbacks, guidance, recipes, samplers

ASKED = (1.0, 2.5, 4.0)
MEAN, STD = 2.45, 0.93  # of the training molecules, about
NULL = (0.0, 0.0)  # of a condition (1, standardised logP)
RECIPE = molecules.BFN | {"shares": "left_to_right"}


def logp_of(texts):
    """Returns the logP of each SMILES string, NaN for invalid ones."""
    from rdkit import Chem, RDLogger
    from rdkit.Chem import Crippen

    RDLogger.DisableLog("rdApp.*")
    found = [Chem.MolFromSmiles(text) if text else None for text in texts]
    return np.array(
        [math.nan if molecule is None else Crippen.MolLogP(molecule) for molecule in found]
    )


def condition_of(logp):
    """Returns conditions for an array of logP, `(num, 2)`."""
    return np.stack([np.ones_like(logp), (logp - MEAN) / STD], axis=-1).astype("float32")


def train_model(args, symbols, train):
    options = {"condition_dropout": 0.1, "null_condition": NULL}
    model = molecules.make_bfn(symbols, train, RECIPE, args.seed, conditions=(2,), **options)

    def draw():
        for x in molecules.draw_batches(train, RECIPE, None, args.seed):
            yield ((x, condition_of(logp_of(symbols.decode(x)))),)

    budget = callbacks.TimeBudget(args.seconds, clock="processor")
    model.fit(draw(), steps_per_epoch=100, epochs=10**6, shuffle=False, callbacks=[budget])
    with model.averaged_weights():
        model.save(args.train)


def train_regressor(symbols, train, num=100_000):
    """Returns a model from probabilities of symbols to logP, `(batch, 1)`."""
    size = symbols.num_classes
    regressor = keras.Sequential(
        [
            keras.Input((molecules.LENGTH, size)),
            keras.layers.Conv1D(64, 5, padding="same", activation="gelu"),
            keras.layers.Conv1D(64, 5, padding="same", activation="gelu"),
            keras.layers.Dense(1),
            keras.layers.Lambda(lambda x: ops.sum(x, axis=1)),
        ]
    )
    x, y = np.eye(size, dtype="float32")[train[:num]], logp_of(symbols.decode(train[:num]))
    regressor.compile(recipes.adamw(peak_rate=3e-3), "mse", metrics=["mae"])
    regressor.fit(x, y, batch_size=128, epochs=4, validation_split=0.05, verbose=2)
    return regressor


def by_condition(model, asked, args):
    sampler = samplers.AncestralSampler(temperature=args.temperature)
    return model.generate_text(
        args.num,
        order="left_to_right",
        sampler=sampler,
        condition=np.repeat(condition_of(np.array([asked])), args.num, axis=0),
        guidance_scale=args.scale,
        seed=args.seed,
        batch_size=250,
        verbose=0,
    )


def by_guidance(model, regressor, symbols, asked, args):
    def log_likelihood(data):  # Student's t: its gradient is bounded
        found = regressor(data, training=False)[:, 0]
        return -2.0 * ops.log1p(ops.square((found - asked) / args.noise_of_logp))

    likelihood = guidance.Guidance(log_likelihood, scale=args.scale)
    return model.generate_text(
        args.num,
        num_steps=args.steps,
        sampler=samplers.SDE2Sampler(args.noise, temperature=args.temperature),
        guidance=likelihood * molecules.syntax_of(symbols, args.syntax),
        seed=args.seed,
        batch_size=250,
        verbose=0,
    )


def main(args=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=pathlib.Path, help=".npz file of `benchmarks.molecules`")
    parser.add_argument(
        "--train", type=pathlib.Path, help="train a conditional model, and write it"
    )
    parser.add_argument("--seconds", type=float, default=1800.0, help="of training, of a processor")
    parser.add_argument("--load", type=pathlib.Path, help="the .keras file to sample from")
    parser.add_argument("--regressor", action="store_true", help="guide, instead of condition")
    parser.add_argument("--num", type=int, default=250, help="samples for each value")
    parser.add_argument("--scale", type=float, default=1.0, help="of the condition or the guidance")
    parser.add_argument("--temperature", type=float, default=1.0, help="of the sampler")
    parser.add_argument("--noise", type=float, default=4.0, help="of the guided sampler")
    parser.add_argument("--noise-of-logp", type=float, default=0.3, help="of the regressor")
    parser.add_argument("--syntax", type=float, default=2.0, help="scale of guidance by syntax")
    parser.add_argument("--steps", type=int, default=50, help="of the guided sampler")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(args)
    symbols, train, _, _ = molecules.load(args.data)
    keras.utils.set_random_seed(args.seed)
    if args.train:
        train_model(args, symbols, train)
    if args.load is None:
        return
    model = keras.saving.load_model(args.load)
    regressor = train_regressor(symbols, train) if args.regressor else None
    for asked in ASKED:
        if regressor is None:
            texts = by_condition(model, asked, args)
        else:
            texts = by_guidance(model, regressor, symbols, asked, args)
        found = logp_of(texts)
        valid = found[~np.isnan(found)]
        share = len(valid) / len(found)
        error = 100 * math.sqrt(share * (1 - share) / len(found))
        print(f"logP {asked}: {100 * share:.1f} +- {error:.1f}% valid", end="")
        if len(valid):
            error = valid.std() / math.sqrt(len(valid))
            print(f", mean {valid.mean():.2f} +- {error:.2f}, deviation {valid.std():.2f}", end="")
        print(flush=True)


if __name__ == "__main__":
    main()
