"""Compresses images with a Bayesian flow network, and compares it with common compressors.

    KERAS_BACKEND=jax python examples/compress.py
    KERAS_BACKEND=jax python examples/compress.py --data-type discretized
    KERAS_BACKEND=jax python examples/compress.py --data mnist --model bfn_mnist

Held-out digits, or the MNIST test images, are compressed with 5 to 100 messages and
decompressed. Prints the file sizes, also of compressors that know nothing of digits,
and plots the bits per image and the loss against the number of messages. Each
compressor gets all images of a file at once: image formats as one picture, the others
as a row of bits or bytes.

`--data mnist` takes MNIST from TensorFlow Datasets, and needs a `--model`: a preset, or
a file written by `examples/mnist.py`. A class-conditional model is given no class. The
comparison includes JPEG XL, JPEG-LS and zstd if `imagecodecs` and `zstandard` are
installed.
"""

import argparse
import pathlib

from arguments import positive


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", choices=("digits", "mnist"), default="digits")
    parser.add_argument("--data-dir", help="TensorFlow Datasets directory")
    parser.add_argument(
        "--model", help="preset or .keras file; default: train on digits"
    )
    parser.add_argument(
        "--data-type",
        choices=("binary", "discrete", "discretized"),
        default="binary",
        help="of a model to train: black and white; 17 grey levels as classes, or as bins",
    )
    parser.add_argument("--epochs", type=positive, help="epochs of training on digits")
    parser.add_argument(
        "--num-steps", type=positive, nargs="+", default=[5, 10, 25, 50, 100]
    )
    parser.add_argument("--num-images", type=positive, help="maximum number of images")
    parser.add_argument(
        "--batch-size", type=positive, help="lanes: see keras_bfn.codec"
    )
    parser.add_argument(
        "--repeats", type=positive, default=10, help="estimates of the loss"
    )
    parser.add_argument(
        "--output", type=pathlib.Path, default=pathlib.Path("compressed")
    )
    return parser.parse_args()


if __name__ == "__main__":  # before the imports, which take seconds
    ARGS = parse_arguments()
    what = f"the model {ARGS.model}" if ARGS.model else "a model that is trained first"
    print(
        f"Compresses images of {ARGS.data} by {what}: several minutes on one CPU core.",
        flush=True,
    )

import bz2
import gzip
import importlib.util
import io
import lzma
import math

import digits
import keras
import numpy as np
from matplotlib.figure import Figure
from PIL import Image
from progress import Progress

import keras_bfn


def load_images(args, flow):
    """Returns test images as integers, `(num, height, width, 1)`."""
    if args.data == "mnist":
        form = "binary" if flow.data_range[1] == 1 else "bins"
        test = keras_bfn.datasets.mnist(
            1000, form, flow.data_range[1] + 1, data_dir=args.data_dir
        ).test
        x = np.concatenate([test[i] for i in range(test.num_batches)])
    else:
        types = {2: "binary", digits.NUM_LEVELS: "discretized"}
        x, _ = digits.load_held_out(types[flow.num_values])
    return x[: args.num_images]


