"""
Title: Proteins, antibodies and molecules from published models
Author: The keras_bfn authors
Date created: 2026/12/02
Last modified: 2026/12/03
Description: Load ProtBFN, AbBFN or ChemBFN, then sample, score, inpaint and fine-tune.
Accelerator: None
"""

"""
## Introduction

*ProtBFN*, of proteins, *AbBFN*, of antibodies
([Atkinson et al., 2025](https://www.nature.com/articles/s41467-025-58250-2)), and
*ChemBFN*, of molecules ([Tao and Abe, 2024](https://arxiv.org/abs/2407.20294)), are
Bayesian flow networks for discrete data with published weights. In this guide we load
such files on any backend, sample in fewer steps than the authors do, score a sequence,
complete a part of an antibody, and fine-tune by LoRA.

The weights of AbBFN take 2.6 GB. By their model card, they have the licence CC BY 4.0; the
authors' code has CC BY-NC-SA 4.0. Where the weights are missing, the guide trains a small
Transformer on variants of two antibodies instead, and says so. Everything else is the
same, and takes one or two minutes on a CPU.

The tests of this package compare random weights with the authors' code. The published
files themselves have not been tried yet.

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
rng = np.random.default_rng(0)

"""
The heavy chains of trastuzumab and adalimumab serve as examples.
"""

HEAVY_CHAINS = [
    "EVQLVESGGGLVQPGGSLRLSCAASGFNIKDTYIHWVRQAPGKGLEWVARIYPTNGYTRYADSVKG"
    "RFTISADTSKNTAYLQMNSLRAEDTAVYYCSRWGGDGFYAMDYWGQGTLVTVSS",
    "EVQLVESGGGLVQPGRSLRLSCAASGFTFDDYAMHWVRQAPGKGLEWVSAITWNSGHIDYADSVEG"
    "RFTISRDNAKNSLYLQMNSLRAEDTAVYYCAKVSYLSTASSLDYWGQGTLVTVSS",
]

"""
## A model and its tokens

A folder of AbBFN holds `array_0.npy`, `array_1.npy` and so on. `protbfn` reads all sizes
but the number of attention heads from these arrays, and nothing else. The length of a
sequence is yours to say: 256 for AbBFN, 512 for ProtBFN. Set the environment variable
`ABBFN` to the folder, or to `hf://InstaDeepAI/protein-sequence-bfn/AbBFN`, which needs
`pip install huggingface_hub`. `dtype="bfloat16"` halves the weights' memory; while they are
loaded, JAX takes twice as much.

The model has a tokenizer: the 20 amino acids, six rare or ambiguous ones, and special
tokens. A sequence ends with `<eos>`, followed by `<pad>`. `encode_batch` adds both. The
small model sees the ends of the chains only: 31 amino acids and `<eos>`.
"""

folder = os.environ.get("ABBFN", "AbBFN")
tokenizer = keras_bfn.checkpoints.PROTEINS


def make_variants(tokens, num):
    """Returns copies of some rows in which a tenth of the amino acids are others."""
    rows = tokens[rng.integers(0, len(tokens), num)]
    acids = tokenizer.encode("ACDEFGHIKLMNPQRSTVWY")
    others = rng.choice(acids, rows.shape)
    changes = np.isin(rows, acids) & (rng.random(rows.shape) < 0.1)
    return np.where(changes, others, rows)


if folder.startswith("hf://") or os.path.isdir(folder):
    model = keras_bfn.checkpoints.protbfn(folder, seq_length=256)
else:
    print(f"There is no folder {folder}. This model is small, and not AbBFN.")
    flow = keras_bfn.flows.DiscreteFlow(num_classes=32, beta_1=2.0)
    network = keras_bfn.networks.Transformer(flow, 32, 64, num_layers=2)
    model = keras_bfn.BayesianFlowNetwork(flow, network, tokenizer=tokenizer)
    ends = tokenizer.encode_batch([chain[-31:] for chain in HEAVY_CHAINS], length=32)
    model.compile(keras_bfn.recipes.adamw(320, 1e-2))
    model.fit(make_variants(ends, 1024), batch_size=64, epochs=20, verbose=0)

length = model.event_shape[0]
sequences = [chain[1 - length :] for chain in HEAVY_CHAINS]
tokens = tokenizer.encode_batch(sequences, length)
print(f"{model.network.count_params():,} parameters, {length} tokens")
print(tokens[1])

"""
## The cost of a sequence

`code_length` returns an upper bound on -log p of each sequence, in nats. Divided by the
number of tokens up to `<eos>`, it gives the perplexity, by which the authors filter their
samples. The estimate is random: `num_repeats` averages over more times.
"""


def perplexity(x):
    """Returns the perplexity of each row, per token up to the end."""
    cost = model.code_length(x, num_repeats=16, seed=0, verbose=0)
    nats = cost["transmission"] + cost["reconstruction"]
    return np.exp(nats / np.sum(x != tokenizer.padding, axis=1))


print("perplexity:", perplexity(tokens).round(2))

"""
## Fewer steps

