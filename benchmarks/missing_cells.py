"""Measures whether generated rows miss cells as often as real rows, given another column.

    KERAS_BACKEND=jax python -m benchmarks.missing_cells

The rows are 2,000 simulated homes. Flats, 60% of them, have no garden. The costs of heating are
unknown for 30% of private owners, and known for all companies. The model is of `make_model()` and
`fit`, with their defaults. Prints, by class, the percentage of missing cells in the training rows
and in 5,000 generated rows, then the number of missing cells after `impute`.
"""

import argparse

import keras
import numpy as np
import pandas

from benchmarks.report import print_rows
from keras_bfn.tables import Table

REASONS = {"garden": "type", "heating": "owner"}  # columns with missing cells, and their reasons


def make_homes(num=2000, seed=0):
    """Simulates homes whose cells are missing for a reason."""
    rng = np.random.default_rng(seed)
    kind = rng.choice(["flat", "house"], num, p=[0.6, 0.4])
    owner = rng.choice(["private", "company"], num)
    rooms = np.where(kind == "flat", rng.integers(1, 5, num), rng.integers(3, 9, num))
    heating = (rooms * rng.lognormal(5, 0.3, num)).round()
    is_unknown = (owner == "private") & (rng.uniform(size=num) < 0.3)
    garden = rng.lognormal(5, 0.5, num).round()
    return pandas.DataFrame(
        {
            "type": kind,
            "owner": owner,
            "rooms": rooms,
            "garden": np.where(kind == "flat", np.nan, garden),
            "heating": np.where(is_unknown, np.nan, heating),
        }
    )


def compare(real, drawn):
    """Yields, for each column with missing cells and each class, their percentages."""
    for name, reason in REASONS.items():
        real_rows, drawn_rows = (df[name].isna().groupby(df[reason]).mean() for df in (real, drawn))
        for kind, share in real_rows.items():
            yield {
                "column": name,
                "class": kind,
                "real rows": float(100 * share),
                "generated rows": float(100 * drawn_rows[kind]),
            }


def main(args=None):
    """Returns the printed rows, and the number of missing cells after `impute`."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=2000, help="training rows")
    parser.add_argument("--samples", type=int, default=5000, help="rows to generate")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(args)
    homes = make_homes(args.rows, args.seed)
    keras.utils.set_random_seed(args.seed)
    model = Table.from_dataframe(homes).make_model(seed=args.seed)
    model.fit(homes, verbose=0)
    rows = print_rows(compare(homes, model.sample(args.samples, seed=args.seed)))
    left = int(model.impute(homes, seed=args.seed).isna().sum().sum())
    print(f"\nMissing cells: {homes.isna().sum().sum():,}; after `impute`: {left}.")
    return rows, left


if __name__ == "__main__":
    main()
