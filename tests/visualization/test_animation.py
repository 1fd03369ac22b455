"""An animation shows every look, and ends at the samples."""

import numpy as np
import pytest

from keras_bfn.visualization import animate_generation
from keras_bfn.visualization.grid import join_images
from tests.models.small import FLOWS, make_model

pytest.importorskip("matplotlib.image")

pytestmark = pytest.mark.once


@pytest.mark.parametrize("name", FLOWS)
def test_an_animation_has_a_frame_for_each_look_and_ends_at_the_sample(name, tmp_path):
    from PIL import Image

    flow = FLOWS[name]()
    samples, trajectory, *_ = make_model(flow).generate(
        4, num_steps=5, return_details=True, seed=0, verbose=0
    )
    path = tmp_path / "generation.gif"
    animate_generation(flow, trajectory, tmp_path / "generation", columns=2, pixels=3)
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
