"""
Title: Tables from a DataFrame
Author: The keras_bfn authors
Date created: 2026/11/27
Last modified: 2026/11/28
Description: Generate rows of mixed columns, impute missing cells, and detect outliers.
Accelerator: None
"""

"""
## Introduction

In this guide we train a model on a table of wines with missing cells. We generate rows,
impute missing cells, find unlikely rows, and use such a model in a pipeline of
scikit-learn. `pairs.png` compares generated rows with real ones. The model learns the
joint distribution of all columns. It takes a DataFrame of pandas or polars, and returns
one. The guide takes two or three minutes on a CPU. It needs `pip install
"keras-bfn[io]"`, `pandas`, `scikit-learn` and `matplotlib`.

## Setup
"""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
import numpy as np
from matplotlib.figure import Figure
from sklearn.datasets import load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from keras_bfn.tables import Levels, Number, Table, TableEstimator

keras.utils.set_random_seed(0)

"""
## A table

The table holds six measurements of 178 wines, and the grape of each: one of three. As
in most tables, cells are missing: we remove one in twenty from the training rows.
"""

wines = load_wine(as_frame=True).frame
names = ["alcohol", "malic_acid", "magnesium", "color_intensity", "hue", "proline"]
wine = wines[names].astype({"magnesium": int, "proline": int})
wine["grape"] = wines["target"].map({0: "Barolo", 1: "Grignolino", 2: "Barbera"})

rng = np.random.default_rng(0)
whole = wine.iloc[rng.permutation(len(wine))].reset_index(drop=True)
test = whole.iloc[128:].reset_index(drop=True)
train = whole.iloc[:128].mask(rng.uniform(size=(128, 7)) < 0.05)
print(train.head().to_string())

"""
`Table.from_dataframe` chooses a type for each column:

- `Category`: strings, bools, and numbers with at most ten different values, without an
  order. Grades from 1 to 5 have an order: declare them as `Levels(1, 5)`.
- `Levels`: integers with more than ten different values, over at most 256 levels, in
  order.
- `Number`: all other numbers, and dates. Ranks are mapped to normal quantiles, so long
  tails do no harm. For dates, `Number(cycles=["week", "year"])` also sends the weekday
  and the season.
- `Angle`: never chosen. Declare periodic numbers, such as degrees, as `Angle(360)`.

pandas stores integers as floats if cells are missing, unless their dtype is `Int64`, so
magnesium becomes a `Number`. We declare it as `Levels`, in a wider range than observed.
`Number("mean")` scales proline linearly instead. Rules between columns are declared in
the same way, and hold in every generated row: `Table.from_dataframe(df,
end=AtLeast("start"), gross=SumOf("net", "tax"))`. Parse dates first
(`pandas.read_csv(..., parse_dates=["start", "end"])`).
"""

print(Table.from_dataframe(train))
table = Table.from_dataframe(train, magnesium=Levels(60, 200), proline=Number("mean"))
print(table)

"""
## The model

`make_model` makes a model for the table. By default, `fit` takes 2,000 steps of AdamW,
but at most 1,000 epochs. The more rows, the larger the batches, from 64 to 512 rows.
Missing cells need no preparation: the model learns where they occur. A cell is missing
if it is NaN, NaT or None. Replace other codes, such as -999 or "?", by None first.
"""

model = table.make_model(width=64, seed=0)
model.fit(train, verbose=0)
nats = model.code_length(test, num_repeats=100, seed=0, verbose=0)["parts"]
print({name: sum(part.values()).mean().round(2).item() for name, part in nats.items()})

"""
These are the mean code lengths of the parts of a test row, in nats; their sum is that
of the row. All `Number` columns form one part, `"numbers"`. The part `"present"` states
which cells are present. `num_repeats=100` averages over 100 values of t per row,
`evaluate` by default over one.

## Generated rows
"""

drawn = model.sample(500, num_steps=30, seed=0)
print(drawn.head().to_string())

"""
Generated values have the precision of the training rows: proline is a whole number, and
alcohol has two digits after the point. Again, about one cell in twenty is missing. The
diagonal of `pairs.png` shows the distribution of each column: training rows in grey,
generated rows in red. Other panels show pairs of columns: training rows in black,
generated rows in colour, by grape.
"""


def plot_pairs(columns, path):
    figure = Figure((9, 9), dpi=80, layout="constrained")
    panels = figure.subplots(len(columns), len(columns))
    for i, y in enumerate(columns):
        for j, x in enumerate(columns):
            axes = panels[i, j]
            if i == j:
                bins = np.linspace(train[x].min(), train[x].max(), 16)
                axes.hist(train[x].dropna(), bins, density=True, color="0.7")
                axes.hist(
                    drawn[x].dropna(),
                    bins,
                    density=True,
                    histtype="step",
                    color="tab:red",
                )
            else:
                for grape, few in drawn[: len(train)].groupby("grape"):
                    axes.plot(few[x], few[y], ".", markersize=4, label=grape)
                axes.plot(train[x], train[y], "k.", markersize=2)
            axes.set(xlabel=x if i == len(columns) - 1 else "", ylabel="" if j else y)
    panels[0, 1].legend(fontsize="small")
    figure.savefig(path)


