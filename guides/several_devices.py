"""
Title: Several devices
Author: The keras_bfn authors
Date created: 2026/11/26
Last modified: 2026/11/28
Description: Train one model on several GPUs or hosts, on each backend.
Accelerator: None
"""

"""
## Introduction

In this guide we write a script that trains, samples and scores one model on all devices
of a machine, on each backend. We also show what to change for several hosts.

The backend divides each batch among the devices. A training step learns from the whole
batch, as it would on one device:

| backend | batches are divided by | weights are also divided by | several hosts |
|---|---|---|---|
| JAX | `keras.distribution.DataParallel` | `keras_bfn.devices.WidthParallel` | a process per host |
| TensorFlow | `tf.distribute.MirroredStrategy` | | `MultiWorkerMirroredStrategy` |
| PyTorch | processes and `keras_bfn.devices.share_gradients` | | a process per GPU |

The guide runs on any number of devices, including one. To try it without GPUs, let JAX
treat the CPU as four devices:

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
    network = keras_bfn.networks.MLP(
        flow, event_shape=(8, 8, 1), width=64, num_blocks=1
    )
    return keras_bfn.BayesianFlowNetwork(flow, network, seed=seed)


"""
## JAX

Set the distribution before you make the model, because variables are placed on the
devices when they are created. `WidthParallel` takes a mesh with two axes, one for the
batch and one for the weights. It divides the kernels of any network by their width, and
likewise the optimizer's variables for these kernels. JAX generates the noise for all
devices as if they were one, so losses and samples equal those of one device up to
rounding.
"""

scope = contextlib.nullcontext()
num_devices = 1
if keras.backend.backend() == "jax":
    devices = keras.distribution.list_devices()
    num_devices = len(devices)
    mesh = keras.distribution.DeviceMesh((num_devices, 1), ("batch", "model"), devices)
    keras.distribution.set_distribution(keras_bfn.devices.WidthParallel(mesh))

"""
For a network that is too large for one device, use a mesh of shape `(num_devices // 4,
4)`: each device then holds a quarter of each kernel.

On a pod or a cluster, run the same script on every host. Begin the script with
`keras.distribution.initialize()`, and use
`keras.distribution.DataParallel(auto_shard_dataset=False)` instead of `WidthParallel`.
Give `fit` the host's part of each batch. (Without `auto_shard_dataset=False`, give
`fit` a whole `tf.data.Dataset`.) The seeds are the same on all hosts. All hosts must
also call `generate` and `code_length` together. Each host receives its own result: its
samples, or the nats of its data.

## TensorFlow

Create the model in the scope of a strategy. Training, sampling and scoring then use all
devices of the strategy. Each device draws different noise; the first device draws the
noise that a model on one device would draw. If an optimizer clips gradients, Keras 3.15
clips each device's gradient before it adds them up. With two devices, each gradient is
already halved at this point, so it rarely exceeds the limit.

For several hosts, run the same script on every host.
`tf.distribute.MultiWorkerMirroredStrategy` reads the addresses of all hosts, and the
index of this host, from the environment variable `TF_CONFIG`. Create the strategy
before any computation. `fit` takes the whole batch and divides it. `generate` and
`code_length` return the whole result on every host.
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

Keras 3.15 does not distribute on PyTorch. Start one process for each GPU instead:

```shell
KERAS_BACKEND=torch torchrun --nproc-per-node 4 several_devices.py
```

`share_gradients` makes the optimizer of each process use the mean of the gradients of
all processes. Models with the same initial weights therefore stay the same. Give each
process its own noise (a seed) and its own part of the data.
"""

rank = 0
share_gradients = keras.optimizers.get  # returns an optimizer unchanged
if keras.backend.backend() == "torch" and "WORLD_SIZE" in os.environ:
    import torch

    torch.distributed.init_process_group(
        "nccl" if torch.cuda.is_available() else "gloo"
    )
    rank, num_devices = torch.distributed.get_rank(), torch.distributed.get_world_size()
    share_gradients = keras_bfn.devices.share_gradients
    images = images[rank::num_devices]

"""
With CUDA, let each process see only its own GPU. Before Keras is imported, write
`os.environ["CUDA_VISIBLE_DEVICES"] = os.environ["LOCAL_RANK"]`.

## Common to all backends

`batch_size` is the total over all devices, with one exception: on PyTorch and on
several hosts of JAX, each process fits its own part of the data, and `batch_size` is
the batch of one process. With four processes, a step then sees four times as many
examples.
"""

with scope:
    model = make_model(seed=rank)
    model.compile(share_gradients(keras.optimizers.AdamW(1e-3, use_ema=True)))
model.fit(images, batch_size=64, epochs=2, verbose=2 if rank == 0 else 0)

samples = model.generate(4 * num_devices, num_steps=10, seed=rank, verbose=0)
nats = model.code_length(images[:16], num_steps=10, seed=0, verbose=0)
print(
    num_devices,
    "devices,",
    len(samples),
    "samples,",
    nats["transmission"].mean(),
    "nats",
)

"""
## Interrupted runs

With `keras_bfn.callbacks.Resume`, each process saves its own state. After an
interruption, restart all processes. They all continue with the first epoch that any of
them had not finished.

On PyTorch, one process saves for all: `if rank == 0: model.save("model.keras")`. On
TensorFlow, one host saves for all. But `rank` is 0 on every host of this script: use
the worker's `index` from `TF_CONFIG` instead. On JAX, all processes must call `save`
together, as Keras requires. They may all save a `.keras` file to the same path. A
preset is a folder, and each process needs a path of its own for it.
"""
