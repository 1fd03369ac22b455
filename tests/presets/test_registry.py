"""Presets: the paper's sizes, and models that work out of the box."""

import importlib
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest

import keras_bfn
from keras_bfn import BayesianFlowNetwork
from tests.backends import everywhere
from tests.models.small import FLOWS
from tests.presets.folders import output

PACKAGED = {  # four of the numbers that each network returns, by PyTorch
    "bfn_digits": [2.9947, 3.4014, 0.7395, 1.2618],
    "bfn_digits_classes": [3.3235, 5.5142, 0.251, 0.1417],
    "bfn_digits_student": [3.4393, 3.5369, 0.1602, -0.1009],
    "bfn_mnist": [-2.7262, 3.2086, -9.9593, 2.6121],
    "bfn_photographs": [0.3432, 1.0669, 0.4933, 0.0794],
    "bfn_text": [1.1687, 0.6865, 1.6378, 7.2224],
}
PAPER = [name for name, preset in BayesianFlowNetwork.presets.items() if preset.make_flow]
ROOT = pathlib.Path(__file__).parents[2]


def test_there_are_the_six_models_of_the_paper():
    assert len(PAPER) == 6
    millions = {f"{BayesianFlowNetwork.presets[name].num_params / 1e6:.2f}M" for name in PAPER}
    assert millions == {"24.81M", "30.72M", "170.18M"}


@pytest.mark.slow
@pytest.mark.once
@pytest.mark.parametrize("name", BayesianFlowNetwork.presets)
def test_a_preset_has_as_many_weights_as_it_says(name):
    model = BayesianFlowNetwork.from_preset(name, load_weights=False)
    assert model.network.count_params() == BayesianFlowNetwork.presets[name].num_params
    assert model.compiled != (
        "t_next" in model.signature.optional
    )  # students are not trained further


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
        assert sum(path.stat().st_size for path in folder.iterdir()) < 2.6e6
        card = (folder / "README.md").read_text()
        for told in (f'from_preset("{name}")', "## Data", "## Command", "## Licence"):
            assert told in card


@pytest.mark.slow
@pytest.mark.once
def test_text_comes_out_of_the_box():
    model = BayesianFlowNetwork.from_preset("bfn_text")
    texts = model.generate_text(6, 6, sampler="sde2", seed=0, verbose=0)
    words = [word for text in texts for word in text.split()[1:-1]]
    common = {"the", "of", "and", "a", "to", "in", "that", "his", "it", "i", "he", "was", "as"}
    # Of a novel's words more than a fifth are these; of letters drawn one by one hardly any.
    assert np.mean([word in common for word in words]) > 0.1
    assert all(
        text.startswith("call me ") for text in model.continue_text("call me ", 2, 2, length=40)
    )
    written = model.generate_text(16, length=64, order="left_to_right", seed=0, verbose=0)
    assert np.mean([word in common for text in written for word in text.split()[1:-1]]) > 0.2


@pytest.mark.once
@pytest.mark.slow
def test_mnist_comes_out_of_the_box():
    model = BayesianFlowNetwork.from_preset("bfn_mnist")
    classes = np.repeat(np.arange(10), 4)
    x = model.generate(40, 20, "sde2", classes, seed=0, batch_size=40, verbose=0)
    own = model.code_length((x, classes), None, 2, seed=0, batch_size=40, verbose=0)
    other = model.code_length((x, (classes + 5) % 10), None, 2, seed=0, batch_size=40, verbose=0)
    neither = model.code_length((x, np.full(40, 10)), None, 2, seed=0, batch_size=40, verbose=0)
    right, wrong, without = (nats["transmission"].mean() for nats in (own, other, neither))
    assert right < without < wrong
    assert without - right == pytest.approx(np.log(10), abs=2.0)


@pytest.mark.once
@pytest.mark.slow
def test_photographs_come_out_of_the_box(monkeypatch):
    """The named photograph costs least; sampled skies are blue, and cats brown."""
    pytest.importorskip("skimage")
    monkeypatch.syspath_prepend(ROOT / "examples")
    photographs = importlib.import_module("photographs")
    held_out = photographs.split(photographs.load_photographs(2), 16, seed=0).test
    images, labels = next((x[:64], c[:64]) for ((x, c),) in held_out)
    model = BayesianFlowNetwork.from_preset("bfn_photographs")

    def bits(condition):
        nats = model.code_length((images, condition), None, 2, seed=0, verbose=0)
        return sum(nats[name].mean() for name in ("transmission", "reconstruction")) / np.log(2)

    right, wrong = bits(labels) / 768, bits((labels + 3) % 5) / 768
    assert 2 < right < 4.5
    assert right < wrong
    red, _, blue = (
        model.generate(8, 20, "sde2", [1] * 4 + [3] * 4, seed=0, verbose=0).mean((1, 2)).T
    )
    assert red[:4].mean() > blue[:4].mean()
    assert red[4:].mean() < blue[4:].mean()


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

    samples = model.generate(16, num_steps=20, seed=0, verbose=0)
    nearest = [np.abs(levels - sample).mean(axis=(1, 2, 3)).min() for sample in samples]
    shuffled = np.random.default_rng(0).permuted(samples.reshape(16, -1), axis=1)
    by_chance = [np.abs(levels.reshape(-1, 64) - s).mean(axis=1).min() for s in shuffled]
    assert np.mean(nearest) < 0.6 * np.mean(by_chance)


def fraction_right(samples, classes):
    """For each of 10 classes, the fraction of the samples that a classifier reads as asked for."""
    data = pytest.importorskip("sklearn.datasets").load_digits()
    svm = pytest.importorskip("sklearn.svm")
    classifier = svm.SVC(gamma=0.001).fit(data.data, data.target)
    right = classifier.predict(samples.reshape(-1, 64)) == classes
    # The samples of a class are not all alike.
    assert samples.reshape(-1, 10, 64).std(axis=0).mean() > 1
    return right.reshape(-1, 10).mean(axis=0)


@pytest.mark.once
def test_guided_digits_are_read_as_the_class_asked_for():
    model = BayesianFlowNetwork.from_preset("bfn_digits_classes")
    classes = np.tile(np.arange(10), 20)
    samples = model.generate(
        200, 10, "sde2", classes, guidance_scale=2.0, seed=0, batch_size=200, verbose=0
    )
    assert fraction_right(samples, classes).min() >= 0.95


@pytest.mark.once
def test_a_student_draws_the_digit_asked_for_in_one_call():
    model = BayesianFlowNetwork.from_preset("bfn_digits_student")
    classes = np.tile(np.arange(10), 20)
    guides = {"condition": classes, "guidance_scale": 2.0}
    samples = model.generate(200, 1, seed=0, batch_size=200, verbose=0, **guides)
    assert fraction_right(samples, classes).min() >= 0.95


MAX_BYTES = 24e9


@pytest.mark.nightly
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
