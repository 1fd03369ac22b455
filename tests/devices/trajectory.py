"""A short run on one device, on several, or in several processes: what `test_devices.py` compares.

    python -m tests.devices.trajectory one|batches|widths|processes NETWORK results.npz [DIRECTORY]

Written are the loss of each step, the code length of held-out examples, and samples; with a
directory to go on from, the loss of each step and the weights alone.
"""

import contextlib
import os
import sys

import keras
import numpy as np

from keras_bfn import BayesianFlowNetwork, callbacks, devices, flows, networks
from tests.injected_noise import noise_of_places
from tests.two_devices import divide_processor

GLOBAL_BATCH, NUM_STEPS = 16, 12
RANK, NUM_PROCESSES = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
BACKEND = os.environ["KERAS_BACKEND"]


def join_processes():
    address = f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}"
    if BACKEND == "jax":
        import jax

        jax.config.update("jax_cpu_collectives_implementation", "gloo")
        jax.distributed.initialize(address, NUM_PROCESSES, RANK)
    elif BACKEND == "torch":
        import torch

        torch.distributed.init_process_group("gloo")


how, network_name, path, *directory = sys.argv[1:]
if how in ("batches", "widths"):
    divide_processor(4 if BACKEND == "jax" else 2)
if how == "processes":
    join_processes()


def distribute():
    """A function that returns the context in which to make a model."""
    if how == "one" or BACKEND == "torch":
        return contextlib.nullcontext
    if BACKEND == "tensorflow":
        import tensorflow as tf

        if how == "processes":
            return tf.distribute.MultiWorkerMirroredStrategy().scope
        return tf.distribute.MirroredStrategy().scope
    if how == "widths":
        mesh = keras.distribution.DeviceMesh((2, 2), ("batch", "model"))
        keras.distribution.set_distribution(devices.WidthParallel(mesh))
    else:
        own = {"auto_shard_dataset": how != "processes"}  # each process has its share
        keras.distribution.set_distribution(keras.distribution.DataParallel(**own))
    return contextlib.nullcontext


NETWORKS = {
    "MLP": lambda flow, shape: networks.MLP(flow, shape, width=32),
    "UNet": lambda flow, shape: networks.UNet(flow, shape, width=16, num_blocks=1),
    "VDMUNet": lambda flow, shape: networks.VDMUNet(flow, shape, width=16, num_blocks=1),
    "PatchTransformer": lambda flow, shape: networks.PatchTransformer(
        flow, shape, width=32, num_layers=2, num_heads=2
    ),
    "Transformer": lambda flow, shape: networks.Transformer(
        flow, shape[:1], width=32, num_layers=2, num_heads=2
    ),
}


def make_model(shape):
    keras.utils.set_random_seed(0)
    flow = flows.DiscreteFlow(2, beta_1=3.0)
    model = BayesianFlowNetwork(
        flow, NETWORKS[network_name](flow, shape), seed=RANK if BACKEND == "torch" else 0
    )
    # Keras 3.15 on TensorFlow clips each device's share of a gradient by itself.
    clipnorm = None if BACKEND == "tensorflow" else 1.0
    optimizer = keras.optimizers.AdamW(3e-3, use_ema=True, clipnorm=clipnorm)
    if how == "processes" and BACKEND == "torch":
        devices.share_gradients(optimizer)
    model.compile(optimizer)
    return model


class Losses(keras.callbacks.Callback):
    """The loss of each step, an epoch each: on TensorFlow, all batches' means are the epoch's."""

    def __init__(self):
        super().__init__()
        self.values = []

    def on_epoch_end(self, epoch, logs=None):
        self.values.append(float(logs["loss"]))


def main():
    scope = distribute()
    shape = (16,) if network_name == "Transformer" else (8, 8, 1)
    x = np.random.default_rng(0).integers(0, 2, (GLOBAL_BATCH, *shape))
    with scope():
        model = make_model(shape)
    share = x
    batch_size = GLOBAL_BATCH
    if how == "processes" and BACKEND != "tensorflow":  # which divides batches itself
        batch_size //= NUM_PROCESSES
        share = x[RANK * batch_size :][:batch_size]
    # JAX draws for all devices at once what it draws on one.
    noise = contextlib.nullcontext() if BACKEND == "jax" else noise_of_places(0.3)
    losses = Losses()
    watching = [losses, *map(callbacks.Resume, directory)]
    with noise:
        options = {"batch_size": batch_size, "epochs": NUM_STEPS, "shuffle": False}
        model.fit(share, **options, verbose=0, callbacks=watching)
    if directory:
        weights = {weight.path: weight.numpy() for weight in model.trainable_variables}
        np.savez(path, losses=[row["loss"] for row in watching[-1].history], **weights)
        return
    results = {"losses": losses.values}
    if how == "widths":
        kernels = [v.value for v in model.network.trainable_variables if len(v.shape) > 1]
        parts = [{str(shard.index) for shard in k.addressable_shards} for k in kernels]
        results["shares"] = [len(of_one) for of_one in parts]
    nats = model.code_length(x, 5, seed=0, num_repeats=20, verbose=0)
    results["nats"] = nats["transmission"] + nats["reconstruction"]
    results["samples"] = model.generate(GLOBAL_BATCH, 10, seed=0, verbose=0)
    # Whatever device an example was on, it comes back in its place.
    assert (model.inpaint(x, known=True, num_steps=2, verbose=0) == x).all()
    if BACKEND == "jax" or RANK == 0:  # on JAX, Keras saves in all processes at once, or in none
        model.save(f"{path}.keras")
        loaded = keras.saving.load_model(f"{path}.keras")
        for one, other in zip(model.network.weights, loaded.network.weights, strict=True):
            np.testing.assert_array_equal(*map(keras.ops.convert_to_numpy, (one, other)))
    np.savez(path, **results)


if __name__ == "__main__":
    main()
