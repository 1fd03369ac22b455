"""What CONTRIBUTING.md shows runs, from the first line to the last, on every backend."""

from tests.test_docstrings import python_blocks
from tests.test_guides import ROOT


def test_the_examples_of_contributing_run():
    exec("\n".join(python_blocks((ROOT / "CONTRIBUTING.md").read_text())), {"__name__": "own"})
