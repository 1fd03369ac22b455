"""Sequences of rows from a process of known entropy: the cost of an entity, and what is sampled.

    KERAS_BACKEND=jax python -m benchmarks.sequences

An entity is calm or wild. It has 4, 6, 8 or 12 rows, each with one of three states. A calm entity
keeps its state in 90% of the steps, a wild one in 40%; otherwise it takes one of the other two.
Prints the exact cost of held-out entities, their cost by `code_length` with messages about all
variables at once and in random order, and how often sampled entities keep their state.
"""

import argparse
import math
import time

import keras
import numpy as np
import pandas

from keras_bfn import tables

KEPT = {"calm": 0.9, "wild": 0.4}
LENGTHS, SHARES = np.array([4, 6, 8, 12]), np.array([0.1, 0.3, 0.4, 0.2])
STATES = "abc"


def make_entities(num, rng):
    """Returns a frame of the entities' rows, and the exact cost of each entity in nats."""
    rows, nats = [], np.zeros(num)
    for entity in range(num):
        kind, place = rng.choice(list(KEPT)), rng.choice(len(LENGTHS), p=SHARES)
        state = rng.integers(3)
        nats[entity] = math.log(2) - math.log(SHARES[place]) + math.log(3)
        for step in range(LENGTHS[place]):
            if step:
                is_kept = rng.uniform() < KEPT[kind]
                state = state if is_kept else (state + 1 + rng.integers(2)) % 3
                nats[entity] -= math.log(KEPT[kind] if is_kept else (1 - KEPT[kind]) / 2)
            rows.append((entity, kind, STATES[state]))
    return pandas.DataFrame(rows, columns=["entity", "kind", "state"]), nats


def share_kept(df):
    """Returns how often the state is that of the row before, for each kind."""
    before = df.groupby("entity")["state"].shift()
    later = df[before.notna()].assign(kept=df["state"] == before)
    return {kind: later.loc[later["kind"] == kind, "kept"].mean() for kind in KEPT}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--entities", type=int, default=4000)
    parser.add_argument("--held-out", type=int, default=1000)
    parser.add_argument("--epochs", type=int, default=150)
    parser.add_argument("--repeats", type=int, default=20)
    args = parser.parse_args()

    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    train, _ = make_entities(args.entities, rng)
    held_out, nats = make_entities(args.held_out, rng)
    sequences = tables.Sequences.from_dataframe(train, "entity", ["kind"])
    model = sequences.make_model(seed=0)
    start = time.process_time()
    model.fit(train, epochs=args.epochs, verbose=0)
    print(f"{args.epochs} epochs in {time.process_time() - start:.0f} s of processor time")

    print(f"nats per held-out entity, exact: {nats.mean():.3f}")
    for order in ("together", "random"):
        options = {"order": order, "num_repeats": args.repeats, "seed": 0, "verbose": 0}
        costs = model.code_length(held_out, **options)
        cost = (costs["transmission"] + costs["reconstruction"]).mean()
        print(f"{order:<10}{cost:.3f}, {100 * (cost / nats.mean() - 1):+.1f}%")

    drawn = model.sample(args.held_out, seed=0)
    lengths = drawn.groupby("entity").size()
    found = [f"{length}: {(lengths == length).mean():.3f}" for length in LENGTHS]
    print("sampled lengths", *found, "others:", f"{1 - np.isin(lengths, LENGTHS).mean():.3f}")
    for name, df in (("real", held_out), ("sampled", drawn)):
        kept = ", ".join(f"{kind} {share:.3f}" for kind, share in share_kept(df).items())
        print(f"share of states kept, {name}: {kept}")


if __name__ == "__main__":
    main()
