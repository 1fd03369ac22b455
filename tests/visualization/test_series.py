"""Pictures of series show the series, and bands hold as many completions as they say."""

import numpy as np
import pytest

from keras_bfn.visualization import plot_forecast, plot_series, series

image = pytest.importorskip("matplotlib.image")

pytestmark = pytest.mark.once

RNG = np.random.default_rng(0)


@pytest.fixture
def figures(monkeypatch):
    """The figures that are drawn, to be looked into."""
    made, new_figure = [], series.new_figure

    def keep(*sizes):
        made.append(new_figure(*sizes))
        return made[-1]

    monkeypatch.setattr(series, "new_figure", keep)
    return made


def lines_of(axes):
    return {line.get_label(): line.get_ydata() for line in axes.lines}


@pytest.mark.parametrize("shape", [(5, 20), (5, 20, 1), (5, 20, 3)])
def test_every_channel_has_a_panel_and_every_series_a_line(shape, tmp_path, figures):
    samples, real = RNG.standard_normal((2, *shape))
    plot_series(samples, tmp_path / "series.png", real=real[:3])
    assert image.imread(tmp_path / "series.png").std() > 0.05
    (figure,) = figures
    num_channels = shape[2] if len(shape) > 2 else 1
    panels = np.reshape(figure.axes, (num_channels, 2))
    for values, column in ((samples, panels[:, 0]), (real[:3], panels[:, 1])):
        for channel, axes in enumerate(column):
            drawn = np.stack([line.get_ydata() for line in axes.lines])
            np.testing.assert_allclose(drawn, values.reshape(-1, 20, num_channels)[..., channel])


@pytest.mark.parametrize("channels", [(), (2,)])
def test_a_band_holds_as_many_completions_as_it_says(channels, tmp_path, figures):
    completions, known = RNG.standard_normal((400, 12, *channels)), np.arange(12) < 5
    known = np.broadcast_to(known.reshape(-1, *(1,) * len(channels)), (12, *channels))
    completions = np.where(known, completions[0], completions)
    real = completions[7]
    options = {
        "real": real,
        "levels": np.array([0.8, 0.2]),
        "names": ["a", "b"][: len(channels) + 1],
    }
    plot_forecast(completions, tmp_path / "forecast.png", known, **options)
    assert image.imread(tmp_path / "forecast.png").std() > 0.05
    (figure,) = figures
    assert [axes.get_ylabel() for axes in figure.axes] == options["names"]
    for channel, axes in enumerate(figure.axes):
        values = completions.reshape(400, 12, -1)[..., channel]
        lines = lines_of(axes)
        np.testing.assert_allclose(lines["median"], np.median(values, axis=0), rtol=1e-5)
        np.testing.assert_allclose(lines["real"], real.reshape(12, -1)[:, channel], rtol=1e-5)
        np.testing.assert_allclose(lines["known"][:5], values[0, :5], rtol=1e-5)
        assert np.isnan(lines["known"][5:]).all()
        assert [band.get_label() for band in axes.collections] == ["80%", "20%"]
        for band, level in zip(axes.collections, (0.8, 0.2), strict=True):
            corners = band.get_paths()[0].vertices
            low, high = (
                np.array([end(corners[corners[:, 0] == i, 1]) for i in range(12)])
                for end in (np.min, np.max)
            )
            np.testing.assert_allclose(low[:5], high[:5], atol=1e-6)  # no width where known
            inside = (values[:, 5:] >= low[5:]) & (values[:, 5:] <= high[5:])
            np.testing.assert_allclose(inside.mean(axis=0), level, atol=0.01)


def test_bands_of_large_numbers_have_the_width_of_small_ones(tmp_path, figures):
    known, walks = np.arange(8) < 3, RNG.standard_normal((50, 8))
    for level in (0.0, 1e9):
        plot_forecast(level + walks, tmp_path / "forecast.png", known)
    bands = [
        figure.axes[0].collections[0].get_paths()[0].vertices[:, 1] - level
        for figure, level in zip(figures, (0.0, 1e9), strict=True)
    ]
    np.testing.assert_allclose(*bands, atol=1e-5)


def test_a_single_step_is_marked(tmp_path, figures):
    plot_series(RNG.standard_normal((3, 1)), tmp_path / "series.png")
    assert {line.get_marker() for line in figures[0].axes[0].lines} == {"."}


def test_a_gap_in_one_channel_may_be_what_is_not_known(tmp_path, figures):
    known = np.ones((12, 2), bool)
    known[4:6, 1] = False
    plot_forecast(RNG.standard_normal((9, 12, 2)), tmp_path / "gap.png", known)
    whole, gap = (np.isnan(lines_of(axes)["known"]) for axes in figures[0].axes)
    assert not whole.any()
    np.testing.assert_array_equal(np.flatnonzero(gap), [4, 5])