The authors' code samples in 10,000 steps by default. Their sampler is of first order: each
state follows from one fixed noise and the last prediction alone. The default of this
package is `sde2`, which extrapolates the prediction from the last two, in 20 steps that
are even in log(beta). How many steps a large model needs is to be measured on that model:
we compare samplers by the perplexity of their samples under the model itself. A low one is
not enough, because repeats are cheap, so look at the samples, too.
"""

trials = [("ancestral", 300), ("ancestral", 30), (None, 20), (None, 10)]
for sampler, num_steps in trials:
    start = time.perf_counter()
    x = model.generate(16, num_steps, sampler, seed=0, verbose=0)
    seconds = time.perf_counter() - start
    print(
        f"{sampler or 'default':9} {num_steps:3} steps: {seconds:5.1f} s, "
        f"perplexity {perplexity(x).mean():5.2f}, {tokenizer.decode(x)[0]}"
    )

"""
## A part of an antibody

The third loop of the heavy chain, CDR3, decides much of what an antibody binds to. It lies
between the motifs YYC and WGQG. `inpaint` samples it given the rest, the framework. Here it
is replaced by -1, which means unknown. Each antibody has particles: several samples that
are weighted by how well they predict the known part, and resampled. The authors use up to
1,024 of them. With `twisted=True`, the default, the known part also guides each step
through the gradient of the network.
"""

unknown = tokens.copy()
for row, sequence in zip(unknown, sequences, strict=True):
    row[sequence.index("YYC") + 3 : sequence.index("WGQG")] = -1
filled = model.inpaint(unknown, num_steps=20, num_particles=4, seed=0, verbose=0)
for before, after in zip(sequences, tokenizer.decode(filled), strict=True):
    print(before[-31:], "->", after[-31:])

"""
## Guidance

Any likelihood guides samples, without training: here that of a count of tyrosines near
seven. See [the guide to guidance](guidance.py).
"""

tyrosine = int(tokenizer.encode("Y")[0])
seven = keras_bfn.guidance.Constraint(
    lambda probs: keras.ops.sum(probs[:, :, tyrosine], axis=1), target=7.0, std=0.5
)
for guidance in (None, seven):
    x = model.generate(8, num_steps=20, guidance=guidance, seed=0, verbose=0)
    print("tyrosines:", (x == tyrosine).sum(axis=1))

"""
## Fine-tuning

`fit` trains the model further, here on variants of the second antibody. With LoRA, only
small matrices beside the kernels train, so the optimizer's state is small, too: see
[fine-tuning](fine_tuning_and_export.py). The default loss of classes is the cross-entropy;
the authors train by `keras_bfn.losses.ContinuousTimeLoss()`. Both have the same optimum.
"""

more, held_out = make_variants(tokens[1:], 256), make_variants(tokens[1:], 64)
before = perplexity(held_out).mean()
model.network.enable_lora(4)
model.compile(keras.optimizers.Adam(1e-3))
model.fit(more, epochs=10, verbose=0)
print(f"perplexity: {before:.2f} before, {perplexity(held_out).mean():.2f} after")
model.save_to_preset("antibodies")  # on any backend: from_preset("antibodies")

"""
## Molecules

`chembfn("model.pt", seq_length)` loads a model of ChemBFN in the same way, which needs
`pip install torch` on any backend. `seq_length` counts the tokens of the longest molecule
to be expected, with its start and end. `lora=` and `mlp=` take the files of its fine-tuned
versions, and of what embeds a condition. With conditions, its guidance strength w is
`guidance_scale=1 + w`. Molecules are texts in SMILES.
"""

smiles = keras_bfn.checkpoints.MOLECULES
print(smiles.encode("CC(=O)Oc1ccccc1"))
file = pathlib.Path(os.environ.get("CHEMBFN", "model.pt"))
if file.is_file():
    molecules = keras_bfn.checkpoints.chembfn(file, seq_length=60)
    print(molecules.generate_text(4, seed=0, verbose=0))
else:
    print(f"There is no file {file}, so no molecules are generated.")

"""
Its schedule spends more of the accuracy late: beta(t) is convex, so that late steps of
equal length are large. The samplers with steps even in log(beta) do not depend on how a
schedule runs in t, only on where it ends.
"""

schedule = keras_bfn.checkpoints.LogarithmicSchedule(246, beta_1=20.4054 / 246)
beta = keras.ops.convert_to_numpy(schedule.beta(np.linspace(0, 1, 6, dtype="float32")))
print("of the accuracy, at t = 0, 0.2, ..., 1:", (beta / beta[-1]).round(2))

"""
## What is different here

| | their code | this package |
|---|---|---|
| backend | JAX (ProtBFN), PyTorch (ChemBFN) | any |
| loss in training | continuous-time loss | cross-entropy by default, or theirs |
| cost of an example | continuous-time loss | also by n messages; files of that length |
| default sampler | first order, 10,000 steps (ProtBFN), 100 (ChemBFN) | `sde2`, 20 steps |
| inpainting | particles (ProtBFN), known tokens put back (ChemBFN) | guided particles |
| reconstruction of ChemBFN | logits, not normalised | -log p |

Given the same inputs, the logits are those of the authors' code, within 2e-4: the tests
compare them on random weights.
"""
