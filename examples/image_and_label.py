"""Trains one model on 8x8 digits and their labels, and samples either given the other.

    KERAS_BACKEND=jax python examples/image_and_label.py

Of scikit-learn's 1,797 digits, 1,500 are for training, and 297 are held out. An example
has two parts: a picture of 64 pixels with 17 ordered levels, and a label, one of ten
classes. Each variable has its own time, so the model also learns either part given the
other. Prints:

- how often a support vector machine, trained on the same 1,500 digits, predicts the
  label that was generated with a picture, and the label that a picture was generated
  for;
- how often the model's label of a held-out picture, the most common of several samples
  from `generate(given=...)`, is right, and how often the machine's is;
- the cost of a held-out picture and its label, and that of the picture alone by a model
  trained for as long on pictures alone.

Writes the model, and pictures below their labels: generated together, and generated
given a label.
"""

import argparse
import pathlib

from arguments import positive


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=positive, default=150)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--samples", type=positive, default=1000, help="pairs to generate; min. 40"
    )
    parser.add_argument("--sampler-steps", type=positive, default=50)
    parser.add_argument(
        "--guidance", type=float, default=5.0, help="guidance scale for given labels"
    )
    parser.add_argument(
        "--draws", type=positive, default=9, help="labels per held-out picture"
    )
    parser.add_argument(
        "--repeats", type=positive, default=20, help="evaluations of each image"
    )
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path("pairs"))
    return parser.parse_args()


if __name__ == "__main__":  # before the imports, which take seconds
    ARGS = parse_arguments()
    print(
        "Trains on digits with their labels, and then on digits alone: "
        "several minutes on one CPU core.",
        flush=True,
    )

import math
import time

import keras
import numpy as np
from digits import (
    IMAGE_SHAPE,
    NUM_CLASSES,
    NUM_LEVELS,
    NUM_TRAIN,
    load_levels,
)
from matplotlib.figure import Figure
from progress import Progress
from sklearn.svm import SVC

import keras_bfn
from keras_bfn import datasets, flows, networks
from keras_bfn.recipes import adamw

BATCH_SIZE = 125
WIDTH = 64
FLOW = {
    "image": flows.DiscretizedFlow(num_bins=NUM_LEVELS, sigma_1=0.02),
    "label": flows.DiscreteFlow(num_classes=NUM_CLASSES, beta_1=3.0),
}
SHAPES = {"image": IMAGE_SHAPE, "label": ()}


def load_parts():
    """Returns the digits to train on and the held-out digits, as two dicts of parts."""
    levels, labels = load_levels()
    parts = {"image": levels.astype("int32"), "label": labels}
    train = {name: part[:NUM_TRAIN] for name, part in parts.items()}
    return train, {name: part[NUM_TRAIN:] for name, part in parts.items()}


