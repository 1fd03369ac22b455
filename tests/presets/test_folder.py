"""Folders that every backend reads, that are whole, and that are refused if they are broken."""

import json
import os
import pathlib
import shutil
import subprocess
import sys

import keras
import numpy as np
import pytest

import keras_bfn
from keras_bfn import BayesianFlowNetwork
from keras_bfn.presets.folder import CONFIG, WEIGHTS
from tests.backends import everywhere, next_backend
from tests.models.small import FLOWS, make_data, make_model
from tests.presets.folders import forget_digests, output, replace_config

ROOT = pathlib.Path(__file__).parents[2]


@pytest.mark.slow_to_compile
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


@pytest.mark.slow_to_compile("tensorflow")
def test_saving_again_replaces_the_weights(tmp_path):
    model = make_model(FLOWS["binary"]())
    model.save_to_preset(tmp_path)
    model.fit(make_data(model.flow), epochs=1, verbose=0)
    model.save_to_preset(tmp_path)
    loaded = BayesianFlowNetwork.from_preset(tmp_path)
    np.testing.assert_allclose(output(loaded), output(model), rtol=1e-5)


@pytest.mark.slow_to_compile
def test_weights_of_half_precision_take_half_the_space_and_are_loaded_in_float32(tmp_path):
    model = make_model(FLOWS["discrete"]())
    model.fit(make_data(model.flow), epochs=1, verbose=0)
    for name in ("whole", "half"):
        model.save_to_preset(tmp_path / name, half_precision=name == "half")
    whole, half = (BayesianFlowNetwork.from_preset(tmp_path / name) for name in ("whole", "half"))
    for one, other in zip(whole.network.weights, half.network.weights, strict=True):
        assert one.dtype == other.dtype
        rounded = keras.ops.convert_to_numpy(one).astype("float16")
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(other), rounded)
    np.testing.assert_allclose(output(half), output(model), atol=2e-3)
    assert half.compiled
    half.fit(make_data(model.flow), epochs=1, verbose=0)


@pytest.mark.slow_to_compile
@pytest.mark.parametrize("change", ["bfloat16", "int8", "int4"])
def test_weights_of_other_dtypes_stay_as_they_are_in_half_precision(change, tmp_path):
    is_policy = change == "bfloat16"
    model = make_model(FLOWS["discrete"](), dtype=change if is_policy else None)
    if not is_policy:
        model.quantize(change)
    model.save_to_preset(tmp_path, half_precision=True)
    loaded = BayesianFlowNetwork.from_preset(tmp_path)
    np.testing.assert_allclose(output(loaded), output(model), atol=2e-2)


@pytest.mark.once
def test_weights_that_half_precision_cannot_hold_are_refused(tmp_path):
    model = make_model(FLOWS["discrete"]())
    kernel = model.network.trainable_weights[0]
    kernel.assign(keras.ops.full(kernel.shape, 1e5))
    with pytest.raises(ValueError, match=r"half_precision.* 65504.*100000\.0 in "):
        model.save_to_preset(tmp_path / "preset", half_precision=True)
    assert not (tmp_path / "preset").exists()


@pytest.mark.once
def test_a_folder_without_weights_is_refused(tmp_path):
    make_model(FLOWS["binary"]()).save_to_preset(tmp_path)
    (tmp_path / "model.weights.h5").unlink()
    with pytest.raises(ValueError, match=r"which has no model\.weights\.h5"):
        BayesianFlowNetwork.from_preset(tmp_path)


@pytest.mark.slow_to_compile
def test_files_that_do_not_belong_together_are_refused(tmp_path):
    small, large = (keras_bfn.networks.MLP(FLOWS["binary"](), (4,), width=w) for w in (8, 16))
    BayesianFlowNetwork(small.flow, small).save_to_preset(tmp_path / "small")
    BayesianFlowNetwork(large.flow, large).save_to_preset(tmp_path / "large")
    (tmp_path / "small" / "config.json").replace(tmp_path / "large" / "config.json")
    with pytest.raises(ValueError, match="whose files are from one save"):
        BayesianFlowNetwork.from_preset(tmp_path / "large")


@pytest.mark.once
def test_weights_of_another_model_of_the_same_size_are_refused(tmp_path):
    for name, seed in (("one", 0), ("other", 1)):
        keras.utils.set_random_seed(seed)
        network = keras_bfn.networks.MLP(FLOWS["binary"](), (4,), width=8)
        BayesianFlowNetwork(network.flow, network).save_to_preset(tmp_path / name)
    (tmp_path / "one" / "model.weights.h5").replace(tmp_path / "other" / "model.weights.h5")
    with pytest.raises(ValueError, match="whose files are from one save"):
        BayesianFlowNetwork.from_preset(tmp_path / "other")


@pytest.mark.once
@pytest.mark.parametrize("num_renamed", range(6))
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
    # Each file is renamed when it is whole, and again when all are; the config is as it was.
    np.testing.assert_allclose(found, old if num_renamed < 5 else output(model), rtol=1e-5)
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


@pytest.mark.once
@pytest.mark.parametrize("text", ["", "3", "not JSON"])
def test_a_config_that_is_not_one_is_refused(text, tmp_path):
    make_model(FLOWS["binary"]()).save_to_preset(tmp_path)
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(ValueError, match=r"whose files are from one save.*metadata\.json"):
        BayesianFlowNetwork.from_preset(tmp_path)
    replace_config(tmp_path, text)
    with pytest.raises(ValueError, match=r"config\.json' must contain a JSON object"):
        BayesianFlowNetwork.from_preset(tmp_path)


