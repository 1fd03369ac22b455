"""Models survive saving, and say the same on every backend."""

import json
import os
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest

import keras_bfn
from tests.backends import everywhere, next_backend
from tests.injected_noise import injected_noise
from tests.models.small import FLOWS, ConditionNetwork, make_data, make_model
from tests.tensors import to_numpy


def score(model):
    """Code lengths and samples under injected noise."""
    x = make_data(model.flow)
    with injected_noise():
        nats = model.code_length(x, batch_size=24, verbose=0)
        nats_20 = model.code_length(x, num_steps=20, batch_size=24, verbose=0)
        samples = model.generate(4, num_steps=5, verbose=0)
        completed = model.inpaint(x[:4], np.arange(4).reshape(4, 1, 1) < 2, 5, 3, verbose=0)
        latents = model.encode(x[:4], num_steps=3, verbose=0)
    total = [float(part.sum()) for n in (nats, nats_20) for part in n.values()]
    made = [np.ravel(values) for values in (samples, completed, latents)]
    return {"nats": total, "made": np.concatenate(made).tolist()}


@pytest.mark.slow_to_compile("tensorflow")
@pytest.mark.usefixtures("improved_graphs")
@pytest.mark.parametrize("name", everywhere(list(FLOWS), "binary"))
def test_a_loaded_model_is_the_saved_one(name, tmp_path):
    flow = FLOWS[name]()
    x = make_data(flow)
    model = make_model(flow, loss=keras_bfn.losses.DiscreteTimeLoss(7, num_samples=2))
    model.fit(x, epochs=1, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)

    before, after = (m.code_length(x, seed=5, verbose=0) for m in (model, loaded))
    for part in before:
        np.testing.assert_allclose(before[part], after[part], rtol=1e-4)
    samples = [m.generate(3, num_steps=4, seed=5, verbose=0) for m in (model, loaded)]
    np.testing.assert_allclose(*samples, rtol=1e-4)
    assert loaded.transmission_loss.get_config() == {"num_steps": 7, "num_samples": 2}
    assert loaded.optimizer.iterations == model.optimizer.iterations
    loaded.fit(x, epochs=1, verbose=0)


def test_a_model_that_keras_wrote_to_an_h5_file_is_saved_with_its_optimizer(tmp_path):
    model = make_model(FLOWS["binary"]())
    model.compile(keras.optimizers.SGD(0.25))
    keras.saving.save_model(model, tmp_path / "model.h5")  # not by the model's own `save`
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert isinstance(loaded.optimizer, keras.optimizers.SGD)
    assert float(loaded.optimizer.learning_rate) == 0.25


def test_weights_bring_the_optimizer_s_state_if_its_variables_are_there(tmp_path):
    model, other = (make_model(FLOWS["binary"]()) for _ in range(2))
    model.fit(make_data(model.flow), verbose=0)
    model.save_weights(tmp_path / "model.weights.h5")
    with pytest.warns(UserWarning, match="Skipping variable loading for optimizer"):
        other.load_weights(tmp_path / "model.weights.h5")
    assert int(other.optimizer.iterations) == 0
    other.build_optimizer()
    other.load_weights(tmp_path / "model.weights.h5")
    states = ([to_numpy(v) for v in m.optimizer.variables] for m in (model, other))
    for one, loaded in zip(*states, strict=True):
        np.testing.assert_array_equal(one, loaded)


@pytest.mark.parametrize("jit_compile", ["auto", False])
def test_another_backend_decides_anew_what_to_jit(jit_compile, tmp_path):
    model = make_model(FLOWS["binary"](), jit_compile=jit_compile)
    model.optimizer.build(model.trainable_variables)
    assert model.get_compile_config()["jit_compile"] == jit_compile
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.get_compile_config()["jit_compile"] == jit_compile
    assert loaded.jit_compile == model.jit_compile


def test_a_model_that_is_not_compiled_survives_saving(tmp_path):
    model = make_model(FLOWS["binary"](), compiled=False)
    model.save(tmp_path / "model.keras")
    assert not keras.saving.load_model(tmp_path / "model.keras").compiled


@pytest.mark.once
def test_a_model_with_a_plain_layer_survives_saving(tmp_path):
    flow = FLOWS["binary"]()
    x, classes = make_data(flow), np.arange(24) % 3
    model = keras_bfn.BayesianFlowNetwork(flow, ConditionNetwork(flow.output_size), seed=0)
    model.compile("adam")
    model.fit((x, classes), epochs=1, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    before, after = (m.code_length((x, classes), seed=5, verbose=0) for m in (model, loaded))
    np.testing.assert_allclose(before["transmission"], after["transmission"], rtol=1e-4)


# Each backend reads what the next one wrote: two kinds, which have all distributions and samplers'
# steps, reach all three.
SHARED = {"torch": list(FLOWS), "tensorflow": ["binary"], "jax": ["discretized"]}


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A folder of models, and how they score here."""
    folder, scores = tmp_path_factory.mktemp("models"), {}
    for name in SHARED[keras.backend.backend()]:
        model = make_model(FLOWS[name]())
        model.save(folder / f"{name}.keras")
        scores[name] = score(model)
    return folder, scores


@pytest.mark.slow
@pytest.mark.once("tensorflow")
def test_another_backend_finds_the_same_code_length_samples_and_completions(saved):
    backend = next_backend()
    folder, here = saved
    subprocess.run(
        [sys.executable, "-m", "tests.models.test_files", str(folder)],
        env={**os.environ, "KERAS_BACKEND": backend},
        cwd=pathlib.Path(__file__).parents[2],
        check=True,
    )
    there = json.loads((folder / f"{backend}.json").read_text())
    for name, scores in here.items():
        np.testing.assert_allclose(scores["nats"], there[name]["nats"], rtol=1e-5)
        np.testing.assert_allclose(scores["made"], there[name]["made"], rtol=1e-4, atol=1e-4)


if __name__ == "__main__":
    folder = pathlib.Path(sys.argv[1])
    scores = {path.stem: score(keras.saving.load_model(path)) for path in folder.glob("*.keras")}
    (folder / f"{keras.backend.backend()}.json").write_text(json.dumps(scores))
