"""What CONTRIBUTING.md shows runs, from the first line to the last."""

import pytest

from tests.test_docstrings import python_blocks
from tests.test_guides import ROOT


@pytest.mark.once  # the same checks are made of every class here, on each backend
def test_the_examples_of_contributing_run():
    exec("\n".join(python_blocks((ROOT / "CONTRIBUTING.md").read_text())), {"__name__": "own"})
