"""Writes an HTML page that compares generated rows with real ones, and loads nothing else."""

import html
import itertools
import math
import pathlib

import numpy as np
import pandas
from sklearn.neighbors import NearestNeighbors

FEW_VALUES = 10  # numbers with at most so many values are classes
MOST_CLASSES = 12  # maximum number shown separately
NUM_PAIRS = 6
EPOCH = pandas.Timestamp(0).as_unit("s")  # in nanoseconds, dates end in 1677
NUM_POINTS = 400  # points in each scatter plot

STYLE = pathlib.Path(__file__).with_suffix(".css").read_text()


def write_report(path, title, facts, scores, real, drawn, held_out):
    """Writes the page.

    Args:
        path: `pathlib.Path` to write to.
        title: string, the table's name.
        facts: list of strings, one per paragraph.
        scores: frame of scores.
        real: frame of training rows.
        drawn: frame of generated rows.
        held_out: frame of real rows that the model has not learnt.
    """
    frames = [as_numbers(frame, real) for frame in (real, drawn)]
    of_real, of_drawn = map(associations, frames)
    sections = {
        "": "".join(f"<p>{html.escape(fact)}</p>" for fact in facts),
        "Scores": describe_scores(scores),
        "Copies": describe_copies(*distances(real, drawn, held_out)),
        "Columns": describe_columns(real, drawn),
        "Most associated pairs": describe_pairs(*frames, of_real),
        "Correlations": describe_associations(list(real.columns), of_real, of_drawn),
        "Generated rows": to_table(drawn.head(10), index=False),
    }
    body = "".join(
        f"<h2>{name}</h2>{text}" if name else text for name, text in sections.items()
    )
    title = html.escape(title)
    path.write_text(
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{STYLE}</style></head><body><h1>{title}</h1>"
        '<p><b class="key real"></b>real rows<b class="key drawn"></b>generated rows</p>'
        f"{body}</body></html>",
        encoding="utf-8",
    )


def to_table(df, **options):
    return f'<div class="scroll">{df.to_html(border=0, **options)}</div>'


def describe_scores(scores):
    return (
        "<p>How well a regression predicts the target in held-out rows, when trained on real and "
        "on generated rows: accuracy, or R^2 for a number. Then the error of hidden numbers, in "
        "standard deviations, when filled in with the mean of several samples, with one sample, "
        "and with the column's mean.</p>"
    ) + to_table(scores, float_format="{:.3f}".format)


def card(title, text):
    return f'<div class="card"><h3>{html.escape(str(title))}</h3>{text}</div>'


def is_number(series):
    """Returns whether a column gets an axis: numbers or dates with more than a few values."""
    kinds = (
        pandas.api.types.is_numeric_dtype,
        pandas.api.types.is_datetime64_any_dtype,
    )
    is_bool = pandas.api.types.is_bool_dtype(series)
    return (
        not is_bool
        and any(kind(series) for kind in kinds)
        and series.nunique() > FEW_VALUES
    )


def to_floats(series):
    """Returns numbers as floats, dates as days, and missing cells as NaN."""
    if pandas.api.types.is_datetime64_any_dtype(series):
        times = series.dt.tz_localize(None) if series.dt.tz is not None else series
        return (times - EPOCH) / pandas.Timedelta(days=1)
    return series.astype("float64")


def to_strings(series):
    return series.astype(str).where(series.notna())


def classes_of(series, most):
    """Returns the most common values as strings: in order, or, for classes, by frequency."""
    values = to_strings(series).value_counts().index[:most].tolist()
    keys = {"i": float, "u": float, "f": float, "M": str}
    kind = series.dtype.kind
    return sorted(values, key=keys[kind]) if kind in keys else values


