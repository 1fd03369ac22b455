"""What CONTRIBUTING.md shows runs, from the first line to the last."""

import keras
import pytest

from keras_bfn import flows, samplers, schedules
from tests.test_docstrings import python_blocks
from tests.test_guides import ROOT


@pytest.mark.slow  # the same checks are made of every class here, on each backend
@pytest.mark.once
def test_the_examples_of_contributing_run():
    names = {"__name__": "own"}
    exec("\n".join(python_blocks((ROOT / "CONTRIBUTING.md").read_text())), names)
    made = [value for value in names.values() if isinstance(value, type)]
    for base in (flows.Flow, schedules.Schedule, samplers.Sampler, keras.Model):
        assert any(issubclass(own, base) for own in made), base
