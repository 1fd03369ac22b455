"""Training steps per second on several devices, relative to one.

    KERAS_BACKEND=jax python -m benchmarks.device_scaling --devices 1 2 4

The same batches are divided over several GPUs. Without GPUs, they are divided over several virtual
devices of the CPU, which together compute no faster than one. JAX uses `DataParallel`, TensorFlow
`MirroredStrategy`, and PyTorch one process per device with `share_gradients`.
"""

import argparse
import contextlib
import os
import socket
import statistics
import subprocess
import sys
import time

BACKEND = os.environ.get("KERAS_BACKEND", "tensorflow")
BATCH_SIZE, STEPS = 256, 10


def prepare(num_devices):
    """Sets up devices and communication between processes, before Keras is imported."""
    if BACKEND == "jax":
        os.environ["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={num_devices}"
    elif BACKEND == "tensorflow":
        import tensorflow as tf

        (processor,) = tf.config.list_physical_devices("CPU")
        shares = [tf.config.LogicalDeviceConfiguration()] * num_devices
        tf.config.set_logical_device_configuration(processor, shares)
    elif num_devices > 1:
        os.environ["CUDA_VISIBLE_DEVICES"] = os.environ["RANK"]
        import torch

        torch.distributed.init_process_group("nccl" if torch.cuda.is_available() else "gloo")


def distribute(num_devices):
    """Returns the context in which to make a model, and the function to apply to its optimizer."""
    import keras

    import keras_bfn

    scope, share = contextlib.nullcontext(), keras.optimizers.get
    if BACKEND == "jax":
        devices = keras.distribution.list_devices()[:num_devices]
        keras.distribution.set_distribution(keras.distribution.DataParallel(devices=devices))
    elif BACKEND == "tensorflow":
        import tensorflow as tf

        kind = "GPU" if tf.config.list_physical_devices("GPU") else "CPU"
        devices = [device.name for device in tf.config.list_logical_devices(kind)]
        scope = tf.distribute.MirroredStrategy(devices[:num_devices]).scope()
    elif num_devices > 1:
        share = keras_bfn.devices.share_gradients
    return scope, share


def work(num_devices, rounds):
    """Prints the median number of steps per second."""
    prepare(num_devices)
    import keras
    import numpy as np

    from keras_bfn import BayesianFlowNetwork, flows, networks

    scope, share = distribute(num_devices)
    rank = int(os.environ.get("RANK", 0))
    num_processes = num_devices if BACKEND == "torch" else 1
    keras.utils.set_random_seed(0)
    x = np.random.default_rng(0).integers(0, 2, (STEPS * BATCH_SIZE, 8, 8, 1))
    x = x[rank::num_processes]
    with scope:
        flow = flows.DiscreteFlow(2, beta_1=3.0)
        network = networks.MLP(flow, (8, 8, 1), width=512, num_blocks=2)
        model = BayesianFlowNetwork(flow, network, seed=rank)
        model.compile(share(keras.optimizers.AdamW(1e-3)))
    rates = []
    for _ in range(rounds + 1):
        start = time.perf_counter()
        model.fit(x, batch_size=BATCH_SIZE // num_processes, verbose=0)
        rates.append(STEPS / (time.perf_counter() - start))
    if rank == 0:
        print(statistics.median(rates[1:]))


def measure(num_devices, rounds):
    """Returns steps per second, measured in new processes: one, or on PyTorch one per device."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = str(one.getsockname()[1])
    num_processes = num_devices if BACKEND == "torch" else 1
    own = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": str(num_processes)}
    command = [sys.executable, "-m", "benchmarks.device_scaling", "--work", str(num_devices)]
    command += ["--rounds", str(rounds)]
    processes = [
        subprocess.Popen(
            command,
            env={**os.environ, **own, "RANK": str(rank)},
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in range(num_processes)
    ]
    printed = [process.communicate()[0] for process in processes]
    if any(process.returncode for process in processes):
        raise SystemExit(f"{BACKEND} on {num_devices} devices failed")
    return float(printed[0].splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--devices", type=int, nargs="+", default=(1, 2, 4))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--work", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.work:
        work(args.work, args.rounds)
        return
    print(f"{BACKEND}, batches of {BATCH_SIZE}\ndevices  steps/second    over {args.devices[0]}")
    first = None
    for num_devices in args.devices:
        rate = measure(num_devices, args.rounds)
        first = first or rate
        print(f"{num_devices:<9}{rate:<16.2f}{rate / first:.2f}", flush=True)


if __name__ == "__main__":
    main()
