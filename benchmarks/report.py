"""Runs sections of the benchmarks, prints their rows as tables, and writes them to a file."""

import argparse
import datetime
import importlib
import inspect
import json
import pathlib
import platform

import keras

from benchmarks.devices import device_name
from benchmarks.timing import Clock, num_threads, processor_seconds, use_all_threads

SECTIONS = (
    "overhead",
    "compiling",
    "peer",
    "memory",
    "scaling",
    "start",
    "codec",
    "precision",
    "quantisation",
    "exports",
    "pieces",
    "bare",
    "guidance",
    "gpu",
)


class Missing(Exception):
    """Raised if a requirement of a section is missing."""


def versions():
    """Returns the versions of installed packages, by name."""
    names = ("keras", "numpy", "tensorflow", "jax", "torch", "keras_bfn")
    found = {}
    for name in names:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def machine():
    """Returns the date, the machine and the versions that the figures depend on."""
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "backend": keras.backend.backend(),
        "device": device_name(),
        "threads": num_threads(),
        "python": platform.python_version(),
        **versions(),
    }


def text_of(value):
    """Returns a number with three significant digits, and an empty string for None."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:#.3g}".rstrip(".")
    return f"{value:,}" if isinstance(value, int) else str(value)


def print_rows(rows):
    """Prints dicts as rows of a Markdown table as they arrive, and returns them."""
    printed = []
    for row in rows:
        widths = [max(len(name), 20 if isinstance(row[name], str) else 9) for name in row]
        lines = [map(text_of, row.values())]
        if not printed:
            lines = [row, ["-" * width for width in widths], *lines]
        for line in lines:
            cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
            print(f"| {' | '.join(cells)} |", flush=True)
        printed.append(row)
    return printed


def load(section):
    return importlib.import_module(f"benchmarks.{section}")


def parse(sections, args):
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    if sections is None:
        parser.add_argument(
            "sections", nargs="*", metavar="SECTION", help=f"{', '.join(SECTIONS)}; default: all"
        )
    parser.add_argument("--cases", nargs="+", help="names of cases; default: all")
    parser.add_argument("--rounds", type=int, help="number of ratios per median, at least 1")
    parser.add_argument("--steps", type=int, help="steps of `generate`")
    parser.add_argument("--toy", action="store_true", default=None, help="tiny models, for tests")
    parser.add_argument("--official", type=pathlib.Path, help="clone of the authors' code")
    parser.add_argument("--minutes", type=float, help="time limit of `gpu`")
    parser.add_argument("--data-format", choices=("channels_last", "channels_first"))
    parser.add_argument("--jit-compile", type=json.loads, help="true or false; default: Keras's")
    parser.add_argument(
        "--processor-time",
        action="store_true",
        help="measure processor time instead of wall time, for a shared core",
    )
    parser.add_argument("--noise", action="store_true", default=None, help="see `overhead`")
    parser.add_argument("--output", type=pathlib.Path, help="JSON file to write")
    args = parser.parse_args(args)
    args.sections = sections or args.sections or None
    unknown = set(args.sections or ()) - set(SECTIONS)
    if unknown:
        parser.error(f"unknown section: {', '.join(sorted(unknown))}")
    known = {name for section in map(load, args.sections or SECTIONS) for name in section.CASES}
    unknown = set(args.cases or ()) - known
    if unknown:
        parser.error(f"unknown case: {', '.join(sorted(unknown))}; known: {sorted(known)}")
    return args


def options_of(section, args):
    """Returns the given arguments that a section's `measure` takes."""
    names = inspect.signature(section.measure).parameters
    return {
        name: value for name, value in vars(args).items() if name in names and value is not None
    }


def main(*sections, args=None):
    """Runs the sections named here or on the command line, by default all that can run."""
    args = parse(list(sections) or None, args)
    if args.processor_time:
        Clock.read = processor_seconds
    options = {name: value for name, value in vars(args).items() if value not in (None, False)}
    report = {"machine": machine(), "options": options, "sections": {}}
    print("; ".join(f"{name} {value}" for name, value in report["machine"].items()))
    for name in args.sections or SECTIONS:
        section = load(name)
        use_all_threads()
        print(f"\n{name}: {section.__doc__.splitlines()[0]}\n")
        try:
            report["sections"][name] = print_rows(section.measure(**options_of(section, args)))
        except Missing as reason:
            if args.sections:
                raise SystemExit(f"{name} {reason}") from None
            print(f"skipped: {name} {reason}")
        if args.output:
            args.output.write_text(json.dumps(report, indent=2, default=str) + "\n")
    return report
