"""Trains a Bayesian flow network on scikit-learn's 8x8 digits, scores it, and generates samples.

    KERAS_BACKEND=jax python examples/digits.py
    KERAS_BACKEND=jax python examples/digits.py --conditional
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

Prints the cost of a held-out image by number of messages. Writes two pictures: samples
beside real digits, and the input distribution from the prior to the samples.
"""

import argparse
import pathlib
import time

import keras
import numpy as np
from sklearn.datasets import load_digits

import keras_bfn
from keras_bfn import datasets, flows, networks
from keras_bfn.recipes import adamw

NUM_LEVELS = 17
NUM_TRAIN = 1500
BATCH_SIZE = 125
NUM_CLASSES = 10
IMAGE_SHAPE = (8, 8, 1)


def binary(levels, rng):
    return (rng.uniform(size=levels.shape) < levels / 16).astype("int32")


def integers(levels, rng):
    return levels.astype("int32")


def numbers(levels, rng):
    return (levels / 8 - 1).astype("float32")


# For each data type: the flow, the transform of the levels, and the default number of
# epochs.
DATA_TYPES = {
    "binary": (flows.DiscreteFlow(num_classes=2, beta_1=6.0), binary, 600),
    "discrete": (flows.DiscreteFlow(num_classes=NUM_LEVELS, beta_1=1.0), integers, 100),
    "discretized": (
        flows.DiscretizedFlow(num_bins=NUM_LEVELS, sigma_1=0.02),
        integers,
        100,
    ),
    "continuous": (
        flows.ContinuousFlow(sigma_1=0.05, num_bins=NUM_LEVELS),
        numbers,
        100,
    ),
}


class OneLinePerEpochs(keras.callbacks.Callback):
    """Prints one line of progress every few epochs; 600 progress bars would fill the screen."""

    def __init__(self, every):
        super().__init__()
        self.every = every

    def on_train_begin(self, logs=None):
        self.start = time.monotonic()

    def on_epoch_end(self, epoch, logs=None):
        if (epoch + 1) % self.every == 0 or epoch == 0:
            values = "  ".join(f"{name}: {value:.4f}" for name, value in logs.items())
            seconds = time.monotonic() - self.start
            print(
                f"epoch {epoch + 1}/{self.params['epochs']}  {seconds:.0f} s  {values}",
                flush=True,
            )


def build_model(data_type, flow, epochs, conditional, seed):
    conditions = NUM_CLASSES if conditional else None
    if data_type == "binary":
        # Resampling binary pixels in every epoch limits overfitting, and an MLP is
        # fast.
        network = networks.MLP(
            flow,
            IMAGE_SHAPE,
            width=256,
            num_blocks=3,
            dropout=0.1,
            conditions=conditions,
        )
        peak_rate = 1e-3
    else:
        network = networks.UNet(
            flow,
            IMAGE_SHAPE,
            width=16,
            num_blocks=1,
            dropout=0.1,
            conditions=conditions,
        )
        peak_rate = 3e-3
    model = keras_bfn.BayesianFlowNetwork(
        flow, network, condition_dropout=0.1 if conditional else 0.0, seed=seed
    )

    model.compile(adamw(epochs * (NUM_TRAIN // BATCH_SIZE), peak_rate))
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
    _, transform, _ = DATA_TYPES[data_type]
    return transform(levels, np.random.default_rng(1)), labels


def train(data_type, epochs=None, conditional=False, seed=0):
    """Returns a model trained on the first 1500 digits."""
    flow, transform, default_epochs = DATA_TYPES[data_type]
    epochs = epochs or default_epochs
    keras.utils.set_random_seed(seed)
    model = build_model(data_type, flow, epochs, conditional, seed)
    levels, labels = load_levels()
    num_held_out = len(levels) - NUM_TRAIN
    held_out, held_out_labels = (
        part[:num_held_out] for part in load_held_out(data_type)
    )
    train_labels = labels[:NUM_TRAIN] if conditional else None
    model.fit(
        datasets.Batches(
            levels[:NUM_TRAIN], transform, BATCH_SIZE, train_labels, seed=seed
        ),
        epochs=epochs,
        validation_data=((held_out, held_out_labels),) if conditional else held_out,
        validation_freq=max(epochs // 20, 1),
        callbacks=[OneLinePerEpochs(max(epochs // 20, 1))],
        verbose=0,
    )
    return model


def print_code_lengths(model, x, num_repeats):
    print("\nCode length of held-out images:")
    print(
        "steps       transmission  reconstruction  nats per image  bits per dimension"
    )
    for num_steps in (10, 25, 50, 100, None):
        nats = model.code_length(
            x, num_steps, num_repeats, batch_size=297, seed=0, verbose=0
        )
        total = nats["transmission"].mean() + nats["reconstruction"].mean()
        bits = total / np.log(2) / np.prod(IMAGE_SHAPE)
        name = "continuous" if num_steps is None else num_steps
        print(
            f"{name!s:<12}{nats['transmission'].mean():<14.2f}"
            f"{nats['reconstruction'].mean():<16.2f}{total:<16.2f}{bits:.3f}",
            flush=True,
        )


def positive(text):
    if int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, received {text}")
    return int(text)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-type", choices=DATA_TYPES, default="discretized")
    parser.add_argument(
        "--conditional", action="store_true", help="condition on the digit's class"
    )
    parser.add_argument(
        "--epochs", type=positive, help="default: depends on the data type"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--sampler-steps", type=positive, default=50)
    parser.add_argument(
        "--repeats", type=positive, default=20, help="evaluations of each image"
    )
    parser.add_argument(
        "--save-preset", type=pathlib.Path, help="preset folder to write"
    )
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path("digits"))
    args = parser.parse_args()
    flow, _, _ = DATA_TYPES[args.data_type]
    args.output.mkdir(parents=True, exist_ok=True)
    print(f"{args.data_type} digits on {keras.backend.backend()}: {flow}")

    model = train(args.data_type, args.epochs, args.conditional, args.seed)
    model.save(args.output / "model.keras")
    if args.save_preset:
        model.save_to_preset(args.save_preset)
    held_out, labels = load_held_out(args.data_type)
    print_code_lengths(
        model, (held_out, labels) if args.conditional else held_out, args.repeats
    )

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
    print(f"\nGenerating {num_samples} samples in {args.sampler_steps} steps.")
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
    main()
