"""Pictures of one part are those of its own flow and trajectory."""

import numpy as np
import pytest

from keras_bfn.visualization import animate_generation, plot_flow, plot_trajectory
from tests.models.parts import FLOWS, make_model

image = pytest.importorskip("matplotlib.image")
pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def trajectory():
    trajectory = make_model().generate(3, 4, seed=0, return_details=True, verbose=0).trajectory
    return trajectory


def plot_two_steps(*args, **kwargs):
    plot_flow(*args, num_steps=2, **kwargs)


def assert_same_picture(draw, trajectory, part, tmp_path, suffix=".png"):
    paths = [tmp_path / f"{i}{suffix}" for i in range(2)]
    draw(FLOWS, trajectory, paths[0], part=part)
    draw(FLOWS[part], trajectory[part], paths[1])
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert image.imread(paths[0]).std() > 0.01


@pytest.mark.parametrize("draw", [plot_trajectory, plot_two_steps])
def test_the_image_among_the_parts_is_drawn(draw, trajectory, tmp_path):
    assert_same_picture(draw, trajectory, "image", tmp_path)


def test_the_image_among_the_parts_moves(trajectory, tmp_path):
    assert_same_picture(animate_generation, trajectory, "image", tmp_path, suffix=".gif")


def test_the_distributions_of_a_single_variable_are_drawn(trajectory, tmp_path):
    assert_same_picture(plot_two_steps, trajectory, "label", tmp_path)
    with pytest.raises(ValueError, match=r"`variable` must be an index into shape \(\).*\(0,\)"):
        plot_flow(FLOWS, trajectory, tmp_path / "flow.png", part="label", variable=(0,))


@pytest.mark.parametrize("draw", [plot_trajectory, animate_generation])
def test_a_part_that_is_no_image_is_refused(draw, trajectory, tmp_path):
    with pytest.raises(ValueError, match=r"must be images, of shape.*\(3,\)"):
        draw(FLOWS, trajectory, tmp_path / "picture.gif", part="label")


def test_variables_that_are_given_are_drawn_beside_others(tmp_path):
    model = make_model(times="variables")
    image = np.full((2, 2, 3, 1), -1)
    image[:, 0] = 1
    given = {"image": image}
    trajectory = model.generate(2, 2, given=given, return_details=True, verbose=0).trajectory
    plot_trajectory(model.flow, trajectory, tmp_path / "picture.png", part="image")
    animate_generation(model.flow, trajectory, tmp_path / "picture.gif", part="image")
    for part in FLOWS:
        plot_flow(model.flow, trajectory, tmp_path / f"{part}.png", part=part)
    with pytest.raises(ValueError, match=r"`variable` must get messages.*\(0, 1, 0\)"):
        plot_flow(model.flow, trajectory, tmp_path / "flow.png", part="image", variable=(0, 1, 0))
