"""Trains a Bayesian flow network on a folder of pictures, scores it, and generates samples.

    KERAS_BACKEND=jax python examples/image_folder.py photographs/
    KERAS_BACKEND=jax python examples/image_folder.py photographs/ --image-size 64 --steps 20000
    KERAS_BACKEND=jax python examples/image_folder.py    # with patches of two photographs

Every PNG, JPEG, GIF and BMP file below the folder is cropped to a square and scaled.
The model learns three colours of 256 levels each; training pictures are mirrored at
random. Sub-folders, if there are any, are classes: the model is given the class in 90%
of the training examples, and generates pictures of each class. A tenth of the pictures
is held out.

Without a folder, the script makes one: 520 patches, 32x32, of scikit-learn's two
photographs, a temple and a flower.

Prints the cost of a held-out picture in continuous time, in bits per dimension. Writes
the model, and samples beside training pictures, one row per class.
"""

import argparse
import pathlib

from arguments import multiple_of_8, positive


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "folder", nargs="?", type=pathlib.Path, help="default: create one"
    )
    parser.add_argument(
        "--image-size", type=multiple_of_8, help="default: 32; 16 without a folder"
    )
    parser.add_argument(
        "--grayscale", action="store_true", help="one channel instead of three"
    )
    parser.add_argument(
        "--no-flip", action="store_true", help="do not mirror training pictures"
    )
    parser.add_argument(
        "--steps", type=positive, default=2000, help="training steps; default 2000"
    )
    parser.add_argument("--batch-size", type=positive, default=32, help="default 32")
    parser.add_argument(
        "--width", type=multiple_of_8, default=64, help="of the network; default 64"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--sampler-steps", type=positive, default=50, help="default 50")
    parser.add_argument(
        "--guidance-scale",
        type=float,
        default=2.0,
        help="of samples with classes; higher: clearer classes, less variety; default 2",
    )
    parser.add_argument(
        "--repeats", type=positive, default=10, help="evaluations of each picture"
    )
    output = pathlib.Path("image_folder")
    parser.add_argument(
        "--output", type=pathlib.Path, default=output, help=f"default: {output}"
    )
    return parser.parse_args()


if __name__ == "__main__":  # before the imports, which take seconds
    ARGS = parse_arguments()
    print(
        "Trains on a folder of pictures: about 6 minutes on one CPU core for pictures of "
        "16x16 and the other default arguments; the time grows with their size.",
        flush=True,
    )

import math
import time

import keras
import numpy as np
from progress import Progress

import keras_bfn
from keras_bfn import datasets, flows, networks
from keras_bfn.recipes import muon

COLUMNS = 8
MOST_ROWS = 10


def make_folder(path):
    """Cuts scikit-learn's photographs into patches, a sub-folder for each; returns the folder."""
    from PIL import Image
    from sklearn.datasets import load_sample_images

    for name, photograph in zip(
        ("temple", "flower"), load_sample_images().images, strict=True
    ):
        (path / name).mkdir(parents=True, exist_ok=True)
        height, width, _ = photograph.shape
        for y in range(0, height - 31, 32):
            for x in range(0, width - 31, 32):
                piece = Image.fromarray(photograph[y : y + 32, x : x + 32])
                piece.save(path / name / f"{y:03}-{x:03}.png")
    return path


def build_model(image_shape, num_classes, width, steps, seed):
    flow = flows.DiscretizedFlow(num_bins=256, sigma_1=1e-3)
    network = networks.PatchTransformer(
        flow,
        image_shape,
        patch_size=2,
        width=width,
        num_coarse_layers=3,
        coarse_width=3 * width // 2,
        conditions=num_classes,
    )
    model = keras_bfn.BayesianFlowNetwork(
        flow, network, condition_dropout=0.1 if num_classes else 0.0, seed=seed
    )
    model.compile(muon(steps))
    return model


def everything(batches):
    """Returns all held-out pictures, with any labels, in the form that `code_length` takes."""
    if batches.labels is None:
        return np.concatenate(list(batches))
    images = np.concatenate([images for ((images, _),) in batches])
    return images, batches.labels


def bits_per_dimension(model, x, repeats):
    """Returns the mean over pictures and its standard error."""
    nats = model.code_length(x, None, repeats, batch_size=32, seed=0, verbose=0)
    bits = (
        (nats["transmission"] + nats["reconstruction"])
        / math.log(2)
        / model.num_variables
    )
    return bits.mean(), bits.std() / math.sqrt(len(bits))


def draw(model, data, num_classes, args):
    """Returns samples, and real pictures for comparison, each with one row per class."""
    rows = min(num_classes or 4, MOST_ROWS)
    options = {}
    chosen = np.arange(rows * COLUMNS)
    if num_classes:
        classes = np.repeat(np.arange(rows), COLUMNS)
        options = {"condition": classes, "guidance_scale": args.guidance_scale}
        # A class with too few pictures repeats some.
        of_class = [np.flatnonzero(data.labels == label) for label in range(rows)]
        chosen = np.concatenate([np.resize(found, COLUMNS) for found in of_class])
    # The content of a picture is settled early, so most steps are spent there.
    sampler = keras_bfn.samplers.SDE2Sampler(start=0.001, spacing="log_beta")
    samples = model.generate(
        rows * COLUMNS,
        args.sampler_steps,
        sampler,
        seed=args.seed,
        verbose=0,
        **options,
    )
    return samples, data.examples[chosen % len(data.examples)]


def main(args):
    args.output.mkdir(parents=True, exist_ok=True)
    start = time.monotonic()
    keras.utils.set_random_seed(args.seed)

    folder, size = args.folder, args.image_size or 32
    if folder is None:
        folder, size = make_folder(args.output / "pictures"), args.image_size or 16
        print(
            f"No folder given: created {folder}/ from two photographs of scikit-learn."
        )
    classes = datasets.image_classes(folder)
    data = datasets.image_folder(
        folder,
        (size, size),
        args.batch_size,
        color_mode="grayscale" if args.grayscale else "rgb",
        flip=not args.no_flip,
        labels=bool(classes),
        held_out=0.1,
        seed=args.seed,
    )
    sizes = " + ".join(str(len(part.examples)) for part in data)
    print(
        f"{sizes} pictures to train, validate and test; classes: {', '.join(classes) or 'none'}"
    )
    empty = [name for i, name in enumerate(classes) if i not in data.train.labels]
    if empty:
        raise SystemExit(
            f"all pictures of {empty} are held out: these classes need more pictures"
        )

    epochs = math.ceil(args.steps / data.train.num_batches)
    steps = epochs * data.train.num_batches
    image_shape = data.train.examples.shape[1:]
    model = build_model(image_shape, len(classes) or None, args.width, steps, args.seed)
    name = f"{model.network.count_params():,} weights on {keras.backend.backend()}"
    print(f"{name}, {epochs} epochs of {data.train.num_batches} batches", flush=True)
    with Progress("Training") as progress:
        model.fit(
            data.train,
            epochs=epochs,
            validation_data=data.validation,
            validation_freq=max(epochs // 20, 1),
            callbacks=[progress],
            verbose=0,
        )
    model.save(args.output / "model.keras")

    test = everything(data.test)
    with Progress("Scoring held-out pictures"):
        bits, error = bits_per_dimension(model, test, args.repeats)
    num = len(data.test.examples)
    print(f"\n{bits:.3f} +- {error:.3f} bits per dimension for {num} held-out pictures")
    with Progress("Generating samples"):
        samples, real = draw(model, data.train, len(classes), args)
    keras_bfn.visualization.plot_samples(
        samples, args.output / "samples.png", real, COLUMNS
    )
    if classes:
        print(f"Rows of samples.png, from the top: {', '.join(classes[:MOST_ROWS])}")
    print(
        f"Wrote model.keras and samples.png to {args.output}/. {time.monotonic() - start:.0f} s."
    )


if __name__ == "__main__":
    main(ARGS)
