"""
Title: Saving and sharing
Author: The keras_bfn authors
Date created: 2026/11/27
Last modified: 2026/11/28
Description: Choose a file format, save and load models, and share them on a hub.
Accelerator: None
"""

"""
## Introduction

In this guide we save a model in three forms, load it again, and see how a damaged file
is refused. The right form depends on the purpose:

| purpose | call | content |
|---|---|---|
| use the model, or train it further | `model.save("model.keras")` | model, weights, optimizer |
| share the model | `model.save_to_preset("folder")`, `upload_preset` | model, weights |
| load weights, same architecture | `model.save_weights("m.weights.h5")` | weights, optimizer |
| resume an interrupted training run | `callbacks.Resume("folder")` | weights, optimizer, seeds |
| run the model without Keras | `model.export(...)` | one step of a sampler |

Every backend reads the files of the first three rows, whichever backend wrote them. For
the last two rows, see [long runs](long_runs.py) and [fine-tuning and
export](fine_tuning_and_export.py). The guide needs `scikit-learn` and takes less than a
minute.

## Setup

We train a small model of black and white digits for a few epochs:
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
    cost = model.code_length(
        images[1500:], num_steps=20, batch_size=297, seed=0, verbose=0
    )
    return (cost["transmission"] + cost["reconstruction"]).mean()


print(f"An image costs {nats(model):.2f} nats.")

"""
## One file

A `.keras` file contains everything: flow, network, weights, the arguments of `compile`,
and the state of the optimizer with its averages. So `fit` continues where it stopped.
(The file does not contain the state of random generators. For a run that is identical
to the last bit, use `Resume`.)
"""

model.save("model.keras")
loaded = keras.saving.load_model("model.keras")
print(f"{nats(loaded):.2f} nats, after {int(loaded.optimizer.iterations)} steps")
loaded.fit(images[:1500], epochs=1, batch_size=100, verbose=0)
print(f"{nats(loaded):.2f} nats, after {int(loaded.optimizer.iterations)} steps")

"""
## Weights

A weights file loads into any model whose network has the same architecture, for example
one that computes in half precision. If the saved model was compiled, the file also
holds the state of its optimizer. To load that, too, call `compile` and
`model.build_optimizer()` first. Otherwise only the weights are loaded, with a warning
if the model is compiled. If the architecture differs, Keras raises an error.
"""

model.save_weights("digits.weights.h5")
half = keras_bfn.networks.MLP(
    flow, (8, 8, 1), width=64, num_blocks=1, dtype="mixed_bfloat16"
)
half = keras_bfn.BayesianFlowNetwork(flow, half)
half.load_weights("digits.weights.h5")
print(f"In half precision: {nats(half):.2f} nats")

"""
## A preset

A *preset* is a folder of three files. It does not contain the state of the optimizer,
so here it is less than a third of the size.
"""

model.save_to_preset("digits_preset")
for path in ["model.keras", *sorted(pathlib.Path("digits_preset").iterdir())]:
    print(f"{pathlib.Path(path).stat().st_size:>9,} bytes  {path}")
print(pathlib.Path("digits_preset/metadata.json").read_text())

"""
`from_preset` loads a preset. With `load_weights=False`, it returns a new, untrained
model of the same architecture. With `dtype`, the network computes in another precision.
With `save_to_preset(folder, half_precision=True)`, the file holds weights in float16, in
half the space; they are loaded in the network's own precision.
"""

shared = keras_bfn.BayesianFlowNetwork.from_preset("digits_preset")
untrained = keras_bfn.BayesianFlowNetwork.from_preset(
    "digits_preset", load_weights=False
)
half = keras_bfn.BayesianFlowNetwork.from_preset(
    "digits_preset", dtype="mixed_bfloat16"
)
print(
    f"{nats(shared):.2f} nats; untrained {nats(untrained):.2f}; in half {nats(half):.2f}"
)

"""
## Complete or absent

