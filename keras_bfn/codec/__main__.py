"""Compresses and decompresses files of numpy arrays.

    python -m keras_bfn.codec compress images.npy images.bfn --model model.keras --report
    python -m keras_bfn.codec decompress images.bfn images.npy --model model.keras

Data with several parts are a .npz file with one array per part.

`--model` is a file written by `model.save`, or the name or folder of a preset. Decompress with the
backend (`KERAS_BACKEND`) that compressed.
"""

import argparse
import pathlib
import sys
import zipfile

import keras
import numpy as np

from keras_bfn._parts import list_parts
from keras_bfn.codec.codec import Codec
from keras_bfn.codec.errors import CodecError
from keras_bfn.models import BayesianFlowNetwork
from keras_bfn.saving.files import write_atomically


def parse_arguments():
    """Returns the arguments of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m keras_bfn.codec",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    compress = commands.add_parser("compress", help="compress a .npy or .npz file")
    decompress = commands.add_parser("decompress", help="decompress to a .npy or .npz file")
    for command in (compress, decompress):
        command.add_argument("input", type=pathlib.Path)
        command.add_argument("output", type=pathlib.Path)
        command.add_argument("--model", required=True, help=".keras file or preset")
        command.add_argument("--condition", type=pathlib.Path, help=".npy or .npz file")
        command.add_argument("--num-steps", type=int, default=50)
        command.add_argument("--quiet", action="store_true", help="show no progress")
    compress.add_argument("--batch-size", type=int, help="maximum number of lanes: see Codec")
    compress.add_argument("--report", action="store_true", help="print how the bits are spent")
    compress.add_argument("--verify", action="store_true", help="decompress the result and compare")
    return parser.parse_args()


def run(args):
    """Compresses or decompresses a file."""
    is_file = args.model.endswith(".keras")
    load = keras.saving.load_model if is_file else BayesianFlowNetwork.from_preset
    model = load(args.model)
    condition = None if args.condition is None else _load(args.condition)
    verbose = 0 if args.quiet else 1
    if args.command == "decompress":
        codec = Codec(model, args.num_steps)
        x = codec.decompress(args.input.read_bytes(), condition, verbose=verbose)
        write_atomically(args.output, lambda file: _save(file, x))
        return
    x = _load(args.input)
    codec = Codec(model, args.num_steps, args.batch_size)
    data, report = codec.compress(x, condition, return_report=True, verbose=verbose)
    if args.verify:
        back = codec.decompress(data, condition, verbose=verbose)
        if not all(np.array_equal(*part) for _, *part in list_parts(model.flow, back, x)):
            raise CodecError("The compressed data do not decompress to the input")
    write_atomically(args.output, lambda file: file.write(data))
    if args.report:
        print_report(report)


def _load(path):
    x = np.load(path)
    return dict(x) if isinstance(x, np.lib.npyio.NpzFile) else x


def _save(file, x):
    if not isinstance(x, dict):
        np.save(file, x)
        return
    # Not `np.savez`: a part may have the name of one of its arguments.
    with zipfile.ZipFile(file, "w") as archive:
        for name, values in x.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
                np.save(entry, values)


def print_report(report):
    """Prints how the bits of a file are spent."""
    examples = report["bits_per_example"] * report["num_examples"]
    rows = [("examples", examples), ("initial bits", report["initial_bits"])]
    rows += [("header and checksum", report["header_bits"]), ("file", report["total_bits"])]
    print(f"{'':<20}{'bytes':>12}{'bits per example':>20}")
    for name, bits in rows:
        print(f"{name:<20}{bits / 8:>12.0f}{bits / report['num_examples']:>20.2f}")
    print(
        f"{report['num_examples']} examples in {report['seconds']:.1f} s, "
        f"{report['bits_per_variable']:.4f} bits per variable"
    )


def main():
    """Runs the command, and exits with the reason if it fails."""
    try:
        run(parse_arguments())
    except (CodecError, OSError, EOFError, ValueError, ImportError) as error:
        sys.exit(f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    main()
