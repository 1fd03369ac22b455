"""Images are joined in reading order, each with a border, from black to white."""

import numpy as np
import pytest

from keras_bfn.visualization import draw_grid
from keras_bfn.visualization.grid import BORDER_COLOR, join_images

pytestmark = pytest.mark.once

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("columns", [1, 3, 8])
@pytest.mark.parametrize("channels", [(), (1,), (3,)])
def test_every_image_is_in_its_place_and_all_else_is_border(channels, columns):
    images = RNG.uniform(-1, 1, (5, 2, 4, *channels)).astype("float32")
    grid = join_images(images, columns, low=-1, high=1)
    across = min(columns, 5)
    down = -(-5 // across)
    assert grid.shape == (down * 3 + 1, across * 5 + 1, 3)
    is_border = np.ones(grid.shape[:2], bool)
    for i, image in enumerate(images.reshape(5, 2, 4, -1)):
        y, x = 1 + 3 * (i // across), 1 + 5 * (i % across)
        expected = np.broadcast_to(0.5 + 0.5 * image, (2, 4, 3))
        np.testing.assert_allclose(grid[y : y + 2, x : x + 4], expected, atol=1e-6)
        is_border[y : y + 2, x : x + 4] = False
    assert (grid[is_border] == BORDER_COLOR).all()


def test_the_ends_are_those_of_all_images_unless_they_are_given():
    images = np.array([[[2.0]], [[4.0]], [[6.0]]])

    def shown(**ends):
        return join_images(images, 3, **ends)[1, 1::2, 0]

    np.testing.assert_allclose(shown(), [0.0, 0.5, 1.0])
    np.testing.assert_allclose(shown(low=4.0), [0.0, 0.0, 1.0])
    np.testing.assert_allclose(
        shown(low=np.array([0.0, 9.0]), high=np.array([0.0, 8.0])), images[:, 0, 0] / 8
    )
    np.testing.assert_allclose(join_images(images[:1])[1, 1], 0.0)  # of one value only
    for ends in ({"low": -np.inf, "high": np.inf}, {"low": (-np.inf, 9.0), "high": np.inf}):
        np.testing.assert_allclose(shown(**ends), [0.0, 0.5, 1.0])
    np.testing.assert_allclose(shown(low=0.0, high=np.inf), images[:, 0, 0] / 6)


def test_a_missing_pixel_is_blank_alone():
    images = RNG.uniform(size=(2, 3, 3, 1))
    holes = images.copy()
    holes[0, 1, 1], holes[1, 0, 0] = np.nan, np.inf
    grid, whole = join_images(holes, low=0, high=1), join_images(images, low=0, high=1)
    assert (grid[2, 2] == BORDER_COLOR).all()
    assert (grid[1, 5] == 1).all()  # above all that is shown
    grid[2, 2], grid[1, 5] = whole[2, 2], whole[1, 5]
    np.testing.assert_array_equal(grid, whole)
    assert np.isfinite(join_images(holes)).all()
    assert (join_images(np.full((1, 2, 2), np.nan)) == BORDER_COLOR).all()


def test_a_grid_is_drawn_into_axes_without_ticks():
    figure = pytest.importorskip("matplotlib.figure").Figure()
    axes, images = figure.subplots(), RNG.uniform(size=(4, 3, 3))
    draw_grid(axes, images, columns=2)
    (drawn,) = axes.get_images()
    np.testing.assert_array_equal(drawn.get_array(), join_images(images, 2))
    assert not axes.axison