def train(data, epochs, seed):
    """Returns a model of the parts in `data`: both, or the picture alone."""
    keras.utils.set_random_seed(seed)
    flow = {name: FLOW[name] for name in data}
    times = "variables" if len(data) > 1 else "shared"
    unet = networks.UNet(
        FLOW["image"],
        IMAGE_SHAPE,
        width=16,
        num_blocks=1,
        dropout=0.1,
        conditions=(WIDTH,),
        times=times,
    )
    network = networks.MultiPart(
        flow,
        {name: SHAPES[name] for name in data},
        WIDTH,
        mixer="mlp",
        dropout=0.1,
        networks={"image": unet},
        times=times,
    )
    # Pictures are generated given labels, so the label alone is given in half of the
    # examples. In those of the kind "given", any variables may be.
    if len(data) > 1:
        states = {"together": 1, "label": 2, "given": 1}
        model = keras_bfn.AnyOrderNetwork(flow, network, states=states, seed=seed)
    else:
        model = keras_bfn.BayesianFlowNetwork(flow, network, seed=seed)
    optimizer = adamw(epochs * (NUM_TRAIN // BATCH_SIZE), peak_rate=3e-3)
    # A label is one variable beside 64, so its nats count five times, to be learnt as
    # fast.
    model.compile(optimizer, loss_weights={"label": 5.0} if "label" in data else None)
    batches = datasets.Batches(
        np.arange(NUM_TRAIN),
        lambda rows, rng: {name: part[rows] for name, part in data.items()},
        BATCH_SIZE,
        seed=seed,
    )
    with Progress(f"Training on {' and '.join(data)}") as progress:
        model.fit(batches, epochs=epochs, callbacks=[progress], verbose=0)
    return model


def percent(right):
    return f"{100 * np.mean(right):.1f}%"


def print_row(name, *values):
    print(f"  {name:<34}", *values, flush=True)


def commonest(draws):
    """Returns the most common value of each column of `draws`, `(times, num)`."""
    counts = (np.asarray(draws)[..., None] == np.arange(NUM_CLASSES)).sum(axis=0)
    return counts.argmax(axis=-1)


def nats(model, x, repeats):
    """Returns nats per example of all parts together, and of each part."""
    costs = model.code_length(x, None, repeats, batch_size=297, seed=0, verbose=0)[
        "parts"
    ]
    parts = {
        name: sum(values.mean() for values in cost.values())
        for name, cost in costs.items()
    }
    return sum(parts.values()), parts


def plot_pairs(path, rows):
    """Plots pictures below their labels: for each title, a block with rows of ten."""
    figure = Figure(figsize=(6, 7), layout="constrained")
    blocks = figure.subfigures(len(rows), 1)
    for block, (title, parts) in zip(blocks, rows.items(), strict=True):
        block.suptitle(title)
        pairs = zip(parts["image"], parts["label"], strict=True)
        grid = block.subplots(len(parts["label"]) // 10, 10).flat
        for axes, (image, label) in zip(grid, pairs, strict=True):
            axes.imshow(image[..., 0], cmap="gray", vmin=0, vmax=NUM_LEVELS - 1)
            axes.set_title(str(label), fontsize=9, pad=2)
            axes.set_axis_off()
    figure.savefig(path, dpi=120)


def main(args):
    args.output.mkdir(parents=True, exist_ok=True)
    start = time.monotonic()

    data, held_out = load_parts()
    images, labels = held_out["image"], held_out["label"]
    machine = SVC().fit(data["image"].reshape(NUM_TRAIN, -1), data["label"])

    def read(images):
        return machine.predict(images.reshape(len(images), -1))

    model = train(data, args.epochs, args.seed)
    model.save(args.output / "model.keras")
    alone = train({"image": data["image"]}, args.epochs, args.seed)

    options = {"seed": args.seed, "verbose": 0}
    steps, num = args.sampler_steps, args.samples
    # The content of a picture is settled early, so most steps are spent there.
    sampler = keras_bfn.samplers.SDE2Sampler(start=0.001, spacing="log_beta")
    pairs = model.generate(num, steps, sampler, batch_size=num, **options)
    asked = np.arange(num, dtype="int32") % NUM_CLASSES
    options["batch_size"] = num
    drawn = model.generate(num, steps, sampler, given={"label": asked}, **options)
    guided = model.generate(
        num,
        steps,
        sampler,
        given={"label": asked},
        guidance_scale=args.guidance,
        **options,
    )
    print(f"\nPairs of {num} in which a support vector machine reads the same label")
    print_row(
        "picture and label together", percent(read(pairs["image"]) == pairs["label"])
    )
    print_row("picture given a label", percent(read(drawn["image"]) == asked))
    print_row(
        f"the same, guidance scale {args.guidance:g}",
        percent(read(guided["image"]) == asked),
    )

    num = len(labels)
    repeated = np.tile(images, (args.draws, 1, 1, 1))
    options["batch_size"] = num
    parts = model.generate(len(repeated), steps, given={"image": repeated}, **options)
    found = parts["label"].reshape(args.draws, num)
    print(
        f"\nCorrect labels of {num} held-out pictures (mode of {args.draws} samples; one sample)"
    )
    print_row("support vector machine", percent(read(images) == labels))
    name = "label given the picture"
    print_row(name, percent(commonest(found) == labels), percent(found == labels))

    joint, parts = nats(model, held_out, args.repeats)
    single, _ = nats(alone, {"image": images}, args.repeats)
    shares = f"(picture {parts['image']:.2f}, label {parts['label']:.2f})"
    print("\nNats per held-out example")
    print_row("picture and label, one model", f"{joint:.2f}", shares)
    print_row("picture, its own model", f"{single:.2f}")
    print_row("label, ln 10", f"{math.log(NUM_CLASSES):.2f}")

    first = {name: part[:40] for name, part in pairs.items()}
    asked_for = {name: part[:40] for name, part in guided.items()}
    blocks = {"sampled together": first, "sampled given the label, guided": asked_for}
    plot_pairs(args.output / "pairs.png", blocks)
    print(
        f"\nWrote model.keras and pairs.png to {args.output}/. {time.monotonic() - start:.0f} s."
    )


if __name__ == "__main__":
    main(ARGS)
