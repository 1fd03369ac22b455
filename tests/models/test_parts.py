"""Data of several kinds: what they cost, how the parts add up, and what is drawn."""

import keras
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from keras_bfn.models.averaging import has_averages
from keras_bfn.samplers import AncestralSampler, ODE2Sampler, SDE2Sampler
from keras_bfn.samplers.samplers import SAMPLERS
from tests.backends import everywhere
from tests.checks import assert_draws_follow, assert_mean_is
from tests.injected_noise import injected_noise
from tests.models.parts import (
    EVENT_SHAPES,
    FLOWS,
    JOINT_PRIOR,
    NUM,
    NUM_VARIABLES,
    PAIR_FLOWS,
    PAIR_SHAPES,
    cell_of,
    draw_pairs,
    make_data,
    make_model,
    make_pair_model,
    pair_entropy,
)
from tests.tensors import to_numpy, to_tensor

X = make_data()
LOGS = {"loss", "reconstruction", "bits_per_dim", "nats_per_example"}
PART_LOGS = {f"{name}_nats_per_example" for name in FLOWS}


@pytest.fixture(scope="module")
def model():
    return make_model()


@pytest.fixture(scope="module")
def pair_model():
    return make_pair_model()


@pytest.fixture(scope="module")
def part_nats():
    """What each part costs under injected noise."""
    with injected_noise():
        return make_model().code_length(X, batch_size=NUM, verbose=0)["parts"]


def make_compiled(learning_rate=0.0, **kwargs):
    model = make_model()
    model.compile(keras.optimizers.SGD(learning_rate), **kwargs)
    return model


def total(nats):
    return nats["transmission"] + nats["reconstruction"]


@pytest.mark.slow_to_compile
@pytest.mark.parametrize("num_steps", [pytest.param(None, marks=pytest.mark.once), 3])
def test_the_code_length_is_the_sum_of_the_parts(model, num_steps):
    nats = model.code_length(X, num_steps, batch_size=NUM, seed=0, verbose=0)
    assert set(nats) == {"transmission", "reconstruction", "parts"}
    assert list(nats["parts"]) == list(FLOWS)
    for kind in ("transmission", "reconstruction"):
        parts = [part[kind] for part in nats["parts"].values()]
        assert all(part.shape == (NUM,) for part in parts)
        assert_allclose(nats[kind], sum(parts), rtol=1e-5)
    again = model.code_length(X, num_steps, batch_size=NUM, seed=0, verbose=0)
    keras.tree.map_structure(assert_array_equal, nats, again)


@pytest.mark.once
def test_the_loss_by_time_is_the_sum_of_the_parts(model):
    profile = model.loss_by_time(X, num_intervals=3, batch_size=NUM, seed=0, verbose=0)
    assert list(profile["parts"]) == list(FLOWS)
    assert_allclose(profile["loss"], sum(profile["parts"].values()), rtol=1e-5)
    nats = model.code_length(X, num_repeats=3, batch_size=NUM, seed=0, verbose=0)
    for name, loss in profile["parts"].items():
        assert_allclose(loss.mean(), nats["parts"][name]["transmission"].mean(), rtol=1e-5)


@pytest.mark.slow_to_compile
def test_evaluation_reports_each_part_and_the_sum(part_nats):
    with injected_noise():
        logs = make_compiled().evaluate(X, batch_size=NUM, verbose=0, return_dict=True)
    assert set(logs) == LOGS | PART_LOGS
    for name, part in part_nats.items():
        assert_allclose(logs[f"{name}_nats_per_example"], total(part).mean(), rtol=1e-4)
    assert_allclose(logs["nats_per_example"], sum(logs[name] for name in PART_LOGS), rtol=1e-5)
    per_variable = logs["nats_per_example"] / NUM_VARIABLES
    assert_allclose(logs["loss"] + logs["reconstruction"], per_variable, rtol=1e-5)
    assert_allclose(logs["bits_per_dim"], per_variable / np.log(2), rtol=1e-5)