All of these files are written under a temporary name and renamed when they are
complete. If the disk is full or the process is killed, the previous file stays. In
presets, later damage is detected: `metadata.json` has the SHA-256 digests of the other
two files, and `from_preset` refuses files that do not match.
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
To edit a config by hand, first remove the digests from `metadata.json`. `from_preset`
still refuses a config that does not describe a valid model, and gives the reason.
"""

model.save_to_preset("digits_preset")
config_path, metadata_path = (
    pathlib.Path("digits_preset", name) for name in ("config.json", "metadata.json")
)
config, metadata = (
    json.loads(path.read_text()) for path in (config_path, metadata_path)
)
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

For a flow, schedule, network or tokenizer of your own, a file holds the registered name
of the class and the arguments of the constructor, but not the code. So register the
class, share its code with the model, and define or import the class before you load the
file.
"""


@keras.saving.register_keras_serializable("my_package")
class Frame(keras_bfn.networks.Network):
    """Two dense layers over all pixels."""

    def __init__(self, flow, event_shape, width=32, **kwargs):
        def connect(inputs, conditions, policy):
            x = keras.layers.Flatten(dtype=policy)(inputs["theta"])
            return [
                keras.layers.Dense(width, "relu", dtype=policy)(conditions.join_to(x))
            ]

        super().__init__(flow, event_shape, connect, **kwargs)
        self.event_shape, self.width = tuple(event_shape), width


keras_bfn.BayesianFlowNetwork(flow, Frame(flow, (8, 8, 1))).save("own.keras")
print(type(keras.saving.load_model("own.keras").network).__name__)

keras.saving.get_custom_objects().pop(
    "my_package>Frame"
)  # as in a program without this class
try:
    keras.saving.load_model("own.keras")
except TypeError as error:
    print(str(error).partition("Exception encountered: ")[2].partition(".")[0])

"""
Files also record changes to single layers: whether they are frozen or quantised, or
have another dtype policy. LoRA is merged into the kernels: see
[fine-tuning](fine_tuning_and_export.py). For a `keras.Model` or layer of your own that
is neither a `Network` nor functional, Keras does not record the changes: all of its
layers train when it is loaded, and a quantised one cannot be loaded.

## On a hub

`upload_preset` uploads a preset to Hugging Face or Kaggle, with a card that describes
it. Anyone can pass the same handle to `from_preset`, on any backend. A preset contains
no code, and loading it runs none. [Networks and presets](networks_and_presets.py) shows
the call. Some details:

- Log in with the hub's library: `hf auth login`, or `kagglehub.login()`. Both come with
  `pip install "keras-bfn[io]"`.
- A handle can name a revision, `hf://user/digits@v1`, or a version,
  `kaggle://user/m/keras/v/3`. Name one if the model must not change, because the owner
  may upload another model under the same name.
- The hub's library caches downloads on your machine.
- With `upload_preset(..., private=True)`, a new repository on Hugging Face is private.
  An existing one keeps its visibility. New models on Kaggle are always private at
  first.
- With `upload_preset(..., folder="digits_preset")`, a copy of the preset stays in this
  folder. You can edit the card there and upload the folder with
  `keras_bfn.presets.upload_preset`.

This is the card of a model in the package:
"""

card = pathlib.Path(keras_bfn.__file__).parent / "presets" / "bfn_digits" / "README.md"
print(card.read_text().partition("## Command")[0])

"""
## Versions

A preset records the version of Keras that wrote it. Newer versions read files of older
ones; the reverse is not guaranteed. Samples from the same seed may differ in another
version of a backend, so keep the samples. A compressed file ([lossless
compression](lossless_compression.py)) can be read only with the model, backend and
versions that wrote it; otherwise the codec raises an error.

The checkpoints of the paper's authors are PyTorch `.pt` files.
`keras_bfn.checkpoints.load_official` reads them: see [networks, presets and the paper's
checkpoints](networks_and_presets.py).
"""
