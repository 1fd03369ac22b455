"""
Title: Tables from a DataFrame
Author: The keras_bfn authors
Date created: 2026/11/27
Last modified: 2026/11/27
Description: Rows of numbers, classes and missing cells: drawn, completed, and judged as outliers.
Accelerator: None
"""

"""
## Introduction

A table has columns of all kinds, and cells that are missing. A Bayesian Flow Network of its rows
knows how the columns go together, whichever of them are asked for: it draws new rows, draws rows
some of whose cells are given, fills in what is missing, and says how likely a row is. A frame of
pandas or polars goes in, and a frame comes out.

This guide takes two or three minutes on a processor. It needs `pip install "keras-bfn[tables]"`,
`pandas`, `scikit-learn` and `matplotlib`.

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

import keras_bfn
from keras_bfn.tables import Levels, Number, Table, TableEstimator

keras.utils.set_random_seed(0)

"""
## A table

178 wines of one region, pressed from three kinds of grapes. Of what was measured of each, six
columns are taken here. Magnesium is an integer, and the grape is a string. To have a table as they
are in real life, one cell in twenty is taken out.
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
`Table.from_dataframe` finds out what each column is to be sent as:

- `Number`: a real number or a date. It is sent as a score, normally distributed with mean 0 and
  deviation 1, by its quantiles: of 100 numbers the 50th becomes 0, whatever its distance from the
  51st. So long tails do no harm.
- `Levels`: an integer of a range of at most 256, in order.
- `Angle`: a number that comes round again, such as degrees or the hour of a day. It is only taken
  for one if it is said to be.
- `Category`: strings, bools, and numbers of at most ten values, integers too, without an order.
  Grades from 1 to 5 have one, and it should be said: as `Levels(1, 5)`.
"""

print(Table.from_dataframe(train))

"""
Integers with missing cells are floats in pandas, so magnesium became a `Number`. It may be told
otherwise, here with a range that is wider than what was seen. `Number("mean")` is a score by mean
and deviation alone.
"""

table = Table.from_dataframe(train, magnesium=Levels(60, 200), proline=Number("mean"))
print(table)

"""
## The model

`make_model` makes a model that suits the table, and `fit` has a recipe of its own: 2,000 steps of
AdamW, at a rate that rises and falls. A model that was compiled otherwise is trained as it was
compiled. Nothing has to be done about missing cells: the model learns which cells are missing, too.
"""

model = table.make_model(width=64, seed=0)
model.fit(train, verbose=0)
nats = model.code_length(test, num_repeats=100, seed=0, verbose=0)["parts"]
print({name: sum(part.values()).mean().round(2).item() for name, part in nats.items()})

"""
What is told are the nats by which each part of a row of the test part is sent; a row costs their
sum. All numbers are one part, `"numbers"`, for they are sent together. The part `"present"` says
which cells are not missing. Each row is looked at a
hundred times: `evaluate`, which scores each row once, is off by up to a nat on so few rows.

## Drawn rows
"""

drawn = model.sample(500, num_steps=30, seed=0)
print(drawn.head().to_string())

"""
Columns come back in the form that they had: proline in whole numbers, alcohol with two digits after
the point, magnesium as floats, as in the frame. Drawn rows miss one cell in twenty, too. Below,
each panel on the diagonal is a column alone, the others are pairs of columns: black, the wines that
were trained on; in colour, as many drawn rows, by their grape.
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
                axes.hist(drawn[x].dropna(), bins, density=True, histtype="step", color="tab:red")
            else:
                for grape, few in drawn[: len(train)].groupby("grape"):
                    axes.plot(few[x], few[y], ".", markersize=4, label=grape)
                axes.plot(train[x], train[y], "k.", markersize=2)
            axes.set(xlabel=x if i == len(columns) - 1 else "", ylabel="" if j else y)
    panels[0, 1].legend(fontsize="small")
    figure.savefig(path)


plot_pairs(["alcohol", "color_intensity", "hue", "proline"], "pairs.png")

"""
The same in numbers: correlations of the drawn rows beside those of the real ones.
"""

pairs = np.triu_indices(len(names), k=1)
real, made = (frame[names].corr().to_numpy()[pairs] for frame in (whole, drawn))
print("largest real correlation:", real[np.abs(real).argmax()].round(2))
print("the same of drawn rows:", made[np.abs(real).argmax()].round(2))
print("mean difference of all pairs:", np.abs(real - made).mean().round(3))