@pytest.mark.slow_to_compile
def test_loss_weights_weigh_nats_and_nothing_else(part_nats):
    weights = {"image": 0.25, "label": 5.0}  # and 1 for the size
    kwargs = {"batch_size": NUM, "verbose": 0}
    logs, losses = [], []
    with injected_noise():
        for loss_weights in (None, weights):
            model = make_compiled(loss_weights=loss_weights)
            history = model.fit(X, validation_data=X, shuffle=False, **kwargs).history
            logs.append({name: values[0] for name, values in history.items()})
    for log, weigh in zip(logs, ({}, weights), strict=True):
        nats = sum(
            weigh.get(name, 1.0) * part["transmission"].mean() for name, part in part_nats.items()
        )
        losses.append(nats / NUM_VARIABLES)
        assert_allclose(log.pop("loss"), losses[-1], rtol=1e-4)
        assert_allclose(log.pop("val_loss"), losses[-1], rtol=1e-4)
    assert set(logs[0]) == {f"val_{name}" for name in LOGS - {"loss"} | PART_LOGS}
    assert logs[0] == logs[1]
    assert losses[1] > 1.1 * losses[0]


@pytest.mark.once
def test_a_part_of_weight_0_teaches_nothing():
    model = make_compiled(0.1, loss_weights={"image": 0, "size": 0})
    before = {name: head.get_weights() for name, head in model.network.heads.items()}
    model.fit(X, batch_size=NUM, verbose=0)
    changed = {
        name
        for name, head in model.network.heads.items()
        if any((a != b).any() for a, b in zip(before[name], head.get_weights(), strict=True))
    }
    assert changed == {"label"}


@pytest.mark.once
def test_each_part_keeps_its_own_schedule_and_theta(model):
    options = {"seed": 0, "return_details": True, "batch_size": 2, "verbose": 0}
    x, predictions, *_ = model.generate(2, 4, "ancestral", **options)
    assert list(x) == list(predictions) == list(FLOWS)
    for name, flow in FLOWS.items():
        prediction, shape = predictions[name], (5, 2, *EVENT_SHAPES[name])
        assert_allclose(prediction.t, np.linspace(0, 1, 5), rtol=1e-6)
        assert prediction.s.shape == (*shape, flow.embedding_size)
        assert prediction.params.shape == (*shape, flow.output_size)
        for i, t in enumerate(prediction.t):
            beta = flow.schedule.beta(to_tensor([t, t]))
            theta = to_numpy(flow.input_params(to_tensor(prediction.s[i]), beta))
            assert_allclose(prediction.theta[i], theta, rtol=1e-4, atol=1e-5)
        last = flow.output_distribution(
            to_tensor(prediction.params[-1]), to_tensor(prediction.s[-1]), [1, 1]
        )
        assert_allclose(x[name], to_numpy(last.mode()), rtol=1e-4, atol=1e-5)


OPTIONS = {
    **{name: sampler() for name, sampler in SAMPLERS.items()},
    "draw": AncestralSampler(end="sample", start=0.1),
    "last": SDE2Sampler(end="last", start=0.1, spacing="log_beta"),
}


@pytest.mark.slow_to_compile
@pytest.mark.parametrize("name", everywhere(list(OPTIONS), "last"))
def test_samples_are_data_and_repeat(model, name):
    kwargs = {"num_steps": 3, "sampler": OPTIONS[name], "batch_size": 4, "verbose": 0}
    x, again = (model.generate(6, seed=1, **kwargs) for _ in range(2))
    assert list(x) == list(FLOWS)
    for part, flow in FLOWS.items():
        assert x[part].shape == (6, *EVENT_SHAPES[part])
        flow.check_data(x[part])
        assert_array_equal(x[part], again[part])
    other = model.generate(6, seed=2, **kwargs)
    assert any((x[part] != other[part]).any() for part in FLOWS)


@pytest.mark.once  # on each backend, such times are stepped through
def test_log_spaced_times_are_those_of_the_parts_averaged(model):
    sampler = SDE2Sampler(end="last", start=0.1, spacing="log_beta")
    predictions = model.generate(4, 3, sampler, return_details=True, verbose=0).trajectory
    times = np.mean([sampler.times(flow, 3) for flow in FLOWS.values()], axis=0)
    for prediction in predictions.values():
        assert_allclose(prediction.t, times[:-1], rtol=1e-6)


