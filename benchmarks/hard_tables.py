"""Tables that are hard: rare classes, outliers, many columns, rows that follow, real tables.

    KERAS_BACKEND=jax python -m benchmarks.hard_tables rare outliers wide next
    KERAS_BACKEND=jax python -m benchmarks.hard_tables table=rows.csv

Each section simulates its own data, and trains by the default recipe. Prints, in processor seconds:

- rare: of rows of a class with a share of 2%, the largest errors of spread and correlation, and the
  average precision of a classifier of the class without and with made rows; for a model of the rows
  as they are, and of rows in which both classes are equally frequent;
- outliers: how many of 12 planted outliers are among the 24 lowest of 2,000 rows, and their ranks,
  by likelihood, with columns that are nullable or not, and by `IsolationForest`; in three columns,
  5% of the cells are missing;
- wide: of 200 numbers and 100 classes, the seconds to the first step, memory, and the slope of made
  on real associations: of numbers with classes, classes with classes, numbers with numbers;
- next: the root mean square error of the fifth value of a series, given four, beside the last one;
- table: of a CSV file, the area under the curve of a classifier that tells made rows from held-out
  ones, and the fraction of made rows that are rows of the file.
"""

import argparse
import resource
import statistics
import time

import keras
import numpy as np
import pandas
from sklearn.ensemble import HistGradientBoostingClassifier, IsolationForest
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.model_selection import cross_val_predict

from keras_bfn.tables import Number, Sequences, Table

ROWS = 20_000  # at most, of each kind, for a classifier


def train(df, **columns):
    """Returns a model, trained by default, and the processor seconds."""
    keras.utils.set_random_seed(0)
    start = time.process_time()
    model = Table.from_dataframe(df, **columns).make_model(seed=0)
    model.fit(df, verbose=0)
    return model, time.process_time() - start


def to_numbers(*tables):
    """Returns arrays of frames, with classes as numbers of one code."""
    whole = pandas.concat(tables)
    codes = whole.apply(lambda x: x if x.dtype.kind in "iuf" else pandas.factorize(x)[0])
    return np.split(codes.to_numpy("float64"), np.cumsum([len(df) for df in tables])[:-1])


def make_rare(num, seed):
    rng = np.random.default_rng(seed)
    rare = rng.uniform(size=num) < 0.02
    slope, x = np.where(rare, -0.7, 0.6), rng.normal(size=(num, 6))
    for j in range(1, 6):
        x[:, j] = slope * x[:, j - 1] + np.sqrt(1 - slope**2) * x[:, j]
    x *= np.where(rare, 0.5, 1.0)[:, None]
    x[:, 0] += rare
    x[:, 3] -= 0.8 * rare
    df = pandas.DataFrame(x, columns=list("abcdef"))
    return df.assign(kind=np.where(rare, "rare", "usual"))


def try_rare():
    df, test, many = (make_rare(num, seed) for seed, num in enumerate((5300, ROWS, 200_000)))
    real = many[many["kind"] == "rare"].drop(columns="kind")

    def precision(rows):
        classifier = HistGradientBoostingClassifier(random_state=0)
        classifier.fit(rows.drop(columns="kind"), rows["kind"] == "rare")
        chances = classifier.predict_proba(test.drop(columns="kind"))[:, 1]
        return average_precision_score(test["kind"] == "rare", chances)

    print(f"rare: average precision without made rows {precision(df):.3f}")
    share = df["kind"].map(df["kind"].value_counts(normalize=True))
    balanced = df.sample(len(df), replace=True, weights=1 / share, random_state=0)
    for name, rows in (("as they are", df), ("balanced", balanced)):
        model, seconds = train(rows)
        made = model.sample(2000, given={"kind": "rare"}, seed=0)
        own = made.drop(columns="kind")
        spread = np.abs(own.std() / real.std() - 1).max()
        correlation = np.abs(own.corr() - real.corr()).to_numpy().max()
        after = precision(pandas.concat([df, made[:1000]]))
        print(f"rare, {name}: {seconds:.0f} s, spread {spread:.2f}, correlation {correlation:.2f}, "
              f"average precision with made rows {after:.3f}")  # fmt: skip


