"""Fine-tunes a preset on other data, and compares it with training the same network from scratch.

    KERAS_BACKEND=torch python examples/fine_tune.py text --data novel.txt
    KERAS_BACKEND=torch python examples/fine_tune.py image --data photographs/

`--data` is a text file; or, for images, a folder with one sub-folder per class, or
`fashion` for Fashion-MNIST. By default, the text is the prose of Python's
help, and the images are 840 letters, A to J, slightly rotated, in the fonts of
matplotlib; the script writes them to a folder. Prints the cost of held-out data before
training and after each of `--marks` epochs.
"""

import argparse


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kind", choices=("image", "text"))
    parser.add_argument("--data", help="text file, folder of images, or 'fashion'")
    parser.add_argument("--preset", help="default: bfn_mnist or bfn_text")
    parser.add_argument(
        "--steps", type=int, default=20, help="training steps between evaluations"
    )
    parser.add_argument("--marks", type=int, default=6)
    return parser.parse_args()


if __name__ == "__main__":  # before the imports, which take seconds
    ARGS = parse_arguments()
    print(
        f"Fine-tunes a preset on {ARGS.kind}s, and trains its network from scratch: several "
        "minutes on one CPU core.",
        flush=True,
    )

import math
import pathlib

import keras
import numpy as np
from progress import Progress

from keras_bfn import BayesianFlowNetwork, datasets, presets


def fine_tune(preset, data, num_classes, steps, marks, load_weights=True):
    """Returns nats per held-out example before training and at each mark."""
    keras.utils.set_random_seed(0)
    model = BayesianFlowNetwork.from_preset(preset, load_weights=load_weights)
    if num_classes not in (None, model.network.conditions):
        model = presets.with_conditions(model, num_classes)
    model.compile(keras.optimizers.AdamW(3e-4, clipnorm=1.0))
    with Progress("Scoring before training"):
        before = model.evaluate(data.validation, return_dict=True, verbose=0)
    data.train.steps_per_epoch, data.train.epoch = steps, 0
    task = "Fine-tuning" if load_weights else "Training from scratch"
    with Progress(task) as progress:
        history = model.fit(
            data.train,
            epochs=marks,
            validation_data=data.validation,
            callbacks=[progress],
            verbose=0,
        )
    return [before["nats_per_example"], *history.history["val_nats_per_example"]]


def load_data(kind, path):
    """Returns the data, and the number of classes of images."""
    if kind == "text":  # windows of the preset's length
        load = (
            datasets.embedded_text
            if path is None
            else lambda **o: datasets.text_file(path, **o)
        )
        return load(batch_size=16, seq_length=256), None
    options = {"batch_size": 64, "form": "binary", "labels": True}
    if path is None:
        path = make_letters(pathlib.Path("letters"))
    if path == "fashion":
        return datasets.fashion_mnist(**options), 10
    data = datasets.image_folder(
        path, (28, 28), color_mode="grayscale", held_out=0.1, **options
    )
    return data, len(datasets.image_classes(path))


def make_letters(folder):
    """Writes images of white letters on black, one sub-folder per letter; returns the folder."""
    import matplotlib
    from PIL import Image, ImageDraw, ImageFont

    families = (
        "DejaVuSans",
        "DejaVuSerif",
        "STIXGeneral",
        "cmr",
        "cmti",
        "cmss",
        "cmtt",
        "cmb",
    )
    fonts = sorted(
        pathlib.Path(matplotlib.get_data_path(), "fonts", "ttf").glob("*.ttf")
    )
    fonts = [
        f for f in fonts if f.stem.startswith(families) and "Display" not in f.stem
    ]
    rng = np.random.default_rng(0)
    for letter in "ABCDEFGHIJ":
        (folder / letter).mkdir(parents=True, exist_ok=True)
        for font in fonts:
            for i in range(4):
                large = Image.new("L", (112, 112))
                write = {
                    "fill": 255,
                    "font": ImageFont.truetype(str(font), 76),
                    "anchor": "mm",
                }
                ImageDraw.Draw(large).text((56, 56), letter, **write)
                turned = large.rotate(rng.uniform(-15, 15), Image.Resampling.BICUBIC)
                small = turned.resize((28, 28), Image.Resampling.BOX)
                small.save(folder / letter / f"{font.stem}_{i}.png")
    return folder


def main(args):
    preset = args.preset or {"image": "bfn_mnist", "text": "bfn_text"}[args.kind]
    data, num_classes = load_data(args.kind, args.data)

    unit, scale = "nats per image", 1.0
    if args.kind == "text":
        unit, scale = "bits per character", 1 / (256 * math.log(2))
    costs = {
        name: fine_tune(preset, data, num_classes, args.steps, args.marks, load_weights)
        for name, load_weights in (("fine-tuned", True), ("from scratch", False))
    }
    print(f"\n{unit} on {keras.backend.backend()}, by training steps:")
    print(
        f"{'':<16}"
        + "".join(f"{args.steps * mark:>8}" for mark in range(args.marks + 1))
    )
    for name, row in costs.items():
        print(f"{name:<16}" + "".join(f"{scale * cost:>8.2f}" for cost in row))


if __name__ == "__main__":
    main(ARGS)
