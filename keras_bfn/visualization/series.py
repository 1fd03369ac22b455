"""Plots of series: samples as lines, and forecasts as bands of quantiles."""

from collections.abc import Sequence

import numpy as np

from keras_bfn._typing import ArrayLike, Path
from keras_bfn._validation import check_numbers, check_path, is_number, mismatch, refusal
from keras_bfn.visualization.grid import new_figure, save_figure


def plot_series(
    samples: ArrayLike,
    path: Path,
    real: ArrayLike | None = None,
    names: Sequence[str] | None = None,
) -> None:
    """Draws series as lines, one panel per channel, and real series beside them.

    Args:
        samples: array of shape `(num, length)` or `(num, length, channels)`, in any range.
        path: path of the PNG.
        real: array like `samples`, with any number of series, or None.
        names: list of strings, the names of the channels, or None.

    Raises:
        ImportError: if matplotlib is missing.
        ValueError: if the arrays are not series with the same channels, or the number of names
            differs from that of channels.

    Example:

    >>> hours = np.arange(48)
    >>> series = np.cos(hours / 24 * 2 * np.pi + np.random.uniform(0, 6, (8, 1)))
    >>> keras_bfn.visualization.plot_series(series, "series.png")
    """
    path = check_path("path", path)
    groups = {"samples": _check_series("samples", samples)}
    if real is not None:
        groups["real"] = _check_series("real", real)
    num_channels = groups["samples"].shape[-1]
    if any(series.shape[-1] != num_channels for series in groups.values()):
        shape = np.shape(real)  # type: ignore[arg-type]
        raise refusal("real", f"must have {num_channels} channels, like `samples`", shape)
    names = _check_names(names, num_channels)

    figure = new_figure(6 * len(groups), 1 + 2 * num_channels)
    panels = figure.subplots(num_channels, len(groups), squeeze=False, sharex="col", sharey="row")
    for column, (title, series) in enumerate(groups.items()):
        panels[0, column].set_title(title)
        for channel, axes in enumerate(panels[:, column]):
            marker = "." if series.shape[1] == 1 else None  # a single step has no line
            axes.plot(series[..., channel].T, marker=marker, linewidth=0.8, alpha=0.8)
    for axes, name in zip(panels[:, 0], names, strict=True):
        axes.set_ylabel(name)
    save_figure(figure, path)


def plot_forecast(
    completions: ArrayLike,
    path: Path,
    known: ArrayLike,
    real: ArrayLike | None = None,
    levels: Sequence[float] = (0.5, 0.9),
    names: Sequence[str] | None = None,
) -> None:
    """Draws quantile bands of the unknown values of a series, one panel per channel.

    Args:
        completions: array of shape `(num, length)` or `(num, length, channels)`: many completions
            of one series, as `BayesianFlowNetwork.inpaint` returns for a series repeated `num`
            times.
        path: path of the PNG.
        known: bool array, true where the series is known. It broadcasts to the shape of one
            completion, as in `inpaint`. Known values are drawn in black.
        real: array of the shape of one completion: the actual values, or None.
        levels: tuple of floats in (0, 1): the fraction of the completions within each band, with as
            many above it as below.
        names: list of strings, the names of the channels, or None.

    Raises:
        ImportError: if matplotlib is missing.
        ValueError: if an argument has the wrong shape, or is out of its range.

    Example:

    >>> known = np.arange(48) < 24
    >>> walks = np.where(known, 0.0, np.random.normal(size=(100, 48))).cumsum(axis=1)
    >>> keras_bfn.visualization.plot_forecast(walks, "forecast.png", known)
    """
    path = check_path("path", path)
    one_shape = np.shape(completions)[1:]
    completions = _check_series("completions", completions)
    known = _check_like("known", known, bool, one_shape, completions.shape[1:])
    if real is not None:
        real = _check_like("real", real, float, one_shape, completions.shape[1:])
    levels = levels.tolist() if isinstance(levels, np.ndarray) else levels
    is_tuple = isinstance(levels, (tuple, list))
    if not is_tuple or not all(is_number(level) and 0 < level < 1 for level in levels):
        raise refusal("levels", "must be a tuple of numbers strictly between 0 and 1", levels)
    num_channels = completions.shape[-1]
    names = _check_names(names, num_channels)

    figure = new_figure(9, 1 + 2.2 * num_channels)
    panels = figure.subplots(num_channels, 1, squeeze=False, sharex=True)[:, 0]
    positions, median = np.arange(completions.shape[1]), np.median(completions, axis=0)
    known_values = np.where(known, completions[0], np.nan)
    for channel, (axes, name) in enumerate(zip(panels, names, strict=True)):
        # Where the series is known, the bands have zero width: they start and end at known values.
        for i, level in enumerate(sorted(levels, reverse=True)):
            ends = [0.5 - 0.5 * level, 0.5 + 0.5 * level]
            band = np.quantile(completions[..., channel], ends, axis=0)
            prediction = {"color": "tab:blue", "alpha": 0.2 + 0.2 * min(i, 4), "linewidth": 0}
            axes.fill_between(positions, *band, label=f"{level:.0%}", **prediction)
        axes.plot(positions, median[:, channel], color="tab:blue", linewidth=1, label="median")
        if real is not None:
            axes.plot(positions, real[:, channel], color="tab:red", linewidth=1, label="real")
        axes.plot(positions, known_values[:, channel], color="black", marker=".", label="known")
        axes.set_ylabel(name)
    legend = panels[0].get_legend_handles_labels()
    figure.legend(*legend, loc="outside upper center", ncols=len(legend[0]), frameon=False)
    save_figure(figure, path)


def _check_series(name, series):
    """Returns series as a float64 array of shape `(num, length, channels)`."""
    series = check_numbers(name, series, "float64")
    if series.ndim == 2:
        series = series[..., None]
    if series.ndim != 3 or not series.size:
        expected = "must be series, of shape (num, length) or (num, length, channels)"
        raise mismatch(name, expected, f"shape {series.shape}")
    return series


def _check_like(name, values, kind, one_shape, shape):
    """Returns values for one series, broadcast to its shape, as `(length, channels)`."""
    values = np.asarray(values)
    if values.dtype.kind not in {bool: "b", float: "fiu"}[kind]:
        raise refusal(name, f"must be an array of {kind.__name__}", values.dtype)
    try:
        return np.broadcast_to(values, one_shape).reshape(shape)
    except ValueError as error:
        raise refusal(name, f"must broadcast to {one_shape}", values.shape) from error


def _check_names(names, num_channels):
    if names is None:
        names = [f"channel {i}" for i in range(num_channels)] if num_channels > 1 else [""]
    is_list = isinstance(names, (tuple, list)) and len(names) == num_channels
    if not is_list or not all(isinstance(name, str) for name in names):
        raise refusal("names", f"must be a list of {num_channels} strings", names)
    return names
