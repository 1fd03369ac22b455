"""Trains a Bayesian flow network on scikit-learn's 8x8 digits, scores it, and generates samples.

    KERAS_BACKEND=jax python examples/digits.py
    KERAS_BACKEND=jax python examples/digits.py --conditional
    KERAS_BACKEND=jax python examples/digits.py --conditional --network unet
    KERAS_BACKEND=torch python examples/digits.py --data-type binary --output binary/

Of the 1,797 digits, 1,500 are for training, and 297 are held out. The data type
determines how the model represents a pixel's level, 0 to 16:

- discretized, the default: one of 17 ordered bins;
- binary: black or white, resampled in every epoch, white with probability level / 16;
- discrete: one of 17 unordered classes;
- continuous: the level as a number in [-1, 1].

With `--conditional`, the model is given the digit's class in 90% of the training
examples. Samples, with guidance scale 2, and real digits then have one column per
class.

Prints the cost of a held-out image by number of messages, with its standard error over
images, and the costs under simpler models. Writes two pictures: samples beside real
digits, and the input distribution from the prior to the samples.
"""

import argparse
import pathlib

from arguments import positive

# Minutes that a command takes on one CPU core, on JAX.
MINUTES = {"patches": 2, "unet": 5, "mlp": 4}


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    data_types = ("binary", "discrete", "discretized", "continuous")
    parser.add_argument("--data-type", choices=data_types, default="discretized")
    parser.add_argument(
        "--conditional", action="store_true", help="condition on the digit's class"
    )
    parser.add_argument(
        "--network", choices=MINUTES, help="default: mlp for binary pixels, or patches"
    )
    parser.add_argument("--epochs", type=positive, help="default: set by the network")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--sampler-steps", type=positive, default=50)
    parser.add_argument(
        "--repeats", type=positive, default=10, help="evaluations of each image"
    )
    parser.add_argument(
        "--save-preset", type=pathlib.Path, help="preset folder to write"
    )
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path("digits"))
    args = parser.parse_args()
    args.network = args.network or default_network(args.data_type)
    return args


def default_network(data_type):
    # Binary pixels, resampled in every epoch, are hard to overfit, and an MLP is fast.
    return "mlp" if data_type == "binary" else "patches"


if __name__ == "__main__":  # before the imports, which take seconds
    ARGS = parse_arguments()
    print(
        "Trains on 1,500 digits, scores 297 others, and generates more: about "
        f"{MINUTES[ARGS.network]} minutes on one CPU core, by default.",
        flush=True,
    )

import keras
import numpy as np
from progress import Progress
from sklearn.datasets import load_digits

import keras_bfn
from keras_bfn import datasets, flows, networks
from keras_bfn.recipes import adamw, muon

NUM_LEVELS = 17
NUM_TRAIN = 1500
BATCH_SIZE = 125
NUM_CLASSES = 10
IMAGE_SHAPE = (8, 8, 1)
EPOCHS = {"patches": 72, "unet": 100, "mlp": 600}


def binary(levels, rng):
    return (rng.uniform(size=levels.shape) < levels / 16).astype("int32")


def integers(levels, rng):
    return levels.astype("int32")


def numbers(levels, rng):
    return (levels / 8 - 1).astype("float32")


# For each data type: the flow, and the transform of the levels.
DATA_TYPES = {
    "binary": (flows.DiscreteFlow(num_classes=2, beta_1=6.0), binary),
    "discrete": (flows.DiscreteFlow(num_classes=NUM_LEVELS, beta_1=1.0), integers),
    "discretized": (flows.DiscretizedFlow(NUM_LEVELS, sigma_1=0.02), integers),
    "continuous": (flows.ContinuousFlow(sigma_1=0.05, num_bins=NUM_LEVELS), numbers),
}
# The lowest known cost of a held-out image, in nats, and the command that prints it.
BEST = {
    "binary": ("examples/digits.py --data-type binary", 21.82),
    "levels": ("examples/image_and_label.py", 74.61),
    "levels, given the class": (
        "examples/digits.py --conditional --network unet",
        72.69,
    ),
}


def build_model(network, flow, num_steps, conditional, seed):
    options = {
        "dropout": 0.1,
        "conditions": NUM_CLASSES if conditional else None,
    }
    if network == "patches":
        network = networks.PatchTransformer(
            flow, IMAGE_SHAPE, patch_size=2, width=64, num_layers=3, **options
        )
        optimizer = muon(num_steps)
    elif network == "unet":
        network = networks.UNet(flow, IMAGE_SHAPE, width=16, num_blocks=1, **options)
        optimizer = adamw(num_steps, peak_rate=3e-3)
    else:
        network = networks.MLP(flow, IMAGE_SHAPE, width=256, num_blocks=3, **options)
        optimizer = adamw(num_steps)
    model = keras_bfn.BayesianFlowNetwork(
        flow, network, condition_dropout=0.1 if conditional else 0.0, seed=seed
    )
    model.compile(optimizer)
    return model


def load_levels():
    """Returns shuffled levels 0..16, `(1797, 8, 8, 1)`, and labels; the first 1500 train."""
    digits = load_digits()
    order = np.random.default_rng(0).permutation(len(digits.images))
    return digits.images[order][..., None], digits.target[order].astype("int32")


def load_held_out(data_type):
    """Returns held-out images and labels; binary pixels are sampled ten times."""
    draws = 10 if data_type == "binary" else 1
    levels, labels = (
        np.concatenate([part[NUM_TRAIN:]] * draws) for part in load_levels()
    )
    _, transform = DATA_TYPES[data_type]
    return transform(levels, np.random.default_rng(1)), labels


