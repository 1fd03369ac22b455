"""The same seed gives the same numbers in another process.

    python -m tests.attacks.reproducible
    KERAS_BACKEND=torch python -m tests.attacks.reproducible 1 2  # threads of either process

Trains, with dropout and shuffled data, evaluates, scores, generates and compresses in two
processes, and compares all weights and results. It takes `keras.utils.set_random_seed` and a model
with a seed; what is told then is how many are equal to the bit, and by how much the others differ:
on a processor, sums may be rounded otherwise, as PyTorch's are with other numbers of threads
(`OMP_NUM_THREADS`, `torch.set_num_threads`). On GPUs it takes deterministic operations, too
(`TF_DETERMINISTIC_OPS=1`, `--xla_gpu_deterministic_ops=true` of XLA,
`torch.use_deterministic_algorithms(True)`).
"""

import os
import subprocess
import sys
import tempfile

import keras
import numpy as np

import keras_bfn


def find():
    """Digests of what a model with dropout and averages learns, and then gives."""
    keras.utils.set_random_seed(0)
    flow = keras_bfn.flows.DiscreteFlow(num_classes=4, beta_1=2.0)
    network = keras_bfn.networks.MLP(flow, (6,), 16, 1, dropout=0.2, conditions=3)
    model = keras_bfn.BayesianFlowNetwork(flow, network, condition_dropout=0.2, seed=0)
    model.compile(keras.optimizers.AdamW(1e-2, use_ema=True))
    rng = np.random.default_rng(0)
    x = rng.integers(0, 4, (64, 6)).astype("int32")
    classes = rng.integers(0, 3, 64).astype("int32")
    model.fit((x, classes), epochs=3, batch_size=8, validation_split=0.25, verbose=0)
    codec = keras_bfn.codec.Codec(model, num_steps=5)
    results = {
        "fit": model.get_weights(),
        "evaluate": model.evaluate((x, classes), verbose=0),
        "code_length": model.code_length((x, classes), 5, verbose=0),
        "generate": model.generate(16, 5, sampler="sde2", condition=classes[:16], verbose=0),
        "inpaint": model.inpaint(x, np.arange(6) < 3, 5, condition=classes, verbose=0),
        "encode": model.encode(x, 5, condition=classes, verbose=0),
        "compress": codec.compress(x, classes, verbose=0),
    }
    return {name: _flatten(values) for name, values in results.items()}


def _flatten(values):
    if isinstance(values, bytes):
        return np.frombuffer(values, "uint8").astype("float64")
    leaves = keras.tree.flatten(values)
    return np.concatenate([np.ravel(leaf).astype("float64") for leaf in leaves])


def differences(*threads):
    """The largest difference of each result between two processes, relative to its largest."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for i in range(2):
            path = f"{folder}/{i}.npz"
            command = [sys.executable, "-m", "tests.attacks.reproducible", path]
            env = {**os.environ, **({"OMP_NUM_THREADS": threads[i]} if threads else {})}
            process = subprocess.run(command, capture_output=True, text=True, env=env)
            assert process.returncode == 0, process.stderr
            with np.load(path) as file:
                found.append(dict(file))
    first, second = found
    return {name: _difference(first[name], second[name]) for name in first}


def _difference(a, b):
    if a.shape != b.shape:  # files of other lengths
        return np.inf
    return float(np.abs(a - b).max() / np.abs(a).max())


def main():
    if len(sys.argv) == 2:
        np.savez(sys.argv[1], **find())
        return
    found = differences(*sys.argv[1:])
    differ = [f"{name} by {difference:.2g}" for name, difference in found.items() if difference]
    same = len(found) - len(differ)
    print(f"{keras.backend.backend():<14}{same} of {len(found)} are equal to the bit; {differ}")
    sys.exit(any(difference > 1e-6 for difference in found.values()))


if __name__ == "__main__":
    main()
