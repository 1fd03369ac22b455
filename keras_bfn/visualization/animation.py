"""Animations of generation. Needs Pillow, which comes with matplotlib."""

import numpy as np
from keras import ops

from keras_bfn._typing import Parts, Path
from keras_bfn._validation import check_int, check_path
from keras_bfn.flows.flow import Flow
from keras_bfn.predictions import Prediction
from keras_bfn.saving.files import whole
from keras_bfn.visualization.grid import import_pillow, join_images, to_pillow
from keras_bfn.visualization.trajectories import at_step, pick_trajectory


def animate_generation(
    flow: Parts[Flow],
    trajectory: Parts[Prediction],
    path: Path,
    num_samples: int = 16,
    columns: int = 4,
    pixels: int = 4,
    frames_per_second: int = 10,
    part: str | None = None,
) -> None:
    """Writes a GIF of images on their way from the prior to the sample.

    On the left is the mean of the input distribution: what has been received so far. On the right
    is the mean of the output distribution: the network's prediction. The last frame stays for two
    seconds.

    Args:
        flow: the data type, or a dict of flows.
        trajectory: the `trajectory` of `BayesianFlowNetwork.generate(..., return_details=True)`.
        path: path of the GIF.
        num_samples: int. The maximum number of images.
        columns: int. Images per row, on each side.
        pixels: int. The size at which each pixel of an image is drawn, in pixels of the GIF.
        frames_per_second: int, at most 100.
        part: for a dict of flows, the name of the part to draw.

    Raises:
        ImportError: if Pillow is missing.
        ValueError: if the trajectory does not hold images, or an argument is out of its range.

    Example:

    >>> trajectory = model.generate(16, num_steps=50, return_details=True).trajectory
    >>> keras_bfn.visualization.animate_generation(model.flow, trajectory, "generation.gif")
    """
    import_pillow()
    for name, value in (("num_samples", num_samples), ("columns", columns), ("pixels", pixels)):
        check_int(name, value, 1)
    duration = 1000 // check_int("frames_per_second", frames_per_second, 1, 100)
    path = check_path("path", path)
    path = path if path.suffix else path.with_suffix(".gif")
    flow, trajectory = pick_trajectory(part, flow, trajectory)
    frames = []
    for step in range(len(trajectory.t)):
        t, s, theta, params = at_step(trajectory, step, slice(num_samples))
        means = (flow.input_mean(theta), flow.output_distribution(params, s, t).mean())
        sides = [join_images(ops.convert_to_numpy(m), columns, *flow.data_range) for m in means]
        frames.append(to_pillow(np.concatenate(sides, axis=1), pixels))
    durations = [duration] * (len(frames) - 1) + [2000]
    with whole(path) as partial:
        frames[0].save(partial, save_all=True, append_images=frames[1:], duration=durations, loop=0)
