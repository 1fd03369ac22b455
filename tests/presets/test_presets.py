"""Presets: the paper's sizes, folders that every backend reads, and digits out of the box."""

import json
import os
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest

import keras_bfn
from keras_bfn import BayesianFlowNetwork
from tests.backends import everywhere, next_backend
from tests.models.small import FLOWS, make_data, make_model
from tests.presets.folders import replace_config
from tests.tensors import run

PACKAGED = {  # four of the numbers that each network returns, by PyTorch
    "bfn_digits": [2.9947, 3.4014, 0.7395, 1.2618],
    "bfn_digits_classes": [3.3235, 5.5142, 0.251, 0.1417],
    "bfn_mnist": [-1.3585, 2.2819, -6.7687, 2.4919],
    "bfn_text": [-0.903, 0.0298, -0.4192, 2.4796],
}
PAPER = [name for name, preset in BayesianFlowNetwork.presets.items() if preset.make_flow]
ROOT = pathlib.Path(__file__).parents[2]


def output(model):
    """The network's output for fixed inputs."""
    shape = (2, *model.event_shape, model.flow.theta_size)
    theta = np.random.default_rng(0).uniform(size=shape).astype("float32")
    inputs = {"theta": theta, "t": np.array([0.2, 0.9], "float32")}
    if model.conditional:
        inputs["condition"] = np.array([0, 1], "int32")
    return run(model.network, inputs)


def test_there_are_the_six_models_of_the_paper():
    assert len(PAPER) == 6
    millions = {f"{BayesianFlowNetwork.presets[name].num_params / 1e6:.2f}M" for name in PAPER}
    assert millions == {"24.81M", "30.72M", "170.18M"}


@pytest.mark.once
@pytest.mark.parametrize("name", BayesianFlowNetwork.presets)
def test_a_preset_has_as_many_weights_as_it_says(name):
    model = BayesianFlowNetwork.from_preset(name, load_weights=False)
    assert model.network.count_params() == BayesianFlowNetwork.presets[name].num_params
    assert model.compiled


@pytest.mark.once
def test_the_papers_optimizer_is_ready():
    model = BayesianFlowNetwork.from_preset("bfn_mnist_binary", load_weights=False)
    config = model.optimizer.get_config()
    expected = {
        "learning_rate": 1e-4,
        "beta_2": 0.98,
        "weight_decay": 0.01,
        "global_clipnorm": 5.0,
        "use_ema": True,
        "ema_momentum": 0.9999,
    }
    assert {name: pytest.approx(config[name]) for name in expected} == expected


def test_a_transformers_norms_and_biases_are_not_decayed():
    flow = FLOWS["discrete"]()
    network = keras_bfn.networks.Transformer(flow, 4, width=8, num_layers=1, num_heads=2)
    optimizer = BayesianFlowNetwork.presets["bfn_text8"].recipe.optimizer()
    optimizer.build(network.trainable_variables)
    decayed = {v.path.split("/")[-1] for v in network.weights if optimizer._use_weight_decay(v)}
    assert decayed == {"kernel"}


@pytest.mark.parametrize("name", everywhere(list(FLOWS), "discretized"))
def test_a_model_comes_back_from_its_folder(name, tmp_path):
    model = make_model(FLOWS[name]())
    model.fit(make_data(model.flow), epochs=1, verbose=0)
    model.save_to_preset(tmp_path / "preset")
    assert {path.name for path in (tmp_path / "preset").iterdir()} == {
        "config.json",
        "metadata.json",
        "model.weights.h5",
    }
    loaded = BayesianFlowNetwork.from_preset(tmp_path / "preset")
    np.testing.assert_allclose(output(loaded), output(model), rtol=1e-5)
    assert loaded.compiled
    loaded.fit(make_data(model.flow), epochs=1, verbose=0)
    new = BayesianFlowNetwork.from_preset(str(tmp_path / "preset"), load_weights=False)
    assert np.abs(output(new) - output(model)).max() > 1e-4


def test_saving_again_replaces_the_weights(tmp_path):
    model = make_model(FLOWS["binary"]())
    model.save_to_preset(tmp_path)
    model.fit(make_data(model.flow), epochs=1, verbose=0)
    model.save_to_preset(tmp_path)
    loaded = BayesianFlowNetwork.from_preset(tmp_path)
    np.testing.assert_allclose(output(loaded), output(model), rtol=1e-5)