def try_outliers():
    rng = np.random.default_rng(0)
    num, planted = 2000, np.arange(12)
    z = rng.normal(size=(num, 2))
    a = z @ rng.normal(size=(2, 5)) + 0.3 * rng.normal(size=(num, 5))
    df = pandas.DataFrame(
        {
            "income": np.exp(10 + 0.6 * a[:, 0]),
            "age": np.clip(45 + 12 * a[:, 1] / a[:, 1].std(), 18, 95).round().astype(int),
            "debt": np.exp(8 + 0.5 * a[:, 2]),
            "score": 500 + 80 * a[:, 3],
            "days": rng.poisson(np.exp(2 + 0.3 * a[:, 4])),
            "region": np.array(list("NESW"))[np.digitize(z[:, 0], [-0.7, 0, 0.7])],
            "owner": np.where(z[:, 1] + 0.3 * rng.normal(size=num) > 0, "yes", "no"),
        }
    )
    for name in ("income", "score", "debt"):
        df.loc[(rng.uniform(size=num) < 0.05) & (df.index > 11), name] = np.nan
    df.loc[:2, "income"] = 20 * df["income"].max()
    df.loc[3:4, "score"], df.loc[5:6, "days"] = -400, 400
    opposite = {"N": "W", "W": "N", "E": "W", "S": "N", "yes": "no", "no": "yes"}
    far = [np.argsort(-np.abs(z[12:, axis]))[:3] + 12 for axis in (0, 1)]
    for row, other in zip(range(7, 10), far[0], strict=True):
        df.loc[row] = df.loc[other].fillna(df.median(numeric_only=True))
        df.loc[row, "region"] = opposite[df.loc[row, "region"]]
    for row, other in zip(range(10, 12), far[1], strict=False):
        df.loc[row] = df.loc[other].fillna(df.median(numeric_only=True))
        df.loc[row, "owner"] = opposite[df.loc[row, "owner"]]

    def tell(name, scores):
        ranks = pandas.Series(scores).rank()[planted].astype(int).tolist()
        print(f"outliers, {name}: {sum(rank <= 24 for rank in ranks)} of 12, ranks {ranks}")

    (x,) = to_numbers(df)
    x = np.where(np.isnan(x), np.nanmedian(x, axis=0), x)
    tell("forest", IsolationForest(random_state=0).fit(x).score_samples(x))
    known = {name: Number(nullable=False) for name in ("income", "score", "debt")}
    for name, columns in (("default", {}), ("not nullable", known)):
        model, seconds = train(df, **columns)
        tell(f"{name}, {seconds:.0f} s", model.log_likelihood(df, num_repeats=50, seed=0))


def make_wide(num, seed):
    rng, fixed = np.random.default_rng(seed), np.random.default_rng(7)
    z, found, normal = rng.normal(size=(num, 20)), {}, statistics.NormalDist(0, 1.09**0.5)
    for i in range(200):
        weights = fixed.normal(size=2)
        x = z[:, [i % 20, (3 * i + 1) % 20]] @ weights / np.linalg.norm(weights)
        found[f"x{i}"] = x + 0.5 * rng.normal(size=num)
    for i in range(100):
        num_classes = int(fixed.integers(2, 51))
        ends = [normal.inv_cdf(k / num_classes) for k in range(1, num_classes)]
        names = np.array([f"v{k}" for k in fixed.permutation(num_classes)])
        found[f"c{i}"] = names[np.searchsorted(ends, z[:, i % 20] + 0.3 * rng.normal(size=num))]
    return pandas.DataFrame(found)


def associations(df):
    """Returns correlation ratios, Cramer's V of classes that share a cause, and correlations."""
    x, num = df.filter(regex="^x"), len(df)
    x = ((x - x.mean()) / x.std()).to_numpy()
    ratios, pairs = [], []
    codes = [pandas.factorize(df[f"c{i}"])[0] for i in range(100)]
    for i, own in enumerate(codes):
        counts, sums = np.bincount(own), np.zeros((own.max() + 1, x.shape[1]))
        np.add.at(sums, own, x)
        bias = own.max() / (num - 1)
        ratio = (np.sum(sums**2 / counts[:, None], axis=0) / num - bias) / (1 - bias)
        ratios.append(np.sqrt(np.maximum(ratio, 0)))
        for other in codes[i + 20 :: 20]:
            table = pandas.crosstab(own, other).to_numpy()
            expected = table.sum(1, keepdims=True) * table.sum(0) / num
            bias = (table.shape[0] - 1) * (table.shape[1] - 1) / (num - 1)
            phi = np.sum((table - expected) ** 2 / expected) / num - bias
            pairs.append(np.sqrt(max(phi, 0) / (min(table.shape) - 1)))
    between = np.corrcoef(x.T)[np.triu_indices(x.shape[1], 1)]
    return np.ravel(ratios), np.array(pairs), between