def train(data_type, network=None, epochs=None, conditional=False, seed=0):
    """Returns a model trained on the first 1500 digits."""
    flow, transform = DATA_TYPES[data_type]
    network = network or default_network(data_type)
    epochs = epochs or EPOCHS[network]
    keras.utils.set_random_seed(seed)
    levels, labels = load_levels()
    num_held_out = len(levels) - NUM_TRAIN
    held_out, held_out_labels = (
        part[:num_held_out] for part in load_held_out(data_type)
    )
    train_labels = labels[:NUM_TRAIN] if conditional else None
    batches = datasets.Batches(
        levels[:NUM_TRAIN], transform, BATCH_SIZE, train_labels, seed=seed
    )
    with Progress("Training") as progress:
        num_steps = epochs * batches.num_batches
        model = build_model(network, flow, num_steps, conditional, seed)
        model.fit(
            batches,
            epochs=epochs,
            validation_data=((held_out, held_out_labels),) if conditional else held_out,
            validation_freq=max(epochs // 20, 1),
            callbacks=[progress],
            verbose=0,
        )
    return model


def print_code_lengths(model, x, num_repeats):
    print(
        "messages    transmission  reconstruction  nats per image  bits per dimension"
    )
    for num_steps in (10, 25, 50, 100, None):
        nats = model.code_length(
            x, num_steps, num_repeats, batch_size=297, seed=0, verbose=0
        )
        totals = nats["transmission"] + nats["reconstruction"]
        totals = totals.reshape(-1, 297).mean(axis=0)  # of ten binary samples, if any
        total, error = totals.mean(), totals.std() / np.sqrt(len(totals))
        bits = total / np.log(2) / np.prod(IMAGE_SHAPE)
        name = "continuous" if num_steps is None else num_steps
        print(
            f"{name!s:<12}{nats['transmission'].mean():<14.2f}"
            f"{nats['reconstruction'].mean():<16.2f}{total:.2f} +- {error:<7.2f}"
            f"{bits:.3f}",
            flush=True,
        )


def histogram_cost(train, held_out, num_values, axes):
    """Returns nats per image if a value costs -log of its frequency over `axes` in training."""
    values = np.arange(num_values)
    counts = (train == values).sum(axis=axes) + 0.5
    log_frequencies = np.log(counts / counts.sum(axis=-1, keepdims=True))
    return -((held_out == values) * log_frequencies).sum() / len(held_out)


def print_references(data_type, conditional):
    """Prints the cost of a held-out image under simpler models, and the lowest known."""
    is_binary = data_type == "binary"
    num_values = 2 if is_binary else NUM_LEVELS
    to_values = binary if is_binary else integers
    train = to_values(load_levels()[0][:NUM_TRAIN], np.random.default_rng(0))
    held_out, _ = load_held_out("binary" if is_binary else "discrete")
    uniform = np.prod(IMAGE_SHAPE) * np.log(num_values)
    rows = {
        "noise, all values equally likely": uniform,
        "the histogram of all pixels": histogram_cost(
            train, held_out, num_values, (0, 1, 2)
        ),
        "each pixel's own histogram": histogram_cost(train, held_out, num_values, 0),
    }
    kind = "binary" if is_binary else "levels"
    kind = f"{kind}, given the class" if conditional else kind
    if kind in BEST:
        command, nats = BEST[kind]
        rows[f"the best known here: {command}"] = nats
    print("\nFor comparison, nats per image:")
    for name, nats in rows.items():
        print(f"  {nats:<8.2f}{name}")


def main(args):
    args.output.mkdir(parents=True, exist_ok=True)
    flow, _ = DATA_TYPES[args.data_type]
    print(f"{args.data_type} digits on {keras.backend.backend()}: {flow}")

    model = train(
        args.data_type, args.network, args.epochs, args.conditional, args.seed
    )
    model.save(args.output / "model.keras")
    if args.save_preset:
        model.save_to_preset(args.save_preset, half_precision=True)
    held_out, labels = load_held_out(args.data_type)
    with Progress("\nScoring the code length of held-out images"):
        print_code_lengths(
            model, (held_out, labels) if args.conditional else held_out, args.repeats
        )
    print_references(args.data_type, args.conditional)

    columns = NUM_CLASSES if args.conditional else 8
    num_samples = 8 * columns
    guidance, real = {}, held_out[:num_samples]
    if args.conditional:
        rows = [held_out[labels == label][:8] for label in range(NUM_CLASSES)]
        real = np.stack(rows, axis=1).reshape(num_samples, *IMAGE_SHAPE)
        guidance = {
            "condition": np.arange(num_samples) % NUM_CLASSES,
            "guidance_scale": 2.0,
        }
    with Progress(f"\nGenerating {num_samples} samples in {args.sampler_steps} steps"):
        result = model.generate(
            num_samples,
            args.sampler_steps,
            seed=args.seed,
            batch_size=num_samples,
            return_details=True,
            verbose=0,
            **guidance,
        )
        keras_bfn.visualization.plot_samples(
            result.samples, args.output / "samples.png", real=real, columns=columns
        )
        keras_bfn.visualization.plot_trajectory(
            flow, result.trajectory, args.output / "trajectory.png"
        )
    print(f"Wrote model.keras, samples.png and trajectory.png to {args.output}/")


if __name__ == "__main__":
    main(ARGS)
