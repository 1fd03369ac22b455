"""The same seed gives the same numbers in another process.

    python -m tests.attacks.reproducible

Trains, evaluates, scores, generates and compresses in two processes, and compares the digests of
all weights and results. On a processor they are equal to the bit on every backend, dropout and
shuffling included, if `keras.utils.set_random_seed` was called and the model has a seed. On GPUs it
takes deterministic operations, too (`TF_DETERMINISTIC_OPS=1`, XLA's
`--xla_gpu_deterministic_ops=true`, `torch.use_deterministic_algorithms(True)`).
"""

import hashlib
import subprocess
import sys

import keras
import numpy as np

import keras_bfn


def digest(values):
    """A digest of a nest of arrays, numbers or bytes."""
    if isinstance(values, bytes):
        return hashlib.sha256(values).hexdigest()[:12]
    leaves = [np.ascontiguousarray(leaf).tobytes() for leaf in keras.tree.flatten(values)]
    return hashlib.sha256(b"".join(leaves)).hexdigest()[:12]


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
    return {name: digest(values) for name, values in results.items()}


def differences():
    """What two processes find otherwise."""
    command = [sys.executable, "-m", "tests.attacks.reproducible", "find"]
    said = [subprocess.run(command, capture_output=True, text=True) for _ in range(2)]
    assert not any(process.returncode for process in said), said
    first, second = (process.stdout.split() for process in said)
    assert len(first) == 7
    return [a for a, b in zip(first, second, strict=True) if a != b]


def main():
    if sys.argv[1:] == ["find"]:
        print(*[f"{name}={value}" for name, value in find().items()])
        return
    differ = differences()
    print(f"{keras.backend.backend():<14}7 digests, {len(differ)} differ: {' '.join(differ)}")
    sys.exit(bool(differ))


if __name__ == "__main__":
    main()
