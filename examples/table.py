"""Trains Bayesian flow networks on the rows of tables: numbers, classes, dates, missing cells.

    KERAS_BACKEND=torch python examples/table.py
    KERAS_BACKEND=torch python examples/table.py --data file.csv --target column --out folder

By default the tables are scikit-learn's wines (178 rows, 13 columns, 3 classes) and breast cancers
(569 rows, 30 columns, 2 classes). Of each, for each of five splits, 70% of the rows are trained on.
Prints two things about the others:

- how well the target is told by a model that has learnt rows that were drawn, and how well by one
  that has learnt the real rows: the accuracy of logistic regression, or, if the target is a number,
  R^2 of linear regression;
- by how much numbers are missed that were hidden, a fifth of them at random and with them every
  target: filled in with the mean of several draws of `impute`, with one draw, and with the column's
  mean. In standard deviations of the columns: the root of the mean square.

Writes, for each table, of the first split, into a folder of its own:

- `report.html`, for any browser: drawn rows beside real ones, column by column and in pairs, and
  whether the model has copied rows. It loads nothing from elsewhere;
- `model.keras`, which has learnt 70% of the rows, and draws more:
  `keras.saving.load_model(...).sample(100)`;
- `synthetic.csv`: the drawn rows;
- `imputed.csv`: all rows of the file, their missing cells filled in; if none are missing, the
  held-out rows, the cells filled in that were hidden.

Of a file of one's own, dates are found by their form, and have seasons and weekdays. Columns of
names and the like, in which most strings are different, are left out.
"""

import argparse
import pathlib
import sys
import time

import keras
import numpy as np
import pandas
from digits import positive
from sklearn.datasets import load_breast_cancer, load_wine
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from table_report import is_number, to_floats, write_report

from keras_bfn.tables import Category, Levels, Number, Table
from keras_bfn.tables.model import BATCH_SIZE
from keras_bfn.tables.numbers import SECONDS
from keras_bfn.tables.table import MOST_NAMES