def test_a_model_without_weights_is_not_saved(tmp_path):
    flow = FLOWS["binary"]()
    model = BayesianFlowNetwork(flow, keras.layers.Dense(1))
    with pytest.raises(ValueError, match="no weights yet"):
        model.save_to_preset(tmp_path)


def test_unknown_presets_and_incomplete_folders_are_refused(tmp_path):
    for preset in ("bfn_faces", tmp_path / "absent", 3):
        with pytest.raises(ValueError, match=r"`preset` must be one of.*'bfn_digits'.*Received"):
            BayesianFlowNetwork.from_preset(preset)
    with pytest.raises(ValueError, match=r"where there is no config\.json"):
        BayesianFlowNetwork.from_preset(tmp_path)
    make_model(FLOWS["binary"]()).save_to_preset(tmp_path)
    (tmp_path / "model.weights.h5").unlink()
    with pytest.raises(ValueError, match=r"where there is no model\.weights\.h5"):
        BayesianFlowNetwork.from_preset(tmp_path)


def test_files_that_do_not_belong_together_are_refused(tmp_path):
    small, large = (keras_bfn.networks.MLP(FLOWS["binary"](), (4,), width=w) for w in (8, 16))
    BayesianFlowNetwork(small.flow, small).save_to_preset(tmp_path / "small")
    BayesianFlowNetwork(large.flow, large).save_to_preset(tmp_path / "large")
    (tmp_path / "small" / "config.json").replace(tmp_path / "large" / "config.json")
    with pytest.raises(ValueError, match="whose files belong together"):
        BayesianFlowNetwork.from_preset(tmp_path / "large")


@pytest.mark.once
def test_weights_of_another_model_of_the_same_size_are_refused(tmp_path):
    for name, seed in (("one", 0), ("other", 1)):
        keras.utils.set_random_seed(seed)
        network = keras_bfn.networks.MLP(FLOWS["binary"](), (4,), width=8)
        BayesianFlowNetwork(network.flow, network).save_to_preset(tmp_path / name)
    (tmp_path / "one" / "model.weights.h5").replace(tmp_path / "other" / "model.weights.h5")
    with pytest.raises(ValueError, match="whose files belong together"):
        BayesianFlowNetwork.from_preset(tmp_path / "other")


