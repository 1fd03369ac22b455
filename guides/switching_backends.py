"""
Title: Switching backends
Author: The keras_bfn authors
Date created: 2026/11/24
Last modified: 2026/11/28
Description: Train, save and load one Bayesian Flow Network on TensorFlow, JAX and PyTorch.
Accelerator: None
"""

"""
## Introduction

In this guide we choose a backend, feed a model from a data pipeline, and check that a
saved model gives the same samples on every backend that is installed. The last section
lists what makes each backend faster.

keras_bfn is written in `keras.ops`, so the same model trains on TensorFlow, JAX and
PyTorch. Choose the backend before Keras is imported, with an environment variable:

```shell
KERAS_BACKEND=jax python my_script.py
```

or in the first lines of the script:
"""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")

import importlib.util
import pathlib
import subprocess
import sys

import keras
import numpy as np

import keras_bfn

print("This runs on", keras.backend.backend())

"""
## Any pipeline feeds any backend

`fit` takes the same data as in Keras, on every backend: NumPy arrays, a
`tf.data.Dataset`, a PyTorch `DataLoader`, or a `keras.utils.PyDataset`. A pipeline
yields batches of the data alone, because a Bayesian Flow Network has no targets.

Here each example is a pair of numbers in [-1, 1], a point on a circle. Every epoch
samples new points.
"""


class Circle(keras.utils.PyDataset):
    num_batches = 20

    def __init__(self, batch_size, **kwargs):
        super().__init__(**kwargs)
        self.batch_size = batch_size
        self.rng = np.random.default_rng(0)

    def __getitem__(self, index):
        angle = self.rng.uniform(0, 2 * np.pi, (self.batch_size, 1))
        return 0.8 * np.concatenate([np.cos(angle), np.sin(angle)], axis=-1).astype(
            "float32"
        )


"""
Each item above is an array. Do not yield pairs, which Keras reads as `(data, targets)`.
For a conditional model, yield `((data, condition),)`: a tuple whose only element is a
pair.
"""

keras.utils.set_random_seed(0)
flow = keras_bfn.flows.ContinuousFlow(sigma_1=0.05)
network = keras_bfn.networks.MLP(flow, event_shape=(2,), width=64, num_blocks=2)
model = keras_bfn.BayesianFlowNetwork(flow, network, seed=0)
model.compile(optimizer=keras.optimizers.Adam(2e-3, use_ema=True, ema_momentum=0.98))
model.fit(Circle(batch_size=256), epochs=15, verbose=2)

"""
The samples lie on the circle:
"""

points = model.generate(500, num_steps=50, batch_size=500, seed=0, verbose=0)
radius = np.linalg.norm(points, axis=-1)
print(f"Radius of the samples: {radius.mean():.3f} +- {radius.std():.3f}")

"""
## What stays the same, and what differs

A `.keras` file written on one backend loads on the others. With the same noise, the
loaded model gives the same loss, code lengths and samples, to float32 precision. But
random numbers differ between backends: equal seeds give the same noise only on the same
backend.

So to check a model on another backend, do not compare samples or code lengths of one
seed. Code lengths agree within their errors, which fall with `num_repeats`; those of an
`AnyOrderNetwork` from left to right have no noise, and are equal to float32 precision.
Compare samples of the same *latents*: `generate(latents=...)` draws no noise (its
sampler is `ODE2Sampler(spacing="log_beta")`), and `encode` returns the latents of given
data. We save the model and the latents of five points, and run a script on each
installed backend. It loads the model, and generates from the latents and from a seed.
For new samples, draw the latents yourself: normal noise times `np.sqrt(flow.gain)`, of
shape `(num, *model.event_shape, flow.embedding_size)`.
"""

latents = model.encode(points[:5], num_steps=50, verbose=0)
here = model.generate(5, num_steps=50, latents=latents, verbose=0)
model.save("circle.keras")
np.save("latents.npy", latents)

pathlib.Path("check.py").write_text("""
import keras
import numpy as np

import keras_bfn

model = keras.saving.load_model("circle.keras")
by_latents = model.generate(
    5, num_steps=50, latents=np.load("latents.npy"), verbose=0
)
by_seed = model.generate(5, num_steps=50, seed=0, verbose=0)
np.savez(keras.backend.backend(), by_latents=by_latents, by_seed=by_seed)
""")

generated = {}
for backend in ("tensorflow", "jax", "torch"):
    if importlib.util.find_spec(backend) is not None:
        environment = os.environ | {"KERAS_BACKEND": backend}
        subprocess.run([sys.executable, "check.py"], env=environment, check=True)
        generated[backend] = dict(np.load(f"{backend}.npz"))

"""
From the latents, every backend generates the same samples as this one before the model
was saved. From the seed, each generates others:
"""

for backend, samples in generated.items():
    difference = np.abs(samples["by_latents"] - here).max()
    print(f"{backend}: samples of the same latents differ by at most {difference:.1e}")
for backend, samples in generated.items():
    print(f"{backend}: the first sample of seed 0 is {samples['by_seed'][0].round(3)}")

"""
## Speed and memory

- On JAX, `fit`, `evaluate`, `code_length` and `generate` are all compiled by XLA.
- On TensorFlow they run as graphs. XLA compiles the graphs on a GPU, and on a CPU with
  `model.compile(jit_compile=True)`.
- On PyTorch they run eagerly, or with `model.compile(jit_compile=True)` by
  torch.compile, which takes minutes for a Transformer and gains nothing on a CPU.
- For the same seed, TensorFlow draws other random numbers in programs of XLA.
- Convolutions use the faster memory layout: channels first for PyTorch on a CPU,
  channels last otherwise. The data stay channels last, and the weights are the same.
- On Linux, the C allocator returns the memory of each large tensor to the system and
  then requests it again. The system clears the memory each time. This took a seventh of
  the time of a Transformer's training step on JAX. To make the allocator keep the
  memory, set these variables before Python starts. The process then stays at its peak
  size: `MALLOC_ARENA_MAX=1 MALLOC_MMAP_THRESHOLD_=4294967296
  MALLOC_TRIM_THRESHOLD_=8589934592`.
- A GPU needs another package of JAX (`pip install "jax[cuda12]"`) or of TensorFlow
  (`pip install "tensorflow[and-cuda]"`). Build the network with
  `dtype="mixed_bfloat16"`, or first call
  `keras.config.set_dtype_policy("mixed_bfloat16")`. Evidence, times and losses stay
  float32.
- If memory does not suffice, also use a smaller `batch_size`, with
  `gradient_accumulation_steps` of the optimizer, and `remat=True` of the network (all
  but `MLP` and `MultiPart`). To sample, use a smaller `batch_size` of `generate`.

[Measured peaks of memory](../benchmarks/results/memory.md) are of small networks.

`generate` compiles one program for each batch size and sampler, and reuses it for any
number of steps. Keep the batch size and the sampler the same from call to call. A plain
function as `guidance` is compiled anew in each call; a [subclass of
`Guidance`](guidance.py) is not.
"""