def other_compressors(x, levels):
    """Returns a dict from compressor to number of bytes, or None if its package is missing."""
    stretched = (x * 255 // (levels - 1)).astype("uint8")
    pictures = [stretched.reshape(-1, x.shape[2]), _mosaic(stretched)]
    row = (
        np.packbits(x.astype(bool)).tobytes()
        if levels == 2
        else x.astype("uint8").tobytes()
    )
    sizes = {
        "gzip -9": len(gzip.compress(row, 9)),
        "bzip2 -9": len(bz2.compress(row, 9)),
        "xz -9e": len(lzma.compress(row, preset=9 | lzma.PRESET_EXTREME)),
        "zstd -22": None,
        "PNG": min(
            _saved(picture, levels, "png", optimize=True) for picture in pictures
        ),
        "WebP, lossless": _webp(pictures),
        "JPEG-LS": None,
        "JPEG XL, lossless": None,
    }
    if importlib.util.find_spec("zstandard"):
        import zstandard

        sizes["zstd -22"] = len(zstandard.ZstdCompressor(level=22).compress(row))
    if importlib.util.find_spec("imagecodecs"):
        import imagecodecs

        sizes["JPEG-LS"] = min(len(imagecodecs.jpegls_encode(p)) for p in pictures)
        sizes["JPEG XL, lossless"] = min(
            len(imagecodecs.jpegxl_encode(p, lossless=True, effort=9)) for p in pictures
        )
    return sizes


def _mosaic(x):
    """Returns all images as one roughly square picture, padded with black."""
    columns = math.isqrt(len(x))
    rows = -(-len(x) // columns)
    filled = np.zeros((rows * columns, *x.shape[1:3]), "uint8")
    filled[: len(x)] = x[..., 0]
    grid = filled.reshape(rows, columns, *x.shape[1:3]).swapaxes(1, 2)
    return grid.reshape(rows * x.shape[1], columns * x.shape[2])


def _saved(picture, levels, form, **options):
    image = Image.fromarray(picture)
    if levels == 2:
        image = image.convert("1")  # one bit per pixel
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.tell()


def _webp(pictures):
    # WebP accepts at most 16383 pixels a side.
    small = [picture for picture in pictures if max(picture.shape) < 16384]
    return min(
        _saved(p, 256, "webp", lossless=True, quality=100, method=6) for p in small
    )


def compress_by_steps(model, x, args):
    """Returns, for each number of steps, the codec's report and the bits that the loss states."""
    results = {}
    print(
        f"{'messages':<10}{'bits/image':>12}{'loss':>10}{'initial':>9}{'file':>10}{'':>6}"
    )
    for num_steps in args.num_steps:
        codec = keras_bfn.codec.Codec(model, num_steps, args.batch_size)
        data, report = codec.compress(x, return_report=True, verbose=0)
        if not np.array_equal(codec.decompress(data, verbose=0), x):
            raise AssertionError("the decompressed data differ from the input")
        report["loss"] = loss_in_bits(model, x, num_steps, args.repeats)
        report["speed"] = len(x) / report["seconds"]
        results[num_steps] = report
        print(
            f"{num_steps:<10}{report['bits_per_example']:>12.2f}{report['loss']:>10.2f}"
            f"{report['initial_bits'] / 8:>9.0f}{report['total_bits'] / 8:>10.0f}"
            f"{report['speed']:>8.1f} images/s",
            flush=True,
        )
    return results


def loss_in_bits(model, x, num_steps, num_repeats):
    num_images = len(x)
    if model.conditional:
        x = x, np.full(len(x), model.null_condition)
    nats = model.code_length(
        x, num_steps, num_repeats, min(num_images, 250), seed=0, verbose=0
    )
    return (nats["transmission"] + nats["reconstruction"]).mean() / math.log(2)


def print_table(num_images, num_steps, report, others):
    file_size, own = (
        report["total_bits"] / 8,
        report["bits_per_example"] * num_images / 8,
    )
    print(f"\n{'':<38}{'bytes':>10}{'bits per image':>16}")
    rows = [
        (f"BFN, {num_steps} messages", file_size),
        ("  including initial bits and header", file_size - own),
        *sorted(others.items(), key=lambda item: item[1] or math.inf),
    ]
    for name, size in rows:
        if size is None:
            print(f"{name:<38}{'(package missing)':>26}")
        else:
            print(f"{name:<38}{size:>10.0f}{8 * size / num_images:>16.2f}")


def plot(results, continuous, other_name, other_bits, path):
    figure = Figure((6, 4), dpi=120, layout="constrained")
    axes = figure.subplots()
    steps = list(results)
    axes.plot(
        steps, [results[n]["loss"] for n in steps], label="n-step loss + reconstruction"
    )
    bits = [results[n]["bits_per_example"] for n in steps]
    axes.plot(steps, bits, "o", label="bits in the file")
    axes.axhline(continuous, linestyle=":", color="black", label="continuous time")
    axes.axhline(other_bits, linestyle="--", color="gray", label=other_name)
    axes.set(xlabel="messages n", ylabel="bits per image", xscale="log", ylim=(0, None))
    axes.set_xticks(steps, steps)
    axes.minorticks_off()
    axes.legend(loc="lower left")
    figure.savefig(path)


def main(args):
    args.output.mkdir(parents=True, exist_ok=True)
    if args.model:
        is_file = args.model.endswith(".keras")
        load = (
            keras.saving.load_model
            if is_file
            else keras_bfn.BayesianFlowNetwork.from_preset
        )
        model = load(args.model)
    elif args.data == "mnist":
        raise SystemExit("--data mnist requires --model")
    else:
        model = digits.train(
            args.data_type,
            # Few messages need the standard deviations, which the U-Net learns better.
            network="mlp" if args.data_type == "binary" else "unet",
            epochs=args.epochs,
        )
        model.save(args.output / "model.keras")
    levels = getattr(model.flow, "num_values", None)
    if args.data == "digits" and levels not in (2, digits.NUM_LEVELS):
        raise SystemExit(f"--model: must be a model of digits, not of {model.flow}")
    x = load_images(args, model.flow)
    print(
        f"\n{len(x)} images of {args.data} on {keras.backend.backend()}: {model.flow}"
    )

    with Progress("\nCompressing, decompressing and scoring"):
        results = compress_by_steps(model, x, args)
    num_steps = min(results, key=lambda n: results[n]["total_bits"])
    with Progress("\nCompressing by other compressors"):
        others = other_compressors(x, model.flow.data_range[1] + 1)
    print_table(len(x), num_steps, results[num_steps], others)
    other = min((name for name in others if others[name]), key=others.get)
    factor = 8 * others[other] / results[num_steps]["total_bits"]
    print(f"The file is {factor:.2f} times smaller than with {other}, the best other.")
    with Progress("Scoring in continuous time"):
        continuous = loss_in_bits(model, x, None, args.repeats)
    path = args.output / "rate.png"
    plot(results, continuous, other, 8 * others[other] / len(x), path)
    print(f"Wrote {path}")


if __name__ == "__main__":
    main(ARGS)
