"""Pictures show what they are given."""

import sys

import numpy as np
import pytest

from keras_bfn.visualization import plot_samples, plot_trajectory
from tests.models.small import FLOWS, make_model

image = pytest.importorskip("matplotlib.image")


def test_white_images_are_white_and_black_ones_black(tmp_path):
    pictures = []
    for value in (0.0, 1.0):
        images = np.full((4, 8, 8, 1), value)
        images[0, 0, 0] = 1.0 - value  # both ends of the range are there
        plot_samples(images, tmp_path / "samples.png", real=images)
        pictures.append(image.imread(tmp_path / "samples.png")[..., :3])
    height, width = pictures[0].shape[0], pictures[0].shape[1]
    assert width > 1.5 * height
    assert pictures[0].mean() + 0.1 < pictures[1].mean()


def test_colour_images_keep_their_colour(tmp_path):
    images = np.zeros((4, 8, 8, 3))
    images[..., 0] = 1.0
    plot_samples(images, tmp_path / "samples.png")
    picture = image.imread(tmp_path / "samples.png")[..., :3]
    assert (np.abs(picture - [1.0, 0.0, 0.0]).max(axis=-1) < 0.01).mean() > 0.05


@pytest.mark.parametrize("name", FLOWS)
def test_a_trajectory_of_every_flow_is_drawn(name, tmp_path):
    model = make_model(FLOWS[name]())
    _, trajectory = model.generate(3, num_steps=4, return_trajectory=True, verbose=0)
    plot_trajectory(model.flow, trajectory, tmp_path / "trajectory.png")
    assert image.imread(tmp_path / "trajectory.png").std() > 0.01


def test_what_is_no_image_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"Images must have shape.*\(4, 8, 8, 2\)"):
        plot_samples(np.zeros((4, 8, 8, 2)), tmp_path / "samples.png")


def test_a_missing_matplotlib_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"pip install .keras-bfn\[examples\]"):
        plot_samples(np.zeros((4, 8, 8)), tmp_path / "samples.png")