plot_pairs(["alcohol", "color_intensity", "hue", "proline"], "pairs.png")

pairs = np.triu_indices(len(names), k=1)
real, made = (frame[names].corr().to_numpy()[pairs] for frame in (whole, drawn))
print("largest real correlation:", real[np.abs(real).argmax()].round(2))
print("the same in generated rows:", made[np.abs(real).argmax()].round(2))

"""
## Conditional generation

`given` is a dict from columns to one value for all rows, or to a list with a value for
each row. None and NaN are unknown cells, which are sampled; `tables.MISSING` says that
the cell is missing.
"""

for grape in ("Barolo", "Grignolino", "Barbera"):
    rows = model.sample(60, given={"grape": grape}, num_steps=30, seed=0)
    real = whole[whole["grape"] == grape]
    print(
        f"{grape:<11} alcohol {rows['alcohol'].mean():.2f} (real {real['alcohol'].mean():.2f}), "
        f"proline {rows['proline'].mean():.0f} (real {real['proline'].mean():.0f})"
    )
strong = model.sample(60, given={"alcohol": 14.2, "hue": 1.05}, num_steps=30, seed=0)
print(strong["grape"].value_counts().to_dict())

"""
## Imputation

`impute_expected` fills in expected numbers and the likeliest classes, by one network
call. `impute` samples the missing cells. The spread of 15 samples (`num_draws`) shows
the uncertainty. If it is right, one true value in 16 is below them all, and one in 16
above, so 88% lie between. We hide a quarter of the numbers, and all grapes.
"""

hidden = rng.uniform(size=(len(test), len(names))) < 0.25
shown = test[names].mask(hidden)
expected = model.impute_expected(shown)
draws = model.impute(shown, num_draws=15, num_steps=30, seed=0)
values = np.stack([draw[names].to_numpy("float64") for draw in draws])
deviations = train[names].std().to_numpy()
guesses = {
    "column's mean": np.broadcast_to(train[names].mean().to_numpy(), hidden.shape),
    "expected": expected[names].to_numpy("float64"),
    "one draw": values[0],
    "mean of 15 draws": values.mean(axis=0),
}
for name, guess in guesses.items():
    errors = ((guess - test[names].to_numpy()) / deviations)[hidden]
    print(f"{name:<17}: off by {np.sqrt((errors**2).mean()):.2f} standard deviations")

low, high = values.min(axis=0), values.max(axis=0)
truth = test[names].to_numpy()
covered = ((low <= truth) & (truth <= high))[hidden].mean()
print(f"between the least and the largest draw: {covered:.0%}")
print(f"grape imputed correctly: {(expected['grape'] == test['grape']).mean():.0%}")

"""
## Cells missing for a reason

Some cells are missing because of other values in the row: hue may be measured for some
grapes only. By default, a column with missing cells is *nullable*: the model learns how
missing cells depend on the other columns, and generates them accordingly. As an
example, we remove the hue of each Barbera.
"""

gaps = whole.assign(hue=whole["hue"].where(whole["grape"] != "Barbera"))
gap_model = Table.from_dataframe(gaps).make_model(width=64, seed=0)
gap_model.fit(gaps, epochs=200, verbose=0)
for name, frame in (
    ("real", gaps),
    ("drawn", gap_model.sample(500, num_steps=30, seed=0)),
):
    missing = frame["hue"].isna().groupby(frame["grape"]).mean()
    print(f"{name:<6} hue missing: {missing.round(2).to_dict()}")
print("missing after impute:", gap_model.impute(gaps, seed=0)["hue"].isna().sum())

"""
`impute` fills every missing cell. If cells are missing by chance, declare the column
with `nullable=False`, such as `Number(nullable=False)`. The model then learns nothing
from its missing cells, and generates a value in every row.

## Outliers

Outliers in the training rows need no setting: numbers are mapped by their ranks, so an
outlier does not squeeze the others, except in a column of `Number("mean")`.

`log_likelihood` estimates a lower bound of each row's log likelihood, in nats (no bound
if cells are missing), or with `known=["hue"]` that of its other cells. Each mapped
number, from -4 to 4, is sent as its quarter, whose log density counts: it may be
positive. Rows are unlikely if a value is unusual, or if usual values do not go
together. As an example of the latter, we give each held-out wine a wrong grape.
"""