def as_numbers(df, real, most=MOST_CLASSES):
    """Returns each column as floats, or, for classes, as indices into the real column's classes.

    Classes beyond the `most` most common ones share one index. Indices have a nullable
    integer dtype, which distinguishes them from numbers.
    """
    columns = {}
    for name in real.columns:
        if is_number(real[name]):
            columns[name] = to_floats(df[name])
        else:
            places = {value: i for i, value in enumerate(classes_of(real[name], most))}
            found = to_strings(df[name]).map(
                lambda value, places=places: places.get(value, most), na_action="ignore"
            )
            columns[name] = found.astype("Int64")
    return pandas.DataFrame(columns)


def associations(df):
    """Returns the associations of all pairs of columns, in [-1, 1], a float array `(num, num)`.

    For two numbers, this is their correlation. For a number and a class, it is the
    correlation ratio, the root of the fraction of variance that classes explain. For
    two classes, it is Cramer's V.
    """
    num = len(df.columns)
    found = np.eye(num)
    for i, j in itertools.combinations(range(num), 2):
        both = df.iloc[:, [i, j]].dropna()
        a, b = (_basis(both.iloc[:, k]) for k in (0, 1))
        dimensions = min(a.shape[1], b.shape[1]) - 1
        if len(both) > 2 and dimensions > 0:
            products = a.T @ b
            share = np.clip((np.square(products).sum() - 1.0) / dimensions, 0.0, 1.0)
            are_numbers = "Int64" not in map(str, both.dtypes)
            sign = np.sign(products[1, 1]) if are_numbers else 1.0
            found[i, j] = found[j, i] = sign * np.sqrt(share)
    return found


def _basis(series):
    """Returns an orthonormal basis for functions of a column, including the constant."""
    if str(series.dtype) == "Int64":
        indicators = pandas.get_dummies(series, dtype=float).to_numpy()
        return indicators / np.sqrt(indicators.sum(axis=0))
    x = series.to_numpy("float64")
    centred, ones = x - x.mean(), np.full(len(x), len(x) ** -0.5)
    length = np.sqrt(np.square(centred).sum())
    return (
        np.stack([ones, centred / length], axis=1) if length > 1e-9 else ones[:, None]
    )


def distances(real, drawn, held_out):
    """Returns the distances of generated and of held-out rows to their nearest training row.

    Numbers are in standard deviations. Different classes are at distance 1. Missing
    numbers are at the mean.
    """
    most = max(real[name].nunique() for name in real.columns)
    frames = [as_numbers(frame, real, most) for frame in (real, drawn, held_out)]
    blocks = [[], [], []]
    for name in frames[0].columns:
        columns = [frame[name] for frame in frames]
        if str(columns[0].dtype) == "Int64":
            ranks = np.append(columns[0].dropna().unique(), most).astype(float)
            found = [
                (c.to_numpy(float, na_value=-1.0)[:, None] == ranks) / 2**0.5
                for c in columns
            ]
        else:
            mean, std = columns[0].mean(), columns[0].std()
            found = [
                ((c - mean) / std).fillna(0.0).to_numpy()[:, None] for c in columns
            ]
        for block, values in zip(blocks, found, strict=True):
            block.append(values)
    learnt, *others = (np.concatenate(block, axis=1) for block in blocks)
    nearest = NearestNeighbors(n_neighbors=1).fit(learnt)
    return [nearest.kneighbors(rows)[0][:, 0] for rows in others]


def describe_copies(of_drawn, of_held_out):
    """Describes whether generated rows are nearer to training rows than new real rows are."""
    near = np.quantile(of_held_out, 0.05)
    span = np.concatenate([of_held_out, of_drawn])
    picture = histogram(of_held_out, of_drawn, "{:.2f}".format, span)
    return (
        "<p>The distance of each row to the nearest training row, for held-out real rows (grey) "
        "and generated rows. If a model copies, generated rows are nearer. One standard deviation "
        "of a number, or another class, is a distance of 1.</p>"
        f'<div class="grid wide">{card("Distance to the nearest training row", picture)}'
        + card(
            "In numbers",
            f"<p>Median: held-out {np.median(of_held_out):.2f}, "
            f"generated {np.median(of_drawn):.2f}.</p>"
            f"<p>Within {near:.2f} of a training row: {np.mean(of_held_out <= near):.1%} of "
            f"held-out rows, {np.mean(of_drawn <= near):.1%} of generated rows.</p>"
            f"<p>Equal to a training row: {np.mean(of_drawn < 1e-6):.1%} of generated rows, "
            f"{np.mean(of_held_out < 1e-6):.1%} of held-out rows.</p>",
        )
        + "</div>"
    )


