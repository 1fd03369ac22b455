"""Pictures of a flow show its four distributions."""

import numpy as np
import pytest
from keras import ops

from keras_bfn.distributions import VonMises
from keras_bfn.flows import CircularFlow
from keras_bfn.predictions import Prediction
from keras_bfn.visualization import flow_plot, plot_flow
from tests.flows.cases import PRIORS
from tests.models.small import FLOWS, make_model

image = pytest.importorskip("matplotlib.image")

pytestmark = pytest.mark.once


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


def test_steps_are_those_that_send_messages_about_the_variable(tmp_path, monkeypatch):
    flow = FLOWS["discrete"]()
    t = np.array([[0, 0, 0], [0, 0.3, 0], [0, 1, 0.5], [0, 1, 1]], "float32")[:, None]
    s = np.zeros((4, 1, 3, flow.embedding_size), "float32")
    params = np.zeros((4, 1, 3, flow.output_size), "float32")
    steps, shown = Prediction(t, s, np.full_like(s, 0.2), params), []
    make = flow_plot._OneVariable
    monkeypatch.setattr(
        flow_plot, "_OneVariable", lambda *args: shown.append(args[3]) or make(*args)
    )
    plot_flow(flow, steps, tmp_path / "flow.png", variable=(2,))
    assert shown == [3, 1, 2]  # the last prediction, and those before messages
    with pytest.raises(ValueError, match="`variable` must get messages"):
        plot_flow(flow, steps, tmp_path / "flow.png", variable=(0,))
    single = Prediction(t[-1:, 0, 0], *(x[-1:] for x in steps[1:]))
    with pytest.raises(ValueError, match="`variable` must get messages"):
        plot_flow(flow, single, tmp_path / "flow.png")


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


@pytest.mark.parametrize("name", ["binary", "discrete", "discretized", "continuous"])
def test_a_message_is_the_sum_until_the_next_column_and_axes_are_shared(name, monkeypatch):
    figures = []
    monkeypatch.setattr(flow_plot, "save_figure", lambda figure, path: figures.append(figure))
    flow, rng = FLOWS[name](), np.random.default_rng(0)
    t = np.linspace(0, 1, 21).astype("float32")
    shape = (21, 1, 3)
    s = rng.normal(size=(*shape, flow.embedding_size)).astype("float32").cumsum(axis=0)
    theta = ops.convert_to_numpy(
        flow.input_params(
            ops.convert_to_tensor(s), flow.schedule.beta(ops.convert_to_tensor(t))[:, None, None]
        )
    )
    params = np.zeros((*shape, flow.output_size), "float32")
    plot_flow(flow, Prediction(t, s, theta, params), "flow.png", variable=(1,))
    panels = np.reshape(figures[0].axes, (4, 5))
    last = (ops.convert_to_tensor(x) for x in (params[-1], s[-1], t[-1:]))
    final = flow.output_distribution(*last).mode()
    embedding = ops.convert_to_numpy(flow.embed(final))[0, 1]
    component = embedding.argmax()
    for column, step in zip(panels.T, (0, 4, 8, 12, 16), strict=True):
        accuracy = flow.gain * float(flow.schedule.beta(t[step + 4]) - flow.schedule.beta(t[step]))
        message = (s[step + 4] - s[step])[0, 1, component] / accuracy
        for panel in column[2:]:
            x = panel.lines[-1].get_xdata()
            np.testing.assert_allclose(x, message, rtol=1e-4)
            low, high = panel.get_xlim()
            assert (high - low) / 2 == pytest.approx(3 * accuracy**-0.5 + 0.5, rel=1e-4)
        assert column[2].get_ylim() == column[3].get_ylim()
        assert column[2].get_xlim() == column[3].get_xlim()
        assert column[0].get_xlim() == pytest.approx(column[1].get_xlim())
        if flow.theta_range == (0, 1):
            assert column[0].get_ylim() == column[1].get_ylim()
