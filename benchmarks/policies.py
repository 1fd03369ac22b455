"""Effect of half precision on training: held-out cost after equal steps, by dtype policy.

    KERAS_BACKEND=jax python -m benchmarks.policies

The same model of binary 8x8 digits is trained from the same weights for the same steps, with its
network in float32, in bfloat16, and in float16 with loss scaling, for several seeds. Prints the
nats of a held-out digit, evaluated with the same noise, and their ratio to those of float32: the
mean over seeds, and the ratio farthest from 1. (JAX has no matrix products in float16 on CPUs.)
"""

import argparse

import keras
import numpy as np
from sklearn.datasets import load_digits

from benchmarks.devices import gpu_name
from keras_bfn import BayesianFlowNetwork, flows, networks

POLICIES = ("float32", "mixed_bfloat16", "mixed_float16")
NUM_TRAIN, BATCH_SIZE = 1500, 100


def held_out_nats(policy, seed, epochs, num_repeats):
    """Trains a model, and returns the cost of a held-out digit in nats."""
    keras.utils.set_random_seed(seed)
    order = np.random.default_rng(0).permutation(1797)
    images = (load_digits().images[order][..., None] > 7).astype("int32")
    flow = flows.DiscreteFlow(2, beta_1=6.0)
    network = networks.MLP(flow, (8, 8, 1), width=128, num_blocks=2, dtype=policy)
    model = BayesianFlowNetwork(flow, network, seed=seed)
    steps = epochs * (NUM_TRAIN // BATCH_SIZE)
    rate = keras.optimizers.schedules.CosineDecay(2e-3, steps)
    model.compile(keras.optimizers.AdamW(rate), loss="continuous_time")
    is_scaled = isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
    assert is_scaled == (policy == "mixed_float16")
    model.fit(images[:NUM_TRAIN], batch_size=BATCH_SIZE, epochs=epochs, verbose=0)
    costs = model.code_length(images[NUM_TRAIN:], num_repeats=num_repeats, seed=0, verbose=0)
    return float(sum(cost.mean() for cost in costs.values()))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--repeats", type=int, default=20, help="evaluations of each digit")
    args = parser.parse_args()
    print(f"{keras.backend.backend()}, {args.epochs} epochs, {args.seeds} seeds")
    print("policy           nats     over float32   extreme")
    base = None
    no_float16 = keras.backend.backend() == "jax" and gpu_name() is None
    for policy in POLICIES[:2] if no_float16 else POLICIES:
        seeds = range(args.seeds)
        nats = np.array([held_out_nats(policy, s, args.epochs, args.repeats) for s in seeds])
        base = nats if base is None else base
        ratios = nats / base
        farthest = ratios[np.argmax(np.abs(ratios - 1))]
        print(f"{policy:<17}{nats.mean():<9.3f}{ratios.mean():<15.4f}{farthest:.4f}", flush=True)


if __name__ == "__main__":
    main()
