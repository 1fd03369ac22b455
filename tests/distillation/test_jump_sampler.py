"""`JumpSampler`, with networks that jump exactly."""

import keras
import numpy as np
import pytest

import keras_bfn
from keras_bfn.distillation import JumpSampler
from keras_bfn.models.exported import make_function
from tests.distillation.exact_jumps import FLOW, make_exact_model, make_exact_teacher, samples_of

LATENTS = np.random.default_rng(0).standard_normal((64, 3, 1)).astype("float32")


@pytest.mark.parametrize("num_steps", [1, 2, 5])
def test_any_number_of_exact_jumps_ends_where_the_path_ends(num_steps):
    samples = make_exact_model(start=0.1).generate(
        64, num_steps, JumpSampler(start=0.1), latents=LATENTS, verbose=0
    )
    np.testing.assert_allclose(samples, samples_of(LATENTS), atol=2e-5)


def test_the_path_is_that_of_the_ode():
    samples = make_exact_teacher().generate(64, 400, "ode2", latents=LATENTS, verbose=0)
    np.testing.assert_allclose(samples, samples_of(LATENTS), atol=1e-3)


def test_one_call_per_step():
    result = make_exact_model().generate(2, 3, "jump", return_details=True, verbose=0)
    assert result.trajectory.t.shape == (3,)
    assert result.trajectory.t[-1] < 1


@pytest.mark.parametrize("noise_scale", [1.0, 0.5])
def test_fresh_noise_keeps_the_variance_of_the_evidence(noise_scale):
    """Evidence about the predicted data varies by their variance and that of the messages."""
    sampler = JumpSampler(start=0.1, fresh_noise=True, noise_scale=noise_scale)
    result = make_exact_model(start=0.1).generate(
        20_000, 2, sampler, seed=0, batch_size=20_000, return_details=True, verbose=0
    )
    t, s = result.trajectory.t[1], result.trajectory.s[1]
    beta = float(FLOW.schedule.beta(t))
    first = samples_of(np.ones((1, 1, 1))).item()  # data per unit of latents
    expected = noise_scale**2 * beta + (beta * first) ** 2
    assert s.var() == pytest.approx(expected, rel=0.03)
    assert not sampler.deterministic


def test_an_exported_step_is_a_jump():
    model, sampler = make_exact_model(start=0.1), JumpSampler(start=0.1)
    function, inputs = make_function(model, sampler, None, False)
    inputs |= {"t": 0.1, "t_next": 1.0}
    inputs = {name: keras.ops.convert_to_tensor(value) for name, value in inputs.items()}
    noise = next(name for name in inputs if name.startswith("normal"))
    inputs[noise] = keras.ops.convert_to_tensor(LATENTS[:2])
    x = keras.ops.convert_to_numpy(function(inputs)["x"])
    np.testing.assert_allclose(x, samples_of(LATENTS[:2]), atol=2e-5)


class Difference(keras.layers.Layer):
    """How far the jump goes in time, as the output."""

    jumps = True

    def call(self, inputs):
        jump = inputs["t_next"] - inputs["t"]
        return jump[:, None, None] + keras.ops.zeros_like(inputs["theta"])


def test_the_network_receives_the_time_of_arrival():
    model = keras_bfn.BayesianFlowNetwork(FLOW, Difference(), event_shape=(3,))
    s, t = np.zeros((2, 3, 1), "float32"), np.full(2, 0.3, "float32")
    jumped = model.predict_params(s, t, t_next=np.array([0.4, 1.0])).params
    np.testing.assert_allclose(keras.ops.convert_to_numpy(jumped)[:, 0, 0], [0.1, 0.7], atol=1e-6)


def test_only_students_jump():
    """Whether or not the network takes the time of arrival."""
    flow = keras_bfn.flows.ContinuousFlow()
    for jumps in (False, True):
        network = keras_bfn.networks.MLP(flow, (3,), 8, 1, jumps=jumps)
        model = keras_bfn.BayesianFlowNetwork(flow, network)
        with pytest.raises(ValueError, match="`sampler` must not jump"):
            model.generate(2, 1, JumpSampler(), verbose=0)
        with pytest.raises(ValueError, match="`sampler` must not jump"):
            make_function(model, JumpSampler(), None, False)
        with pytest.raises(ValueError, match="`sampler` must be"):
            model.generate(2, 1, "jump", verbose=0)


def test_what_jumps_cannot_do():
    model = make_exact_model()
    with pytest.raises(ValueError, match="only jumps"):
        model.encode(np.zeros((2, 3), "float32"), 1, "jump", verbose=0)
    with pytest.raises(ValueError, match="must have a `step` that accepts a `shift`"):
        model.generate(2, 1, "jump", guidance=lambda x: keras.ops.sum(x, axis=1), verbose=0)
    with pytest.raises(TypeError, match="end"):
        JumpSampler(end="mode")
    assert JumpSampler(fresh_noise=True, top_k=2).top_k == 2
    assert JumpSampler.from_config(JumpSampler(True, 0.1).get_config()) == JumpSampler(True, 0.1)


@pytest.mark.slow_to_compile
def test_samples_are_nearest_to_the_mean_and_not_the_mode():
    """Students learn means. The tails of a wide normal make its outermost bins the likeliest."""
    flow = keras_bfn.flows.DiscretizedFlow(num_bins=5, sigma_1=0.1, prediction="data")
    wide = keras.ops.convert_to_tensor(np.array([[[0.3, 1.0]]], "float32"))  # mean, log deviation
    output = flow.output_distribution(wide, np.zeros((1, 1, 1), "float32"), np.full(1, 0.5))
    assert output.mode().shape == (1, 1)
    assert int(output.mode()[0, 0]) == 4
    mean = float(flow.expected_embedding(output)[0, 0, 0])
    nearest = int(JumpSampler().finish(flow, output)[0, 0])
    assert nearest == np.abs(np.array([-0.8, -0.4, 0, 0.4, 0.8]) - mean).argmin() != 4
