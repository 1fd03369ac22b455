"""
Title: Saving and sharing
Author: The keras_bfn authors
Date created: 2026/11/27
Last modified: 2026/11/27
Description: Which file is for what, what is in it, and what happens if it is damaged.
Accelerator: None
"""

"""
## Introduction

A trained model can be kept in several forms. Which one depends on who is to read it:

| to | write | it holds |
|---|---|---|
| use it, or train it further | `model.save("model.keras")` | model, weights, optimizer |
| give it to others | `model.save_to_preset("folder")`, `upload_preset` | model, weights |
| fill another of the same form | `model.save_weights("m.weights.h5")` | weights, optimizer |
| survive a power cut in training | `callbacks.Resume("folder")` | all that `fit` changes |
| run it without Keras | `model.export(...)` | a step of a sampler |

The first three are read by every backend, whichever wrote them. This guide writes and reads them,
and damages one. For the last two see [long runs](long_runs.py) and [fine-tuning and
export](fine_tuning_and_export.py). It takes less than a minute.

## Setup

A small model of black and white digits, trained for a moment:
"""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")

import json
import pathlib

import keras
from sklearn.datasets import load_digits

import keras_bfn

keras.utils.set_random_seed(0)
images = (load_digits().images[..., None] > 7).astype("int32")
flow = keras_bfn.flows.DiscreteFlow(num_classes=2, beta_1=4.0)
network = keras_bfn.networks.MLP(flow, event_shape=(8, 8, 1), width=64, num_blocks=1)
model = keras_bfn.BayesianFlowNetwork(flow, network, seed=0)
model.compile(keras.optimizers.AdamW(2e-3, use_ema=True, ema_momentum=0.99))
model.fit(images[:1500], epochs=5, batch_size=100, verbose=0)


def nats(model):
    cost = model.code_length(images[1500:], num_steps=20, batch_size=297, seed=0, verbose=0)
    return (cost["transmission"] + cost["reconstruction"]).mean()


print(f"An image costs {nats(model):.2f} nats.")

"""
## One file

A `.keras` file has everything: flow, network, weights, what was compiled, and the state of the
optimizer with its averages. So `fit` goes on where it stood. (What a file does not have is the
state of random generators: a run that is to be the same to the last bit is `Resume`'s affair.)
"""

model.save("model.keras")
loaded = keras.saving.load_model("model.keras")
print(f"{nats(loaded):.2f} nats, after {int(loaded.optimizer.iterations)} steps")
loaded.fit(images[:1500], epochs=1, batch_size=100, verbose=0)
print(f"{nats(loaded):.2f} nats, after {int(loaded.optimizer.iterations)} steps")

"""
## Weights

A file of weights, which has the state of the optimizer, too, if the model was compiled, goes into
any model whose network has the same form, such as one that computes in half precision; one that is
not compiled takes the weights alone. Into another they do not go: Keras raises an error.
"""

model.save_weights("digits.weights.h5")
half = keras_bfn.networks.MLP(flow, (8, 8, 1), width=64, num_blocks=1, dtype="mixed_bfloat16")
half = keras_bfn.BayesianFlowNetwork(flow, half)
half.load_weights("digits.weights.h5")
print(f"In half precision: {nats(half):.2f} nats")

"""
## A preset

A *preset* is a folder of three files. It holds no state of the optimizer, so it is a third of the
size.
"""

model.save_to_preset("digits_preset")
for path in ["model.keras", *sorted(pathlib.Path("digits_preset").iterdir())]:
    print(f"{pathlib.Path(path).stat().st_size:>9,} bytes  {path}")
print(pathlib.Path("digits_preset/metadata.json").read_text())

"""
`from_preset` reads it. It can leave out the weights, for a network of the same form that starts
from nothing, or have the network compute in another dtype policy.
"""

shared = keras_bfn.BayesianFlowNetwork.from_preset("digits_preset")
untrained = keras_bfn.BayesianFlowNetwork.from_preset("digits_preset", load_weights=False)
half = keras_bfn.BayesianFlowNetwork.from_preset("digits_preset", dtype="mixed_bfloat16")
print(f"{nats(shared):.2f} nats; untrained {nats(untrained):.2f}; in half {nats(half):.2f}")

