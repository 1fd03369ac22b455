"""Arguments of several examples. This module imports no Keras, so that `--help` is quick."""

import argparse
import pathlib


def positive(text):
    if int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, received {text}")
    return int(text)


def multiple_of_8(text):
    if positive(text) % 8:
        raise argparse.ArgumentTypeError(f"must be a multiple of 8, received {text}")
    return int(text)


def make_experiment_parser(doc, data_help):
    """Returns the parser of the arguments that the paper's three experiments share."""
    parser = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--preset", choices=("paper", "small", "tiny"), default="paper")
    parser.add_argument("--data", help=data_help)
    parser.add_argument("--epochs", type=positive, help="default: set by the preset")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--mixed-precision", action="store_true", help="run networks in bfloat16"
    )
    parser.add_argument(
        "--distribute", action="store_true", help="divide batches among devices"
    )
    parser.add_argument(
        "--test-examples", type=positive, help="maximum number to score"
    )
    parser.add_argument(
        "--repeats", type=positive, default=10, help="evaluations per example"
    )
    parser.add_argument("--output", type=pathlib.Path, help="default: runs/NAME-PRESET")
    parser.add_argument(
        "--save-preset", type=pathlib.Path, help="preset folder to write"
    )
    return parser


def parse_experiment(parser, name, durations):
    """Returns the arguments, after a line that says how long the run takes, by preset."""
    args = parser.parse_args()
    args.output = args.output or pathlib.Path("runs") / f"{name}-{args.preset}"
    print(
        f"{name}, preset {args.preset}: trains, scores test examples, and generates some. "
        f"{durations[args.preset]}",
        flush=True,
    )
    return args
