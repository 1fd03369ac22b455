"""
Title: Several devices
Author: The keras_bfn authors
Date created: 2026/11/26
Last modified: 2026/11/27
Description: One model over several GPUs or hosts, on each backend.
Accelerator: None
"""

"""
## Introduction

What several devices learn from a batch is what one device would learn from it. How a batch is
divided among them is the backend's own affair:

| backend | batches are divided by | weights, too, by | several hosts |
|---|---|---|---|
| JAX | `keras.distribution.DataParallel` | `keras_bfn.devices.WidthParallel` | a process each |
| TensorFlow | `tf.distribute.MirroredStrategy` | | `MultiWorkerMirroredStrategy` |
| PyTorch | processes and `keras_bfn.devices.share_gradients` | | a process each |

This guide runs on as many devices as there are, be it one. To try it without GPUs, let JAX take the
processor for four devices:

```shell
XLA_FLAGS=--xla_force_host_platform_device_count=4 KERAS_BACKEND=jax python several_devices.py
```
"""

import contextlib
import os

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
import numpy as np

import keras_bfn

images = np.random.default_rng(0).integers(0, 2, (256, 8, 8, 1))


def make_model(seed=0):
    keras.utils.set_random_seed(0)  # the same weights everywhere
    flow = keras_bfn.flows.DiscreteFlow(num_classes=2, beta_1=3.0)
    network = keras_bfn.networks.MLP(flow, event_shape=(8, 8, 1), width=64, num_blocks=1)
    return keras_bfn.BayesianFlowNetwork(flow, network, seed=seed)


"""
## JAX

All variables are laid out over the devices when they are made: the distribution is set first.
`WidthParallel` takes a mesh of two axes, and divides the kernels of any network by their width, and
with them what the optimizer keeps. JAX draws the noise for all devices as if they were one: losses
and samples are those of one device, but for rounding.
"""

scope = contextlib.nullcontext()
num_devices = 1
if keras.backend.backend() == "jax":
    devices = keras.distribution.list_devices()
    num_devices = len(devices)
    mesh = keras.distribution.DeviceMesh((num_devices, 1), ("batch", "model"), devices)
    keras.distribution.set_distribution(keras_bfn.devices.WidthParallel(mesh))

"""
Of a network that is too large for one device, a mesh of `(num_devices // 4, 4)` leaves a quarter of
each kernel on each.

On a pod or a cluster, the same script runs on every host, begins with
`keras.distribution.initialize()`, sets `keras.distribution.DataParallel(auto_shard_dataset=False)`
in the place of `WidthParallel`, and gives `fit` the host's share of each batch; without that
argument, a whole `tf.data.Dataset`. The
seeds are the same on all hosts. All call `generate` and `code_length` at once, too, and each gets
what it asked for: samples, or nats of data, of its own.

## TensorFlow

A model that is made in a strategy's scope is trained, scored and sampled by all its devices. They
draw different noise: the noise of the first is that of a model on one device. Where an optimizer
clips gradients, Keras 3.15 clips each device's share by itself, before they are added: of two
devices, each share is half of a mean, and seldom longer than the limit.

Over several hosts, the same script runs on every host, with the addresses of all in the
environment variable `TF_CONFIG`, as `tf.distribute.MultiWorkerMirroredStrategy` reads it, which is
made before anything is computed. `fit` takes the whole batch and divides it; `generate` and
`code_length` give all hosts the whole of the result.
"""

if keras.backend.backend() == "tensorflow":
    import tensorflow as tf

    if "TF_CONFIG" in os.environ:
        strategy = tf.distribute.MultiWorkerMirroredStrategy()
    else:
        strategy = tf.distribute.MirroredStrategy()
    scope = strategy.scope()
    num_devices = strategy.num_replicas_in_sync

"""
## PyTorch

Keras 3.15 does not distribute on PyTorch. A process for each GPU does:

```shell
KERAS_BACKEND=torch torchrun --nproc-per-node 4 several_devices.py
```

`share_gradients` lets the optimizer of each process take the mean of all gradients. Models that
begin alike stay alike so; their noise should differ, and the data, of which each process takes a
share.
"""

rank = 0
share_gradients = keras.optimizers.get  # leaves an optimizer as it is
if keras.backend.backend() == "torch" and "WORLD_SIZE" in os.environ:
    import torch

    torch.distributed.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    rank, num_devices = torch.distributed.get_rank(), torch.distributed.get_world_size()
    share_gradients = keras_bfn.devices.share_gradients
    images = images[rank::num_devices]

"""
(With CUDA, let each process see its own card: `CUDA_VISIBLE_DEVICES=$LOCAL_RANK`, set before Keras
is imported.)

## The same from here on

`batch_size` is that of all devices together. Where each process has a share of its own to fit, on
PyTorch and on hosts of JAX, it is that of one process: with four, a step sees four times as many.
"""

with scope:
    model = make_model(seed=rank)
    model.compile(share_gradients(keras.optimizers.AdamW(1e-3, use_ema=True)))
model.fit(images, batch_size=64, epochs=2, verbose=2 if rank == 0 else 0)

samples = model.generate(4 * num_devices, num_steps=10, seed=rank, verbose=0)
nats = model.code_length(images[:16], num_steps=10, seed=0, verbose=0)
print(num_devices, "devices,", len(samples), "samples,", nats["transmission"].mean(), "nats")

"""
## Runs that are killed

With `keras_bfn.callbacks.Resume`, each process keeps its own state. When all are started again, all
go on with the same epoch: the first that one of them had not finished.

On PyTorch one process saves for all: `if rank == 0: model.save("model.keras")`. So it is on
TensorFlow, but there `rank` is 0 on every host of this script: take the worker's `index` from
`TF_CONFIG`. On JAX all processes call `save` at once, as Keras wants it: a `.keras` file may have
one path for all; a preset, which is a folder, needs a path for each.
"""
