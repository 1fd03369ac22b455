"""Trains Bayesian flow networks on rows of tables: numbers, classes, dates, missing cells.

    KERAS_BACKEND=torch python examples/table.py
    KERAS_BACKEND=torch python examples/table.py --data file.csv --target column --out folder

By default, the tables are scikit-learn's wines (178 rows, 13 columns, 3 classes) and
breast cancers (569 rows, 30 columns, 2 classes). For each of five splits, a model
learns 70% of the rows. Prints two scores on the held-out rows:

- how well a regression predicts the target after training on generated rows, and after
  training on real rows: the accuracy of logistic regression, or, if the target is a
  number, R^2 of linear regression;
- the error of imputed numbers, after hiding a random fifth of the numbers and all
  targets. They are imputed by the mean of several samples from `impute`, by one sample,
  and by the column's mean. The error is the root mean square, in standard deviations of
  the columns.

Writes, for the first split of each table, into a folder of its own:

- `report.html`, a page for any browser that loads nothing from elsewhere. It compares
  generated rows with real ones, by column and in pairs, and shows whether the model has
  copied rows;
- `model.keras`, which has learnt 70% of the rows and generates more:
  `keras.saving.load_model(...).sample(100)`;
- `synthetic.csv`, the generated rows;
- `imputed.csv`, all rows of the file with their missing cells imputed; if none are
  missing, the held-out rows with their hidden cells imputed.

In your own files, dates are detected by their format, and have seasons and weekdays.
Columns of names and the like, in which most strings are different, are left out. With
`--at-least end start`, end is at least start in all generated and imputed rows, as in
all rows of the file.
"""

import argparse
import pathlib

from arguments import positive


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--data", type=pathlib.Path, help="CSV file; default: example tables"
    )
    parser.add_argument("--target", help="column that a regression predicts")
    parser.add_argument(
        "--at-least",
        nargs=2,
        action="append",
        default=[],
        metavar=("COLUMN", "OTHER"),
        help="a rule: COLUMN is at least OTHER in each row; may be repeated",
    )
    parser.add_argument("--steps", type=positive, default=800, help="training steps")
    parser.add_argument("--splits", type=positive, default=5)
    parser.add_argument(
        "--samples", type=positive, default=1000, help="rows to generate"
    )
    parser.add_argument("--sampler-steps", type=positive, default=50)
    parser.add_argument(
        "--draws", type=positive, default=10, help="samples per hidden number"
    )
    out = pathlib.Path("tables")
    parser.add_argument("--out", type=pathlib.Path, default=out, help=f"default: {out}")
    return parser.parse_args()


if __name__ == "__main__":  # before the imports, which take seconds
    ARGS = parse_arguments()
    print(
        f"Trains {ARGS.splits} models of each table, and scores the rows that they generate "
        "and impute: about a minute per model on one CPU core.",
        flush=True,
    )

import itertools
import time

import keras
import numpy as np
import pandas
from progress import Progress
from sklearn.datasets import load_breast_cancer, load_wine
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from table_report import is_number, to_floats, write_report

from keras_bfn.tables import AtLeast, Category, Levels, Number, Table
from keras_bfn.tables.numbers import SECONDS
from keras_bfn.tables.table import MOST_NAMES