next_grape = {"Barolo": "Grignolino", "Grignolino": "Barbera", "Barbera": "Barolo"}
wrong = test.assign(grape=test["grape"].map(next_grape))

likely, unlikely = (model.log_likelihood(frame, seed=0) for frame in (test, wrong))
is_wrong = np.repeat([0, 1], len(test))
score = roc_auc_score(is_wrong, -np.concatenate([likely, unlikely]))
print(f"A real row: {likely.mean():.1f} nats, a wrong one: {unlikely.mean():.1f}")
print(f"In {score:.0%} of all pairs, the wrong row is less likely than the real one.")

"""
The likelihoods of held-out rows set a threshold: here, one held-out row in twenty is
below it. To find the cell that makes a row unlikely, compute the likelihood of each
cell given all others, and compare it with the median of its column in real rows.
Without clean rows, train on the table itself, and inspect the least likely 1%.
"""

threshold = np.quantile(likely, 0.05)
found = unlikely < threshold
print(f"Below {threshold:.1f} nats: {found.mean():.0%} of the wrong rows.")


def cell_likelihoods(frame):
    """Returns the log likelihood of each cell of a row, given all its other cells."""
    known = [frame.columns.drop(name).tolist() for name in frame]
    options = {"num_repeats": 30, "seed": 0}
    cells = [model.log_likelihood(frame, known=others, **options) for others in known]
    return np.stack(cells, axis=1)


real_cells, wrong_cells = cell_likelihoods(test), cell_likelihoods(wrong)
suspects = wrong.columns[(wrong_cells - np.median(real_cells, axis=0)).argmin(axis=1)]
print(wrong.assign(nats=unlikely.round(1), suspect=suspects)[found].head().to_string())
share = (suspects == "grape").mean()
print(f"The suspect is the grape in {share:.0%} of the wrong rows.")
grapes = np.concatenate([real_cells[:, -1], wrong_cells[:, -1]])
print(
    f"By the cell of the grape alone: {roc_auc_score(is_wrong, -grapes):.0%} of pairs."
)

"""
The estimates depend on random numbers. Another seed changes each a little, and so does
the same seed on another backend. Conclusions that need more digits than two seeds
share need a larger `num_repeats` (100 by default).
"""

again = model.log_likelihood(test, seed=1)
print(f"Another seed changes a row by {np.abs(again - likely).mean():.2f} nats,")
both = ((likely < threshold) & (again < threshold)).sum()
print(f"and {both} of the {(likely < threshold).sum()} rows below stay below.")

"""
That a cell is missing counts, too, and rows with missing cells become unlikely. If it
says nothing about the row, declare the columns with `nullable=False` to find outliers:
of 12 that were planted among 2,000 rows, nine were then among the 24 least likely, by
default seven, as by scikit-learn's `IsolationForest` (`benchmarks/hard_tables.py`).

## Rare classes

Given a class with few rows, a model draws rows that resemble those of the other
classes too much. Train it on rows in which all classes are
equally frequent, and ask for the class by `given`. All other answers of this model are
about balanced rows, too, such as the classes of rows without `given`.

```python
share = df["class"].map(df["class"].value_counts(normalize=True))
balanced = df.sample(len(df), replace=True, weights=1 / share, random_state=0)
model = Table.from_dataframe(df).make_model(seed=0)
model.fit(balanced)
rare = model.sample(1000, given={"class": "rare"})
```

Of a class with 2% of 5,300 rows, the spreads of such rows are right within 14%, and the
correlations within 0.11; by a model of the rows as they are, within 68% and 1.00
(`benchmarks/hard_tables.py`).
"""

"""
## Saving

A `.keras` file or a preset includes the table, so the loaded model takes and returns
frames.
"""

model.save("wine.keras")
loaded = keras.saving.load_model("wine.keras")
print(loaded.table.columns["grape"], len(loaded.sample(3, num_steps=10)))

"""
## With scikit-learn

`TableEstimator` wraps such a model as a scikit-learn estimator. It takes frames or
arrays of numbers. Its `transform` imputes expected values (or samples, with
`sample_posterior=True`), since this pipeline's classifier does not accept missing
cells.
"""

imputer = TableEstimator(width=64, epochs=200, random_state=0)
pipeline = make_pipeline(imputer, StandardScaler(), LogisticRegression())
pipeline.fit(train[names], train["grape"].fillna("unknown"))
print(f"accuracy with a quarter hidden: {pipeline.score(shown, test['grape']):.2f}")
print(f"log likelihood of a row: {pipeline[0].score(test[names]):.1f}")

"""
`examples/table.py` trains such a model on your CSV file, generates and imputes rows,
and writes a report. [The results](../docs/results.md#tables) compare the model with
other methods.
"""
