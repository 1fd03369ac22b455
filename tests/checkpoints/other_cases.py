"""Files of ProtBFN and ChemBFN with the random weights that their authors' code ran with."""

import json

import numpy as np

from keras_bfn import checkpoints
from tests.checkpoints.chembfn_oracle import DATA, HPARAM, LENGTH, LORA, MLPS, make_state
from tests.checkpoints.protbfn_oracle import weight


class Proteins:
    """What ProtBFN's code was given and what it returned."""

    def __init__(self, name="protbfn"):
        self.arrays = np.load(DATA / f"{name}.npz")
        self.sizes = json.loads(str(self.arrays["sizes"]))

    def write(self, folder):
        """Writes the arrays of the weights, in the order of the authors' tree."""
        shapes = json.loads(str(self.arrays["shapes"]))
        for i, (name, shape) in enumerate(zip(self.arrays["names"], shapes, strict=True)):
            np.save(folder / f"array_{i}.npy", weight(str(name), shape, i))
        (folder / "tree_def.npy").write_bytes(b"a pickle, not to be read")
        return folder

    def load(self, folder, **options):
        sizes = self.sizes["length"], self.sizes["num_heads"]
        return checkpoints.protbfn(folder, *sizes, verbose=0, **options)


class Molecules:
    """What ChemBFN's code was given and what it returned."""

    def __init__(self):
        self.arrays = np.load(DATA / "chembfn.npz")
        self.shapes = json.loads(str(self.arrays["shapes"]))

    def contents(self, name):
        """What the file of the model, of LoRA or of an MLP holds."""
        import torch

        state = make_state(self.shapes[name])
        if name == "model":
            keys = (key for key in self.arrays if key.startswith("buffer:"))
            state |= {key.removeprefix("buffer:"): self.arrays[key] for key in keys}
        state = {key: torch.from_numpy(np.array(x)) for key, x in state.items()}
        if name == "lora":
            return {"lora_nn": state, "lora_param": LORA}
        return {"nn": state, "hparam": HPARAM if name == "model" else MLPS[name]}

    def write(self, folder):
        """Writes all files; returns their paths by name."""
        import torch

        paths = {name: folder / f"{name}.pt" for name in self.shapes}
        for name, path in paths.items():
            torch.save(self.contents(name), path)
        return paths

    def load(self, paths, case="plain", **options):
        """Loads the model of one of the oracle's cases."""
        options |= {"lora": paths["lora"]} if case == "lora" else {}
        options |= {"mlp": paths[case]} if case in MLPS else {}
        is_causal = case == "semi_autoregressive"
        return checkpoints.chembfn(paths["model"], LENGTH, semi_autoregressive=is_causal, **options)


def write_small_proteins(folder, width=8):
    """Writes the arrays of a model of one block, with two heads, and returns the folder."""
    block = [
        ("b", (2 * width,)),
        ("w", (width, 2 * width)),
        ("b", (width,)),
        ("w", (2 * width, width)),
    ]
    norm, dense = (
        [("offset", (width,)), ("scale", (width,))],
        [("b", (width,)), ("w", (width, width))],
    )
    ends = [("b", (width,)), ("w", (64, width))], [("b", (32,)), ("w", (width, 32))]
    arrays = [*block, *norm, *dense * 4, *norm, *norm, *ends[0], *norm, *ends[1], *dense, *norm]
    for i, (name, shape) in enumerate(arrays):
        np.save(folder / f"array_{i}.npy", weight(name, shape, i))
    return folder