HIDDEN, BATCH_SIZE = 0.2, 64
MOST_IMPUTED = 1000  # maximum number of held-out rows with hidden cells
DATE_FORMATS = ("ISO8601", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y")
SEPARATOR = {
    "prefix_sep": "\0"
}  # between column and class, so that two names never meet
SCORES = ["real rows", "generated rows", "mean of samples", "one sample", "column mean"]


def load_tables(args):
    """Returns frames by name, the target column, and the names of the columns left out."""
    if args.data is not None:
        df, left_out = read_csv(args.data)
        if args.target not in df.columns or df[args.target].dtype.kind == "M":
            raise SystemExit(
                f"--target must be one of {list(df.columns)}, and not a date"
            )
        return {args.data.stem: df}, args.target, left_out
    wine, cancer = (
        loader(as_frame=True).frame for loader in (load_wine, load_breast_cancer)
    )
    return {"wine": wine, "breast cancer": cancer}, "target", []


def read_csv(path):
    """Returns a frame of the columns to learn, and the names of the columns left out.

    Dates are parsed. Infinite numbers become missing cells.
    """
    cells = pandas.read_csv(path, dtype=str)
    codes = {
        name: str for name in cells if cells[name].str.match(r"0\d").any()
    }  # such as 00501
    df = pandas.read_csv(path, dtype=codes).replace([np.inf, -np.inf], np.nan)
    for name in df.columns[[is_text(df[name]) for name in df.columns]]:
        if (
            not cells[name].str.fullmatch(r"0\d+").any()
        ):  # such as 0830, which is no year
            df[name] = find_dates(df[name])
    left_out = [
        name for name in df.columns if not df[name].notna().any() or is_name(df[name])
    ]
    return df.drop(columns=left_out), left_out


def is_text(column):
    return column.dtype.kind not in "biufM"


def find_dates(column):
    """Returns the column as dates if all its cells have one of the formats, else as it is."""
    for form in DATE_FORMATS:
        try:
            return pandas.to_datetime(column, format=form)
        except (ValueError, TypeError):
            continue
    return column


def is_name(column):
    num = column.nunique()
    return is_text(column) and num > max(MOST_NAMES, 0.5 * column.notna().sum())


def columns_of(df, at_least):
    """Returns each column's type with its values, range or cycles, and nothing more of the rows."""
    kinds = {
        Category: lambda column, cells: Category(column.values),
        Levels: lambda column, cells: Levels(column.low, column.high),
        Number: lambda column, cells: Number(cycles=find_cycles(cells)),
    }
    columns = Table.from_dataframe(df).columns
    columns = {
        name: kinds[type(column)](column, df[name]) for name, column in columns.items()
    }
    return columns | {name: AtLeast(other) for name, other in at_least}


def find_rules(df, at_least):
    """Returns sentences about dates that are never before others, and have no rule yet."""
    dates = [name for name in df if df[name].dtype.kind == "M"]
    found = []
    for name, other in itertools.permutations(dates, 2):
        if not are_comparable(df, name, other):
            continue
        pairs = df[[name, other]].dropna()
        is_later = len(pairs) > 0 and (pairs[name] >= pairs[other]).all()
        if (
            is_later
            and not (pairs[name] == pairs[other]).all()
            and [name, other] not in at_least
        ):
            found.append(
                f"{name} is never before {other}. To keep this: --at-least {name} {other}"
            )
    return found


def are_comparable(df, name, other):
    """Whether two columns of dates both have a time zone, or neither has."""
    return (df[name].dt.tz is None) == (df[other].dt.tz is None)


def find_cycles(cells):
    """Returns the cycles that the times span: seasons, weekdays and, if dates have times, hours."""
    if cells.dtype.kind != "M":
        return []
    times = cells.dropna()
    dates_alone = (times == times.dt.normalize()).all()
    seen = (times.max() - times.min()).total_seconds()
    cycles = [name for name, seconds in SECONDS.items() if seconds <= seen]
    return [name for name in cycles if name != "day" or not dates_alone]


def train(df, columns, steps, seed):
    keras.utils.set_random_seed(seed)
    model = Table.from_dataframe(df, **columns).make_model(width=64, seed=seed)
    epochs = -(-steps * BATCH_SIZE // len(df))
    with Progress(f"Training on split {seed}") as progress:
        model.fit(
            df, batch_size=BATCH_SIZE, epochs=epochs, callbacks=[progress], verbose=0
        )
    return model


def to_numbers(df, target, columns):
    """Returns regression inputs: strings as columns of 0 and 1, dates as days, no missing cells."""
    x = df.drop(columns=target)
    x = x.assign(
        **{name: to_floats(x[name]) for name in x if x[name].dtype.kind in "Mm"}
    )
    x = (
        pandas.get_dummies(x, dtype=float, **SEPARATOR)
        .reindex(columns=columns)
        .astype(float)
    )
    return x.fillna(x.mean()).fillna(0.0)


def score(df, test, target):
    """Returns the score on `test` of a regression trained on `df`."""
    columns = pandas.get_dummies(test.drop(columns=target), **SEPARATOR).columns
    x, x_test = (to_numbers(frame, target, columns) for frame in (df, test))
    if is_number(test[target]):
        learner, y, y_test = LinearRegression(), df[target], test[target]
    else:
        learner, y, y_test = (
            LogisticRegression(max_iter=1000),
            *(frame[target].astype(str) for frame in (df, test)),
        )
        if y.nunique() == 1:
            return (y_test == y.iloc[0]).mean()
    return make_pipeline(StandardScaler(), learner).fit(x, y).score(x_test, y_test)


def root_mean_square(errors):
    return (
        np.sqrt(np.nanmean(np.square(errors))) if np.isfinite(errors).any() else np.nan
    )


def run_split(df, target, columns, seed, args):
    """Scores real rows, generated rows, and three ways to impute numbers.

    Returns: The list of scores and errors, the model, and a tuple of frames: training
        rows, held-out rows, generated rows, and some held-out rows whose hidden cells
        were imputed.
    """
    rows, test = train_test_split(
        df.dropna(subset=target), test_size=0.3, random_state=seed
    )
    model = train(rows, columns, args.steps, seed)
    drawn = model.sample(args.samples, num_steps=args.sampler_steps, seed=seed)
    scores = [score(rows, test, target), score(drawn, test, target)]

    few = test.head(MOST_IMPUTED)
    names = [name for name in df.columns.drop(target) if is_number(rows[name])]
    names = [name for name in names if rows[name].dtype.kind != "M"]
    mean, std = rows[names].mean(), rows[names].std()
    hidden = np.random.default_rng(seed).uniform(size=(len(few), len(names))) < HIDDEN
    shown = few.drop(columns=target)
    shown[names] = shown[names].mask(hidden)
    draws = model.impute(
        shown, num_draws=args.draws, num_steps=args.sampler_steps, seed=seed
    )
    filled = np.stack([draw[names].to_numpy("float64") for draw in draws])
    guesses = (filled.mean(axis=0), filled[0], mean.to_numpy())
    errors = [
        ((guess - few[names]) / std).to_numpy("float64")[hidden] for guess in guesses
    ]
    found = [*scores, *(root_mean_square(error) for error in errors)]
    return found, model, (rows, test, drawn, draws[0])


def write_files(folder, name, df, results, model, frames, facts, args):
    """Writes the report and the rows of one table."""
    rows, test, drawn, filled = frames
    gone = df.isna().any(axis=1)
    if gone.any():
        options = {"num_steps": args.sampler_steps, "seed": 0}
        filled = model.impute(df[gone], **options)
        filled = pandas.concat([df[~gone], filled]).sort_index()
    folder.mkdir(parents=True, exist_ok=True)
    model.save(folder / "model.keras")
    for file, frame in (("synthetic", drawn), ("imputed", filled)):
        # In a column with missing cells, integers are floats: write them as integers.
        frame.convert_dtypes().to_csv(folder / f"{file}.csv", index=False)
    facts = [
        f"{len(df)} rows, {len(df.columns)} columns. In the first split, the model was trained on "
        f"{len(rows)} rows in {args.steps} steps, {len(test)} rows were held out, and {len(drawn)} "
        "were generated.",
        *facts,
    ]
    splits = {f"split {seed}": found for seed, found in enumerate(results)}
    for name, other in args.at_least:
        broken = (drawn[name] < drawn[other]).sum()
        facts.append(
            f"Rule: {name} is at least {other}. {broken} of the generated rows break it."
        )
    scores = pandas.DataFrame({"mean": np.mean(results, axis=0), **splits}, SCORES)
    write_report(folder / "report.html", name, facts, scores, rows, drawn, test)


def main(args):
    start = time.monotonic()
    tables, target, left_out = load_tables(args)
    check_rules(args.at_least, tables, target)
    print(
        f"On {keras.backend.backend()}. How well a regression predicts {target} in held-out rows"
    )
    print(
        "(accuracy or, for numbers, R^2, in %) when trained on real and on generated rows; and"
    )
    print(
        "the error of hidden numbers, in standard deviations, when filled in with the mean of"
    )
    print(f"{args.draws} samples, with one sample, and with the column's mean.")
    facts = [f"Target: {target}."]
    if left_out:
        facts.append(f"Left out, because empty or mostly distinct strings: {left_out}.")
        print(facts[-1])
    if args.data is not None:
        print(*find_rules(tables[args.data.stem], args.at_least), sep="\n")
    for name, df in tables.items():
        print(
            f"\n{name:<14}real rows        generated rows  hidden: mean   one    column"
        )
        columns, results, first = columns_of(df, args.at_least), [], None
        for seed in range(args.splits):
            found, *made = run_split(df, target, columns, seed, args)
            results.append(found)
            first = first or made
            print_row(f"split {seed}", found)
        mean = np.mean(results, axis=0)
        print_row("mean", mean)
        if mean[0] > 0:
            print(
                f"generated rows reach {100 * mean[1] / mean[0]:.1f}% of the score of real rows"
            )
        else:
            print(f"a regression on real rows does not predict {target}")
        folder = args.out / name.replace(" ", "_")
        write_files(folder, name, df, results, *first, facts, args)
        print(f"Wrote {folder}/: report.html, synthetic.csv, imputed.csv, model.keras")
    print(f"\n{time.monotonic() - start:.0f} s")


def check_rules(at_least, tables, target):
    ruled = [name for name, _ in at_least]
    for df in tables.values():
        known = [name for name in df if name != target]
        for name, other in at_least:
            if (
                not {name, other} <= set(known)
                or other in ruled
                or ruled.count(name) > 1
            ):
                expected = (
                    f"two of {known}, COLUMN once, and OTHER without a rule of its own"
                )
                raise SystemExit(
                    f"--at-least must name {expected}. Received: {name} {other}"
                )
            kinds = {df[column].dtype.kind for column in (name, other)}
            if kinds <= set(
                "iuf"
            ):  # an integer column with missing cells is one of floats
                df[[name, other]] = df[[name, other]].astype("float64")
            elif kinds != {"M"} or not are_comparable(df, name, other):
                expected = (
                    "two columns of numbers, or of dates with or without a time zone"
                )
                raise SystemExit(
                    f"--at-least must name {expected}. Received: {name} {other}"
                )
            broken = df[df[name] < df[other]]
            if len(broken):
                raise SystemExit(
                    f"--at-least: {name} is below {other} in {len(broken)} rows of the file. The "
                    f"first, without the header:\n{broken.head(1)[[other, name]].to_string()}"
                )


def print_row(name, values):
    real, generated, mean, one, column = values
    print(
        f"{name:<14}{100 * real:<17.1f}{100 * generated:<24.1f}{mean:<7.3f}{one:<7.3f}{column:.3f}",
        flush=True,
    )


if __name__ == "__main__":
    main(ARGS)
