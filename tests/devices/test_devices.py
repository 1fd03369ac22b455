"""Several devices and several processes give what one device gives on the same batches."""

import json
import os
import signal
import socket
import subprocess
import sys
import time

import keras
import numpy as np
import pytest

from keras_bfn import devices
from tests.test_guides import ROOT

BACKEND = keras.backend.backend()
NETWORKS = ("MLP", "UNet", "VDMUNet", "PatchTransformer", "Transformer")
slow, nightly = pytest.mark.slow, pytest.mark.nightly
WAYS = {
    "jax": ("batches", "widths", "processes"),
    "tensorflow": ("batches", "processes"),
    "torch": ("processes",),
}[BACKEND]


def start(*arguments, **environment):
    return subprocess.Popen(
        [sys.executable, "-m", "tests.devices.trajectory", *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(processes):
    for process in processes:
        printed, _ = process.communicate(timeout=500)
        assert process.returncode == 0, printed[-3000:]


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def start_two(network, path, *directory):
    """Starts two processes that find each other in the way of the backend."""
    ports = free_port(), free_port()
    own = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(ports[0])}
    workers = [f"127.0.0.1:{port}" for port in ports]
    started = []
    for rank in range(2):
        own["RANK"] = str(rank)
        if BACKEND == "tensorflow":
            task = {"type": "worker", "index": rank}
            own["TF_CONFIG"] = json.dumps({"cluster": {"worker": workers}, "task": task})
        started.append(start("processes", network, path / f"{rank}.npz", *directory, **own))
    return started


def run(how, network, path):
    """The results of all processes, one after the other."""
    processes = start_two(network, path) if how == "processes" else []
    finish(processes or [start(how, network, path / "0.npz")])
    return [dict(np.load(path / f"{rank}.npz")) for rank in range(len(processes) or 1)]


@pytest.mark.parametrize(
    "network",
    [
        pytest.param(name, marks=slow if name == "MLP" and BACKEND != "tensorflow" else nightly)
        for name in NETWORKS
    ],
)
def test_several_devices_learn_what_one_learns(network, tmp_path):
    (alone,) = run("one", network, tmp_path)
    if BACKEND != "jax":  # where each step has other noise
        assert alone["losses"][-1] < alone["losses"][0]
    for how in WAYS:
        results = run(how, network, tmp_path)
        losses = np.mean([result["losses"] for result in results], axis=0)
        difference = np.abs(losses - alone["losses"]).max()
        print(f"{network}, {how}: losses differ by {difference:.1e}", flush=True)
        np.testing.assert_allclose(losses, alone["losses"], atol=1e-4, err_msg=how)
        if how == "widths":
            assert np.mean(results[0]["shares"] == 2) > 0.6
        for result in results:
            # On TensorFlow the second device draws other noise.
            assert abs(np.mean(result["nats"]) - np.mean(alone["nats"])) < 1.0
            first, second = np.split(result["samples"], 2)
            assert 0.3 < np.mean(first != second) < 0.7
            if how in ("batches", "widths") and BACKEND == "jax":
                np.testing.assert_allclose(result["nats"], alone["nats"], rtol=1e-3)


@(slow if BACKEND == "torch" else nightly)
def test_processes_that_were_killed_go_on_with_the_same_epoch(tmp_path):
    states = []
    for is_killed in (False, True):
        directory = tmp_path / str(is_killed)
        processes = start_two("MLP", tmp_path, directory)
        if is_killed:
            while not (directory / "process-1" / "checkpoint-000005.npz").exists():
                assert processes[1].poll() is None, processes[1].communicate()[0][-3000:]
                time.sleep(0.001)
            for process in processes:
                process.kill()
                process.communicate()
            assert [process.returncode for process in processes] == [-signal.SIGKILL] * 2
            kept = [max(path.glob("*.npz")) for path in (directory, directory / "process-1")]
            if kept[0].name == kept[1].name:  # as if one had been killed before it had kept this
                kept[1].unlink()
            processes = start_two("MLP", tmp_path, directory)
        finish(processes)
        states.append([dict(np.load(tmp_path / f"{rank}.npz")) for rank in range(2)])
    for whole, resumed in zip(*states, strict=True):
        assert whole.keys() == resumed.keys()
        assert len(whole["losses"]) == 12
        for name, values in whole.items():
            np.testing.assert_array_equal(values, resumed[name])


@pytest.mark.skipif(BACKEND != "torch", reason="for PyTorch")
def test_gradients_are_shared_with_processes_alone():
    with pytest.raises(ValueError, match=r"`torch.distributed` is not initialised"):
        devices.share_gradients(keras.optimizers.Adam())


@pytest.mark.skipif(BACKEND == "torch", reason="for others")
def test_gradients_are_shared_on_pytorch_alone():
    with pytest.raises(RuntimeError, match=f"requires PyTorch.*{BACKEND}"):
        devices.share_gradients(keras.optimizers.Adam())
