"""
Title: Antibodies and molecules from published models
Author: The keras_bfn authors
Date created: 2026/12/02
Last modified: 2026/12/02
Description: Load ProtBFN, AbBFN or ChemBFN, and use every verb of this package on it.
Accelerator: None
"""

"""
## Introduction

Three Bayesian flow networks of classes have published weights: *ProtBFN*, of proteins, and *AbBFN*,
of antibodies ([Atkinson et al., 2024](https://www.biorxiv.org/content/10.1101/2024.09.24.614734)),
and *ChemBFN*, of molecules ([Tao and Abe, 2024](https://arxiv.org/abs/2407.20294)). In this guide
we load such files on any backend, sample in fewer steps than the authors do, complete a part of an
antibody, and fine-tune by LoRA.

AbBFN is 2.6 GB. Where its folder is missing, the guide makes a small model with random weights
instead, and says so: everything runs, but its sequences mean nothing. The files have licences of
their own; those of ProtBFN and AbBFN exclude commercial use.

The guide takes a minute on a CPU with random weights.

## Setup
"""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")

import pathlib
import time

import keras
import numpy as np

import keras_bfn

keras.utils.set_random_seed(0)

"""
## Antibodies

A folder of AbBFN holds `array_0.npy`, `array_1.npy` and so on. `protbfn` reads all sizes but the
number of attention heads from these arrays, and nothing else. To download them, pass
`"hf://InstaDeepAI/protein-sequence-bfn/AbBFN"` in place of the folder. `dtype="bfloat16"` halves
the memory.

The random arrays are those of one block, of width 32. Arrays of a block come first, in the
alphabetical order of their names.
"""

folder = pathlib.Path(os.environ.get("ABBFN", "AbBFN"))
if folder.is_dir():
    model = keras_bfn.checkpoints.protbfn(folder, seq_length=256)
else:
    print(f"There is no folder {folder}. The weights of this model are random.")
    folder = pathlib.Path("random_antibodies")
    folder.mkdir(exist_ok=True)
    norm, dense = [(32,), (32,)], [(32,), (32, 32)]
    block = [(64,), (32, 64), (32,), (64, 32), *norm, *dense * 4, *norm]
    others = [*norm, (32,), (64, 32), *norm, (32,), (32, 32), *dense, *norm]
    for i, shape in enumerate([*block, *others]):
        array = np.random.default_rng(i).standard_normal(shape, "float32") / 32
        np.save(folder / f"array_{i}.npy", array)
    model = keras_bfn.checkpoints.protbfn(folder, seq_length=32, num_heads=4, verbose=0)
print(
    f"{model.network.count_params():,} weights, sequences of {model.event_shape[0]} tokens"
)

"""
The model has a tokenizer: the 20 amino acids, six rarer letters, and marks. A sequence ends with
`<eos>`, followed by `<pad>`. `encode_batch` adds both.
"""

sequences = ["QVQLVQSGAEVKKPGASVKV", "EVQLVESGGGLVQPGG", "QVQLQESGPGLVKPSETLSLTC"]
tokens = model.tokenizer.encode_batch(sequences, length=model.event_shape[0])
print(tokens[1])

"""
## Fewer steps

The authors' code samples in 10,000 steps by default; for AbBFN2, their next model, they recommend
300 to 1,000. Their sampler is of first order: each state follows from one fixed noise and the last
prediction alone. `sde2` extrapolates the prediction from the last two. On data with a known
distribution, it is closer in 10 steps than the paper's sampler in 50 (see [sampling](sampling.py)).
How many steps a large model needs is to be measured on that model, as follows.

We compare samplers by what the samples cost under the model itself, in nats per token. If few steps
are enough, their samples cost about as much as those of many.
"""

for sampler, num_steps in (
    ("ancestral", 300),
    ("ancestral", 30),
    ("sde2", 30),
    ("sde2", 10),
):
    start = time.perf_counter()
    x = model.generate(4, num_steps, sampler, seed=0, verbose=0)
    seconds = time.perf_counter() - start
    cost = model.code_length(x, num_repeats=4, seed=0, verbose=0)
    nats = (cost["transmission"] + cost["reconstruction"]).mean() / model.event_shape[0]
    print(
        f"{sampler:9} {num_steps:3} steps: {seconds:5.1f} s, {nats:.2f} nats per token"
    )

