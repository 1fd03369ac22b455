"""Plots of images: samples, and the way to them. Needs matplotlib."""

import keras
import numpy as np

from keras_bfn._typing import ArrayLike, Parts, Path
from keras_bfn._validation import check_int, check_path
from keras_bfn.flows.flow import Flow
from keras_bfn.predictions import Prediction
from keras_bfn.visualization.grid import (
    check_images,
    draw_grid,
    new_figure,
    save_figure,
    value_range,
)
from keras_bfn.visualization.trajectories import pick_trajectory


def plot_samples(
    samples: ArrayLike, path: Path, real: ArrayLike | None = None, columns: int = 8
) -> None:
    """Draws a grid of images, and a grid of real images beside it.

    Args:
        samples: array of shape `(num, height, width)`, or that with 1 or 3 channels, in any range.
        path: path of the PNG.
        real: array like `samples`, or None.
        columns: int. Images per row of a grid.

    Raises:
        ImportError: if matplotlib is missing.
        ValueError: if the arrays are not images, or `columns` is out of its range.

    Example:

    >>> keras_bfn.visualization.plot_samples(model.generate(64), "samples.png", real=images[:64])
    """
    path = check_path("path", path)
    grids = {"samples": samples} if real is None else {"samples": samples, "real": real}
    grids = {name: check_images(name, images) for name, images in grids.items()}
    low, high = value_range(np.concatenate([np.ravel(images) for images in grids.values()]))

    figure = new_figure(4 * len(grids), 4.3)
    panels = figure.subplots(1, len(grids), squeeze=False)[0]
    for axes, (title, images) in zip(panels, grids.items(), strict=True):
        draw_grid(axes, images, columns, low, high)
        axes.set_title(title)
    save_figure(figure, path, bbox_inches="tight")


def plot_trajectory(
    flow: Parts[Flow],
    trajectory: Parts[Prediction],
    path: Path,
    num_samples: int = 6,
    num_steps: int = 10,
    part: str | None = None,
) -> None:
    """Draws the input distribution of images from the prior to the sample, one image per row.

    The distribution is drawn as its mean: for two classes the probability of class 1, for more
    classes the expected class, for continuous and discretised data the mean.

    Args:
        flow: the data type, or a dict of flows.
        trajectory: the `trajectory` of `BayesianFlowNetwork.generate(..., return_details=True)`.
        path: path of the PNG.
        num_samples: int. The maximum number of rows.
        num_steps: int. The maximum number of columns.
        part: for a dict of flows, the name of the part to draw.

    Raises:
        ImportError: if matplotlib is missing.
        ValueError: if the trajectory does not hold images, or an argument is out of its range.

    Example:

    >>> trajectory = model.generate(6, num_steps=20, return_details=True).trajectory
    >>> keras_bfn.visualization.plot_trajectory(model.flow, trajectory, "trajectory.png")
    """
    for name, value in (("num_samples", num_samples), ("num_steps", num_steps)):
        check_int(name, value, 1)
    path = check_path("path", path)
    flow, trajectory = pick_trajectory(part, flow, trajectory)
    steps = np.unique(np.linspace(0, len(trajectory.t) - 1, num_steps).round().astype(int))
    theta = trajectory.theta[steps, :num_samples]
    means = keras.ops.convert_to_numpy(flow.input_mean(keras.ops.convert_to_tensor(theta)))

    figure = new_figure(1.1 * len(steps), 1.1 * means.shape[1] + 0.4)
    panels = figure.subplots(1, len(steps), squeeze=False)[0]
    for axes, step, images in zip(panels, steps, means, strict=True):
        draw_grid(axes, images, 1, *flow.data_range)
        axes.set_title(f"t = {np.min(trajectory.t[step]):.2g}", fontsize=9)  # known ones are at 1
    save_figure(figure, path, bbox_inches="tight")
