"""Compares generated and imputed rows with published figures, by the protocol of ForestDiffusion.

    git clone https://github.com/SamsungSAILMontreal/ForestDiffusion
    KERAS_BACKEND=jax python -m benchmarks.forest_protocol --published ForestDiffusion/Results

The tables are scikit-learn's irises, wines and breast cancers. In each of three splits, a fifth of
the rows is held out. The models are of `make_model()` and `fit`, with their defaults but for the
number of training steps (`--steps`), the dropout (`--dropout`) and the decay of weights
(`--weight-decay`). Prints means over the splits; rows that begin with "here" are measured, the
others are read from the folder:

- generation: the Wasserstein-1 distances of five sets of generated rows from held-out and from
  training rows. Each set has as many rows as there are training rows. Distances are L1, with
  numbers scaled to [0, 1]. "Training rows" are these rows themselves, "oracle" in the folder.
  "Noise" is that of the sampler, 1 if it is not named. "Deterministic" rows are sampled by
  `"ode2"`, "narrower" ones from latents times 0.85;
- near, copies: the fraction of generated rows that are nearer to a training row than the median
  held-out row, which is a half for rows as new as those, and the fraction that equal a training
  row. `--forest-flow` runs Forest-Flow by the package `ForestDiffusion`, too;
- nats: the negative log likelihood of a held-out row;
- imputation: a fifth of the numbers of training rows are hidden at random, at the same places as in
  the published runs. The model is trained on the other cells. Of five imputations, `AvgMAE` is the
  mean absolute error, and `MinMAE` that of each row's best one. "Median" and "expected" are single
  imputations: the median of 99 draws, and `impute_expected`;
- "nearest row" is the published "KNN(n_neighbors=1)", by our code. The figures agree if the splits,
  the hidden cells and the measures do.
"""

import argparse
import math
import pathlib
import time

import keras
import numpy as np
import pandas
from sklearn.datasets import load_breast_cancer, load_iris, load_wine
from sklearn.impute import KNNImputer
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from benchmarks.forest_measures import absolute_errors, random_cells, to_points, transport_distance
from benchmarks.report import print_rows
from benchmarks.table_measures import nearness
from keras_bfn import recipes
from keras_bfn.samplers import SDE2Sampler
from keras_bfn.tables import Table
from keras_bfn.tables.model import PEAK_RATE

BATCH = 64
HIDDEN = 0.2
SETS = 5  # of generated rows, and of imputed rows
MEDIAN_DRAWS = 99
WAYS = {  # samplers, or scales of the latents of "ode2"
    "model": SDE2Sampler(),
    "model, noise 2": SDE2Sampler(2.0),
    "model, noise 3": SDE2Sampler(3.0),
    "model, deterministic": 1.0,
    "model, narrower": 0.85,
}
TABLES = {
    "iris": load_iris,
    "wine": load_wine,
    "breast_cancer_diagnostic": load_breast_cancer,
}
MEASURES = {"generation": ("W_test", "W_train"), "imputation": ("MinMAE", "AvgMAE")}


def load_split(name, seed):
    """Returns training rows and held-out rows: arrays, with the class in the last column."""
    x, y = TABLES[name](return_X_y=True)
    rows = np.concatenate([x, y[:, None]], axis=1)
    return train_test_split(rows, test_size=0.2, random_state=seed, stratify=y)


def hide_cells(train, seed):
    """Returns the rows that keep a number, and a mask of the hidden cells."""
    hidden = np.zeros(train.shape, bool)
    hidden[:, :-1] = random_cells(train[:, :-1].shape, seed) < HIDDEN
    keeps = ~hidden[:, :-1].all(axis=1)
    return train[keeps], hidden[keeps]


def to_frame(rows):
    df = pandas.DataFrame(rows).rename(columns=str)
    name = df.columns[-1]
    return df.assign(**{name: "class " + df[name].astype(int).astype(str)})


def to_rows(df):
    return np.column_stack([*df.to_numpy().T[:-1], df.iloc[:, -1].str.slice(6)]).astype("float64")


def train_model(df, seed, args):
    """Returns a trained model, and the processor seconds that its training took."""
    start = time.process_time()
    keras.utils.set_random_seed(seed)
    model = Table.from_dataframe(df).make_model(dropout=args.dropout, seed=seed)
    batches = math.ceil(len(df) / BATCH)
    epochs = math.ceil(args.steps / batches)
    model.compile(recipes.adamw(epochs * batches, PEAK_RATE, weight_decay=args.weight_decay))
    model.fit(df, epochs=epochs, batch_size=BATCH, verbose=0)
    return model, time.process_time() - start


def sample_forest_flow(train, seed):
    """Returns sets of rows by Forest-Flow, with the options of the published runs."""
    from ForestDiffusion import ForestDiffusionModel

    options = {"n_t": 50, "duplicate_K": 100, "diffusion_type": "flow", "n_jobs": 1, "seed": seed}
    model = ForestDiffusionModel(train[:, :-1], label_y=train[:, -1], **options)
    return [model.generate(batch_size=len(train)) for _ in range(SETS)]


def sample_rows(model, num, way, seed):
    """Samples rows by a sampler, or deterministically from latents times a scale."""
    if isinstance(way, SDE2Sampler):
        return model.sample(num, sampler=way, seed=seed)
    rng = np.random.default_rng(seed)
    latents = {
        name: way
        * math.sqrt(flow.gain)
        * rng.standard_normal((num, *model.event_shape[name], flow.embedding_size))
        for name, flow in model.flow.items()
    }
    return model.sample(num, sampler="ode2", latents=latents)


