"""`generate`: what it returns, that seeds repeat, and that it compiles once."""

import functools
import warnings

import keras
import numpy as np
import pytest
from keras import ops

import keras_bfn
from keras_bfn._backend.operations import write_step
from keras_bfn.samplers import AncestralSampler, ODE2Sampler, Sampler, SDE2Sampler
from keras_bfn.samplers.samplers import SAMPLERS
from tests.backends import everywhere
from tests.models.small import EVENT_SHAPE, FLOWS, make_data, make_model
from tests.tensors import to_numpy
from tests.test_docstrings import python_blocks


@pytest.fixture(scope="module")
def model_of():
    """One model of each flow, with its programs, for all tests that change nothing in it."""
    return functools.cache(lambda name: make_model(FLOWS[name]()))


@pytest.mark.slow_to_compile("tensorflow")
@pytest.mark.parametrize("name", everywhere(list(FLOWS), "binary", "discretized"))
def test_samples_have_the_form_of_the_data(name, model_of):
    model = model_of(name)
    samples = model.generate(4, num_steps=3, verbose=0)
    assert samples.shape == (4, *EVENT_SHAPE)
    model.flow.check_data(samples)


NEW = r"neither trained nor loaded.*Call `fit`, `load_weights` or `from_preset`"


@pytest.mark.slow_to_compile
def test_a_network_neither_trained_nor_loaded_warns_once(tmp_path):
    new, trained = make_model(FLOWS["discrete"]()), make_model(FLOWS["discrete"]())
    with pytest.warns(UserWarning, match=NEW):
        new.generate(2, 2, verbose=0)
    trained.fit(make_data(trained.flow), verbose=0)
    trained.save(tmp_path / "trained.keras")
    models = (new, trained, keras.saving.load_model(tmp_path / "trained.keras"))
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        for model in models:
            model.generate(2, 2, verbose=0)