"""
## Whole, or not there

All of these files are written beside their place, and take their names when they are complete: a
full disk or a killed process leaves what was there before. What happens to them later is another
matter. A preset's `metadata.json` has the SHA-256 digests of the other two files, and a preset
whose files do not belong together is refused.
"""

weights = pathlib.Path("digits_preset/model.weights.h5")
content = bytearray(weights.read_bytes())
content[len(content) // 2] ^= 1  # one bit
weights.write_bytes(content)
try:
    keras_bfn.BayesianFlowNetwork.from_preset("digits_preset")
except ValueError as error:
    print(error)

"""
Who changes a config by hand, and means it, takes the digests out. A change that makes no model is
refused, too, with the reason.
"""

model.save_to_preset("digits_preset")
config_path, metadata_path = (
    pathlib.Path("digits_preset", name) for name in ("config.json", "metadata.json")
)
config, metadata = (json.loads(path.read_text()) for path in (config_path, metadata_path))
del metadata["sha256"]
metadata_path.write_text(json.dumps(metadata))
for width in (64, 63, 32):
    config["config"]["network"]["config"]["width"] = width
    config_path.write_text(json.dumps(config))
    try:
        keras_bfn.BayesianFlowNetwork.from_preset("digits_preset")
        print(f"width {width}: loaded")
    except ValueError as error:
        print(f"width {width}: ...{str(error)[-150:]}")

"""
## Parts of your own

A flow, schedule, network or tokenizer of one's own is saved by the name of its class, and its
arguments. The name is that of its registration, so the class is registered, and defined or imported
before the file is read. It is not in the file: who shares such a model shares the code, too.
"""


@keras.saving.register_keras_serializable("my_package")
class Frame(keras_bfn.networks.Network):
    """Two dense layers over all pixels."""

    def __init__(self, flow, event_shape, width=32, **kwargs):
        def connect(inputs, conditions, policy):
            x = keras.layers.Flatten(dtype=policy)(inputs["theta"])
            return [keras.layers.Dense(width, "relu", dtype=policy)(conditions.join_to(x))]

        super().__init__(flow, event_shape, connect, **kwargs)
        self.event_shape, self.width = tuple(event_shape), width


keras_bfn.BayesianFlowNetwork(flow, Frame(flow, (8, 8, 1))).save("own.keras")
print(type(keras.saving.load_model("own.keras").network).__name__)

keras.saving.get_custom_objects().pop("my_package>Frame")  # as in a program that lacks it
try:
    keras.saving.load_model("own.keras")
except TypeError as error:
    print(str(error).partition("Exception encountered: ")[2].partition(".")[0])

"""
What was done to single layers (frozen, quantised, another dtype policy) is in the files as well.
LoRA is in the kernels: see [fine-tuning](fine_tuning_and_export.py).

## On a hub

`upload_preset` sends a preset to Hugging Face or Kaggle, with a card that tells what is in it, and
`from_preset` takes the same handle from anyone, on any backend. No code comes along, and none is
run. How the call looks is in [networks and presets](networks_and_presets.py). Some things to
know:

- Who you are is known to the hub's library: `hf auth login`, or `kagglehub.login()`. Both come with
  `pip install "keras-bfn[hub]"`.
- A handle can name a revision, `hf://user/digits@v1`, or a version, `kaggle://user/m/keras/v/3`.
  For what must stay the same, name one: the owner may upload another model under the same name.
- What was downloaded is kept on the machine, by the hub's library, and not downloaded again.
- `upload_preset(..., private=True)` shows it to you alone, and `folder="digits_preset"` keeps a
  copy of what is uploaded. Edit the card there, and upload the folder as it is by
  `keras_bfn.presets.upload_preset`.

This is the card of a model in the package:
"""

card = pathlib.Path(keras_bfn.__file__).parent / "presets" / "bfn_digits" / "README.md"
print(card.read_text().partition("## Command")[0])

"""
## Versions

A preset says by which version of Keras it was written. Files of older versions are read by newer
ones; the other way round is not promised. What is not promised either is that samples of the same
seed are the same in another version of a backend: keep the samples. And a compressed file
([lossless compression](lossless_compression.py)) is read where model, backend and versions are
those that wrote it: it says so otherwise.

The checkpoints of the paper's authors are `.pt` files of PyTorch, which
`keras_bfn.checkpoints.load_official` reads: see
[networks, presets and the paper's checkpoints](networks_and_presets.py).
"""