"""
## Rows of which something is given

`given` is a value for all rows, or a list with one for each. Any columns may be given: the model
was not trained for these alone.
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
## Missing cells

`impute` fills in what is missing, given the rest of the row. One draw is one possibility; several
draws, `num_draws`, show how sure it is. Here a quarter of the numbers of the test part are hidden,
and with them all grapes.
"""

hidden = rng.uniform(size=(len(test), len(names))) < 0.25
shown = test[names].mask(hidden)
draws = model.impute(shown, num_draws=15, num_steps=30, seed=0)

values = np.stack([draw[names].to_numpy("float64") for draw in draws])
deviations = train[names].std().to_numpy()
guesses = {
    "column's mean": np.broadcast_to(train[names].mean().to_numpy(), hidden.shape),
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

grapes = np.stack([draw["grape"] for draw in draws], axis=1)
commonest = [max(set(row), key=list(row).count) for row in grapes]
print(f"grape told rightly: {(commonest == test['grape']).mean():.0%}")

"""
(With 15 draws, 14 in 16 true values should lie between the least and the largest: 88%.)

## Cells that are missing for a reason

Some cells are missing because of what else is in the row: a flat has no garden. A column with
missing cells is therefore *nullable*: drawn rows miss its cells as real rows do, together with the
values of other columns. Suppose that the hue of a Barbera is not measured.
"""

gaps = whole.assign(hue=whole["hue"].where(whole["grape"] != "Barbera"))
gap_model = Table.from_dataframe(gaps).make_model(width=64, seed=0)
gap_model.fit(gaps, epochs=200, verbose=0)
for name, frame in (("real", gaps), ("drawn", gap_model.sample(500, num_steps=30, seed=0))):
    missing = frame["hue"].isna().groupby(frame["grape"]).mean()
    print(f"{name:<6} hue missing: {missing.round(2).to_dict()}")
print("missing after impute:", gap_model.impute(gaps, seed=0)["hue"].isna().sum())

"""
`impute` fills every cell. Where a missing cell tells nothing, declare the column with
`nullable=False`, such as `Number(nullable=False)`. Its missing cells are then unknown: the model
learns nothing from them, and drawn rows have a value in their place. With as few rows as these, a
model that has less to learn predicts held-out rows better.

## Outliers

`log_likelihood` says how likely each row is, in nats. A row is unlikely if one of its cells is
strange, but also if each is usual by itself, and they do not go together. To see that, each row of
the test part is given one cell of another row.
"""

swapped = test.copy()
for i in range(len(test)):
    name = names[rng.integers(len(names))]
    swapped.loc[i, name] = test.loc[(i + rng.integers(1, len(test))) % len(test), name]

likely, unlikely = (model.log_likelihood(frame, seed=0) for frame in (test, swapped))
labels = np.repeat([0, 1], len(test))
score = roc_auc_score(labels, -np.concatenate([likely, unlikely]))
print(f"A real row: {likely.mean():.1f} nats, a swapped one: {unlikely.mean():.1f}")
print(f"A swapped row is less likely than a real one in {score:.0%} of all pairs of these.")
print(test.assign(nats=likely.round(1)).nsmallest(3, "nats").to_string())

"""
The nats are those of the scores of numbers, and may be above 0: a density may be above 1. They are
for comparing rows with each other.

## To keep it

The table is saved with the model, in a `.keras` file or a preset's folder: what loads it takes
frames and returns frames.
"""

model.save("wine.keras")
loaded = keras.saving.load_model("wine.keras")
print(loaded.table.columns["grape"], len(loaded.sample(3, num_steps=10)))
print(type(loaded) is keras_bfn.tables.TableModel)

"""
## With scikit-learn

`TableEstimator` is such a model as an estimator of scikit-learn. It takes frames, or arrays of
numbers, and its `transform` imputes: here, before a classifier that takes no missing cells.
"""

imputer = TableEstimator(width=64, epochs=200, random_state=0)
pipeline = make_pipeline(imputer, StandardScaler(), LogisticRegression())
pipeline.fit(train[names], train["grape"].fillna("unknown"))
print(f"accuracy with a quarter hidden: {pipeline.score(shown, test['grape']):.2f}")
print(f"nats of a row: {pipeline[0].score(test[names]):.1f}")

"""
`examples/table.py` does all of this with a CSV file of one's own, and makes a report of columns,
pairs, and rows that are copies. Larger frames need no other settings: `fit` takes as many steps for
them, and `epochs=` says otherwise. What other methods do on the same tables is in
[the results](../docs/results.md#tables).
"""
