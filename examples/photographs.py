"""Learns small pieces of five photographs in colour, told which photograph, and draws new ones.

    KERAS_BACKEND=torch python examples/photographs.py
    KERAS_BACKEND=torch python examples/photographs.py --seconds 3600 --mixed-precision

The photographs are in the package scikit-image: an astronaut, a cat, a cup of coffee, a
rocket, and galaxies. All are in the public domain or under CC0. A piece is square, at a
random place, mirrored at random, and has three colours of 256 levels each. Every
photograph is cut in three from left to right: three quarters for training, an eighth
for validation, an eighth for testing.

Training stops after `--seconds` of processor time. Prints the cost of held-out pieces
in continuous time, in bits per dimension, with and without the photograph's name,
beside that as PNG files. Writes the model, and samples beside real pieces, one column
per photograph.
"""

import argparse
import pathlib

from arguments import multiple_of_8, positive


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--size", type=multiple_of_8, default=16, help="of pieces; default 16 pixels"
    )
    parser.add_argument(
        "--shrink", type=positive, default=2, help="photographs by; default 2"
    )
    parser.add_argument(
        "--seconds", type=float, default=600.0, help="processor time; default 600"
    )
    parser.add_argument(
        "--width", type=multiple_of_8, default=64, help="of the network; default 64"
    )
    parser.add_argument(
        "--mixed-precision", action="store_true", help="train in bfloat16"
    )
    parser.add_argument(
        "--repeats", type=positive, default=10, help="evaluations of each piece"
    )
    parser.add_argument("--sampler-steps", type=positive, default=50, help="default 50")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--save-preset", type=pathlib.Path, help="preset folder to write"
    )
    output = pathlib.Path("photographs")
    parser.add_argument(
        "--output", type=pathlib.Path, default=output, help=f"default: {output}"
    )
    return parser.parse_args()


if __name__ == "__main__":  # before the imports, which take seconds
    ARGS = parse_arguments()
    print(
        f"Learns pieces of photographs for {ARGS.seconds:g} s of processor time, then scores "
        "and generates some, which takes minutes.",
        flush=True,
    )

import io

import keras
import numpy as np
import skimage.data
from experiment import in_float32
from image_folder import bits_per_dimension, everything
from PIL import Image
from progress import Progress

import keras_bfn
from keras_bfn import callbacks, datasets, flows, networks, recipes

PHOTOGRAPHS = {
    "astronaut": skimage.data.astronaut,
    "cat": skimage.data.chelsea,
    "coffee": skimage.data.coffee,
    "rocket": skimage.data.rocket,
    "galaxies": skimage.data.hubble_deep_field,
}
BATCH_SIZE, STEPS_PER_EPOCH = 64, 25
ROWS = 6


def load_photographs(shrink):
    """Returns a list of int arrays `(height, width, 3)`; `shrink`^2 pixels are averaged to one."""
    photographs = []
    for load in PHOTOGRAPHS.values():
        image = load()
        height, width = (side // shrink for side in image.shape[:2])
        image = image[: height * shrink, : width * shrink].reshape(
            height, shrink, width, shrink, 3
        )
        photographs.append(np.rint(image.mean((1, 3))).astype("int32"))
    return photographs


def split(photographs, size, seed):
    """Returns `Splits`: training pieces at random places, and held-out pieces side by side."""
    num = len(photographs)
    edges = [
        [int(p.shape[1] * share) for share in (0.75, 0.875, 1.0)] for p in photographs
    ]
    labels = np.tile(np.arange(num), BATCH_SIZE).astype("int32")

    def draw(chosen, rng):
        pieces = []
        for label in chosen:
            y = rng.integers(0, photographs[label].shape[0] - size + 1)
            x = rng.integers(0, edges[label][0] - size + 1)
            piece = photographs[label][y : y + size, x : x + size]
            pieces.append(piece[:, :: rng.choice((-1, 1))])
        return np.stack(pieces)

    def held_out(number):
        pieces = [
            (photographs[label][y : y + size, x : x + size], label)
            for label in range(num)
            for y in range(0, photographs[label].shape[0] - size + 1, size)
            for x in range(
                edges[label][number], edges[label][number + 1] - size + 1, size
            )
        ]
        images, labels = (np.stack(column) for column in zip(*pieces, strict=True))
        return datasets.Batches(
            images,
            lambda rows, rng: rows,
            BATCH_SIZE,
            labels.astype("int32"),
            training=False,
        )

    train = datasets.Batches(
        labels, draw, BATCH_SIZE, labels, seed=seed, steps_per_epoch=STEPS_PER_EPOCH
    )
    return datasets.Splits(train, held_out(0), held_out(1))


def build_model(size, width, seed):
    flow = flows.DiscretizedFlow(num_bins=256, sigma_1=1e-3)
    network = networks.PatchTransformer(
        flow,
        (size, size, 3),
        patch_size=2,
        width=width,
        num_layers=4,
        num_coarse_layers=3,
        coarse_width=3 * width // 2,
        conditions=len(PHOTOGRAPHS),
    )
    model = keras_bfn.BayesianFlowNetwork(
        flow, network, condition_dropout=0.2, seed=seed
    )
    model.compile(recipes.muon())
    return model


def png_bits(images):
    """Returns bits per dimension of images as PNG files, one each."""
    size = 0
    for image in images:
        file = io.BytesIO()
        Image.fromarray(image.astype("uint8")).save(file, "png", optimize=True)
        size += len(file.getvalue())
    return 8 * size / images.size


def main(args):
    args.output.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(args.seed)
    if args.mixed_precision:
        keras.config.set_dtype_policy("mixed_bfloat16")

    data = split(load_photographs(args.shrink), args.size, args.seed)
    model = build_model(args.size, args.width, args.seed)
    print(
        f"{model.network.count_params():,} weights on {keras.backend.backend()}",
        flush=True,
    )
    budget = callbacks.TimeBudget(args.seconds, clock="processor")
    with Progress("Training", budget) as progress:
        model.fit(
            data.train,
            epochs=10**6,
            validation_data=data.validation,
            validation_freq=20,
            callbacks=[budget, progress],
            verbose=0,
        )
    model = in_float32(model)
    model.save(args.output / "model.keras")
    if args.save_preset:
        model.save_to_preset(args.save_preset, half_precision=True)

    images, labels = everything(data.test)
    for name, condition in (
        ("given the photograph", labels),
        ("not given", np.full_like(labels, model.null_condition)),
    ):
        with Progress("Scoring held-out pieces"):
            bits, error = bits_per_dimension(model, (images, condition), args.repeats)
        print(
            f"{bits:.3f} +- {error:.3f} bits per dimension of {len(images)} pieces, {name}"
        )
    print(f"{png_bits(images):.3f} bits per dimension of these pieces as PNG files")
    condition = np.tile(np.arange(len(PHOTOGRAPHS), dtype="int32"), ROWS)
    sampler = keras_bfn.samplers.SDE2Sampler(start=0.001, spacing="log_beta")
    options = {"condition": condition, "seed": args.seed, "verbose": 0}
    with Progress("Generating samples"):
        samples = model.generate(len(condition), args.sampler_steps, sampler, **options)
    real = data.train.transform(condition, np.random.default_rng(0))
    keras_bfn.visualization.plot_samples(
        samples, args.output / "samples.png", real, len(PHOTOGRAPHS)
    )
    print(
        f"Columns of samples.png: {', '.join(PHOTOGRAPHS)}. Wrote it to {args.output}/."
    )


if __name__ == "__main__":
    main(ARGS)