@pytest.mark.once
def test_sample_weights_weigh_examples(part_nats):
    weights = np.zeros(NUM, "float32")
    weights[3] = 3.0
    model, kwargs = make_compiled(), {"batch_size": NUM, "verbose": 0}
    with injected_noise():
        logs = model.evaluate(X, sample_weight=weights, return_dict=True, **kwargs)
        loss = model.fit(X, sample_weight=weights, shuffle=False, **kwargs).history["loss"][0]
    transmission = sum(part["transmission"][3] for part in part_nats.values())
    assert_allclose(loss, transmission / NUM_VARIABLES, rtol=1e-4)
    assert_allclose(logs["loss"], loss, rtol=1e-5)
    for name, part in part_nats.items():
        assert_allclose(logs[f"{name}_nats_per_example"], total(part)[3], rtol=1e-4)


@pytest.mark.slow_to_compile
def test_completions_keep_what_is_known_of_some_parts(model):
    known = np.random.default_rng(0).random(X["image"].shape) < 0.5
    image = np.where(known, X["image"], 0)
    statistics = model.inpaint(
        {"label": X["label"], "image": image},  # the size is left out
        {"image": known, "label": np.arange(NUM) < 6},
        num_steps=3,
        num_particles=2,
        batch_size=NUM,
        seed=0,
        return_details=True,
        verbose=0,
    )
    x = statistics.samples
    assert list(x) == list(FLOWS)
    for name, flow in FLOWS.items():
        assert x[name].shape == X[name].shape
        flow.check_data(x[name])
    assert_array_equal(x["image"][known], X["image"][known])
    assert_array_equal(x["label"][:6], X["label"][:6])
    assert np.ptp(x["size"]) > 0
    assert statistics.effective_sample_size.shape == (4, NUM)
    assert np.isfinite(statistics.log_likelihood).all()


@pytest.mark.once
def test_training_goes_on_with_averages_and_accumulated_gradients():
    model, x = make_model(PAIR_FLOWS, PAIR_SHAPES), draw_pairs(12)
    optimizer = keras.optimizers.AdamW(1e-2, use_ema=True, gradient_accumulation_steps=2)
    model.compile(optimizer)
    for _ in range(2):
        history = model.fit(x, batch_size=4, validation_split=1 / 3, verbose=0).history
        assert all(np.isfinite(values).all() for values in history.values())
    assert has_averages(model)
    with model.averaged_weights():
        model.evaluate(x, batch_size=4, verbose=0)


@pytest.mark.once
def test_dependent_parts_cost_their_joint_entropy(pair_model):
    nats = pair_model.code_length(draw_pairs(20_000), batch_size=20_000, seed=0, verbose=0)
    assert_mean_is(pair_entropy(), total(nats), precision=0.02)


def test_samples_of_dependent_parts_follow_their_joint_distribution(pair_model):
    sampler = SDE2Sampler(start=0.02, spacing="log_beta")
    x = pair_model.generate(4000, 40, sampler, seed=0, batch_size=4000, verbose=0)
    assert_draws_follow(JOINT_PRIOR, cell_of(x))


@pytest.mark.once
def test_completions_of_a_part_follow_its_distribution_given_the_other(pair_model):
    x = {"word": np.full(2000, 1)}
    completed = pair_model.inpaint(
        x, {"word": True}, 40, num_particles=16, batch_size=2000, seed=0, verbose=0
    )
    assert_draws_follow(JOINT_PRIOR[1] / JOINT_PRIOR[1].sum(), completed["flag"])


@pytest.mark.once
def test_what_is_encoded_is_generated_again(pair_model):
    x, sampler = draw_pairs(200), ODE2Sampler(start=0.02, spacing="log_beta")
    latents = pair_model.encode(x, 60, sampler, seed=0, batch_size=200, verbose=0)
    assert list(latents) == ["word", "flag"]
    assert latents["word"].shape == (200, 3)
    assert latents["flag"].shape == (200, 1, 2)
    again = pair_model.generate(200, 60, sampler, latents=latents, batch_size=200, verbose=0)
    assert np.mean(cell_of(again) == cell_of(x)) > 0.98