def describe_columns(real, drawn):
    """Returns a card for each column that shows its distribution."""
    cards = []
    for i, name in enumerate(real.columns, start=1):
        columns = real[name], drawn[name]
        if not is_number(real[name]):
            text = bars(*columns)
        else:
            floats = [to_floats(column) for column in columns]
            is_date = pandas.api.types.is_datetime64_any_dtype(real[name])
            number = shower(np.ptp(floats[0].dropna()))
            show = _show_date if is_date else number
            text = histogram(*floats, show)
            for what, told in (
                ("mean", (np.mean, show)),
                ("deviation", (np.std, number)),
            ):
                found = [told[1](told[0](x)) for x in floats]
                text += f"<small>{what} {found[0]}, generated {found[1]}</small>"
        missing = real[name].isna().mean()
        text += f"<small>{100 * missing:.2g}% missing</small>" if missing else ""
        cards.append(card(f"{i}. {name}", text))
    note = "<p>Values beyond the axis of the real rows are shown at its ends.</p>"
    return f'{note}<div class="grid">{"".join(cards)}</div>'


def shower(spread):
    """Returns a function that formats numbers of this spread, with three or four digits."""
    digits = min(max(0, 2 - math.floor(math.log10(max(spread, 1e-12)))), 12)
    return lambda value: f"{value:,.{digits}f}"


def _show_date(days):
    return str(EPOCH.to_datetime64() + np.timedelta64(math.floor(days), "D"))[:10]


def histogram(real, drawn, show, span=None, num_bins=30):
    """Returns an SVG of the density of real values, filled, and of generated values, as a line.

    The axis covers `span`, by default the real values.
    """
    real, drawn = (np.asarray(x)[~np.isnan(x)] for x in (real, drawn))
    low, high = np.quantile(real if span is None else span, [0.005, 0.995])
    high = high if high > low else low + 1.0
    edges, shapes = np.linspace(low, high, num_bins + 1), []
    for x in (real, drawn):
        counts, _ = np.histogram(x.clip(low, high), edges)
        shapes.append(counts / max(len(x), 1))
    top = max(shape.max() for shape in shapes)
    paths = []
    for name, shape in zip(("real", "drawn"), shapes, strict=True):
        steps = "".join(
            f"V{100 - 96 * y / top:.1f}H{300 * (i + 1) / num_bins:.1f}"
            for i, y in enumerate(shape)
        )
        paths.append(f'<path class="{name}" d="M0 100{steps}V100"/>')
    return (
        f'<svg viewBox="0 0 300 101">{"".join(paths)}</svg>'
        f'<div class="ends"><span>{show(low)}</span><span>{show(high)}</span></div>'
    )


def bars(real, drawn):
    """Returns the frequencies of classes, as HTML bars."""
    shares = [to_strings(x).value_counts(normalize=True) for x in (real, drawn)]
    shown = classes_of(real, MOST_CLASSES)
    rows = [(value, [s.get(value, 0.0) for s in shares]) for value in shown]
    top = max((max(values) for _, values in rows), default=1.0)
    text = "".join(
        f'<div class="bar" title="{html.escape(value)}: {a:.1%}, generated {b:.1%}">'
        f"<span>{html.escape(value)}</span><div>"
        f'<i class="real" style="width:{100 * a / top:.1f}%"></i>'
        f'<i class="drawn" style="width:{100 * b / top:.1f}%"></i></div></div>'
        for value, (a, b) in rows
    )
    num_more = real.nunique() - len(shown)
    if num_more:
        a, b = (1.0 - s.reindex(shown).sum() for s in shares)
        text += f"<small>{num_more} more: {a:.0%}, generated {b:.0%}</small>"
    return text


