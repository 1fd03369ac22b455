"""Runs the code of ProtBFN's authors with random weights, and keeps what it answered.

    python -m tests.checkpoints.protbfn_oracle CLONE [--full]

CLONE is a clone of https://github.com/instadeepai/protein-sequence-bfn. It needs JAX and dm-haiku.
Written to data/protbfn.npz, or with --full, at the sizes of ProtBFN, to data/protbfn_full.npz:

    sizes             width, hidden size, layers, heads, and the length of a sequence
    names, shapes     the weights, in the order of their flattened tree; shapes as JSON
    x, t, noise       tokens, a time for each example, and standard normal for the evidence
    theta, features, logits
                      what their network takes, what its first layer sees and what it returns, in
                      float32, `(examples, length, 32 or 64)`; with --full every 64th position of
                      the logits
    spread            the largest change of a logit if theta is 1 + 2^-23 times as large: the
                      frequencies multiply rounding errors by up to 50,000
    transmission, reconstruction
                      their continuous-time loss at t, and their reconstruction loss, nats

`weight(name, shape, i)` is the i-th weight.
"""

import argparse
import json
import math
import sys
from pathlib import Path

import numpy as np

DATA = Path(__file__).parent / "data"
SMALL = {"width": 24, "hidden_size": 40, "num_layers": 11, "num_heads": 2, "length": 12}
FULL = {"width": 1280, "hidden_size": 5120, "num_layers": 33, "num_heads": 20, "length": 512}
TIMES = (0.02, 0.4, 0.7, 1.0)
STEP = 64


def weight(name, shape, i):
    """The i-th random weight in the order of the tree, of this shape."""
    z = np.random.default_rng([7, i]).standard_normal(tuple(shape), "float32")
    if z.ndim == 2:
        return z / math.sqrt(shape[0])
    return np.float32(name.endswith("scale")) + np.float32(0.1) * z


def run(sizes):
    """The arrays of the .npz file."""
    import haiku
    import jax
    import loss
    import model
    from jax import numpy as jnp

    width, hidden_size, num_layers, num_heads, length = sizes.values()
    transform = haiku.transform(
        model.get_transformer_fn(32, width, hidden_size, num_layers, num_heads)
    )
    shapes = jax.eval_shape(transform.init, jax.random.PRNGKey(0), jnp.ones((length, 32)))
    leaves, tree = jax.tree_util.tree_flatten_with_path(shapes)
    named = [("/".join(key.key for key in path), leaf.shape) for path, leaf in leaves]
    weights = [jnp.array(weight(name, shape, i)) for i, (name, shape) in enumerate(named)]
    weights = jax.tree_util.tree_unflatten(tree, weights)

    times = TIMES if length < 100 else TIMES[1:2]
    x = np.random.default_rng(1).integers(32, size=(len(times), length)).astype("int32")
    outputs = "theta", "features", "logits", "spread"
    found = {name: [] for name in ("noise", *outputs, "transmission", "reconstruction")}
    for i, t in enumerate(times):
        key = jax.random.PRNGKey(i)
        theta = jax.nn.softmax(loss.sample_sender_distribution(x[i], t, 2.0, key), axis=-1)
        logits = transform.apply(weights, key, theta)
        found["noise"].append(jax.random.normal(key, theta.shape))
        found["theta"].append(theta)
        nudged = transform.apply(weights, key, theta * np.float32(1 + 2**-23))
        found["spread"].append(jnp.abs(nudged - logits).max())
        step = 1 if length < 100 else STEP
        found["features"].append(model.apply_entropy_encoding(theta))
        found["logits"].append(logits[::step])
        found["transmission"].append(loss.compute_continuous_time_loss(x[i], logits, t, 2.0))
        found["reconstruction"].append(loss.compute_reconstruction_loss(x[i], logits))
    names, each = zip(*named, strict=True)
    arrays = {"names": names, "shapes": json.dumps(each), "x": x, "t": np.float32(times)}
    if length > 100:
        found = {name: found[name] for name in outputs}
    return {"sizes": json.dumps(sizes), **arrays, **{k: np.stack(v) for k, v in found.items()}}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clone", type=Path, help="a clone of instadeepai/protein-sequence-bfn")
    parser.add_argument("--full", action="store_true", help="at the sizes of ProtBFN")
    options = parser.parse_args()
    sys.path.insert(0, str(options.clone))
    arrays = run(FULL if options.full else SMALL)
    name = "protbfn_full" if options.full else "protbfn"
    np.savez_compressed(DATA / f"{name}.npz", **arrays)
    print(name, {key: value.shape for key, value in arrays.items() if hasattr(value, "shape")})
    print("largest logit", np.abs(arrays["logits"]).max(), "spread", arrays["spread"])


if __name__ == "__main__":
    main()