"""
## A part of an antibody

The third loop of the heavy chain, CDR3, decides much of what an antibody binds to. `inpaint`
samples it given the rest. Here it is replaced by -1, which means unknown. Each antibody has
particles: several samples that are weighted by how well they predict the known part, and resampled.
The authors use up to 1,024 of them. With `twisted=True`, the default, the known part also guides
each step through the gradient of the network, and fewer particles suffice.
"""

unknown = tokens[:2].copy()
unknown[:, 6:12] = -1
filled = model.inpaint(unknown, num_steps=20, num_particles=4, seed=0, verbose=0)
for before, after in zip(sequences[:2], model.tokenizer.decode(filled), strict=True):
    print(before, "->", after)

"""
## Guidance and fine-tuning

Any likelihood guides samples, without training: here that of a count of cysteines near four. See
[the guide to guidance](guidance.py).
"""

cysteine = int(model.tokenizer.encode("C")[0])
four = keras_bfn.guidance.Constraint(
    lambda probs: keras.ops.sum(probs[:, :, cysteine], axis=1), target=4.0, std=0.5
)
x = model.generate(4, num_steps=20, guidance=four, seed=0, verbose=0)
print("cysteines:", (x == cysteine).sum(axis=1))

"""
`fit` trains the model further. With LoRA, only small matrices beside the kernels train, so the
optimizer's state is small, too: see [fine-tuning](fine_tuning_and_export.py).
"""

model.network.enable_lora(4)
model.compile(keras.optimizers.Adam(1e-3))
before = model.evaluate(tokens, return_dict=True, verbose=0)["nats_per_example"]
model.fit(tokens, epochs=20, verbose=0)
after = model.evaluate(tokens, return_dict=True, verbose=0)["nats_per_example"]
print(f"A sequence costs {before:.1f} nats before, {after:.1f} after.")
model.save_to_preset("antibodies")  # on any backend: from_preset("antibodies")

"""
## Molecules

`chembfn("model.pt", seq_length)` loads a model of ChemBFN in the same way; `lora=` and `mlp=` take
the files of its fine-tuned versions, and of what embeds a condition. With conditions, its guidance
strength w is `guidance_scale=1 + w`. Molecules are texts in SMILES. Where there is no file, the
guide makes a small network of the same kind with random weights.
"""

file = pathlib.Path(os.environ.get("CHEMBFN", "model.pt"))
smiles = keras_bfn.checkpoints.MOLECULES
if file.is_file():
    molecules = keras_bfn.checkpoints.chembfn(file, seq_length=60)
else:
    print(f"There is no file {file}. The weights of this model are random.")
    schedule = keras_bfn.checkpoints.LogarithmicSchedule(246, beta_1=20.4054 / 246)
    flow = keras_bfn.flows.DiscreteFlow(246, schedule=schedule)
    network = keras_bfn.checkpoints.MoleculeTransformer(flow, 24, 32, 2, 4)
    molecules = keras_bfn.BayesianFlowNetwork(flow, network, tokenizer=smiles)
print(smiles.encode("CC(=O)Oc1ccccc1"))
print(molecules.generate_text(2, num_steps=10, seed=0, verbose=0))

"""
Its schedule spends more of the accuracy late: beta(t) bends upwards, so that late steps of equal
length are large. The samplers with steps even in log(beta) do not depend on how a schedule runs in
t, only on where it ends.
"""

t = np.linspace(0.0, 1.0, 6, dtype="float32")
beta = keras.ops.convert_to_numpy(molecules.flow.schedule.beta(t))
print("of the accuracy, at t = 0, 0.2, ..., 1:", (beta / beta[-1]).round(2))

"""
## What is different here

| | their code | this package |
|---|---|---|
| backend | JAX (ProtBFN), PyTorch (ChemBFN) | any |
| steps for a sample | 300 to 10,000 | 10 to 50 by `sde2` |
| cost of an example | continuous-time loss | also by n messages; files of that length |
| inpainting | particles (ProtBFN), known tokens put back (ChemBFN) | guided particles |
| reconstruction of ChemBFN | logits, not normalised | -log p |

The logits are equal: the tests compare them with those of the authors' code, on random weights.
"""
