"""Training over several devices, as Keras spreads it on JAX and on TensorFlow."""

import os
import re
import subprocess
import sys
import types

import keras
import numpy as np
import pytest

from tests.models.small import FLOWS, make_data, make_model
from tests.test_guides import ROOT

IS_TORCH = keras.backend.backend() == "torch"
distributes = pytest.mark.skipif(IS_TORCH, reason="Keras does not distribute on torch")
TINY = ("--preset", "tiny", "--data", "embedded", "--output", "run", "--distribute")


def run_on_two_devices(path, *arguments, cwd):
    """Runs a script in a process of its own and returns what it printed."""
    result = subprocess.run(
        [sys.executable, str(ROOT / "tests" / "two_devices.py"), str(path), *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    return result.stdout


@pytest.mark.slow_to_compile
def test_any_number_is_scored_and_sampled_in_batches_that_devices_can_share(monkeypatch):
    four = types.SimpleNamespace(num_model_replicas=4)
    monkeypatch.setattr(keras.distribution, "distribution", lambda: four)
    sizes = []

    def note(predict):
        def predict_and_note(program, x, batch_size=None, **kwargs):
            sizes.append(batch_size or x.batch_size)
            return predict(program, x, batch_size=batch_size, **kwargs)

        return predict_and_note

    monkeypatch.setattr(keras.Model, "predict", note(keras.Model.predict))
    flow = FLOWS["binary"]()
    model, x = make_model(flow), make_data(flow, 5)
    assert len(model.code_length(x, 3, batch_size=2, verbose=0)["transmission"]) == 5
    assert len(model.generate(5, 2, verbose=0)) == 5
    assert len(model.encode(x, 2, verbose=0)) == 5
    assert sizes == [4, 8, 8]


@pytest.mark.slow
@distributes
def test_over_two_devices_training_resumes_to_the_bit_and_every_number_is_scored(tmp_path):
    script = ROOT / "tests" / "models" / "distributed.py"
    printed = run_on_two_devices(script, tmp_path, cwd=tmp_path)
    assert "Resuming after epoch 1" in printed
    assert printed.splitlines()[-2:] == ["Code lengths: 5", "Samples: 3"]
    added = re.search(r"^Losses: (\S+) (\S+)$", printed, re.MULTILINE).groups()
    assert all(1000 < float(loss) < 1010 for loss in added)
    with np.load(tmp_path / "alone.npz") as alone, np.load(tmp_path / "resumed.npz") as resumed:
        assert alone.files == resumed.files
        for name in alone.files:
            np.testing.assert_array_equal(alone[name], resumed[name])


@(pytest.mark.slow if keras.backend.backend() == "jax" else pytest.mark.nightly)
@distributes
def test_an_experiment_runs_over_two_devices_with_three_images_to_validate(tmp_path):
    script = ROOT / "examples" / "mnist.py"
    arguments = (*TINY, "--test-examples", "5", "--repeats", "1")
    printed = run_on_two_devices(script, *arguments, cwd=tmp_path)
    assert "val_nats_per_example" in printed
    assert len(re.findall(r"^(?:\d+|continuous) +[\d.]+ +[\d.]+$", printed, re.MULTILINE)) == 5


@pytest.mark.skipif(not IS_TORCH, reason="Keras distributes on JAX and TensorFlow")
def test_an_experiment_says_how_processes_are_started(refusal):
    message = refusal(ROOT / "examples" / "mnist.py", *TINY)
    assert re.search(r"--distribute: PyTorch .* `torchrun --nproc-per-node N ", message)


@pytest.mark.slow
@pytest.mark.skipif(not IS_TORCH, reason="Keras distributes on JAX and TensorFlow")
def test_an_experiment_runs_in_two_processes_and_goes_on(tmp_path):
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    arguments = (*TINY, "--test-examples", "5", "--repeats", "1", "--epochs", "1")
    for _ in range(2):
        result = subprocess.run(
            [*command, str(ROOT / "examples" / "mnist.py"), *arguments],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
        )
        assert result.returncode == 0, result.stderr[-3000:]
        # The first process alone reports.
        assert len(re.findall(r"^continuous +[\d.]+ +[\d.]+$", result.stdout, re.MULTILINE)) == 1
    assert result.stdout.count("Resuming after epoch 1") == 2
    assert (tmp_path / "run" / "process-1" / "checkpoint-000001.npz").exists()
