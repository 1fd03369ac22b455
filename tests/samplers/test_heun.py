"""A user's sampler that predicts twice in each step, by times that are repeated: Heun's method."""

import keras
import numpy as np
import pytest

import keras_bfn
from keras_bfn.samplers import ODE1Sampler, Sampler
from tests.checks import assert_draws_follow
from tests.distillation.exact_jumps import FLOW, STD, growth, make_exact_teacher, samples_of
from tests.models.exact_models import JOINT_PRIOR, make_pair_model
from tests.models.parts import make_model as make_parts_model
from tests.samplers.heun import HeunSampler
from tests.test_docstrings import python_blocks

LATENTS = np.linspace(-2.0, 2.0, 24, dtype="float32").reshape(8, 3, 1)


@pytest.fixture(scope="module")
def model():
    return make_exact_teacher()


def error_of(model, sampler, num_steps, expected, **options):
    """The largest error of samples, which the exact path multiplies from their latents."""
    x = model.generate(8, num_steps, sampler, latents=LATENTS, verbose=0, **options)
    return np.abs(x - expected).max()


def order_of(model, expected, sampler=HeunSampler, **options):
    """The power of the length of the steps that errors follow."""
    coarse, fine = (
        error_of(model, sampler(**options), num_steps, expected) for num_steps in (16, 32)
    )
    assert fine > 2e-5  # above rounding
    return np.log2(coarse / fine)


def test_errors_are_of_second_order(model):
    assert order_of(model, samples_of(LATENTS)) == pytest.approx(2.0, abs=0.25)


@pytest.mark.once
def test_where_those_of_one_prediction_in_each_step_are_of_the_first(model):
    order = order_of(model, samples_of(LATENTS), ODE1Sampler)
    assert order == pytest.approx(1.0, abs=0.25)
    one, two = (
        error_of(model, sampler, num_steps, samples_of(LATENTS))
        for sampler, num_steps in ((ODE1Sampler(), 32), (HeunSampler(), 16))
    )
    assert two < 0.3 * one  # by as many network calls


@pytest.mark.parametrize("spacing", ["t", "log_beta"])
def test_a_later_start_and_another_spacing_keep_the_order(model, spacing):
    first, last = (float(FLOW.schedule.beta(t)) for t in (0.02, 1.0))
    u = LATENTS[..., 0] * float(growth(first, last))
    expected = np.sqrt(last) * u / (last + STD**-2)
    order = order_of(model, expected, start=0.02, spacing=spacing)
    assert order == pytest.approx(2.0, abs=0.3)


def test_details_hold_both_predictions_of_each_step(model):
    options = {"latents": LATENTS, "verbose": 0}
    result = model.generate(8, 3, HeunSampler(), return_details=True, **options)
    t, s = result.trajectory.t, result.trajectory.s
    thirds = np.arange(1, 4) / 3
    np.testing.assert_allclose(t, [0.0, *np.repeat(thirds, 2)], rtol=1e-6)
    assert s.shape == (7, 8, 3, 1)
    np.testing.assert_array_equal(result.samples, model.generate(8, 3, HeunSampler(), **options))
    # The step is that of one prediction; its correction is nearer to the path.
    one = model.generate(8, 3, ODE1Sampler(), return_details=True, **options).trajectory
    np.testing.assert_allclose(s[1], one.s[1], rtol=1e-5, atol=1e-5)
    root = np.sqrt(float(FLOW.schedule.beta(t[1])))
    exact = root * LATENTS * float(growth(0.0, root**2))
    assert np.abs(s[2] - exact).max() < 0.1 * np.abs(s[1] - exact).max()


@pytest.mark.once
def test_the_docstrings_sampler_is_of_second_order_too(model):
    """It takes no latents: those that it drew are told by its first evidence."""
    block = next(code for code in python_blocks(Sampler.__doc__) if "HeunSampler" in code)
    names = {"keras": keras, "keras_bfn": keras_bfn, "np": np}
    names["model"] = model
    exec(block, names)
    first, last = (float(FLOW.schedule.beta(t)) for t in (0.02, 1.0))
    errors = []
    for num_steps in (16, 32):
        sampler = names["HeunSampler"](start=0.02)
        found = model.generate(8, num_steps, sampler, seed=0, return_details=True, verbose=0)
        u = found.trajectory.s[0, ..., 0] / np.sqrt(first) * float(growth(first, last))
        errors.append(np.abs(found.samples - np.sqrt(last) * u / (last + STD**-2)).max())
    assert np.log2(errors[0] / errors[1]) == pytest.approx(2.0, abs=0.3)


@pytest.mark.once
def test_one_program_serves_any_number_of_steps(model):
    model.programs.clear()
    for num_steps in (2, 5):
        model.generate(2, num_steps, HeunSampler(), verbose=0)
    assert len(model.programs.kept) == 1


@pytest.mark.once
def test_dependent_classes_follow_their_distribution_in_few_steps():
    x = make_pair_model().generate(6000, 24, HeunSampler(), seed=0, batch_size=6000, verbose=0)
    assert_draws_follow(JOINT_PRIOR.ravel(), x @ [3, 1])


@pytest.mark.once
def test_what_is_encoded_is_generated_again(model):
    x = np.random.default_rng(0).normal(0.0, STD, (50, 3)).clip(-0.9, 0.9).astype("float32")
    latents = model.encode(x, 40, HeunSampler(), seed=0, verbose=0)
    again = model.generate(50, 40, HeunSampler(), latents=latents, verbose=0)
    # Evidence about the data at t = 1 varies.
    beta = float(FLOW.schedule.beta(1.0))
    assert np.std(again - x) < 1.2 / np.sqrt(beta)
    assert np.corrcoef(again.ravel(), x.ravel())[0, 1] > 0.85


@pytest.mark.once
def test_a_likelihood_guides_both_predictions(model):
    def near(x):
        return -0.5 * keras.ops.sum(keras.ops.square((x - 0.3) / 0.2), axis=-1)

    options = {"latents": LATENTS, "verbose": 0, "return_details": True}
    plain, guided = (
        model.generate(8, 4, HeunSampler(), guidance=guidance, **options)
        for guidance in (None, near)
    )
    assert np.abs(guided.samples - 0.3).mean() < 0.8 * np.abs(plain.samples - 0.3).mean()
    shifts = np.abs(guided.trajectory.s - plain.trajectory.s).max(axis=(1, 2, 3))
    assert (shifts[1:3] > 1e-3).all()
    assert shifts[1] != shifts[2]


@pytest.mark.once
def test_parts_of_every_kind_are_drawn():
    model = make_parts_model()
    result = model.generate(4, 3, HeunSampler(), seed=0, return_details=True, verbose=0)
    for name, flow in model.flow.items():
        flow.check_data(result.samples[name])
        assert result.trajectory[name].t.shape == (7,)


@pytest.mark.slow_to_compile
def test_it_keeps_the_contract_of_samplers():
    keras_bfn.testing.check_sampler(HeunSampler())
