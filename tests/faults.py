"""Faults that are put into a copy of the repository, one at a time, and are to be found."""

import pathlib
import shutil
import sys
import tempfile
from typing import NamedTuple

HERE = pathlib.Path(__file__).parents[1]
NOT_COPIED = shutil.ignore_patterns(".git", "__pycache__", ".*_cache", "build", "dist", ".venv*")


class Fault(NamedTuple):
    """A fault.

    Attributes:
        what: what is wrong.
        path: of the file, under `keras_bfn/`.
        text, wrong: what is there exactly once, and what takes its place.
        finders: what is to find it: kinds of cases of `tests.metamorphic`; or, of
            `tests.mutations`, the folders or files of tests that run after those of its room.
        backend: the one backend that has the fault; any by default.
        more: further pairs of what is there once and what takes its place.
    """

    what: str
    path: str
    text: str
    wrong: str
    finders: tuple = ()
    backend: str = ""
    more: tuple = ()


def put(folder, fault):
    """Puts a fault into a copy of the package. Refuses a text that is not there exactly once."""
    path = folder / "keras_bfn" / fault.path
    text = path.read_text()
    for right, wrong in ((fault.text, fault.wrong), *fault.more):
        count = text.count(right)
        assert count == 1, f"{fault.path}: {count} of {right!r}"
        text = text.replace(right, wrong)
    path.write_text(text)


def find_all(faults, numbers, find):
    """Prints what finds each fault, and ends the process: with an error if one is not found.

    Args:
        faults: list of faults.
        numbers: those to try, ints; all if there are none.
        find: function of a copy of the repository, with a fault, and the fault. It returns what
            found it, None if nothing did.
    """
    numbers = numbers or range(len(faults))
    num_found = 0
    for number in numbers:
        fault = faults[number]
        with tempfile.TemporaryDirectory() as temporary:
            folder = pathlib.Path(temporary) / HERE.name
            shutil.copytree(HERE, folder, ignore=NOT_COPIED)
            try:
                put(folder, fault)
            except AssertionError as error:
                print(f"{number:>2} not put: {fault.what}: {error}", flush=True)
                continue
            found = find(folder, fault)
        num_found += found is not None
        outcome = "NOT FOUND" if found is None else f"found by {found}"
        print(f"{number:>2} {outcome}: {fault.what}", flush=True)
    print(f"{num_found} of {len(numbers)} faults found")
    sys.exit(num_found < len(numbers))