HIDDEN = 0.2
MOST_IMPUTED = 1000  # held-out rows of which cells are hidden
DATE_FORMATS = ("ISO8601", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y")
SCORES = ["after real rows", "after drawn rows", "mean of draws", "one draw", "column mean"]


def load_tables(args):
    """Frames by their names, the column that is to be told, and the names of those left out."""
    if args.data is not None:
        df, left_out = read_csv(args.data)
        if args.target not in df.columns or df[args.target].dtype.kind == "M":
            raise SystemExit(f"--target must be one of {list(df.columns)}, and no date")
        return {args.data.stem: df}, args.target, left_out
    wine, cancer = (loader(as_frame=True).frame for loader in (load_wine, load_breast_cancer))
    return {"wine": wine, "breast cancer": cancer}, "target", []


def read_csv(path):
    """The columns of a file that can be learnt: dates as such, no infinite numbers; and others."""
    cells = pandas.read_csv(path, dtype=str)
    codes = {name: str for name in cells if cells[name].str.match(r"0\d").any()}  # as 00501
    df = pandas.read_csv(path, dtype=codes).replace([np.inf, -np.inf], np.nan)
    for name in df.columns[[is_text(df[name]) for name in df.columns]]:
        df[name] = find_dates(df[name])
    left_out = [name for name in df.columns if not df[name].notna().any() or is_name(df[name])]
    return df.drop(columns=left_out), left_out


def is_text(column):
    return column.dtype.kind not in "biufM"


def find_dates(column):
    """The column as dates, if all its cells are of one of the forms."""
    for form in DATE_FORMATS:
        try:
            return pandas.to_datetime(column, format=form)
        except (ValueError, TypeError):
            continue
    return column


def is_name(column):
    num = column.nunique()
    return is_text(column) and num > max(MOST_NAMES, 0.5 * column.notna().sum())


def columns_of(df):
    """What the columns of a table are sent as; of the rows they tell no more than their values."""
    kinds = {
        Category: lambda column, cells: Category(column.values),
        Levels: lambda column, cells: Levels(column.low, column.high),
        Number: lambda column, cells: Number(cycles=find_cycles(cells)),
    }
    columns = Table.from_dataframe(df).columns
    return {name: kinds[type(column)](column, df[name]) for name, column in columns.items()}


def find_cycles(cells):
    """The cycles that times have gone through: seasons, weekdays and, of more than dates, hours."""
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

    def show(epoch, logs=None):
        print(f"\rsplit {seed}: epoch {epoch + 1} of {epochs}", end="", file=sys.stderr, flush=True)

    callback = keras.callbacks.LambdaCallback(on_epoch_end=show)
    model.fit(df, epochs=epochs, callbacks=[callback], verbose=0)
    print(f"\r{'':<40}\r", end="", file=sys.stderr)
    return model


def to_numbers(df, target, columns):
    """What the regressions take: strings as columns of 0 and 1, dates as days, no missing cells."""
    x = df.drop(columns=target)
    x = x.assign(**{name: to_floats(x[name]) for name in x if x[name].dtype.kind in "Mm"})
    x = pandas.get_dummies(x, dtype=float).reindex(columns=columns).astype(float)
    return x.fillna(x.mean()).fillna(0.0)


def score(df, test, target):
    """Of a regression that has learnt some rows, on others."""
    columns = pandas.get_dummies(test.drop(columns=target)).columns
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
    return np.sqrt(np.nanmean(np.square(errors))) if np.isfinite(errors).any() else np.nan


def run_split(df, target, columns, seed, args):
    """Scores after real and after drawn rows, and errors of three ways to fill in numbers.

    Returns:
        The list of these, the model, and frames: the rows that it has learnt, those it has not,
        those it drew, and some of the second whose cells were hidden and filled in.
    """
    rows, test = train_test_split(df.dropna(subset=target), test_size=0.3, random_state=seed)
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
    draws = model.impute(shown, num_draws=args.draws, num_steps=args.sampler_steps, seed=seed)
    filled = np.stack([draw[names].to_numpy("float64") for draw in draws])
    guesses = (filled.mean(axis=0), filled[0], mean.to_numpy())
    errors = [((guess - few[names]) / std).to_numpy("float64")[hidden] for guess in guesses]
    found = [*scores, *(root_mean_square(error) for error in errors)]
    return found, model, (rows, test, drawn, draws[0])


def write_files(folder, name, df, results, model, frames, facts, args):
    """The page and the rows of one table."""
    rows, test, drawn, filled = frames
    gone = df.isna().any(axis=1)
    if gone.any():
        options = {"num_steps": args.sampler_steps, "seed": 0}
        filled = model.impute(df[gone], **options)
        filled = pandas.concat([df[~gone], filled]).sort_index()
    folder.mkdir(parents=True, exist_ok=True)
    model.save(folder / "model.keras")
    for file, frame in (("synthetic", drawn), ("imputed", filled)):
        # Integers of a column with missing cells are floats: they are written as integers again.
        frame.convert_dtypes().to_csv(folder / f"{file}.csv", index=False)
    facts = [
        f"{len(df)} rows, {len(df.columns)} columns. Of the first split, {len(rows)} rows were "
        f"learnt, in {args.steps} steps, {len(test)} were held out, and {len(drawn)} were drawn.",
        *facts,
    ]
    splits = {f"split {seed}": found for seed, found in enumerate(results)}
    scores = pandas.DataFrame({"mean": np.mean(results, axis=0), **splits}, SCORES)
    write_report(folder / "report.html", name, facts, scores, rows, drawn, test)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=pathlib.Path, help="a CSV file, in the place of wines")
    parser.add_argument("--target", help="its column that a regression tells from others")
    parser.add_argument("--steps", type=positive, default=800, help="of training")
    parser.add_argument("--splits", type=positive, default=5)
    parser.add_argument("--samples", type=positive, default=1000, help="rows to draw")
    parser.add_argument("--sampler-steps", type=positive, default=50)
    parser.add_argument("--draws", type=positive, default=10, help="to fill in a number")
    out = pathlib.Path("tables")
    parser.add_argument("--out", type=pathlib.Path, default=out, help=f"by default {out}")
    args = parser.parse_args()
    start = time.monotonic()
    tables, target, left_out = load_tables(args)
    print(f"On {keras.backend.backend()}. How well a regression tells {target} of held-out rows")
    print("(accuracy or, of numbers, R^2, in %) after real and after generated rows; and by how")
    print(f"many deviations hidden numbers are missed: by the mean of {args.draws} draws, by one,")
    print("by the column's mean.")
    facts = [f"What is to be told: {target}."]
    if left_out:
        facts.append(f"Left out, as empty, or as most strings are different: {left_out}.")
        print(facts[-1])
    for name, df in tables.items():
        print(f"\n{name:<14}after real rows  generated rows  hidden: mean   one    column")
        columns, results, first = columns_of(df), [], None
        for seed in range(args.splits):
            found, *made = run_split(df, target, columns, seed, args)
            results.append(found)
            first = first or made
            print_row(f"split {seed}", found)
        mean = np.mean(results, axis=0)
        print_row("mean", mean)
        print(f"generated rows teach {100 * mean[1] / mean[0]:.1f}% of what real rows do")
        folder = args.out / name.replace(" ", "_")
        write_files(folder, name, df, results, *first, facts, args)
        print(f"Wrote {folder}/: report.html, synthetic.csv, imputed.csv, model.keras")
    print(f"\n{time.monotonic() - start:.0f} s")


def print_row(name, values):
    real, generated, mean, one, column = values
    print(
        f"{name:<14}{100 * real:<17.1f}{100 * generated:<24.1f}{mean:<7.3f}{one:<7.3f}{column:.3f}",
        flush=True,
    )


if __name__ == "__main__":
    main()
