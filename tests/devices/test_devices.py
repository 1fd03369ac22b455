"""Several devices and several processes give what one device gives on the same batches."""

import os
import socket
import subprocess
import sys

import keras
import numpy as np
import pytest

from keras_bfn import devices
from tests.test_guides import ROOT

BACKEND = keras.backend.backend()
NETWORKS = ("MLP", "UNet", "VDMUNet", "PatchTransformer", "Transformer")
# Keras 3.15 does not train in several processes of TensorFlow (tensorflow/tensorflow#72388).
WAYS = {
    "jax": ("batches", "widths", "processes"),
    "tensorflow": ("batches",),
    "torch": ("processes",),
}[BACKEND]


def start(how, network, path, **environment):
    return subprocess.Popen(
        [sys.executable, "-m", "tests.devices.trajectory", how, network, str(path)],
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


def run(how, network, path):
    """The results of all processes, one after the other."""
    if how != "processes":
        finish([start(how, network, path / "0.npz")])
        return [dict(np.load(path / "0.npz"))]
    address = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    processes = [
        start(how, network, path / f"{rank}.npz", RANK=str(rank), **address) for rank in range(2)
    ]
    finish(processes)
    return [dict(np.load(path / f"{rank}.npz")) for rank in range(2)]


@pytest.mark.slow
@pytest.mark.parametrize("network", NETWORKS)
def test_several_devices_learn_what_one_learns(network, tmp_path):
    (alone,) = run("one", network, tmp_path)
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
            if "nats" not in result:
                continue
            # On TensorFlow the second device draws other noise.
            assert abs(np.mean(result["nats"]) - np.mean(alone["nats"])) < 1.0
            first, second = np.split(result["samples"], 2)
            assert 0.3 < np.mean(first != second) < 0.7
            if how in ("batches", "widths") and BACKEND == "jax":
                np.testing.assert_allclose(result["nats"], alone["nats"], rtol=1e-3)


@pytest.mark.skipif(BACKEND != "torch", reason="for PyTorch")
def test_gradients_are_shared_with_processes_alone():
    with pytest.raises(ValueError, match=r"`torch.distributed` is not initialised"):
        devices.share_gradients(keras.optimizers.Adam())


@pytest.mark.skipif(BACKEND == "torch", reason="for others")
def test_gradients_are_shared_on_pytorch_alone():
    with pytest.raises(RuntimeError, match=f"is for PyTorch.*{BACKEND}"):
        devices.share_gradients(keras.optimizers.Adam())


@pytest.mark.once
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: devices.share_gradients("adam"), "Argument `optimizer` must be a `keras.opt"),
        (lambda: devices.WidthParallel(3), "Argument `device_mesh` must be a `keras.distr"),
    ],
)
def test_what_is_no_optimizer_or_mesh_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