@pytest.mark.once
def test_a_folder_of_something_else_is_refused(tmp_path):
    network = keras_bfn.networks.MLP(FLOWS["binary"](), (4,), width=8)
    BayesianFlowNetwork(network.flow, network).save_to_preset(tmp_path)
    config = keras.saving.serialize_keras_object(network)
    replace_config(tmp_path, json.dumps(config))
    with pytest.raises(ValueError, match=r"folder with a `BayesianFlowNetwork`.*contains a `MLP`"):
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
        [sys.executable, "-m", "tests.presets.test_folder", str(tmp_path)],
        env={**os.environ, "KERAS_BACKEND": backend},
        cwd=ROOT,
        check=True,
    )
    there = np.load(tmp_path / "output.npy")
    np.testing.assert_allclose(output(model), there, rtol=1e-4, atol=1e-4)


def own_network():
    theta, t = keras.Input((2, 1), name="theta"), keras.Input((), name="t")
    hidden = keras.layers.Dense(4)(theta) + keras.ops.reshape(t, (-1, 1, 1))
    return keras.Model({"theta": theta, "t": t}, keras.layers.Dense(1)(hidden))


@pytest.fixture(scope="module")
def preset(tmp_path_factory):
    """A preset whose metadata tell of any files."""
    folder = tmp_path_factory.mktemp("presets") / "preset"
    network = keras_bfn.networks.MLP(FLOWS["binary"](), (4, 4, 1), 8, 1)
    model = BayesianFlowNetwork(network.flow, network)
    model.compile("adamw")
    model.save_to_preset(folder)
    forget_digests(folder)
    return folder


def paths_of(config, *path):
    for name, value in config.items():
        yield (*path, name)
        if isinstance(value, dict):
            yield from paths_of(value, *path, name)


NEEDED = [
    "config/flow",
    "config/flow/config/num_classes",
    "config/flow/config/schedule/config/beta_1",
    "config/flow/registered_name",
    "config/network",
    "config/network/config/flow",
    "config/network/config/event_shape",
    "config/network/registered_name",
    "registered_name",
]


@pytest.mark.once
@pytest.mark.parametrize("path", NEEDED)
@pytest.mark.parametrize("change", ["without", "null", "text"])
def test_a_config_that_lacks_what_is_needed_is_refused_with_its_folder(
    path, change, preset, tmp_path
):
    shutil.copytree(preset, tmp_path, dirs_exist_ok=True)
    config = json.loads((preset / CONFIG).read_text())
    *parents, last = path.split("/")
    place = config
    for name in parents:
        place = place[name]
    if change == "without":
        del place[last]
    else:
        place[last] = None if change == "null" else "x"
    (tmp_path / CONFIG).write_text(json.dumps(config))
    with pytest.raises(ValueError, match="`preset` must be a folder") as caught:
        BayesianFlowNetwork.from_preset(tmp_path)
    assert f"preset='{tmp_path}'" in str(caught.value)


@pytest.mark.once
@pytest.mark.slow
def test_a_config_of_which_anything_is_changed_gives_a_model_or_is_refused(preset, tmp_path):
    shutil.copytree(preset, tmp_path, dirs_exist_ok=True)
    written = (preset / CONFIG).read_text()
    refused = []
    for path in paths_of(json.loads(written)):
        for other in (None, "x", 3, -1.5, [], {}):
            config = place = json.loads(written)
            for name in path[:-1]:
                place = place[name]
            place[path[-1]] = other
            (tmp_path / CONFIG).write_text(json.dumps(config))
            try:
                BayesianFlowNetwork.from_preset(tmp_path)
            except ValueError as error:
                refused.append(str(error))
    assert len(refused) > 50
    assert all("Received" in message for message in refused)


@pytest.mark.once
@pytest.mark.parametrize("content", ["", "[]", "3", "null", "{}", '{"a": 1}'])
def test_a_config_that_is_none_is_refused(content, preset, tmp_path):
    shutil.copytree(preset, tmp_path, dirs_exist_ok=True)
    (tmp_path / CONFIG).write_text(content)
    with pytest.raises(ValueError, match=r"`preset` must be|must contain a JSON object") as caught:
        BayesianFlowNetwork.from_preset(tmp_path)
    assert str(tmp_path) in str(caught.value)


BROKEN = {
    "empty": lambda data: b"",
    "cut": lambda data: data[:1000],
    "end cut": lambda data: data[:-100],
    "zeros": lambda data: bytes(len(data)),
    "text": lambda data: b"weights",
}


@pytest.mark.once
@pytest.mark.parametrize("kind", BROKEN)
def test_weights_that_are_broken_are_refused_with_their_folder(kind, preset, tmp_path):
    shutil.copytree(preset, tmp_path, dirs_exist_ok=True)
    (tmp_path / WEIGHTS).write_bytes(BROKEN[kind]((preset / WEIGHTS).read_bytes()))
    with pytest.raises(ValueError, match=rf"a folder with a {WEIGHTS} that.*Received: preset="):
        BayesianFlowNetwork.from_preset(tmp_path)


if __name__ == "__main__":
    folder = pathlib.Path(sys.argv[1])
    model = BayesianFlowNetwork.from_preset(folder / "preset")
    np.save(folder / "output.npy", output(model))
    # What was compiled on the other backend trains on this one.
    model.train_on_batch(np.zeros((2, *model.event_shape), "int32"))
