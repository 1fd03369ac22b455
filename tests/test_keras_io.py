"""The example in the form of keras.io: its numbers are the package's, and it runs to its end."""

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

PATH = ROOT / "examples" / "keras_io" / "bayesian_flow_network.py"
TEXT = PATH.read_text()
SMALL = {"width": 8, "num_blocks": 1, "num_epochs": 1, "batch_size": 16}


@pytest.fixture
def run(monkeypatch):
    """Runs the example, or its beginning, at a small size, and returns the names that it defines.

    Random pixels are in the place of MNIST.
    """

    def run(text):
        for name, size in SMALL.items():
            text, found = re.subn(rf"^{name} = \d+", f"{name} = {size}", text, flags=re.M)
            assert found == 1, name
        images = np.random.default_rng(0).integers(0, 256, (256, 28, 28)).astype("uint8")
        data = (images[:32], None), (images, None)
        monkeypatch.setattr(keras.datasets.mnist, "load_data", lambda: data)
        monkeypatch.setenv("KERAS_BACKEND", keras.backend.backend())
        names = {}
        exec(compile(text, PATH, "exec"), names)
        return names

    return run


def test_messages_losses_and_steps_are_those_of_the_package(run, monkeypatch):
    for name in ("matplotlib", "matplotlib.pyplot"):  # which is slow
        monkeypatch.setitem(sys.modules, name, mock.MagicMock())
    example = run(TEXT.partition('"""\n## Training')[0])
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


@pytest.mark.slow
def test_it_runs_to_its_end(run, capsys):
    pytest.importorskip("matplotlib").use("Agg")
    images = run(TEXT.replace("num_steps=100", "num_steps=5"))["images"]
    assert images.shape == (32, 28, 28, 1)
    assert set(np.unique(images)) <= {0.0, 1.0}
    nats = [float(n) for n in re.findall(r"^Nats .*: ([\d.]+)$", capsys.readouterr().out, re.M)]
    assert len(nats) == 2
    # Pixels at random are log(2) each, and a network that says nothing is right.
    assert sum(nats) == pytest.approx(28 * 28 * np.log(2.0), rel=0.15)


@pytest.mark.once
def test_it_has_the_form_of_keras_io():
    lines = TEXT.splitlines()
    assert len(lines) < 300
    assert max(map(len, lines)) <= 88
    assert [line.split(": ")[0] for line in lines[1:7]] == HEADER
    sections = re.findall(r"^## (.*)$", TEXT, re.M)
    assert [*sections[:2], sections[-1]] == ["Introduction", "Setup", "Conclusion"]
    assert "keras_bfn" not in "\n".join(lines[8:])  # it stands alone
