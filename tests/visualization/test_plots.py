"""Pictures show what they are given."""

import sys

import numpy as np
import pytest
from keras import ops

from keras_bfn.distributions import VonMises
from keras_bfn.flows import CircularFlow, ContinuousFlow
from keras_bfn.predictions import Prediction
from keras_bfn.visualization import (
    animate_generation,
    flow_plot,
    plot_flow,
    plot_samples,
    plot_trajectory,
)
from keras_bfn.visualization.grid import join_images
from tests.flows.cases import PRIORS
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


def test_what_is_no_image_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"`samples` must be images.*\(4, 8, 8, 2\)"):
        plot_samples(np.zeros((4, 8, 8, 2)), tmp_path / "samples.png")


def test_a_missing_matplotlib_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"pip install .keras-bfn\[examples\]"):
        plot_samples(np.zeros((4, 8, 8)), tmp_path / "samples.png")


@pytest.mark.parametrize("name", FLOWS)
def test_the_four_distributions_of_every_flow_are_drawn(name, tmp_path):
    model = make_model(FLOWS[name]())
    trajectory = model.generate(3, num_steps=4, return_details=True, verbose=0).trajectory
    pictures = []
    for variable in ((0, 0, 0), (1, 3, 0)):
        plot_flow(model.flow, trajectory, tmp_path / "flow.png", sample=2, variable=variable)
        pictures.append(image.imread(tmp_path / "flow.png"))
    assert pictures[0].std() > 0.05
    assert np.abs(pictures[0] - pictures[1]).mean() > 1e-3


@pytest.mark.parametrize(
    "name", ["discrete-2", "discrete-3", "discrete-3-chain", "discretized", "continuous-joint"]
)
def test_the_input_distribution_is_that_of_the_prior(name, tmp_path, monkeypatch):
    drawn = []
    for function in ("_bars", "_density"):
        monkeypatch.setattr(flow_plot, function, lambda *args, **_: drawn.append(args[1:]))
    flow = PRIORS[name]
    s = np.zeros((2, 1, 3, flow.embedding_size), "float32")
    t, params = np.array([0.0, 1.0], "float32"), np.zeros((2, 1, 3, flow.output_size), "float32")
    theta = np.stack([ops.convert_to_numpy(flow.input_params(s[0], t[:1]))] * 2)
    plot_flow(
        flow, Prediction(t, s, theta, params), tmp_path / "flow.png", variable=(2,), num_steps=1
    )
    if name == "discretized":
        (mean,), _, variance, _ = drawn[0]
        assert (mean, variance) == pytest.approx((flow.prior[0, 2], flow.prior[1, 2] ** 2))
    elif name == "continuous-joint":
        (mean,), _, variance, _ = drawn[0]
        prior = flow.prior
        assert (mean, variance) == pytest.approx((prior.mean[2], prior.covariance[2, 2]))
    else:
        size = flow.theta_size
        np.testing.assert_allclose(drawn[0][1][-size:], theta[0, 0, 2], rtol=1e-6)
        assert drawn[0][1].sum() == pytest.approx(1)


def test_angles_are_drawn_by_their_densities(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(
        flow_plot._OneVariable, "draw_shares", lambda *args: drawn.append((args[0].shown, args[2]))
    )
    flow, t = CircularFlow(0.1), np.array([0.0, 1.0], "float32")
    s = np.array([1.0, -2.0], "float32") * np.ones((2, 1, 3, 2), "float32")
    params = -s
    plot_flow(flow, Prediction(t, s, s, params), tmp_path / "flow.png", num_steps=1)
    for (x, shares), natural in zip(drawn, (s, params), strict=True):
        density = ops.exp(VonMises(ops.convert_to_tensor(natural[:1, :1, 0])).log_prob(x[:, None]))[
            :, 0
        ]
        density = ops.convert_to_numpy(density)
        np.testing.assert_allclose(shares, density / density.sum(), rtol=1e-5)


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


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"sample": 3}, "`sample` must be below 3. Received: sample=3"),
        ({"variable": (0, 4, 0)}, r"`variable` must be an index into shape \(4, 4, 1\).*4"),
        ({"variable": (0, 0)}, r"`variable` must be an index.*\(0, 0\)"),
    ],
)
def test_a_variable_that_is_not_there_is_refused(kwargs, message, tmp_path):
    model = make_model(FLOWS["binary"]())
    trajectory = model.generate(3, num_steps=2, return_details=True, verbose=0).trajectory
    with pytest.raises(ValueError, match=message):
        plot_flow(model.flow, trajectory, tmp_path / "flow.png", **kwargs)


@pytest.mark.parametrize("name", FLOWS)
def test_an_animation_has_a_frame_for_each_look_and_ends_at_the_sample(name, tmp_path):
    from PIL import Image

    flow = FLOWS[name]()
    samples, trajectory, *_ = make_model(flow).generate(
        4, num_steps=5, return_details=True, seed=0, verbose=0
    )
    path = tmp_path / "generation.gif"
    animate_generation(flow, trajectory, path, columns=2, pixels=3)
    with Image.open(path) as gif:
        assert gif.n_frames == 6
        first = np.asarray(gif.convert("RGB"))
        gif.seek(5)
        last = np.asarray(gif.convert("RGB"))
    assert last.shape == first.shape == (3 * 11, 2 * 3 * 11, 3)
    assert (first != last).any()
    if name == "continuous":  # where the mean of the output distribution is the sample
        low, high = flow.data_range
        expected = 255 * join_images(samples, 2, low, high).repeat(3, axis=0).repeat(3, axis=1)
        assert np.abs(last[:, 3 * 11 :] - expected).max() < 20  # a GIF has 256 colours
