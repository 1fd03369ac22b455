"""The examples in the form of keras.io: their numbers are the package's, and they run."""

import re
import sys
from unittest import mock

import keras
import numpy as np
import pytest
from keras import ops

import keras_bfn
from tests.tensors import to_numpy
from tests.test_guides import HEADER, ROOT

FOLDER = ROOT / "examples" / "keras_io"
IMAGES, LETTERS = (
    (FOLDER / f"{name}.py").read_text()
    for name in ("bayesian_flow_network", "bayesian_flow_network_letters")
)
SMALL = {"width": 8, "num_blocks": 1, "num_epochs": 1, "batch_size": 16}
BEFORE_TRAINING = '"""\n## Training'


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Runs an example, or its beginning, at a small size, and returns the names that it defines.

    Random pixels are in the place of MNIST, and random words in that of Shakespeare's.
    """

    def run(text):
        for name, size in SMALL.items():
            text, found = re.subn(rf"^{name} = \d+", f"{name} = {size}", text, flags=re.M)
            assert found == 1, name
        rng = np.random.default_rng(0)
        images = rng.integers(0, 256, (256, 28, 28)).astype("uint8")
        data = (images[:32], None), (images, None)
        monkeypatch.setattr(keras.datasets.mnist, "load_data", lambda: data)
        path = tmp_path / "shakespeare.txt"
        words = ["".join(word) for word in rng.choice(list("abcd"), (400, 8))]
        path.write_text("O, all's " + " ".join(words) + " incomprehensible!", encoding="utf-8")
        monkeypatch.setattr(keras.utils, "get_file", lambda *names: path)
        monkeypatch.setenv("KERAS_BACKEND", keras.backend.backend())
        names = {}
        exec(compile(text, FOLDER, "exec"), names)
        return names

    return run


@pytest.fixture
def without_pictures(monkeypatch):
    for name in ("matplotlib", "matplotlib.pyplot"):  # which is slow
        monkeypatch.setitem(sys.modules, name, mock.MagicMock())


@pytest.mark.usefixtures("without_pictures")
def test_messages_losses_and_steps_are_those_of_the_package(run, monkeypatch):
    example = run(IMAGES.partition(BEFORE_TRAINING)[0])
    flow = keras_bfn.flows.DiscreteFlow(2, beta_1=example["final_accuracy"])
    rng = np.random.default_rng(0)
    images = rng.integers(0, 2, (4, 28, 28, 1)).astype("float32")
    time = ops.convert_to_tensor([0.0, 0.3, 0.7, 1.0])
    noise = ops.convert_to_tensor(rng.normal(size=(4, 28, 28, 1, 2)).astype("float32"))
    # That of the log odds, in units of its standard deviation.
    monkeypatch.setattr(
        keras.random, "normal", lambda shape, seed: 0.5**0.5 * (noise[..., 1] - noise[..., 0])
    )

    s = flow.receive(flow.embed(images), flow.schedule.beta(time), noise)
    accuracy = ops.reshape(example["total_accuracy"](time), (-1, 1, 1, 1))
    log_odds = to_numpy(example["draw_message"](images, accuracy, None))
    np.testing.assert_allclose(log_odds, to_numpy(s[..., 1] - s[..., 0]), atol=1e-4)

    prediction = ops.convert_to_tensor(rng.normal(size=images.shape).astype("float32"))
    by_package = keras_bfn.Prediction(time, s, None, prediction[..., None])
    model = example["BayesianFlowNetwork"](example["build_network"]())
    losses = keras_bfn.losses.ContinuousTimeLoss()(flow, images, by_package)
    x = ops.convert_to_tensor(images)  # as `fit` gives them
    found = model.compute_loss(x, None, (prediction, time))
    assert to_numpy(found) == pytest.approx(np.sum(to_numpy(losses)) / 4, rel=1e-5)
    losses = keras_bfn.losses.ReconstructionLoss()(flow, images, by_package)
    monkeypatch.setattr(model, "predict_images", lambda images, time: prediction)
    found = model.reconstruction_loss(images)
    assert to_numpy(found) == pytest.approx(np.sum(to_numpy(losses)) / 4, rel=1e-5)

    for about in (ops.convert_to_tensor(images), ops.sigmoid(prediction)):  # both samplers
        step = flow.receive(ops.stack([1.0 - about, about], axis=-1), 0.5, noise)
        message = to_numpy(example["draw_message"](about, 0.5, None))
        np.testing.assert_allclose(message, to_numpy(step[..., 1] - step[..., 0]), atol=1e-4)


@pytest.mark.usefixtures("without_pictures")
@pytest.mark.once
def test_letters_have_the_messages_losses_and_beliefs_of_the_package(run, monkeypatch):
    example = run(LETTERS.partition(BEFORE_TRAINING)[0])
    num_classes, length = example["num_classes"], example["max_length"]
    flow = keras_bfn.flows.DiscreteFlow(num_classes, beta_1=example["final_accuracy"])
    rng = np.random.default_rng(0)
    words = rng.integers(0, num_classes, (4, length)).astype("int32")
    time = ops.convert_to_tensor([0.0, 0.3, 0.7, 1.0])
    noise = ops.convert_to_tensor(rng.normal(size=(*words.shape, num_classes)).astype("float32"))
    monkeypatch.setattr(keras.random, "normal", lambda shape, seed: noise)

    s = flow.receive(flow.embed(words), flow.schedule.beta(time), noise)
    accuracy = ops.reshape(example["total_accuracy"](time), (-1, 1, 1))
    logits = example["draw_message"](ops.one_hot(words, num_classes), accuracy, None)
    theirs, ours = to_numpy(ops.softmax(logits)), to_numpy(ops.softmax(s))
    np.testing.assert_allclose(theirs, ours, atol=1e-5)

    prediction = ops.convert_to_tensor(rng.normal(size=noise.shape).astype("float32"))
    by_package = keras_bfn.Prediction(time, s, None, prediction)
    model = example["BayesianFlowNetwork"](example["build_network"]())
    x = ops.convert_to_tensor(words)
    found = to_numpy(model.compute_loss(x, None, (prediction, time)))
    losses = to_numpy(keras_bfn.losses.ContinuousTimeLoss()(flow, words, by_package))
    assert found == pytest.approx(np.sum(losses) / 4, rel=1e-5)
    monkeypatch.setattr(model, "predict_words", lambda words, time: prediction)
    losses = to_numpy(keras_bfn.losses.ReconstructionLoss()(flow, words, by_package))
    assert to_numpy(model.reconstruction_loss(x)) == pytest.approx(np.sum(losses) / 4, rel=1e-5)


@pytest.mark.usefixtures("without_pictures")
@pytest.mark.once
def test_words_are_those_of_three_to_ten_letters_and_none_is_in_both_parts(run):
    example = run(LETTERS.partition(BEFORE_TRAINING)[0])
    train, test = (example["decode"](example[name]) for name in ("train_words", "test_words"))
    assert "all" in train + test  # of one letter and of more than ten, there are none
    assert {len(word) for word in train + test} <= {3, 8}
    assert not set(train) & set(test)
    assert len(test) == len(train + test) // 10


@pytest.mark.slow
def test_images_run_to_their_end(run, capsys):
    pytest.importorskip("matplotlib").use("Agg")
    images = run(IMAGES.replace("num_steps=100", "num_steps=5"))["images"]
    assert images.shape == (32, 28, 28, 1)
    assert set(np.unique(images)) <= {0.0, 1.0}
    nats = [float(n) for n in re.findall(r"^Nats .*: ([\d.]+)$", capsys.readouterr().out, re.M)]
    assert len(nats) == 2
    # Pixels at random are log(2) each, and a network that says nothing is right.
    assert sum(nats) == pytest.approx(28 * 28 * np.log(2.0), rel=0.15)


@pytest.mark.slow
def test_letters_run_to_their_end(run, capsys):
    pytest.importorskip("matplotlib").use("Agg")
    example = run(LETTERS.replace("num_steps=50", "num_steps=10").replace("[::10]", "[::2]"))
    assert example["words"].shape == (60, 10)
    bits = [float(n) for n in re.findall(r"^Bits .*: ([\d.]+)$", capsys.readouterr().out, re.M)]
    # A network that has learnt nothing needs as many for each of ten characters of eight letters.
    ignorant = np.log2(example["num_classes"]) * 10 / 8
    # Letters at random among four are two bits each.
    assert bits == [pytest.approx(ignorant, rel=0.1), pytest.approx(2.0, abs=0.2)]


@pytest.mark.once
@pytest.mark.parametrize("text", [IMAGES, LETTERS])
def test_they_have_the_form_of_keras_io(text):
    lines = text.splitlines()
    assert len(lines) < 300
    assert max(map(len, lines)) <= 88
    assert [line.split(": ")[0] for line in lines[1:7]] == HEADER
    sections = re.findall(r"^## (.*)$", text, re.M)
    assert [*sections[:2], sections[-1]] == ["Introduction", "Setup", "Conclusion"]
    assert "keras_bfn" not in "\n".join(lines[8:])  # they stand alone