def test_the_same_seed_repeats_and_no_seed_differs(model_of):
    model = model_of("discrete")
    first, again = (model.generate(4, num_steps=5, seed=7, verbose=0) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert (model.generate(4, num_steps=5, seed=8, verbose=0) != first).any()
    unseeded = [model.generate(4, num_steps=5, verbose=0) for _ in range(2)]
    assert (unseeded[0] != unseeded[1]).any()


def test_a_seed_given_once_leaves_the_models_own_stream_where_it_was():
    plain, interrupted = (make_model(FLOWS["discrete"](), seed=3) for _ in range(2))
    interrupted.generate(4, num_steps=5, seed=7, verbose=0)
    np.testing.assert_array_equal(
        plain.generate(4, num_steps=5, verbose=0), interrupted.generate(4, num_steps=5, verbose=0)
    )


def test_neighbouring_seeds_share_no_noise():
    # On torch the streams of Keras's SeedGenerator(1) and SeedGenerator(2) overlap by one draw.
    from keras import random

    from keras_bfn._random import make_seed_generator

    draws = []
    for seed in range(3):
        generator = make_seed_generator(seed)
        draws += [float(random.uniform((), seed=generator)) for _ in range(5)]
    assert len(set(draws)) == len(draws)


def count_looks(monkeypatch):
    """A list that grows by one with each look that is not part of a program made before."""
    calls = []
    prediction = keras_bfn.BayesianFlowNetwork.predict_params
    monkeypatch.setattr(
        keras_bfn.BayesianFlowNetwork,
        "predict_params",
        lambda *args, **kwargs: calls.append(1) or prediction(*args, **kwargs),
    )
    return calls


def num_eager(num_looks):
    """PyTorch runs eagerly: one call for each look."""
    return num_looks if keras.backend.backend() == "torch" else 0


@pytest.mark.parametrize("return_details", [False, True])
def test_a_second_call_neither_retraces_nor_recompiles(return_details, model_of, monkeypatch):
    model = model_of("binary")
    kwargs = {"num_steps": 4, "return_details": return_details, "verbose": 0}
    model.generate(4, **kwargs)
    calls = count_looks(monkeypatch)
    model.generate(4, **kwargs)
    assert len(calls) == num_eager(5)
    model.generate(8, batch_size=4, **kwargs)
    assert len(calls) == num_eager(15)


STEPPED = {
    "generate": lambda model, x, n: model.generate(4, n, seed=0, verbose=0),
    "encode": lambda model, x, n: model.encode(x, n, seed=0, verbose=0),
    "inpaint": lambda model, x, n: model.inpaint(x, x > 0, n, seed=0, verbose=0),
}


@pytest.mark.slow_to_compile
@pytest.mark.parametrize("verb", everywhere(list(STEPPED), "generate", "inpaint"))
def test_one_program_takes_any_number_of_steps(verb, model_of, monkeypatch):
    run, x = STEPPED[verb], np.random.default_rng(0).integers(0, 2, (4, *EVENT_SHAPE))
    model = model_of("binary")
    run(model, x, 4)
    calls = count_looks(monkeypatch)
    results = run(model, x, 7)
    assert len(calls) == num_eager(7 if verb == "encode" else 8)
    np.testing.assert_array_equal(results, run(make_model(FLOWS["binary"]()), x, 7))


def test_samples_of_several_batches_are_all_different_and_counted_right():
    samples = make_model(FLOWS["continuous"]()).generate(7, num_steps=2, batch_size=3, verbose=0)
    assert len(np.unique(samples.reshape(7, -1), axis=0)) == 7


@pytest.mark.once
def test_one_batch_is_the_first_of_several_and_shows_progress(model_of, capsys):
    model = model_of("discrete")
    options = {"num_steps": 3, "batch_size": 4, "seed": 0}
    several = model.generate(8, verbose=0, **options)
    assert capsys.readouterr().out == ""
    assert np.array_equal(model.generate(4, verbose=2, **options), several[:4])
    assert "1/1" in capsys.readouterr().out
    model.generate(8, verbose=2, **options)
    assert "2/2" in capsys.readouterr().out


@pytest.mark.parametrize("name", everywhere(list(FLOWS), "discrete", "continuous"))
def test_a_trajectory_leads_from_the_prior_to_the_sample(name, model_of):
    model = model_of(name)
    flow = model.flow
    samples, trajectory, *_ = model.generate(
        3, num_steps=6, sampler="ancestral", batch_size=2, return_details=True, verbose=0
    )
    np.testing.assert_allclose(trajectory.t, np.linspace(0, 1, 7), rtol=1e-6)
    assert trajectory.s.shape == (7, 3, *EVENT_SHAPE, flow.embedding_size)
    assert trajectory.theta.shape == (7, 3, *EVENT_SHAPE, flow.theta_size)
    assert trajectory.params.shape == (7, 3, *EVENT_SHAPE, flow.output_size)
    prior = 0.0 if flow.theta_range == (-1, 1) else 1.0 / flow.num_classes
    np.testing.assert_allclose(trajectory.theta[0], prior, atol=1e-6)
    if name in ("binary", "discrete"):
        params = trajectory.params[-1]
        mode = params[..., 0] > 0 if name == "binary" else params.argmax(axis=-1)
        np.testing.assert_array_equal(samples, mode)


@pytest.mark.once
def test_a_trajectory_is_written_in_place():
    """A copy of all steps at every step would take as long as the square of their number."""
    if keras.backend.backend() != "torch":
        pytest.skip("of compiled programs")
    whole = ops.zeros((2, 5, 3))
    for i in range(5):
        after = write_step(whole, i, ops.full((2, 3), i + 1.0))
        assert after.data_ptr() == whole.data_ptr()
    np.testing.assert_array_equal(to_numpy(after)[1, :, 2], [1, 2, 3, 4, 5])


@pytest.mark.parametrize("sampler", everywhere(list(SAMPLERS), "ancestral", "ode2"))
@pytest.mark.parametrize("name", everywhere(["binary", "discretized"], "discretized"))
@pytest.mark.usefixtures("xla")
def test_every_sampler_generates_and_repeats(name, sampler):
    model = make_model(FLOWS[name]())
    samples, again = (
        model.generate(3, num_steps=4, sampler=sampler, seed=1, verbose=0) for _ in range(2)
    )
    model.flow.check_data(samples)
    np.testing.assert_array_equal(samples, again)
    assert (samples != model.generate(3, 4, sampler, seed=2, verbose=0)).any()


@pytest.mark.once("tensorflow")  # on PyTorch nothing is traced
def test_a_sampler_with_other_options_is_another_program(model_of):
    model = model_of("discrete")
    samples = [
        model.generate(8, 4, AncestralSampler(temperature=t), seed=0, verbose=0)
        for t in (1e-3, 1.0, 1e3)
    ]
    assert (samples[0] != samples[1]).any()
    assert (samples[1] != samples[2]).any()


def test_the_last_estimate_saves_a_look(model_of):
    model = model_of("discrete")
    kwargs = {"seed": 0, "return_details": True, "verbose": 0}
    whole = model.generate(3, 6, ODE2Sampler(), **kwargs).trajectory
    samples, short, *_ = model.generate(3, 6, ODE2Sampler(end="last"), **kwargs)
    np.testing.assert_allclose(short.t, whole.t[:-1])
    np.testing.assert_allclose(short.params, whole.params[:-1], rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(samples, short.params[-1].argmax(axis=-1))


def test_a_draw_at_the_end_follows_the_last_output_distribution(model_of):
    model = model_of("discrete")
    sampler = AncestralSampler(end="sample", temperature=2.0)
    samples, trajectory, *_ = model.generate(
        256, 2, sampler, seed=0, batch_size=256, return_details=True, verbose=0
    )
    # The rank of a draw among the tempered probabilities: uniform, if it was drawn from them.
    weights = np.exp(trajectory.params[-1].astype("float64") / 2.0)
    probs = weights / weights.sum(axis=-1, keepdims=True)
    drawn = np.take_along_axis(probs, samples[..., None], axis=-1)
    spread = np.square(probs).sum(axis=-1).mean()
    assert drawn.mean() == pytest.approx(spread, abs=5 * drawn.std() / np.sqrt(drawn.size))


@pytest.mark.once
@pytest.mark.parametrize("name", ["binary", "discrete", "discretized"])
def test_of_one_value_that_is_left_draws_are_the_mode(name, model_of):
    model = model_of(name)
    sampler = AncestralSampler(top_k=1, end="sample")
    samples, trajectory, *_ = model.generate(4, 3, sampler, seed=0, return_details=True, verbose=0)
    params, s = (ops.convert_to_tensor(x[-1]) for x in (trajectory.params, trajectory.s))
    last = model.flow.output_distribution(params, s, ops.ones((4,)))
    np.testing.assert_array_equal(samples, to_numpy(last.mode()))
    model.generate(4, 3, SDE2Sampler(top_p=0.5, top_k=2), seed=0, verbose=0)


@pytest.mark.parametrize("spacing", everywhere(["t", "log_beta"], "log_beta"))
def test_a_start_after_0_is_kept(spacing, model_of):
    model = model_of("discretized")
    sampler = SDE2Sampler(start=0.25, spacing=spacing)
    trajectory = model.generate(2, 3, sampler, return_details=True, verbose=0).trajectory
    assert trajectory.t[0] == 0.25
    assert np.abs(trajectory.theta[0]).min() > 0


@pytest.mark.parametrize("block", python_blocks(Sampler.__doc__), ids=["greedy", "heun"])
def test_the_docstrings_own_samplers_generate(block):
    names = {"keras": keras, "keras_bfn": keras_bfn, "np": np}
    exec(block, names | {"model": make_model(FLOWS["binary"]())})


def test_latents_are_where_a_deterministic_sampler_starts(model_of):
    model = model_of("discretized")
    latents = np.random.default_rng(0).standard_normal((5, *EVENT_SHAPE, 1)).astype("float32")
    samples = model.generate(5, 6, "ode2", latents=latents, batch_size=2, verbose=0)
    again = model.generate(5, 6, "ode2", latents=latents, batch_size=5, verbose=0)
    np.testing.assert_array_equal(samples, again)
    reverse = model.generate(5, 6, "ode2", latents=latents[::-1], batch_size=5, verbose=0)
    np.testing.assert_array_equal(samples, reverse[::-1])


DRAWN = {
    "generate": lambda model: model.generate(2, 2, verbose=0),
    "inpaint": lambda model: model.inpaint(
        make_data(model.flow, 2), np.zeros(EVENT_SHAPE, bool), 2, verbose=0
    ),
}


@pytest.mark.parametrize("verb", everywhere(list(DRAWN), "generate"))
@pytest.mark.parametrize("name", everywhere(list(FLOWS), "discretized"))
def test_weights_that_are_no_numbers_are_named(name, verb):
    model = make_model(FLOWS[name]())
    kernel = model.network.trainable_weights[-1]  # others TensorFlow may hide: relu(NaN) = 0
    kernel.assign(np.full(kernel.shape, np.nan))
    with pytest.raises(ValueError, match=f"weights must be finite.*{kernel.path}"):
        DRAWN[verb](model)


@pytest.mark.once
def test_a_network_that_returns_no_numbers_is_refused():
    class Broken(keras.layers.Layer):
        def call(self, inputs):
            return ops.where(inputs["t"][:, None, None] > 0.9, np.nan, 0.0) * inputs["theta"]

    flow = FLOWS["continuous"]()
    model = keras_bfn.BayesianFlowNetwork(flow, Broken(), event_shape=(3,))
    with pytest.raises(ValueError, match=r"return finite numbers.*for 4 of 4 samples"):
        model.generate(4, 5, verbose=0)
