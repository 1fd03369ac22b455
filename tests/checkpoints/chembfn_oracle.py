"""Runs the code of ChemBFN's authors with random weights, and keeps what it answered.

    python -m tests.checkpoints.chembfn_oracle MODEL

MODEL is the file `bayesianflow_for_chem/model.py` of the package bayesianflow-for-chem 3.0.4, which
needs PyTorch alone. Its neighbour `data.py`, if it can be imported, cuts the texts. Written to
data/chembfn.npz:

    shapes            of `FILES`, by file, as JSON: the state dicts of model, LoRA and two MLPs
    x, t, noise       tokens, a time for each example, and standard normal for the evidence
    theta             what the network takes, `(examples, length, classes)`
    logits/CASE       what it returns, for each of `CASES`
    beta, slope       their schedule and half its derivative, at t
    transmission, reconstruction
                      their losses for each example, means as they take them
    texts, tokens     SMILES, and their tokens, padded

`make_state(shapes)` are the weights; all is in float32, but for tokens.
"""

import argparse
import importlib.util
import json
import math
from pathlib import Path
from unittest import mock

import numpy as np

DATA = Path(__file__).parent / "data"
HPARAM = {"num_vocab": 11, "channel": 24, "num_layer": 2, "num_head": 2, "dropout": 0.01}
LORA = {"r": 3, "lora_alpha": 2, "lora_dropout": 0.0}
MLPS = {
    "numbers": {"size": [2, 10, 24], "class_input": False, "dropout": 0.0},
    "classes": {"size": [3, 10, 24], "class_input": True, "dropout": 0.0},
}
LENGTH, TIMES = 9, (0.0, 0.3, 0.8, 1.0)
CONDITIONS = {
    "numbers": np.array([[0.3, -1.2], [0.0, 2.0], [1.0, 1.0], [-0.5, 0.7]], "float32"),
    "classes": np.array([0, 2, 1, 2], "int32"),
}
TEXTS = (
    "CC(=O)Oc1ccccc1C(=O)O",
    "C[C@@H](N)C(=O)[O-]",
    "Brc1ccc(Cl)cc1%12CC%12",
    "[Na+].F/C=C/[Si](C)(C)C",
    "[2H]OC#N>>CO",
    "Cn1cnc2c1[nH]c(=O)n2C",
)
CASES = ("plain", "semi_autoregressive", "lora", "numbers", "classes")


def make_state(shapes):
    """Random weights for a dict of shapes; buffers are left out."""
    rng, state = np.random.default_rng(3), {}
    for key in sorted(shapes):
        z = rng.standard_normal(tuple(shapes[key])).astype("float32")
        state[key] = z / math.sqrt(shapes[key][-1]) if z.ndim == 2 else np.float32(0.1) * z
    return state


def load(path):
    """Their module."""
    spec = importlib.util.spec_from_file_location("chembfn_model", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def fill(module):
    """Gives a module random weights, and returns the shapes of those."""
    import torch

    buffers = dict(module.named_buffers())
    shapes = {key: list(x.shape) for key, x in module.state_dict().items() if key not in buffers}
    state = {key: torch.from_numpy(x) for key, x in make_state(shapes).items()}
    module.load_state_dict(state | buffers)
    return shapes


def tokens(path):
    """The tokens of `TEXTS`, by the vocabulary and the regular expression of `data.py`."""
    import re

    source = (path.parent / "data.py").read_text()
    pattern = "".join(eval(part) for part in re.findall(r'r"[^\n]*"', source.split("_SEL_")[0]))
    words = (path.parent / "_data" / "vocab.txt").read_text().strip().split("\n")
    rows = [[1, *(words.index(word) for word in re.findall(pattern, text)), 2] for text in TEXTS]
    longest = max(map(len, rows))
    return np.array([row + [0] * (longest - len(row)) for row in rows], "int32")


def run(path):
    """The arrays of the .npz file."""
    import torch

    module = load(path)
    model = module.ChemBFN(**HPARAM).eval()
    shapes = {"model": fill(model)}
    rng = np.random.default_rng(5)
    num = HPARAM["num_vocab"]
    x = rng.integers(num, size=(len(TIMES), LENGTH))
    noise = torch.from_numpy(rng.standard_normal((*x.shape, num)).astype("float32"))
    x, t = torch.from_numpy(x), torch.tensor(TIMES)[:, None, None]
    arrays = {"beta": model.calc_beta(t).flatten(), "slope": model.calc_cts_alpha(t).flatten()}
    beta = model.calc_beta(t)
    hot = torch.nn.functional.one_hot(x, num)
    theta = torch.softmax(beta * (num * hot - 1) + (beta * num).sqrt() * noise, -1)
    seen = 2 * theta - 1

    losses = {"transmission": [], "reconstruction": []}
    for i in range(len(TIMES)):
        one = slice(i, i + 1)
        with mock.patch.object(torch, "randn_like", lambda mu, own=noise[one]: own):
            losses["transmission"].append(model.cts_loss(x[one], t[one], None)[0])
            losses["reconstruction"].append(model.reconstruction_loss(x[one], t[one], None))
    arrays |= {name: torch.stack(values) for name, values in losses.items()}

    arrays["logits/plain"] = model(seen, t)
    model.semi_autoregressive = True
    arrays["logits/semi_autoregressive"] = model(seen, t)
    model.semi_autoregressive = False
    for name, sizes in MLPS.items():
        mlp = module.MLP(**sizes)
        shapes[name] = fill(mlp)
        y = mlp(torch.from_numpy(CONDITIONS[name].reshape(len(TIMES), -1)))
        arrays[f"logits/{name}"] = model(seen, t, y=y.reshape(len(TIMES), 1, -1))
    model.enable_lora(**LORA)
    added = {key: list(p.shape) for key, p in model.state_dict().items() if "lora_" in key}
    model.load_state_dict(
        {key: torch.from_numpy(p) for key, p in make_state(added).items()}, strict=False
    )
    shapes["lora"] = added
    arrays["logits/lora"] = model(seen, t)
    buffers = {f"buffer:{key}": p for key, p in model.named_buffers()}
    arrays |= {"x": x.int(), "t": t.flatten(), "noise": noise, "theta": theta} | buffers
    arrays = {key: p.detach().numpy() for key, p in arrays.items()}
    return arrays | {"shapes": json.dumps(shapes), "texts": TEXTS, "tokens": tokens(path)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path, help="their bayesianflow_for_chem/model.py, of 3.0.4")
    arrays = run(parser.parse_args().model)
    np.savez_compressed(DATA / "chembfn.npz", **arrays)
    for key in (key for key in arrays if key.startswith("logits/")):
        print(key, arrays[key].shape, "largest", np.abs(arrays[key]).max())


if __name__ == "__main__":
    main()
