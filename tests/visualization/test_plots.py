"""Pictures show what they are given."""

import sys

import numpy as np
import pytest

from keras_bfn.flows import ContinuousFlow
from keras_bfn.visualization import animate_generation, plot_flow, plot_samples, plot_trajectory
from tests.models.small import FLOWS, make_model

image = pytest.importorskip("matplotlib.image")

pytestmark = pytest.mark.once


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


def test_missing_pixels_leave_the_others_as_they_are(tmp_path):
    images = np.zeros((4, 8, 8))
    images[:, :4] = 1.0
    holes = images.copy()
    holes[0, 0, 0] = np.nan
    pictures = []
    for samples, real in ((images, images), (holes, images), (images, holes)):
        plot_samples(samples, tmp_path / "samples.png", real=real)
        pictures.append(image.imread(tmp_path / "samples.png")[..., :3])
    for picture in pictures[1:]:
        assert 0 < (picture != pictures[0]).any(axis=-1).mean() < 0.01


def test_colour_images_keep_their_colour(tmp_path):
    images = np.zeros((4, 8, 8, 3))
    images[..., 0] = 1.0
    plot_samples(images, tmp_path / "samples.png")
    picture = image.imread(tmp_path / "samples.png")[..., :3]
    assert (np.abs(picture - [1.0, 0.0, 0.0]).max(axis=-1) < 0.01).mean() > 0.05


@pytest.mark.parametrize("name", FLOWS)
def test_a_trajectory_of_every_flow_is_drawn(name, tmp_path):
    model = make_model(FLOWS[name]())
    trajectory = model.generate(3, num_steps=4, return_details=True, verbose=0).trajectory
    plot_trajectory(model.flow, trajectory, tmp_path / "trajectory.png")
    assert image.imread(tmp_path / "trajectory.png").std() > 0.01


def test_a_missing_matplotlib_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"pip install .keras-bfn\[examples\]"):
        plot_samples(np.zeros((4, 8, 8)), tmp_path / "samples.png")


def test_units_change_no_picture(tmp_path):
    """Nor does one scale for each pixel, but in that all are drawn by one range of greys."""
    pixels = np.linspace(1, 9, 16).reshape(4, 4, 1)
    flows = {
        "plain": ContinuousFlow(0.05),
        "own": ContinuousFlow(0.05, center=300.0, scale=20.0),
        "pixels": ContinuousFlow(0.05, scale=pixels),
    }
    model = make_model(flows["plain"])
    trajectory = model.generate(3, num_steps=2, return_details=True, verbose=0).trajectory
    pictures = {}
    for name, flow in flows.items():
        plot_trajectory(flow, trajectory, tmp_path / "trajectory.png")
        plot_flow(flow, trajectory, tmp_path / "flow.png", variable=(1, 3, 0))
        animate_generation(flow, trajectory, tmp_path / "generation.gif")
        pictures[name] = [image.imread(tmp_path / f"{kind}.png") for kind in ("trajectory", "flow")]
    for name, kind in (("own", 0), ("own", 1), ("pixels", 1)):
        assert np.abs(pictures["plain"][kind] - pictures[name][kind]).mean() < 1e-3
    assert np.abs(pictures["plain"][0] - pictures["pixels"][0]).mean() > 1e-3