def nearest_row(rows):
    """Imputes hidden cells, which are NaN, by those of the nearest row, as the published row."""
    scaler = StandardScaler()
    found = KNNImputer(n_neighbors=1).fit_transform(scaler.fit_transform(rows))
    return scaler.inverse_transform(found).round(8)


def measure_generation(name, seed, args):
    train, test = load_split(name, seed)
    model, seconds = train_model(to_frame(train), seed, args)
    points, new = to_points(train, train), to_points(test, train)
    frames = [to_frame(rows) for rows in (train, test)]
    rows = {"training rows": frames[:1]}
    for who, way in WAYS.items():
        rows[who] = [sample_rows(model, len(train), way, draw) for draw in range(SETS)]
    if args.forest_flow:
        rows["Forest-Flow"] = [to_frame(x) for x in sample_forest_flow(train, seed)]
    found = {}
    for who, sets in rows.items():
        drawn = [to_points(to_rows(rows), train) for rows in sets]
        near, copies = nearness(pandas.concat(sets), *frames)
        found[who] = {
            "W_test": np.mean([transport_distance(new, x) for x in drawn]),
            "W_train": np.mean([transport_distance(points, x) for x in drawn]),
            "near": near,
            "copies": copies,
        }
    nats = -model.log_likelihood(frames[1], seed=seed).mean()
    found["model"] |= {"seconds": seconds, "nats": nats}
    return found


def measure_imputation(name, seed, args):
    train, hidden = hide_cells(load_split(name, seed)[0], seed)
    shown = np.where(hidden, np.nan, train)
    df = to_frame(shown)
    model, seconds = train_model(df, seed, args)
    draws = {}
    for noise in (1.0, 2.0):
        num = MEDIAN_DRAWS if noise == 1 else SETS
        found = model.impute(df, num_draws=num, sampler=SDE2Sampler(noise), seed=seed)
        draws[noise] = np.stack([to_rows(x) for x in found])
    guesses = {
        "model": draws[1.0][:SETS],
        "model, noise 2": draws[2.0],
        "model, median": np.median(draws[1.0], axis=0)[None],
        "model, expected": to_rows(model.impute_expected(df))[None],
        "nearest row": nearest_row(shown)[None],
    }
    found = {}
    for who, imputed in guesses.items():
        points = np.stack([to_points(rows, train) for rows in imputed])
        errors = absolute_errors(to_points(train, train), points, hidden.sum())
        found[who] = dict(zip(MEASURES["imputation"], errors, strict=True))
    found["model"]["seconds"] = seconds
    return found


def read_published(folder, task):
    """Returns the published figures of a task: a dict from methods to tables to measures."""
    df = pandas.read_csv(folder / f"Results_tabular - {task}.csv")
    found = {}
    for _, row in df[df["dataset"].isin(TABLES)].iterrows():
        figures = {measure: float(row[measure]) for measure in MEASURES[task]}
        found.setdefault(row["method"], {})[row["dataset"]] = figures
    return found


def average(splits):
    """Returns the mean over splits of dicts from methods to measures."""
    return {
        who: {key: float(np.mean([split[who][key] for split in splits])) for key in measures}
        for who, measures in splits[0].items()
    }


def rows_of(measure, results, names):
    """Returns the rows of a measure's table, the smallest mean over the tables first."""
    found = []
    for method, figures in results.items():
        if all(measure in figures.get(name, ()) for name in names):
            found.append((method, [figures[name][measure] for name in names]))
    found.sort(key=lambda row: np.mean(row[1]))
    return [
        {"method": method} | {name: f"{x:.4f}" for name, x in zip(names, values, strict=True)}
        for method, values in found
    ]


def main(args=None):
    """Returns a dict from tasks to methods to tables to measures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=list(TABLES))
    parser.add_argument("--tasks", nargs="+", choices=MEASURES, default=list(MEASURES))
    parser.add_argument("--splits", type=int, default=3, help="the published figures are of 3")
    parser.add_argument("--steps", type=int, default=2000, help="training steps")
    parser.add_argument("--dropout", type=float, default=0.1, help="of the network")
    parser.add_argument("--weight-decay", type=float, default=0.01, help="of the optimizer")
    parser.add_argument("--forest-flow", action="store_true", help="run it, too")
    parser.add_argument("--published", type=pathlib.Path, help="the folder `Results` of the clone")
    args = parser.parse_args(args)
    measure_task = {"imputation": measure_imputation, "generation": measure_generation}
    print(f"On {keras.backend.backend()}, means of {args.splits} splits.")
    found = {}
    for task in args.tasks:
        results = found[task] = read_published(args.published, task) if args.published else {}
        for name in args.tables:
            splits = [measure_task[task](name, seed, args) for seed in range(args.splits)]
            for who, figures in average(splits).items():
                results.setdefault(f"here: {who}", {})[name] = figures
        for measure in (*MEASURES[task], "near", "copies", "nats", "seconds"):
            if rows := rows_of(measure, results, args.tables):
                print(f"\n{task}: {measure}\n")
                print_rows(rows)
    return found


if __name__ == "__main__":
    main()