@pytest.mark.once
@pytest.mark.parametrize("num_renamed", [0, 1, 2])
def test_a_save_that_is_killed_leaves_one_whole_preset(num_renamed, tmp_path, monkeypatch):
    model = make_model(FLOWS["binary"]())
    model.save_to_preset(tmp_path)
    old = output(model)
    model.fit(make_data(model.flow), epochs=1, verbose=0)
    replace, renamed = os.replace, []

    def killed(source, target):
        if len(renamed) == num_renamed:
            raise KeyboardInterrupt
        renamed.append(target)
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            model.save_to_preset(tmp_path)
    found = output(BayesianFlowNetwork.from_preset(tmp_path))
    # The first is the config, which is as it was.
    np.testing.assert_allclose(found, old if num_renamed < 2 else output(model), rtol=1e-5)
    model.save_to_preset(tmp_path)
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.once
def test_a_link_in_the_place_of_a_new_file_is_not_followed(tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("mine")
    (tmp_path / "preset").mkdir()
    for name in ("config.json", "metadata.json", "model.weights.h5"):
        (tmp_path / "preset" / f"new.{name}").symlink_to(elsewhere)
    make_model(FLOWS["binary"]()).save_to_preset(tmp_path / "preset")
    assert elsewhere.read_text() == "mine"
    BayesianFlowNetwork.from_preset(tmp_path / "preset")


@pytest.mark.parametrize("text", ["", "3", "not JSON"])
def test_a_config_that_is_not_one_is_refused(text, tmp_path):
    make_model(FLOWS["binary"]()).save_to_preset(tmp_path)
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(ValueError, match=r"whose files belong together.*metadata\.json"):
        BayesianFlowNetwork.from_preset(tmp_path)
    replace_config(tmp_path, text)
    with pytest.raises(ValueError, match=r"config\.json' must hold a JSON object"):
        BayesianFlowNetwork.from_preset(tmp_path)


def test_a_folder_of_something_else_is_refused(tmp_path):
    network = keras_bfn.networks.MLP(FLOWS["binary"](), (4,), width=8)
    BayesianFlowNetwork(network.flow, network).save_to_preset(tmp_path)
    config = keras.saving.serialize_keras_object(network)
    replace_config(tmp_path, json.dumps(config))
    with pytest.raises(ValueError, match=r"folder of a `BayesianFlowNetwork`.*there is a `MLP`"):
        BayesianFlowNetwork.from_preset(tmp_path)


def test_a_save_that_is_cut_short_leaves_the_old_preset(tmp_path, monkeypatch):
    model = make_model(FLOWS["binary"]())
    model.save_to_preset(tmp_path)
    before = output(model)
    model.fit(make_data(model.flow), epochs=1, verbose=0)

    def cut_short(self, file):
        file.write(b"half a file")
        raise KeyboardInterrupt

    monkeypatch.setattr(BayesianFlowNetwork, "save_weights", cut_short)
    with pytest.raises(KeyboardInterrupt):
        model.save_to_preset(tmp_path)
    np.testing.assert_allclose(output(BayesianFlowNetwork.from_preset(tmp_path)), before, rtol=1e-5)


@pytest.mark.parametrize("name", everywhere(list(PACKAGED), "bfn_mnist", "bfn_text"))
def test_a_model_in_the_package_returns_the_same_on_every_backend(name):
    found = output(BayesianFlowNetwork.from_preset(name)).ravel()
    found = found[:: len(found) // 4][:4]
    np.testing.assert_allclose(found, PACKAGED[name], rtol=1e-3, atol=1e-3)


@pytest.mark.once
def test_models_in_the_package_are_small_and_tell_of_themselves():
    folders = {
        name: pathlib.Path(preset.weights)
        for name, preset in BayesianFlowNetwork.presets.items()
        if preset.make_flow is None
    }
    assert folders.keys() == PACKAGED.keys()
    for name, folder in folders.items():
        assert sum(path.stat().st_size for path in folder.iterdir()) < 5e6
        card = (folder / "README.md").read_text()
        for told in (f'from_preset("{name}")', "## Data", "## Command", "## Licence"):
            assert told in card


@pytest.mark.once
def test_text_comes_out_of_the_box():
    model = BayesianFlowNetwork.from_preset("bfn_text")
    texts = model.generate_text(8, 20, sampler="sde2", seed=0, verbose=0)
    words = [word for text in texts for word in text.split()[1:-1]]
    common = {"the", "of", "and", "a", "to", "in", "that", "his", "it", "i", "he", "was", "as"}
    # Of a novel's words more than a fifth are these; of letters drawn one by one hardly any.
    assert np.mean([word in common for word in words]) > 0.1
    assert all(text.startswith("call me ") for text in model.continue_text("call me ", 2, 5))


@pytest.mark.once
@pytest.mark.slow
def test_mnist_comes_out_of_the_box():
    model = BayesianFlowNetwork.from_preset("bfn_mnist")
    classes = np.repeat(np.arange(10), 4)
    x = model.generate(40, 20, "sde2", classes, seed=0, batch_size=40, verbose=0)
    told = model.code_length((x, classes), None, 2, seed=0, batch_size=40, verbose=0)
    other = model.code_length((x, (classes + 5) % 10), None, 2, seed=0, batch_size=40, verbose=0)
    untold = model.code_length((x, np.full(40, 10)), None, 2, seed=0, batch_size=40, verbose=0)
    right, wrong, without = (nats["transmission"].mean() for nats in (told, other, untold))
    assert right < without < wrong
    assert without - right == pytest.approx(np.log(10), abs=2.0)


@pytest.mark.once
def test_digits_come_out_of_the_box():
    load_digits = pytest.importorskip("sklearn.datasets").load_digits
    model = BayesianFlowNetwork.from_preset("bfn_digits")
    levels = load_digits().images[..., None].astype("int32")
    nats = model.code_length(levels[:200], seed=0, verbose=0)
    total = (nats["transmission"] + nats["reconstruction"]).mean()
    probs = (levels[..., None] == np.arange(17)).mean(axis=0)
    independent = -np.sum(probs * np.log(np.maximum(probs, 1e-30)))  # each pixel by itself
    assert total < 0.75 * independent

    samples = model.generate(32, num_steps=30, seed=0, verbose=0)
    nearest = [np.abs(levels - sample).mean(axis=(1, 2, 3)).min() for sample in samples]
    shuffled = np.random.default_rng(0).permuted(samples.reshape(32, -1), axis=1)
    by_chance = [np.abs(levels.reshape(-1, 64) - s).mean(axis=1).min() for s in shuffled]
    assert np.mean(nearest) < 0.6 * np.mean(by_chance)


@pytest.mark.once
def test_guided_digits_are_read_as_the_class_asked_for():
    data = pytest.importorskip("sklearn.datasets").load_digits()
    svm = pytest.importorskip("sklearn.svm")
    model = BayesianFlowNetwork.from_preset("bfn_digits_classes")
    condition = np.tile(np.arange(10), 20)
    samples = model.generate(
        200, 20, "sde2", condition, guidance_scale=2.0, seed=0, batch_size=200, verbose=0
    )
    classifier = svm.SVC(gamma=0.001).fit(data.data, data.target)
    right = classifier.predict(samples.reshape(200, 64)) == condition
    assert right.reshape(20, 10).mean(axis=0).min() >= 0.95
    # The samples of a class are not all alike.
    assert samples.reshape(20, 10, 64).std(axis=0).mean() > 1


@pytest.mark.once
@pytest.mark.slow
def test_another_backend_reads_the_folder(tmp_path):
    backend = next_backend()
    flow = FLOWS["discretized"]()
    network = keras_bfn.networks.Transformer(flow, 6, 8, num_layers=1, num_heads=2)
    rng = np.random.default_rng(0)
    network.set_weights([0.3 * rng.standard_normal(w.shape) for w in network.get_weights()])
    model = BayesianFlowNetwork(flow, network)
    model.compile(keras.optimizers.AdamW(1e-3, use_ema=True))
    model.save_to_preset(tmp_path / "preset")
    subprocess.run(
        [sys.executable, "-m", "tests.presets.test_presets", str(tmp_path)],
        env={**os.environ, "KERAS_BACKEND": backend},
        cwd=ROOT,
        check=True,
    )
    there = np.load(tmp_path / "output.npy")
    np.testing.assert_allclose(output(model), there, rtol=1e-4, atol=1e-4)


MAX_BYTES = 24e9


@pytest.mark.slow
@pytest.mark.parametrize("name", PAPER)
def test_a_preset_takes_a_training_step_in_24_gb(name):
    """In a process of its own, whose largest size is measured."""
    code = f"""
import resource, numpy as np
from keras_bfn import BayesianFlowNetwork
model = BayesianFlowNetwork.from_preset("{name}", load_weights=False)
low, high = model.flow.data_range
x = np.random.default_rng(0).uniform(low, high, (1, *model.event_shape))
loss = model.train_on_batch(x.astype("int32" if model.flow.discrete else "float32"))
print("result", float(loss), 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
    process = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True
    )
    (line,) = [line for line in process.stdout.splitlines() if line.startswith("result")]
    loss, num_bytes = map(float, line.split()[1:])
    print(f"{keras.backend.backend()} {name}: {num_bytes / 1e9:.1f} GB")
    assert np.isfinite(loss)
    assert num_bytes < MAX_BYTES


if __name__ == "__main__":
    folder = pathlib.Path(sys.argv[1])
    model = BayesianFlowNetwork.from_preset(folder / "preset")
    np.save(folder / "output.npy", output(model))
    # What was compiled on the other backend trains on this one.
    model.train_on_batch(np.zeros((2, *model.event_shape), "int32"))


@pytest.mark.once
def test_the_network_of_a_preset_takes_another_dtype():
    model = BayesianFlowNetwork.from_preset("bfn_digits")
    half = BayesianFlowNetwork.from_preset("bfn_digits", dtype="mixed_bfloat16")
    assert half.network.policy.name == "mixed_bfloat16"
    x = model.generate(8, 5, sampler="sde2", seed=0, verbose=0)
    nats, rounded = (
        {name: cost.mean() for name, cost in m.code_length(x, seed=0, verbose=0).items()}
        for m in (model, half)
    )
    assert rounded["transmission"] == pytest.approx(nats["transmission"], rel=0.01)
    assert rounded["transmission"] != nats["transmission"]


def test_an_own_network_takes_no_other_dtype(tmp_path):
    model = BayesianFlowNetwork(FLOWS["binary"](), own_network())
    model.save_to_preset(tmp_path)
    with pytest.raises(ValueError, match=r"`dtype` must be None.*dtype='mixed_bfloat16'"):
        BayesianFlowNetwork.from_preset(tmp_path, dtype="mixed_bfloat16")


def own_network():
    theta, t = keras.Input((2, 1), name="theta"), keras.Input((), name="t")
    hidden = keras.layers.Dense(4)(theta) + keras.ops.reshape(t, (-1, 1, 1))
    return keras.Model({"theta": theta, "t": t}, keras.layers.Dense(1)(hidden))