def describe_pairs(real, drawn, of_real):
    """Returns scatter plots of the most associated pairs of columns, real and generated."""
    names = list(real.columns)
    pairs = sorted(
        itertools.combinations(range(len(names)), 2),
        key=lambda pair: -abs(of_real[pair]),
    )
    cards = []
    for pair in pairs[:NUM_PAIRS]:
        x, y = (names[i] for i in pair)
        dots = []
        for i, (name, df) in enumerate((("real", real), ("drawn", drawn))):
            left = 155 * i
            dots.append(
                f'<rect class="frame" x="{left + 1}" y="1" width="143" height="143"/>'
            )
            dots.append(_dots(name, df[[x, y]], real[[x, y]], left))
        text = f'<svg viewBox="0 0 300 145">{"".join(dots)}</svg>'
        text += f"<small>correlation {of_real[pair]:.2f}</small>"
        cards.append(card(f"{x} and {y}", text))
    note = "<p>Left: real rows; right: generated rows. The first column is on the horizontal axis, "
    note += "the second on the vertical. Classes are shown as strips.</p>"
    return f'{note}<div class="grid wide">{"".join(cards)}</div>'


def _dots(name, df, real, left):
    """Returns the points of a pair of columns, with each class as a strip of jittered points."""
    df = df.dropna().head(NUM_POINTS)
    rng, places = np.random.default_rng(0), []
    for column in df.columns:
        values = df[column].to_numpy("float64")
        if str(df[column].dtype) == "Int64":
            low, high = -0.5, min(real[column].max(), MOST_CLASSES) + 0.5
            values = values + rng.uniform(-0.3, 0.3, len(values))
        else:
            low, high = np.nanquantile(real[column], [0.005, 0.995])
        places.append(np.clip((values - low) / max(high - low, 1e-12), 0.0, 1.0))
    x, y = left + 5 + 135 * places[0], 140 - 135 * places[1]
    points = "".join(f"M{a:.1f} {b:.1f}h0" for a, b in zip(x, y, strict=True))
    return f'<path class="dots {name}" d="{points}"/>'


def describe_associations(names, of_real, of_drawn):
    """Returns three coloured matrices; columns are identified by number."""
    off = ~np.eye(len(names), dtype=bool)
    error = np.abs(of_drawn - of_real)[off].mean() if len(names) > 1 else 0.0
    cards = [
        card("Real", matrix(names, of_real)),
        card("Generated", matrix(names, of_drawn)),
        card("Generated minus real", matrix(names, of_drawn - of_real)),
    ]
    return (
        "<p>Columns are identified by their numbers above. For two numbers: their correlation. For "
        "a number and a class: the root of the fraction of variance that the classes explain. For "
        f"two classes: Cramer's V. The mean difference is {error:.3f}.</p>"
        f'<div class="grid wide">{"".join(cards)}</div>'
    )


def matrix(names, values):
    num, cells = len(names), []
    for i, j in itertools.product(range(num), repeat=2):
        value = values[i, j]
        color = f"rgba(var(--{'plus' if value > 0 else 'minus'}), {abs(value):.2f})"
        label = html.escape(f"{names[i]}, {names[j]}: {value:.2f}")
        cells.append(
            f'<rect x="{j + 1}" y="{i + 1}" width="1" height="1" style="fill:{color}">'
            f"<title>{label}</title></rect>"
        )
    for i in range(num):
        cells.append(f'<text x="{i + 1.5}" y="0.8">{i + 1}</text>')
        cells.append(f'<text x="0.5" y="{i + 1.7}">{i + 1}</text>')
    return f'<svg viewBox="0 0 {num + 1} {num + 1}">{"".join(cells)}</svg>'