def try_wide():
    df, first = make_wide(3000, seed=0), []
    start = time.process_time()
    model = Table.from_dataframe(df).make_model(seed=0)
    note = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: first or first.append(time.process_time() - start)
    )
    model.fit(df, epochs=1, verbose=0, callbacks=[note])
    gigabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"wide: first step after {first[0]:.0f} s, {gigabytes:.2f} GB")
    model, seconds = train(df)
    real, made = associations(make_wide(3000, seed=1)), associations(model.sample(3000, seed=0))
    strong = real[0] > 0.3
    real, made = (real[0][strong], *real[1:]), (made[0][strong], *made[1:])
    slopes = [f"{np.sum(a * b) / np.sum(a * a):.2f}" for a, b in zip(real, made, strict=True)]
    print(f"wide: {seconds:.0f} s, slopes of made on real associations {' '.join(slopes)}")


def make_visits(num, seed):
    rng, rows = np.random.default_rng(seed), []
    for i in range(num):
        day, weight, trend = rng.integers(700), rng.normal(70, 10), rng.normal(0, 0.5)
        for _ in range(rng.integers(3, 20)):
            rows.append((i, pandas.Timestamp("2020") + pandas.Timedelta(day, "D"), weight))
            day, weight = day + rng.geometric(1 / 14), weight + trend + rng.normal(0, 0.5)
    return pandas.DataFrame(rows, columns=["id", "day", "weight"]).round({"weight": 1})


def try_next():
    df, test = make_visits(800, seed=0), make_visits(200, seed=1)
    keras.utils.set_random_seed(0)
    start = time.process_time()
    model = Sequences.from_dataframe(df, "id", ascending=["day"]).make_model(seed=0)
    model.fit(df, verbose=0)
    seconds = time.process_time() - start
    visits = test.groupby("id")
    long = test[visits["day"].transform("size") >= 6]
    first, fifth = long.groupby("id").head(4), long.groupby("id").nth(4)["weight"].to_numpy()
    drawn = model.extend(first, num_rows=1, num_draws=20, seed=0)
    mean = np.mean([frame["weight"] for frame in drawn], axis=0)
    last = long.groupby("id").nth(3)["weight"].to_numpy()
    errors = [f"{np.sqrt(np.mean((x - fifth) ** 2)):.2f}" for x in (mean, last)]
    made = model.sample(300, seed=0)
    backwards = (~made.groupby("id")["day"].is_monotonic_increasing).sum()
    sizes = made.groupby("id").size()
    print(f"next: {seconds:.0f} s, error {errors[0]}, of the last value {errors[1]}")
    print(f"next: of 300 made entities {backwards} go back, {sizes.min()} to {sizes.max()} rows")


def try_table(path):
    df = pandas.read_csv(path)
    rows = np.random.default_rng(0).permutation(len(df))
    real, test = (df.iloc[x].reset_index(drop=True) for x in np.split(rows, [len(df) * 4 // 5]))
    model, seconds = train(real)
    made = model.sample(len(test), seed=0)
    x = np.concatenate(to_numbers(test[:ROWS], made[:ROWS]))
    labels = np.repeat([1, 0], len(x) // 2)
    classifier = HistGradientBoostingClassifier(random_state=0)
    order = np.random.default_rng(0).permutation(len(x))
    chances = cross_val_predict(classifier, x[order], labels[order], method="predict_proba")[:, 1]
    copies = len(made.merge(real.drop_duplicates())) / len(made)
    print(f"{path}: {real.shape}, {seconds:.0f} s, "
          f"area {roc_auc_score(labels[order], chances):.3f}, copies {copies:.4f}")  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sections", nargs="+", help="rare, outliers, wide, next, or table=PATH")
    sections = {"rare": try_rare, "outliers": try_outliers, "wide": try_wide, "next": try_next}
    for section in parser.parse_args().sections:
        name, _, path = section.partition("=")
        if name not in (*sections, "table"):
            parser.error(f"sections must be among {[*sections, 'table=PATH']}: {section!r}")
        try_table(path) if name == "table" else sections[name]()


if __name__ == "__main__":
    main()
